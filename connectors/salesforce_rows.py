"""Salesforce's records as contract rows: leads, contacts, opportunities, members, activities.

A record that was deleted becomes a row that says nothing of anybody; one that was merged into
another stays, and a link says who it became.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from connectors.contract import Call, Contact, Deal, Link, Preference, Row, Touchpoint
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
    no_call,
    no_touch,
    text,
)

Record = Mapping[str, Any]

# What a response to a campaign of each type is. Types are a picklist that every organisation edits:
# those it adds are told by the option `campaign_kinds`.
CAMPAIGN_KINDS = {
    "conference": "event", "event": "event", "seminar / conference": "event",
    "seminar": "event", "trade show": "event", "webinar": "event", "email": "email_click",
    "direct mail": "direct_mail", "telemarketing": "call", "referral program": "referral",
    "text message": "sms", "sms": "sms",
}  # fmt: skip
OTHER_KIND = "click"
# These reach people without their doing; of the others only a response is a contact.
SENT_KINDS = frozenset({"direct_mail"})

OPT_OUTS = {"HasOptedOutOfEmail": "email", "DoNotCall": "call"}


def lead(of: Record, names: Names, statuses: Iterable[Record] = ()) -> list[Row]:
    """A lead, with its conversion; `statuses` is the history of its status, where it is tracked."""
    rows = _person(of, "lead", names, None, came=True, statuses=_reached_statuses(of, statuses))
    became = text(of, "ConvertedContactId")
    if became and not _gone(of):
        updated = needed(of, "SystemModstamp")
        link = Link(
            link_id=f"salesforce-converted-{of['Id']}",
            at=instant(of, "ConvertedDate") or updated,
            kind="converted",
            crm_id=text(of, "Id"),
            other_crm_id=became,
            updated_at=updated,
        )
        rows.append(link)
    return rows


def contact(of: Record, lead_at: datetime | None, names: Names) -> list[Row]:
    """A contact; `lead_at` is when the lead was made that it was converted from.

    A conversion copies the lead, so where there was one the lead tells how the person came, and
    the contact is as old as the lead: else a conversion would count as a second lead.
    """
    return _person(of, "contact", names, lead_at, came=lead_at is None)


def _person(
    of: Record,
    kind: str,
    names: Names,
    lead_at: datetime | None,
    *,
    came: bool,
    statuses: Iterable[tuple[str | None, datetime | None]] = (),
) -> list[Row]:
    """`came` is whether this record tells how the person came."""
    number, created = str(of["Id"]), needed(of, "CreatedDate")
    updated = needed(of, "SystemModstamp")
    if kind == "lead":
        lead_at = created
    since = min(created, lead_at) if lead_at else created
    touch_id = f"salesforce-{kind}-{number}"
    clicked = text(of, names.click_id) if came else None
    if _gone(of):
        gone = Contact(contact_id=number, created_at=since, updated_at=updated, deleted=True)
        return [gone, no_touch(touch_id, created, updated)] if clicked else [gone]
    source = text(of, names.utm_source) or ("google" if clicked else None)
    origin = text(of, "LeadSource")
    row = Contact(
        contact_id=number,
        created_at=since,
        updated_at=updated,
        email=text(of, "Email"),
        phone=text(of, "Phone") or text(of, "MobilePhone"),
        patient_id=text(of, names.patient_id),
        original_source=origin,
        utm_source=lower(source),
        utm_medium=lower(text(of, names.utm_medium)) or ("cpc" if clicked else None),
        utm_campaign=text(of, names.utm_campaign),
        # Salesforce has no time of a first visit: they came at the latest when it was written down.
        first_touch_at=created if came and (source or origin) else None,
        lifecycle_stage=text(of, "Status") or text(of, names.lifecycle),
        lifecycle_dates=as_json(
            first_times([("lead", lead_at), ("converted", instant(of, "ConvertedDate")), *statuses])
        ),
        lead_at=lead_at,
        preferred_channel=text(of, names.preferred_channel),
        service_line=text(of, names.service_line),
        location=text(of, names.location),
        given_name=text(of, "FirstName"),
        birth_year=birth_year(of, "Birthdate"),
    )
    return [row, *_click(row, touch_id, created, clicked), *_opt_outs(of, row), *_merged(of, row)]


def _reached_statuses(
    of: Record, changes: Iterable[Record]
) -> list[tuple[str | None, datetime | None]]:
    """Each status of a lead and when it came to it; it was made with the first of them."""
    ordered = sorted(changes, key=lambda change: needed(change, "CreatedDate"))
    first = [(text(ordered[0], "OldValue"), needed(of, "CreatedDate"))] if ordered else []
    return [*first, *((text(c, "NewValue"), needed(c, "CreatedDate")) for c in ordered)]


def _click(row: Contact, touch_id: str, at: datetime, clicked: str | None) -> Iterable[Row]:
    """The click on an ad whose id the record carries."""
    if clicked:
        yield Touchpoint(
            touch_id=touch_id,
            at=at,
            kind="click",
            email=row.email,
            phone=row.phone,
            crm_id=row.contact_id,
            patient_id=row.patient_id,
            click_id=clicked,
            utm_source=row.utm_source,
            utm_medium=row.utm_medium,
            utm_campaign=row.utm_campaign,
            service_line=row.service_line,
            location=row.location,
            updated_at=row.updated_at,
        )


def _opt_outs(of: Record, row: Contact) -> Iterable[Row]:
    """Only what the person said no to: a box that nobody ticked is no consent."""
    for field, channel in OPT_OUTS.items():
        if flag(of, field):
            yield Preference(
                preference_id=f"salesforce-{row.contact_id}-{channel}",
                channel=channel,
                purpose="marketing",
                allowed=False,
                since=row.updated_at,
                how=field,
                email=row.email,
                phone=row.phone,
                crm_id=row.contact_id,
                patient_id=row.patient_id,
                updated_at=row.updated_at,
            )


def _merged(of: Record, row: Contact) -> Iterable[Row]:
    if master := text(of, "MasterRecordId"):
        yield Link(
            link_id=f"salesforce-merged-{row.contact_id}",
            at=row.updated_at,
            kind="merged",
            crm_id=row.contact_id,
            other_crm_id=master,
            updated_at=row.updated_at,
        )


def deal(
    of: Record, history: Iterable[Record], contact_id: str | None, currency: str, names: Names
) -> Deal:
    """An opportunity; `history` is that of its stage, `contact_id` the contact of its role."""
    created, updated = needed(of, "CreatedDate"), needed(of, "SystemModstamp")
    if _gone(of):
        return Deal(deal_id=str(of["Id"]), created_at=created, updated_at=updated, stage="deleted")
    stages = first_times((text(s, "StageName"), instant(s, "CreatedDate")) for s in history)
    stage, money = text(of, "StageName"), amount(of, "Amount")
    closed = flag(of, "IsClosed")
    return Deal(
        deal_id=str(of["Id"]),
        created_at=created,
        updated_at=updated,
        contact_id=contact_id or text(of, "ContactId"),
        pipeline=text(of, "RecordType.Name"),
        stage=stage,
        stage_dates=as_json(stages),
        won=flag(of, "IsWon") if closed else None,
        # CloseDate is a day that people type, and of open ones only a hope.
        closed_at=(stages.get(stage or "") or instant(of, "CloseDate")) if closed else None,
        currency=(text(of, "CurrencyIsoCode") or currency) if money is not None else None,
        amount=money,
        service_line=text(of, names.service_line),
        location=text(of, names.location),
    )


def member(of: Record, kinds: Mapping[str, str]) -> Touchpoint:
    """What a campaign did with one of its members."""
    touch_id, at = f"salesforce-member-{of['Id']}", _reached(of)
    updated = needed(of, "SystemModstamp")
    if _gone(of):
        return no_touch(touch_id, at, updated)
    type_ = lower(text(of, "Campaign.Type")) or ""
    kind = kinds.get(type_) or CAMPAIGN_KINDS.get(type_, OTHER_KIND)
    if not flag(of, "HasResponded") and kind not in SENT_KINDS:
        kind = "impression"
    return Touchpoint(
        touch_id=touch_id,
        at=at,
        kind=kind,
        crm_id=text(of, "ContactId") or text(of, "LeadId"),
        utm_source="salesforce",
        utm_medium=type_ or None,
        utm_campaign=text(of, "Campaign.Name"),
        campaign_id=text(of, "CampaignId"),
        updated_at=updated,
    )


def _reached(of: Record) -> datetime:
    """When they responded, else when they were put on the list.

    The response is a day without an hour or a time zone: the first moment of it, but never before
    the member was made. Where a form makes both in the evening, the day in UTC is the next already.
    """
    created, responded = needed(of, "CreatedDate"), instant(of, "FirstRespondedDate")
    return created if responded is None else max(created, responded)


def call(of: Record, *, undirected: bool) -> list[Row]:
    """A call that came in and was logged; calls that staff made are not marketing.

    One that was changed may have come in before: as it is now it takes the place of that.
    """
    number, at = f"salesforce-task-{of['Id']}", needed(of, "CreatedDate")
    updated = needed(of, "SystemModstamp")
    direction = lower(text(of, "CallType"))
    wanted = direction == "inbound" or (undirected and direction is None)
    if _gone(of):
        return [no_call(number, at, updated)]
    if not wanted or not flag(of, "IsClosed"):
        return [no_call(number, at, updated)] if updated > at else []
    length = amount(of, "CallDurationInSeconds")
    row = Call(
        call_id=number,
        started_at=at,
        seconds=int(length or 0),
        answered=length is None or length > 0,
        outcome="answered" if length else None,
        # Who called whom is not told: it is a contact, but not somebody's first asking.
        first_time_caller=None if direction else False,
        updated_at=updated,
        crm_id=text(of, "WhoId"),
    )
    return [row]


def meeting(of: Record) -> list[Row]:
    """A meeting with a lead or a contact."""
    number = f"salesforce-event-{of['Id']}"
    at = instant(of, "StartDateTime") or instant(of, "ActivityDate") or needed(of, "CreatedDate")
    updated = needed(of, "SystemModstamp")
    if _gone(of):
        return [no_touch(number, at, updated)]
    who = text(of, "WhoId")
    if who is None or flag(of, "IsChild"):
        # It may have been somebody's before it was changed.
        changed = updated > needed(of, "CreatedDate")
        return [no_touch(number, at, updated)] if changed else []
    row = Touchpoint(
        touch_id=number,
        at=at,
        kind="event",
        crm_id=who,
        utm_source="salesforce",
        utm_medium="event",
        updated_at=updated,
    )
    return [row]


def _gone(of: Record) -> bool:
    """Deleted, and not because it was merged into another record."""
    return flag(of, "IsDeleted") and text(of, "MasterRecordId") is None
