"""What is booked already: counted as it was known, and told apart from an empty calendar."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from warehouse_fixtures import Warehouse, appointment, at

from attribution.models.forecast_booked import booked_of, expected, reach
from attribution.models.forecast_calendar import Known
from attribution.models.forecast_candidates import Past, back_to_usual
from attribution.models.forecast_fit import Task, choose, fit
from attribution.models.forecast_series import Key, Series
from attribution.paths import SQL

KEY = Key("kept", "total", "(all)")
MONDAY = date(2025, 1, 6)
WEEKS, AHEAD = 91, 13
NAMES = ("seasonal_naive", "ets", "appointments")


def calendar(seed: int, early: float) -> tuple[np.ndarray, np.ndarray]:
    """Visits of each week, and what stood in the calendar before; `early` come from bookings.

    Bookings of a week vary much, and are made two or five weeks ahead, half of each.
    """
    dice = np.random.default_rng(seed)
    made = dice.poisson(60 * dice.choice([0.5, 1.5], WEEKS + AHEAD))
    far = dice.binomial(made, 0.5)
    standing = np.zeros((WEEKS + AHEAD, AHEAD + 1))
    standing[:, :3] = made[:, None]
    standing[:, 3:6] = far[:, None]
    visits = early * made + dice.poisson(20, WEEKS + AHEAD)
    return visits, standing


def known(standing: np.ndarray) -> Known:
    return Known({}, booked=tuple(map(tuple, standing)))


def test_what_was_booked_is_counted_as_it_stood_so_many_weeks_before():
    """By hand: of seven visits four were booked in their week, two a week and one five before."""
    rows = pd.DataFrame(
        [
            ("kept", "total", "(all)", MONDAY, 0, 4.0),
            ("kept", "total", "(all)", MONDAY, 1, 2.0),
            ("kept", "total", "(all)", MONDAY, 5, 1.0),
            ("kept", "location", "north", MONDAY, 1, 2.0),
            ("kept", "location", "south", MONDAY, 5, 1.0),
            ("new_patient", "total", "(all)", MONDAY, 0, 9.0),
            ("kept", "channel", "video", MONDAY, 1, 5.0),
            ("lead", "total", "(all)", MONDAY, 1, 3.0),
        ],
        columns=["metric", "dimension", "member", "week", "weeks_ahead", "value"],
    )
    weeks = [f"{MONDAY}", f"{MONDAY + timedelta(weeks=1)}"]
    assert booked_of(KEY, weeks, 4, rows) == ((7, 3, 1, 1, 1), (0, 0, 0, 0, 0))
    rest = Key("kept", "location", "(others)")
    assert booked_of(rest, weeks, 2, rows, {"north"}) == ((1, 1, 1), (0, 0, 0))
    assert booked_of(Key("kept", "channel", "video"), weeks, 4, rows) is None
    assert booked_of(Key("lead", "total", "(all)"), weeks, 4, rows) is None


def test_sql_counts_bookings_as_they_were_known_when_the_last_week_ended():
    """Ann is seen on 6 March and books again; Ben is new twice over until he was seen."""
    warehouse = Warehouse(of=("int_reported", "conversions", "credit", "spend"))
    warehouse.build(
        appointment("a", "ann", at("2024-03-01 10:00"), at("2024-03-06 10:00")),
        appointment("b", "ann", at("2024-03-07 10:00"), at("2024-03-20 10:00"), status="booked"),
        appointment("c", "ben", at("2024-02-20 10:00"), at("2024-03-05 10:00"), status="noshow"),
        appointment("d", "ben", at("2024-03-06 10:00"), at("2024-03-27 10:00"), status="booked"),
        appointment("e", "ben", at("2024-03-10 10:00"), at("2024-03-10 11:00")),
        appointment("f", "ann", at("2024-03-12 10:00"), at("2024-03-20 10:00"), status="booked"),
        appointment("g", "ben", at("2024-03-06 10:00"), at("2024-03-27 10:00"), status="proposed"),
    )
    found = warehouse.frame((SQL / "intermediate" / "int_forecasts.sql").read_text("utf-8"))
    warehouse.close()
    ahead = found[found["weeks_ahead"].notna() & found["dimension"].eq("total")]
    told = {
        metric: sorted(
            (f"{r.week:%m-%d}", int(r.weeks_ahead), int(r.value)) for r in own.itertuples()
        )
        for metric, own in ahead.groupby("metric")
    }
    # `f` was booked after the last whole week, to Sunday 10 March, and `g` was never booked.
    seen = [("03-04", 0, 1), ("03-04", 1, 1), ("03-04", 2, 1), ("03-18", 2, 1), ("03-25", 3, 1)]
    assert told["kept"] == seen
    assert told["new_patient"] == [row for row in seen if row[0] != "03-18"]
    numbers = found[found["weeks_ahead"].isna() & found["dimension"].eq("total")]
    assert {"booked", "kept", "new_patient"} <= set(numbers["metric"])


def test_visits_follow_what_is_booked_for_them_as_far_as_it_reaches():
    visits, standing = calendar(1, 0.8)
    told = expected(visits[:WEEKS], standing[: WEEKS + AHEAD], AHEAD)
    missed = np.abs(told - visits[WEEKS:])
    level = np.abs(visits[:WEEKS].mean() - visits[WEEKS:])
    assert missed[:2].mean() < 0.4 * level[:2].mean()
    assert np.ptp(told[5:]) == pytest.approx(0, abs=1e-6)  # beyond the fifth week nothing is booked
    assert reach(standing, WEEKS) == 5


@given(st.integers(0, 999))
def test_bookings_of_no_later_day_than_the_forecast_are_looked_at(seed):
    """What is booked later, and is in the table of every test but the last, must change nothing."""
    visits, standing = calendar(seed, 0.8)
    later = standing.copy()
    for week in range(WEEKS, WEEKS + AHEAD):
        later[week, : week - WEEKS + 1] += 1_000
    assert expected(visits[:WEEKS], later, AHEAD) == pytest.approx(
        expected(visits[:WEEKS], standing, AHEAD)
    )


def test_a_source_that_tells_of_no_visit_to_come_is_no_empty_calendar():
    visits, standing = calendar(2, 0.8)
    past = standing.copy()
    past[WEEKS:] = 0
    assert reach(past, WEEKS) == 0
    fortnight = standing.copy()
    fortnight[WEEKS + 2 :] = 0
    assert reach(fortnight, WEEKS) == 2
    closed = standing.copy()
    closed[WEEKS] = 0  # one week between the years is closed; the next is not
    assert reach(closed, WEEKS) == 5
    task = Task(Series(KEY, MONDAY, tuple(visits[:WEEKS])), known(past), AHEAD, NAMES)
    assert "appointments" not in task.competing


def test_the_calendar_stands_where_it_does_as_well_as_smoothing():
    assert choose({"ets": 0.10, "appointments": 0.10}) == "appointments"
    assert choose({"ets": 0.10, "appointments": 0.11}) == "ets"
    assert choose({"ets": 0.10, "planned": 0.08, "appointments": 0.09}) == "planned"
    visits, standing = calendar(3, 0.8)
    task = Task(Series(KEY, MONDAY, tuple(visits[:WEEKS])), known(standing), AHEAD, NAMES)
    found = fit(task)
    assert found.chosen == "appointments"
    assert found.wape["appointments"] < found.wape["ets"]


def test_a_paused_budget_comes_back_to_its_usual_week():
    """By hand: usual is 100; after a pause 0.85 of the way is left after a week, 0.7225 after two.

    Smoothing alone would say the pause again.
    """
    values = np.array([100.0] * 60 + [0.0] * 20)
    said = back_to_usual(Past(MONDAY, values, Known({}), spends=True), 13)
    assert said[:2] == pytest.approx([15, 27.75], abs=0.5)
    spend = Key("spend", "total", "(all)")
    names = ("seasonal_naive", "ets", "back_to_usual", "prophet")
    task = Task(Series(spend, MONDAY, tuple(values)), Known({}), AHEAD, names)
    assert "back_to_usual" in task.competing
    assert (
        "back_to_usual"
        not in Task(Series(KEY, MONDAY, tuple(values)), Known({}), AHEAD, names).competing
    )
    # Of a budget nothing that repeats is a reason, however well it did.
    tests = {"ets": 0.4, "back_to_usual": 0.35, "seasonal_naive": 0.1, "prophet": 0.1}
    assert choose(tests) == "ets"
    assert choose(tests | {"back_to_usual": 0.3}) == "back_to_usual"
