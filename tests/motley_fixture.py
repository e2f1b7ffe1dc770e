"""Rows of every kind in the contract, as odd as it allows: what laws and engines are held to.

Of each field some value that models make something of, or nothing; times that contradict each
other, refunds, two currencies, names that differ only in case, people that nobody knows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from warehouse_fixtures import at

from connectors.contract import (
    ROWS,
    Field,
    Link,
    MessageEvent,
    Row,
    Withdrawn,
    contract_fields,
)

_START = at("2022-01-01")
_AMOUNTS = ("0", "0.01", "33.33", "100", "-20", "123456.789012")
_WORDS = ("a", "B", "ä", "Zoë", "")
# What a field may say by its name; None is nothing, where it may say nothing.
_SAID: Mapping[str, tuple[object, ...]] = {
    "service_line": ("dental", "dermatology", "primary care", "orthopedics", "Zahn", "", None),
    "location": ("north", "South", "östlich", "", None),
    "currency": ("USD", "USD", "EUR"),
    "timezone": ("UTC", "America/Chicago"),
    "flow": ("recall", "spring", "education"),
    "channel": ("email", "sms", "call", "direct_mail"),
    "network": ("google", "meta", "radio", "bing"),
    "medium": ("cpc", "paid_social", "radio", "display"),
    "utm_source": ("google", "facebook", "newsletter", "(direct)", "", None),
    "utm_medium": ("cpc", "paid_social", "email", "(none)", "organic", None),
    "campaign_id": ("c1", "c2", "C3", ""),
    "campaign": ("c1", "Dental north", "C3", ""),
    "utm_campaign": ("c1", "Dental north", "C3", None),
    "lifecycle_dates": ('{"lead": "2022-01-01T00:00:00+00:00"}', None),
    "stage_dates": ('{"won": "2022-01-01T00:00:00+00:00"}', None),
    "diagnosis_groups": ("asthma", "asthma|eczema", "Ekzem", None),
    "procedure_groups": ("arthroscopy", None),
    "code_group": ("asthma", "eczema", "Ekzem", None),
    "unknown_code": ("icd|x1", "icd|X2", None),
    "zip3": ("601", "602", "976", None),
    "birth_year": (1931, 1950, 1980, 2000, 2019, None),
    "click_id": ("k1", "k2", "k3", None),
    "client_id": (None,),
    "given_name": (None,),
    "tracking_number": ("+15035550142", None),
    "code": ("+15035550142", "spring"),
    "landing_group": ("home", "Dental", ""),
    "action": ("lead", "Booking form", "purchase"),
    "attribution_window": ("7d_click", "1d_view", ""),
    "platform": ("google", "yelp"),
    "place": ("p1", "P2"),
    "told_by": ("", "", "ga4"),
    "survey": ("CG-CAHPS 3.1", "google", None),
    "question": ("Q11", "recommend", None),
    "scale_max": (5.0, 10.0),
    "score": (0.0, 1.0, 4.0, 5.0),
    "rating": (3.5, 4.0, None),
    "forecast_days": (0, 1, None),
}  # fmt: skip
_POINTS = ("patient_id", "crm_id", "email", "phone")
# Of what the row speaks in any case: one who has no identifier at all cannot be told of.
_ALWAYS = ("patient_id", "contact_id")


def motley(people: int, each: int, seed: int = 20261128) -> list[Row]:
    """So many rows of each kind (fewer where keys are alike) about so many people."""
    dice = Random(seed)
    return [row for kind in ROWS for row in _rows(kind, people, each, dice)]


def _rows(kind: type[Row], people: int, each: int, dice: Random) -> Iterator[Row]:
    told: set[tuple[object, ...]] = set()
    needed = {f.name for f in fields(kind) if f.default is MISSING}
    for number in range(each):
        known = dice.random() < 0.97 or bool(needed & {*_ALWAYS})
        who = f"person {dice.randrange(people)}" if known else None
        said = {
            field.name: _value(kind, field, who, number, each, dice)
            for field in contract_fields(kind)
        }
        if kind is Withdrawn:
            said["record_id"] = f"{said['table_name']} {dice.randrange(each)}"
        if kind is Link:
            said["patient_id"] = who
        key = tuple(said[name] for name in kind.spec.key)
        if key not in told:
            told.add(key)
            yield kind(**said)


def _value(
    kind: type[Row], field: Field, who: str | None, number: int, each: int, dice: Random
) -> object:
    name = field.name
    if field.identifier in _POINTS:
        return who if name in _ALWAYS or dice.random() < 0.5 else None
    if field.identifier == "record":
        if name in kind.spec.key:
            return f"{kind.spec.table} {number}"
        told_of = f"{name.removesuffix('_id')} {dice.randrange(each)}"
        return told_of if field.required else dice.choice((None, told_of))
    if field.identifier == "ad_click":
        return f"k{number}"
    if name == "currency" and kind is MessageEvent:
        return "USD"  # whoever sends is paid in one
    if name in _SAID:
        said = dice.choice(_SAID[name])
        return "" if said is None and field.required else said
    if field.one_of:
        return dice.choice(field.one_of if field.required else (*field.one_of, None))
    if not field.required and dice.random() < 0.3:
        return None
    made: dict[str, Callable[[], object]] = {
        "text": lambda: dice.choice(_WORDS),
        "integer": lambda: dice.randrange(20),
        "number": lambda: dice.choice((0.0, 0.25, 1.0, 3.5)),
        "flag": lambda: dice.random() < 0.3,
        "day": lambda: _moment(dice).date(),
        "instant": lambda: _moment(dice),
        "money": lambda: Decimal(dice.choice(_AMOUNTS)),
    }
    return made[field.kind]()


def _moment(dice: Random) -> datetime:
    """A quarter of a day of the first month, year or four, so that many are the same."""
    return _START + timedelta(hours=6 * dice.randrange(4 * dice.choice((30, 400, 1500))))
