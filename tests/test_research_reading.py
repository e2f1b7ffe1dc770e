"""Research exports: what is read of people, as counted by hand."""

from datetime import date, timedelta

import pytest
from warehouse_fixtures import Warehouse, appointment, at, encounter, message, payment, touch

from attribution.models.parameters import CreditSettings, setting_timeline
from attribution.transform import build
from connectors.contract import CareCode, Environment, Person


def test_a_person_is_told_by_their_visits_payments_and_messages():
    built = Warehouse(of=("research_people", "research_weeks")).build(
        Person("p1", birth_year=1980, sex="Female", zip3="606"),
        Person("p2", birth_year=1930, sex="male", zip3="036"),
        touch("t1", "p1", at("2024-01-02"), "google/cpc"),
        touch("t2", "p1", at("2024-01-05"), "news/email"),
        *(
            appointment(f"a{n}", "p1", at(day), at(day), service_line=line, location="North")
            for n, day, line in (
                (1, "2024-01-20 12:00", "derm"),
                (2, "2024-03-20 12:00", "derm"),
                (3, "2024-09-20 12:00", "ortho"),
            )
        ),
        encounter(
            "e1", "p1", at("2024-01-20 12:00"), appointment_id="a1", diagnosis_groups="D1|D2"
        ),
        encounter("e2", "p1", at("2024-03-20 12:00"), appointment_id="a2", diagnosis_groups="D3"),
        encounter("e3", "p1", at("2024-09-20 12:00"), appointment_id="a3", diagnosis_groups="D3"),
        encounter("e4", "p2", at("2024-02-01 12:00"), service_line="derm", procedure_groups="P1"),
        CareCode("c1", "diagnosis", encounter_id="e4", code_group="D9"),
        payment("y1", "p1", at("2024-02-01"), "120.50"),
        message("m1", "p1", "recall", at("2024-05-01"), sent_at=at("2024-05-01")),
        message(
            "m2",
            "p1",
            "recall",
            at("2024-06-01"),
            sent_at=at("2024-06-01"),
            clicked_at=at("2024-06-02"),
        ),
        message("m3", "p1", "recall", at("2024-07-01")),
        *(
            Environment(
                date(2024, 1, 1) + timedelta(days=n),
                "north",
                10.0 * (n in (19, 78)),
                air_quality_index=60.0,
            )
            for n in range(300)
        ),
    )
    found = built.frame("select * from research_people order by age").to_dict("records")
    one, two = found
    assert (one["age"], one["sex"], one["zip3"]) == (44, "female", "606")
    assert (two["age"], two["condition"], two["treatment"]) == (94, "D9", "P1")
    assert (one["visits"], one["span_days"], str(one["first_visit"])[:10]) == (3, 244, "2024-01-20")
    assert (one["service_line"], one["condition"], one["location"]) == ("derm", "D3", "North")
    assert (one["paid_micros"], one["first_channel"]) == (120_500_000, "paid_search")
    assert (one["emails"], one["texts"], one["responses"]) == (2, 0, 1)
    # The place that is measured is the only one, so it holds for who has none.
    assert (one["pollen_visits"], one["high_pollen_visits"], one["poor_air_visits"]) == (3, 2, 3)
    assert (two["pollen_visits"], two["high_pollen_visits"]) == (1, 0)
    weeks = built.frame("select * from research_weeks where kind = 'all' and location = ''")
    assert weeks.groupby("weeks")["visits"].sum().to_dict() == {1: 4, 4: 4}
    assert set(built.frame("select kind from research_weeks")["kind"]) == {"all", "service_line"}
    # Whoever wants no timelines kept wants nothing kept of single people's care.
    built.replace("setting_timeline", setting_timeline(keep_timeline=False))
    kept = ("research_people", "research_weeks")
    build(built.connection, [model for model in built.models if model.name in kept])
    assert [built.rows(f"select count(*) from {name}") for name in kept] == [[(0,)]] * 2
    built.close()


@pytest.mark.parametrize(
    ("zone", "asked", "came", "days"),
    [
        ("America/Los_Angeles", "2024-05-15 00:00", "2024-05-15 01:00", 0),
        ("America/Los_Angeles", "2024-05-14 01:00", "2024-05-15 01:00", 1),
        ("Europe/Berlin", "2024-05-15 22:30", "2024-05-15 12:00", None),
    ],
)
def test_a_lead_led_to_a_visit_of_its_own_day_or_a_later_one(zone, asked, came, days):
    built = Warehouse(CreditSettings(timezone=zone), of=("research_people",)).build(
        Person("p1", birth_year=1980),
        touch("t1", "p1", at(asked), kind="form"),
        appointment("a1", "p1", at(came), at(came)),
    )
    assert built.rows("select lead_days from research_people") == [(days,)]
    built.close()
