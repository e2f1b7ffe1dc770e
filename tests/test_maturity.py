"""Maturity: a triangle worked by hand, laws for any triangle, and truth under censoring."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import count

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from warehouse_fixtures import Warehouse, appointment, at, payment, touch

from attribution.models.maturity import MATURE, Triangle, cohort_maturity, estimates, pattern

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
MONDAY = at("2024-01-01 12:00")
GRAIN = ["kind_from", "kind_to", "service_line", "week"]


def triangle(rows, *, entered=100.0, window=None, newest=0, counted=True):
    """A triangle whose last row is the newest cohort; a row holds what came in each week."""
    window = max(len(row) for row in rows) - 1 if window is None else window
    arrived = np.array([[*row, *([0.0] * (window + 1 - len(row)))] for row in rows], dtype=float)
    ages = newest + np.arange(len(rows))[::-1]
    return Triangle(np.full(len(rows), float(entered)), ages, arrived, counted)


# Three weeks of 100 leads each, seen for two, one and no weeks after.
SMALL = triangle([[10, 20, 10], [12, 18], [8]])


def test_the_small_triangle_of_the_document():
    share = pattern(SMALL)
    # Of the 40 of the first week 10 came last; of the 60 of both older ones 38 in the second.
    assert share == pytest.approx([0.75 * (1 - 38 / 60), 0.75, 1.0])
    found = estimates([SMALL])[0]
    newest = (0.81 * 40 + 0.9 * 30 + 8) / (81 + 90 * 0.75 + 100 * 0.275)
    middle = (0.9 * 40 + 30 + 0.9 * 8) / (90 + 100 * 0.75 + 90 * 0.275)
    assert found.expected == pytest.approx(
        [40, 30 + 100 * middle * 0.25, 8 + 100 * newest * 0.725], abs=1e-5
    )
    assert found.maturity == pytest.approx([1.0, 0.75, 0.275])
    assert (found.low[0], found.high[0]) == (40, 40)


def test_lags_are_those_of_the_reverse_time_product_limit():
    """The same from single people: who came by a lag, and who of them came in it."""
    rng = np.random.default_rng(5)
    people = [(week, int(rng.geometric(0.35)) - 1) for week in range(20) for _ in range(30)]
    seen = [(week, lag) for week, lag in people if week + lag <= 19 and lag <= 8]
    rows = np.zeros((20, 9))
    for week, lag in seen:
        rows[week, lag] += 1
    share = 1.0
    expected = [1.0]
    for lag in range(8, 0, -1):
        at_risk = [person for person in seen if person[1] <= lag and person[0] + lag <= 19]
        share *= 1 - sum(person[1] == lag for person in at_risk) / len(at_risk)
        expected.append(share)
    assert pattern(triangle(rows)) == pytest.approx(expected[::-1])


def test_nothing_known_is_nothing_claimed():
    found = estimates([triangle([[0, 0, 0], [0, 0], [0]])])[0]
    assert not found.expected.any()
    assert found.maturity.tolist() == [1.0, 0.0, 0.0]
    empty = cohort_maturity(pd.DataFrame(columns=[*GRAIN, "lag_weeks", "arrived"]))
    assert len(empty) == 0
    assert (empty.dtypes.loc[["expected", "low", "high", "maturity"]] == "float64").all()


def test_a_cohort_of_which_nothing_came_yet_still_expects_what_others_had():
    found = estimates([triangle([[0, 30, 10]] * 20 + [[0, 30], [0]])])[0]
    assert found.expected[-1] == pytest.approx(40, rel=0.01)
    assert found.low[-1] > 20


def test_a_small_line_leans_on_all_lines():
    large = triangle([[10, 20, 10]] * 12 + [[10, 20], [10]], entered=400)
    small = triangle([[0, 0, 1]] + [[0, 0, 0]] * 11 + [[0, 0], [0]], entered=3)
    alone, beside = estimates([small])[0], estimates([large, small])[1]
    assert alone.maturity[-1] == 0.0
    assert beside.maturity[-1] == pytest.approx(estimates([large])[0].maturity[-1], abs=0.06)


counts = st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=3, max_size=12)


@given(counts)
@settings(max_examples=80, deadline=None)
def test_what_is_complete_is_what_arrived(rows):
    whole = triangle(rows, newest=3)
    found = estimates([whole])[0]
    arrived = whole.arrived.sum(axis=1)
    for each in (found.expected, found.low, found.high):
        assert (each == arrived).all()
    assert (found.maturity >= MATURE).all()


@given(counts, st.integers(0, 2))
@settings(max_examples=80, deadline=None)
def test_estimates_are_ordered_and_possible(rows, newest):
    young = triangle(rows, newest=newest)
    found = estimates([young])[0]
    arrived = np.where(young.seen, young.arrived, 0).sum(axis=1)
    assert (arrived <= found.low + 1e-6).all()
    assert (found.low <= found.expected + 1e-6).all()
    assert (found.expected <= found.high + 1e-6).all()
    assert (found.high <= np.maximum(young.entered, arrived) + 1e-6).all()
    # Older cohorts come first: no one of them is less mature than one after it.
    assert (np.diff(found.maturity) <= 1e-9).all()
    assert ((found.maturity >= 0) & (found.maturity <= 1)).all()


# Nothing was ever foretold wrongly, so that the spread is what rounding leaves of none.
@example([[0, 3, 4, 0], [0, 0, 0, 0], [3, 0, 0, 0]], 0, 250_000_000)
@given(counts, st.integers(0, 2), st.sampled_from([1_000_000, 250_000_000]))
@settings(max_examples=60, deadline=None)
def test_money_in_another_unit_gives_the_same_money(rows, newest, unit):
    base = 1_000_000
    one, other = (
        estimates([triangle(np.multiply(rows, each), newest=newest, counted=False)])[0]
        for each in (base, unit)
    )
    for name in ("expected", "low", "high"):
        scaled = getattr(one, name) * (unit / base)
        assert getattr(other, name) == pytest.approx(scaled, rel=1e-6, abs=1e6)
    assert other.maturity == pytest.approx(one.maturity, abs=2e-6)


@given(counts, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_rows_changes_nothing(rows, shuffled):
    cells = cell_frame(triangle(rows))
    order = list(range(len(cells)))
    shuffled.shuffle(order)
    pd.testing.assert_frame_equal(
        cohort_maturity(cells), cohort_maturity(cells.iloc[order].reset_index(drop=True))
    )


def cell_frame(young, line="dental"):
    """A triangle as the rows of `int_cohorts`."""
    weeks = [date(2024, 1, 1) - int(age) * WEEK for age in young.ages]
    return pd.DataFrame(
        [
            ("lead", "kept", line, week, lag, young.window, int(age), int(n), arrived[lag])
            for week, age, n, arrived in zip(
                weeks, young.ages, young.entered, young.arrived, strict=True
            )
            for lag in range(young.window + 1)
        ],
        columns=[*GRAIN, "lag_weeks", "window_weeks", "age_weeks", "entered", "arrived"],
    )


def simulated(rng, weeks=60, leads=120, window=20, mean_weeks=4.0, rate=0.5):
    """Whole cohorts of leads that convert with exponential lags, and what is seen of them."""
    whole = np.zeros((weeks, window + 1))
    for week in range(weeks):
        going = rng.random(leads) < rate
        began = rng.random(leads)
        lag = np.floor(began + rng.exponential(mean_weeks, leads)).astype(int)
        np.add.at(whole[week], lag[going & (lag <= window)], 1)
    ages = np.arange(weeks)[::-1]
    seen = np.arange(window + 1) <= ages[:, None]
    return whole.sum(axis=1), Triangle(np.full(weeks, float(leads)), ages, whole * seen, True)


def test_censoring_does_not_bias_and_intervals_cover():
    """60 worlds with known ends: the last eight weeks, of which too little has come to tell."""
    rng = np.random.default_rng(11)
    truths, found, naive = [], [], []
    for _ in range(60):
        truth, young = simulated(rng)
        answer = estimates([young])[0]
        truths.append(truth[-8:])
        naive.append(young.arrived.sum(axis=1)[-8:])
        found.append(np.stack([answer.expected, answer.low, answer.high])[:, -8:])
    truth, so_far = np.array(truths), np.array(naive)
    expected, low, high = np.moveaxis(np.array(found), 1, 0)
    assert so_far.sum() / truth.sum() < 0.7
    assert expected.sum() / truth.sum() == pytest.approx(1, abs=0.02)
    by_age = expected.sum(axis=0) / truth.sum(axis=0)
    assert by_age == pytest.approx(np.ones(8), abs=0.03)
    covered = ((low <= truth) & (truth <= high)).mean()
    assert 0.86 <= covered <= 0.95
    assert np.abs(expected - truth).sum() < 0.4 * np.abs(so_far - truth).sum()


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse(of=("cohorts",))
    yield opened
    opened.close()


def lead(who, when=MONDAY, **more):
    return touch(f"form {who} {when}", who, when, kind="form", service_line="dental", **more)


def visit(who, booked, starts, status="fulfilled"):
    return appointment(f"{who} {booked}", who, booked, starts, status, service_line="dental")


def cells(warehouse, kind_from, kind_to, table="int_cohorts", more="lag_weeks, arrived"):
    return warehouse.rows(
        f"select service_line, cast(week as varchar), age_weeks, entered, {more} from {table}"
        f" where kind_from = '{kind_from}' and kind_to = '{kind_to}' order by all"
    )


def crowd(number, *, booked=3 * DAY, visited=15 * DAY, name="p"):
    """People who ask, book and come at the same distances."""
    rows = []
    for i in range(number):
        who = f"{name}{i}"
        rows += [lead(who), visit(who, MONDAY + booked, MONDAY + visited)]
    return rows


def until(weeks):
    """A visit on the Sunday of the week so many weeks later: up to there the data are complete."""
    return visit("end", MONDAY + weeks * WEEK, MONDAY + weeks * WEEK + 6 * DAY)


def test_leads_are_followed_to_what_they_became(warehouse):
    warehouse.build(*crowd(11), lead("q"), until(5), lead(None))
    assert cells(warehouse, "lead", "booked") == [("dental", "2024-01-01", 5, 12, 0, 11)]
    assert cells(warehouse, "lead", "kept") == [("dental", "2024-01-01", 5, 12, 2, 11)]
    assert cells(warehouse, "lead", "new_patient") == [("dental", "2024-01-01", 5, 12, 2, 11)]
    booked = cells(warehouse, "booked", "kept")
    assert booked[0] == ("dental", "2024-01-01", 5, 11, 2, 11)


def test_two_visits_at_one_moment_are_two(warehouse):
    two = [replace(visit(f"p{n}", MONDAY, MONDAY), appointment_id=f"{n}") for n in range(11)]
    more = [replace(each, appointment_id=f"more {each.appointment_id}") for each in two]
    paid = payment("p", "p0", MONDAY, "9")
    warehouse.build(*two, *more, paid, until(2))
    assert cells(warehouse, "kept", "collected")[0][3] == 22
    assert warehouse.rows(
        "select sum(conversions) from int_conversions"
        " where kind = 'kept' and week = date '2024-01-01'"
    ) == [(22,)]


def test_only_the_first_of_a_kind_counts_and_only_within_the_window(warehouse):
    people = crowd(11)
    again = [visit("p0", MONDAY + 8 * DAY, MONDAY + 9 * DAY)]
    late = [lead("late"), visit("late", MONDAY + 14 * WEEK, MONDAY + 14 * WEEK)]
    before = [visit("q", MONDAY - DAY, MONDAY + DAY), lead("q", MONDAY + 2 * DAY)]
    warehouse.build(*people, *again, *late, *before, until(15))
    rows = [row for row in cells(warehouse, "lead", "booked") if row[1] == "2024-01-01"]
    assert [row[-3:] for row in rows] == [(13, 0, 11)]
    kept = [row for row in cells(warehouse, "lead", "kept") if row[1] == "2024-01-01"]
    assert [row[-3:] for row in kept] == [(13, 1, 1), (13, 2, 10), (13, 14, 1)]


def test_a_small_cell_is_part_of_other(warehouse):
    warehouse.build(*crowd(10), until(5))
    lines = {row[0] for row in cells(warehouse, "lead", "booked")}
    assert lines == {"other"}
    assert cells(warehouse, "lead", "booked", "cohorts", "arrived") == []
    warehouse.build(*crowd(11), until(5))
    assert {row[0] for row in cells(warehouse, "lead", "booked")} == {"dental"}
    assert cells(warehouse, "lead", "booked", "cohorts", "arrived")[0][-1] == 11


def test_money_is_counted_by_its_visit_and_by_the_latest_lead(warehouse):
    number = count()
    people = crowd(11)
    people += [lead("p0", MONDAY + 7 * DAY), lead("p0", MONDAY - 40 * DAY)]
    paid = [
        payment(f"{next(number)}", f"p{i}", MONDAY + 15 * DAY + after, "50")
        for i in range(11)
        for after in (DAY, 14 * DAY)
    ]
    paid += [payment("refund", "p1", MONDAY + 30 * DAY, "-20")]
    paid += [payment("euros", "p2", MONDAY + 16 * DAY, "7", currency="EUR")]
    warehouse.build(*people, *paid, until(4))
    visits = [row for row in cells(warehouse, "kept", "collected") if row[1] == "2024-01-15"]
    assert [row[3:] for row in visits] == [(11, 0, 550_000_000), (11, 2, 530_000_000)]
    leads = [row for row in cells(warehouse, "lead", "collected") if row[1] == "2024-01-01"]
    # The second inquiry within the gap is no lead of its own, and the one before is an older one.
    assert sum(row[-1] for row in leads) == 1_080_000_000
    assert {row[4] for row in leads} == {2, 4}


def test_money_that_is_paid_ahead_is_that_of_its_visit(warehouse):
    paid = [
        payment("ahead", "p0", MONDAY + 4 * DAY, "30", appointment_id=f"p0 {MONDAY + 3 * DAY}"),
        payment("after", "p1", MONDAY + 16 * DAY, "7"),
        payment("end", "end", MONDAY + 6 * WEEK, "1"),
    ]
    warehouse.build(*crowd(11), *paid, until(5))
    visits = [row for row in cells(warehouse, "kept", "collected") if row[1] == "2024-01-15"]
    assert [row[3:] for row in visits] == [(11, 0, 37_000_000)]


def test_money_that_is_paid_ahead_at_another_visit_is_counted_once(warehouse):
    """Where days are all that is known, checking out of one visit is its moment too."""
    rows = [until(7), payment("end", "end", MONDAY + 8 * WEEK, "1")]
    for i in range(12):
        rows += [
            visit(f"p{i}", MONDAY - WEEK, MONDAY),
            visit(f"p{i}", MONDAY, MONDAY + 5 * WEEK),
            payment(f"{i}", f"p{i}", MONDAY, "100", appointment_id=f"p{i} {MONDAY}"),
            payment(f"later {i}", f"p{i}", MONDAY + 2 * WEEK, "3"),
        ]
    warehouse.build(*rows)
    paid = [(row[1], *row[3:]) for row in cells(warehouse, "kept", "collected") if row[3] == 12]
    assert paid == [("2024-01-01", 12, 2, 36_000_000), ("2024-02-05", 12, 0, 1_200_000_000)]


def test_a_source_that_ends_early_has_shown_nothing_since(warehouse):
    paid = [payment(f"{i}", f"p{i}", MONDAY + 16 * DAY, "50") for i in range(11)]
    warehouse.build(*crowd(11), *paid, until(5))
    ages = {kind: cells(warehouse, "lead", kind)[0][2] for kind in ("kept", "collected")}
    # What was paid in its last week, the third, may not be all of it.
    assert ages == {"kept": 5, "collected": 1}


def test_the_mart_says_what_is_still_to_come(warehouse):
    rows = [until(20)]
    for week in range(21):
        asked = MONDAY + week * WEEK
        rows += [lead(f"w{week} {i}", asked) for i in range(12)]
        # Eight of twelve book, two of them in each of four weeks, as far as the data reach.
        rows += [
            visit(f"w{week} {i}", asked + i // 2 * WEEK, asked + 300 * DAY, "booked")
            for i in range(8)
            if week + i // 2 <= 20
        ]
    warehouse.build(*rows)
    found = warehouse.rows(
        "select age_weeks, arrived, expected, maturity, is_immature from cohorts"
        " where kind_from = 'lead' and kind_to = 'booked' order by week desc limit 8"
    )
    assert [row[0] for row in found] == list(range(8))
    for age, arrived, expected, maturity, immature in found:
        due = min(2 * (age + 1), 8)
        assert (arrived, maturity) == (due, pytest.approx(due / 8))
        assert expected == pytest.approx(8, abs=0.01)
        assert immature == (due < 8)
    first = [warehouse.checksum(name) for name in ("int_maturity", "cohorts")]
    warehouse.rebuild()
    assert [warehouse.checksum(name) for name in ("int_maturity", "cohorts")] == first
