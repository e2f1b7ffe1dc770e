"""Pollen and air quality by place and day, from services on this machine."""

import logging
from datetime import UTC, date, datetime, timedelta

import pytest
from connector_fixtures import impatient
from servers.environment import (
    AT_SEA,
    PLACES,
    AirNowServer,
    OpenMeteoServer,
    PollenServer,
    index_of,
)
from servers.loopback import CUT, HANG, TOO_MANY, as_html, as_json
from test_loading import Store

from attribution.paths import ROOT
from connectors import air_quality, pollen
from connectors.contract import Environment
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.source import Context, Cursor, Rejected

NOW = datetime(2026, 11, 24, 18, tzinfo=UTC)
TODAY = date(2026, 11, 24)
DAY = timedelta(days=1)
NORTH = PLACES[0][0]


quick = impatient(pollen, air_quality)


@pytest.fixture
def google():
    with PollenServer(TODAY) as running:
        yield running


@pytest.fixture
def epa():
    with AirNowServer() as running:
        yield running


@pytest.fixture
def meteo():
    with OpenMeteoServer() as running:
        yield running


def opened(module, server, *, first_day=date(2026, 11, 10), now=NOW, **options):
    given = {"endpoint": server.url, "api_key": server.key, "places": PLACES} | options
    return module.connect(Context("sky", "sky", given, now, first_day))


def of_pollen(server, **options):
    return opened(pollen, server, **({"may_be_stored": True} | options))


def of_airnow(server, **options):
    return opened(air_quality, server, provider="airnow", **options)


def of_meteo(server, **options):
    return opened(air_quality, server, provider="open_meteo", **options)


def of_air(server, **options):
    return opened(air_quality, server, **options)


KINDS = [of_pollen, of_airnow, of_meteo]


@pytest.fixture(params=KINDS, ids=["pollen", "airnow", "open_meteo"])
def any_source(request):
    """A way to open each source, and its server."""
    named = {of_pollen: "google", of_airnow: "epa", of_meteo: "meteo"}
    return request.param, request.getfixturevalue(named[request.param])


def read(source, cursors=None):
    return [item for piece in source.slices(cursors or {}) for item in piece.read()]


def rows(items, place=NORTH):
    return {i.day: i for i in items if isinstance(i, Environment) and i.place == place}


def told(items):
    return [(i.column, i.reason) for i in items if isinstance(i, Rejected)]


def load(store, source):
    for piece in source.slices(store.cursors("sky", "sky")):
        store.loader("sky", "sky").load(piece)


def test_pollen_is_loaded_for_today_and_the_days_to_come(google):
    google.values[TODAY] = {"TREE": 4, "GRASS": 0, "WEED": None}
    found = rows(read(of_pollen(google)))
    assert sorted(found) == [TODAY + n * DAY for n in range(5)]
    assert found[TODAY] == Environment(TODAY, NORTH, 4.0, 0.0, None, forecast_days=0)
    assert [found[day].forecast_days for day in sorted(found)] == [0, 1, 2, 3, 4]


def test_the_key_is_not_in_the_address(google):
    read(of_pollen(google))
    assert {r.headers["x-goog-api-key"] for r in google.requests} == {google.key}
    assert google.key not in str([r.query for r in google.requests])


def test_pollen_is_paged_to_its_end(google):
    google.page_rows = 2
    assert len(rows(read(of_pollen(google)))) == 5
    assert [r.query.get("pageToken") for r in google.requests] == [None, "2", "4"] * 2


def test_a_forecast_gives_way_to_the_day_itself(google):
    store = Store()
    google.values[TODAY + DAY] = {"TREE": 1}
    load(store, of_pollen(google, places=PLACES[:1]))
    google.today, google.values[TODAY + DAY] = TODAY + DAY, {"TREE": 5}
    load(store, of_pollen(google, places=PLACES[:1], now=NOW + DAY))
    found = store.ask("select day, pollen_tree, forecast_days from raw_environment order by day")
    assert len(found) == 6
    assert found[0][0] == TODAY  # stays, although Google no longer tells it
    assert found[1] == (TODAY + DAY, 5.0, 0)
    store.engine.dispose()


