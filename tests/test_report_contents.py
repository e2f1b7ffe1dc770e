"""What reports are made of where a table has rows that are unlike the others."""

import pandas as pd
import pytest
from reports_fixture import ABOUT

from attribution.reports.contents import of_channels
from attribution.ui.view import Column, Figure, Table, View, measured

NAN = float("nan")


def channels_of(*rows: tuple) -> View:
    """A view with these rows: channel, spend, bookings and between what they lie, collected."""
    names = ("channel", "spend", "booked", "credit_low", "credit_high", "collected")
    titles = {"credit_low": "Booked visits, low", "credit_high": "Booked visits, high"}
    columns = (Column("channel", "Channel"), *(measured(n, titles.get(n, "")) for n in names[1:]))
    table = Table("Channels", columns, pd.DataFrame(rows, columns=list(names)))
    return View(
        "Which?",
        figures={"return": Figure("Return", {}, "Takeaway.")},
        tables={"channels": table, "campaigns": table},
    )


@pytest.mark.parametrize(
    ("low", "sections"),
    [(NAN, ["Channels", "Campaigns"]), (2.0, ["Channels", "How sure", "Campaigns"])],
)
def test_a_report_says_how_sure_it_is_only_where_a_channel_has_an_interval(low, sections):
    """What came by unmapped touches has one too, and is no channel."""
    view = channels_of(
        ("email", 0.0, 3.0, low, low * 2, 9.0), ("unmapped", 0.0, 4.0, 1.0, 7.0, 5.0)
    )
    document = of_channels(view, ABOUT)
    assert [section.name for section in document.sections] == sections
