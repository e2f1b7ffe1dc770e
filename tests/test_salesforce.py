"""Salesforce: the real client against an organisation on this machine."""

import csv
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from conftest import SHARED
from connector_fixtures import of, read
from servers.salesforce import SalesforceServer
from servers.salesforce_objects import (
    CLINIC,
    FLAGS,
    GCLID,
    LINE,
    MRN,
    OWN_FIELDS,
    number,
    record,
    sample,
)

from connectors import salesforce
from connectors.columns import to_table
from connectors.contract import Call, Contact, Deal, Link, Preference, Touchpoint
from connectors.errors import SourceMisconfigured, SourceRefused
from connectors.patience import Patience
from connectors.source import Context, Rejected

TODAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOW = NOON + timedelta(minutes=30)
EVERYTHING = (
    "leads", "contacts", "opportunities", "campaign_members", "calls", "meetings",
)  # fmt: skip


def days(count):
    return NOON - timedelta(days=count)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    patience = Patience(
        attempts=3, first_wait=0.001, jitter=0, socket_seconds=0.8, call_seconds=1.6,
        sleep=lambda _seconds: None,
    )  # fmt: skip
    monkeypatch.setattr(salesforce, "PATIENCE", patience)


@pytest.fixture
def server():
    with SalesforceServer(sample(TODAY)) as running:
        yield running


def source(server, *objects, first_day=date(2026, 11, 1), now=NOW, **options):
    given = server.credentials | OWN_FIELDS | {"objects": objects or EVERYTHING} | options
    return salesforce.connect(Context("crm", "clinic", given, now, first_day))


def rows(server, *objects, cursors=None, **options):
    return read(source(server, *objects, **options).slices(cursors or {}))


def queries(server):
    return [r.query["q"] for r in server.requests if "q" in r.query]


def person(name, count, **values):
    return record(name, count, days(8), **{"LastName": "Doe", **values})


def test_a_lead_becomes_a_contact_with_its_click_and_its_conversion(server):
    found = rows(server, "leads")[:3]
    assert found == [
        Contact(
            contact_id=number("Lead", 1),
            created_at=days(20),
            updated_at=days(9),
            email="ann@example.org",
            phone="(212) 555-0101",
            original_source="Web",
            utm_source="google",
            utm_medium="cpc",
            utm_campaign="knee-search",
            first_touch_at=days(20),
            lifecycle_stage="Qualified",
            lifecycle_dates=json.dumps(
                {"lead": "2026-11-04T12:00:00+00:00", "converted": "2026-11-14T00:00:00+00:00"}
            ),
            lead_at=days(20),
            service_line="orthopedics",
            location="North",
        ),
        Touchpoint(
            touch_id=f"salesforce-lead-{number('Lead', 1)}",
            at=days(20),
            kind="click",
            email="ann@example.org",
            phone="(212) 555-0101",
            crm_id=number("Lead", 1),
            click_id="gclid-1",
            utm_source="google",
            utm_medium="cpc",
            utm_campaign="knee-search",
            service_line="orthopedics",
            location="North",
            updated_at=days(9),
        ),
        Link(
            link_id=f"salesforce-converted-{number('Lead', 1)}",
            at=datetime(2026, 11, 14, tzinfo=UTC),
            kind="converted",
            crm_id=number("Lead", 1),
            other_crm_id=number("Contact", 1),
            updated_at=days(9),
        ),
    ]


def test_a_click_id_without_tags_is_google_s(server):
    server.put("Lead", person("Lead", 7, **{GCLID: "gclid-7"}))
    touch = of(Touchpoint, rows(server, "leads"))[-1]
    assert (touch.click_id, touch.utm_source, touch.utm_medium) == ("gclid-7", "google", "cpc")


def test_a_converted_contact_is_as_old_as_its_lead_and_tells_no_touch_of_its_own(server):
    items = rows(server, "contacts", "leads")
    converted, other = of(Contact, items)[:2]
    assert (converted.created_at, converted.lead_at) == (days(20), days(20))
    assert (converted.first_touch_at, converted.patient_id) == (None, "MRN-1")
    assert (other.created_at, other.lead_at) == (days(7), None)
    assert [t.touch_id for t in of(Touchpoint, items)] == [f"salesforce-lead-{number('Lead', 1)}"]


def test_opt_outs_become_preferences_and_silence_is_no_consent(server):
    found = of(Preference, rows(server, "leads", "contacts"))
    assert [(p.crm_id, p.channel, p.allowed, p.since) for p in found] == [
        (number("Lead", 2), "email", False, days(8)),
        (number("Contact", 2), "call", False, days(7)),
    ]


