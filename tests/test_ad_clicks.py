"""Single clicks of Google Ads: a lookup from a click's id to its campaign, and no touch."""

from datetime import date, timedelta

import pytest
from raw_store import raw_store
from servers.google_ads import GoogleAdsServer, click, sample
from test_google_ads import NORTH, TODAY, quick, read, source
from test_loading import DOOR
from warehouse_fixtures import Warehouse, at, call, touch

from connectors.contract import AdClick

__all__ = ["quick"]
NOON = at("2024-05-15 12:00")


@pytest.fixture
def server():
    with GoogleAdsServer(sample(TODAY)) as running:
        running.today = TODAY
        running.customers[NORTH].clicks = [
            click(TODAY - timedelta(days=back), f"gclid-{back}") for back in (1, 2, 5, 88, 89, 95)
        ]
        yield running


def clicks(server, cursors=None, **options):
    opened = source(server, first_day=date(2026, 1, 1), clicks=True, **options)
    return [piece for piece in opened.slices(cursors or {}) if piece.rows == (AdClick,)]


def test_clicks_are_asked_for_a_day_at_a_time_as_far_back_as_google_tells(server):
    pieces = clicks(server)
    assert {(p.window.until - p.window.since).days for p in pieces} == {0}
    assert (pieces[0].window.since, len(pieces)) == (TODAY - timedelta(days=89), 89)
    found = [item for item in read([*pieces[:2], *pieces[-5:]]) if isinstance(item, AdClick)]
    assert found == [server.customers[NORTH].clicks[place] for place in (4, 3, 2, 1, 0)]
    asked = [query for _, query in server.questions if "click_view" in query]
    assert asked[0].endswith(f"FROM click_view WHERE segments.date = '{pieces[0].window.since}'")


def test_the_next_refresh_asks_for_the_last_days_again(server):
    key = f"clicks {NORTH}"
    pieces = clicks(server, {key: f"{TODAY - timedelta(days=4)}"})
    assert [p.window.since for p in pieces] == [TODAY - timedelta(days=b) for b in (3, 2, 1)]
    assert {p.cursor_key for p in pieces} == {key}


def test_without_the_setting_no_click_is_asked_for_and_none_is_kept_as_fetched(server):
    kept = {}
    for piece in source(server, keep=kept.__setitem__).slices({}):
        list(piece.read())
    assert not any("click_view" in query for _, query in server.questions)
    list(clicks(server, keep=kept.__setitem__)[-1].read())
    assert "gclid" not in f"{kept}"


def test_a_campaign_without_ad_groups_and_a_click_without_an_id(server):
    day = TODAY - timedelta(days=1)
    whole = click(day, "g", "12", ad_group_id="", ad_group="", medium="performance_max")
    server.customers[NORTH].clicks = [whole, click(day, "")]
    assert [i for i in read(clicks(server)[-1:]) if isinstance(i, AdClick)] == [whole]


def test_clicks_are_nobody_and_go_with_whom_they_turn_out_to_be_of(server):
    with raw_store() as store:
        store.refresh(source(server, clicks=True))
        assert "identifier" not in [name for name, *_ in store.ask("describe raw_ad_click")]
        (found,) = store.ask("select click_id from raw_ad_click where day = date '2026-11-22'")
        assert found == (DOOR.hash("click_id", "gclid-1"),)
        store.erase(found)
        assert store.ask("select * from raw_ad_click where day = date '2026-11-22'") == []


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse(of=["stg_touchpoint", "stg_call"])
    yield opened
    opened.close()


def test_touches_and_calls_are_told_the_campaign_of_their_click(warehouse):
    known = AdClick("g1", NOON.date(), "9", "Knees, display", "", "", "google", "display")
    warehouse.build(
        known,
        touch("t1", "ann", NOON, "google/cpc", click_id="g1", utm_campaign="knees"),
        touch("t2", "ann", NOON, "google/cpc", click_id="other", utm_campaign="knees"),
        touch("t3", "ann", NOON, "google/cpc", utm_campaign="knees"),
        call("c1", "ann", NOON, click_id="g1", utm_source="Google Ads"),
        call("c2", "ann", NOON, utm_source="Google Ads"),
    )
    tags = "utm_source, utm_medium, utm_campaign, campaign_id"
    assert warehouse.rows(f"select touch_id, {tags} from stg_touchpoint order by touch_id") == [
        ("t1", "google", "display", "Knees, display", "9"),
        ("t2", "google", "cpc", "knees", ""),
        ("t3", "google", "cpc", "knees", ""),
    ]
    assert warehouse.rows(f"select call_id, {tags} from stg_call order by call_id") == [
        ("c1", "google", "display", "Knees, display", "9"),
        ("c2", "google ads", "", "", ""),
    ]
