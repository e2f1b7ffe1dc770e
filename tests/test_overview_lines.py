"""Service lines on Overview and in their report: what is folded or late is not nought."""

import duckdb
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


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """A home whose ad sources have not reported the last two weeks, nor billing the last three.

    Of the week before, some days are told.
    """
    home = made_up.make_home(tmp_path_factory.mktemp("late"))
    with duckdb.connect(str(home.generation(1) / "marts.duckdb")) as marts:
        for table, weeks in (("spend", 1), ("conversions where kind = 'collected'", 2)):
            last = made_up.LAST_WEEK - weeks * WEEK
            more = "and" if "where" in table else "where"
            marts.execute(f"delete from {table} {more} week > ?", [last])
    return home


def test_ratios_of_lines_count_the_weeks_in_which_both_numbers_are_known(late):
    """As those in the headline do; the numbers themselves add up to the headline's."""
    marts = queries.marts(late, 1, protected=False)
    scope = Scope(made_up.LAST_WEEK - 3 * WEEK, made_up.LAST_WEEK)
    until = made_up.LAST_WEEK - 2 * WEEK
    view, lines = overview.build(marts, scope), service_lines.build(marts, scope)
    cards = {each.name: each.value for each in view.metrics}
    table, report = view.tables["service_lines"], lines.tables["lines"]
    for each in (table, report):
        rows = each.frame.set_index("service_line")
        assert rows["new_patients"].sum() == cards["new_patients"]
        assert rows["collected"].sum() == pytest.approx(cards["collected"])
    for each in (view, lines):
        assert sum("weeks in which both of their numbers" in note for note in each.notes) == 1
    # Until then all is known but money, and its only week is the first.
    known = overview.build(marts, Scope(scope.since, until)).tables["service_lines"].frame
    first = overview.build(marts, Scope(scope.since, scope.since)).tables["service_lines"].frame
    for name, own in (("blended_cac", known), ("blended_roas", first)):
        expected = own.set_index("service_line")[name].dropna()
        found = report.frame.set_index("service_line")[name].dropna()
        assert found.to_dict() == pytest.approx(expected.to_dict())
    assert report.frame["line_cpl"].notna().sum() == len(known) - 1
    every = known[["spend", "new_patients"]].sum()
    assert cards["blended_cac"] == pytest.approx(every["spend"] / every["new_patients"])


def test_a_line_of_which_spend_is_not_reported_at_all_has_no_price(late):
    marts = queries.marts(late, 1, protected=False)
    scope = Scope(made_up.LAST_WEEK - WEEK, made_up.LAST_WEEK)
    rows = overview.build(marts, scope).tables["service_lines"].frame
    assert (rows["new_patients"] > 0).all()
    assert rows[["spend", "collected", "blended_cac", "blended_roas"]].isna().all(axis=None)


def test_one_week_is_told_as_one(home):
    week = made_up.LAST_WEEK
    figures = overview.build(queries.marts(home, 1, protected=False), Scope(week, week)).figures
    for name in ("demand", "money"):
        said = figures[name].alt
        assert not any(word in said for word in ("First to last", "→", "Shaded")), said
        assert "shapes" not in figures[name].spec["layout"]
