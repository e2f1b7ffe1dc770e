"""HubSpot's objects as contract rows: contacts, their first touch, and deals.

HubSpot's original source is one word with two drill-downs whose meaning depends on the word. It is
kept as it is (`original_source`) and put into the `utm_` fields that the channel rules read.
Keywords and page addresses among the drill-downs are left out: people type diagnoses into them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.contract import Contact, Deal, Touchpoint
from connectors.crm_fields import (
    Names,
    amount,
    as_json,
    birth_year,
    first_times,
    flag,
    instant,
    lower,
    needed,
    text,
)

CONTACT_PROPERTIES = (
    "createdate", "lastmodifieddate", "email", "phone", "mobilephone", "lifecyclestage",
    "hs_lifecyclestage_lead_date", "hs_lifecyclestage_customer_date", "hs_analytics_source",
    "hs_analytics_source_data_1", "hs_analytics_source_data_2", "hs_analytics_first_timestamp",
    "hs_google_click_id", "hs_facebook_click_id", "firstname", "date_of_birth",
)  # fmt: skip
DEAL_PROPERTIES = (
    "createdate", "hs_lastmodifieddate", "pipeline", "dealstage", "closedate", "hs_is_closed",
    "hs_is_closed_won", "amount", "deal_currency_code",
)  # fmt: skip

# No web visit stands behind these: someone typed, imported or bought the contact.
NOT_A_VISIT = frozenset({"OFFLINE"})


History = Sequence[Mapping[str, Any]]
Utm = tuple[str | None, str | None, str | None]


def contact(said: Mapping[str, Any], history: History, names: Names) -> Contact:
    """One contact; `history` is that of its lifecycle stage."""
    of = said["properties"]
    source, medium, campaign = utm(of)
    reached = _reached(history)
    lead = instant(of, "hs_lifecyclestage_lead_date") or reached.get("lead")
    customer = instant(of, "hs_lifecyclestage_customer_date") or reached.get("customer")
    return Contact(
        contact_id=str(said["id"]),
        created_at=needed(of, "createdate"),
        updated_at=needed(of, "lastmodifieddate"),
        email=text(of, "email"),
        phone=text(of, "phone") or text(of, "mobilephone"),
        patient_id=text(of, names.patient_id),
        original_source=text(of, "hs_analytics_source"),
        utm_source=source,
        utm_medium=medium,
        utm_campaign=campaign,
        first_touch_at=instant(of, "hs_analytics_first_timestamp"),
        lifecycle_stage=text(of, "lifecyclestage"),
        lifecycle_dates=as_json(reached),
        lead_at=lead,
        customer_at=customer,
        preferred_channel=text(of, names.preferred_channel),
        service_line=text(of, names.service_line),
        location=text(of, names.location),
        given_name=text(of, "firstname"),
        birth_year=birth_year(of, "date_of_birth"),
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
        click_id=text(said["properties"], "hs_google_click_id"),
        utm_source=row.utm_source,
        utm_medium=row.utm_medium,
        utm_campaign=row.utm_campaign,
        service_line=row.service_line,
        location=row.location,
        updated_at=row.updated_at,
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
    closed, won = flag(of, "hs_is_closed"), flag(of, "hs_is_closed_won")
    money = amount(of, "amount")
    return Deal(
        deal_id=str(said["id"]),
        created_at=needed(of, "createdate"),
        updated_at=needed(of, "hs_lastmodifieddate"),
        contact_id=contact_id,
        pipeline=text(of, "pipeline"),
        stage=text(of, "dealstage"),
        stage_dates=as_json(_reached(history)),
        won=won if closed or won else None,
        # While a deal is open this is only when someone hopes to close it.
        closed_at=instant(of, "closedate") if closed or won else None,
        currency=(text(of, "deal_currency_code") or portal_currency) if money is not None else None,
        amount=money,
        service_line=text(of, names.service_line),
        location=text(of, names.location),
    )


def utm(of: Mapping[str, Any]) -> Utm:
    """Source, medium and campaign behind HubSpot's original source."""
    first = text(of, "hs_analytics_source_data_1")
    second = text(of, "hs_analytics_source_data_2")
    match text(of, "hs_analytics_source"):
        case "PAID_SEARCH":  # campaign, keyword; HubSpot does not say whose search
            return "google", "cpc", first
        case "PAID_SOCIAL":  # network, campaign
            return lower(first), "paid_social", second
        case "ORGANIC_SEARCH":  # keyword, engine
            return lower(second) or "organic_search", "organic", None
        case "SOCIAL_MEDIA":  # network, post
            return lower(first), "social", None
        case "EMAIL_MARKETING":  # campaign, e-mail
            return "hubspot", "email", first
        case "REFERRALS":  # site, page
            return lower(first), "referral", None
        case "AI_REFERRALS":  # assistant
            return lower(first), "referral", None
        case "OTHER_CAMPAIGNS":  # campaign, "source / medium"
            source, _, medium = (second or "").partition("/")
            return lower(source.strip()), lower(medium.strip()), first
        case "DIRECT_TRAFFIC":  # page
            return "(direct)", "(none)", None
        case _:
            return None, None, None


def _reached(history: History) -> dict[str, datetime]:
    """When each stage was reached first."""
    return first_times((text(entry, "value"), instant(entry, "timestamp")) for entry in history)
