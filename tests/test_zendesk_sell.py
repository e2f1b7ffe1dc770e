"""Zendesk Sell: through `connectors.rest` against an account on this machine."""

import json
import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from connector_fixtures import impatient, of
from servers.loopback import (
    CUT,
    DRIP,
    HANG,
    JSON_WITHOUT_ERROR,
    RESET,
    TOO_MANY,
    Reply,
    as_html,
    as_json,
)
from servers.zendesk_sell import OWN_FIELDS, SellServer, at, refusal, sample

from connectors import zendesk_sell, zendesk_sell_api
from connectors.contract import Call, Contact, Deal, Link
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.source import Context, Cursor, Rejected

TODAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOW = NOON + timedelta(minutes=30)
DEVICE = "6dadcec8-6e61-4691-b318-1aab27b8fecf"
WAYS = pytest.mark.parametrize("plan_has_sync", [True, False])


def days(count):
    return NOON - timedelta(days=count)


quick = impatient(zendesk_sell)


@pytest.fixture
def server():
    with SellServer(sample(TODAY)) as running:
        yield running


def source(server, *, first_day=date(2026, 11, 1), now=NOW, **options):
    given = {"endpoint": server.url, "access_token": server.token} | OWN_FIELDS | options
    return zendesk_sell.connect(Context("sell", "base", given, now, first_day))


def commit(slices, cursors=None, *, published=True):
    """What a refresh does with slices: read to the end, keep the cursor, and tell the source once
    all is published.
    """
    items, told = [], []
    for piece in slices:
        found = list(piece.read())
        assert {type(i) for i in found} - {Cursor, Rejected} <= set(piece.rows)
        if cursors is not None:
            cursors[piece.cursor_key] = [i for i in found if isinstance(i, Cursor)][-1].value
        piece.after_commit()
        told += [piece.after_publish] if piece.after_publish else []
        items += found
    for tell in told if published else ():
        tell()
    return items


def rows(server, cursors=None, **options):
    return commit(source(server, **options).slices(cursors or {}), cursors)


@WAYS
def test_leads_contacts_deals_calls_and_conversions_become_rows(server, plan_has_sync):
    server.plan_has_sync = plan_has_sync
    items = rows(server)
    assert of(Contact, items) == [
        Contact(
            contact_id="lead-1",
            given_name="Ann",
            created_at=days(9),
            updated_at=days(3),
            email="ann@example.org",
            phone="(212) 555-0101",
            original_source="Web form",
            utm_source="google",
            first_touch_at=days(9),
            lifecycle_stage="Working",
            lifecycle_dates=json.dumps({"lead": days(9).isoformat()}),
            lead_at=days(9),
            service_line="orthopedics",
        ),
        Contact(
            contact_id="1",
            created_at=days(8),
            updated_at=days(2),
            email="bo@example.org",
            phone="(212) 555-0102",
            patient_id="MRN-2",
            lifecycle_stage="customer",
            preferred_channel="sms",
            service_line="orthopedics",
            location="North",
        ),
    ]
    assert of(Deal, items) == [
        Deal(
            deal_id="1",
            created_at=days(7),
            updated_at=days(2),
            contact_id="1",
            pipeline="Surgery",
            stage="Won",
            stage_dates=json.dumps({"Won": days(2).isoformat()}),
            won=True,
            closed_at=days(2),
            currency="USD",
            amount=Decimal("1250.50"),
            service_line="orthopedics",
        )
    ]
    assert of(Call, items) == [
        Call(
            call_id="sell-1",
            started_at=days(8),
            seconds=95,
            answered=True,
            phone="+1 212 555 0102",
            updated_at=days(8),
            outcome="answered",
            crm_id="1",
        )
    ]
    assert of(Link, items) == [
        Link(
            link_id="sell-conversion-1",
            at=days(8),
            kind="converted",
            crm_id="lead-77",
            other_crm_id="1",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"stage_id": 21}, ("Consult", None, None)),
        ({"stage_id": 23}, ("Lost", False, days(2))),
        ({"stage_id": 99}, (None, None, None)),
    ],
)
def test_open_lost_and_unknown_stages(server, changes, expected):
    server.put("deals", {"id": 1, **changes})
    (deal,) = of(Deal, rows(server))
    assert (deal.stage, deal.won, deal.closed_at) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"incoming": False}, []),
        ({"missed": True, "duration": None}, [(0, False, "1")]),
        ({"resource_type": "lead", "resource_id": 5}, [(95, True, "lead-5")]),
        ({"resource_type": None, "resource_id": None}, [(95, True, None)]),
    ],
)
def test_only_calls_that_came_in_are_calls(server, changes, expected):
    server.put("calls", {"id": 1, **changes})
    found = of(Call, rows(server))
    assert [(c.seconds, c.answered, c.crm_id) for c in found] == expected