def test_an_index_beyond_five_keeps_its_day_out(google):
    google.values[TODAY] = {"WEED": 6}
    items = read(of_pollen(google, places=PLACES[:1]))
    assert TODAY not in rows(items)
    assert told(items) == [("pollen_weed", "is no index from 0 to 5")]


def test_a_day_out_of_every_season_has_no_row(google):
    google.values[TODAY] = dict.fromkeys(["TREE", "GRASS", "WEED"])
    assert TODAY not in rows(read(of_pollen(google)))


def test_a_place_that_google_does_not_cover_is_told(google):
    items = read(of_pollen(google, places=[AT_SEA, PLACES[0]]))
    assert told(items) == [("place", "Google does not cover this place")]
    assert len(rows(items)) == 5


def test_storing_pollen_must_be_agreed(google):
    with pytest.raises(SourceMisconfigured, match="terms forbid storing"):
        of_pollen(google, may_be_stored=False)
    assert google.requests == []


def test_a_wrong_path_is_not_a_place_without_pollen(google):
    source = of_pollen(google, endpoint=f"{google.url}/maps")
    with pytest.raises(SourceUnreachable, match="answer was broken"):
        read(source)


@pytest.mark.parametrize(
    ("blocked", "key", "sentence"),
    [
        (False, "old-key", "did not accept the API key"),
        (True, None, "is restricted to other APIs"),
    ],
)
def test_pollen_refusals_say_what_to_grant(google, blocked, key, sentence):
    google.blocked = blocked
    with pytest.raises(SourceRefused, match=sentence) as caught:
        of_pollen(google, api_key=key or google.key).probe()
    assert "old-key" not in str(caught.value)
    assert len(google.requests) == 1


def test_a_switched_off_pollen_api_says_where_to_switch_it_on(google):
    google.fail(as_json({"error": {"code": 403, "message": "has not been used"}}, 403))
    with pytest.raises(SourceRefused, match="enable the Pollen API and billing"):
        of_pollen(google).probe()


def test_pollen_probe_says_what_is_in_the_air(google):
    google.values[TODAY] = {"TREE": 4}
    assert of_pollen(google).probe() == (
        "Google Pollen says for North clinic today: tree 4, grass 0, weed unknown. Places: 2."
    )


def test_a_day_of_airnow_is_its_worst_pollutant(epa):
    epa.values[date(2026, 11, 20)] = 142
    found = rows(read(of_airnow(epa)))
    assert found[date(2026, 11, 20)] == Environment(
        date(2026, 11, 20), NORTH, air_quality_index=142.0
    )
    assert sorted(found) == [date(2026, 11, 10) + n * DAY for n in range(14)]
    assert {r.query["distance"] for r in epa.requests} == {"25"}


def test_days_without_a_monitor_have_no_row(epa):
    epa.values = {date(2026, 11, 20): None, date(2026, 11, 21): -1}
    found = rows(read(of_airnow(epa)))
    assert len(found) == 12
    assert not set(epa.values) & set(found)


def test_a_place_without_a_monitor_is_told(epa):
    items = read(of_airnow(epa, places=[AT_SEA]))
    assert told(items) == [("place", "AirNow knows the air of none of these days here")]


def test_an_index_that_cannot_be_keeps_its_day_out(epa):
    epa.values[date(2026, 11, 20)] = 14_200
    items = read(of_airnow(epa, places=PLACES[:1]))
    assert date(2026, 11, 20) not in rows(items)
    assert told(items) == [("air_quality_index", "is no air quality index from 0 to 999")]


def test_a_long_history_stops_while_the_hour_s_questions_last(epa):
    source = of_airnow(epa, first_day=date(2026, 1, 1))
    items = []
    pieces = (items.extend(piece.read()) for piece in source.slices({}))
    with pytest.raises(SourceBusy, match="refresh again in 1 hour, it goes on where it stopped"):
        list(pieces)
    assert 400 < len(epa.requests) <= 460
    # Places keep step: neither is left behind by more than a month.
    north, south = rows(items), rows(items, PLACES[1][0])
    assert 0 <= (max(north) - max(south)).days <= 31


