"""Pollen: Google's index for trees, grasses and weeds, by place and day.

Google foretells up to five days and remembers none. Each refresh loads today and the days to come;
a day's row is overwritten until the day itself, so what stays is what was said nearest to it.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import partial
from typing import Any

from connectors.contract import Environment
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceError,
    SourceMisconfigured,
    SourceRefused,
)
from connectors.options import settings
from connectors.patience import Passing, Patience
from connectors.rest import Answer, Rest
from connectors.shapes import shape_of
from connectors.source import ENDPOINT, Context, Cursor, Item, Option, Rejected, Slice, Source
from connectors.watched_places import PLACES, Place, places_of

OPTIONS = (
    Option("api_key", "API key of a project with the Pollen API.", secret=True),
    PLACES,
    Option("days", "Days to ask for, 1 to 5.", False, default=5),
    Option("may_be_stored", "true: your agreement with Google lets you store its pollen data."),
    ENDPOINT,
)
ADDRESS = "https://pollen.googleapis.com"
HIGHEST = 5
COLUMNS = {"TREE": "pollen_tree", "GRASS": "pollen_grass", "WEED": "pollen_weed"}
PATIENCE = Patience(attempts=5)


def connect(context: Context) -> Source:
    """Check the settings and the right to store."""
    chosen = settings(context, OPTIONS)
    places = places_of(context.name, chosen["places"])
    days = chosen["days"]
    if type(days) is not int or not 1 <= days <= 5:
        raise SourceMisconfigured(f"The days of source '{context.name}' must be 1 to 5.")
    if chosen["may_be_stored"] is not True:
        raise SourceMisconfigured(
            "Google's terms forbid storing pollen data unless your agreement allows it; source "
            f"'{context.name}' loads it once may_be_stored = true says that yours does."
        )
    key = str(chosen["api_key"])
    rest = Rest(
        context.name,
        "Google Pollen",
        chosen["endpoint"] or ADDRESS,
        patience=PATIENCE,
        grant="enable the Pollen API and billing in the key's project, and lift restrictions of "
        "the key that keep this machine out.",
        # In the address it would be in every log between here and Google.
        auth=lambda: {"x-goog-api-key": key},
        secrets=(key,),
        reading=partial(_reading, context.name),
    )
    return Pollen(context.name, rest, places, days)


class Pollen:
    """Some places."""

    def __init__(self, source: str, rest: Rest, places: tuple[Place, ...], days: int) -> None:
        self._source = source
        self._rest = rest
        self._places = places
        self._days = days

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """One slice for each place, at every refresh; rows are merged by place and day."""
        for place in self._places:
            yield Slice(
                name=f"pollen at {place.name}",
                rows=(Environment,),
                cursor_key=f"pollen:{place.key}",
                read=partial(self._read, place),
            )

    def probe(self) -> str:
        """What is in the air at the first place today."""
        place = self._places[0]
        found = self._forecast(place, 1)
        if not found:
            return f"Google Pollen answers, but does not cover {place.name}."
        said = {name: _index(found[0], code) for code, name in COLUMNS.items()}
        named = ", ".join(
            f"{name.removeprefix('pollen_')} {'unknown' if value is None else f'{value:g}'}"
            for name, value in said.items()
        )
        return f"Google Pollen says for {place.name} today: {named}. Places: {len(self._places)}."

    def _read(self, place: Place) -> Iterator[Item]:
        days = self._forecast(place, self._days)
        name = f"pollen at {place.name}"
        if not days:
            yield Rejected(
                name, 0, "place", "", "Google does not cover this place", Environment.spec.table
            )
            return
        first = _day(days[0])
        for number, said in enumerate(days, start=1):
            on = _day(said)
            values = {column: _index(said, code) for code, column in COLUMNS.items()}
            wrong = [c for c, v in values.items() if v is not None and not 0 <= v <= HIGHEST]
            if wrong:
                shape = shape_of(str(values[wrong[0]]))
                reason = f"is no index from 0 to {HIGHEST}"
                yield Rejected(name, number, wrong[0], shape, reason, Environment.spec.table)
            elif any(value is not None for value in values.values()):
                yield Environment(on, place.name, **values, forecast_days=(on - first).days)
        yield Cursor(max(_day(said) for said in days).isoformat())

    def _forecast(self, place: Place, days: int) -> list[dict[str, Any]]:
        """The days that Google tells of; none where it does not cover the place."""
        params: dict[str, Any] = {
            "location.latitude": place.latitude,
            "location.longitude": place.longitude,
            "days": days,
            "plantsDescription": "false",
        }
        found: list[dict[str, Any]] = []
        while True:
            said = self._rest.ask(
                "GET", "v1/forecast:lookup", params=params, expected=(200, 400, 404), read=_covered
            )
            found += said.get("dailyInfo") or []
            token = said.get("nextPageToken")
            if not token:
                return found
            if token == params.get("pageToken"):
                raise SourceChanged("Google Pollen gave the same page twice; refresh again.")
            params["pageToken"] = token


def _covered(answer: Answer) -> dict[str, Any]:
    """The answer, or nothing where Google says that it has no data for the place."""
    said = answer.object()
    if answer.status == 200:
        return said
    error = said.get("error") or {}
    words = str(error.get("message", "")).lower()
    if error.get("status") == "NOT_FOUND" or "unavailable for this location" in words:
        return {}
    raise _refused(answer, words)


def _refused(answer: Answer, words: str) -> SourceError:
    if "api key" in words or b"API_KEY" in answer.body:
        return SourceRefused(
            "Google Pollen did not accept the API key; make a new one in the Google Cloud console "
            "and put it into api_key."
        )
    return SourceChanged(
        f"Google Pollen did not understand our request (status {answer.status}); check the days "
        "and places of the source, or update caretrace."
    )


def _reading(source: str, answer: Answer) -> SourceError | Passing | None:
    if answer.status == 429 and (b"per day" in answer.body or b"PerDay" in answer.body):
        return SourceBusy("Google Pollen's daily quota is used up; refresh after midnight Pacific.")
    if answer.status == 403 and b"API_KEY_SERVICE_BLOCKED" in answer.body:
        return SourceRefused(
            f"The API key of source '{source}' is restricted to other APIs; add the Pollen API to "
            "its restrictions in the Google Cloud console."
        )
    return None


def _day(said: Mapping[str, Any]) -> date:
    try:
        on = said["date"]
        return date(on["year"], on["month"], on["day"])
    except (KeyError, TypeError, ValueError):
        raise SourceChanged("Google Pollen gave a day without a date; update caretrace.") from None


def _index(said: Mapping[str, Any], code: str) -> float | None:
    """The index of a kind of pollen; a kind out of season has none, and zero may be left out."""
    for kind in said.get("pollenTypeInfo") or ():
        if kind.get("code") == code and (index := kind.get("indexInfo")):
            value = index.get("value", 0 if index.get("category") == "None" else None)
            return None if value is None else float(value)
    return None