def test_a_device_is_made_once_and_kept_as_the_cursor(server):
    cursors = {}
    assert len(of(Contact, rows(server, cursors))) == 2
    device = cursors["sync"]
    assert of(Contact, rows(server, cursors)) == []
    assert cursors["sync"] == device
    server.put("leads", {"id": 1, "status": "Lost", "updated_at": at(days(1))})
    (again,) = of(Contact, rows(server, cursors))
    assert again.lifecycle_stage == "Lost"
    # A warehouse that begins anew is another device, which has seen nothing.
    assert len(of(Contact, rows(server, {}))) == 2
    assert len(server.acknowledged) == 2


def test_a_device_of_one_s_own_has_everything_sent_again(server):
    cursors = {}
    rows(server, cursors)
    assert len(of(Contact, rows(server, cursors, device_uuid=DEVICE))) == 2
    assert cursors["sync"] == DEVICE
    assert of(Contact, rows(server, cursors, device_uuid=DEVICE)) == []


def test_what_was_not_committed_comes_again(server):
    cursors = {}
    pieces = source(server).slices(cursors)
    commit([next(pieces)], cursors)  # conversions
    first = list(next(pieces).read())
    assert next(pieces, None) is None  # nothing more is taken out of the queue
    assert set().union(*server.acknowledged.values()) == set()
    again = source(server, device_uuid=of(Cursor, first)[0].value).slices(cursors)
    assert commit(again)[-len(first) :] == first


def test_what_was_committed_and_never_published_comes_again(server, monkeypatch):
    """A model may fail after the loads, and what was loaded be thrown away."""
    monkeypatch.setattr(zendesk_sell, "AT_ONCE", 2)
    server.queue_page = 1
    cursors = {}
    rows(server, cursors)
    before = set().union(*server.acknowledged.values())
    server.put("leads", {"id": 1, "status": "Lost", "updated_at": at(days(1))})
    server.delete("contacts", 1)
    first = commit(source(server).slices(dict(cursors)), published=False)
    assert [c.deleted for c in of(Contact, first)] == [False, True]
    assert set().union(*server.acknowledged.values()) == before
    again = rows(server, cursors)
    assert of(Contact, again) == of(Contact, first)
    assert of(Contact, rows(server, cursors)) == []


def test_a_part_that_is_read_again_is_the_same(server):
    pieces = source(server).slices({})
    next(pieces)
    queue = next(pieces)
    assert list(queue.read()) == list(queue.read())


def test_the_queue_is_read_in_parts_that_are_each_acknowledged(server, monkeypatch):
    monkeypatch.setattr(zendesk_sell, "AT_ONCE", 40)
    server.queue_page = 20
    lead = server.resources["leads"][1]
    server.put("leads", *({**lead, "id": n} for n in range(100, 350)))
    cursors = {}
    found = of(Contact, rows(server, cursors))
    assert len({c.contact_id for c in found}) == len(found) == 252
    assert len(server.asked("sync/start")) == 1
    assert len(server.asked("sync/ack")) == 7
    assert rows(server, cursors)[1:] == []


def test_an_acknowledgement_that_fails_loses_nothing_and_is_no_failure(server):
    cursors = {}
    server.fail(*[RESET] * 3, on="sync/ack")
    assert len(of(Contact, rows(server, cursors))) == 2
    assert len(of(Contact, rows(server, cursors))) == 2
    assert of(Contact, rows(server, cursors)) == []


