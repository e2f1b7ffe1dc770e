"""Zendesk Sell's resources as contract rows: leads, contacts, deals, calls.

Leads and contacts are numbered apart: a lead's number is told as `lead-17`, a contact's as it is.
What was deleted becomes a row that says nothing of anybody; Sell tells no more of it than its
number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.contract import Call, Contact, Deal, Link, Row
from connectors.crm_fields import (
    Names,
    amount,
    as_json,
    flag,
    instant,
    lower,
    needed,
    no_call,
    text,
)

Record = Mapping[str, Any]

OVER = {"won": True, "lost": False, "unqualified": False}


@dataclass(frozen=True, slots=True)
class Words:
    """What the account calls its sources, stages and pipelines, by their numbers."""

    lead_sources: Mapping[str, str]
    stages: Mapping[str, Record]
    pipelines: Mapping[str, str]


def lead(of: Record, names: Names, words: Words) -> Contact:
    """A lead; its source is the one that staff chose or the form brought."""
    own = _own(of)
    created = needed(of, "created_at")
    origin = words.lead_sources.get(str(of.get("source_id")))
    source = text(own, names.utm_source)
    return Contact(
        contact_id=f"lead-{of['id']}",
        created_at=created,
        updated_at=needed(of, "updated_at"),
        email=text(of, "email"),
        phone=text(of, "phone") or text(of, "mobile"),
        patient_id=text(own, names.patient_id),
        original_source=origin,
        utm_source=lower(source),
        utm_medium=lower(text(own, names.utm_medium)),
        utm_campaign=text(own, names.utm_campaign),
        # Sell has no time of a first visit: they came at the latest when it was written down.
        first_touch_at=created if source or origin else None,
        lifecycle_stage=text(of, "status"),
        lifecycle_dates=as_json({"lead": created}),
        lead_at=created,
        preferred_channel=text(own, names.preferred_channel),
        service_line=text(own, names.service_line),
        location=text(own, names.location),
        given_name=text(of, "first_name"),
    )


def contact(of: Record, names: Names) -> Contact | None:
    """A contact that is a person; organisations are none."""
    if flag(of, "is_organization"):
        return None
    own = _own(of)
    return Contact(
        contact_id=str(of["id"]),
        created_at=needed(of, "created_at"),
        updated_at=needed(of, "updated_at"),
        email=text(of, "email"),
        phone=text(of, "phone") or text(of, "mobile"),
        patient_id=text(own, names.patient_id),
        lifecycle_stage=_stage(of),
        preferred_channel=text(own, names.preferred_channel),
        service_line=text(own, names.service_line),
        location=text(own, names.location),
        given_name=text(of, "first_name"),
    )


def _stage(of: Record) -> str | None:
    """`customer_status` and `prospect_status` are none, current or past."""
    for field, word in (("customer_status", "customer"), ("prospect_status", "prospect")):
        status = text(of, field)
        if status in ("current", "past"):
            return word if status == "current" else f"past {word}"
    return None


def deal(of: Record, names: Names, words: Words) -> Deal:
    """A deal; Sell tells only when it came into the stage that it is in."""
    own = _own(of)
    stage = words.stages.get(str(of.get("stage_id")), {})
    name, entered = text(stage, "name"), instant(of, "last_stage_change_at")
    won = OVER.get(lower(text(stage, "category")) or "")
    money = amount(of, "value")
    return Deal(
        deal_id=str(of["id"]),
        created_at=needed(of, "created_at"),
        updated_at=needed(of, "updated_at"),
        contact_id=text(of, "contact_id"),
        pipeline=words.pipelines.get(str(stage.get("pipeline_id"))),
        stage=name,
        stage_dates=as_json({name: entered}) if name and entered else None,
        won=won,
        closed_at=entered if won is not None else None,
        currency=text(of, "currency") if money is not None else None,
        amount=money,
        service_line=text(own, names.service_line),
        location=text(own, names.location),
    )


def call(of: Record) -> Call | None:
    """A call that came in; calls that staff made are not marketing."""
    if not flag(of, "incoming"):
        return None
    number, kind = text(of, "resource_id"), text(of, "resource_type")
    who = {"lead": f"lead-{number}", "contact": number}.get(kind or "") if number else None
    made = needed(of, "made_at")
    return Call(
        call_id=f"sell-{of['id']}",
        started_at=made,
        seconds=int(amount(of, "duration") or 0),
        answered=not flag(of, "missed"),
        outcome="missed" if flag(of, "missed") else "answered",
        phone=text(of, "phone_number"),
        updated_at=instant(of, "updated_at") or made,
        crm_id=who,
    )


def conversion(of: Record) -> Link | None:
    """A lead that became a contact."""
    became = text(of, "individual_id")
    if became is None:
        return None
    return Link(
        link_id=f"sell-conversion-{of['id']}",
        at=needed(of, "created_at"),
        kind="converted",
        crm_id=f"lead-{of['lead_id']}",
        other_crm_id=became,
    )


def gone(kind: str, number: str, now: datetime) -> Row | None:
    """In place of what was deleted: the contract cannot take a row away."""
    match kind:
        case "lead":
            return Contact(f"lead-{number}", created_at=now, updated_at=now, deleted=True)
        case "contact":
            return Contact(number, created_at=now, updated_at=now, deleted=True)
        case "deal":
            return Deal(number, created_at=now, updated_at=now, stage="deleted")
        case "call":
            return no_call(f"sell-{number}", now, now)
        case _:
            return None


def _own(of: Record) -> Record:
    """The account's own fields, by their names."""
    said = of.get("custom_fields")
    return said if isinstance(said, Mapping) else {}
