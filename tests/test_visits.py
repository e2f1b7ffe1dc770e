"""Visits, and what they are known by: the money that pays for them, their line, answers of NPS."""

from datetime import date, timedelta

import pandas as pd
import pytest
from warehouse_fixtures import Warehouse, ad, appointment, at, contact, encounter, payment, touch

from connectors.contract import Feedback

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
NOON = at("2024-05-15 12:00")
MIDNIGHT = at("2024-05-15 05:00")  # in Chicago, where the report is at home
IN_2023 = NOON - 400 * DAY


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse()
    yield opened
    opened.close()


def decided(warehouse):
    return warehouse.rows("select decided_at, service_line from int_payments")


@pytest.mark.parametrize("posted", [MIDNIGHT, NOON - 5 * MINUTE, NOON + 60 * MINUTE])
def test_what_is_paid_on_the_day_of_a_visit_is_paid_for_it(warehouse, posted):
    warehouse.build(
        appointment("a", "ann", IN_2023, IN_2023, service_line="dental"),
        appointment("b", "ann", NOON - DAY, NOON, service_line="heart"),
        payment("p", "ann", posted, "30"),
    )
    assert decided(warehouse) == [(NOON, "heart")]


@pytest.mark.parametrize(("hour", "line"), [(9, "dental"), (13, "heart")])
def test_of_two_visits_of_the_day_the_nearest_is_paid_for(warehouse, hour, line):
    morning, afternoon = at("2024-05-15 14:00"), at("2024-05-15 19:00")
    warehouse.build(
        appointment("a", "ann", morning, morning, service_line="dental"),
        appointment("b", "ann", morning, afternoon, service_line="heart"),
        payment("p", "ann", MIDNIGHT + timedelta(hours=hour, minutes=50), "30"),
    )
    assert decided(warehouse)[0][1] == line


def test_the_day_after_is_another_day(warehouse):
    warehouse.build(
        appointment("a", "ann", IN_2023, IN_2023, service_line="dental"),
        appointment("b", "ann", NOON, at("2024-05-16 05:30"), service_line="heart"),
        payment("p", "ann", MIDNIGHT, "30"),
    )
    assert decided(warehouse) == [(IN_2023, "dental")]


@pytest.mark.parametrize("named", [{"appointment_id": "A"}, {}])
def test_money_for_an_encounter_is_that_of_its_visit(warehouse, named):
    """It is found by the appointment's number or by the day, and dated as the visit is."""
    warehouse.build(
        touch("t", "ann", NOON - 5 * DAY),
        appointment("A", "ann", NOON - 7 * DAY, NOON, service_line="heart", location="north"),
        encounter("E", "ann", NOON + 7 * MINUTE, service_line="lab", **named),
        payment("p", "ann", NOON + 20 * DAY, "200", encounter_id="E"),
        ad("c", NOON + 25 * DAY, "1"),  # so many weeks are over
    )
    assert decided(warehouse) == [(NOON, "heart")]
    assert warehouse.rows(
        "select booked_week, visit_week, has_booking, has_visit from int_conversion_dates"
        " inner join int_conversions using (conversion_id) where kind = 'collected'"
    ) == [(date(2024, 5, 6), date(2024, 5, 13), True, True)]
    assert warehouse.rows(
        "select lag_weeks, arrived / 1000000 from int_cohorts"
        " where kind_from = 'kept' and kind_to = 'collected' and arrived > 0"
    ) == [(3, 200)]


def test_a_hospital_stay_that_is_no_visit_keeps_its_money(warehouse):
    warehouse.build(
        appointment("A", "ann", NOON, NOON, service_line="heart"),
        encounter("E", "ann", NOON + 60 * MINUTE, class_code="EMER", service_line="emergency"),
        payment("p", "ann", NOON + DAY, "200", encounter_id="E"),
    )
    assert decided(warehouse) == [(NOON + 60 * MINUTE, "emergency")]


def test_a_visit_that_names_no_line_is_for_that_of_its_encounter(warehouse):
    warehouse.build(
        appointment("A", "ann", NOON - DAY, NOON),
        appointment("B", "ben", NOON - DAY, NOON, service_line="dental"),
        encounter("E", "ann", NOON, appointment_id="A", service_line="heart", location="north"),
        encounter("F", "ben", NOON, appointment_id="B", service_line="heart"),
        payment("p", "ann", NOON + DAY, "9", encounter_id="E"),
    )
    assert warehouse.rows(
        "select kind, service_line, location, sum(conversions) from int_conversions"
        " where service_line <> 'dental' group by 1, 2, 3 order by 1"
    ) == [(kind, "heart", "north", 1) for kind in ("booked", "collected", "kept", "new_patient")]
    assert warehouse.rows("select count(*) from int_visits where service_line = 'dental'") == [(1,)]


