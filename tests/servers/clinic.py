"""A clinic small enough to reckon by hand: rows for tests, and a script for each of its systems."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from servers.scripted import SCRIPTS, Script, slice_of, slices

from connectors.contract import AdSpend, Appointment, Contact, Payment, Person, Row, Touchpoint
from connectors.source import Cursor, Slice, Total, Window

MONDAY = date(2026, 1, 5)
MONTH = Window(MONDAY, MONDAY + timedelta(days=27))
# What must never be found in any file that we write.
CANARY_EMAIL, CANARY_PHONE, CANARY_MRN = "canary.bird@example.org", "503-555-0142", "MRN-0007741"


def at(day: int, hour: int = 12) -> datetime:
    """An instant so many days after the first Monday."""
    return datetime(MONDAY.year, MONDAY.month, MONDAY.day, hour, tzinfo=UTC) + timedelta(days=day)


def ad(day: date, campaign: str = "brand", spend: str = "10.00", **more: Any) -> AdSpend:
    """One campaign's day."""
    fields = {
        "day": day,
        "timezone": "UTC",
        "campaign_id": campaign,
        "campaign": campaign,
        "ad_group_id": "",
        "ad_group": "",
        "network": "google",
        "medium": "cpc",
        "currency": "USD",
        "spend": Decimal(spend),
    }
    return AdSpend(**{**fields, **more})


def contact(number: str, day: int = 0, **more: Any) -> Contact:
    """A lead of the CRM, last changed on that day."""
    return Contact(**{"contact_id": number, "created_at": at(0), "updated_at": at(day), **more})


def payment(number: str, amount: str = "1.00", day: int = 0, **more: Any) -> Payment:
    """Money that came in."""
    fields = {"payment_id": number, "posted_at": at(day), "currency": "USD", "updated_at": at(day)}
    return Payment(**{**fields, "amount": Decimal(amount), **more})


def people(count: int = 6) -> Iterator[Row]:
    """Patients who clicked, booked, came and paid, one after the other."""
    for n in range(count):
        mail = CANARY_EMAIL if n == 0 else f"p{n}@example.org"
        patient = CANARY_MRN if n == 0 else f"P{n:04}"
        yield Touchpoint(
            touch_id=f"t{n}",
            at=at(n),
            kind="click",
            email=mail,
            utm_source="google",
            utm_medium="cpc",
            utm_campaign="brand",
            campaign_id="brand",
        )
        yield Person(patient_id=patient, email=mail, phone=CANARY_PHONE if n == 0 else None)
        yield Appointment(
            appointment_id=f"a{n}",
            patient_id=patient,
            booked_at=at(n, 14),
            starts_at=at(n + 3),
            status="fulfilled",
            service_line="dental",
            location="main",
        )
        yield payment(f"pay{n}", "125.50", n + 4, patient_id=patient, appointment_id=f"a{n}")


def ads(spend: str = "10.00", days: int = 14) -> Slice:
    """A month of the ad platform; what it says of a day may be said anew."""
    rows = [ad(MONTH.since + timedelta(days=n), spend=spend) for n in range(days)]
    total = Total(AdSpend, "spend", days * float(spend))
    return slice_of(
        *rows, total, Cursor(str(MONTH.until)), name="month", cursor_key="days", window=MONTH
    )


def records(count: int = 6) -> Slice:
    """Everything that the record system has."""
    return slice_of(*people(count), Cursor(str(count)), name="records")


def leads() -> Slice:
    """The CRM's contacts, of whom the first is a patient too."""
    rows = [contact(f"c{n}", email=f"p{n}@example.org", utm_source="google") for n in range(1, 4)]
    return slice_of(contact("c0", email=CANARY_EMAIL), *rows, Cursor("1"), name="contacts")


def clinic(**changed: Script) -> None:
    """Put the clinic's three systems on the stage, some of them perhaps changed."""
    SCRIPTS.update({"ads": slices(ads()), "emr": slices(records()), "crm": slices(leads())})
    SCRIPTS.update(changed)


CONFIG = "".join(
    f'[sources.{name}]\nkind = "scripted"\nscript = "{name}"\n' for name in ("ads", "emr", "crm")
)
