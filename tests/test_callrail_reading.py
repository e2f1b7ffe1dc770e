"""CallRail: pages and windows are read to the end, and what is said when it does not answer."""

import dataclasses
import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from connector_fixtures import impatient, of
from raw_store import raw_store
from servers.callrail import CallRailServer, call, form
from servers.loopback import CUT, DRIP, HANG, JSON_WITHOUT_ERROR, RESET, TOO_MANY, as_html, as_json
from test_callrail import NOW, only, read, source

from connectors import callrail
from connectors.contract import Call, Touchpoint
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.source import Cursor, Rejected

quick = impatient(callrail)


@pytest.fixture
def server():
    with CallRailServer([call(1)], [form(1)], today=NOW.date()) as running:
        yield running


def test_pages_are_read_to_the_end_without_following_their_address(server):
    calls = [call(n, start_time=f"2026-11-{n % 20 + 1:02d}T09:00:00-05:00") for n in range(601)]
    rows = of(Call, only(server, *calls))
    assert {row.call_id for row in rows} == {said["id"] for said in calls}
    offsets = [r.query["offset"] for r in server.asked("/calls.json")]
    assert offsets == ["0", "250", "500"]


def test_a_call_that_arrives_between_two_pages_loses_none(server):
    calls = [call(n, start_time="2026-11-05T09:00:00-05:00") for n in range(300)]
    server.calls = {said["id"]: said for said in calls}
    (piece,) = source(server, forms=False).slices({})
    items = iter(piece.read())
    found = [next(items)]
    server.calls["NEW"] = call(900, id="NEW", start_time="2026-11-20T09:00:00-05:00")
    found += [item for item in items if isinstance(item, Call)]
    assert {said["id"] for said in calls} <= {row.call_id for row in found}


def test_forms_are_read_to_the_last_page(server):
    server.forms = {f"FRM{n}": form(n) for n in range(251)}
    assert len(of(Touchpoint, read(source(server)))) == 251
    assert [r.query["page"] for r in server.asked("/form_submissions.json")] == ["1", "2"]


def test_an_empty_page_in_the_middle_is_no_end(server):
    after = f"https://api.callrail.com/v3/a/{server.account}/calls.json?offset=250"
    empty = {"calls": [], "has_next_page": True, "next_page": after}
    server.calls = {f"CAL{n}": call(n) for n in range(251)}
    server.fail(as_json(empty), on="/calls.json")
    assert len(of(Call, read(source(server)))) == 1


@pytest.mark.parametrize("after", [None, "https://api.callrail.com/v3/calls.json?offset=0"])
def test_pages_in_a_circle_are_noticed(server, after):
    page = {"calls": [], "has_next_page": True, "next_page": after}
    server.fail(as_json(page), on="/calls.json")
    with pytest.raises(SourceUnreachable, match="circle"):
        read(source(server))


def test_a_first_load_goes_by_months_and_no_further_back_than_callrail_keeps(server):
    pieces = list(source(server, first_day=date(2020, 1, 1), forms=False).slices({}))
    assert pieces[0].name.startswith("calls 2024-11-04 to 2024-11-30")
    assert pieces[-1].name == "calls 2026-11-01 to 2026-11-24"
    assert len(pieces) == 25
    assert of(Cursor, pieces[0].read()) == [Cursor("2024-11-30")]


def test_the_last_thirty_days_are_read_again(server):
    pieces = list(source(server, forms=False).slices({}))
    (cursor,) = of(Cursor, pieces[-1].read())
    assert cursor == Cursor("2026-10-25")
    later = source(server, first_day=date(2026, 1, 1), forms=False)
    again = list(later.slices({"calls": cursor.value}))
    assert [piece.name for piece in again] == [
        "calls 2026-10-26 to 2026-10-31", "calls 2026-11-01 to 2026-11-24",
    ]  # fmt: skip


def test_the_last_day_is_the_one_it_is_already_somewhere(server):
    late = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)  # still the 23rd in Los Angeles
    names = [p.name for p in source(server, now=late, forms=False).slices({})]
    assert names == ["calls 2026-11-01 to 2026-11-24"]
    names = [p.name for p in source(server, now=late, forms=False, companies=["COM2"]).slices({})]
    assert names == ["calls COM2 2026-11-01 to 2026-11-23"]