def test_a_deal_has_its_stages_its_contact_and_its_money(server):
    assert of(Deal, rows(server, "opportunities")) == [
        Deal(
            deal_id=number("Opportunity", 1),
            created_at=days(10),
            updated_at=days(5),
            contact_id=number("Contact", 1),
            stage="Closed Won",
            stage_dates=json.dumps(
                {
                    "Consult": "2026-11-14T12:00:00+00:00",
                    "Closed Won": "2026-11-19T12:00:00+00:00",
                }
            ),
            won=True,
            closed_at=days(5),
            currency="USD",
            amount=Decimal("12500.5"),
            service_line="orthopedics",
        )
    ]


def test_open_deals_have_no_end_and_the_currency_is_the_record_s(server):
    server.extra["Opportunity"] = {"CurrencyIsoCode"}
    still_open = {"IsClosed": False, "IsWon": False, "CloseDate": "2027-01-31"}
    server.change(
        "Opportunity", 1, days(4), **still_open, CurrencyIsoCode="EUR", ContactId=None, Amount=0
    )
    (deal,) = of(Deal, rows(server, "opportunities", currency="USD"))
    assert (deal.won, deal.closed_at) == (None, None)
    assert (deal.currency, deal.amount) == ("EUR", Decimal(0))


def test_the_primary_contact_of_a_deal_wins_and_deleted_roles_do_not_count(server):
    role = {"OpportunityId": number("Opportunity", 1)}
    made = [days(9), days(8)]
    server.tables["OpportunityContactRole"][number("OpportunityContactRole", 1)]["IsDeleted"] = True
    server.put(
        "OpportunityContactRole",
        record("OpportunityContactRole", 2, made[0], ContactId=number("Contact", 5), **role),
        record(
            "OpportunityContactRole", 3, made[1], ContactId=number("Contact", 6), IsPrimary=True,
            **role,
        ),
    )  # fmt: skip
    assert of(Deal, rows(server, "opportunities"))[0].contact_id == number("Contact", 6)


def test_a_deal_that_only_got_another_contact_comes_again(server):
    cursors = {"opportunities": days(2).isoformat()}
    assert of(Deal, rows(server, "opportunities", cursors=cursors)) == []
    server.change("OpportunityContactRole", 1, days(1), ContactId=number("Contact", 2))
    (deal,) = of(Deal, rows(server, "opportunities", cursors=cursors))
    assert (deal.contact_id, deal.updated_at) == (number("Contact", 2), days(5))


@pytest.mark.parametrize(
    ("type_", "responded", "kind"),
    [
        ("Seminar", True, "event"),
        ("Seminar", False, "impression"),
        ("Email", True, "email_click"),
        ("Email", False, "impression"),
        ("Direct Mail", False, "direct_mail"),
        ("Direct Mail", True, "direct_mail"),
        ("Health fair", True, "event"),
        ("Something new", True, "click"),
        (None, True, "click"),
        (None, False, "impression"),
    ],
)
def test_campaign_types_become_kinds_of_touch(server, type_, responded, kind):
    server.change("Campaign", 1, days(22), Type=type_)
    server.change("CampaignMember", 1, days(22), HasResponded=responded)
    own = {"campaign_kinds": {"Health fair": "event"}}
    (touch,) = of(Touchpoint, rows(server, "campaign_members", **own))
    assert touch.kind == kind
    assert touch.utm_medium == (type_.lower() if type_ else None)
    assert (touch.utm_campaign, touch.campaign_id) == ("Knee seminar", number("Campaign", 1))


@pytest.mark.parametrize(
    ("responded", "expected"),
    [
        (None, days(25)),
        ("2026-10-30", days(25)),  # the day on which the member was made
        ("2026-10-29", days(25)),  # the same evening, where it is not that day yet
        ("2026-11-02", datetime(2026, 11, 2, tzinfo=UTC)),
    ],
)
def test_a_member_is_reached_when_they_responded_or_were_listed(server, responded, expected):
    server.change("CampaignMember", 1, days(22), FirstRespondedDate=responded)
    assert of(Touchpoint, rows(server, "campaign_members"))[0].at == expected


@pytest.mark.parametrize(
    ("changes", "options", "expected"),
    [
        ({}, {}, (180, True, None)),
        ({"CallDurationInSeconds": 0}, {}, (0, False, None)),
        ({"CallDurationInSeconds": None}, {}, (0, True, None)),
        ({"CallType": "Outbound"}, {}, None),
        ({"CallType": None}, {}, None),
        ({"CallType": None}, {"undirected_calls": True}, (180, True, False)),
        ({"IsClosed": False}, {}, None),  # a call to be made
        ({"TaskSubtype": "Email"}, {}, None),
    ],
)
def test_only_calls_that_came_in_are_calls(server, changes, options, expected):
    server.change("Task", 1, days(12), **changes)
    found = [c for c in of(Call, rows(server, "calls", **options)) if c.outcome != "spam"]
    assert [(c.seconds, c.answered, c.first_time_caller) for c in found] == (
        [expected] if expected else []
    )
    assert {c.crm_id for c in found} <= {number("Lead", 1)}


