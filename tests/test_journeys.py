"""Journeys in the marts: a few worked by hand, and what must hold for any crowd of them."""

from datetime import timedelta

import numpy as np
import pytest
from warehouse_fixtures import Warehouse, appointment, at, touch

from attribution.models.parameters import CreditSettings
from attribution.transform import run_checks

DAY = timedelta(days=1)
NOON = at("2024-05-15 12:00")
LATE = at("2025-06-01")  # far enough that every lookback has passed
SEARCH, MAIL, DIRECT = "google/cpc", "newsletter/email", "(direct)/(none)"
END = touch("end", None, LATE), appointment("end", "zoe", LATE, LATE, "booked")


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse(of=("paths", "transitions", "path_lags"))
    yield opened
    opened.close()


def booked(who, when=NOON, **more):
    return appointment(f"{who} {when}", who, when, when + 9 * DAY, "booked", **more)


def walk(who, *steps, until=NOON):
    """A touch a day in the order given, the last one a day before `until`."""
    first = until - len(steps) * DAY
    return [touch(f"{who} {until} {i}", who, first + i * DAY, tags) for i, tags in enumerate(steps)]


def paths(warehouse, kind="booked"):
    return warehouse.rows(
        "select outcome, step_1, step_2, step_3, step_4, journeys, touches, median_days from paths"
        f" where kind = '{kind}' order by outcome, journeys desc, step_1"
    )


def moves(warehouse, kind="booked"):
    return warehouse.rows(
        "select from_channel, to_channel, moves from transitions"
        f" where kind = '{kind}' order by from_channel, to_channel"
    )


def crowd(count, *steps, name="p", **more):
    """People who all walked one path and booked."""
    rows = []
    for i in range(count):
        rows += [*walk(f"{name}{i}", *steps), booked(f"{name}{i}", **more)]
    return rows


def test_touches_of_one_channel_in_a_row_are_one_step(warehouse):
    warehouse.build(*crowd(11, MAIL, MAIL, SEARCH))
    assert paths(warehouse) == [("converted", "email", "paid_search", "", "", 11, 33, 3.0)]


def test_of_a_long_path_the_first_step_and_the_last_three_are_shown(warehouse):
    warehouse.build(*crowd(11, "bing/organic", MAIL, SEARCH, MAIL, DIRECT, SEARCH))
    assert [row[1:5] for row in paths(warehouse)] == [
        ("organic_search", "email", "direct", "paid_search")
    ]


def test_a_path_of_few_keeps_its_beginning_or_nothing(warehouse):
    warehouse.build(
        *crowd(6, SEARCH, MAIL, name="a"),
        *crowd(5, SEARCH, DIRECT, name="b"),
        *crowd(10, MAIL, DIRECT, name="c"),
    )
    assert [row[:6] for row in paths(warehouse)] == [
        ("converted", "paid_search", "other", "", "", 11),
        ("converted", "other", "", "", "", 10),
    ]


def test_a_journey_is_lost_once_the_lookback_has_passed(warehouse):
    lost = [row for i in range(11) for row in walk(f"p{i}", MAIL, SEARCH)]
    warehouse.build(*lost, booked("zoe", NOON + 88 * DAY))
    assert paths(warehouse) == []
    warehouse.build(*lost, booked("zoe", NOON + 89 * DAY))
    assert paths(warehouse) == [("lost", "email", "paid_search", "", "", 11, 22, None)]
    quarters = warehouse.rows("select distinct cast(quarter as varchar) from paths")
    assert quarters == [("2024-07-01",)]


@pytest.mark.parametrize(
    ("zone", "last", "quarter"),
    [
        ("UTC", "2024-04-01 23:59", "2024-04-01"),
        ("UTC", "2024-04-02 00:00", "2024-07-01"),
        ("America/New_York", "2024-04-02 03:59", "2024-04-01"),
        ("America/New_York", "2024-04-02 04:00", "2024-07-01"),
        ("Asia/Kathmandu", "2024-04-01 18:14", "2024-04-01"),
        ("Asia/Kathmandu", "2024-04-01 18:15", "2024-07-01"),
        # The first of January 2025 is in a week of December, as conversions of that day are.
        ("UTC", "2024-10-04 12:00", "2024-10-01"),
        ("UTC", "2024-10-07 23:59", "2024-10-01"),
        ("UTC", "2024-10-08 00:00", "2025-01-01"),
    ],
)
def test_a_lost_journey_is_of_the_quarter_of_its_own_clock(zone, last, quarter):
    """It is given up 90 days after its last touch, and counts by the week of that day."""
    lost = [touch(f"t{i}", f"p{i}", at(last), MAIL) for i in range(11)]
    warehouse = Warehouse(CreditSettings(timezone=zone), of=("paths",))
    warehouse.build(*lost, booked("zoe", at(last) + 99 * DAY))
    found = warehouse.rows("select distinct cast(quarter as varchar) from paths")
    warehouse.close()
    assert found == [(quarter,)]