def test_what_the_queue_failed_to_hold_is_asked_for_singly(server):
    server.failed = [("leads", 1), ("deals", 1), ("stages", 21)]
    items = rows(server)
    assert [c.contact_id for c in of(Contact, items)] == ["1", "lead-1"]
    assert len(of(Deal, items)) == 1


def test_an_empty_page_of_the_queue_is_not_its_end(server):
    empty = as_json({"items": [], "meta": {"type": "collection", "count": 0}})
    server.fail(empty, empty, on="queues/main")
    assert len(of(Contact, rows(server))) == 2
    server.fail(*[empty] * 30, on="queues/main")
    with pytest.raises(SourceUnreachable, match="neither ends nor gives anything"):
        rows(server)


def test_deleted_records_say_nothing_of_anybody(server):
    cursors = {}
    rows(server, cursors)
    for name in ("leads", "contacts", "deals", "calls"):
        server.delete(name, 1)
    items = rows(server, cursors)
    assert [(c.contact_id, c.deleted, c.email) for c in of(Contact, items)] == [
        ("lead-1", True, None),
        ("1", True, None),
    ]
    (deal,), (call,) = of(Deal, items), of(Call, items)
    assert (deal.deal_id, deal.stage, deal.contact_id, deal.amount) == ("1", "deleted", None, None)
    assert (call.call_id, call.answered, call.phone, call.crm_id) == ("sell-1", False, None, None)


def test_a_lead_that_went_because_it_was_converted_stays(server):
    cursors = {}
    rows(server, cursors)
    server.put("lead_conversions", {
        "id": 2, "lead_id": 1, "individual_id": 1, "created_at": at(NOW),
    })  # fmt: skip
    server.delete("leads", 1)
    items = rows(server, cursors)
    assert of(Contact, items) == []
    assert [link.link_id for link in of(Link, items)] == ["sell-conversion-2"]


@WAYS
@pytest.mark.parametrize("links", [True, False])
def test_lists_are_read_to_the_end(server, plan_has_sync, links):
    server.plan_has_sync, server.links = plan_has_sync, links
    lead = server.resources["leads"][1]
    server.put("leads", *({**lead, "id": n} for n in range(100, 299)))
    conversion = server.resources["lead_conversions"][1]
    server.put("lead_conversions", *({**conversion, "id": n} for n in range(100, 250)))
    items = rows(server)
    assert len({c.contact_id for c in of(Contact, items)}) == 201
    assert len({link.link_id for link in of(Link, items)}) == 151


def test_lists_end_where_nothing_is_new(server):
    server.plan_has_sync = False
    lead = server.resources["leads"][1]
    server.put(
        "leads",
        *({**lead, "id": n, "updated_at": at(days(5))} for n in range(100, 500)),
        {**lead, "id": 500, "updated_at": at(days(4) - timedelta(minutes=10))},
        {**lead, "id": 501, "updated_at": at(days(4) - timedelta(minutes=11))},
    )
    cursors = dict.fromkeys(zendesk_sell.LISTED, days(4).isoformat())
    items = rows(server, cursors)
    assert [c.contact_id for c in of(Contact, items)] == ["lead-1", "lead-500", "1"]
    assert of(Call, items) == []
    assert [r.query["page"] for r in server.asked("v2/leads")] == ["1"]
    assert set(cursors.values()) == {(NOW - timedelta(minutes=5)).isoformat()}


def test_a_list_that_repeats_a_page_is_noticed(server):
    server.plan_has_sync = server.links = False
    lead = server.resources["leads"][1]
    page = {"items": [{"data": {**lead, "id": n}} for n in range(1, 101)], "meta": {}}
    server.fail(as_json(page), as_json(page), on="v2/leads")
    with pytest.raises(SourceUnreachable, match="page of leads twice"):
        rows(server)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("gone", [1, 3])
