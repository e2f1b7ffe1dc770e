"""Google Business Profile: the connector against places on this machine."""

import json
import logging
from datetime import UTC, date, datetime, timedelta

import pytest
from connector_fixtures import impatient, of
from raw_store import raw_store
from servers.google_reviews import NORTH, WEST, GoogleReviewsServer, refusal, review
from servers.loopback import CUT, HANG, JSON_WITHOUT_ERROR, RESET, TOO_MANY, as_html, as_json

from connectors import google_reviews
from connectors.contract import Feedback, Reputation
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


quick = impatient(google_reviews)


@pytest.fixture
def server():
    with GoogleReviewsServer({NORTH: [review(1), review(2, "TWO")], WEST: []}) as running:
        yield running


def source(server, *, now=NOW, **options):
    given = {
        "endpoint": server.url,
        "token_endpoint": server.url,
        **server.secrets,
        "locations": {NORTH: "North", WEST: "West"},
    }
    return google_reviews.connect(Context("reviews", "1", given | options, now, date(2026, 1, 1)))


def read(opened, cursors=None):
    return [item for piece in opened.slices(cursors or {}) for item in piece.read()]


def mark(until=NOW, whole=TODAY):
    said = json.dumps({"until": until.isoformat(), "whole": f"{whole}"})
    return {f"reviews {place}": said for place in (NORTH, WEST)}


def many(count, *, month=11):
    """Reviews, each a minute older than the one before."""
    newest = datetime(2026, month, 10, 9, 0, tzinfo=UTC)
    times = [(newest - timedelta(minutes=n)).isoformat() for n in range(count)]
    return [review(n, at=at) for n, at in enumerate(times)]


def test_a_review_is_its_stars_and_nobody_s_name(server):
    items = read(source(server))
    assert of(Feedback, items)[0] == Feedback(
        feedback_id="R1",
        at=datetime(2026, 11, 10, 9, 30, tzinfo=UTC),
        kind="review",
        score=5.0,
        scale_max=5.0,
        location="North",
        survey="google",
        updated_at=datetime(2026, 11, 10, 9, 30, tzinfo=UTC),
    )
    assert "SECRET" not in f"{items}"
    asked = " ".join(r.query["fields"] for r in server.asked("/reviews"))
    assert "reviewer" not in asked
    assert "comment" not in asked


def test_what_a_review_says_is_asked_for_only_if_wanted(server):
    first, _ = of(Feedback, read(source(server, comments=True)))
    assert first.comment == "SECRET COMMENT 1"
    assert "NAME" not in f"{first}"


def test_each_place_has_the_rating_of_today(server):
    north, west = of(Reputation, read(source(server)))
    assert north == Reputation(
        day=TODAY,
        timezone="UTC",
        platform="google",
        place=NORTH,
        rating=3.5,
        scale_max=5.0,
        reviews=2,
        location="North",
    )
    assert (west.rating, west.reviews) == (None, 0)


def test_reviews_are_read_to_the_last_page(server):
    server.places[NORTH] = many(151)
    items = read(source(server))
    assert len({row.feedback_id for row in of(Feedback, items)}) == 151
    assert of(Rejected, items) == []


def test_later_only_what_changed_in_the_last_month_is_read(server):
    server.places[NORTH] = [
        *many(60),
        *(review(900 + n, at="2026-08-01T00:00:00Z") for n in range(200)),
    ]
    rows = of(Feedback, read(source(server), mark()))
    assert len(rows) == 100
    assert {f"R{n}" for n in range(60)} <= {row.feedback_id for row in rows}


def test_an_order_that_was_not_asked_for_is_read_to_the_end(server):
    old = "2020-01-01T00:00:00Z"
    mixed = [review(7, at=old), review(8), review(9, at=old)]
    page = {"reviews": mixed, "nextPageToken": "0"}
    server.fail(None, None, as_json(page), on="/reviews")
    assert len(of(Feedback, read(source(server), mark()))) == 5


def test_everything_is_read_again_once_a_month(server):
    server.places[NORTH] = many(120)
    before = mark(whole=TODAY - timedelta(days=28))
    items = read(source(server), before)
    assert len(of(Feedback, items)) == 120
    said = json.loads(of(Cursor, items)[1].value)
    assert said == {"until": NOW.isoformat(), "whole": f"{TODAY}"}
    again = of(Cursor, read(source(server), mark(whole=TODAY - timedelta(days=27))))[1]
    assert json.loads(again.value)["whole"] == f"{TODAY - timedelta(days=27)}"