def test_meetings_are_touches_only_where_asked_for(server):
    default = next(o.default for o in salesforce.OPTIONS if o.name == "objects")
    assert "meetings" not in default
    (touch,) = of(Touchpoint, rows(server, "meetings"))
    assert (touch.kind, touch.at, touch.crm_id) == ("event", days(9), number("Lead", 1))


TELLING = (
    "email", "phone", "patient_id", "crm_id", "click_id", "amount", "original_source", "utm_source",
)  # fmt: skip


def _key(row):
    return str(getattr(row, row.spec.key[0]))


def test_what_was_deleted_says_nothing_of_anybody_any_more(server):
    gone = {
        "Lead": ("leads", Contact),
        "Opportunity": ("opportunities", Deal),
        "CampaignMember": ("campaign_members", Touchpoint),
        "Task": ("calls", Call),
        "Event": ("meetings", Touchpoint),
    }
    before = rows(server)
    for name in gone:
        server.change(name, 1, days(1), IsDeleted=True)
    after = rows(server)
    for objects, row in gone.values():
        tomb = next(i for i in rows(server, objects) if isinstance(i, row) and "001AAA" in _key(i))
        assert not any(getattr(tomb, name, None) for name in TELLING), row
    (lead,) = [c for c in of(Contact, after) if c.contact_id == number("Lead", 1)]
    assert lead.deleted
    # Each takes the place of the row that was there: the same key, and not older.
    assert {t.touch_id for t in of(Touchpoint, before)} == {
        t.touch_id for t in of(Touchpoint, after)
    }
    assert of(Deal, after)[0].stage == "deleted"


@pytest.mark.parametrize(
    ("name", "objects", "changes"),
    [
        ("Task", "calls", {"CallType": "Outbound"}),
        ("Task", "calls", {"IsClosed": False}),
        ("Event", "meetings", {"WhoId": None}),
    ],
)
def test_what_is_none_any_more_says_nothing_of_anybody(server, name, objects, changes):
    """It takes the place of the call or the meeting that it was."""
    kind = Call if name == "Task" else Touchpoint
    (before,) = [row for row in of(kind, rows(server, objects)) if "001AAA" in _key(row)]
    server.change(name, 1, days(1), **changes)
    (after,) = [row for row in of(kind, rows(server, objects)) if "001AAA" in _key(row)]
    assert (_key(after), after.crm_id) == (_key(before), None)
    assert after.updated_at == days(1) > before.updated_at
    assert name == "Event" or after.outcome == "spam"


def test_a_merged_record_stays_and_says_who_it_became(server):
    server.change(
        "Contact", 2, days(1), IsDeleted=True, MasterRecordId=number("Contact", 1),
        Email="old@example.org",
    )  # fmt: skip
    items = rows(server, "contacts")
    (loser,) = [c for c in of(Contact, items) if c.contact_id == number("Contact", 2)]
    assert (loser.deleted, loser.email) == (False, "old@example.org")
    (link,) = of(Link, items)
    assert (link.kind, link.crm_id, link.other_crm_id) == (
        "merged", number("Contact", 2), number("Contact", 1),
    )  # fmt: skip


def test_names_subjects_and_texts_are_never_asked_for(server):
    rows(server)
    asked = " ".join(queries(server))
    for field in ("LastName", "FirstName", "Subject", "Description", "Street", "Opportunity.Name"):
        assert field not in asked
    assert " Name," not in asked


@pytest.mark.parametrize(
    ("name", "objects", "changes", "column", "shape"),
    [
        ("Lead", "leads", {"CreatedDate": "spring"}, "CreatedDate", "text of 6, letters"),
        ("Opportunity", "opportunities", {"Amount": "NaN"}, "Amount", "text of 3, letters"),
    ],
)
def test_a_broken_value_keeps_one_row_out(server, name, objects, changes, column, shape):
    server.change(name, 1, days(3), **changes)
    items = rows(server, objects)
    (rejected,) = of(Rejected, items)
    assert (rejected.file, rejected.column, rejected.shape) == (f"Salesforce {name}", column, shape)
    assert len(of(Contact, items)) == (1 if name == "Lead" else 0)


def test_probe_counts(server):
    assert source(server, "contacts", "opportunities").probe() == (
        "Salesforce answers as clinic.my; contacts: 2, opportunities: 1."
    )
    server.hidden.add("Opportunity.Amount")
    with pytest.raises(SourceRefused, match=r"Opportunity\.Amount"):
        source(server, "opportunities").probe()


