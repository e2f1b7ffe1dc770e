"""Open-Meteo: the US air quality index as the Copernicus model computes it, for any place.

The index is told by the hour; a day's is its highest, and a day of which more than six hours are
missing has none. Hours are the place's own.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from connectors.errors import SourceBusy, SourceChanged, SourceError, SourceRefused
from connectors.options import redacted
from connectors.patience import Passing, Patience, throttled
from connectors.rest import Answer, Rest
from connectors.source import Context, Window
from connectors.watched_places import Place

FREE = "https://air-quality-api.open-meteo.com"
PAID = "https://customer-air-quality-api.open-meteo.com"
# The EPA's rule: three quarters of a day must be there.
FEWEST_HOURS = 18
_GRANT = "check the key in your Open-Meteo account, and set it as the source's api_key."


def open_service(
    context: Context, key: str, chosen: Mapping[str, Any], patience: Patience
) -> "OpenMeteo":
    """Open-Meteo's free or paid service, or one's own."""
    rest = Rest(
        context.name,
        "Open-Meteo",
        chosen["endpoint"] or (PAID if key else FREE),
        patience=patience,
        grant=_GRANT,
        secrets=(key,),
        reading=lambda answer: _reading(context.name, answer, key),
    )
    return OpenMeteo(rest, key)


class OpenMeteo:
    """The highest hourly index of each day."""

    name = "Open-Meteo"
    restated_days = 7  # the model is computed again as measurements come in

    def __init__(self, rest: Rest, key: str) -> None:
        self._rest = rest
        self._key = key

    def before(self, window: Window) -> None:
        """A month is one question of ten thousand a day."""

    def days(self, place: Place, window: Window) -> Iterator[tuple[date, float]]:
        """The index of each day that is there almost whole."""
        hours: dict[date, list[float]] = defaultdict(list)
        for day, index in self._hours(place, window):
            if index is not None and window.since <= day <= window.until:
                hours[day].append(index)
        for day, found in sorted(hours.items()):
            if len(found) >= FEWEST_HOURS:
                yield day, max(found)

    def _hours(self, place: Place, window: Window) -> list[tuple[date, float | None]]:
        params = {
            "latitude": place.latitude,
            "longitude": place.longitude,
            "hourly": "us_aqi",
            "timezone": "auto",
            "start_date": window.since.isoformat(),
            "end_date": window.until.isoformat(),
        } | ({"apikey": self._key} if self._key else {})
        return self._rest.ask("GET", "v1/air-quality", params=params, read=_hourly)


def _hourly(answer: Answer) -> list[tuple[date, float | None]]:
    said = answer.object()
    try:
        times, indexes = said["hourly"]["time"], said["hourly"]["us_aqi"]
        pairs = list(zip(times, indexes, strict=True))
        return [(date.fromisoformat(t[:10]), None if i is None else float(i)) for t, i in pairs]
    except (LookupError, TypeError, ValueError):
        raise SourceChanged(
            "Open-Meteo's answer has no hours of us_aqi; check the endpoint, or update caretrace."
        ) from None


def _reading(source: str, answer: Answer, key: str) -> SourceError | Passing | None:
    try:
        words = str(json.loads(answer.body)["reason"])
    except (ValueError, LookupError, TypeError):
        return None
    if answer.status == 429:
        if "minute" in words.lower():
            return throttled("Open-Meteo", 60.0)
        when = "tomorrow" if "daily" in words.lower() else "in 1 hour"
        return SourceBusy(f"Open-Meteo's questions are used up; refresh again {when}.")
    if answer.status in (400, 401, 403) and "key" in words.lower():
        return SourceRefused(f"Open-Meteo refused source '{source}'; {_GRANT}")
    if answer.status == 400:
        said = redacted(words, (key,))
        return SourceChanged(f"Open-Meteo did not understand our request: {said}")
    return None
