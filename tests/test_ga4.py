"""Google Analytics 4: the real client against a property on this machine."""

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta

import pytest
from connector_fixtures import UNHURRIED, impatient, read
from servers.ga4 import CONCURRENT, HOURLY, Ga4Server, quota
from servers.loopback import CUT, DRIP, HANG, JSON_WITHOUT_ERROR, RESET, as_html, as_json

from connectors import ga4
from connectors.contract import WebSessions
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.source import Context, Cursor, Total, Window

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)  # still 23 November in New York


def visits(day, source="google", medium="cpc", campaign="knee", group="knee-pain", sessions=10):
    return WebSessions(
        day=day,
        timezone="America/New_York",
        utm_source=source,
        utm_medium=medium,
        campaign_id="77" if campaign != "(not set)" else "(not set)",
        utm_campaign=campaign,
        landing_group=group,
        sessions=sessions,
        engaged_sessions=sessions // 2,
        key_events=sessions / 4,
    )


quick = impatient(ga4)


@pytest.fixture
def server():
    day = date(2026, 11, 20)
    with Ga4Server([visits(day), visits(day, "(direct)", "(none)", "(not set)", "")]) as running:
        yield running


def source(server, *, first_day=date(2026, 11, 1), keep=None, **options):
    given = {"property": "123456789", "endpoint": server.url, "credentials_json": server.key}
    context = Context(
        "web", "123456789", given | options, NOW, first_day, keep or (lambda *_: None)
    )
    return ga4.connect(context)


def rows(items):
    return [item for item in items if isinstance(item, WebSessions)]


def test_rows_arrive_as_they_are_at_google(server):
    items = read(source(server).slices({}))
    assert sorted(rows(items), key=lambda r: r.utm_source) == sorted(
        server.rows, key=lambda r: r.utm_source
    )


def test_first_load_goes_by_months_and_leaves_the_last_settled_day(server):
    slices = list(source(server, first_day=date(2026, 9, 15)).slices({}))
    assert [s.window for s in slices] == [
        Window(date(2026, 9, 15), date(2026, 9, 30)),
        Window(date(2026, 10, 1), date(2026, 10, 31)),
        Window(date(2026, 11, 1), date(2026, 11, 22)),
    ]
    cursors = [item.value for s in slices for item in s.read() if isinstance(item, Cursor)]
    assert cursors == ["2026-09-30", "2026-10-31", "2026-11-08"]
    assert {s.cursor_key for s in slices} == {"web_sessions"}


def test_the_next_load_reads_the_days_that_may_be_restated(server):
    server.restate(visits(date(2026, 11, 20), sessions=40), visits(date(2026, 11, 1), sessions=99))
    slices = list(source(server).slices({"web_sessions": "2026-11-08"}))
    assert [s.window for s in slices] == [Window(date(2026, 11, 9), date(2026, 11, 22))]
    assert sorted(r.sessions for r in rows(read(slices))) == [10, 40]


def test_days_end_at_midnight_of_the_property(server):
    server.time_zone = "Pacific/Kiritimati"
    (only,) = source(server).slices({})
    assert only.window == Window(date(2026, 11, 1), date(2026, 11, 23))
    assert {r.timezone for r in rows(only.read())} == {"Pacific/Kiritimati"}


def test_pages_are_read_to_the_row_count(server):
    server.rows = [visits(date(2026, 11, 2), campaign=f"c{n:03d}") for n in range(23)]
    items = read(source(server, page_rows=5).slices({}))
    assert len(rows(items)) == 23
    offsets = [int(r.json().get("offset", 0)) for r in server.asked("runReport")]
    assert offsets == [0, 0, 5, 10, 15, 20]  # the first asks for the time zone


def test_google_s_totals_are_control_sums(server):
    totals = {t.column: t.amount for t in read(source(server).slices({})) if isinstance(t, Total)}
    assert totals == {"sessions": 20, "engaged_sessions": 10, "key_events": 5.0}


def test_query_strings_are_neither_asked_for_nor_kept(server):
    server.rows = [
        visits(date(2026, 11, 2), group="/knee-pain/braces?email=jane@example.org"),
        visits(date(2026, 11, 2), group="/knee-pain/surgery"),
        visits(date(2026, 11, 2), group="/?mrn=1234"),
    ]
    kept = {}
    items = read(source(server, keep=kept.__setitem__).slices({}))
    assert sorted((r.landing_group, r.sessions) for r in rows(items)) == [
        ("", 10),
        ("knee-pain", 20),
    ]
    asked = {d["name"] for r in server.requests for d in r.json()["dimensions"]}
    assert "landingPagePlusQueryString" not in asked
    stored = b"".join(kept.values()).decode()
    assert "knee-pain" in stored
    assert not any(word in stored for word in ("jane", "1234", "braces"))


