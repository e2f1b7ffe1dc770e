"""Google Business Profile: the stars of each review, and the rating of each place by day.

Who wrote a review is not asked for; what they wrote only where the settings say so. Reviews come
newest change first. Google knows that reviews may be missing from the second page on, so none is
taken to be deleted because it is absent, a whole reading is compared with Google's own count, and
all are read again now and then.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from connectors.contract import Feedback, Reputation
from connectors.errors import (
    SourceBusy,
    SourceError,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.google_token import Tokens
from connectors.options import settings
from connectors.patience import Passing, Patience
from connectors.places import STARS, PlaceRefused, Places, Standing, number, places_of
from connectors.rest import Answer, Rest
from connectors.shapes import shape_of
from connectors.source import (
    ENDPOINT,
    Context,
    Cursor,
    Item,
    Option,
    Rejected,
    Slice,
    Source,
    Window,
)

OPTIONS = (
    Option("client_id", "OAuth client of your project in Google Cloud."),
    Option("client_secret", "Its secret.", secret=True),
    Option("refresh_token", "Refresh token of a user who manages the places.", secret=True),
    Option("locations", "Table: accounts/1/locations/2 = location."),
    Option("comments", "Also load what reviews say, into the private store.", False, default=False),
    Option("timezone", "Time zone of the days.", False, default="UTC"),
    Option("token_endpoint", "Address instead of Google's for tokens.", False),
    ENDPOINT,
)
PATIENCE = Patience()
PAGE = 50
STAR_WORDS = {"ONE": 1.0, "TWO": 2.0, "THREE": 3.0, "FOUR": 4.0, "FIVE": 5.0}

# A review that was missed on one reading is found by the next ones: what changed in the last month
# is read again at each refresh, and everything once a month.
OVERLAP = timedelta(days=30)
WHOLE_AGAIN = timedelta(days=28)

_KNOWN = ("reviews", "averageRating", "totalReviewCount", "nextPageToken")


def connect(context: Context) -> Source:
    """Open Business Profile as the user who agreed."""
    chosen = settings(context, OPTIONS)
    places = places_of(context, chosen, "locations", "google", "Google Business Profile")
    for place in places.locations:
        if not re.fullmatch(r"accounts/[\w-]+/locations/[\w-]+", place):
            raise SourceMisconfigured(
                f"'{place}' of source '{context.name}' is no place such as accounts/1/locations/2."
            )
    tokens = Tokens(context.name, chosen, PATIENCE)

    def reading(answer: Answer) -> SourceError | Passing | None:
        if answer.status == 401:
            tokens.forget()
        return _reading(context.name, answer)

    api = Rest(
        context.name,
        "Google Business Profile",
        chosen["endpoint"] or "https://mybusiness.googleapis.com",
        patience=PATIENCE,
        grant="let the user of the refresh token manage the place, and try again.",
        auth=tokens.header,
        secrets=(chosen["client_secret"], chosen["refresh_token"]),
        reading=reading,
        stops_when_busy=True,
    )
    return Reviews(context, api, places, comments=bool(chosen["comments"]))


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the reviews of a place have been read, and when they last were as a whole."""

    until: datetime
    whole: date

    @classmethod
    def of(cls, cursor: str | None) -> "Mark | None":
        if cursor is None:
            return None
        said = json.loads(cursor)
        return cls(datetime.fromisoformat(said["until"]), date.fromisoformat(said["whole"]))

    def cursor(self) -> Cursor:
        return Cursor(json.dumps({"until": self.until.isoformat(), "whole": f"{self.whole}"}))


