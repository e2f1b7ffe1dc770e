"""HubSpot's objects as contract rows: contacts, their first touch, and deals.

HubSpot's original source is one word with two drill-downs whose meaning depends on the word. It is
kept as it is (`original_source`) and put into the `utm_` fields that the channel rules read.
Keywords and page addresses among the drill-downs are left out: people type diagnoses into them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.contract import Contact, Deal, Touchpoint
from connectors.message_rows import BadValue

CONTACT_PROPERTIES = (
    "createdate", "lastmodifieddate", "email", "phone", "mobilephone", "lifecyclestage",
    "hs_lifecyclestage_lead_date", "hs_lifecyclestage_customer_date", "hs_analytics_source",
    "hs_analytics_source_data_1", "hs_analytics_source_data_2", "hs_analytics_first_timestamp",
    "hs_google_click_id", "hs_facebook_click_id",
)  # fmt: skip
DEAL_PROPERTIES = (
    "createdate", "hs_lastmodifieddate", "pipeline", "dealstage", "closedate", "hs_is_closed",
    "hs_is_closed_won", "amount", "deal_currency_code",
)  # fmt: skip

# No web visit stands behind these: someone typed, imported or bought the contact.
NOT_A_VISIT = frozenset({"OFFLINE"})


@dataclass(frozen=True, slots=True)
class Names:
    """The portal's own properties that hold what HubSpot has no property for."""

    patient_id: str | None = None
    service_line: str | None = None
    location: str | None = None
    preferred_channel: str | None = None

    def asked(self) -> tuple[str, ...]:
        """Those that are set."""
        names = (self.patient_id, self.service_line, self.location, self.preferred_channel)
        return tuple(name for name in names if name)


History = Sequence[Mapping[str, Any]]
Utm = tuple[str | None, str | None, str | None]


def contact(said: Mapping[str, Any], history: History, names: Names) -> Contact:
    """One contact; `history` is that of its lifecycle stage."""
    of = said["properties"]
    source, medium, campaign = utm(of)
    reached = _first_times(history)
    lead = instant_of(of, "hs_lifecyclestage_lead_date") or reached.get("lead")
    customer = instant_of(of, "hs_lifecyclestage_customer_date") or reached.get("customer")
    return Contact(
        contact_id=str(said["id"]),
        created_at=needed_instant(of, "createdate"),
        updated_at=needed_instant(of, "lastmodifieddate"),
        email=text_of(of, "email"),
        phone=text_of(of, "phone") or text_of(of, "mobilephone"),
        patient_id=text_of(of, names.patient_id),
        original_source=text_of(of, "hs_analytics_source"),
        utm_source=source,
        utm_medium=medium,
        utm_campaign=campaign,
        first_touch_at=instant_of(of, "hs_analytics_first_timestamp"),
        lifecycle_stage=text_of(of, "lifecyclestage"),
        lifecycle_dates=_as_json(reached),
        lead_at=lead,
        customer_at=customer,
        preferred_channel=text_of(of, names.preferred_channel),
        service_line=text_of(of, names.service_line),
        location=text_of(of, names.location),
    )


def first_touch(said: Mapping[str, Any], row: Contact) -> Touchpoint | None:
    """The visit that a contact's original source speaks of, if it speaks of one."""
    if row.first_touch_at is None or not row.original_source:
        return None
    if row.original_source in NOT_A_VISIT:
        return None
    return Touchpoint(
        touch_id=f"hubspot-first-{row.contact_id}",
        at=row.first_touch_at,
        kind="session",
        email=row.email,
        phone=row.phone,
        crm_id=row.contact_id,
        patient_id=row.patient_id,
        click_id=text_of(said["properties"], "hs_google_click_id"),
        utm_source=row.utm_source,
        utm_medium=row.utm_medium,
        utm_campaign=row.utm_campaign,
        service_line=row.service_line,
        location=row.location,
    )


