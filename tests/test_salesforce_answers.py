"""Salesforce in parts: pages, jobs and sessions that end, limits, rights, and broken answers."""

import dataclasses
import logging
from datetime import date, timedelta

import pytest
from connector_fixtures import of, read
from servers.loopback import CUT, DRIP, HANG, JSON_WITHOUT_ERROR, RESET, Reply, as_html, as_json
from servers.salesforce import refusal
from servers.salesforce_objects import number
from test_salesforce import NOW, days, person, queries, quick, rows, server, source

from connectors import salesforce_query
from connectors.contract import Contact, Deal, Link, Preference, Touchpoint
from connectors.errors import SourceBusy, SourceChanged, SourceRefused, SourceUnreachable
from connectors.source import Cursor

__all__ = ["quick", "server"]


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