class Reviews:
    """The places of one user."""

    def __init__(self, context: Context, api: Rest, places: Places, *, comments: bool) -> None:
        self._context = context
        self._api = api
        self._places = places
        self._comments = comments

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """Today's ratings of all places, then the reviews of each."""
        today = self._places.today(self._context)
        yield Slice(
            name="ratings at Google",
            rows=(Reputation,),
            cursor_key="ratings",
            read=partial(self._ratings, today),
            window=Window(today, today),
        )
        for place in self._places.locations:
            mark = Mark.of(cursors.get(f"reviews {place}"))
            yield Slice(
                name=f"reviews of {place}",
                rows=(Feedback,),
                cursor_key=f"reviews {place}",
                read=partial(self._read, place, mark, today),
            )

    def probe(self) -> str:
        """The rating of each place."""
        return self._places.said(self._standing)

    def _ratings(self, today: date) -> Iterator[Item]:
        yield from self._places.standings(today, self._standing)
        yield Cursor(today.isoformat())

    def _standing(self, place: str) -> Standing:
        page = self._ask(place, {"pageSize": "1", "fields": "averageRating,totalReviewCount"})
        reviews = int(number(page.get("totalReviewCount")) or 0)
        return Standing(number(page.get("averageRating")) if reviews else None, reviews)

    def _read(self, place: str, mark: Mark | None, today: date) -> Iterator[Item]:
        whole = mark is None or today - mark.whole >= WHOLE_AGAIN
        since = datetime.min.replace(tzinfo=UTC) if mark is None or whole else mark.until - OVERLAP
        found: set[str] = set()
        counted = 0
        for page in self._pages(place, since):
            # Of the first page, which Google vouches for.
            counted = counted or int(page.get("totalReviewCount") or 0)
            for position, said in enumerate(page.get("reviews") or (), start=len(found) + 1):
                found.add(str(said.get("reviewId")))
                yield self._row(place, said, position)
        short = whole and len(found) < counted
        if short:
            yield self._missing(place, counted, len(found))
        # Until a whole reading has found as many as Google counts, the next is whole again.
        last = date.min if short else today if mark is None or whole else mark.whole
        yield Mark(self._context.now, last).cursor()

    def _row(self, place: str, said: Mapping[str, Any], position: int) -> Feedback | Rejected:
        stars = STAR_WORDS.get(str(said.get("starRating")))
        at = _instant(said.get("createTime"))
        if stars is None or at is None or not said.get("reviewId"):
            column = "starRating" if stars is None else "createTime" if at is None else "reviewId"
            value = str(said.get(column) or "")
            reason = f"is no {column} as Google writes it"
            return Rejected(
                f"reviews of {place}", position, column, shape_of(value), reason, "feedback"
            )
        return Feedback(
            feedback_id=str(said["reviewId"]),
            at=at,
            kind="review",
            score=stars,
            scale_max=STARS,
            location=self._places.locations[place],
            comment=str(said["comment"]) if self._comments and said.get("comment") else None,
            survey="google",
            updated_at=_instant(said.get("updateTime")),
        )

    def _missing(self, place: str, counted: int, found: int) -> Rejected:
        reason = (
            f"Google counts {counted:,} reviews and sent {found:,}: some are missing from its "
            "later pages, as it knows. The next refresh asks for all of them again"
        )
        return Rejected(f"reviews of {place}", 0, "totalReviewCount", "", reason, "feedback")

    def _pages(self, place: str, since: datetime) -> Iterator[dict[str, Any]]:
        """Pages of reviews, newest change first, down to what changed before `since`."""
        names = "reviewId,starRating,createTime,updateTime" + ",comment" * self._comments
        asked = {
            "pageSize": f"{PAGE}",
            "orderBy": "updateTime desc",
            "fields": f"reviews({names}),averageRating,totalReviewCount,nextPageToken",
        }
        seen: set[str] = set()
        token = ""
        while True:
            page = self._ask(place, asked | ({"pageToken": token} if token else {}))
            yield page
            token = str(page.get("nextPageToken") or "")
            if not token or _all_before(page, since):
                return
            if token in seen:
                raise SourceUnreachable(
                    f"Google's pages of reviews of {place} lead in a circle; refresh again later."
                )
            seen.add(token)

    def _ask(self, place: str, params: Mapping[str, str]) -> dict[str, Any]:
        path = f"/v4/{place}/reviews"
        try:
            return self._api.ask("GET", path, params=params, read=_page)
        except _OfOnePlace:
            pass
        raise PlaceRefused(
            f"Google does not let the user of source '{self._context.name}' read {place}, or has "
            "no such place; let the user manage it, and correct its number in caretrace.toml."
        )


class _OfOnePlace(PlaceRefused):
    """Google's refusal of one place."""


def _page(answer: Answer) -> dict[str, Any]:
    """A page; one of a place without reviews is an empty object."""
    said = answer.object()
    if said and not any(name in said for name in _KNOWN):
        raise ValueError
    if not isinstance(said.get("reviews", []), list):
        raise ValueError
    number(said.get("totalReviewCount"))
    return said


def _all_before(page: Mapping[str, Any], since: datetime) -> bool:
    """Whether nothing newer can follow; where the order is not as asked, it may."""
    times = [_instant(said.get("updateTime")) for said in page.get("reviews") or ()]
    known = [at for at in times if at is not None]
    ordered = known == sorted(known, reverse=True) and len(known) == len(times)
    return bool(known) and ordered and known[-1] < since


def _instant(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def _reading(source: str, answer: Answer) -> SourceError | Passing | None:
    words = answer.body.decode("utf-8", "replace")
    if answer.status == 401:
        return Passing(
            SourceRefused(
                f"Google refused the access token of source '{source}' (status 401); sign in again "
                "with the scope business.manage and set refresh_token."
            ),
            0.0,
        )
    if answer.status == 429 and '"quota_limit_value": "0"' in words.replace('":"', '": "'):
        return SourceBusy(
            "Google has not opened Business Profile for this project (its quota is 0); apply for "
            "access to the Business Profile APIs and refresh when it is granted."
        )
    if answer.status == 403 and ("SERVICE_DISABLED" in words or "has not been used" in words):
        return SourceRefused(
            "The Google My Business API is switched off in the project of source "
            f"'{source}'; enable it in the Google Cloud console."
        )
    if answer.status == 403 and "SCOPE_INSUFFICIENT" in words:
        return SourceRefused(
            f"The refresh token of source '{source}' does not have the scope business.manage; sign "
            "in again and grant it."
        )
    if answer.status in (403, 404):
        return _OfOnePlace()
    return None