def test_flags_of_the_report_are_on_every_row(server):
    server.thresholded = server.other_row = True
    assert {(r.thresholded, r.other_row) for r in rows(read(source(server).slices({})))} == {
        (True, True)
    }


def test_a_sampled_month_is_read_day_by_day(server):
    server.sampled_beyond_days = 1
    server.rows = [visits(date(2026, 11, 1) + timedelta(days=n)) for n in range(22)]
    items = read(source(server).slices({}))
    assert len(rows(items)) == 22
    assert {r.sampled_share for r in rows(items)} == {None}
    assert [t.amount for t in items if isinstance(t, Total)] == [220, 110, 55]
    assert len(server.asked("runReport")) == 1 + 1 + 22


def test_a_day_that_is_still_sampled_says_how_much_was_read(server):
    server.sampled_beyond_days = 0
    assert {r.sampled_share for r in rows(read(source(server).slices({})))} == {0.25}


def test_an_empty_month_still_moves_the_cursor(server):
    server.rows = []
    items = read(source(server).slices({}))
    assert items[-1] == Cursor("2026-11-08")
    assert rows(items) == []


def test_probe_says_what_it_saw(server):
    server.restate(visits(date(2026, 11, 22), sessions=31))
    assert source(server).probe() == (
        "GA4 property 123456789 (America/New_York) had 31 sessions on 2026-11-22."
    )


@pytest.mark.parametrize("reply", [CUT, RESET, as_html(502), JSON_WITHOUT_ERROR, HANG, DRIP])
def test_failures_that_pass_are_asked_again(server, reply):
    server.fail(None, reply)
    assert len(rows(read(source(server).slices({})))) == 2
    assert len(server.asked("runReport")) == 3


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (CUT, r"GA4 did not answer: the connection failed"),
        (HANG, r"GA4 did not answer"),
        (DRIP, r"GA4 did not answer: no whole answer within 1\.6 seconds"),
        (as_html(200, "<html>Sign in</html>"), r"GA4 answered with something that is not a report"),
    ],
)
def test_failures_that_stay_say_so(server, reply, sentence):
    server.fail(None, *[reply] * 3)
    with pytest.raises(SourceUnreachable, match=sentence):
        read(source(server).slices({}))
    assert len(server.asked("runReport")) == 4


def test_server_errors_are_counted_over_all_reports(server, monkeypatch):
    monkeypatch.setattr(ga4, "PATIENCE", dataclasses.replace(UNHURRIED, attempts=9))
    server.fail(None, as_html(500), as_html(500), as_html(500), None, *[as_html(500)] * 9)
    slices = list(source(server, first_day=date(2026, 10, 1)).slices({}))
    read(slices[:1])
    with pytest.raises(SourceUnreachable, match="refresh again in an hour"):
        read(slices[1:])
    assert len(server.asked("runReport")) == 6  # not fourteen: ten an hour lock the project out


def test_a_short_quota_is_waited_out(server, waits):
    server.fail(None, quota(CONCURRENT), quota(CONCURRENT, "7"))
    assert len(rows(read(source(server).slices({})))) == 2
    assert waits == [30.0, 7.0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (HOURLY, r"hourly quota is used up; refresh again in 1 hour\."),
        ("Exhausted property tokens per day.", r"refresh after midnight Pacific time\."),
        ("Exhausted potentially thresholded requests quota.", r"in 1 hour\."),
    ],
)
def test_a_long_quota_says_when_to_come_back(server, waits, words, sentence):
    server.fail(None, quota(words))
    with pytest.raises(SourceBusy, match=sentence):
        read(source(server).slices({}))
    assert waits == []
    assert len(server.asked("runReport")) == 2


def test_a_key_that_expires_while_reading_is_not_hammered(server):
    found = source(server, first_day=date(2026, 10, 1)).slices({})
    read([next(found)])
    server.trusts_key = False
    before = len(server.requests)
    with pytest.raises(SourceRefused, match="make a new key") as caught:
        read(found)
    # Google's own session makes a new token twice before it gives up.
    assert len(server.requests) - before == 3
    assert "PRIVATE KEY" not in str(caught.value)


