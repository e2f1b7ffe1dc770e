"""Journeys, and what each week's leads became, as an independent computation says."""

from dataclasses import replace
from datetime import date, timedelta

import marts_fixture as made_up
import pandas as pd
import pytest
import sqlalchemy as sa

from attribution import cohort_queries, queries
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.ui import formats
from attribution.ui.view import View
from attribution.ui.views import channels, journeys, overview
from attribution.ui.views.cohorts import _share_in_words

LAST = made_up.LAST_WEEK
RECENT = Scope(LAST - timedelta(weeks=12), LAST)
NARROW = replace(RECENT, service_lines=("cardiology",), locations=("North", "unassigned"))
LINES = made_up.SERVICE_LINES


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marts(home: Home) -> Marts:
    return queries.Marts(home, 1, protected=False)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return made_up.tables()


def metric(view: View, name: str) -> float | None:
    return next(each.value for each in view.metrics if each.name == name)


def in_quarters(frame: pd.DataFrame, lines: tuple[str, ...] = LINES) -> pd.DataFrame:
    """The booked journeys of the quarters that RECENT touches."""
    recent = (frame["quarter"] >= date(2026, 7, 1)) & (frame["kind"] == "booked")
    return frame[recent & frame["service_line"].isin(lines)]


@pytest.mark.parametrize("scope", [RECENT, NARROW], ids=["everything", "filtered"])
def test_journeys_are_those_of_the_quarters(marts, tables, scope):
    view = journeys.build(marts, scope)
    expected = in_quarters(tables["paths"], scope.service_lines or LINES)["journeys"].sum()
    assert metric(view, "journeys") == expected
    listed = view.tables["paths"].frame
    assert listed["journeys"].sum() == expected
    paths = listed["path"].tolist()
    assert "Other" not in paths[:-1]
    assert "Other" in paths
    assert view.tables["flows"].frame["journeys"].sum() == expected


def test_percentiles_are_weighted_by_journeys(marts, tables):
    lags = in_quarters(tables["path_lags"]).query("measure == 'days'")
    weighted = (lags["p50"] * lags["journeys"]).sum() / lags["journeys"].sum()
    assert metric(journeys.build(marts, RECENT), "journey_days") == pytest.approx(weighted)


def test_a_path_s_rate_is_its_share_of_conversions(marts, tables):
    row = journeys.build(marts, RECENT).tables["paths"].frame.set_index("path").loc["Email"]
    email = in_quarters(tables["paths"]).query("step_1 == 'email' and step_2 == ''")
    converted = email.loc[email["outcome"] == "converted", "journeys"].sum()
    assert row["path_rate"] == pytest.approx(converted / email["journeys"].sum())


def test_what_enters_a_channel_of_the_flows_leaves_it(marts):
    trace = journeys.build(marts, RECENT).figures["flows"].spec["data"][0]
    link = pd.DataFrame({name: trace["link"][name] for name in ("source", "target", "value")})
    into, out = link.groupby("target")["value"].sum(), link.groupby("source")["value"].sum()
    between = into.index.intersection(out.index)
    assert len(between)
    assert (into[between] == out[between]).all()


@pytest.mark.parametrize("kind", ["kept", "collected"])
def test_of_other_kinds_only_the_weeks_are_followed(marts, kind):
    view = journeys.build(marts, replace(RECENT, kind=kind))
    assert list(view.figures) == ["cohorts"]
    assert "Choose one of these" in view.notes[0]
    assert {"cohorts"} == view.tables.keys()


@pytest.mark.parametrize("protected", [True, False])
def test_of_other_kinds_no_longer_period_is_asked_for(home, monkeypatch, protected):
    """Viewers are told no cohorts: with kept visits chosen there is nothing, for no period."""
    monkeypatch.setattr(journeys, "became", lambda *_: None)
    view = journeys.build(queries.Marts(home, 1, protected=protected), replace(RECENT, kind="kept"))
    assert view.empty.startswith("Paths are followed to leads, bookings and new patients, not to")
    assert "Choose one of these as the conversion" in view.empty
    assert "longer period" not in view.empty


def of_leads(tables, kind, lines=LINES, scope=RECENT):
    """The cohorts of leads of a scope, followed to a kind of conversion."""
    frame = tables["cohorts"].query("kind_from == 'lead' and kind_to == @kind")
    weeks = frame["week"].between(scope.since, scope.until)
    return frame[weeks & frame["service_line"].isin(lines)]


@pytest.mark.parametrize("lines", [(), ("cardiology", "dermatology")], ids=["all", "two lines"])
def test_each_week_s_leads_are_followed_to_what_they_became(marts, tables, lines):
    view = journeys.build(marts, replace(RECENT, service_lines=lines))
    rows = of_leads(tables, "booked", lines or LINES).groupby("week")
    shown = view.tables["cohorts"].frame.set_index("week").sort_index()
    assert shown["cohort_size"].tolist() == rows["entered"].sum().tolist()
    share = rows["arrived"].sum() / rows["entered"].sum()
    assert shown["cohort_rate"].tolist() == pytest.approx(share.tolist())
    final = rows["expected"].sum() / rows["entered"].sum()
    assert shown["cohort_final"].tolist() == pytest.approx(final.tolist())
    miss = rows.apply(lambda each: ((each["high"] - each["expected"]) ** 2).sum()) ** 0.5
    reach = (shown["high"] - shown["cohort_final"]) * shown["cohort_size"]
    assert reach.tolist() == pytest.approx(miss.tolist())
    assert shown["immature"].tolist() == [False] * 11 + [True] * 2


