"""AirNow: the air quality index that monitors in the United States measured, day by day.

One question is one day of one place, and a key may ask 500 an hour. A long first load therefore
takes several refreshes; each goes on where the last one stopped. The index of a day is that of the
worst pollutant, as the EPA defines it. Values are preliminary.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from connectors.errors import SourceBusy, SourceChanged, SourceError, SourceRefused
from connectors.options import redacted
from connectors.patience import Passing, Patience
from connectors.rest import Answer, Rest
from connectors.source import Context, Window
from connectors.watched_places import Place
from connectors.windows import single_days

ADDRESS = "https://www.airnowapi.org"
MOST_AN_HOUR = 500
# Left for the probe and for repeats.
_SPARED = 40
_GRANT = "check the key on docs.airnowapi.org, and set it as the source's api_key."


def open_service(
    context: Context, key: str, chosen: Mapping[str, Any], patience: Patience
) -> "AirNow":
    """AirNow, as one key may ask it."""
    rest = Rest(
        context.name,
        "AirNow",
        chosen["endpoint"] or ADDRESS,
        patience=patience,
        grant=_GRANT,
        secrets=(key,),
        reading=lambda answer: _reading(context.name, answer, key),
    )
    return AirNow(context.name, rest, key, int(chosen["distance"]))


class AirNow:
    """The daily index of reporting areas."""

    name = "AirNow"
    restated_days = 3

    def __init__(self, source: str, rest: Rest, key: str, distance: int) -> None:
        self._source = source
        self._rest = rest
        self._key = key
        self._distance = distance
        self._asked = 0

    def before(self, window: Window) -> None:
        """Stop while the hour's questions last: a month cut short would be asked for again."""
        days = (window.until - window.since).days + 1
        if self._asked + days > MOST_AN_HOUR - _SPARED:
            raise SourceBusy(
                f"AirNow allows {MOST_AN_HOUR} questions an hour, and source '{self._source}' has "
                "more days to load; refresh again in 1 hour, it goes on where it stopped."
            )

    def days(self, place: Place, window: Window) -> Iterator[tuple[date, float]]:
        """The index of each day that AirNow has one for."""
        for single in single_days(window):
            day = single.since
            indexes = [
                float(said["AQI"])
                for said in self._day(place, day)
                if said.get("AQI", -1) not in (-1, None)  # -1: measured, but not whole
            ]
            if indexes:
                yield day, max(indexes)

    def _day(self, place: Place, day: date) -> list[dict[str, Any]]:
        self._asked += 1
        return self._rest.ask(
            "GET",
            "aq/observation/latLong/historical/",
            params={
                "format": "application/json",
                "latitude": place.latitude,
                "longitude": place.longitude,
                "date": f"{day}T00-0000",
                "distance": self._distance,
                "API_KEY": self._key,
            },
            read=lambda answer: self._observed(answer, day),
        )

    def _observed(self, answer: Answer, day: date) -> list[dict[str, Any]]:
        said = answer.json()
        if isinstance(said, dict):  # some refusals come with status 200
            raise _refusal(self._source, answer, self._key)
        if not isinstance(said, list) or not all(isinstance(each, dict) for each in said):
            raise ValueError
        for each in said:
            if not str(each.get("DateObserved", "")).startswith(day.isoformat()):
                raise SourceChanged(f"AirNow gave another day than {day}; update caretrace.")
        return said


def _reading(source: str, answer: Answer, key: str) -> SourceError | Passing | None:
    if answer.status == 429:
        return SourceBusy("AirNow's questions of this hour are used up; refresh again in 1 hour.")
    if answer.status < 500 and b"WebServiceError" in answer.body:
        return _refusal(source, answer, key)
    return None


def _refusal(source: str, answer: Answer, key: str) -> SourceError:
    """What AirNow says in its own form of an error."""
    try:
        words = str(answer.object()["WebServiceError"][0]["Message"])
    except (ValueError, LookupError, TypeError):
        words = "no reason given"
    if "key" in words.lower():
        return SourceRefused(f"AirNow refused source '{source}'; {_GRANT}")
    if "limit" in words.lower():
        return SourceBusy("AirNow's questions of this hour are used up; refresh again in 1 hour.")
    return SourceChanged(f"AirNow did not understand our request: {redacted(words, (key,))}")