def test_a_misspelt_field_is_named(server):
    with pytest.raises(SourceMisconfigured, match="no field MNR__c; correct the name"):
        list(source(server, patient_id_field="MNR__c").slices({}))


def test_own_fields_are_optional_and_may_be_on_some_objects_only(server):
    server.hidden |= {f"Lead.{MRN}", f"Opportunity.{CLINIC}", f"Opportunity.{LINE}"}
    items = rows(server, "leads", "opportunities")
    assert {c.patient_id for c in of(Contact, items)} == {None}
    bare = rows(server, "leads", **dict.fromkeys(OWN_FIELDS))
    assert of(Contact, bare)[0].service_line is None
    assert of(Touchpoint, bare) == []


def test_another_version_of_the_api_is_a_setting(server):
    with pytest.raises(SourceRefused, match="check api_version and domain"):
        rows(server, "leads", api_version="99.0")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"consumer_key": ""}, "has no consumer_key"),
        ({"private_key": None}, "has no way to log in; set username and private_key_file"),
        ({"username": None}, "has no way to log in"),
        ({"private_key": "rubbish"}, "is no RSA key in PEM form"),
        ({"private_key_file": "/nowhere/key.pem"}, "cannot be read"),
        ({"consumer_secret": "s"}, "only your own domain takes"),
        ({"objects": ["accounts"]}, "cannot load accounts; objects are leads, contacts"),
        ({"objects": []}, "cannot load nothing"),
        ({"campaign_kinds": {"Fair": "party"}}, "'Fair' cannot be 'party'"),
        ({"api_version": "newest"}, "not a number"),
        ({"endpoint": "http://crm.example.org"}, "does not begin with https"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        salesforce.connect(Context("crm", "clinic", server.options | options, NOW, TODAY))
    assert server.requests == []


def test_a_missing_library_says_what_to_install(server, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "simple_salesforce", None)
    with pytest.raises(SourceMisconfigured, match=r"pip install 'caretrace\[salesforce\]'"):
        source(server)


def as_said(row):
    """A row of Fivetran's copy of an object as Salesforce itself names and writes it."""
    said = {}
    for column, value in row.items():
        name = f"{column[:-2]}__c" if column.endswith("_c") else _camel(column)
        if name in FLAGS:
            said[name] = value.lower() == "true"
        elif re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", value):
            day = name in ("CloseDate", "ConvertedDate", "ActivityDate")
            said[name] = value[:10] if day else f"{value.replace(' ', 'T')}+0000"
        else:
            said[name] = value or None
    stamp = said.get("SystemModstamp") or said.get("FivetranSynced")
    return {"MasterRecordId": None, **said, "SystemModstamp": stamp}


def _camel(column):
    return "".join(part.title() for part in column.strip("_").split("_"))


def real(name, **renamed):
    with (SHARED / f"crm_salesforce_fivetran/sf_{name}_data.csv").open(encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file)):
            said = as_said(row)
            said |= {to: said[old] for to, old in renamed.items()}
            yield said | ({"Id": f"008000000000{number:03}"} if renamed else {})


def test_real_records_load_without_a_reject(server):
    tree = json.loads((SHARED / "sf_dreamhouse/contacts-data.json").read_text(encoding="utf-8"))
    people = [
        record(
            "Contact",
            n,
            datetime(2019, 11, 5, tzinfo=UTC),
            **{k: v for k, v in of.items() if k != "attributes"},
        )
        for n, of in enumerate(tree["records"])
    ]
    with SalesforceServer({}) as running:
        running.put("Lead", *real("lead"))
        running.put("Contact", *real("contact"), *people)
        running.put("Opportunity", *({"ContactId": None, **row} for row in real("opportunity")))
        history = {"OpportunityId": "Id", "CreatedDate": "FivetranStart"}
        running.put("OpportunityHistory", *real("opportunity_history", **history))
        running.put("Task", *real("task"))
        running.put("Event", *real("event"))
        running.extra = {name: {"gclid__c"} for name in ("Lead", "Contact")}
        own = dict.fromkeys(OWN_FIELDS) | {"click_id_field": "gclid__c"}
        when = {"first_day": date(2018, 12, 1), "now": datetime(2019, 12, 1, tzinfo=UTC)}
        items = rows(running, **when, **own)
    assert of(Rejected, items) == []
    assert [len(of(row, items)) for row in (Contact, Deal, Link, Touchpoint, Call)] == [
        10, 10, 1, 10, 0,
    ]  # fmt: skip
    for row in (Contact, Deal, Link, Touchpoint):
        assert to_table(row, of(row, items)).num_rows
    assert [d.stage == "deleted" for d in of(Deal, items)].count(True) == sum(
        bool(r["IsDeleted"]) for r in real("opportunity")
    )