@pytest.mark.parametrize("count", [101, 250])
def test_a_record_that_is_deleted_while_pages_are_read_hides_no_other(server, links, gone, count):
    server.plan_has_sync, server.links = False, links
    lead = server.resources["leads"].pop(1)
    for n in range(count):
        server.put("leads", {**lead, "id": 1000 + n})
    piece = next(p for p in source(server).slices({}) if p.cursor_key == "leads")
    reading = piece.read()
    found = [next(reading) for _ in range(100)]
    for n in range(gone):
        server.delete("leads", 1000 + n)
    found += reading
    assert {c.contact_id for c in of(Contact, found)} == {f"lead-{1000 + n}" for n in range(count)}


@pytest.mark.parametrize("links", [True, False])
def test_records_that_change_while_pages_are_read_stop_nothing(server, links):
    """A change at every record that is read, of one that was read or is yet to come."""
    server.plan_has_sync, server.links = False, links
    lead = server.resources["leads"].pop(1)
    for n in range(1000, 4000):
        server.put("leads", {**lead, "id": n, "updated_at": at(days(5) - timedelta(seconds=n))})
    piece = next(p for p in source(server).slices({}) if p.cursor_key == "leads")
    found, changed = [], set()
    for number, item in enumerate(piece.read()):
        found.append(item)
        if number % 2 == 0 or number % 300 < 100:  # now and then a page's worth at once
            changed.add(n := 1000 + number * 7919 % 3000)
            server.put("leads", {"id": n, "updated_at": at(NOON + timedelta(seconds=number))})
    told = [c.contact_id for c in of(Contact, found)]
    assert len(told) == len(set(told))
    # What changed before it was read went to the front, and is told by the next load.
    assert {f"lead-{n}" for n in range(1000, 4000)} - set(told) <= {f"lead-{n}" for n in changed}
    assert len(server.asked("v2/leads")) < 80


def test_a_list_that_is_left_alone_takes_few_more_requests_than_it_has_pages(server):
    server.plan_has_sync = False
    lead = server.resources["leads"].pop(1)
    server.put("leads", *({**lead, "id": n} for n in range(1000, 6000)))
    assert len(of(Contact, rows(server))) == 5001
    assert len(server.asked("v2/leads")) < 1.3 * 50


def test_a_list_that_shrinks_all_the_time_is_read_all_the_same(server):
    server.plan_has_sync = False
    lead = server.resources["leads"].pop(1)
    server.put("leads", *({**lead, "id": n} for n in range(1000, 1500)))
    piece = next(p for p in source(server).slices({}) if p.cursor_key == "leads")
    found, deleted = [], set()
    for item in piece.read():
        found.append(item)
        if server.resources["leads"]:
            deleted.add(n := min(server.resources["leads"]))
            server.delete("leads", n)
    told = {c.contact_id for c in of(Contact, found)}
    assert {f"lead-{n}" for n in range(1000, 1500)} - told <= {f"lead-{n}" for n in deleted}


def test_a_list_of_other_records_at_each_page_is_given_up(server, monkeypatch):
    monkeypatch.setattr(zendesk_sell_api, "MOST_IDLE", 2)
    server.plan_has_sync = server.links = False
    lead = server.resources["leads"][1]
    others = [[{"data": {**lead, "id": 1000 * p + n}} for n in range(100)] for p in range(6)]
    server.fail(*(as_json({"items": page, "meta": {}}) for page in others), on="v2/leads")
    with pytest.raises(SourceUnreachable, match="change faster than they are read"):
        rows(server)


def test_the_sync_api_can_be_left_alone(server):
    assert len(of(Contact, rows(server, sync=False))) == 2
    assert server.asked("sync") == []


def test_a_second_load_is_the_same(server):
    assert rows(server, sync=False) == rows(server, sync=False)


def test_every_request_says_who_asks(server):
    rows(server)
    assert {r.headers["user-agent"] for r in server.requests} == {"caretrace"}


BROKEN = [JSON_WITHOUT_ERROR, as_html(502), as_html(200), as_json({"foo": 1}), RESET, CUT]


