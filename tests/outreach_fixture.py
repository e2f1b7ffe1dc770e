"""A small clinic's private store, contact store and settings, made by the real door and models."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from servers.scripted import slice_of
from warehouse_fixtures import made_of

from attribution import identity, seeds, settings, transform, warehouse
from attribution.contacts import Contacts
from attribution.loading import Loader
from attribution.paths import Home
from attribution.privacy import Door, load_key
from attribution.roles import Reader
from connectors.contract import Appointment, Contact, MessageEvent, Person, Preference, Row

NOW = datetime(2026, 11, 25, 18, tzinfo=UTC)  # Wednesday noon in Chicago
MODELS = (
    "stg_preference", "stg_message", "stg_appointment", "stg_payment", "stg_environment",
    "int_people", "int_visits", "int_silences",
)  # fmt: skip
CONFIG = """
[credit]
timezone = "America/Chicago"
[sources.emr]
kind = "files"
folder = "drop"
[[sources.emr.files]]
match = "none.csv"
row = "person"
columns = { patient_id = "id" }
[outreach]
enabled = true
organisation = "Harbor Clinic"
phone = "312-555-0100"
postal_address = "1 Pier, Chicago"
unsubscribe = "https://harbor.example/stop"
"""
FLOW = """
title = "Test"
purpose = "marketing"
audience = "silent_patients"
every = "event"
channels = ["email", "sms"]
ends = 2030-01-01
{more}
[parameters]
from_days = 365
until_days = 1095
[templates.email]
subject = "Hello"
text = "It has been a while."
[templates.sms]
text = "{{{{ organisation }}}}: it has been a while. Call {{{{ place_phone }}}}."
"""
MAIL_ONLY = """
title = "Mail"
purpose = "marketing"
audience = "silent_patients"
every = "event"
channels = ["email"]
ends = 2030-01-01
{more}
[parameters]
from_days = 365
until_days = 1095
[templates.email]
subject = "Hello"
text = "It has been a while."
"""
SMTP = """
[outreach.delivery]
email = "smtp"
[outreach.smtp]
host = "127.0.0.1"
port = {port}
sender = "Harbor Clinic <care@harbor.example>"
security = "{security}"
per_second = 1000
timeout = 5
{more}
"""
ADMIN = Reader("Ada", frozenset({"admin"}))


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def patient(number: str, **more: object) -> list[Row]:
    """A patient whose one kept visit was 500 days ago."""
    visit = Appointment(
        appointment_id=f"A{number}", patient_id=number, booked_at=ago(520), starts_at=ago(500),
        status="fulfilled", service_line="dental", location="main",
    )  # fmt: skip
    return [Person(patient_id=number, **more), visit]  # type: ignore[arg-type]


def wish(number: str, channel: str, *, allowed: bool, days: float, **more: object) -> Preference:
    """What a patient said about marketing by a channel, so many days ago."""
    given = {"purpose": "marketing", "patient_id": number} | more
    return Preference(
        preference_id=f"W{number}{channel}{days}{given['purpose']}", channel=channel,
        allowed=allowed, since=ago(days), **given,  # type: ignore[arg-type]
    )  # fmt: skip


def event(number: str, kind: str, *, days: float = 1, **more: object) -> MessageEvent:
    """Something that happened to a message of another system."""
    given = {"channel": "email", "flow": "news"} | more
    return MessageEvent(
        event_id=f"E{number}{kind}", message_id=f"M{number}", at=ago(days), event=kind, **given,  # type: ignore[arg-type]
    )  # fmt: skip


def contact(number: str, **more: object) -> Contact:
    return Contact(contact_id=number, created_at=ago(600), updated_at=ago(10), **more)  # type: ignore[arg-type]


def publish(
    home: Home,
    rows: Iterable[Row],
    config: str = CONFIG,
    others: Mapping[str, Iterable[Row]] | None = None,
) -> Home:
    """Load rows by the real door, build what audiences read, and publish it.

    `others` has the rows of further sources by name; each numbers its contacts in its own way.
    """
    home.folder.mkdir(mode=0o700, exist_ok=True)
    home.config.write_text(config, encoding="utf-8")
    told = settings.load(home)
    building = warehouse.begin(home)
    with Contacts(home) as contacts, identity.open_vault(home) as vault:
        spaces = {"emr": ("emr", "crm")} | {name: ("emr", name) for name in others or ()}
        for name, mine in {"emr": rows, **(others or {})}.items():
            door = Door(load_key(home), crm_namespace=spaces[name][1])
            loader = Loader(
                building.engine, building.commits, door, name, name, "run", contacts=contacts
            )
            loader.load(slice_of(*mine))
        with building.connect() as connection:
            identity.resolve(connection, vault, "run", told.identity, spaces)
            seeds.write(connection, told)
            transform.build(connection, made_of(MODELS))
    building.copy_marts({})
    building.close()
    warehouse.publish(home, building.number)
    return home


def add_flow(home: Home, name: str = "test", more: str = "", text: str = FLOW) -> None:
    """Put a flow into a home's own folder."""
    (home.folder / "flows").mkdir(exist_ok=True)
    (home.folder / "flows" / f"{name}.toml").write_text(text.format(more=more), encoding="utf-8")
