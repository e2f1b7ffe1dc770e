"""What HubSpot's contacts say beside themselves: who was merged into them, and opt-outs."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from connectors.contract import Contact, Link, Preference, Row
from connectors.crm_fields import instant, text
from connectors.hubspot_api import History

# The second has times: `651:1592838000000;702:...`; the first has every merged contact.
MERGED, MERGED_AT = "hs_merged_object_ids", "hs_calculated_merged_vids"


def merges(said: Mapping[str, Any], row: Contact) -> Iterator[Row]:
    """One link for every contact that was merged into this one."""
    of = said["properties"]
    times = dict(_pairs(text(of, MERGED_AT)))
    listed = (text(of, MERGED) or "").replace(",", ";").split(";")
    for number in dict.fromkeys([*(part.strip() for part in listed), *times]):
        if number and number != row.contact_id:
            yield Link(
                link_id=f"hubspot-merged-{number}",
                at=times.get(number) or row.updated_at,
                kind="merged",
                crm_id=row.contact_id,
                other_crm_id=number,
                updated_at=row.updated_at,
            )


def wishes(
    said: Mapping[str, Any], history: History, row: Contact, optouts: Mapping[str, str]
) -> Iterator[Row]:
    """What a contact's opt-out properties say, each since it was set so.

    A property that never was set says nothing: being asked is not being allowed.
    """
    for name, purpose in optouts.items():
        opted_out = (text(said["properties"], name) or "false").lower() == "true"
        past = history.get(name) or ()
        if not opted_out and not any(_is_true(entry) for entry in past):
            continue
        yield Preference(
            preference_id=f"hubspot-{name}-{row.contact_id}",
            channel="email",
            purpose=purpose,
            allowed=not opted_out,
            since=_since(past) or row.updated_at,
            how=f"{name} (hubspot)",
            email=row.email,
            crm_id=row.contact_id,
            updated_at=row.updated_at,
        )


def _is_true(entry: Mapping[str, Any]) -> bool:
    return str(entry.get("value") or "").lower() == "true"


def _since(past: Any) -> datetime | None:
    """When the property got its present value."""
    entries = [(at, _is_true(e)) for e in past if (at := instant(e, "timestamp"))]
    entries.sort(reverse=True)
    since = None
    for at, value in entries:
        if value != entries[0][1]:
            break
        since = at
    return since


def _pairs(value: str | None) -> Iterator[tuple[str, datetime]]:
    for part in (value or "").split(";"):
        number, colon, at = part.strip().partition(":")
        when = instant({"at": at}, "at") if colon else None
        if number and when:
            yield number, when
