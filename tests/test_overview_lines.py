"""Service lines on Overview and in their report: what is folded or late is not nought."""

import marts_fixture as made_up
import pytest

from attribution import queries
from attribution.queries import WEEK, Scope
from attribution.ui.views import overview, service_lines

RECENT = Scope(made_up.LAST_WEEK - 12 * WEEK, made_up.LAST_WEEK)
COUNTS = ["leads", "booked", "kept", "new_patients", "collected"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return made_up.make_home(tmp_path_factory.mktemp("home"))


class Folded(queries.Marts):
    """Marts of a viewer whom no four weeks tell of dermatology by its name."""

    def ask(self, statement):
        frame = super().ask(statement)
        if {"service_line", "conversions"} <= set(frame):
            return frame[frame["service_line"] != "dermatology"]
        return frame


def test_a_line_that_is_folded_has_no_patients_to_tell_and_no_price(home):
    marts = Folded(home, 1, protected=True)
    for table, ratios in (
        (overview.build(marts, RECENT).tables["service_lines"], ["blended_cac", "blended_roas"]),
        (service_lines.build(marts, RECENT).tables["lines"], ["line_cpl", "line_roi"]),
    ):
        rows = table.frame.set_index("service_line")
        assert rows.loc["Dermatology", "spend"] > 0
        assert rows.loc["Dermatology", [*COUNTS, *ratios]].isna().all()
        assert rows.drop(["Dermatology", "Unassigned"])[[*COUNTS, *ratios]].notna().all(axis=None)
        assert "A dash" in table.note
    # Who sees small cells is told that nobody came.
    plain = overview.build(Folded(home, 1, protected=False), RECENT).tables["service_lines"]
    assert plain.frame.set_index("service_line").loc["Dermatology", "leads"] == 0
    assert "A dash" not in plain.note
