"""Audiences: each shipped flow finds those it means, and nobody else of a small clinic."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import duckdb
import pytest
from outreach_fixture import CONFIG, NOW, ago, publish, wish

from attribution.contacts import Contacts
from attribution.outreach_settings import outreach_settings
from attribution.paths import Home
from attribution.privacy import Door, load_key
from connectors.contract import (
    Appointment,
    Encounter,
    Environment,
    Payment,
    Person,
    Row,
    Withdrawn,
)
from outreach.flow import flow, flows
from outreach.outbox import Outbox
from outreach.planning import plan
from outreach.pollen import out_of_reach

MORE = """
survey_url = "https://harbor.example/s"
billing_url = "https://harbor.example/pay"
[outreach.locations.main]
name = "Main clinic"
review_url = "https://reviews.example/main"
[outreach.providers.dr-7]
name = "Dr. Reed"
video = "https://harbor.example/reed"
"""
MEANT = {
    "appointment_reminder": {"tomorrow"},
    "no_show_rebooking": {"missed"},
    "billing_notice": {"owes"},
    "recall": {"silent"},
    "post_visit_check_in": {"filmed"},
    "wellness_tips": {"child"},
    "pollen_warning": {"sneezes"},
    "doctor_video": {"filmed"},
    "review_request": {"content"},
}


def booked(number: str, days: float, status: str, **more: object) -> Appointment:
    given = {"location": "main", "service_line": "dental"} | more
    return Appointment(
        appointment_id=f"A{number}{days}", patient_id=number, booked_at=ago(days + 40),
        starts_at=ago(days), status=status, **given,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture(scope="module")
def clinic(tmp_path_factory) -> Home:
    who = sorted(
        {name for names in MEANT.values() for name in names}
        | {"again", "series", "came", "paid", "adult", "refuted"}
    )
    rows: list[Row] = []
    for name in who:
        birth = {"child": 2019, "adult": 1980}.get(name)
        rows.append(Person(patient_id=name, email=f"{name}@example.org", birth_year=birth))
        rows += [
            wish(name, channel, allowed=True, days=90, purpose=purpose)
            for channel in ("email", "sms")
            for purpose in ("marketing", "operations")
        ]
    rows += [
        booked("tomorrow", -1.5, "booked"),
        booked("again", -20, "booked"),
        booked("missed", 2, "noshow"),
        booked("again", 3, "noshow"),
        Appointment(
            appointment_id="new", patient_id="again", booked_at=ago(1), starts_at=ago(-9),
            status="booked",
        ),
        booked("series", 4, "noshow"),
        booked("series", -9, "booked"),  # as long before as the one that was missed
        booked("came", 5, "noshow"),
        Encounter(encounter_id="walked in", patient_id="came", starts_at=ago(0.5)),
        booked("silent", 500, "fulfilled"),
        booked("silent", -30, "cancelled"),  # nothing is ahead of somebody who called it off
        booked("filmed", 2.5, "fulfilled", provider="dr-7"),
        booked("content", 6, "fulfilled", provider="dr-8"),
        booked("sneezes", 60, "fulfilled"),
        booked("adult", 60, "fulfilled"),
        Encounter(
            encounter_id="E1", patient_id="sneezes", starts_at=ago(60), appointment_id="Asneezes60",
            diagnosis_groups="ICD10:J30", location="main",
        ),
        booked("refuted", 60, "fulfilled"),
        Encounter(
            encounter_id="E2", patient_id="refuted", starts_at=ago(60),
            appointment_id="Arefuted60", diagnosis_groups="ICD10:J30", location="main",
        ),
        Withdrawn(table_name="encounter", record_id="E2", withdrawn_at=ago(50),
                  reason="refuted"),
        Environment(
            day=NOW.date() - timedelta(days=1), place="main", pollen_tree=12.0, pollen_grass=340.0
        ),
        # Air is measured each day, pollen is not.
        Environment(day=NOW.date(), place="main", air_quality_index=40.0),
    ]  # fmt: skip
    for name, open_amount in (("owes", "40"), ("paid", "0")):
        for day, left in ((20, "80"), (5, open_amount)):
            rows.append(
                Payment(
                    payment_id=f"{name}{day}", posted_at=ago(day), currency="USD",
                    amount=Decimal(10), patient_id=name, balance=Decimal(left),
                    due_on=NOW.date(),
                )
            )  # fmt: skip
    home = Home(tmp_path_factory.mktemp("audiences") / "home")
    return publish(home, rows, CONFIG + MORE)


def test_every_shipped_flow_is_tried(clinic):
    assert set(flows(clinic)) == set(MEANT)


@pytest.mark.parametrize("name", MEANT)
def test_a_flow_finds_those_it_means(clinic, name, tmp_path):
    door, settings = Door(load_key(clinic)), outreach_settings(clinic)
    who = {door.hash("patient_id", each): each for names in MEANT.values() for each in names}
    with Contacts(clinic) as contacts, Outbox(Home(tmp_path)) as outbox:
        made = plan(clinic, flow(clinic, name), settings, contacts, outbox, now=NOW)
    owners = [*made.rows["owner"].to_pylist(), *made.held_out["owner"].to_pylist()]
    assert {who.get(owner, "?") for owner in owners} == MEANT[name]
    assert len(owners) == made.audience == len(MEANT[name])


def test_a_threshold_of_pollen_that_nothing_reaches_is_told(clinic, tmp_path):
    """As Google's index never reaches a number of grains; one that some day reached is not told."""
    settings, warning = outreach_settings(clinic), flow(clinic, "pollen_warning")

    def notes(grains: int) -> tuple[str, ...]:
        asked = replace(warning, parameters={**warning.parameters, "grains": grains, "days": 0})
        with Contacts(clinic) as contacts, Outbox(Home(tmp_path)) as outbox:
            made = plan(clinic, asked, settings, contacts, outbox, now=NOW)
        assert made.audience == 0
        return made.notes

    (said,) = notes(341)
    assert "No value of pollen ever reached grains = 341: the highest is 340." in said
    assert notes(340) == ()  # it was yesterday


def test_a_place_of_pollen_that_no_visit_was_at_is_told(clinic):
    with duckdb.connect() as driver:
        driver.execute("create table int_visits (location text)")
        driver.execute(
            "create table stg_environment "
            "(place text, pollen_tree double, pollen_grass double, pollen_weed double)"
        )
        warning = flow(clinic, "pollen_warning")
        assert ["No pollen was ever" in each for each in out_of_reach(driver, warning)] == [True]
        driver.execute("insert into int_visits values ('north')")
        driver.execute("insert into stg_environment values ('North clinic', 90, null, null)")
        (said,) = out_of_reach(driver, warning)
        assert "No place of pollen is called as a place of visits" in said
        driver.execute("insert into stg_environment values ('north', null, 4, null)")
        assert list(out_of_reach(driver, warning)) == []
        assert list(out_of_reach(driver, flow(clinic, "recall"))) == []