def test_companies_can_be_chosen_and_have_a_cursor_each(server):
    server.calls = {"A": call(1, id="A"), "B": call(2, id="B", company_id="COM2")}
    opened = source(server, companies=["COM2"], forms=False)
    assert [row.call_id for row in of(Call, read(opened))] == ["B"]
    assert {piece.cursor_key for piece in opened.slices({})} == {"calls COM2"}


def test_a_second_read_is_the_same_and_a_change_lands(server):
    before = read(source(server))
    assert read(source(server)) == before
    server.calls["CAL1"] |= {"tags": ["booked"], "lead_status": "good_lead", "value": 90}
    (row,) = of(Call, read(source(server)))
    assert (row.tags, row.lead_status, row.value) == ("booked", "good_lead", Decimal(90))


def test_a_changed_call_is_one_row_and_spam_counts_nowhere(server):
    with raw_store() as store:
        store.refresh(source(server))
        store.stage("stg_call")
        assert store.ask("select answered from stg_call") == [(True,)]
        server.calls["CAL1"] |= {"spam": True}
        store.refresh(source(server))
        assert store.ask("select outcome, phone from raw_call") == [("spam", None)]
        store.stage("stg_call")
        assert store.ask("select * from stg_call") == []


@pytest.mark.parametrize(
    ("name", "value", "shape"),
    [
        ("start_time", None, "empty"),
        ("start_time", "2026-11-10T09:30:00", "text of 19, letters, digits and signs"),
        ("id", None, "empty"),
        ("duration", "2:05", "text of 4, digits and signs"),
        ("value", "a lot", "text of 5, letters and spaces"),
        ("value", 1234567890123456, "text of 16, digits"),
    ],
)
def test_a_broken_value_keeps_one_call_out(server, name, value, shape):
    broken = call(1) | {name: value}
    server.calls = {"a": broken, "b": call(2)}
    page = {"calls": [broken, call(2)], "has_next_page": False}
    server.fail(as_json(page), on="/calls.json")
    items = read(source(server, forms=False))
    (rejected,) = of(Rejected, items)
    assert (rejected.file, rejected.table) == ("CallRail calls", "call")
    assert (rejected.row_number, rejected.column, rejected.shape) == (1, name, shape)
    assert [row.call_id for row in of(Call, items)] == ["CAL2"]


@pytest.mark.parametrize("on", ["/calls.json", "/companies.json", "/form_submissions.json"])
@pytest.mark.parametrize(
    "reply",
    [JSON_WITHOUT_ERROR, as_html(502), as_html(200), as_json({"foo": 1}), RESET, CUT, TOO_MANY],
)
def test_what_may_pass_is_asked_again(server, reply, on):
    server.fail(reply, on=on)
    items = read(source(server))
    assert (len(of(Call, items)), len(of(Touchpoint, items))) == (1, 1)


@pytest.mark.parametrize("reply", [HANG, DRIP])
def test_no_answer_in_time_is_asked_again(server, reply):
    server.fail(reply, on="/calls.json")
    assert len(of(Call, read(source(server)))) == 1


def test_a_limit_says_when_to_come_back_and_ends_the_source(server):
    pieces = list(source(server).slices({}))
    server.fail(*[TOO_MANY] * 3, on="/calls.json")
    words = r"1,000 requests an hour and 10,000 a day.* in 1 hour"
    for piece in pieces:
        with pytest.raises(SourceBusy, match=words):
            list(piece.read())
    assert len(server.asked("/calls.json")) == 3
    assert not server.asked("/form_submissions.json")


def test_a_limit_that_is_longer_than_we_wait_is_not_waited_for(server):
    server.fail(as_json({}, 429, {"retry-after": "7200"}), on="/calls.json")
    with pytest.raises(SourceBusy):
        read(source(server))
    assert len(server.asked("/calls.json")) == 1


