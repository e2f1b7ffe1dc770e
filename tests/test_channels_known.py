"""How much of what was chosen has a known channel: of money where it is money, else of people."""

from dataclasses import replace

import marts_fixture as made_up
import pytest

from attribution import queries
from attribution.queries import WEEK, Scope
from attribution.ui import formats
from attribution.ui.views import channels

RECENT = Scope(made_up.LAST_WEEK - 12 * WEEK, made_up.LAST_WEEK)


class Dear(queries.Marts):
    """Marts in which what nobody can place brings five times the money."""

    def ask(self, statement):
        frame = super().ask(statement)
        if {"channel", "campaign", "kind", "value"} <= set(frame):
            dear = frame["channel"] == "unattributed"
            frame["value"] = frame["value"].mask(dear, frame["value"] * 5)
        return frame


@pytest.mark.parametrize("kind", ["booked", "collected"])
def test_card_table_and_figure_tell_one_share_with_a_known_channel(tmp_path, kind):
    marts = Dear(made_up.make_home(tmp_path), 1, protected=False)
    view = channels.build(marts, replace(RECENT, kind=kind))
    rows = view.tables["channels"].frame.set_index("channel")[kind]
    unknown = float(rows.reindex(channels.UNKNOWN).sum() / rows.sum())
    card = next(each.value for each in view.metrics if each.name == "attributed")
    assert 0 < unknown < 1
    assert card == pytest.approx(1 - unknown)
    assert f"{formats.rate(unknown)} has no known channel." in view.figures["credited"].alt
