"""What reports are made of where a table has rows that are unlike the others."""

import io
from dataclasses import replace
from zipfile import ZipFile

import pandas as pd
import pytest
from reports_fixture import ABOUT

from attribution.reports.contents import of_channels
from attribution.reports.document import Chart, Document, Section, chart_title, drawn
from attribution.reports.printed import printed
from attribution.reports.slides import pptx
from attribution.reports.workbook import workbook
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


def test_words_round_as_their_table_does():
    document = of_channels(channels_of(("email", 0.0, 264.46, 217.46, 321.46, 9.0)), ABOUT)
    sure = next(section for section in document.sections if section.name == "How sure")
    assert sure.chart.words.endswith("most: 264, and with nine chances in ten between 217 and 321.")


@pytest.mark.parametrize(("paid", "names"), [(False, "abc"), (True, "")])
def test_rows_without_spend_end_only_a_chart_of_what_is_paid_for(paid, names):
    columns = (Column("line", "Line"), measured("spend"), measured("collected"))
    rows = [("a", 0.0, 900.0), ("b", 50.0, 100.0), ("c", 40.0, 0.0)]
    frame = pd.DataFrame(rows, columns=["line", "spend", "collected"])
    chart = Chart("bars", "Money", "line", ("spend", "collected"), "", paid=paid)
    section = Section("Lines", Table("Lines", columns, frame), chart)
    assert drawn(section).frame["line"].tolist() == list(names)
    with ZipFile(io.BytesIO(workbook(Document("x", "X", "Which?", ABOUT, (section,))))) as parts:
        charts = [parts.read(each) for each in parts.namelist() if "charts/chart" in each]
    assert [b"$A$2:$A$4" in each for each in charts] == [True] * (not paid)


@pytest.mark.parametrize(
    ("most", "said"), [(6, "Money (3 of 4 drawn)"), (2, "Money (2 of 4 drawn)")]
)
def test_a_chart_says_in_every_format_how_many_it_has_no_room_for(most, said):
    """What has no channel comes last, whatever it cost."""
    columns = (Column("channel", "Channel"), measured("spend"), measured("collected"))
    rows = [("a", 50.0, 90.0), ("b", 40.0, 10.0), ("c", 9.0, 1.0), ("x", 0.0, 3.0), ("u", 7.0, 5.0)]
    table = Table("T", columns, pd.DataFrame(rows, columns=[c.name for c in columns]))
    chart = Chart("bars", "Money", "channel", ("spend", "collected"), "", most=most, paid=True)
    document = Document("x", "X", "Which?", ABOUT, (Section("Rows", table, chart),))
    assert printed(document)["sections"][0]["chart_title"] == said
    with ZipFile(io.BytesIO(workbook(document))) as parts:
        assert said in parts.read("xl/charts/chart1.xml").decode()
    with ZipFile(io.BytesIO(pptx(document))) as parts:
        assert said in parts.read("ppt/slides/slide2.xml").decode()
    all_of_it = replace(document.sections[0], chart=replace(chart, paid=False, most=6))
    assert chart_title(all_of_it) == "Money"