def test_windows_overlap_by_a_day_whatever_callrail_s_time_zone_is(server):
    read(source(server, first_day=date(2026, 9, 20), forms=False))
    days = [(r.query["start_date"], r.query["end_date"]) for r in server.asked("/calls.json")]
    assert days == [
        ("2026-09-19", "2026-09-30"), ("2026-09-30", "2026-10-31"), ("2026-10-31", "2026-11-24"),
    ]  # fmt: skip


def test_a_key_that_is_withdrawn_while_reading_says_what_to_do(server, caplog):
    caplog.set_level(logging.DEBUG)
    found = source(server).slices({})
    assert isinstance(list(next(found).read())[-1], Cursor)
    old, server.key = server.key, "another"
    with pytest.raises(SourceRefused, match=r"\(status 401\); make an API key .* set api_key") as e:
        list(next(found).read())
    assert old not in f"{e.value}{caplog.text}"


def test_a_missing_right_says_what_to_grant(server):
    server.fail(as_json({"error": "Forbidden"}, 403), on="form_submissions")
    with pytest.raises(SourceRefused, match=r"status 403\); make an API key of a user who may see"):
        read(source(server))


def test_an_unknown_account_is_named(server):
    with pytest.raises(SourceMisconfigured, match="CallRail has no account ACC9"):
        source(server, account_id="ACC9").probe()


def test_a_request_that_is_not_understood_is_quoted_without_the_key(server):
    server.fail(as_json({"error": f"revise {server.key}"}, 400), on="/calls.json")
    with pytest.raises(SourceChanged, match=r"revise \*\*\*"):
        read(source(server))


def test_failures_that_stay_name_nobody(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.fail(*[RESET] * 3, on="/calls.json")
    with pytest.raises(SourceUnreachable, match="CallRail did not answer") as caught:
        read(source(server))
    assert server.key not in f"{caught.value}{caplog.text}"
    assert "+1212555" not in f"{caught.value}{caplog.text}"


def test_a_redirect_is_not_followed(server):
    away = dataclasses.replace(as_html(302), headers={"location": f"{server.url}/x"})
    server.fail(*[away] * 3, on="/calls.json")
    with pytest.raises(SourceUnreachable, match="status 302"):
        read(source(server))
    assert server.asked("/x") == []


def test_probe_counts(server):
    words = (
        "CallRail account Acme Health answers; companies: North Clinic, West Clinic; "
        "calls since 2026-11-17: 0."
    )
    assert source(server).probe() == words
    server.hipaa = True
    server.calls["CAL2"] = call(2, start_time="2026-11-20T09:00:00-05:00")
    assert source(server, companies=["COM1"]).probe() == (
        "CallRail account Acme Health answers; companies: North Clinic; calls since 2026-11-17: "
        "1. It is a HIPAA account: CallRail withholds some fields."
    )


def test_a_hipaa_account_s_withheld_number_is_no_fault(server):
    withheld = {k: v for k, v in call(1).items() if k != "customer_phone_number"}
    server.fail(as_json({"calls": [withheld], "has_next_page": False}), on="/calls.json")
    (row,) = of(Call, read(source(server)))
    assert (row.phone, row.client_id) == (None, "PER1")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"api_key": ""}, "has no api_key"),
        ({"account_id": ""}, "has no account_id"),
        ({"endpoint": "http://api.example.org"}, "does not begin with https"),
        ({"companies": "COM1"}, "companies of source 'phones' are no list"),
        ({"locations": ["North"]}, "locations of source 'phones' are no table"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(server, **options)
    assert server.requests == []


@pytest.mark.parametrize("options", [{"companies": ["COM9"]}, {"locations": {"COM9": "North"}}])
def test_an_unknown_company_is_named(server, options):
    with pytest.raises(SourceMisconfigured, match=r"no company 'COM9'.* knows COM1, COM2"):
        list(source(server, **options).slices({}))


def test_the_default_server_holds_a_few_days():
    today = NOW.date()
    with CallRailServer(today=today) as server:
        items = read(source(server, first_day=today - timedelta(days=20)))
    assert [row.outcome for row in of(Call, items)] == ["abandoned", "voicemail", "answered"]
    assert [touch.kind for touch in of(Touchpoint, items)] == ["session", "form"]
    assert [row.click_id for row in of(Call, items)] == [None, None, "click-1"]