def test_airnow_s_limit_ends_the_source(epa, waits):
    epa.most = 3
    with pytest.raises(SourceBusy, match="this hour are used up"):
        read(of_airnow(epa))
    assert waits == []


@pytest.mark.parametrize("status", [200, 401])
def test_airnow_refuses_a_wrong_key_in_its_own_words(epa, status):
    words = {"WebServiceError": [{"Message": f"Invalid API key {epa.key}"}]}
    epa.fail(as_json(words, status))
    with pytest.raises(SourceRefused, match=r"check the key on docs\.airnowapi\.org") as caught:
        of_airnow(epa).probe()
    assert epa.key not in str(caught.value)


def test_another_day_than_asked_is_refused(epa):
    epa.fail(as_json([{"DateObserved": "2020-01-01 ", "AQI": 5}]))
    with pytest.raises(SourceChanged, match="gave another day than 2026-11-10"):
        read(of_airnow(epa))


def test_a_day_of_open_meteo_is_its_highest_hour(meteo):
    found = rows(read(of_meteo(meteo)))
    assert {day: row.air_quality_index for day, row in found.items()} == {
        date(2026, 11, 10) + n * DAY: index_of(45.52, date(2026, 11, 10) + n * DAY)
        for n in range(14)
    }
    assert len(meteo.requests) == 2  # a month is one question


def test_a_day_that_is_there_in_part_has_no_row(meteo):
    meteo.missing_hours = {date(2026, 11, 20): 6, date(2026, 11, 21): 7}
    found = rows(read(of_meteo(meteo)))
    assert date(2026, 11, 20) in found
    assert date(2026, 11, 21) not in found


def test_the_last_day_is_over_everywhere(meteo):
    early = datetime(2026, 11, 24, 11, 59, tzinfo=UTC)
    assert max(rows(read(of_meteo(meteo, now=early)))) == date(2026, 11, 22)
    assert max(rows(read(of_meteo(meteo)))) == date(2026, 11, 23)


def test_the_next_load_reads_what_may_be_restated(meteo):
    store = Store()
    source = of_meteo(meteo, places=PLACES[:1], first_day=date(2026, 9, 1))
    load(store, source)
    assert set(store.cursors("sky", "sky").values()) == {"2026-11-16"}
    meteo.values = {date(2026, 11, 20): 300, date(2026, 11, 16): 301}
    load(store, source)
    worst = "select day, air_quality_index from raw_environment order by 2 desc limit 1"
    assert store.ask(worst) == [(date(2026, 11, 20), 300.0)]
    assert store.ask("select count(*) from raw_environment") == [(84,)]
    assert meteo.requests[-1].query["start_date"] == "2026-11-17"
    # A place that moved is read from the first day again.
    moved = of_meteo(meteo, places=[[NORTH, 1.5, 2.5]], first_day=date(2026, 9, 1))
    assert len(list(moved.slices(store.cursors("sky", "sky")))) == 3
    store.engine.dispose()


def test_the_free_service_is_for_those_who_say_so(meteo):
    meteo.key = None
    with pytest.raises(SourceMisconfigured, match="is for non-commercial use"):
        of_meteo(meteo, endpoint=None)
    assert len(rows(read(of_meteo(meteo, noncommercial=True)))) == 14


@pytest.mark.parametrize(
    ("reason", "when"),
    [
        ("Daily API request limit exceeded. Please try again tomorrow.", "tomorrow"),
        ("Hourly API request limit exceeded.", "in 1 hour"),
    ],
)
def test_open_meteo_s_limits_say_when_to_come_back(meteo, waits, reason, when):
    meteo.fail(as_json({"error": True, "reason": reason}, 429))
    with pytest.raises(SourceBusy, match=f"refresh again {when}"):
        read(of_meteo(meteo))
    assert waits == []


def test_open_meteo_s_minute_is_waited_out(meteo, waits):
    reason = "Minutely API request limit exceeded. Please try again in one minute."
    meteo.fail(as_json({"error": True, "reason": reason}, 429))
    assert len(rows(read(of_meteo(meteo)))) == 14
    assert waits == [60.0]