def test_an_answer_is_about_the_latest_visit_whether_it_was_booked_or_not(warehouse):
    warehouse.build(
        appointment("A", "cy", NOON, NOON, service_line="dental", minutes_waited=5.0),
        encounter("E", "cy", NOON + 19 * DAY, service_line="urgent", minutes_waited=70.0),
        Feedback("f", NOON + 20 * DAY, "nps", score=2, scale_max=10, patient_id="cy"),
    )
    assert warehouse.rows("select service_line, minutes_waited, patient from int_experience") == [
        ("urgent", 70, "returning")
    ]


@pytest.mark.parametrize(("days", "patient"), [(1094, "returning"), (1095, "new")])
def test_a_patient_is_new_to_experience_when_conversions_say_so(warehouse, days, patient):
    warehouse.build(
        appointment("A", "cy", NOON - days * DAY, NOON - days * DAY),
        appointment("B", "cy", NOON, NOON),
        Feedback("f", NOON + DAY, "nps", score=9, scale_max=10, patient_id="cy"),
    )
    assert warehouse.rows("select patient from int_experience") == [(patient,)]
    new = "select count(*) from int_conversions where kind = 'new_patient'"
    assert warehouse.rows(new) == [(1 + (patient == "new"),)]


def test_what_is_planned_is_no_data_of_days_to_come(warehouse):
    today = pd.Timestamp.now("America/Chicago").normalize()
    later = (today + 90 * DAY).tz_convert("UTC").to_pydatetime()
    warehouse.build(
        ad("c", today.to_pydatetime(), "1"),
        ad("d", later, "1"),
        appointment("A", "ann", NOON, NOON),
    )
    assert warehouse.rows("select last_day from int_reach") == [(today.date(),)]
    [(last_week,)] = warehouse.rows("select last_week from int_reach")
    assert timedelta(1) <= today.date() - last_week - timedelta(days=6) <= timedelta(7)


def test_the_running_week_is_not_over_on_its_sunday():
    """Whatever is dated today, a Saturday, a Sunday or a Monday, shows that yesterday is over."""
    small = Warehouse(of=("int_reach",))
    for today, last_week in (
        (date(2024, 5, 18), date(2024, 5, 6)),
        (date(2024, 5, 19), date(2024, 5, 6)),
        (date(2024, 5, 20), date(2024, 5, 13)),
    ):
        small.replace("setting_today", pd.DataFrame({"today": [today]}))
        small.build(ad("c", at(f"{today}"), "1"), appointment("A", "ann", IN_2023, IN_2023))
        assert small.rows("select last_week, last_day from int_reach") == [(last_week, today)]
    small.close()


@pytest.mark.parametrize(("kind", "touches"), [("session", 0), ("email_open", 1)])
def test_only_a_touch_that_counts_tells_the_first_touch_of_the_crm_again(warehouse, kind, touches):
    seen = NOON - 2 * DAY
    warehouse.build(
        contact("ann", NOON, first_touch_at=seen, original_source="PAID_SEARCH", patient_id="ann"),
        touch("t", "ann", seen + 5 * 60 * MINUTE, kind=kind),
    )
    assert warehouse.rows("select count(*) from int_contact_touches") == [(touches,)]
    assert warehouse.rows("select count(*) from int_touches") == [(1,)]


def test_what_is_left_of_a_record_that_was_taken_back_asks_for_no_rule(warehouse):
    """A CRM's call or mail that is none any more is of nobody, and shown to nobody."""
    nobody = {"kind": "impression", "utm_source": None, "utm_medium": None}
    warehouse.build(
        touch("t", None, NOON, **nobody),
        touch("u", "ann", NOON, "sign/wall", kind="impression"),
        touch("v", None, NOON, "bus/wall"),
    )
    assert warehouse.rows(
        "select kind, utm_source from int_combinations where origin = 'touchpoint' order by 2"
    ) == [("session", "bus"), ("impression", "sign")]