def test_a_property_that_is_not_shared_names_the_role(server):
    server.grants_access = False
    with pytest.raises(SourceRefused, match="add the service account as Viewer"):
        list(source(server).slices({}))
    assert len(server.requests) == 1


def test_a_switched_off_api_says_where_to_switch_it_on(server):
    words = "Google Analytics Data API has not been used in project 1 before or it is disabled."
    server.fail(as_json({"error": {"code": 403, "message": words}}, 403))
    with pytest.raises(SourceRefused, match="enable it in the Google Cloud console"):
        list(source(server).slices({}))


def test_reports_of_another_shape_are_refused(server):
    server.fail(as_json({"rowCount": 0}))
    with pytest.raises(SourceChanged, match="names no time zone"):
        list(source(server).slices({}))
    server.time_zone = "America/Atlantis"
    with pytest.raises(SourceChanged, match=r"GA4 names a time zone .*America/Atlantis"):
        list(source(server).slices({}))


def test_reordered_columns_are_refused(server):
    body = {
        "dimensionHeaders": [{"name": "sessionSource"}],
        "metricHeaders": [{"name": "sessions"}],
        "rows": [{"dimensionValues": [{"value": "x"}], "metricValues": [{"value": "1"}]}],
        "rowCount": 1,
        "metadata": {"timeZone": "UTC"},
    }
    server.fail(None, as_json(body))
    with pytest.raises(SourceChanged, match="other columns"):
        read(source(server).slices({}))


def test_a_page_that_comes_twice_is_noticed(server, monkeypatch):
    server.rows = [visits(date(2026, 11, 2), campaign=f"c{n}") for n in range(4)]
    monkeypatch.setattr(
        server, "_report", lambda asked: type(server)._report(server, asked | {"offset": 0})
    )
    with pytest.raises(SourceUnreachable, match=r"the same row .* on two pages"):
        read(source(server, page_rows=2).slices({}))


def test_a_report_that_ends_early_is_noticed(server):
    server.rows = [visits(date(2026, 11, 2), campaign=f"c{n}") for n in range(4)]
    empty = {"rowCount": 4, "metadata": {"timeZone": "UTC"}}
    server.fail(None, None, as_json(empty))
    with pytest.raises(SourceUnreachable, match=r"announced 4 rows .* and gave 2"):
        read(source(server, page_rows=2).slices({}))


def test_a_report_that_changes_between_pages_is_noticed(server):
    server.rows = [visits(date(2026, 11, 2), campaign=f"c{n}") for n in range(4)]
    found = source(server, page_rows=2)
    pages = found.slices({})
    piece = next(pages)
    more = {"rowCount": 5, "metadata": {"timeZone": "UTC"}}
    server.fail(None, as_json(more))
    with pytest.raises(SourceUnreachable, match="from 4 to 5 rows"):
        read([piece])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"property": "G-AB12CD34"}, "has a measurement id"),
        ({"property": "my site"}, "is not a number"),
        ({"property": ""}, "has no property"),
        ({"credentials_json": ""}, "neither credentials_file nor credentials_json"),
        ({"credentials_json": "{}"}, "credentials_json .* is not a service account's JSON key"),
        ({"credentials_json": '{"private_key": "canary'}, "is not a service account's JSON key"),
        ({"credentials_json": "", "credentials_file": "/nowhere.json"}, "cannot be read"),
        ({"endpoint": "http://analytics.example.org"}, "does not begin with https"),
        ({"endpoint": "file:///etc/passwd"}, "does not begin with https"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence) as caught:
        source(server, **options)
    assert "canary" not in str(caught.value)
    assert server.requests == []


def test_the_key_may_be_in_a_file(server, tmp_path):
    file = tmp_path / "key.json"
    file.write_text(server.key)
    found = source(server, credentials_json="", credentials_file=str(file))
    assert len(rows(read(found.slices({})))) == 2


def test_a_missing_library_says_what_to_install(server, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "google.analytics.data_v1beta", None)
    with pytest.raises(SourceMisconfigured, match=r"pip install 'caretrace\[google\]'"):
        source(server)


def test_pages_are_kept_as_they_came(server):
    kept = {}
    read(source(server, keep=kept.__setitem__).slices({}))
    (name,) = kept
    assert name == "000001-web_sessions-2026-11-01-2026-11-22.json"
    assert json.loads(kept[name])["rowCount"] == 2