def deal(
    said: Mapping[str, Any],
    history: History,
    contact_id: str | None,
    portal_currency: str,
    names: Names,
) -> Deal:
    """One deal; `history` is that of its stage."""
    of = said["properties"]
    closed, won = _flag(of, "hs_is_closed"), _flag(of, "hs_is_closed_won")
    amount = _amount(of, "amount")
    return Deal(
        deal_id=str(said["id"]),
        created_at=needed_instant(of, "createdate"),
        updated_at=needed_instant(of, "hs_lastmodifieddate"),
        contact_id=contact_id,
        pipeline=text_of(of, "pipeline"),
        stage=text_of(of, "dealstage"),
        stage_dates=_as_json(_first_times(history)),
        won=won if closed or won else None,
        # While a deal is open this is only when someone hopes to close it.
        closed_at=instant_of(of, "closedate") if closed or won else None,
        currency=(text_of(of, "deal_currency_code") or portal_currency) if amount else None,
        amount=amount,
        service_line=text_of(of, names.service_line),
        location=text_of(of, names.location),
    )


def utm(of: Mapping[str, Any]) -> Utm:
    """Source, medium and campaign behind HubSpot's original source."""
    first = text_of(of, "hs_analytics_source_data_1")
    second = text_of(of, "hs_analytics_source_data_2")
    match text_of(of, "hs_analytics_source"):
        case "PAID_SEARCH":  # campaign, keyword; HubSpot does not say whose search
            return "google", "cpc", first
        case "PAID_SOCIAL":  # network, campaign
            return _lower(first), "paid_social", second
        case "ORGANIC_SEARCH":  # keyword, engine
            return _lower(second) or "organic_search", "organic", None
        case "SOCIAL_MEDIA":  # network, post
            return _lower(first), "social", None
        case "EMAIL_MARKETING":  # campaign, e-mail
            return "hubspot", "email", first
        case "REFERRALS":  # site, page
            return _lower(first), "referral", None
        case "AI_REFERRALS":  # assistant
            return _lower(first), "referral", None
        case "OTHER_CAMPAIGNS":  # campaign, "source / medium"
            source, _, medium = (second or "").partition("/")
            return _lower(source.strip()), _lower(medium.strip()), first
        case "DIRECT_TRAFFIC":  # page
            return "(direct)", "(none)", None
        case _:
            return None, None, None


def _first_times(history: History) -> dict[str, datetime]:
    """When each stage was reached first."""
    times: dict[str, datetime] = {}
    for entry in history:
        stage, at = str(entry.get("value") or ""), instant_of(entry, "timestamp")
        if stage and at:
            times[stage] = min(at, times.get(stage, at))
    return times


def _as_json(times: Mapping[str, datetime]) -> str | None:
    if not times:
        return None
    ordered = sorted(times.items(), key=lambda item: (item[1], item[0]))
    return json.dumps({stage: at.isoformat() for stage, at in ordered})


def text_of(of: Mapping[str, Any], name: str | None) -> str | None:
    """A property as text, None where it is empty."""
    value = of.get(name) if name else None
    return (str(value).strip() or None) if value is not None else None


def _lower(value: str | None) -> str | None:
    return value.lower() or None if value else None


def _flag(of: Mapping[str, Any], name: str) -> bool:
    return (text_of(of, name) or "").lower() == "true"


def needed_instant(of: Mapping[str, Any], name: str) -> datetime:
    """An instant that a row cannot do without."""
    value = instant_of(of, name)
    if value is None:
        raise BadValue(name, "", "this instant is required")
    return value


def instant_of(of: Mapping[str, Any], name: str) -> datetime | None:
    """HubSpot writes instants as ISO 8601, and in older places as milliseconds."""
    value = text_of(of, name)
    if value is None:
        return None
    try:
        if value.isascii() and value.isdigit():
            return datetime.fromtimestamp(int(value) / 1000, UTC)
        at = datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError):
        pass
    else:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    raise BadValue(name, value, "this is not an instant")


def _amount(of: Mapping[str, Any], name: str) -> Decimal | None:
    value = text_of(of, name)
    if value is None:
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise BadValue(name, value, "this is not an amount")
    return amount
