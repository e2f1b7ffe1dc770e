"""Objects as HubSpot has them: of contract rows, of what a call or meeting is, and of events."""

import json
from datetime import datetime
from typing import Any

from connectors.contract import Contact, Deal

# The portal's own properties.
PATIENT_ID, SERVICE_LINE, LOCATION, CHANNEL = "mrn", "service_line", "clinic", "wished_channel"


def contact(row: Contact) -> dict[str, Any]:
    first, second = _drill_downs(row)
    return {
        "archived": False,
        "history": {"lifecyclestage": _history(row.lifecycle_dates)},
        "properties": {
            "createdate": stamp(row.created_at),
            "lastmodifieddate": stamp(row.updated_at),
            "email": row.email,
            "phone": row.phone,
            "lifecyclestage": row.lifecycle_stage,
            "hs_lifecyclestage_lead_date": stamp(row.lead_at),
            "hs_lifecyclestage_customer_date": stamp(row.customer_at),
            "hs_analytics_source": row.original_source,
            "hs_analytics_source_data_1": first,
            "hs_analytics_source_data_2": second,
            "hs_analytics_first_timestamp": stamp(row.first_touch_at),
            PATIENT_ID: row.patient_id,
            SERVICE_LINE: row.service_line,
            LOCATION: row.location,
            CHANNEL: row.preferred_channel,
        },
    }


def _drill_downs(row: Contact) -> tuple[str | None, str | None]:
    """What HubSpot shows below an original source."""
    match row.original_source:
        case "PAID_SEARCH":
            return row.utm_campaign, "knee pain doctor"
        case "PAID_SOCIAL":
            return (row.utm_source or "").title(), row.utm_campaign
        case "ORGANIC_SEARCH":
            return "Unknown keywords (SSL)", (row.utm_source or "").upper()
        case "EMAIL_MARKETING":
            return row.utm_campaign, "Newsletter 12"
        case "OTHER_CAMPAIGNS":
            return row.utm_campaign, f"{row.utm_source} / {row.utm_medium}"
        case "DIRECT_TRAFFIC":
            return "www.example.org/knee-pain?name=jane", None
        case "OFFLINE":
            return "IMPORT", "patients.csv"
        case _:
            return row.utm_source, "www.example.org/knee-pain"


def deal(row: Deal) -> dict[str, Any]:
    return {
        "archived": False,
        "contacts": [row.contact_id] if row.contact_id else [],
        "history": {"dealstage": _history(row.stage_dates)},
        "properties": {
            "createdate": stamp(row.created_at),
            "hs_lastmodifieddate": stamp(row.updated_at),
            "pipeline": row.pipeline,
            "dealstage": row.stage,
            "closedate": stamp(row.closed_at),
            "hs_is_closed": "false" if row.won is None else "true",
            "hs_is_closed_won": "true" if row.won else "false",
            "amount": None if row.amount is None else str(row.amount),
            "deal_currency_code": row.currency,
            SERVICE_LINE: row.service_line,
            LOCATION: row.location,
        },
    }


def _history(dates: str | None) -> list[dict[str, str]]:
    """Newest first, as HubSpot gives it."""
    stages = json.loads(dates or "{}").items()
    return [{"value": v, "timestamp": t, "sourceType": "CRM_UI"} for v, t in reversed(stages)]


def stamp(value: datetime | None) -> str | None:
    """An instant as HubSpot writes it."""
    return (
        None if value is None else value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def activity(at: datetime, contacts: tuple[str, ...] = (), **properties: str) -> dict[str, Any]:
    """A call, an e-mail or a meeting; its text is there for those who ask for it."""
    return {
        "archived": False,
        "contacts": list(contacts),
        "history": {},
        "properties": {
            "hs_timestamp": stamp(at),
            "hs_createdate": stamp(at),
            "hs_lastmodifieddate": stamp(at),
            "hs_body_preview": "Jane asked about her knee",
            **properties,
        },
    }


def event(number: str, kind: str, when: datetime, **more: Any) -> dict[str, Any]:
    """An event of a marketing e-mail, as version 1 of HubSpot's API has it."""
    said = {
        "id": number,
        "created": milliseconds(when),
        "type": kind,
        "recipient": "person1@example.org",
        "portalId": 4242,
        "appId": 113,
        "appName": "Batch",
        "emailCampaignId": 77,
        "subject": "Your knee, Jane",
        "userAgent": "Mozilla/5.0",
    }
    return said | more


def sent_by(number: str, when: datetime) -> dict[str, Any]:
    """How an event points at the sending of its e-mail."""
    return {"id": number, "created": milliseconds(when)}


def milliseconds(when: datetime) -> int:
    return round(when.timestamp() * 1000)
