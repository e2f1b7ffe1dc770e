"""What the marts say of a few people whose story is known."""

from datetime import timedelta

import pytest
from warehouse_fixtures import (
    Warehouse,
    ad,
    appointment,
    at,
    call,
    contact,
    encounter,
    message,
    payment,
    touch,
    visits,
)

from attribution.models.parameters import CreditSettings
from attribution.transform import run_checks
from connectors.contract import Person

DAY = timedelta(days=1)
NOON = at("2024-05-15 12:00")


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse()
    yield opened
    opened.close()


def counted(warehouse, kind, columns="sum(conversions)"):
    return warehouse.rows(f"select {columns} from conversions where kind = '{kind}'")[0]


def test_an_empty_store_builds_and_passes_every_check(warehouse):
    warehouse.build()
    run_checks(warehouse.connection)
    assert warehouse.rows("select * from credit") == []


def test_one_inquiry_told_by_three_systems_is_one_lead(warehouse):
    warehouse.build(
        touch("t", "ann", NOON, kind="form"),
        contact("ann", NOON + timedelta(minutes=1)),
        call("c", "ann", NOON + timedelta(hours=2)),
    )
    assert counted(warehouse, "lead") == (1,)


def test_a_contact_that_was_deleted_from_the_crm_is_no_lead(warehouse):
    warehouse.build(contact("ann", NOON), contact("ben", NOON, deleted=True))
    assert counted(warehouse, "lead") == (1,)


@pytest.mark.parametrize(("days", "leads"), [(30, 1), (31, 2)])
def test_an_inquiry_after_the_gap_is_a_new_lead(warehouse, days, leads):
    warehouse.build(
        touch("t", "ann", NOON, kind="form"),
        touch("u", "ann", NOON + days * DAY, kind="form"),
    )
    assert counted(warehouse, "lead") == (leads,)


def test_only_answered_first_calls_are_inquiries(warehouse):
    warehouse.build(
        call("1", "ann", NOON, answered=False),
        call("2", "bob", NOON, first_time_caller=False),
        call("3", "cat", NOON, first_time_caller=True),
        call("4", "dan", NOON),
    )
    assert counted(warehouse, "lead") == (2,)


def test_a_lead_is_for_what_its_campaign_speaks_for(warehouse):
    warehouse.build(
        touch("t", "ann", NOON, kind="form", utm_campaign="dental_north"),
        touch("u", "bob", NOON, kind="form", utm_campaign="dental_north", service_line="heart"),
        appointment("a", "cat", NOON, NOON, service_line="dental", location="north"),
    )
    found = warehouse.rows(
        "select service_line, location from conversions where kind = 'lead' order by 1"
    )
    assert found == [("dental", "north"), ("heart", "north")]


def test_bookings_and_kept_visits(warehouse):
    states = ("proposed", "booked", "arrived", "fulfilled", "cancelled", "noshow")
    warehouse.build(
        *(appointment(state, state, NOON, NOON + DAY, state) for state in states),
    )
    assert counted(warehouse, "booked") == (5,)
    assert counted(warehouse, "kept") == (2,)


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({"starts_at": NOON}, 1),
        ({"starts_at": NOON + 3 * DAY, "appointment_id": "a"}, 1),
        ({"starts_at": NOON + 3 * DAY}, 2),
        ({"starts_at": NOON + 3 * DAY, "class_code": "amb"}, 2),
        ({"starts_at": NOON + 3 * DAY, "class_code": "EMER"}, 1),
        ({"starts_at": NOON + 3 * DAY, "class_code": "IMP"}, 1),
    ],
)
def test_an_encounter_is_a_visit_where_no_appointment_tells_it(warehouse, more, kept):
    warehouse.build(
        appointment("a", "ann", NOON - DAY, NOON),
        encounter("e", "ann", more.pop("starts_at"), **more),
    )
    assert counted(warehouse, "kept") == (kept,)


def test_an_encounter_of_a_cancelled_appointment_is_a_visit(warehouse):
    warehouse.build(
        appointment("a", "ann", NOON - DAY, NOON, "cancelled"),
        encounter("e", "ann", NOON, appointment_id="a"),
    )
    assert counted(warehouse, "kept") == (1,)


@pytest.mark.parametrize(("days", "new"), [(1094, 1), (1095, 2)])
def test_a_patient_is_new_again_after_three_years(warehouse, days, new):
    warehouse.build(
        appointment("a", "ann", NOON, NOON),
        appointment("b", "ann", NOON, NOON + days * DAY),
    )
    assert counted(warehouse, "new_patient") == (new,)


