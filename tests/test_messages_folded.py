"""What a message's events add up to, and what a person said last about being reached."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from warehouse_fixtures import Warehouse, at, made_of, message

from attribution.transform import build, run_checks
from connectors.contract import MessageEvent, Preference, Withdrawn

NOON = at("2024-05-15 12:00")
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


FOLDED = made_of(("stg_message", "stg_preference"))


class Folding(Warehouse):
    """A warehouse in which only these two tables are built."""

    def rebuild(self):
        build(self.connection, FOLDED)
        return self


@pytest.fixture(scope="module")
def warehouse():
    opened = Folding()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def whole():
    opened = Warehouse()
    yield opened
    opened.close()


def event(what, minutes, message_id="m", **more):
    when = NOON + minutes * MINUTE
    given = {"channel": "email", "flow": "newsletter", "email": "ann"} | more
    return MessageEvent(f"{message_id}-{what}-{minutes}", message_id, when, what, **given)


def preference(key, who, when, *, allowed, channel="email", purpose="marketing", changed=None):
    return Preference(key, channel, purpose, allowed, when, patient_id=who, updated_at=changed)


def told(warehouse, columns, where="true"):
    return warehouse.rows(f"select {columns} from stg_message where {where} order by message_id")


STORY = (
    event("sent", 0),
    event("delivered", 1),
    event("opened", 5),
    event("opened", 3),
    event("opened", 2, machine=True),
    event("clicked", 6),
)


def test_events_in_any_order_make_the_same_message(warehouse):
    found = set()
    for order in list(permutations(STORY))[::240]:
        warehouse.build(*order)
        found.update(
            told(warehouse, "was_sent, has_responded, sent_at, delivered_at, opened_at, clicked_at")
        )
    at_minutes = [NOON + minutes * MINUTE for minutes in (0, 1, 3, 6)]
    assert found == {(True, True, *at_minutes)}


@pytest.mark.parametrize(
    ("events", "sent", "responded"),
    [
        ((event("sent", 0), event("bounced", 1)), False, False),
        ((event("dropped", 0),), False, False),
        ((event("sent", 0), event("deferred", 1)), True, False),
        ((event("sent", 0), event("bounced", 1), event("opened", 2)), True, True),
        ((event("opened", 2, machine=True), event("sent", 0)), True, False),
        ((event("clicked", 2),), True, True),
        ((event("complained", 2),), True, False),
    ],
)
def test_what_never_arrived_was_not_sent(warehouse, events, sent, responded):
    warehouse.build(*events)
    assert told(warehouse, "was_sent, has_responded") == [(sent, responded)]


def test_events_are_told_of_the_message_that_a_flow_wrote_down(warehouse):
    sent = message("m", "ann", "recall", NOON, sent_at=NOON, opened_at=NOON + 9 * MINUTE)
    warehouse.build(sent, event("opened", 4), event("unsubscribed", 8))
    found = told(warehouse, "flow, is_mailing, opened_at, unsubscribed_at")
    assert found == [("recall", False, NOON + 4 * MINUTE, NOON + 8 * MINUTE)]


def test_a_source_s_own_message_is_preferred(warehouse):
    warehouse.build(message("m", "ann", "recall", NOON, sent_at=NOON))
    warehouse.load([message("m", "bob", "else", NOON, sent_at=NOON)], source="other")
    warehouse.load([event("clicked", 4)], source="other")
    warehouse.rebuild()
    assert told(warehouse, "flow, clicked_at", "clicked_at is not null") == [
        ("else", NOON + 4 * MINUTE)
    ]


def test_events_of_another_source_find_their_message(warehouse):
    warehouse.build(message("m", "ann", "recall", NOON, sent_at=NOON))
    warehouse.load([event("clicked", 4), event("clicked", 5, "n")], source="webhooks")
    warehouse.rebuild()
    assert told(warehouse, "source, flow, clicked_at") == [
        ("files", "recall", NOON + 4 * MINUTE),
        ("webhooks", "newsletter", NOON + 5 * MINUTE),
    ]


def test_the_same_number_on_another_channel_is_another_message(warehouse):
    warehouse.build(message("m", "ann", "recall", NOON, sent_at=NOON))
    warehouse.load([event("clicked", 4, channel="SMS")], source="texts")
    warehouse.rebuild()
    assert told(warehouse, "utm_medium, clicked_at", "clicked_at is not null") == [
        ("sms", NOON + 4 * MINUTE)
    ]


def test_a_mailing_is_no_touch_but_a_flow_s_message_is(whole):
    whole.build(
        event("sent", 0), event("clicked", 1), event("sent", 0, "n", flow="recall", mailing=False)
    )
    assert whole.rows("select count(*) from int_touches") == [(1,)]


def test_what_texts_cost_is_spend(whole):
    price = {"cost": Decimal("0.0079"), "currency": "USD", "channel": "sms", "flow": "recall"}
    whole.build(event("sent", 0, **price), event("delivered", 1, channel="sms"))
    run_checks(whole.connection)
    assert whole.rows("select channel, sum(spend_micros) from spend group by 1") == [
        ("outreach_sms", 7900)
    ]


def test_what_a_message_and_its_events_cost_may_be_in_different_currencies(whole):
    whole.build(
        message("m", "ann", "recall", NOON, cost=Decimal("0.50"), currency="EUR"),
        event("sent", 0, cost=Decimal("0.0079"), currency="USD"),
    )
    run_checks(whole.connection)
    assert whole.rows("select currency, sum(spend_micros) from spend group by 1 order by 1") == [
        ("EUR", 500_000), ("USD", 7900)
    ]  # fmt: skip


def test_a_message_that_was_withdrawn_costs_nothing_but_what_its_events_cost_was_paid(whole):
    price = {"cost": Decimal("0.02"), "currency": "USD"}
    whole.build(
        message("m", "ann", "recall", NOON, **price),
        message("n", "bob", "recall", NOON, **price),
        Withdrawn("message", "m", NOON, "deleted"),
        event("sent", 0, **price | {"cost": Decimal("0.0079")}),
    )
    run_checks(whole.connection)
    assert whole.rows("select sum(spend_micros) from spend") == [(27_900,)]
    assert told(whole, "message_id, flow, assigned_at") == [
        ("m", "newsletter", NOON), ("n", "recall", NOON)
    ]  # fmt: skip


def test_the_last_word_about_a_channel_and_a_purpose_counts(warehouse):
    warehouse.build(
        preference("1", "ann", NOON, allowed=True),
        preference("2", "ann", NOON + MINUTE, allowed=False),
        preference("3", "ann", NOON, allowed=True, channel="SMS"),
        preference("4", "ann", NOON + MINUTE, allowed=True, purpose="treatment"),
        preference("5", None, NOON, allowed=False),
    )
    found = warehouse.rows(
        "select channel, purpose, allowed from stg_preference order by channel, purpose"
    )
    assert found == [
        ("email", "marketing", False),
        ("email", "treatment", True),
        ("sms", "marketing", True),
    ]


def test_of_two_words_of_one_instant_the_refusal_counts(warehouse):
    for order in ((True, False), (False, True)):
        rows = [preference(str(n), "ann", NOON, allowed=yes) for n, yes in enumerate(order)]
        warehouse.build(*rows)
        assert warehouse.rows("select allowed from stg_preference") == [(False,)]


def test_a_permission_that_was_withdrawn_is_none_and_a_refusal_stands(warehouse):
    warehouse.build(
        preference("1", "ann", NOON, allowed=True),
        preference("2", "ann", NOON, allowed=False, channel="sms"),
        *(Withdrawn("preference", number, NOON + MINUTE, "deleted") for number in "12"),
    )
    assert warehouse.rows("select channel, allowed from stg_preference") == [("sms", False)]
    warehouse.build(
        preference("1", "ann", NOON + 2 * MINUTE, allowed=True),
        Withdrawn("preference", "1", NOON + MINUTE, "deleted"),
    )
    assert warehouse.rows("select channel, allowed from stg_preference") == [("email", True)]
    warehouse.build(
        preference("1", "ann", NOON, allowed=True, changed=NOON + 2 * MINUTE),
        Withdrawn("preference", "1", NOON + MINUTE, "deleted"),
    )
    assert warehouse.rows("select channel, allowed from stg_preference") == [("email", True)]


@pytest.mark.parametrize(
    ("more", "arrived"),
    [
        ({}, [True, True, True, False]),
        # Where anybody is told of the flow and channel, what nobody tells of did not arrive.
        ({"delivered_at": NOON}, [False, True, True, False]),
        # But it may have been before anybody told.
        ({"sent_at": NOON + DAY, "delivered_at": NOON + DAY}, [True, True, True, False]),
    ],
)
def test_where_no_delivery_is_told_what_did_not_bounce_arrived(warehouse, more, arrived):
    sent = {"sent_at": NOON}
    warehouse.build(
        message("1", "ann", "tips", NOON, **sent),
        message("2", "ben", "tips", NOON, **(sent | more)),
        message("3", "cat", "tips", NOON, **sent, bounced_at=NOON, opened_at=NOON + MINUTE),
        message("4", "dan", "tips", NOON, **sent, bounced_at=NOON),
        message("5", "eve", "tips", NOON, arm="holdout"),
        message("6", "eve", "recall", NOON, **sent, delivered_at=NOON),  # of another flow
        message("7", "fay", "tips", NOON, **sent, channel="sms"),
    )
    rows = warehouse.rows(
        "select has_arrived from stg_message where flow = 'tips' order by message_id"
    )
    assert [row[0] for row in rows] == [*arrived, False, True]


@pytest.mark.parametrize(
    ("held", "allowed"),
    [
        ({}, True),
        ({"starts_at": NOON, "ends_at": NOON + 36500 * DAY}, True),
        ({"ends_at": NOON + DAY}, False),
        ({"starts_at": NOON + 36500 * DAY}, False),
    ],
)
def test_a_permission_that_does_not_hold_today_takes_no_refusal_back(warehouse, held, allowed):
    given = preference("2", "ann", NOON + MINUTE, allowed=True)
    warehouse.build(preference("1", "ann", NOON, allowed=False), replace(given, **held))
    assert warehouse.rows("select allowed from stg_preference") == [(allowed,)]