def test_open_meteo_tells_its_reasons(meteo):
    with pytest.raises(SourceChanged, match="start_date' is out of allowed range"):
        read(of_meteo(meteo, first_day=date(2010, 1, 1)))
    with pytest.raises(SourceRefused, match="check the key in your Open-Meteo account"):
        of_meteo(meteo, api_key="wrong").probe()


def test_air_probe_says_the_last_whole_day(epa, meteo):
    index = index_of(45.52, date(2026, 11, 23))
    for source, name in ((of_airnow(epa), "AirNow"), (of_meteo(meteo), "Open-Meteo")):
        assert source.probe() == (
            f"{name} has an index of {index} for North clinic on 2026-11-23. Places: 2."
        )
    assert "has no index for Buoy" in of_airnow(epa, places=[AT_SEA]).probe()


def test_each_place_has_its_own_cursor(any_source):
    make, server = any_source
    pieces = list(make(server).slices({}))
    assert len(pieces) == len({piece.cursor_key for piece in pieces}) == 2
    assert all([type(item) for item in piece.read()][-1] is Cursor for piece in pieces)
    assert {piece.window for piece in pieces} == {None}  # other places' days must stay


def test_a_second_read_is_the_same(any_source):
    make, server = any_source
    assert read(make(server)) == read(make(server))


@pytest.mark.parametrize("reply", [CUT, HANG, as_html(502), as_html(200)], ids=str)
def test_failures_that_pass_are_asked_again(any_source, waits, reply):
    make, server = any_source
    server.fail(reply)
    assert len(rows(read(make(server)))) >= 5


@pytest.mark.parametrize("reply", [CUT, as_html(500)], ids=str)
def test_failures_that_stay_say_so(any_source, waits, reply):
    make, server = any_source
    server.fail(*[reply] * 3)
    with pytest.raises(SourceUnreachable) as caught:
        read(make(server))
    assert server.key not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


def test_a_throttled_pollen_service_is_waited_for(google, waits):
    google.fail(TOO_MANY, as_json({}, 429, {"retry-after": "7"}))
    assert len(rows(read(of_pollen(google)))) == 5
    assert waits[-1] == 7.0
    google.fail(as_json({"error": {"message": "Quota exceeded: Requests per day"}}, 429))
    with pytest.raises(SourceBusy, match="daily quota is used up"):
        read(of_pollen(google))


def test_a_key_that_expires_while_reading_is_refused(any_source):
    make, server = any_source
    pieces = make(server).slices({})
    list(next(pieces).read())
    server.key = "another-key"
    with pytest.raises(SourceRefused):
        list(next(pieces).read())


def test_no_log_holds_a_key(any_source, caplog):
    make, server = any_source
    with caplog.at_level(logging.INFO):
        read(make(server))
    assert server.key not in caplog.text


@pytest.mark.parametrize(
    ("places", "sentence"),
    [
        ([], "no list with a place in it"),
        ("Portland", "is no list"),
        ([["North", 45.5]], "has no name, latitude and longitude in entry 1"),
        ([["North", "45.5", "-122"]], "has no name, latitude and longitude"),
        ([["North", 145.5, -122]], "is nowhere"),
        ([["North", 45, -122], ["North", 46, -122]], "has one name twice"),
    ],
)
def test_places_that_cannot_be_right_are_named(google, places, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        of_pollen(google, places=places)


@pytest.mark.parametrize(
    ("make", "options", "sentence"),
    [
        (of_pollen, {"days": 6}, "must be 1 to 5"),
        (of_airnow, {"api_key": ""}, "has no api_key"),
        (of_air, {"provider": "epa"}, "must be airnow or open_meteo"),
    ],
)
def test_settings_that_cannot_be_right_are_named(google, make, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        make(google, **options)
    assert google.requests == []


def test_staging_has_one_row_for_a_place_and_day():
    store = Store()
    day = date(2026, 11, 20)
    store.load(Environment(day, "North", 4, 0, None, forecast_days=1), source="pollen")
    store.load(Environment(day, " North", air_quality_index=40), source="epa")
    store.load(Environment(day, "North", air_quality_index=55), source="model")
    sql = (ROOT / "sql/staging/stg_environment.sql").read_text(encoding="utf-8")
    assert store.ask(sql) == [("North", day, 4.0, 0.0, None, 55.0)]
    store.engine.dispose()
