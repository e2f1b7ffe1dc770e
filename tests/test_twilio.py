"""Twilio: the real client against an account on this machine."""

import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from connector_fixtures import impatient, of
from servers.loopback import CUT, DRIP, HANG, RESET, as_html, as_json
from servers.twilio import PRIVATE, TwilioServer, incoming, message, refusal, sample

from connectors import twilio
from connectors.contract import MessageEvent, Preference, Touchpoint
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.source import Context, Cursor, Rejected

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FIRST = date(2026, 11, 1)
AT = datetime(2026, 11, 10, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN, BOB = "+12125550100", "+12125550101"
RECALL = [{"match": "MG1*", "flow": "recall", "mailing": False}]


quick = impatient(twilio)


@pytest.fixture
def server():
    with TwilioServer() as running:
        yield running


def source(server, *, first_day=FIRST, **options):
    given = {
        "endpoint": server.url,
        "account_sid": server.account,
        "auth_token": server.token,
        "flows": RECALL,
    }
    return twilio.connect(Context("texts", "main", given | options, NOW, first_day))


def read(server, cursors=None, **options):
    pieces = source(server, **options).slices(cursors or {})
    return [item for piece in pieces for item in piece.read()]


def told(items):
    return [(e.event, e.at) for e in of(MessageEvent, items)]


def test_a_delivered_text_was_sent_for_a_price_and_arrived(server):
    server.messages = [message(1, AT)]
    sent, arrived = of(MessageEvent, read(server))
    sid = server.messages[0]["sid"]
    assert sent == MessageEvent(
        event_id=f"twilio:{sid}:sent", message_id=sid, at=AT, event="sent", channel="sms",
        flow="recall", purpose="marketing", mailing=False, phone=ANN, currency="USD",
        cost=Decimal("0.00790"),
    )  # fmt: skip
    assert (arrived.event, arrived.at, arrived.cost) == (
        "delivered",
        AT + timedelta(minutes=1),
        None,
    )


@pytest.mark.parametrize(
    ("status", "events"),
    [
        ("queued", []),
        ("accepted", []),
        ("sent", ["sent"]),
        ("undelivered", ["sent", "dropped"]),
        ("failed", ["dropped"]),
        ("canceled", ["dropped"]),
        ("read", ["sent", "delivered", "opened"]),
        ("a_state_of_tomorrow", []),
    ],
)
def test_every_state(server, status, events):
    server.messages = [message(1, AT, status, error_code=30003)]
    rows = of(MessageEvent, read(server))
    assert [row.event for row in rows] == events
    if "dropped" in events:
        assert rows[-1].reason == "30003"
    assert sum(row.cost or 0 for row in rows) == (Decimal("0.00790") if events else 0)


@pytest.mark.parametrize(
    ("code", "event"),
    [
        (30003, "dropped"), (30007, "dropped"), (30008, "dropped"), (None, "dropped"),
        (21211, "bounced"), (30004, "bounced"), (30005, "bounced"), (30006, "bounced"),
    ],
)  # fmt: skip
def test_a_lost_text_bounced_only_where_the_number_takes_none_at_all(server, code, event):
    """Switched off, filtered or for no reason given: the next text may arrive."""
    server.messages = [message(1, AT, "undelivered", error_code=code)]
    assert [row.event for row in of(MessageEvent, read(server))] == ["sent", event]


def test_a_text_whose_state_changed_is_told_again_under_the_same_ids(server):
    server.messages = [message(1, AT, "sent", price=None)]
    before = of(MessageEvent, read(server))
    server.messages = [message(1, AT, "delivered")]
    after = of(MessageEvent, read(server))
    assert [row.cost for row in before] == [None]
    assert {row.event_id for row in before} < {row.event_id for row in after}
    assert after == of(MessageEvent, read(server))


def test_all_pages_are_read(server):
    server.most = 3
    server.messages = [message(n, AT + n * timedelta(minutes=1), "sent") for n in range(10)]
    assert len(of(MessageEvent, read(server))) == 10
    assert len(server.asked("Messages.json")) == 4


def test_an_empty_page_in_the_middle_is_no_end(server):
    server.most = 3
    server.messages = [message(n, AT, "sent") for n in range(5)]
    beyond = f"/2010-04-01/Accounts/{server.account}/Messages.json?DateSent%3E=2026-10-29"
    beyond += "&DateSent%3C=2026-11-24&PageSize=3&Page=0"
    server.fail(as_json({"messages": [], "next_page_uri": beyond}), on="Messages.json")
    assert len(of(MessageEvent, read(server))) == 5


def test_a_page_that_comes_twice_is_noticed(server):
    page = {
        "messages": [],
        "next_page_uri": f"/2010-04-01/Accounts/{server.account}/Messages.json?x=1",
    }
    server.fail(*[as_json(page)] * 3, on="Messages.json")
    with pytest.raises(SourceUnreachable, match="one page twice"):
        read(server)


@pytest.mark.parametrize(
    "uri", ["https://evil.example/x?y=1", "/2010-04-01/Accounts/ACx/Messages.json"]
)
def test_no_other_address_is_asked(server, uri):
    server.fail(as_json({"messages": [], "next_page_uri": uri}), on="Messages.json")
    with pytest.raises(SourceChanged, match="on to another address"):
        read(server)


def test_days_are_read_by_month_and_the_last_three_again(server):
    items = read(server, first_day=date(2026, 10, 5))
    assert [c.value for c in of(Cursor, items)] == ["2026-10-31", "2026-11-21"]
    server.requests.clear()
    read(server, {"messages": "2026-11-21"})
    (asked,) = server.asked("Messages.json")
    # Three days more, for what the first of them may answer.
    assert (asked.query["DateSent>"], asked.query["DateSent<"]) == ("2026-11-19", "2026-11-24")


def test_what_was_sent_before_the_days_asked_for_is_only_remembered(server):
    before = datetime(2026, 11, 21, 23, 0, tzinfo=UTC)
    server.messages = [message(1, before), incoming(2, before + 2 * HOUR, "Fine")]
    assert told(read(server, {"messages": "2026-11-21"})) == [("replied", before + 2 * HOUR)]


@pytest.mark.parametrize("word", ["STOP", " stop. ", "Unsubscribe", "QUIT!"])
def test_keywords_that_opt_out(server, word):
    server.messages = [message(1, AT, "sent"), incoming(2, AT + HOUR, word)]
    items = read(server)
    (wish,) = of(Preference, items)
    assert (wish.allowed, wish.channel, wish.purpose, wish.phone, wish.since) == (
        False, "sms", "marketing", ANN, AT + HOUR,
    )  # fmt: skip
    assert [event for event, _ in told(items)] == ["sent"]


def test_start_opts_in_again_and_yes_confirms_a_visit(server):
    server.messages = [incoming(1, AT, "START"), incoming(2, AT + HOUR, "YES")]
    assert [w.allowed for w in of(Preference, read(server))] == [True]


def test_a_text_to_who_has_stopped_is_an_opt_out(server):
    server.messages = [message(1, AT, "failed", error_code=21610)]
    items = read(server)
    assert [event for event, _ in told(items)] == ["dropped"]
    assert [w.allowed for w in of(Preference, items)] == [False]


def test_an_answer_belongs_to_the_last_text_before_it(server):
    server.messages = [
        message(1, AT),
        message(2, AT + HOUR),
        message(3, AT + HOUR, person=BOB),
        message(4, AT + 3 * HOUR),
        incoming(5, AT + 2 * HOUR, PRIVATE),
    ]
    items = read(server)
    (reply,) = [e for e in of(MessageEvent, items) if e.event == "replied"]
    assert (reply.message_id, reply.flow, reply.phone) == (server.messages[1]["sid"], "recall", ANN)
    assert of(Touchpoint, items) == []  # the flow's text is the touch


def test_an_answer_to_a_mailing_is_a_touch(server):
    server.messages = [message(1, AT), incoming(2, AT + HOUR, "Fine")]
    (touch,) = of(Touchpoint, read(server, flows=[{"match": "*", "flow": "spring"}]))
    assert (touch.kind, touch.at, touch.utm_campaign) == ("sms", AT + HOUR, "spring")


def test_whoever_writes_of_their_own_accord_is_touched(server):
    late = AT + timedelta(days=3, seconds=1)
    server.messages = [
        message(1, AT),
        incoming(2, late, "Hello"),
        incoming(3, AT, "Hi", person=BOB),
    ]
    touches = of(Touchpoint, read(server))
    assert sorted((t.phone, t.at, t.utm_campaign) for t in touches) == [
        (ANN, late, None),
        (BOB, AT, None),
    ]


def test_no_text_is_in_any_row(server):
    server.messages = [message(1, AT), incoming(2, AT + HOUR, PRIVATE)]
    items = read(server)
    assert len(items) > 2
    assert not any(word in repr(items) for word in ("knee", "Jane"))


@pytest.mark.parametrize(
    ("changes", "column", "shape"),
    [
        ({"date_sent": None, "date_created": None}, "date_sent", "empty"),
        ({"price": "cheap"}, "price", "text of 5, letters"),
        ({"date_updated": "soon"}, "date_updated", "text of 4, letters"),
        ({"sid": None}, "sid", "empty"),
    ],
)
def test_a_broken_value_keeps_one_message_out(server, changes, column, shape):
    pages = [message(1, AT) | changes, message(2, AT, person=BOB)]
    server.fail(as_json({"messages": pages, "next_page_uri": None}), on="Messages.json")
    items = read(server)
    (rejected,) = of(Rejected, items)
    assert (rejected.row_number, rejected.column, rejected.shape) == (1, column, shape)
    assert len({e.message_id for e in of(MessageEvent, items)}) == 1


@pytest.mark.parametrize(
    "reply",
    [as_html(502), as_html(200), as_json([1]), as_json({"x": 1}, 500), RESET, CUT, HANG, DRIP],
)
def test_broken_answers_are_asked_again(server, reply):
    server.messages = [message(1, AT, "sent")]
    server.fail(reply, on="Messages.json")
    assert told(read(server)) == [("sent", AT)]


def test_failures_that_stay_say_so_without_the_token(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.fail(*[RESET] * 3)
    with pytest.raises(SourceUnreachable, match="Twilio did not answer") as caught:
        read(server)
    assert server.token not in f"{caught.value}{caplog.text}"
    assert caught.value.__context__ is None


def test_throttles_are_waited_out_with_and_without_a_time(server, waits):
    busy = refusal(429, 20429, "Too Many Requests")
    server.fail(as_json({"code": 20429}, 429, {"retry-after": "2"}), busy, on="Messages.json")
    assert read(server)[:-1] == []
    assert (waits[0], len(waits)) == (2.0, 2)


def test_a_long_throttle_says_when_to_come_back(server, waits):
    server.fail(as_json({"code": 20429}, 429, {"retry-after": "7200"}), on="Messages.json")
    with pytest.raises(SourceBusy, match="in 2 hours"):
        read(server)
    assert waits == []


@pytest.mark.parametrize("reply", [refusal(401, 20003, "Authenticate"), refusal(403, 20403, "No")])
def test_a_refusal_in_the_middle_says_what_to_grant(server, reply):
    server.most = 1
    server.messages = [message(n, AT) for n in range(3)]
    server.fail(None, reply, on="Messages.json")
    with pytest.raises(SourceRefused, match="may read messages with its secret") as caught:
        read(server)
    assert server.token not in str(caught.value)
    assert len(server.requests) == 2


def test_a_request_that_is_not_understood_is_quoted_without_the_token(server):
    server.fail(refusal(400, 20001, f"Bad filter for {server.token}"), on="Messages.json")
    with pytest.raises(SourceChanged, match=r"Bad filter for \*\*\*"):
        read(server)


def test_a_redirect_is_not_followed(server):
    away = as_json({}, 302, {"location": f"{server.url}/elsewhere"})
    server.fail(*[away] * 3, on="Messages.json")
    with pytest.raises(SourceUnreachable, match="status 302"):
        read(server)
    assert server.asked("/elsewhere") == []


def test_an_api_key_stands_for_the_account(server):
    server.user = "SK" + "b" * 32
    assert "'Clinic' answers (active)" in source(server, api_key=server.user).probe()


def test_another_account_is_not_seen(server):
    server.user = "AC" + "c" * 32
    with pytest.raises(SourceRefused, match="has no account"):
        source(server, account_sid=server.user).probe()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"auth_token": ""}, "has no auth_token"),
        ({"account_sid": "AC12"}, "account_sid of source 'texts' is not AC and 32 signs"),
        ({"api_key": "AC" + "a" * 32}, "api_key of source 'texts' is not SK and 32 signs"),
        ({"flows": [{}]}, "match is missing"),
        ({"endpoint": "http://api.example.org"}, "does not begin with https"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(server, **options)
    assert server.requests == []


def test_a_missing_library_says_what_to_install(server, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "twilio.rest", None)
    with pytest.raises(SourceMisconfigured, match=r"pip install 'caretrace\[twilio\]'"):
        source(server)


def test_a_day_of_everything(server):
    server.messages = sample(NOW.date())
    items = read(server)
    assert sorted(event for event, _ in told(items)) == [
        "bounced", "delivered", "replied", "sent", "sent",
    ]  # fmt: skip
    assert [w.phone for w in of(Preference, items)] == [BOB]