def test_what_was_only_shown_is_no_step_of_a_lost_journey_either(warehouse):
    lost = [row for i in range(11) for row in walk(f"p{i}", MAIL, SEARCH)]
    shown = [touch(f"s{i}", f"q{i}", NOON, MAIL, kind="impression") for i in range(11)]
    warehouse.build(*lost, *shown, booked("zoe", NOON + 89 * DAY))
    assert paths(warehouse) == [("lost", "email", "paid_search", "", "", 11, 22, None)]


def test_a_journey_after_a_conversion_begins_after_it(warehouse):
    warehouse.build(
        *crowd(11, SEARCH),
        *(row for i in range(11) for row in walk(f"p{i}", MAIL, until=NOON + 5 * DAY)),
        *END,
    )
    assert [row[:6] for row in paths(warehouse)] == [
        ("converted", "paid_search", "", "", "", 11),
        ("lost", "email", "", "", "", 11),
    ]


def test_a_patient_cannot_become_a_new_one(warehouse):
    rows = []
    for i in range(11):
        rows += walk(f"p{i}", SEARCH)
        rows += [appointment(f"a{i}", f"p{i}", NOON, NOON), *walk(f"p{i}", MAIL, until=LATE)]
    warehouse.build(*rows, booked("zoe", LATE + 300 * DAY))
    assert [row[:2] for row in paths(warehouse, "new_patient")] == [("converted", "paid_search")]


def test_a_lost_journey_is_for_the_line_its_last_touch_with_one_names(warehouse):
    rows = []
    for i in range(11):
        one, two, three = walk(f"p{i}", SEARCH, MAIL, DIRECT)
        rows += [
            touch(f"{i} one", f"p{i}", one.at, SEARCH, service_line="heart"),
            touch(f"{i} two", f"p{i}", two.at, MAIL, service_line="dental"),
            three,
        ]
    warehouse.build(*rows, *END)
    assert warehouse.rows("select distinct service_line from paths") == [("dental",)]


def test_lags_are_percentiles_of_days_and_touches(warehouse):
    rows = []
    for i in range(1, 12):
        rows += [touch(f"t{i}", f"p{i}", NOON - i * DAY), booked(f"p{i}", service_line="dental")]
    warehouse.build(*rows, *walk("ann", SEARCH), booked("ann", service_line="heart"))
    found = warehouse.rows(
        "select service_line, measure, journeys, short_journeys, p10, p50, p90 from path_lags"
        " where kind = 'booked' order by 1, 2"
    )
    assert found == [
        ("dental", "days", 11, 1, 2.0, 6.0, 10.0),
        ("dental", "touches", 11, 11, 1.0, 1.0, 1.0),
        ("other", "days", 1, 1, None, None, None),
        ("other", "touches", 1, 1, None, None, None),
    ]


@pytest.mark.parametrize(
    ("others", "ways", "lags"),
    [
        (8, {("other", "")}, {("other", True)}),
        (9, {("email", "other"), ("other", "")}, {("unassigned", True), ("other", False)}),
        (10, {("email", "paid_search"), ("other", "")}, {("unassigned", True), ("other", False)}),
    ],
)
def test_who_comes_again_and_again_is_one_of_eleven(warehouse, others, ways, lags):
    """By one way, by several that begin alike, and in several lines that are told together."""
    rows = crowd(others, MAIL, SEARCH)
    for i in range(12):
        when = NOON + 4 * i * DAY
        rows += [*walk("ann", MAIL, SEARCH, until=when), booked("ann", when)]
        rows += [*walk("bea", MAIL, *(SEARCH, DIRECT)[i % 2 :], until=when), booked("bea", when)]
        line = ("heart", "dental")[i % 2]
        rows += [*walk("cyd", SEARCH, until=when), booked("cyd", when, service_line=line)]
    warehouse.build(*rows)
    assert {row[1:3] for row in paths(warehouse)} == ways
    found = warehouse.rows("select service_line, p50 > 0 from path_lags where kind = 'booked'")
    assert {(line, bool(shown)) for line, shown in found} == lags


