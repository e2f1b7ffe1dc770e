"""The objects of a Salesforce organisation: their fields, ids, and a few people of a clinic."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

GCLID, MRN, LINE, CLINIC = "GCLID__c", "MRN__c", "Service_Line__c", "Clinic__c"
UTM_SOURCE, UTM_MEDIUM, UTM_CAMPAIGN = "utm_source__c", "utm_medium__c", "utm_campaign__c"
OWN_FIELDS = {
    "patient_id_field": MRN,
    "service_line_field": LINE,
    "location_field": CLINIC,
    "utm_source_field": UTM_SOURCE,
    "utm_medium_field": UTM_MEDIUM,
    "utm_campaign_field": UTM_CAMPAIGN,
    "click_id_field": GCLID,
}
_SYSTEM = ("Id", "CreatedDate", "SystemModstamp", "IsDeleted")
_PERSON = (
    *_SYSTEM, "LastName", "Email", "Phone", "MobilePhone", "LeadSource", "HasOptedOutOfEmail",
    "DoNotCall", "MasterRecordId", "Description", *OWN_FIELDS.values(),
)  # fmt: skip
FIELDS: dict[str, tuple[str, ...]] = {
    "Lead": (*_PERSON, "Status", "IsConverted", "ConvertedDate", "ConvertedContactId"),
    "Contact": _PERSON,
    "Opportunity": (
        *_SYSTEM, "Name", "StageName", "Amount", "CloseDate", "IsClosed", "IsWon", "ContactId",
        LINE, CLINIC,
    ),
    "OpportunityHistory": ("Id", "OpportunityId", "StageName", "CreatedDate"),
    "LeadHistory": (
        "Id", "IsDeleted", "LeadId", "Field", "OldValue", "NewValue", "CreatedDate",
    ),
    "OpportunityContactRole": (*_SYSTEM, "OpportunityId", "ContactId", "IsPrimary"),
    "CampaignMember": (
        *_SYSTEM, "LeadId", "ContactId", "HasResponded", "FirstRespondedDate", "CampaignId",
        "Status",
    ),
    "Campaign": (*_SYSTEM, "Name", "Type"),
    "Task": (
        *_SYSTEM, "WhoId", "TaskSubtype", "CallType", "CallDurationInSeconds", "IsClosed",
        "Subject", "Description", "ActivityDate", "OwnerId",
    ),
    "RecordType": ("Id", "Name"),
    "Event": (*_SYSTEM, "WhoId", "StartDateTime", "ActivityDate", "IsChild", "Subject"),
}  # fmt: skip
PREFIXES = {
    "Lead": "00Q", "Contact": "003", "Opportunity": "006", "OpportunityHistory": "008",
    "OpportunityContactRole": "00K", "CampaignMember": "00v", "Campaign": "701", "Task": "00T",
    "Event": "00U", "LeadHistory": "017",
}  # fmt: skip
FLAGS = {
    "IsDeleted", "IsConverted", "HasOptedOutOfEmail", "DoNotCall", "IsClosed", "IsWon",
    "IsPrimary", "HasResponded", "IsChild",
}  # fmt: skip
PARENTS = {
    "CampaignMember": {"Campaign": "CampaignId"},
    "Opportunity": {"RecordType": "RecordTypeId"},
}
Tables = dict[str, dict[str, dict[str, Any]]]


def number(name: str, count: int) -> str:
    """An id as Salesforce's: 18 letters and digits that begin with the object's prefix."""
    return f"{PREFIXES[name]}5g{count:010d}AAA"


def at(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03}+0000"


def record(name: str, count: int, made: datetime, **values: Any) -> dict[str, Any]:
    """A record with every field of its object; its stamp is when it was made unless told."""
    empty = {field: False if field in FLAGS else None for field in FIELDS[name]}
    stamp = at(values.pop("stamp", made))
    system = {"Id": number(name, count), "CreatedDate": at(made), "SystemModstamp": stamp}
    return {**empty, **system, **values}


def sample(today: date) -> Tables:
    """A few people of one clinic: a lead that became a patient, one that opted out, a campaign."""
    noon = datetime.combine(today, datetime.min.time(), UTC) + timedelta(hours=12)

    def days(count: int) -> datetime:
        return noon - timedelta(days=count)

    utm = {UTM_SOURCE: "Google", UTM_MEDIUM: "cpc", UTM_CAMPAIGN: "knee-search"}
    rows = [
        ("Lead", record(
            "Lead", 1, days(20), stamp=days(9), LastName="Doe", Email="ann@example.org",
            Phone="(212) 555-0101", LeadSource="Web", Status="Qualified", IsConverted=True,
            ConvertedDate=days(10).date().isoformat(), ConvertedContactId=number("Contact", 1),
            **{GCLID: "gclid-1", LINE: "orthopedics", CLINIC: "North"}, **utm,
        )),
        ("Lead", record(
            "Lead", 2, days(8), LastName="Roe", Email="bo@example.org", LeadSource="Phone Inquiry",
            Status="New", HasOptedOutOfEmail=True,
        )),
        ("Contact", record(
            "Contact", 1, days(10), stamp=days(9), LastName="Doe", Email="ann@example.org",
            MobilePhone="(212) 555-0101", LeadSource="Web",
            **{MRN: "MRN-1", GCLID: "gclid-1", LINE: "orthopedics", CLINIC: "North"}, **utm,
        )),
        ("Contact", record("Contact", 2, days(7), LastName="Poe", DoNotCall=True)),
        ("Opportunity", record(
            "Opportunity", 1, days(10), stamp=days(5), Name="Knee", StageName="Closed Won",
            Amount=12500.5, CloseDate=days(5).date().isoformat(), IsClosed=True, IsWon=True,
            **{LINE: "orthopedics"},
        )),
        ("OpportunityHistory", record(
            "OpportunityHistory", 1, days(10), OpportunityId=number("Opportunity", 1),
            StageName="Consult",
        )),
        ("OpportunityHistory", record(
            "OpportunityHistory", 2, days(5), OpportunityId=number("Opportunity", 1),
            StageName="Closed Won",
        )),
        ("OpportunityContactRole", record(
            "OpportunityContactRole", 1, days(10), OpportunityId=number("Opportunity", 1),
            ContactId=number("Contact", 1), IsPrimary=True,
        )),
        ("Campaign", record("Campaign", 1, days(40), Name="Knee seminar", Type="Seminar")),
        ("CampaignMember", record(
            "CampaignMember", 1, days(25), stamp=days(22), LeadId=number("Lead", 1),
            CampaignId=number("Campaign", 1), HasResponded=True,
            FirstRespondedDate=days(22).date().isoformat(),
        )),
        ("Task", record(
            "Task", 1, days(12), WhoId=number("Lead", 1), TaskSubtype="Call", CallType="Inbound",
            CallDurationInSeconds=180, IsClosed=True, Subject="Asked about her knee",
        )),
        ("Event", record(
            "Event", 1, days(11), WhoId=number("Lead", 1), StartDateTime=at(days(9)),
            Subject="Consult",
        )),
    ]  # fmt: skip
    tables: Tables = {}
    for name, row in rows:
        tables.setdefault(name, {})[row["Id"]] = row
    return tables
