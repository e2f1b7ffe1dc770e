"""Yelp: the rating of each place and the number of its reviews, as of today.

Reviews themselves are neither asked for nor stored: Yelp gives out excerpts of three, and its terms
limit for how long anything of it may be kept. Unless told otherwise, the newest rating takes the
place of all older ones.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import partial
from typing import Any
from urllib.parse import quote

from connectors.contract import Reputation
from connectors.errors import SourceBusy, SourceError, SourceMisconfigured
from connectors.options import settings
from connectors.patience import Passing, Patience, retry_after, throttled
from connectors.places import PlaceRefused, Places, Standing, number, places_of
from connectors.rest import Answer, Rest
from connectors.source import (
    ENDPOINT,
    Context,
    Cursor,
    Item,
    Option,
    Slice,
    Source,
    Window,
)

OPTIONS = (
    Option("api_key", "API key of the app at Yelp.", secret=True),
    Option("businesses", "Table: Yelp's id or alias of a place = location."),
    Option(
        "keep_history",
        "Keep a rating for each day; your terms must allow it.",
        False,
        default=False,
    ),
    Option("timezone", "Time zone of the days.", False, default="UTC"),
    ENDPOINT,
)
PATIENCE = Patience()

# What Yelp's words for one place mean; each ends with what to do.
OF_ONE_PLACE = {
    "BUSINESS_NOT_FOUND": "does not know it; correct its id in caretrace.toml",
    "BUSINESS_UNAVAILABLE": "has no reviews of it to show yet",
    "BUSINESS_MIGRATED": "has moved it to another id; look it up at Yelp and correct it",
    "LOCATION_NOT_FOUND": "does not know where it is; correct its id in caretrace.toml",
    "NOT_FOUND": "does not know it; correct its id in caretrace.toml",
}


def connect(context: Context) -> Source:
    """Open Yelp with the key of one app."""
    chosen = settings(context, OPTIONS)
    places = places_of(context, chosen, "businesses", "yelp", "Yelp")
    if not isinstance(chosen["keep_history"], bool):
        raise SourceMisconfigured(
            f"The keep_history of source '{context.name}' must be true or false."
        )
    key = str(chosen["api_key"])
    api = Rest(
        context.name,
        "Yelp",
        chosen["endpoint"] or "https://api.yelp.com",
        patience=PATIENCE,
        grant="copy the API key of your app from Yelp's page Manage App and set api_key.",
        auth=lambda: {"authorization": f"Bearer {key}"},
        secrets=(key,),
        reading=_reading,
    )
    return Yelp(context, api, places, keep_history=chosen["keep_history"])


class Yelp:
    """The places of one app."""

    def __init__(self, context: Context, api: Rest, places: Places, *, keep_history: bool) -> None:
        self._context = context
        self._api = api
        self._places = places
        self._keep_history = keep_history

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """The ratings of today, in place of earlier ones unless history is kept."""
        today = self._places.today(self._context)
        since = today if self._keep_history else date.min
        yield Slice(
            name="ratings at Yelp",
            rows=(Reputation,),
            cursor_key="ratings",
            read=partial(self._read, today),
            window=Window(since, today),
        )

    def probe(self) -> str:
        """The rating of each place."""
        return self._places.said(self._standing)

    def _read(self, today: date) -> Iterator[Item]:
        yield from self._places.standings(today, self._standing)
        yield Cursor(today.isoformat())

    def _standing(self, place: str) -> Standing:
        try:
            return self._api.ask("GET", f"/v3/businesses/{quote(place, safe='')}", read=_standing)
        except _OfOnePlace as refusal:
            code = str(refusal)
        raise PlaceRefused(f"Yelp {OF_ONE_PLACE[code]} ({place}, {code}).")


class _OfOnePlace(PlaceRefused):
    """Yelp's code for why it does not show one place."""


def _standing(answer: Answer) -> Standing:
    said = answer.object()
    reviews = number(said.get("review_count"))
    if reviews is None:
        raise ValueError
    # Without a review the rating is 0, which is no rating.
    return Standing(number(said.get("rating")) if reviews else None, int(reviews))


def _reading(answer: Answer) -> SourceError | Passing | None:
    code = _code(answer)
    if code in OF_ONE_PLACE:
        return _OfOnePlace(code)
    if answer.status != 429:
        return None
    if code == "ACCESS_LIMIT_REACHED":
        reset = answer.headers.get("ratelimit-resettime", "").strip()[:16].replace("T", " ")
        when = f"after {reset} UTC" if reset else "after midnight UTC"
        return SourceBusy(
            f"Yelp's daily limit of requests is used up; refresh {when}, or buy a larger plan."
        )
    return throttled("Yelp", retry_after(answer.headers), "too many requests a second")


def _code(answer: Answer) -> str:
    try:
        said: Any = answer.object().get("error")
    except ValueError:
        return ""
    return str(said.get("code") or "") if isinstance(said, dict) else ""