def test_a_percentile_between_two_journeys_is_on_the_line_between_them(warehouse):
    days = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 55, 80, 85]
    for some in (days[:12], days):
        rows = []
        for i, back in enumerate(some):
            rows += [touch(f"t{i}", f"p{i}", NOON - back * DAY), booked(f"p{i}")]
        warehouse.build(*rows)
        [found] = warehouse.rows(
            "select p10, p25, p50, p75, p90 from path_lags"
            " where kind = 'booked' and measure = 'days'"
        )
        assert found == pytest.approx(np.percentile(some, (10, 25, 50, 75, 90)), rel=1e-12)


def test_transitions_lead_from_the_start_to_the_end(warehouse):
    lost = [row for i in range(12) for row in walk(f"q{i}", MAIL)]
    warehouse.build(*crowd(11, MAIL, MAIL, SEARCH), *lost, *END)
    assert moves(warehouse) == [
        ("(start)", "email", 23),
        ("email", "(null)", 12),
        ("email", "email", 11),
        ("email", "paid_search", 11),
        ("paid_search", "(conversion)", 11),
    ]


def test_a_rare_transition_goes_by_way_of_other(warehouse):
    warehouse.build(*crowd(11, MAIL, SEARCH, name="a"), *crowd(3, MAIL, DIRECT, name="b"))
    assert moves(warehouse) == [
        ("(start)", "email", 14),
        ("direct", "other", 3),
        ("email", "other", 3),
        ("email", "paid_search", 11),
        ("other", "(conversion)", 3),
        ("other", "direct", 3),
        ("paid_search", "(conversion)", 11),
    ]


WAYS = ((MAIL,), (SEARCH, MAIL), (DIRECT, DIRECT), (MAIL, SEARCH, DIRECT, MAIL, SEARCH))


def test_nothing_is_lost_on_the_way_into_the_marts():
    warehouse = Warehouse()  # with every model, for the checks
    rows = list(END)
    for number in range(160):
        who, way = f"p{number}", WAYS[number * number % 7 % 4]
        rows += walk(who, *way, until=NOON + number * DAY)
        if number % 3:
            line = ("dental", "heart", "skin")[number % 5 % 3]
            when = NOON + number * DAY
            state = "fulfilled" if number % 2 else "booked"
            rows.append(appointment(who, who, when, when + DAY, state, service_line=line))
            # Two bookings of one moment are two conversions of one journey.
            if number % 4 == 0:
                rows.append(appointment(f"{who}+", who, when, when + DAY, service_line=line))
    warehouse.build(*rows)
    run_checks(warehouse.connection)
    by = "kind, service_line"
    expected = warehouse.rows(
        f"select {by}, sum(conversions) from int_conversions"
        " where kind in ('lead', 'booked', 'new_patient') and conversion_id in"
        f" (select conversion_id from int_journey_touches) group by {by} order by {by}"
    )
    shown = f"select {by}, sum(journeys) from paths where outcome = 'converted'"
    assert warehouse.rows(f"{shown} group by {by} order by {by}") == expected
    kinds = "select kind, sum({0}) from {1} where {2} group by 1 order by 1"
    converted = warehouse.rows(kinds.format("journeys", "paths", "outcome = 'converted'"))
    assert warehouse.rows(kinds.format("journeys", "path_lags", "measure = 'days'")) == converted
    ended = kinds.format("moves", "transitions", "to_channel = '(conversion)'")
    assert warehouse.rows(ended) == converted
    through = "select kind, {0}, sum(moves) from transitions group by 1, 2"
    entered = {row[:2]: row[2] for row in warehouse.rows(through.format("to_channel"))}
    left = {row[:2]: row[2] for row in warehouse.rows(through.format("from_channel"))}
    for (kind, channel), number in entered.items():
        if not channel.startswith("("):
            assert left[kind, channel] == number
    small = (
        "select kind, sum(journeys) from paths where step_1 <> 'other'"
        " group by kind, service_line, quarter, step_1, step_2, step_3, step_4"
        " having sum(journeys) < 11"
    )
    assert warehouse.rows(small) == []
