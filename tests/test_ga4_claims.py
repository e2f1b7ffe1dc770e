"""What GA4 credits key events to: loaded apart from visits, and set beside our credit."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from servers.ga4 import Ga4Server, KeyEvent, sample
from test_ga4 import quick, read, source, visits
from warehouse_fixtures import Warehouse, at

from connectors.contract import ClaimedConversions
from connectors.source import Total

__all__ = ["quick"]
DAY = date(2026, 11, 20)
SENT = datetime.fromisoformat("2026-11-20T14:05")
HALVES = (("google", "cpc", "77", "knee", 0.5), ("meta", "paid", "(not set)", "(not set)", 0.5))


@pytest.fixture
def server():
    events = [KeyEvent(SENT, credited=HALVES), KeyEvent(SENT, "book_visit")]
    with Ga4Server([visits(DAY)], key_events=events) as running:
        yield running


def claims(server, **options):
    pieces = source(server, claims=True, **options).slices({})
    return read(piece for piece in pieces if piece.cursor_key == "key_event_claims")


def test_parts_of_events_are_claims_of_the_source_they_are_given_to(server):
    items = claims(server)
    found = [item for item in items if isinstance(item, ClaimedConversions)]
    first = ClaimedConversions(
        DAY, "America/New_York", "77", "knee", "", "google", "cpc", "generate_lead", "", "either",
        "conversion", 0.5, "USD", told_by="ga4",
    )  # fmt: skip
    meta = replace(first, campaign_id="", campaign="", network="meta", medium="paid")
    booked = replace(first, action="book_visit", conversions=1.0)
    assert sorted(found, key=str) == sorted([first, meta, booked], key=str)
    assert [t.amount for t in items if isinstance(t, Total)] == [2.0]


def test_what_has_no_campaign_is_one_claim_whatever_ga4_calls_it(server):
    lost = ("meta", "paid", "(data not available)", "(not set)", 0.25)
    server.key_events = [KeyEvent(SENT, credited=(HALVES[1], lost))]
    (row,) = [item for item in claims(server) if isinstance(item, ClaimedConversions)]
    assert (row.network, row.campaign_id, row.conversions) == ("meta", "", 0.75)


def test_only_the_chosen_events_and_only_where_it_is_wanted(server):
    chosen = claims(server, key_events=["book_visit"])
    assert [i.action for i in chosen if isinstance(i, ClaimedConversions)] == ["book_visit"]
    assert {p.cursor_key for p in source(server).slices({})} == {"web_sessions"}


def test_settled_days_are_not_asked_for_again(server):
    opened = source(server, claims=True)
    pieces = list(opened.slices({"key_event_claims": "2026-11-08"}))
    assert [p.window.since for p in pieces if p.cursor_key == "key_event_claims"] == [
        date(2026, 11, 9)
    ]


def test_a_property_without_key_events_has_no_claims():
    with Ga4Server(*sample(DAY)[:1]) as server:
        assert [i for i in claims(server) if isinstance(i, ClaimedConversions)] == []


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse(of=["key_events", "claims"])
    yield opened
    opened.close()


def told(network, medium, action, number, back=0, **more):
    day = at("2024-05-15").date() - timedelta(days=back)
    row = ClaimedConversions(
        day, "UTC", "", "", "", network, medium, action, "", "either", "conversion", number, "USD",
        told_by="ga4",
    )  # fmt: skip
    return replace(row, **more)


def test_key_events_are_by_channel_and_kind_and_no_platform_s_claims(warehouse):
    warehouse.build(
        told("google", "cpc", "generate_lead", 1.5),
        told("google", "cpc", "contact_form", 0.5, back=1),
        told("google", "organic", "book_visit", 2.0),
        told("(direct)", "(none)", "scroll", 7.0),
    )
    seen = "select kind, channel, campaign, key_events from key_events"
    assert sorted(warehouse.rows(seen)) == [
        ("", "direct", "(none)", 7.0),
        ("booked", "organic_search", "(none)", 2.0),
        ("lead", "paid_search", "(none)", 2.0),
    ]
    assert warehouse.rows("select count(*) from claims") == [(0,)]
