"""Google Analytics 4: which key events count, and the visits behind leads known by number."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from servers.ga4 import HOURLY, Ga4Server, KeyEvent, quota, sample
from servers.loopback import CUT, as_html, as_json
from test_ga4 import NOW, UNHURRIED, source, visits
from test_loading import Store

from connectors import ga4
from connectors.contract import Contact, Touchpoint, WebSessions
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.ga4_leads import Leads
from connectors.ga4_report import Report
from connectors.source import Cursor, Rejected, Total, Window

DIMENSION = "customEvent:lead_id"
DAY = date(2026, 11, 20)
SENT = datetime.fromisoformat("2026-11-20T14:05")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(ga4, "PATIENCE", UNHURRIED)
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def server():
    with Ga4Server([visits(DAY)], key_events=[KeyEvent(SENT, lead="L-1")]) as running:
        yield running


def leads(server, cursors=None, **options):
    given = {"lead_id_dimension": DIMENSION} | options
    pieces = list(source(server, **given).slices(cursors or {}))
    return [piece for piece in pieces if piece.cursor_key == "lead_touches"]


def read(pieces):
    return [item for piece in pieces for item in piece.read()]


def touches(items):
    return [item for item in items if isinstance(item, Touchpoint)]


def told(items):
    return [item.reason for item in items if isinstance(item, Rejected)]


def test_a_visit_begins_before_its_form_also_where_the_clock_goes_forward():
    leads = Leads("transactionId", (), "crm_id", "session")
    report = Report({("202603080301", "lead", "L-1", "google", "cpc", "77", "knee"): [1.0]})
    window = Window(date(2026, 3, 8), date(2026, 3, 8))
    (touch,) = leads.items([report], "America/New_York", window)
    assert touch.at.astimezone(UTC) == datetime(2026, 3, 8, 6, 59, tzinfo=UTC)


def test_a_lead_s_key_event_becomes_the_visit_behind_it(server):
    (touch,) = touches(read(leads(server)))
    assert touch == Touchpoint(
        touch_id=touch.touch_id,
        # Two minutes before 14:05 in New York: the CRM makes its record in the same minute.
        at=datetime(2026, 11, 20, 19, 3, tzinfo=UTC),
        kind="session",
        crm_id="L-1",
        utm_source="google",
        utm_medium="cpc",
        utm_campaign="knee",
        campaign_id="77",
        source_day=DAY,
    )


@pytest.mark.parametrize("kind", ["crm_id", "click_id", "client_id"])
def test_the_number_is_what_the_settings_say(server, kind):
    (touch,) = touches(read(leads(server, lead_id_is=kind, lead_touch="form")))
    ids = {name: getattr(touch, name) for name in ("crm_id", "click_id", "client_id")}
    assert ids == dict.fromkeys(ids) | {kind: "L-1"}
    assert touch.kind == "form"


def test_without_a_dimension_no_lead_is_asked_for(server):
    assert leads(server, lead_id_dimension=None) == []
    asked = {d["name"] for r in server.requests for d in r.json()["dimensions"]}
    assert DIMENSION not in asked


def test_one_lead_is_one_touch_a_day_and_source(server):
    """The thank-you page was reloaded, opened again on another day, and reached by another ad."""
    server.key_events += [
        KeyEvent(SENT + timedelta(minutes=1), lead="L-1"),
        KeyEvent(SENT + timedelta(days=1), lead="L-1"),
        KeyEvent(SENT, lead="L-1", source="bing"),
        KeyEvent(SENT, lead="L-2"),
    ]
    found = touches(read(leads(server)))
    assert len(found) == len({touch.touch_id for touch in found}) == 4
    assert min(touch.at for touch in found) == datetime(2026, 11, 20, 19, 3, tzinfo=UTC)


def test_a_restated_month_leaves_no_ghost(server):
    store = Store()

    def load():
        for piece in leads(server, store.cursors("web", "1")):
            store.loader("web", "1").load(piece)

    seen = "select utm_source, count(*) from raw_touchpoint group by all order by all"
    server.key_events += [KeyEvent(SENT - timedelta(days=17), lead="L-0", source="yelp")]
    load()
    load()
    assert store.ask(seen) == [("google", 1), ("yelp", 1)]
    # Google moves the lead to another source; a settled day is not asked for again.
    server.key_events = [KeyEvent(SENT, lead="L-1", source="bing")]
    load()
    assert store.ask(seen) == [("bing", 1), ("yelp", 1)]
    assert store.ask("select distinct crm_id = 'L-1' from raw_touchpoint") == [(False,)]
    store.engine.dispose()


def test_the_touch_is_of_the_crm_s_contact(server):
    store = Store()
    for piece in leads(server):
        store.loader("web", "1").load(piece)
    at = datetime(2026, 11, 20, 19, 5, tzinfo=UTC)
    store.load(Contact("L-1", created_at=at, updated_at=at), source="crm")
    assert store.ask(
        "select t.at < c.created_at from raw_touchpoint as t "
        "inner join raw_contact as c on t.identifier = c.identifier"
    ) == [(True,)]
    store.engine.dispose()


def test_months_are_read_to_their_end_and_settle_like_sessions(server):
    pieces = leads(server, first_day=date(2026, 10, 15))
    assert [piece.window for piece in pieces] == [
        Window(date(2026, 10, 15), date(2026, 10, 31)),
        Window(date(2026, 11, 1), date(2026, 11, 22)),
    ]
    cursors = [item.value for item in read(pieces) if isinstance(item, Cursor)]
    assert cursors == ["2026-10-31", "2026-11-08"]
    assert {piece.rows for piece in pieces} == {(Touchpoint,)}


def test_pages_are_read_to_the_row_count(server):
    server.key_events = [KeyEvent(SENT, lead=f"L-{n:02d}") for n in range(13)]
    assert len(touches(read(leads(server, page_rows=5)))) == 13


def test_what_has_no_number_is_counted_and_told(server):
    server.key_events += [
        KeyEvent(SENT),
        KeyEvent(SENT, lead=""),
        KeyEvent(SENT, lead="(other)"),
    ]
    server.thresholded = True
    items = read(leads(server))
    assert len(touches(items)) == 1
    assert told(items) == [
        "2 key events came without a lead's number",
        "1 key events were folded into (other) by GA4",
        "GA4 withheld small rows of this report: some leads are not in it",
    ]


def test_a_sampled_month_is_read_day_by_day(server):
    server.sampled_beyond_days = 1
    before = len(server.requests)
    assert len(touches(read(leads(server)))) == 1
    assert len(server.requests) - before == 1 + 1 + 22


def test_nothing_that_names_a_lead_is_kept(server):
    kept = {}
    read(leads(server, keep=kept.__setitem__))
    assert b"L-1" not in b"".join(kept.values())


def test_only_chosen_events_count(server):
    """As leads, and as the key events of a source."""
    server.key_events += [
        KeyEvent(SENT, name="scroll_90", lead="L-2"),
        KeyEvent(SENT, name="book_visit", source="yelp", page="/dental?x=1"),
    ]
    chosen = {"key_events": ["generate_lead", "book_visit"]}
    assert [touch.crm_id for touch in touches(read(leads(server, **chosen)))] == ["L-1"]
    items = read(source(server, **chosen).slices({}))
    found = {
        (r.utm_source, r.landing_group): (r.sessions, r.key_events)
        for r in items
        if isinstance(r, WebSessions)
    }
    # An event whose session was counted elsewhere keeps a row of its own.
    assert found == {("google", "knee-pain"): (10, 1.0), ("yelp", "dental"): (0, 1.0)}
    sums = {t.column: t.amount for t in items if isinstance(t, Total)}
    assert sums == {"sessions": 10, "engaged_sessions": 5, "key_events": 2}


def test_all_key_events_count_where_none_are_chosen(server):
    rows = [r for r in read(source(server).slices({})) if isinstance(r, WebSessions)]
    assert [row.key_events for row in rows] == [2.5]


def test_the_former_name_of_key_events_is_asked_for_where_it_is_the_only_one(server):
    server.key_event_metric = "conversions"
    items = read(source(server, lead_id_dimension=DIMENSION).slices({}))
    assert [r.key_events for r in items if isinstance(r, WebSessions)] == [2.5]
    assert len(touches(items)) == 1
    refused = [r for r in server.requests if "keyEvents" in str(r.json()["metrics"])]
    assert len(refused) == 1  # once for the whole connection


def test_a_dimension_that_is_not_registered_is_named(server):
    server.lead_dimension = "customEvent:other"
    with pytest.raises(SourceChanged, match=r"does not know customEvent:lead_id; register it"):
        read(leads(server))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lead_id_dimension": "lead_id"}, "lead_id_dimension must be transactionId"),
        ({"lead_id_is": "email"}, "lead_id_is must be one of crm_id"),
        ({"lead_touch": "call"}, "lead_touch must be session or form"),
        ({"key_events": "generate_lead"}, "key_events must be a list"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        leads(server, **options)
    assert server.requests == []


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (quota(HOURLY), SourceBusy),
        (as_json({"error": {"code": 403, "message": "no"}}, 403), SourceRefused),
        (as_html(200, "<html>"), SourceUnreachable),
        (CUT, SourceUnreachable),
    ],
)
def test_failures_never_tell_a_lead_s_number(server, reply, error):
    pieces = leads(server)
    server.fail(*[reply] * 3)
    with pytest.raises(error) as caught:
        read(pieces)
    assert "L-1" not in str(caught.value)


def test_a_failure_that_passes_is_asked_again(server):
    pieces = leads(server)
    server.fail(as_html(502))
    assert len(touches(read(pieces))) == 1


def test_probe_says_how_many_leads_have_a_number(server):
    visited, numbered = sample(NOW.date())
    server.rows, server.key_events = visited, numbered
    assert source(server, lead_id_dimension=DIMENSION).probe() == (
        "GA4 property 123456789 (America/New_York) had 40 sessions and 1 lead with a number "
        "on 2026-11-22."
    )