def test_people_and_weeks_of_conversions(warehouse):
    warehouse.build(
        appointment("a", "ann", at("2024-05-13"), NOON, "booked"),
        appointment("b", "ann", at("2024-05-19 23:59"), NOON, "booked"),
        appointment("c", None, at("2024-05-19"), NOON, "booked"),
        appointment("d", "bob", at("2024-05-20"), NOON, "booked"),
    )
    assert warehouse.rows(
        "select cast(week as varchar), conversions, people from conversions order by week"
    ) == [("2024-05-13", 3, 1), ("2024-05-20", 1, 1)]


def test_weeks_begin_in_the_time_zone_of_the_settings(warehouse):
    warehouse.set(CreditSettings(timezone="America/Chicago"))
    warehouse.build(appointment("a", "ann", at("2024-05-20 04:00"), NOON + 30 * DAY, "booked"))
    found = warehouse.rows("select cast(week as varchar) from conversions")
    warehouse.set(CreditSettings())
    assert found == [("2024-05-13",)]


@pytest.mark.parametrize(
    ("more", "decided", "line"),
    [
        ({"appointment_id": "a"}, NOON, "dental"),
        ({"encounter_id": "e"}, NOON + 10 * DAY, "heart"),
        ({}, NOON + 10 * DAY, "heart"),
    ],
)
def test_money_was_decided_by_the_visit_it_pays_for(warehouse, more, decided, line):
    warehouse.build(
        appointment("a", "ann", NOON, NOON, service_line="dental"),
        encounter("e", "ann", NOON + 10 * DAY, service_line="heart"),
        payment("p", "ann", NOON + 40 * DAY, "9", **more),
    )
    found = warehouse.rows(
        "select decided_at, service_line from int_conversions where kind = 'collected'"
    )
    assert found == [(decided, line)]


def test_what_is_paid_ahead_was_decided_when_it_was_paid(warehouse):
    warehouse.build(
        appointment("a", "ann", NOON, NOON + 60 * DAY, "booked"),
        payment("p", "ann", NOON + DAY, "9", appointment_id="a"),
    )
    assert warehouse.rows("select decided_at from int_payments") == [(NOON + DAY,)]


def test_a_follow_up_without_a_touch_is_nobodys_merit(warehouse):
    warehouse.build(
        touch("t", "ann", NOON - 5 * DAY),
        appointment("a", "ann", NOON, NOON),
        appointment("b", "ann", NOON, NOON + 14 * DAY),
    )
    assert warehouse.rows(
        "select channel, sum(conversions) from credit where kind = 'kept' and model = 'last'"
        " group by 1 order by 1"
    ) == [("paid_search", 1.0), ("unattributed", 1.0)]


def test_two_bookings_of_one_moment_share_their_journey(warehouse):
    warehouse.build(
        touch("t", "ann", NOON - 5 * DAY),
        appointment("a", "ann", NOON, NOON + DAY, "booked"),
        appointment("b", "ann", NOON, NOON + 2 * DAY, "booked"),
    )
    assert warehouse.rows(
        "select channel, sum(conversions) from credit where kind = 'booked' and model = 'last'"
        " group by 1"
    ) == [("paid_search", 2.0)]


def test_calls_messages_and_crm_touches_are_touches(warehouse):
    warehouse.build(
        call("c", "ann", NOON - 9 * DAY),
        message(
            "m", "ann", "spring", NOON - 9 * DAY, sent_at=NOON - 8 * DAY, clicked_at=NOON - DAY
        ),
        contact("ann", NOON, first_touch_at=NOON - 20 * DAY, original_source="PAID_SOCIAL"),
        appointment("a", "ann", NOON, NOON + DAY, "booked"),
    )
    found = warehouse.rows(
        "select channel, conversions from credit where kind = 'booked' and model = 'linear'"
        " order by channel"
    )
    assert found == [("call", 0.25), ("outreach_email", 0.5), ("paid_social", 0.25)]


def test_what_web_analytics_saw_the_crm_does_not_tell_again(warehouse):
    warehouse.build(
        touch("t", "ann", NOON - 20 * DAY),
        contact("ann", NOON, first_touch_at=NOON - 20 * DAY + timedelta(hours=3)),
    )
    assert warehouse.rows("select count(*) from int_touches") == [(1,)]


@pytest.mark.parametrize(
    "more",
    [
        {"purpose": "operations", "sent_at": NOON - DAY},
        {"purpose": "treatment", "sent_at": NOON - DAY},
        {"arm": "holdout"},
        {},
    ],
)
def test_reminders_holdouts_and_unsent_messages_are_no_touches(warehouse, more):
    warehouse.build(
        message("m", "ann", "reminder", NOON - DAY, **more),
        appointment("a", "ann", NOON, NOON, "booked"),
    )
    assert warehouse.rows("select distinct channel from credit where model = 'last'") == [
        ("unattributed",)
    ]
    assert warehouse.rows("select * from int_touches") == []