def test_reviews_that_google_leaves_out_are_said_and_asked_for_again(server):
    server.places[NORTH] = many(120, month=8)
    server.lost = {"R60", "R61"}
    with raw_store() as store:
        store.refresh(source(server))
        (row,) = store.ask("select column_name, reason from raw_rejected")
        assert row[0] == "totalReviewCount"
        assert row[1].startswith("Google counts 120 reviews and sent 118")
        assert store.ask("select count(*) from raw_feedback") == [(118,)]
        server.lost = {"R70"}
        store.refresh(source(server))
        # What is absent now is not taken away, and what was absent has come.
        assert store.ask("select count(*) from raw_feedback") == [(120,)]
        server.lost = set()
        store.refresh(source(server))
        assert store.ask("select count(*) from raw_rejected") == [(0,)]
        before = len(server.requests)
        store.refresh(source(server))
        assert len(server.requests) - before < 8


def test_a_changed_review_lands_once_and_a_second_read_is_the_same(server):
    with raw_store() as store:
        store.refresh(source(server))
        kept = store.ask("select * exclude (loaded_at) from raw_feedback order by feedback_id")
        store.refresh(source(server))
        again = store.ask("select * exclude (loaded_at) from raw_feedback order by feedback_id")
        assert again == kept
        server.places[NORTH][0] |= {"starRating": "ONE", "updateTime": "2026-11-23T00:00:00Z"}
        store.refresh(source(server))
        scores = "select score from raw_feedback order by score"
        assert store.ask(scores) == [(1.0,), (2.0,)]
        assert store.ask("select sum(reviews), count(*) from raw_reputation") == [(2, 2)]


def test_a_deleted_review_stays_as_last_seen(server):
    with raw_store() as store:
        store.refresh(source(server))
        del server.places[NORTH][0]
        store.refresh(source(server))
        assert store.ask("select count(*) from raw_feedback") == [(2,)]
        assert store.ask("select reviews from raw_reputation where reviews > 0") == [(1,)]


def test_an_empty_page_in_the_middle_is_no_end(server):
    page = {"nextPageToken": "0", "totalReviewCount": 2}
    server.fail(None, None, as_json(page), on="/reviews")
    assert len(of(Feedback, read(source(server)))) == 2


def test_pages_in_a_circle_are_noticed(server):
    page = as_json({"reviews": [review(1)], "nextPageToken": "7"})
    server.fail(None, None, page, page, on="/reviews")
    with pytest.raises(SourceUnreachable, match="lead in a circle"):
        read(source(server))


@pytest.mark.parametrize(
    ("changes", "column", "shape"),
    [
        ({"starRating": "STAR_RATING_UNSPECIFIED"}, "starRating", "text of 23, letters and signs"),
        ({"createTime": "yesterday"}, "createTime", "text of 9, letters"),
        ({"reviewId": None}, "reviewId", "empty"),
    ],
)
def test_a_broken_review_is_kept_out(server, changes, column, shape):
    server.places[NORTH][0] |= changes
    items = read(source(server))
    (rejected,) = of(Rejected, items)
    assert (rejected.table, rejected.column, rejected.shape) == ("feedback", column, shape)
    assert [row.feedback_id for row in of(Feedback, items)] == ["R2"]


def test_one_place_that_is_refused_does_not_cost_the_others(server):
    del server.places[WEST]
    pieces = list(source(server).slices({}))
    ratings = list(pieces[0].read())
    assert [row.place for row in of(Reputation, ratings)] == [NORTH]
    assert "does not let the user of source 'reviews' read" in of(Rejected, ratings)[0].reason
    assert len(of(Feedback, pieces[1].read())) == 2
    with pytest.raises(PlaceRefused, match=WEST):
        list(pieces[2].read())
    assert len({piece.cursor_key for piece in pieces}) == 3