@pytest.mark.parametrize("on", ["sync/start", "queues/main", "lead_conversions", "stages"])
@pytest.mark.parametrize("reply", BROKEN)
def test_broken_answers_are_asked_again(server, reply, on):
    server.fail(reply, on=on)
    items = rows(server)
    assert (len(of(Contact, items)), len(of(Deal, items))) == (2, 1)


@pytest.mark.parametrize("reply", [HANG, DRIP])
def test_no_answer_in_time_is_asked_again(server, reply):
    server.fail(reply, on="queues/main")
    # What the first answer would have held is only in another session; here it never came.
    assert len(of(Contact, rows(server))) == 2


def test_failures_that_stay_say_so_without_the_token(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.fail(*[RESET] * 3, on="queues/main")
    with pytest.raises(SourceUnreachable, match="Zendesk Sell did not answer") as caught:
        rows(server)
    assert server.token not in f"{caught.value}{caplog.text}"
    assert "example.org" not in f"{caught.value}{caplog.text}"


def test_throttles_are_waited_out_though_they_say_no_time(server, waits):
    server.fail(TOO_MANY, Reply(429, headers={"retry-after": "3"}), on="queues/main")
    assert len(of(Contact, rows(server))) == 2
    assert waits[1] == 3.0
    assert 0 < waits[0] < 1


def test_a_throttle_that_stays_is_busy(server, waits):
    server.fail(*[TOO_MANY] * 3, on="queues/main")
    with pytest.raises(SourceBusy, match="Zendesk Sell is busy"):
        rows(server)
    assert len(waits) == 2


def test_a_token_that_is_withdrawn_while_reading_says_what_to_make(server):
    pieces = source(server).slices({})
    commit([next(pieces)])
    old, server.token = server.token, "f" * 64
    with pytest.raises(SourceRefused, match="make an access token with 'Read' and 'Sync'") as it:
        commit(pieces)
    assert old not in str(it.value)


def test_a_missing_right_says_what_to_grant(server):
    server.fail(refusal(403, "insufficient_scope"), on="stages")
    with pytest.raises(SourceRefused, match="for a user who sees all records"):
        rows(server)


def test_a_request_that_is_not_understood_is_quoted_without_the_token(server):
    server.fail(refusal(422, "invalid", f"Bad {server.token}"), on="stages")
    with pytest.raises(SourceChanged, match=r"Bad \*\*\*"):
        rows(server)


def test_new_fields_and_new_kinds_are_ignored(server):
    server.put("leads", {"id": 1, "brand_new": {"a": 1}})
    server.put("contacts", {"id": 1, "custom_fields": None})
    assert len(of(Contact, rows(server))) == 2


@WAYS
@pytest.mark.parametrize(
    ("name", "field", "value", "shape"),
    [
        ("deals", "value", "a lot", "text of 5, letters and spaces"),
        ("leads", "created_at", None, "empty"),
        ("leads", "updated_at", "spring", "text of 6, letters"),
        ("calls", "made_at", "noon", "text of 4, letters"),
    ],
)
def test_a_broken_value_keeps_one_row_out(server, plan_has_sync, name, field, value, shape):
    server.plan_has_sync = plan_has_sync
    server.put(name, {"id": 1, field: value})
    if plan_has_sync is False and field == "updated_at":
        server.put(name, {**server.resources[name][1], "id": 2, "updated_at": at(days(1))})
    (rejected,) = of(Rejected, rows(server))
    assert (rejected.file, rejected.column) == (f"Zendesk Sell {name}", field)
    assert rejected.shape == shape


def test_probe_says_whose_account_it_is_and_when_it_ends(server):
    assert source(server).probe() == (
        "Zendesk Sell account 4242 answers; pipelines: 1, stages: 3, lead sources: 1. Zendesk "
        "ends Sell and deletes its data on 31 August 2027."
    )
    assert server.asked("sync") == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"access_token": ""}, "has no access_token"),
        ({"access_token": "two words"}, "holds spaces or letters"),
        ({"device_uuid": "mine"}, "is no UUID"),
        ({"endpoint": "http://api.example.org"}, "does not begin with https"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(server, **options)
    assert server.requests == []
