"""Air quality: the US air quality index by place and day, from AirNow or Open-Meteo.

AirNow tells what monitors in the United States measured, one day of one place a question, and
allows 500 questions an hour. Open-Meteo computes the same index from the Copernicus model for any
place on Earth, a month a question.
"""

import logging
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import partial
from typing import Protocol

from connectors import airnow, open_meteo
from connectors.contract import Environment
from connectors.errors import SourceMisconfigured
from connectors.options import settings
from connectors.patience import Patience
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
from connectors.watched_places import PLACES, Place, places_of
from connectors.windows import open_windows, settled_by

OPTIONS = (
    Option("provider", "airnow (United States) or open_meteo (anywhere)."),
    PLACES,
    Option("api_key", "AirNow's or Open-Meteo's key.", False, secret=True),
    Option("distance", "Miles within which AirNow may take a monitor.", False, default=25),
    Option("noncommercial", "true: your use of Open-Meteo is not commercial.", False),
    ENDPOINT,
)
# Beyond 500 the index is not defined, but in the smoke of great fires it is reported.
HIGHEST = 999
PATIENCE = Patience(attempts=5)

# Both vendors want their key in the address, and httpx logs addresses.
logging.getLogger("httpx").setLevel(logging.WARNING)


class Provider(Protocol):
    """Who is asked."""

    name: str
    restated_days: int

    def before(self, window: Window) -> None:
        """Raise SourceBusy where the window would ask for more than is allowed."""
        ...

    def days(self, place: Place, window: Window) -> Iterator[tuple[date, float]]:
        """The index of the days of a window; days without one are left out."""
        ...


def connect(context: Context) -> Source:
    """Check the settings, and that the terms of the provider are kept."""
    chosen = settings(context, OPTIONS)
    places = places_of(context.name, chosen["places"])
    key = str(chosen["api_key"] or "")
    provider: Provider
    if chosen["provider"] == "airnow":
        if not key:
            raise SourceMisconfigured(
                f"Source '{context.name}' has no api_key; get one at docs.airnowapi.org and set it "
                "in the environment."
            )
        provider = airnow.open_service(context, key, chosen, PATIENCE)
    elif chosen["provider"] == "open_meteo":
        if not (key or chosen["endpoint"] or chosen["noncommercial"] is True):
            raise SourceMisconfigured(
                "Open-Meteo's free service is for non-commercial use: give source "
                f"'{context.name}' an api_key, or set noncommercial = true if that is what it is."
            )
        provider = open_meteo.open_service(context, key, chosen, PATIENCE)
    else:
        raise SourceMisconfigured(
            f"The provider of source '{context.name}' must be airnow or open_meteo."
        )
    return AirQuality(context, provider, places)


class AirQuality:
    """Some places and who is asked about them."""

    def __init__(self, context: Context, provider: Provider, places: tuple[Place, ...]) -> None:
        self._context = context
        self._provider = provider
        self._places = places

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """A month of each place, then the next: from the first day, and what may be restated."""
        last_day = self._last_day()
        open_ones = [
            (window, place)
            for place in self._places
            for window in open_windows(
                self._context.first_day, last_day, cursors.get(self._cursor_key(place))
            )
        ]
        for window, place in sorted(open_ones, key=lambda each: (each[0].since, each[1].name)):
            self._provider.before(window)
            yield Slice(
                name=f"air quality at {place.name} {window.since} to {window.until}",
                rows=(Environment,),
                cursor_key=self._cursor_key(place),
                asked=window,
                read=partial(
                    self._read,
                    place,
                    window,
                    settled_by(window, last_day, self._provider.restated_days),
                ),
            )

    def probe(self) -> str:
        """The index of the first place on the last whole day."""
        place, day = self._places[0], self._last_day()
        found = dict(self._provider.days(place, Window(day, day)))
        said = f"an index of {found[day]:.0f}" if day in found else "no index"
        return (
            f"{self._provider.name} has {said} for {place.name} on {day}. "
            f"Places: {len(self._places)}."
        )

    def _cursor_key(self, place: Place) -> str:
        return f"{self._provider.name}:{place.key}"

    def _last_day(self) -> date:
        """Yesterday, where it is latest on Earth: a day that is over everywhere."""
        return (self._context.now - timedelta(hours=12)).date() - timedelta(days=1)

    def _read(self, place: Place, window: Window, cursor: Cursor) -> Iterator[Item]:
        name = f"air quality at {place.name} {window.since} to {window.until}"
        table = Environment.spec.table
        known = False
        for number, (day, index) in enumerate(self._provider.days(place, window), start=1):
            known = True
            if 0 <= index <= HIGHEST:
                yield Environment(day, place.name, air_quality_index=index)
            else:
                reason = f"is no air quality index from 0 to {HIGHEST}"
                shape = shape_of(f"{index:g}")
                yield Rejected(name, number, "air_quality_index", shape, reason, table)
        if not known:
            reason = f"{self._provider.name} knows the air of none of these days here"
            yield Rejected(name, 0, "place", "", reason, table)
        yield cursor
