"""Lift tests: effects worked by hand, laws, intervals that hold, and designs."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.demo.clock import WEEK
from attribution.demo.geo_plan import request_of
from attribution.demo.geo_test import DEMO, PLACE, first_day, geo_truth
from attribution.demo.market import LOCATIONS, weekly_spend
from attribution.demo.worlds import world
from attribution.errors import BadInput
from attribution.lift_apart import Busy, busy_of, usual_weeks
from attribution.lift_designs import plan_of
from attribution.lift_plans import Plan
from attribution.lift_queries import Money
from attribution.lift_results import told_by
from attribution.models import lift_design, person_holdout, switchback
from attribution.models.lift_beside import cuped, why_no_cuped
from attribution.models.lift_effect import METHODS, Method, course_of
from attribution.models.lift_panel import Cohort, Layout, Panel
from attribution.models.lift_placebo import moves_of, placebos
from benchmarks.lift_worlds import dark

few = settings(max_examples=12, deadline=None)
POOLED, SYNTHETIC = Method("pooled", 16), Method("synthetic", 52)


def test_a_test_worked_by_hand():
    """200 a week became 240 elsewhere, so 100 would have been 120; 90 were counted."""
    counts = np.array([[100.0] * 10 + [90.0] * 4, [150.0] * 10 + [180.0] * 4, [50] * 10 + [60] * 4])
    layout = Layout((Cohort((0,), 10),), (1, 2), 1, 14)
    found = course_of(counts, layout, Method("pooled", 8))
    assert found.expected == pytest.approx(3 * 120)
    assert found.counted - found.expected == pytest.approx(-90)
    assert found.without[-4:] == pytest.approx([120.0] * 4)
    assert layout.counted == 3


def test_starts_at_different_times_do_not_spoil_each_other():
    """Effects that grow: whoever compares the late with the early finds too little, or less."""
    season = 1 + 0.3 * np.sin(np.arange(60) / 6)
    counts = np.outer([100.0, 80.0, 120.0, 90.0], season)
    truth = 0.0
    for market, start in ((0, 44), (1, 50)):
        gone = counts[market, start:] * np.minimum(0.05 * np.arange(1, 61 - start), 0.5)
        counts[market, start:] -= gone
        truth += float(gone.sum())
    layout = Layout((Cohort((0,), 44), Cohort((1,), 50)), (2, 3), 0, 60)
    for method in (POOLED, Method("synthetic", 26)):
        found = course_of(counts, layout, method)
        assert found.expected - found.counted == pytest.approx(truth, rel=1e-6)


def test_weeks_of_an_earlier_test_do_not_tell_what_is_usual():
    """Of 100 video and search bring 20 each: video is off for ten weeks, then search for ten."""
    counts = np.full((3, 50), 100.0)
    counts[0, 30:] = 80.0
    weeks = np.datetime64("2025-12-29") + 7 * np.arange(50)
    told = Panel((("a", ""), ("b", ""), ("c", "")), weeks.astype("datetime64[D]"), counts)
    video = Plan(
        "markets", "video", "lead", "off", False, (("a", ""),), (str(weeks[30]),),
        (("b", ""), ("c", "")), 10, 0, (), 0, "pooled-8", 0.1, 0.1, 0.8, 0.0, 1,
    )  # fmt: skip
    search = replace(video, channel="paid_search", starts=(str(weeks[40]),))

    def brought(panel: Panel) -> float:
        paid = np.full(panel.counts.shape, 100.0)
        paid[0, panel.at(str(weeks[40])) :] = 0.0
        return told_by(panel, Money(paid, paid, 0.0, 1.0), search).increment

    assert brought(told) == pytest.approx(0)
    markets = (*search.treated, *search.controls)
    usual, [said] = usual_weeks(told, markets, [busy_of(video)], search.first_day)
    assert brought(usual) == pytest.approx(10 * 20)
    assert "10 weeks before it are left out" in said
    assert "until 26 Jul 2026" in said
    assert usual_weeks(told, markets[1:], [busy_of(video)], search.first_day) == (told, ())
    days = [str(week) for week in weeks]
    assert [usual.at(day) for day in (days[0], days[29], days[40], days[49])] == [0, 29, 30, 39]
    # One that was called off after three weeks, with two that it takes to work as before.
    short = busy_of(replace(video, washout=2), date.fromisoformat(days[33]) - timedelta(days=1))
    assert len(usual_weeks(told, markets, [short], search.first_day)[0].weeks) == 45
    whole = Busy(markets[:1], date(2020, 1, 6), search.first_day)
    with pytest.raises(BadInput, match="nothing says what is usual there"):
        usual_weeks(told, markets, [whole], search.first_day)


def test_a_synthetic_control_finds_the_markets_that_go_along():
    rng = np.random.default_rng(4)
    moves = np.exp(np.cumsum(rng.normal(0, 0.08, (6, 70)), axis=1))
    counts = 400.0 * moves
    counts[0] = 0.6 * counts[1] + 0.4 * counts[2]
    counts = rng.poisson(counts).astype("float64")
    layout = Layout((Cohort((0,), 60),), (1, 2, 3, 4, 5), 0, 70)
    wrong = {
        method.kind: abs(found.counted / found.expected - 1)
        for method in (Method("pooled", 52), SYNTHETIC)
        for found in (course_of(counts, layout, method),)
    }
    assert wrong["synthetic"] < 0.03
    assert wrong["synthetic"] < wrong["pooled"]


@few
@given(st.integers(0, 999), st.sampled_from(METHODS), st.floats(0.5, 4), st.booleans())
def test_what_moves_all_markets_alike_is_no_effect(seed, method, scale, late):
    made = dark(seed, later=3 if late else 0)
    found = course_of(made.counts, made.layout, method)
    larger = course_of(scale * made.counts, made.layout, method)
    assert larger.expected == pytest.approx(scale * found.expected, rel=1e-6)
    # A wave from the test's first week on, everywhere: the same part is missing.
    wave = np.ones(made.counts.shape[1])
    wave[made.layout.start :] = scale
    waved = course_of(made.counts * wave, made.layout, method)
    if not late:
        assert waved.counted / waved.expected == pytest.approx(
            found.counted / found.expected, rel=1e-6
        )


@few
@given(st.integers(0, 999), st.sampled_from(METHODS))
def test_the_order_of_markets_does_not_matter(seed, method):
    made = dark(seed)
    order = np.random.default_rng(seed).permutation(len(made.counts))
    place = np.argsort(order)

    def moved(markets: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(int(place[market]) for market in reversed(markets))

    cohorts = tuple(Cohort(moved(c.markets), c.start) for c in made.layout.cohorts)
    layout = Layout(cohorts, moved(made.layout.controls), 1, made.layout.end)
    here, there = (
        course_of(counts, each, method)
        for counts, each in ((made.counts, made.layout), (made.counts[order], layout))
    )
    assert there.expected == pytest.approx(here.expected, rel=1e-6)
    assert there.counted == pytest.approx(here.counted)


def test_intervals_hold_what_was_lost_and_find_nothing_in_nothing():
    """A small look at what benchmarks/lift.py measures: 90% intervals of 32 tests."""
    held = told = 0
    for seed in range(16):
        for effect in (0.0, 0.2):
            made = dark(seed, effect=effect, later=3 * (seed % 2))
            errors = placebos(made.counts, made.layout, POOLED, seed)
            assert errors is not None
            course = course_of(made.counts, made.layout, POOLED)
            reach = errors.reach() * errors.spread * course.expected
            found = course.expected - course.counted
            held += abs(found - made.truth) <= reach
            told += effect == 0 and abs(found) > reach
    assert 25 <= held <= 32
    assert told <= 5


def test_placebos_never_look_into_the_weeks_of_the_test():
    made = dark(3)
    spoilt = made.counts.copy()
    spoilt[:, made.layout.start :] = 1e6
    before, after = (
        placebos(each, made.layout, POOLED, 1, within=False) for each in (made.counts, spoilt)
    )
    assert before is not None
    assert after is not None
    assert (before.errors == after.errors).all()
    assert min(moves_of(made.layout, POOLED)) == made.layout.end - made.layout.start
    short = Layout((Cohort((0,), 12),), (1, 2), 0, 20)
    assert placebos(made.counts[:, :20], short, POOLED, 1) is None
    # Power rises with the effect, and what is told four times in five is.
    powers = [before.power(effect) for effect in (0.0, 0.1, 0.2, 0.4)]
    assert powers == sorted(powers)
    assert before.power(before.detectable()) == pytest.approx(0.8, abs=0.15)


def test_cuped_compares_markets_with_what_they_counted_before():
    """Markets that were a fifth up before go on so; without it the effect would be 0.2 + 0.1."""
    rng = np.random.default_rng(1)
    counts = rng.normal(100, 3, (12, 70))
    counts[:6, 52:] += 20
    counts[:, 52:] += np.arange(12)[:, None] % 3 * 25
    counts[:6, 61:] -= 12
    found = cuped(counts, Layout((Cohort(tuple(range(6)), 61),), tuple(range(6, 12)), 0, 70))
    assert found is not None
    assert found[0] == pytest.approx(-12 * 6 * 9, rel=0.25)
    assert found[1] < -12 * 6 * 9 < found[2]
    assert cuped(counts, Layout((Cohort((0,), 61),), (1, 2), 0, 70)) is None


def test_why_there_is_no_cuped_is_said():
    counts = np.random.default_rng(2).normal(100, 3, (6, 70))

    def why(*cohorts: Cohort, controls: tuple[int, ...] = (3, 4, 5), washout: int = 0) -> str:
        return why_no_cuped(counts, Layout(cohorts, controls, washout, 70))

    assert why(Cohort((0, 1, 2), 61)) == ""
    assert "at least 2 treated" in why(Cohort((0,), 61))
    assert "at different times" in why(Cohort((0, 1), 61), Cohort((2,), 63))
    assert "more weeks before" in why(Cohort((0, 1, 2), 30))
    counts[4, :61] = 0
    assert "a market counted nothing in the year before" in why(Cohort((0, 1, 2), 61))


def panel(seed: int, markets: int = 10) -> Panel:
    counts = dark(seed, markets, effect=0.0).counts
    weeks = np.arange(np.datetime64("2024-01-01"), np.datetime64("2026-12-28"), 7)
    names = tuple((f"place {number}", "") for number in range(markets))
    return Panel(names, weeks[: counts.shape[1]].astype("datetime64[D]"), counts)


def test_designs_are_drawn_by_chance_among_those_that_kept_steady():
    made = panel(2)
    drawn = [lift_design.chosen(made, 5, 8, seed) for seed in range(6)]
    assert lift_design.chosen(made, 5, 8, 0) == drawn[0]
    assert len(set(drawn)) > 1
    rng = np.random.default_rng(0)
    anyone = [tuple(rng.permutation(10)[:5].tolist()) for _ in range(200)]
    usual = np.median(lift_design.mismatch(made, anyone, 8))
    assert (lift_design.mismatch(made, drawn, 8) < usual).all()
    rest = [place for place in range(10) if place not in drawn[0]]
    layout = lift_design.layout_of(made, drawn[0], rest, 8, 2)
    found = lift_design.tried(made, layout, 1)
    assert found is not None
    lengths = lift_design.by_length(made, found, 1)
    needed = lift_design.weeks_needed(lengths, lengths[2][1])
    assert needed is not None
    assert needed <= lengths[2][0]
    assert lift_design.weeks_needed(lengths, 0.0001) is None
    few_weeks = made.before(20)
    long = lift_design.layout_of(few_weeks, (0,), (1, 2), 16, 2)
    assert lift_design.tried(few_weeks, long, 1) is None


def test_a_switchback_worked_by_hand():
    """On 120 and off 100, in each pair: 20 of 110 in the mean, a sixth of a week on."""
    blocks = (True, False, False, True, False, True, True, False)
    off = switchback.weeks_off(blocks, 3)
    course = np.where(off, 100.0, 120.0)
    course[::3] = 0.0  # the first week of a block is washed out
    found = switchback.switched(course, blocks, 3, 1)
    assert found.effect == pytest.approx(1 / 6)
    assert found.pairs == pytest.approx([20 / 110] * 4)
    assert found.chance == pytest.approx(2 / 16)
    assert switchback.counted_weeks(blocks, 3, 1).sum() == 16


def test_a_switchback_is_drawn_in_pairs_and_holds_what_is_true():
    for seed in range(20):
        blocks = np.array(switchback.drawn(6, seed)).reshape(-1, 2)
        assert (blocks.sum(axis=1) == 1).all()
    assert len({switchback.drawn(6, seed) for seed in range(20)}) > 10
    held, rng = 0, np.random.default_rng(8)
    for seed in range(200):
        blocks = switchback.drawn(6, seed)
        trend = np.linspace(90, 130, 48)
        course = rng.poisson(trend * np.where(switchback.weeks_off(blocks, 4), 0.85, 1.0))
        found = switchback.switched(course.astype("float64"), blocks, 4, 1)
        held += found.low <= 0.15 <= found.high
    assert 170 <= held <= 192  # nine of ten


def test_how_many_people_a_holdout_takes_by_hand():
    """(1.645 + 0.842)^2 * (0.12 * 0.88 / 0.9 + 0.1 * 0.9 / 0.1) / 0.02^2."""
    many = person_holdout.people_needed(0.1, 0.02, 0.1)
    assert many == pytest.approx(2.4865**2 * (0.12 * 0.88 / 0.9 + 0.9) / 0.0004, rel=1e-3)
    assert person_holdout.detectable(many, 0.1, 0.1) == pytest.approx(0.02, rel=1e-3)
    half = person_holdout.people_needed(0.1, 0.02, 0.1, explained=0.5)
    assert half == pytest.approx(many / 2, abs=1)
    looking = person_holdout.detectable(many, 0.1, 0.1, looking=True)
    assert looking is not None
    assert looking > 0.02
    assert person_holdout.detectable(3, 0.9, 0.5) is None
    for wrong in (0.0, 1.0):
        with pytest.raises(BadInput, match="between 0 and 1"):
            person_holdout.people_needed(0.1, 0.02, wrong)


def test_the_demos_own_test_finds_what_search_truly_brought_there():
    """Paid search is off in Central for 14 weeks; the same people live them again with it on."""
    lived = world(12_000, 7, until=date(2026, 11, 22), knobs=DEMO)
    truth = geo_truth(lived)
    assert truth["increment"]["lead"] > 10
    weeks = lived.calendar.weeks
    rows, minute = lived.conversions()["lead"]
    people = np.searchsorted(lived.folk.ids, lived.inquiries["person"][rows])
    week = minute[rows] // WEEK
    counts = np.zeros((len(LOCATIONS), weeks))
    inside = (week >= 0) & (week < weeks)
    np.add.at(counts, (lived.folk.place[people][inside], week[inside]), 1.0)
    days = np.datetime64(lived.calendar.start) + 7 * np.arange(weeks)
    told = Panel(tuple((place, "") for place in LOCATIONS), days.astype("datetime64[D]"), counts)
    spent = sum(weekly_spend(lived.plan, lever, 12_000).T for lever in ("brand", "nonbrand"))
    first = first_day(lived.calendar)
    start = told.at(first.isoformat())
    assert spent[PLACE, start : start + 14].sum() == 0 < spent[PLACE, start - 4 : start].sum()
    money = Money(spent, 0 * spent, 0.0, 1.0)
    before = Money(spent[:, :start], 0 * spent[:, :start], 0.0, 1.0)
    plan = plan_of(told.before(start), before, request_of(first))
    found = told_by(told, money, plan)
    assert found.low <= truth["increment"]["lead"] <= found.high
    assert not found.spoilt
    assert found.money > 0
    short = world(200, 7, until=date(2026, 11, 22), days=140, knobs=DEMO)
    assert geo_truth(short) == geo_truth(world(200, 7, days=140)) == {}