@pytest.mark.parametrize(
    ("kind", "channel"),
    [("impression", "unattributed"), ("email_open", "unattributed"), ("click", "paid_search")],
)
def test_to_have_been_shown_something_is_no_step(warehouse, kind, channel):
    warehouse.build(
        touch("t", "ann", NOON - DAY, kind=kind),
        appointment("a", "ann", NOON, NOON, "booked"),
    )
    assert warehouse.rows(
        "select distinct channel from credit where kind = 'booked' and model = 'last'"
    ) == [(channel,)]


@pytest.mark.parametrize(
    ("uncounted", "expected"),
    [
        ((), ["call", "paid_search"]),
        # Named twice is named once.
        (("impression", "impression"), ["call"]),
        (("call",), ["paid_search"]),
    ],
)
def test_what_counts_as_a_step_is_a_setting(uncounted, expected):
    own = Warehouse(
        CreditSettings(uncounted_touches=uncounted), of=("credit", "int_contact_events")
    )
    own.build(
        touch("t", "ann", NOON - DAY, kind="impression"),
        call("c", "ann", NOON - DAY),
        appointment("a", "ann", NOON, NOON, "booked"),
    )
    channels = own.rows(
        "select distinct channel from credit where kind = 'booked' and model = 'linear' order by 1"
    )
    assert [channel for (channel,) in channels] == expected
    shown = own.rows("select count(*) from int_contact_events where kind = 'shown'")
    assert shown == [(int("impression" in uncounted),)]
    own.close()


def test_spend_holds_ads_and_messages_with_a_price(warehouse):
    warehouse.build(
        ad("brand", NOON, "10.50", impressions=100, clicks=7, claimed_conversions=1.5),
        ad("brand", NOON + DAY, "0.25", impressions=1, clicks=1, currency="EUR"),
        message(
            "m",
            "ann",
            "recall",
            NOON,
            sent_at=NOON,
            currency="USD",
            cost=ad("x", NOON, "0.02").spend,
        ),
    )
    run_checks(warehouse.connection)
    assert warehouse.rows(
        "select channel, campaign, currency, spend_micros, impressions, clicks,"
        " claimed_conversions from spend order by channel, currency"
    ) == [
        ("outreach_email", "recall", "USD", 20_000, 0, 0, 0.0),
        ("paid_search", "brand", "EUR", 250_000, 1, 1, 0.0),
        ("paid_search", "brand", "USD", 10_500_000, 100, 7, 1.5),
    ]


def test_sessions_say_how_far_to_trust_them(warehouse):
    warehouse.build(
        visits("google/cpc", NOON, 5),
        visits("google/cpc", NOON + DAY, 3, sampled_share=0.5, key_events=2.5),
        visits("google/organic", NOON, 4, other_row=True, sampled_share=1.0),
    )
    assert warehouse.rows(
        "select channel, sessions, key_events, sampled, thresholded, other_row from sessions"
        " order by channel"
    ) == [
        ("organic_search", 4, 0.0, False, False, True),
        ("paid_search", 8, 2.5, True, False, False),
    ]


def test_coverage_and_rejects(warehouse):
    warehouse.build(touch("1", "ann", NOON), touch("2", "ann", NOON + 3 * DAY))
    warehouse.write(
        "insert into raw_rejected (source, account, file, row_number, table_name, column_name,"
        " shape, reason) values ('files', 'main', 'for ann@example.org.csv', 7, 'call', 'seconds',"
        " 'text of 3, letters', 'is not a whole number')"
    )
    warehouse.rebuild()
    covered = warehouse.rows(
        "select source, table_name, cast(first_day as varchar), cast(last_day as varchar),"
        " rows_loaded from coverage"
    )
    rejected = warehouse.rows("select file, row_number, reason from rejected")
    warehouse.write("delete from raw_rejected")
    assert covered == [("files", "touchpoint", "2024-05-15", "2024-05-18", 2)]
    assert rejected == [("(hidden)", 7, "is not a whole number")]


@pytest.mark.parametrize(
    ("last", "week"), [("2024-05-19", "2024-05-13"), ("2024-05-18", "2024-05-06")]
)
def test_about_names_the_last_week_that_is_complete(warehouse, last, week):
    warehouse.build(
        ad("x", at("2024-05-01"), "1"), ad("x", at(last), "1"), appointment("a", "ann", NOON, NOON)
    )
    about = dict(warehouse.rows("select key, value from about"))
    assert about["first_week"] == "2024-04-29"
    assert about["last_week"] == week
    assert (about["currency"], about["people"], about["visits_since"]) == ("USD", "1", "2024-05-15")


