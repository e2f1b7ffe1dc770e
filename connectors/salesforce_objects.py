"""Salesforce's objects: which fields are asked of each, and which rows it becomes."""

from dataclasses import dataclass

from connectors.contract import Call, Contact, Deal, Link, Preference, Row, Touchpoint
from connectors.salesforce_query import Asked

ALWAYS = ("Id", "CreatedDate", "SystemModstamp", "IsDeleted")
PERSON = (
    "Email", "Phone", "MobilePhone", "LeadSource", "HasOptedOutOfEmail", "DoNotCall",
    "MasterRecordId",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """One object: what is asked of it, and what it becomes.

    `known` are fields that some organisations have and others have not.
    """

    name: str
    fields: tuple[str, ...]
    rows: tuple[type[Row], ...]
    own: bool = False  # whether the organisation's own fields are looked for
    known: tuple[str, ...] = ()
    only: str = ""


# What a record's number follows in the key of its row.
KEYS = {
    "CampaignMember": "salesforce-member-", "Task": "salesforce-task-",
    "Event": "salesforce-event-",
}  # fmt: skip
KINDS = {
    "leads": Kind(
        "Lead", (*PERSON, "Status", "ConvertedDate", "ConvertedContactId"),
        (Contact, Link, Touchpoint, Preference), own=True, known=("FirstName",),
    ),
    "contacts": Kind(
        "Contact", PERSON, (Contact, Link, Touchpoint, Preference), own=True,
        known=("FirstName", "Birthdate"),
    ),
    "opportunities": Kind(
        "Opportunity", ("StageName", "Amount", "CloseDate", "IsClosed", "IsWon"), (Deal,),
        own=True, known=("ContactId", "CurrencyIsoCode", "RecordType.Name"),
    ),
    "campaign_members": Kind(
        "CampaignMember",
        ("LeadId", "ContactId", "HasResponded", "FirstRespondedDate", "CampaignId",
         "Campaign.Name", "Campaign.Type"),
        (Touchpoint,),
    ),
    "calls": Kind(
        "Task", ("WhoId", "CallType", "CallDurationInSeconds", "IsClosed"), (Call,),
        only="TaskSubtype = 'Call'",
    ),
    "meetings": Kind("Event", ("WhoId", "StartDateTime", "ActivityDate", "IsChild"), (Touchpoint,)),
}  # fmt: skip
HISTORY = Asked("OpportunityHistory", ("Id", "OpportunityId", "StageName", "CreatedDate"))
STATUSES = Asked(
    "LeadHistory",
    ("Id", "LeadId", "OldValue", "NewValue", "CreatedDate", "IsDeleted"),
    "Field = 'Status'",
)
ROLES = Asked(
    "OpportunityContactRole",
    ("Id", "OpportunityId", "ContactId", "IsPrimary", "IsDeleted", "CreatedDate", "SystemModstamp"),
)
CONVERTED = Asked("Lead", ("Id", "ConvertedContactId", "CreatedDate"))