def test_bars_of_young_weeks_are_whole_and_marked(marts):
    view = journeys.build(marts, RECENT)
    solid, hatched, reach = view.figures["cohorts"].spec["data"]
    table = view.tables["cohorts"].frame.sort_values("week")
    tops = [one + other for one, other in zip(solid["y"], hatched["y"], strict=True)]
    assert tops == pytest.approx(table["cohort_final"].tolist())
    assert hatched["y"][0] == 0 < hatched["y"][-1]
    assert reach["x"] == [f"{LAST - timedelta(weeks=1)}", f"{LAST}"]
    assert reach["y"] == pytest.approx(tops[-2:])
    assert all(above > 0 for above in reach["error_y"]["array"])
    (border,) = view.figures["cohorts"].spec["layout"]["shapes"]
    assert border["x0"] == "2026-11-05 12:00:00"  # half a bar before the Monday of the first
    assert "newest 2 weeks" in view.figures["cohorts"].alt


def test_of_money_visits_are_followed(marts, tables):
    frame = tables["cohorts"].query("kind_from == 'kept' and kind_to == 'collected'")
    frame = frame[frame["week"].between(RECENT.since, RECENT.until)]
    shown = journeys.build(marts, replace(RECENT, kind="collected")).tables["cohorts"].frame
    assert shown["visit_money"].sum() == pytest.approx(frame["arrived"].sum() / 1e6)
    assert shown["visit_money_final"].sum() == pytest.approx(frame["expected"].sum() / 1e6)


def test_what_leads_still_owe_is_said_with_its_weeks(marts, tables):
    owed = of_leads(tables, "new_patient").query("maturity < 0.9")
    missing = 1 - owed["arrived"].sum() / owed["expected"].sum()
    first = formats.day(min(owed["week"]))
    said = f"about {missing:.0%} of the new patients from leads of the last 8 weeks (from {first})"
    for view in (overview.build(marts, RECENT), channels.build(marts, RECENT)):
        assert any(said in note and "CAC and ROAS" in note for note in view.notes)


def without_cohorts(monkeypatch, line):
    """As where a service line is too small: its weeks are part of others in the mart."""
    own = cohort_queries.COHORTS
    rows = sa.select(*own.c).where(own.c.service_line != line)
    monkeypatch.setattr(cohort_queries, "COHORTS", rows.subquery("cohorts"))


def test_a_line_too_small_to_estimate_is_said_with_what_all_lines_owe(marts, monkeypatch):
    scope = replace(RECENT, service_lines=("cardiology",))
    whole = next(n for n in overview.build(marts, RECENT).notes if "Not all in yet" in n)
    share = whole.split("Not all in yet: ")[1].split(" from leads")[0]
    builds = (overview.build, channels.build)
    assert not any("too few" in note for build in builds for note in build(marts, scope).notes)
    without_cohorts(monkeypatch, "cardiology")
    for build in builds:
        (said,) = (note for note in build(marts, scope).notes if "too few" in note)
        assert said.startswith("Cardiology has too few leads a week")
        assert share in said
        assert not any("too few" in note for note in build(marts, RECENT).notes)


@pytest.mark.parametrize(
    ("kind", "entered"), [("booked", "leads"), ("kept", "leads"), ("collected", "kept visits")]
)
def test_journeys_say_which_lines_are_too_small_to_follow(marts, monkeypatch, kind, entered):
    scope = replace(RECENT, kind=kind, service_lines=("cardiology",))
    assert not any("too few" in note for note in journeys.build(marts, scope).notes)
    without_cohorts(monkeypatch, "cardiology")
    view = journeys.build(marts, scope)
    assert "cohorts" not in view.figures
    said = " ".join((*view.notes, view.empty or ""))
    assert f"Cardiology has too few {entered} a week" in said


def test_old_weeks_owe_nothing(marts):
    old = Scope(LAST - timedelta(weeks=40), LAST - timedelta(weeks=28))
    view = overview.build(marts, old)
    assert not any("Not all in yet" in note for note in view.notes)
    assert "shapes" not in view.figures["demand"].spec["layout"]
    assert not any("Not all in yet" in note for note in channels.build(marts, old).notes)


def test_older_and_newer_leads_are_compared_by_what_is_expected_of_them():
    """54 of 100 booked and 58 are expected to; of the newest 30 of 100 have, and 59 will."""
    frame = pd.DataFrame(
        {
            "entered": [100.0, 100.0],
            "arrived": [54.0, 30.0],
            "expected": [58.0, 59.0],
            "immature": [False, True],
        }
    )
    said = _share_in_words(frame, "booked")
    assert "54.0% booked so far, and about 58.0% are expected to" in said
    assert "30.0% have so far, and about 59.0% are expected to" in said


def test_service_lines_that_read_the_same_are_not_told_apart():
    assert journeys._quickest(["Dental", "Orthopedics"], [11.9, 12.2]) == (
        "All service lines take about as long: a median of 12 days."
    )
    assert journeys._quickest(["Dental", "Eyes", "Heart"], [9.0, 20.4, 19.6]) == (
        "Dental is quickest with a median of 9.0 days. Eyes and Heart take longest (20 days)."
    )
    assert journeys._quickest(["Dental"], [3.0]) == "Dental takes a median of 3.0 days."