def test_a_missing_right_says_what_to_grant(server):
    server.fail(refusal(403, "PERMISSION_DENIED", "The caller does not"), on="/reviews")
    with pytest.raises(PlaceRefused, match="let the user manage it"):
        read(source(server, locations={NORTH: "North"}))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (refusal(403, "PERMISSION_DENIED", "x", "SERVICE_DISABLED"), "API is switched off"),
        (refusal(403, "PERMISSION_DENIED", "x", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), "scope"),
    ],
)
def test_a_refusal_of_the_whole_project_says_so(server, reply, words):
    server.fail(reply, on="/reviews")
    with pytest.raises(SourceRefused, match=words) as caught:
        read(source(server))
    assert not isinstance(caught.value, PlaceRefused)


def test_a_project_without_access_is_told_to_apply(server):
    server.fail(refusal(429, "RESOURCE_EXHAUSTED", "x", "RATE_LIMIT_EXCEEDED"), on="/reviews")
    with pytest.raises(SourceBusy, match="apply for access to the Business Profile APIs"):
        read(source(server))


@pytest.mark.parametrize("on", ["/reviews", "/token"])
@pytest.mark.parametrize(
    "reply",
    [JSON_WITHOUT_ERROR, as_html(502), as_html(200), as_json({"foo": 1}), RESET, CUT, TOO_MANY],
)
def test_what_may_pass_is_asked_again(server, reply, on):
    server.fail(reply, on=on)
    assert len(of(Feedback, read(source(server)))) == 2


def test_no_answer_in_time_is_asked_again(server):
    server.fail(HANG, on="/reviews")
    assert len(of(Feedback, read(source(server)))) == 2


def test_throttling_is_waited_out_or_told(server):
    server.fail(as_json({}, 429, {"retry-after": "0.01"}), on="/reviews")
    assert len(of(Feedback, read(source(server)))) == 2
    server.fail(*[TOO_MANY] * 3, on="/reviews")
    with pytest.raises(SourceBusy, match="Google Business Profile is busy"):
        read(source(server))


def test_a_token_that_expires_while_reading_is_replaced(server):
    pieces = source(server).slices({})
    list(next(pieces).read())
    server.granted += 1  # the one that was given is no longer good
    assert len(of(Feedback, next(pieces).read())) == 2
    assert len(server.asked("/token")) == 2


def test_one_token_serves_many_requests_until_it_is_about_to_expire(server, monkeypatch):
    read(source(server))
    assert len(server.asked("/token")) == 1
    monkeypatch.setattr("connectors.google_token.MARGIN_SECONDS", 4000)
    read(source(server))
    assert len(server.asked("/token")) > 2


def test_a_refresh_token_that_was_withdrawn_says_what_to_do(server, caplog):
    caplog.set_level(logging.DEBUG)
    opened = source(server)
    server.secrets["refresh_token"] = "another"
    with pytest.raises(SourceRefused, match="no longer accepts the refresh token") as caught:
        read(opened)
    said = f"{caught.value}{caplog.text}"
    assert "loopback-google" not in said
    assert len(server.requests) == 1


def test_a_token_that_is_never_accepted_ends_the_source(server):
    denied = [refusal(401, "UNAUTHENTICATED", "Invalid")] * 3
    server.fail(*denied, on="/reviews")
    with pytest.raises(SourceRefused, match=r"refused the access token .* scope business\.manage"):
        read(source(server))


def test_a_mistake_is_told_without_secrets(server):
    words = f"bad {server.secrets['client_secret']}"
    server.fail(refusal(400, "INVALID_ARGUMENT", words), on="/reviews")
    with pytest.raises(SourceChanged, match=r"bad \*\*\*"):
        read(source(server))


def test_probe_tells_the_ratings(server):
    assert source(server).probe() == (
        "Google Business Profile answers; North has 3.5 of 5 (reviews: 2); West has no rating yet."
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"refresh_token": "", "client_secret": ""}, "no client_secret and no refresh_token"),
        ({"locations": {}}, "locations of source 'reviews' must be a table"),
        ({"locations": {"11": "North"}}, "'11' of source 'reviews' is no place such as"),
        ({"token_endpoint": "http://example.org"}, "token_endpoint .* does not begin with https"),
    ],
)
def test_settings_that_cannot_be_right_are_named(server, options, sentence):
    with pytest.raises(SourceMisconfigured, match=sentence):
        source(server, **options)
    assert server.requests == []


def test_the_default_server_holds_two_places():
    with GoogleReviewsServer(today=TODAY) as server:
        items = read(source(server))
    assert [row.score for row in of(Feedback, items)] == [5, 4, 2, 3]
    assert [row.reviews for row in of(Reputation, items)] == [3, 1]
