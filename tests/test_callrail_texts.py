"""CallRail's text conversations: who wrote of their own accord, and who wants no more of them."""

from datetime import UTC, datetime

import pytest
from servers.callrail import CallRailServer, conversation
from servers.loopback import CUT, as_json
from test_callrail import NOW, of, read, source

from connectors.contract import Preference, Touchpoint
from connectors.keywords import wish_in
from connectors.source import Rejected

IN, OUT = "incoming", "outgoing"


@pytest.fixture
def server():
    with CallRailServer([], [], today=NOW.date()) as running:
        yield running


def at(day, hour=9):
    return f"2026-11-{day:02}T{hour:02}:00:00.000-05:00"


def texts(server, *said, **options):
    server.texts = {each["id"]: each for each in said}
    return read(source(server, texts=True, forms=False, **options))


def test_a_text_is_a_touch_of_what_the_number_was_shown_by_and_is_not_kept(server):
    said = conversation(1, (at(10), IN, "SECRET: my knee hurts"))
    (touch,) = of(Touchpoint, texts(server, said, locations={"COM1": "North"}))
    assert touch == Touchpoint(
        touch_id="callrail-text-k8m1-2026-11-10T14:00:00+00:00",
        at=datetime(2026, 11, 10, 14, tzinfo=UTC),
        kind="chat",
        phone="+12125550001",
        utm_source="Google Ads",
        utm_medium="ppc",
        location="North",
    )
    assert server.asked("/text-messages/") == []  # the list showed all of it


@pytest.mark.parametrize(
    ("source", "kind", "medium"),
    [("Google Organic", "chat", "organic"), ("Billboard", "chat", None), (None, "sms", "sms")],
)
def test_the_source_says_how_they_came(server, source, kind, medium):
    (touch,) = of(Touchpoint, texts(server, conversation(1, (at(10), IN, "Hi"), source=source)))
    assert (touch.kind, touch.utm_source, touch.utm_medium) == (kind, source or "callrail", medium)


def test_only_who_writes_after_three_days_of_silence_has_come_back(server):
    said = conversation(
        1,
        *((at(2), IN, "Hi"), (at(2, 10), OUT, "Hello"), (at(4), IN, "Thanks")),
        *((at(10), OUT, "Your visit is tomorrow"), (at(10, 12), IN, "I will come")),
        *((at(20), IN, "May I come again?"), (at(20, 11), IN, "Hello?")),
    )
    found = of(Touchpoint, texts(server, said))
    assert [touch.at.day for touch in found] == [2, 20]
    assert len(server.asked("/text-messages/k8m1.json")) == 1


@pytest.mark.parametrize("word", ["STOP", " stop. ", "Unsubscribe!"])
def test_who_answers_stop_wants_no_more_and_is_no_touch(server, word):
    said = conversation(1, (at(9), OUT, "News"), (at(9, 12), IN, word), (at(19), IN, "START"))
    items = texts(server, said)
    wishes = [(w.channel, w.purpose, w.allowed, w.since.day) for w in of(Preference, items)]
    assert wishes == [("sms", "marketing", False, 9), ("sms", "marketing", True, 19)]
    assert of(Touchpoint, items) == []


def test_a_word_in_a_sentence_is_no_wish():
    assert [wish_in(text) for text in ("Can you stop by?", "Yes", "", None)] == [None] * 4


def test_a_thread_that_comes_cut_is_asked_again_and_a_broken_message_keeps_one_out(server):
    whole = conversation(1, (at(10), IN, "Hi"), (at(11), IN, "Hello"))
    broken = conversation(2, (at(10), IN, "Hi"))
    broken["messages"][0]["created_at"] = "yesterday"
    server.fail(CUT, on="/text-messages/k8m1")
    items = texts(server, whole, broken)
    assert len(of(Touchpoint, items)) == 1
    (rejected,) = of(Rejected, items)
    assert (rejected.column, rejected.table) == ("created_at", "touchpoint")
    assert "Hi" not in repr(rejected)


def test_a_thread_that_is_deleted_while_they_are_read_costs_no_other(server):
    gone = conversation(1, *((at(day), IN, "Hi") for day in (3, 4, 5)))
    server.fail(as_json({"error": "Not found"}, 404), on="/text-messages/k8m1.json")
    (touch,) = of(Touchpoint, texts(server, gone, conversation(2, (at(10), IN, "Hello"))))
    assert touch.at.day == 10


def test_texts_are_loaded_where_they_are_asked_for(server):
    server.texts = {"k": conversation(1, (at(10), IN, "Hi"))}
    assert read(source(server, forms=False))[:-1] == []
    assert server.asked("/text-messages") == []