LAST_VISIT = at("2023-01-10 09:00")
ASSIGNED = LAST_VISIT + 400 * DAY


def silent_person(who, arm, *rows, **more):
    if arm == "treated":
        more = {"sent_at": ASSIGNED + timedelta(hours=1), **more}
    return [
        appointment(f"{who} old", who, LAST_VISIT - DAY, LAST_VISIT, service_line="dental"),
        message(f"{who} m", who, "spring_recall", ASSIGNED, arm=arm, **more),
        *rows,
    ]


def back(who, days, booked=None, key="new"):
    when = ASSIGNED + days * DAY
    return appointment(f"{who} {key}", who, ASSIGNED + (booked or days) * DAY, when)


def funnel(warehouse, where="campaign <> ''"):
    return warehouse.rows(
        "select arm, months_silent, silent, contacted, engaged, booked, kept, retained,"
        f" value_micros from reactivation where {where} order by arm, months_silent"
    )


def test_the_reactivation_funnel(warehouse):
    warehouse.build(
        *silent_person("ann", "treated", back("ann", 20, 5), back("ann", 90, key="again")),
        *silent_person("bob", "treated", opened_at=ASSIGNED + DAY),
        *silent_person("cat", "treated", back("cat", 91, 80)),
        *silent_person("dan", "treated", sent_at=None),
        *silent_person("eve", "holdout", back("eve", 30)),
        *silent_person("fay", "holdout"),
        payment("p1", "ann", ASSIGNED + 30 * DAY, "80"),
        payment("p2", "ann", ASSIGNED + 181 * DAY, "1000"),
        payment("p3", "eve", ASSIGNED + 30 * DAY, "50"),
    )
    run_checks(warehouse.connection)
    assert funnel(warehouse) == [
        ("holdout", "12-18", 2, 0, 0, 1, 1, 0, 50_000_000),
        ("treated", "12-18", 4, 3, 3, 2, 1, 1, 80_000_000),
    ]
    assert warehouse.rows(
        "select distinct cast(cohort_month as varchar), campaign, channel, service_line, location"
        " from reactivation where campaign <> ''"
    ) == [("2024-02-01", "spring_recall", "outreach_email", "dental", "unassigned")]


def test_a_person_counts_once_per_flow_and_only_if_silent(warehouse):
    warehouse.build(
        *silent_person("ann", "treated"),
        message("again", "ann", "spring_recall", ASSIGNED + 40 * DAY, sent_at=ASSIGNED + 40 * DAY),
        appointment("b", "bob", ASSIGNED, ASSIGNED - 100 * DAY),
        message("bob m", "bob", "spring_recall", ASSIGNED, sent_at=ASSIGNED),
        message("cat m", "cat", "spring_recall", ASSIGNED, sent_at=ASSIGNED),
        *(r for r in silent_person("dan", "treated") if r.spec.table == "appointment"),
        message("dan m", "dan", "newsletter", ASSIGNED, sent_at=ASSIGNED),
    )
    assert [row[:3] for row in funnel(warehouse)] == [("treated", "12-18", 1)]


def test_silent_people_whom_nobody_contacted(warehouse):
    warehouse.build(
        appointment("a", "ann", LAST_VISIT, LAST_VISIT),
        appointment("b", "bob", LAST_VISIT, LAST_VISIT),
        appointment("c", "bob", LAST_VISIT, LAST_VISIT + 200 * DAY),
        # The report reaches as far as its last conversion.
        payment("p", "zoe", LAST_VISIT + 370 * DAY, "1"),
        Person("ann", updated_at=LAST_VISIT),
    )
    assert funnel(warehouse, "arm = 'none'") == [
        ("none", "12-18", 1, 0, 0, 0, 0, 0, 0),
        ("none", "6-12", 2, 0, 0, 1, 1, 0, 0),
    ]


def test_the_dead_are_not_silent(warehouse):
    warehouse.build(
        appointment("a", "ann", LAST_VISIT, LAST_VISIT),
        payment("p", "zoe", LAST_VISIT + 370 * DAY, "1"),
        Person("ann", deceased=True),
    )
    assert funnel(warehouse, "arm = 'none'") == []


def test_the_contacted_are_not_among_those_left_alone(warehouse):
    warehouse.build(*silent_person("ann", "treated"), payment("p", "zoe", ASSIGNED + DAY, "1"))
    found = warehouse.rows("select arm, months_silent from reactivation order by cohort_month, arm")
    assert found == [("none", "6-12"), ("treated", "12-18")]
