"""Worlds other than the demo's: each knob moves what it says, and accuracy is measured right."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from attribution.demo import Knobs, prepare, simulate, tables_of, world
from attribution.demo.ads import ad_spend
from attribution.demo.exposure import Moment, Week, impressions
from attribution.demo.folk import folk_of
from attribution.demo.knobs import STANDARD
from attribution.demo.lift import (
    COLUMNS,
    TESTED,
    GeoTest,
    exact_increment,
    lift_tests,
    schedule,
)
from attribution.demo.market import (
    LEVER,
    LEVERS,
    MARKETING,
    PAID,
    WEEKLY_BUDGET,
    Pause,
    plan_of,
    weekly_spend,
)
from attribution.demo.truth import truth_of
from attribution.demo.worlds import CALL, KINDS, calendar_of, levers_off, live, ways
from attribution.paths import Home
from benchmarks.accuracy_metrics import (
    covered,
    distance,
    measured,
    middle,
    rank_correlation,
    shares,
)
from benchmarks.accuracy_worlds import REPORTED, TUNING

UNTIL = date(2026, 11, 22)
PEOPLE = 1200
CALENDAR = calendar_of(UNTIL, 364)


def lived(knobs=STANDARD, off=(), people=PEOPLE):
    return world(people, 7, frozenset(off), until=UNTIL, days=364, knobs=knobs)


@pytest.fixture(scope="module")
def standard():
    return lived()


def same_life(one, other):
    """Whether everybody asked, came and paid alike."""
    logs = ("inquiries", "visits", "payments")
    return all(same_log(getattr(one, log), getattr(other, log)) for log in logs)


def same_log(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_the_standard_world_is_the_demo_as_it_was():
    demo = world(600, 7, until=UNTIL, days=364)
    assert demo.totals() == {
        # One visit of these is what a wellness tip brought.
        "lead": 183, "booked": 505, "kept": 398, "new_patient": 41, "collected": 137270.54,
    }  # fmt: skip
    assert len(demo.touches["person"]) == 6096
    assert int(demo.touches["week"].sum()) == 167498


def test_factors_of_one_change_nothing(standard):
    ones = Knobs(budgets=dict.fromkeys(PAID, 1.0), effects=dict.fromkeys(LEVERS, 1.0))
    again = lived(ones)
    assert same_life(standard, again)
    assert same_log(standard.touches, again.touches)


def reached(knobs, *, level, activity, visited):
    """The share of some alike people that each medium shows something to, in one week."""
    folk = folk_of(7, np.arange(40_000), knobs)
    if activity is not None:
        folk = replace(folk, activity=np.full(len(folk.ids), activity))
    size, no = len(folk.ids), np.zeros(len(folk.ids), dtype=bool)
    now = Moment(
        20, np.full(size, level), no, no, np.full(size, visited), np.zeros(size)
    )  # fmt: skip
    week = Week()
    impressions(folk, plan_of(7, CALENDAR, knobs), now, frozenset(), week)
    return {lever: len(seen) / size for lever, seen in week.seen.items()}


@pytest.mark.parametrize(
    ("knob", "aims"), [(0.0, False), (1.0, True), (2.0, True)], ids=["none", "usual", "strong"]
)
def test_confounding_is_platforms_aiming_at_people_in_need(knob, aims):
    knobs = Knobs(confounding=knob)
    needy = reached(knobs, level=1.0, activity=None, visited=19)
    idle = reached(knobs, level=0.0, activity=None, visited=-999)
    for lever in ("video", "paid_social", "display"):
        assert (needy[lever] > 1.1 * idle[lever]) == aims, lever
        assert (needy[lever] == idle[lever]) != aims, lever
    assert needy["offline_media"] == idle["offline_media"]


def test_confounding_is_heavy_users_seeing_more():
    for knob in (0.0, 0.5, 1.0):
        activity = folk_of(7, np.arange(20_000), Knobs(confounding=knob)).activity
        assert activity.mean() == pytest.approx(1, abs=0.02)
        assert np.log(activity).std() == pytest.approx(0.7 * knob, abs=0.02)


def test_confounding_is_budgets_that_follow_demand():
    calendar = calendar_of(UNTIL, 730)
    season = plan_of(7, calendar).season.mean(axis=1)
    flat, usual, strong = (
        plan_of(7, calendar, Knobs(confounding=knob, swings=0)).strength["brand"][:, 0]
        for knob in (0.0, 1.0, 2.0)
    )
    assert flat == pytest.approx(np.ones(calendar.weeks))
    assert np.corrcoef(usual, season)[0, 1] == pytest.approx(1)
    assert np.ptp(strong) == pytest.approx(2 * np.ptp(usual))


def test_swings_are_how_budgets_differ_between_places():
    def apart(knob):
        strength = plan_of(7, CALENDAR, Knobs(swings=knob)).strength["directory"]
        return np.log(strength[:, 0] / strength[:, 1]).std()

    assert apart(0.0) == pytest.approx(0)
    assert apart(2.0) == pytest.approx(2 * apart(1.0))


@pytest.mark.parametrize("lever", PAID)
def test_budgets_move_over_the_weeks_and_cost_as_much_as_they_would(lever):
    calendar = calendar_of(UNTIL, 728)
    spent = weekly_spend(plan_of(7, calendar), lever, 60_000).sum(axis=1)
    assert spent.mean() == pytest.approx(WEEKLY_BUDGET[lever], rel=0.15)
    # The brand's ads are bought by those who search; the others are planned.
    assert spent.std() / spent.mean() > (0.05 if lever == "brand" else 0.4)


def test_budgets_do_not_move_together():
    plan = plan_of(7, calendar_of(UNTIL, 728), Knobs(confounding=0))
    courses = [plan.strength[lever].mean(axis=1) for lever in PAID if lever != "brand"]
    assert np.abs(np.corrcoef(courses) - np.eye(len(courses))).max() < 0.6


def test_tracking_changes_what_is_recorded_and_nothing_that_happens(standard):
    for knob in (0.0, 2.0):
        assert same_life(standard, lived(Knobs(tracking=knob)))


def test_nothing_is_lost_where_tracking_is_perfect():
    perfect = lived(Knobs(tracking=0.0))
    tables = tables_of(perfect)
    touches = tables["touchpoint"]
    online = touches[touches["kind"].isin(["click", "session", "email_click", "form"])]
    assert online["client_id"].notna().all()
    assert online["client_id"].nunique() <= PEOPLE  # one cookie each
    clicks = perfect.touches["lever"]
    paid = np.isin(clicks, [LEVER[n] for n in ("brand", "nonbrand", "paid_social", "video")])
    tagged = touches["utm_medium"].isin(["cpc", "paid_social", "video"]) & (
        touches["kind"] == "click"
    )
    assert tagged.sum() == paid.sum()
    shown = (clicks == -1 - LEVER["display"]).sum()
    assert (touches["kind"] == "impression").sum() == shown
    web = perfect.inquiries["lever"] >= 0
    web &= perfect.inquiries["lever"] != LEVER["referral_physician"]
    assert not (ways(perfect)[web] == CALL).any()
    assert tables["contact"][["email", "phone"]].notna().all(axis=None)
    assert not tables["contact"]["email"].str.lower().duplicated().any()
    assert not tables["contact"]["email"].str.contains("exmaple").any()


def test_more_tracking_loss_loses_more():
    def found(knob):
        touches = tables_of(lived(Knobs(tracking=knob)))["touchpoint"]
        clicks = touches[touches["kind"] == "click"]
        known = touches["client_id"].dropna()
        return len(clicks), clicks["client_id"].notna().mean(), len(known) / known.nunique()

    usual, worse = found(1.0), found(2.0)
    assert all(less < more for less, more in zip(worse, usual, strict=True))


def test_spend_is_the_level_of_all_budgets(standard):
    rich = lived(Knobs(spend=2.0, budgets={"video": 1.5}))
    for lever, factor in (("display", 2.0), ("video", 3.0)):
        before = weekly_spend(standard.plan, lever, PEOPLE)
        assert weekly_spend(rich.plan, lever, PEOPLE) == pytest.approx(factor * before)
    assert rich.totals()["lead"] > standard.totals()["lead"]


def test_spend_changes_nothing_where_marketing_is_off():
    poor, rich = (
        Knobs(budgets=dict.fromkeys({*PAID} - {"nonbrand"}, factor)) for factor in (0.5, 2.0)
    )
    assert same_life(lived(poor, MARKETING), lived(rich, MARKETING))


def test_baseline_is_what_comes_by_itself():
    def share(knob):
        knobs = Knobs(baseline=knob)
        return lived(knobs, MARKETING).totals()["lead"] / lived(knobs).totals()["lead"]

    assert share(0.4) < share(1.0) < share(2.5)


def test_a_channel_without_effect_has_brought_nothing():
    knobs = Knobs(effects={"offline_media": 0.0, "outreach_sms": 0.0, "video": 0.0})
    idle = lived(knobs)
    assert same_life(idle, lived(knobs, ["offline_media"]))
    assert same_life(idle, lived(knobs, ["outreach_sms"]))
    # A video still gets clicks, and who clicks may ask a day later or be shown a banner.
    lost = idle.totals()["lead"] - lived(knobs, ["video"]).totals()["lead"]
    usual = lived().totals()["lead"] - lived(off=["video"]).totals()["lead"]
    assert abs(lost) < 0.1 * usual
    assert (idle.touches["lever"] == LEVER["video"]).sum() > 20


def test_no_budget_is_a_channel_that_is_off():
    poor = lived(Knobs(budgets={"video": 0.0}))
    assert same_life(poor, lived(off=["video"]))
    assert "youtube" not in set(ad_spend(poor)["network"])


def test_truth_of_an_unusual_world_says_so():
    unusual = world(400, 7, frozenset(["video"]), until=UNTIL, days=182, knobs=Knobs(spend=0.5))
    off = truth_of(unusual, processes=1)
    assert (off["knobs"], off["off"]) == ({"spend": 0.5}, ["video"])
    assert off["channels"]["video"]["spend"] == 0
    assert set(off["channels"]["video"]["incremental"].values()) == {0}
    assert off["channels"]["paid_search"]["incremental"]["lead"] > 0


def test_the_demo_does_not_take_another_world_for_its_own(tmp_path):
    simulate(tmp_path, people=100, seed=1, until=UNTIL, days=70, knobs=Knobs(spend=2.0))
    said = []
    prepare(Home(tmp_path), people=100, seed=1, until=UNTIL, days=70, say=said.append)
    assert "Simulating" in said[0]
    assert '"knobs"' not in (tmp_path / "truth.json").read_text()


@pytest.mark.parametrize(
    "wrong",
    [{"tracking": -0.1}, {"confounding": 2.5}, {"effects": {"video": -1.0}}, {"spend": np.nan}],
)
def test_impossible_knobs_are_refused(wrong):
    with pytest.raises(ValueError, match="is a factor from 0"):
        Knobs(**wrong)


def test_a_lever_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="no lever 'vidoe'"):
        lived(Knobs(budgets={"vidoe": 2.0}), people=100)


def test_a_pause_of_all_weeks_is_off_and_one_of_later_weeks_is_not_felt_before(standard):
    def paused(first, last):
        pauses = [Pause(lever, first, last) for lever in levers_off(["paid_search"])]
        return live(standard.folk, 7, standard.calendar, frozenset(), pauses=pauses)

    assert same_life(paused(0, 51), lived(off=["paid_search"]))
    late = paused(40, 51)
    before, during = (0, 39), (40, 51)
    leads = [w.totals(weeks=weeks)["lead"] for w in (standard, late) for weeks in (before, during)]
    assert leads[0] == leads[2]
    assert leads[1] > leads[3]


def test_weeks_add_up_to_the_whole(standard):
    parts = [standard.totals(weeks=weeks) for weeks in ((0, 20), (21, 51))]
    for kind, whole in standard.totals().items():
        assert sum(part[kind] for part in parts) == pytest.approx(whole)


def test_a_lift_test_of_everywhere_and_always_is_the_truth(standard):
    without = lived(off=["directory"]).totals()
    whole = {kind: standard.totals()[kind] - without[kind] for kind in without}
    places = [exact_increment(standard, GeoTest("directory", place, 4, 51)) for place in range(3)]
    # The first four weeks are dark too, and not counted.
    for kind in ("lead", "kept"):
        brought = sum(place[kind] for place in places)
        assert 0.8 * whole[kind] < brought <= 1.05 * whole[kind], kind


def test_lift_tests_are_off_by_as_much_as_they_say(standard):
    tests = schedule(standard.calendar)[::2]
    reports = lift_tests(standard, tests)
    assert tuple(reports.columns) == COLUMNS
    assert set(reports["channel"]) == set(TESTED)
    exact = [brought for test in tests for brought in exact_increment(standard, test).values()]
    errors = (reports["increment"] - exact) / reports["standard_error"]
    assert abs(errors.mean()) < 3 / np.sqrt(len(errors))
    assert 0.7 < errors.std() < 1.3
    assert (reports["first_day"] < reports["last_day"]).all()


def test_a_channel_that_is_off_anyway_is_not_tested():
    quiet = lived(off=["video"], people=100)
    tests = [test for test in schedule(quiet.calendar) if test.channel in ("video", "display")]
    assert set(lift_tests(quiet, tests)["channel"]) == {"display"}


def test_tuning_and_reported_worlds_are_others():
    assert len(REPORTED) >= 10
    assert not {s.seed for s in REPORTED} & {s.seed for s in TUNING}
    unusual = [str((s.knobs, s.off)) for s in (*REPORTED[1:], *TUNING[1:])]
    assert len(set(unusual)) == len(unusual)


def test_shares_by_hand():
    found = shares(pd.Series({"a": 3.0, "b": -1.0, "c": 1.0}))
    assert found.to_dict() == {"a": 0.75, "b": 0.0, "c": 0.25}
    assert shares(pd.Series({"a": 0.0, "b": -1.0})).to_dict() == {"a": 0.0, "b": 0.0}
    assert distance(found, pd.Series({"a": 0.5, "b": 0.5, "c": 0.0})) == pytest.approx(0.5)


def test_metrics_by_hand():
    # 100 conversions, 60 of them without marketing. Truth: a brought 30 alone and b 10.
    truth = pd.Series({"a": 30.0, "b": 10.0})
    credit = pd.Series({"a": 20.0, "b": 30.0, "direct": 40.0, "unattributed": 10.0})
    found = measured(credit, truth, total=100, baseline=60)
    assert found["tvd"] == pytest.approx(0.35)  # 0.4 against 0.75
    # Of all: a 0.2 against 0.3, b 0.3 against 0.1, everything else 0.5 against 0.6.
    assert found["abs"] == pytest.approx((0.1 + 0.2 + 0.1) / 2)
    assert found["rank"] == pytest.approx(-1)
    assert found["total_error"] == pytest.approx(0.25)  # 50 credited, 40 brought
    assert found["sum_error"] == pytest.approx(0.25)  # each channel alone brought 40 together


def test_truth_that_does_not_add_up_is_compared_as_shares():
    truth = pd.Series({"a": 60.0, "b": 20.0})  # they stand in for each other: 40 in all
    credit = pd.Series({"a": 30.0, "b": 10.0, "baseline": 60.0})
    found = measured(credit, truth, total=100, baseline=60)
    errors = {"total_error": 0, "sum_error": -0.5}  # 80 are lost one by one, 40 without any
    assert found == pytest.approx({"tvd": 0, "abs": 0, "rank": 1} | errors)


def test_a_channel_without_credit_counts_as_none():
    found = measured(pd.Series({"b": 40.0, "x": 60.0}), pd.Series({"a": 1.0, "b": 1.0}), 100, 60)
    assert found["tvd"] == pytest.approx(0.5)
    assert found["rank"] == 0  # in truth they are equal


def test_ranks_by_hand():
    one = pd.Series({"a": 1.0, "b": 2.0, "c": 3.0})
    assert rank_correlation(one, pd.Series({"c": 9.0, "b": 5.0, "a": 1.0})) == pytest.approx(1)
    # Ranks 1 2 3 against 2 1 3: 1 - 6 * 2 / (3 * 8)
    assert rank_correlation(one, pd.Series({"a": 5.0, "b": 1.0, "c": 9.0})) == pytest.approx(0.5)


def test_coverage_and_middle_by_hand():
    ends = {"low": [0.0, 5.0, None], "high": [2.0, 6.0, None]}  # of c nothing is known
    intervals = pd.DataFrame(ends, index=["a", "b", "c"])
    held = covered(intervals, pd.Series({"a": 2.0, "b": 4.0, "c": 1.0}))
    assert held.to_dict() == {"a": True, "b": False}
    assert middle([0.1, 0.5, 0.3, float("nan")]) == "0.30 (0.10 to 0.50)"
    assert middle([]) == ""


def test_every_kind_of_the_truth_has_its_moment(standard):
    assert tuple(standard.totals()) == KINDS
