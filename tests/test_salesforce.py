"""Salesforce: the real client against an organisation on this machine."""

import csv
import dataclasses
import json
import logging
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from conftest import SHARED
from connector_fixtures import of, read
from servers.loopback import CUT, DRIP, HANG, JSON_WITHOUT_ERROR, RESET, Reply, as_html, as_json
from servers.salesforce import SalesforceServer, refusal
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

from connectors import salesforce, salesforce_query
from connectors.columns import to_table
from connectors.contract import Call, Contact, Deal, Link, Preference, Touchpoint
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.patience import Patience
from connectors.source import Context, Cursor, Rejected

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
        ),
        Link(
            link_id=f"salesforce-converted-{number('Lead', 1)}",
            at=datetime(2026, 11, 14, tzinfo=UTC),
            kind="converted",
            crm_id=number("Lead", 1),
            other_crm_id=number("Contact", 1),
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
    found = of(Call, rows(server, "calls", **options))
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


def test_the_first_load_is_cut_and_ends_five_minutes_ago(server):
    slices = list(source(server, "leads", first_day=date(2026, 10, 1)).slices({}))
    assert [piece.rows for piece in slices] == [(Contact, Link, Touchpoint, Preference)] * 2
    cursors = [item.value for item in read(slices) if isinstance(item, Cursor)]
    assert cursors == ["2026-11-01T00:00:00+00:00", "2026-11-24T12:25:00+00:00"]


def test_the_next_load_begins_ten_minutes_before_the_cursor_and_includes_its_bounds(server):
    start = days(3)
    for count, stamp in enumerate(
        (
            start - timedelta(minutes=10, milliseconds=1),
            start - timedelta(minutes=10),
            NOW - timedelta(minutes=5, milliseconds=1),
            NOW - timedelta(minutes=5),
        ),
        start=11,
    ):
        server.put("Lead", person("Lead", count, stamp=stamp))
    found = rows(server, "leads", cursors={"leads": start.isoformat()})
    assert [c.contact_id for c in of(Contact, found)] == [number("Lead", 12), number("Lead", 13)]
    later = rows(server, "leads", cursors={"leads": found[-1].value}, now=NOW + timedelta(hours=1))
    assert [c.contact_id for c in of(Contact, later)] == [number("Lead", 13), number("Lead", 14)]


def test_a_second_load_is_the_same_and_a_changed_record_comes_again(server):
    assert rows(server) == rows(server)
    server.change("Lead", 2, days(1), Status="Working")
    (again,) = of(Contact, rows(server, "leads", cursors={"leads": days(2).isoformat()}))
    assert (again.contact_id, again.lifecycle_stage) == (number("Lead", 2), "Working")


@pytest.mark.parametrize("bulk_rows", [1, 20_000])
def test_thousands_with_one_stamp_all_come_page_by_page(server, bulk_rows):
    server.put("Lead", *(person("Lead", n, stamp=days(3)) for n in range(100, 2600)))
    found = of(Contact, rows(server, "leads", bulk_rows=bulk_rows))
    assert len({c.contact_id for c in found}) == len(found) == 2502


def test_new_fields_are_ignored(server):
    server.extra["Lead"] = {"Brand_New__c"}
    assert len(of(Contact, rows(server, "leads"))) == 2


def test_an_empty_page_in_the_middle_is_no_end(server):
    whole = rows(server, "leads")
    path = "/services/data/v66.0/query/01gkept-0"
    (asked,) = [q for q in queries(server) if "FROM Lead WHERE" in q and "ORDER BY" in q]
    server._places["01gkept"] = (server.select(asked, deleted=True), 0)
    empty = {"totalSize": 2, "done": False, "records": [], "nextRecordsUrl": path}
    server.fail(None, as_json(empty), on="queryAll")
    assert rows(server, "leads") == whole


def test_a_query_that_loses_its_place_goes_on_where_it_was(server):
    server.page = 10
    server.put("Lead", *(person("Lead", n, stamp=days(3)) for n in range(100, 130)))
    # The count, the first page, the history of its leads, the next page.
    server.fail(None, None, None, refusal("INVALID_QUERY_LOCATOR"), on="/query")
    found = of(Contact, rows(server, "leads"))
    assert len({c.contact_id for c in found}) == 32
    started = [q for q in queries(server) if "ORDER BY SystemModstamp" in q]
    assert len(started) == 2
    assert "SystemModstamp >= 2026-11-21T12:00:00.000Z" in started[1]


def test_pages_that_do_not_add_up_are_refused(server):
    short = {"totalSize": 2, "done": True, "records": []}
    server.fail(None, as_json(short), on="queryAll")
    with pytest.raises(SourceUnreachable, match="0 records of a query where it counts 2"):
        rows(server, "leads")


def test_a_page_that_leads_to_itself_is_noticed(server):
    path = "/services/data/v66.0/query/01gkept-0"
    round_ = as_json({"totalSize": 2, "done": False, "records": [], "nextRecordsUrl": path})
    server.fail(None, round_, round_, on="/query")
    with pytest.raises(SourceUnreachable, match="gave a page twice"):
        rows(server, "leads")
    heads = {"Sforce-Locator": "7", "Sforce-NumberOfRecords": "0"}
    server.fail(*[Reply(200, b'"Id"\n', heads)] * 2, on="results")
    with pytest.raises(SourceUnreachable, match="gave a page twice"):
        rows(server, "leads", bulk_rows=1)


def test_a_next_page_elsewhere_is_not_asked(server):
    away = {"totalSize": 2, "done": False, "records": [], "nextRecordsUrl": "@evil.example/x"}
    server.fail(None, as_json(away), on="queryAll")
    with pytest.raises(SourceChanged, match="an address that we do not know"):
        rows(server, "leads")


@pytest.mark.parametrize("code", ["QUERY_TIMEOUT", "OPERATION_TOO_LARGE"])
def test_a_query_that_takes_too_long_is_asked_in_halves(server, code):
    whole = rows(server, "leads")
    server.fail(refusal(code), on="queryAll")
    assert rows(server, "leads") == whole
    server.fail(*[refusal(code)] * 20, on="queryAll")
    with pytest.raises(SourceUnreachable, match="a quieter hour"):
        rows(server, "leads")


def test_a_query_that_failed_as_a_success_is_a_failure(server):
    body = [{"errorCode": "QUERY_TIMEOUT", "message": "Your query request was running too long."}]
    whole = rows(server, "leads")
    server.fail(None, as_json(body), on="queryAll")
    assert rows(server, "leads") == whole


BROKEN = [
    JSON_WITHOUT_ERROR, as_html(503, "<html>We are down for maintenance</html>"), as_html(200),
    as_json({"foo": 1}), Reply(200), RESET, CUT, refusal("SERVER_UNAVAILABLE", status=503),
]  # fmt: skip


@pytest.mark.parametrize("reply", [*BROKEN, refusal("UNABLE_TO_LOCK_ROW")])
def test_broken_answers_are_asked_again(server, reply):
    server.fail(reply, on="describe")
    server.fail(reply, on="queryAll")
    assert len(of(Contact, rows(server, "leads"))) == 2


@pytest.mark.parametrize("reply", BROKEN)
def test_broken_answers_of_the_log_in_are_asked_again(server, reply):
    server.fail(reply, on="oauth2/token")
    assert len(of(Contact, rows(server, "leads"))) == 2


@pytest.mark.parametrize("reply", [as_html(200), as_html(502), Reply(200), RESET, CUT])
def test_broken_answers_of_jobs_are_asked_again(server, reply):
    server.fail(reply, on="jobs/query/7")
    server.fail(reply, on="results")
    assert len(of(Contact, rows(server, "leads", bulk_rows=1))) == 2
    assert server.jobs == {}


@pytest.mark.parametrize("reply", [HANG, DRIP])
def test_no_answer_in_time_is_asked_again(server, reply):
    server.fail(reply, on="queryAll")
    assert len(of(Contact, rows(server, "leads"))) == 2


def test_failures_that_stay_say_so_without_a_secret(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.fail(*[RESET] * 3, on="queryAll")
    with pytest.raises(SourceUnreachable, match="Salesforce did not answer") as caught:
        rows(server, "leads")
    said = f"{caught.value}{caplog.text}"
    assert "00Dloopback" not in said
    assert "example.org" not in str(caught.value)
    assert server.consumer_secret not in said
    assert caught.value.__context__ is None


def test_bulk_jobs_give_what_pages_give(server):
    assert set(map(repr, rows(server, bulk_rows=1))) == set(map(repr, rows(server)))
    assert server.asked("POST /services/data/v66.0/jobs/query")
    assert server.jobs == {}


def test_bulk_results_are_paged_by_locator_and_must_add_up(server):
    server.page = 1
    assert len(of(Contact, rows(server, "leads", bulk_rows=1))) == 2
    assert [r.query.get("locator") for r in server.asked("results")] == [None, "1"]
    server.lies = 1
    with pytest.raises(SourceUnreachable, match="gave 2 records where it counts 3"):
        rows(server, "leads", bulk_rows=1)
    server.lies = -2
    with pytest.raises(SourceUnreachable, match="gave nothing where it counts 2"):
        rows(server, "leads", bulk_rows=1)
    assert server.jobs == {}


def test_a_page_of_results_that_is_cut_between_lines_is_asked_again(server):
    lines = b'"Id"\n"00Q1"\n'
    heads = {"content-type": "text/csv", "Sforce-Locator": "null", "Sforce-NumberOfRecords": "2"}
    server.fail(Reply(200, lines, heads), on="results")
    assert len(of(Contact, rows(server, "leads", bulk_rows=1))) == 2


def test_a_job_that_fails_is_made_again_and_then_given_up(server):
    server.outcomes = [("Failed", ""), ("Aborted", "")]
    assert len(of(Contact, rows(server, "leads", bulk_rows=1))) == 2
    server.outcomes = [("Failed", "InternalServerError : no")] * 3
    with pytest.raises(SourceUnreachable, match=r"ended our bulk job 3 times \(Failed\)"):
        rows(server, "leads", bulk_rows=1)
    assert server.jobs == {}


def test_a_job_whose_query_takes_too_long_is_made_for_halves(server):
    server.outcomes = [("Failed", "QUERY_TIMEOUT: too long")]
    assert len(of(Contact, rows(server, "leads", bulk_rows=1))) == 2
    assert len(server.asked("POST /services/data/v66.0/jobs")) >= 2


def test_a_job_that_is_never_done_is_left(server, monkeypatch):
    monkeypatch.setattr(salesforce_query, "JOB_SECONDS", 30.0)
    server.outcomes = [("InProgress", "")]
    with pytest.raises(SourceUnreachable, match="not done within two hours"):
        rows(server, "leads", bulk_rows=1)
    assert server.jobs == {}


ENDED = refusal("INVALID_SESSION_ID", "Session expired or invalid", 401)


@pytest.mark.parametrize("on", ["describe", "queryAll", "jobs/query", "jobs/query/7", "results"])
def test_a_session_that_ends_in_the_middle_is_renewed(server, on):
    server.fail(ENDED, on=on)
    assert len(of(Contact, rows(server, "leads", bulk_rows=1))) == 2
    assert server.granted == 2


@pytest.mark.parametrize("on", ["describe", "queryAll", "jobs/query", "jobs/query/7", "results"])
def test_a_session_that_ends_at_once_again_says_what_to_grant(server, on):
    server.fail(ENDED, ENDED, on=on)
    with pytest.raises(SourceRefused, match="scope 'api' and its user the permission"):
        rows(server, "leads", bulk_rows=1)


def test_a_session_that_ends_between_two_slices_is_renewed(server):
    found = source(server, "leads", "contacts").slices({})
    read([next(found)])
    server.expire()
    assert len(of(Contact, read(found))) == 2
    assert server.granted == 2


def test_client_credentials_log_in(server):
    assert len(of(Contact, rows(server, "leads", domain="https://clinic.my.salesforce.com/"))) == 2
    with pytest.raises(SourceRefused, match=r"refused the log-in.*invalid_client") as caught:
        rows(server, "leads", consumer_secret="wrong-consumer-secret")
    assert "wrong-consumer-secret" not in str(caught.value)


def test_a_signed_log_in_is_renewed_too(server):
    signed = server.options | {"consumer_secret": None, "domain": "login"}
    found = source(server, "leads", "contacts", **signed).slices({})
    read([next(found)])
    server.expire()
    assert len(of(Contact, read(found))) == 2
    assert server.granted == 2


def test_an_unapproved_user_is_told_what_to_approve(server, caplog):
    signed = server.options | {"consumer_secret": None, "username": "nobody@clinic.example"}
    with pytest.raises(SourceRefused, match="connected app is approved for its user") as caught:
        rows(server, "leads", **signed)
    assert "nobody@clinic" not in f"{caught.value}{caplog.text}"
    assert "PRIVATE KEY" not in f"{caught.value}{caplog.text}"


def test_the_key_may_come_from_a_file(server, tmp_path):
    path = tmp_path / "key.pem"
    path.write_text(server.private_key)
    signed = server.options | {"private_key": None, "private_key_file": str(path)}
    assert len(of(Contact, rows(server, "leads", consumer_secret=None, **signed))) == 2


def test_the_daily_limit_says_when_to_come_back(server, waits):
    words = "TotalRequests Limit exceeded."
    server.fail(refusal("REQUEST_LIMIT_EXCEEDED", words, 403), on="queryAll")
    with pytest.raises(SourceBusy, match="24 hours is used up; refresh again in a few hours"):
        rows(server, "leads")
    assert waits == []


def test_throttles_are_waited_out_with_and_without_a_time(server, waits):
    concurrent = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    server.fail(
        refusal("REQUEST_LIMIT_EXCEEDED", concurrent, 403),
        dataclasses.replace(as_json([], 429), headers={"retry-after": "2"}),
        on="queryAll",
    )
    assert len(of(Contact, rows(server, "leads"))) == 2
    assert waits == [20.0, 2.0]


def test_a_hidden_field_is_named_and_can_be_left_out(server):
    server.hidden |= {"Lead.DoNotCall", "Lead.HasOptedOutOfEmail"}
    with pytest.raises(SourceRefused, match=r"Lead\.HasOptedOutOfEmail, Lead\.DoNotCall; give"):
        rows(server, "leads")
    left = ["Lead.DoNotCall", "Lead.HasOptedOutOfEmail"]
    assert len(of(Contact, rows(server, "leads", leave_out=left))) == 2


def test_a_parent_s_hidden_field_is_named_as_its_own_and_can_be_left_out(server):
    server.hidden.add("Campaign.Type")
    with pytest.raises(SourceRefused, match=r"does not show source 'crm' Campaign\.Type; give"):
        rows(server, "campaign_members")
    (touch,) = of(Touchpoint, rows(server, "campaign_members", leave_out=["Campaign.Type"]))
    assert (touch.kind, touch.utm_campaign) == ("click", "Knee seminar")


def test_a_record_type_is_the_pipeline(server):
    server.extra["Opportunity"] = {"RecordTypeId"}
    server.put("RecordType", {"Id": "012A", "Name": "Surgery"})
    server.change("Opportunity", 1, days(5), RecordTypeId="012A")
    assert of(Deal, rows(server, "opportunities"))[0].pipeline == "Surgery"


def test_a_field_that_is_hidden_while_reading_is_named_without_the_query(server):
    found = source(server, "leads").slices({})
    piece = next(found)
    words = "\nSELECT Id FROM Lead WHERE Id IN ('00Q1')\nNo such column 'Email' on entity 'Lead'."
    server.fail(refusal("INVALID_FIELD", words), on="queryAll")
    with pytest.raises(SourceRefused, match=r"does not show source 'crm' Lead\.Email; give") as it:
        list(piece.read())
    assert "SELECT" not in str(it.value)


def test_a_hidden_object_is_named_and_the_others_still_load(server):
    server.hidden.add("CampaignMember")
    loaded, refused = [], []
    for piece in source(server).slices({}):
        try:
            loaded += piece.read()
        except SourceRefused as error:
            refused.append(str(error))
    assert refused
    assert all("the object CampaignMember; give its user Read on it" in r for r in refused)
    assert len(of(Contact, loaded)) == 4
    assert of(Deal, loaded)


@pytest.mark.parametrize("code", ["INSUFFICIENT_ACCESS", "API_DISABLED_FOR_ORG"])
def test_a_missing_right_says_what_to_grant(server, code):
    server.fail(refusal(code, status=403), on="queryAll")
    with pytest.raises(SourceRefused, match=rf"\({code}\); give its user 'API Enabled'"):
        rows(server, "leads")


def test_a_request_that_is_not_understood_is_never_quoted(server):
    words = "unexpected token: SELECT Id FROM Lead WHERE Email = 'ann@example.org'"
    server.fail(refusal("MALFORMED_QUERY", words), on="queryAll")
    with pytest.raises(SourceChanged, match=r"\(MALFORMED_QUERY, status 400\)") as caught:
        rows(server, "leads")
    assert "ann@" not in str(caught.value)


def test_a_redirect_is_not_followed(server):
    away = dataclasses.replace(as_html(302), headers={"location": f"{server.url}/elsewhere"})
    server.fail(*[away] * 3, on="queryAll")
    with pytest.raises(SourceUnreachable):
        rows(server, "leads")
    assert server.asked("/elsewhere") == []


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
