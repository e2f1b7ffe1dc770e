"""Yelp: the connector against an app on this machine."""

import logging
from datetime import UTC, date, datetime, timedelta

import pytest
from connector_fixtures import impatient, of
from raw_store import raw_store
from servers.loopback import CUT, HANG, JSON_WITHOUT_ERROR, RESET, as_html, as_json
from servers.yelp import YelpServer, place, refusal

from connectors import yelp
from connectors.contract import Reputation
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.places import PlaceRefused
from connectors.source import Context, Cursor, Rejected

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
TODAY = date(2026, 11, 24)


quick = impatient(yelp)


@pytest.fixture
def server():
    with YelpServer() as running:
        yield running


def source(server, *, now=NOW, **options):
    given = {"endpoint": server.url, "api_key": server.key, "businesses": server.locations}
    return yelp.connect(Context("yelp", "1", given | options, now, date(2026, 1, 1)))


def read(opened):
    return [item for piece in opened.slices({}) for item in piece.read()]


def test_each_place_has_the_rating_of_today(server):
    first, second = of(Reputation, read(source(server)))
    assert first == Reputation(
        day=TODAY,
        timezone="UTC",
        platform="yelp",
        place="lake-north",
        rating=4.5,
        scale_max=5.0,
        reviews=120,
        location="North",
    )
    assert (second.rating, second.reviews, second.location) == (3.5, 8, "West")
    assert not server.asked("/reviews")


def test_a_day_is_that_of_the_places(server):
    rows = of(Reputation, read(source(server, timezone="America/New_York")))
    assert {(row.day, row.timezone) for row in rows} == {(date(2026, 11, 23), "America/New_York")}


def test_no_review_is_no_rating(server):
    server.places["lake-west"] = place(0, 0)
    assert of(Reputation, read(source(server)))[1].rating is None


def test_only_the_newest_rating_is_kept(server):
    days = "select day, place, rating from raw_reputation order by day, place"
    with raw_store() as store:
        store.refresh(source(server))
        store.refresh(source(server))
        server.places["lake-north"] = place(4.0)
        store.refresh(source(server, now=NOW + timedelta(days=1)))
        assert store.ask(days) == [
            (date(2026, 11, 25), "lake-north", 4.0), (date(2026, 11, 25), "lake-west", 3.5),
        ]  # fmt: skip


def test_days_are_kept_where_the_terms_allow_it(server):
    with raw_store() as store:
        for day in (0, 0, 1):
            store.refresh(source(server, now=NOW + timedelta(days=day), keep_history=True))
        assert store.ask("select count(*), count(distinct day) from raw_reputation") == [(4, 2)]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (refusal(404, "BUSINESS_NOT_FOUND"), "does not know it; correct its id"),
        (refusal(403, "BUSINESS_UNAVAILABLE"), "has no reviews of it to show yet"),
        (refusal(400, "LOCATION_NOT_FOUND"), "does not know where it is"),
        (refusal(301, "BUSINESS_MIGRATED"), "has moved it to another id"),
    ],
)
def test_one_place_that_is_refused_does_not_cost_the_others(server, reply, words):
    server.places["lake-north"] = reply
    items = read(source(server))
    assert [row.place for row in of(Reputation, items)] == ["lake-west"]
    (rejected,) = of(Rejected, items)
    assert words in rejected.reason
    assert "lake-north" in rejected.reason
    assert isinstance(items[-1], Cursor)
    assert len(server.requests) == 2


def test_when_all_places_are_refused_the_source_is(server):
    with pytest.raises(PlaceRefused, match="does not know it"):
        read(source(server, businesses={"nowhere": "North"}))


@pytest.mark.parametrize(
    "reply", [JSON_WITHOUT_ERROR, as_html(502), as_html(200), as_json({"foo": 1}), RESET, CUT]
)
def test_what_may_pass_is_asked_again(server, reply):
    server.fail(reply)
    assert len(of(Reputation, read(source(server)))) == 2


def test_no_answer_in_time_is_asked_again(server):
    server.fail(HANG)
    assert len(of(Reputation, read(source(server)))) == 2


def test_too_many_a_second_is_waited_out(server):
    server.fail(refusal(429, "TOO_MANY_REQUESTS_PER_SECOND"))
    server.fail(as_json({}, 429, {"retry-after": "0.01"}))
    assert len(of(Reputation, read(source(server)))) == 2


def test_the_daily_limit_leaves_what_was_loaded_and_says_when_to_come_back(server):
    with raw_store() as store:
        store.refresh(source(server))
        server.left = 1
        with pytest.raises(SourceBusy, match="refresh after 2026-11-25 00:00 UTC"):
            store.refresh(source(server))
        assert store.ask("select count(*) from raw_reputation") == [(2,)]
    assert len(server.requests) == 4


def test_a_refused_key_says_what_to_do(server, caplog):
    caplog.set_level(logging.DEBUG)
    old, server.key = server.key, "another"
    opened = source(server, api_key=old)
    with pytest.raises(SourceRefused, match=r"\(status 401\); copy the API key") as caught:
        read(opened)
    assert old not in f"{caught.value}{caplog.text}"
    assert len(server.requests) == 1


def test_a_mistake_is_told_without_the_key(server):
    server.fail(as_json({"error": {"code": "X", "description": "", "message": server.key}}, 400))
    with pytest.raises(SourceChanged, match=r"\*\*\*"):
        read(source(server))


def test_what_does_not_pass_is_told(server):
    server.fail(*[RESET] * 3)
    with pytest.raises(SourceUnreachable, match="Yelp did not answer"):
        read(source(server))


def test_an_id_is_one_part_of_an_address(server):
    with pytest.raises(PlaceRefused):
        read(source(server, businesses={"a/../b?x": "North"}))
    assert server.requests[0].path == "/v3/businesses/a%2F..%2Fb%3Fx"


def test_probe_tells_the_ratings(server):
    server.places["lake-west"] = place(0, 0)
    assert source(server).probe() == (
        "Yelp answers; North has 4.5 of 5 (reviews: 120); West has no rating yet."
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"api_key": ""}, "has no api_key"),
        ({"businesses": ["a"]}, "businesses of source 'yelp' must be a table"),
        ({"timezone": "Mars"}, "timezone of source 'yelp' is no name"),
        ({"keep_history": "yes"}, "keep_history of source 'yelp' must be true or false"),
        ({"endpoint": "http://api.example.org"}, "does not begin with https"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(server, **options)


def test_staging_has_a_row_for_each_place_and_day(server):
    server.places["lake-west"] = place(0, 0)
    with raw_store() as store:
        store.refresh(source(server, businesses={"lake-north": "", "lake-west": "West"}))
        store.stage("stg_reputation")
        told = "select place, location, share_of_scale from stg_reputation order by place"
        assert store.ask(told) == [("lake-north", "unassigned", 0.9), ("lake-west", "West", None)]
