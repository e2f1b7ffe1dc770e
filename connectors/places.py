"""What review platforms have in common: places, each with a rating of the day.

One place that a platform refuses must not cost the others theirs: it is listed as a row that was
kept out, with what to do about it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.contract import Reputation
from connectors.errors import SourceMisconfigured, SourceRefused
from connectors.source import Context, Item, Rejected

STARS = 5.0


class PlaceRefused(SourceRefused):
    """The platform does not answer for this one place; it may for others."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The rating of a place, None where nobody has rated it, and by how many reviews."""

    rating: float | None
    reviews: int


@dataclass(frozen=True, slots=True)
class Places:
    """The places of one source on one platform."""

    platform: str
    vendor: str
    locations: Mapping[str, str]  # the platform's id -> location
    timezone: str

    def today(self, context: Context) -> date:
        """The day it is at the places."""
        return context.now.astimezone(ZoneInfo(self.timezone)).date()

    def standings(self, day: date, ask: Callable[[str], Standing]) -> Iterator[Item]:
        """A row for each place that the platform answers for; if it answers for none, its error."""
        refused: list[PlaceRefused] = []
        for number, (place, location) in enumerate(self.locations.items(), start=1):
            try:
                standing = ask(place)
            except PlaceRefused as refusal:
                refused.append(refusal)
                yield Rejected(
                    f"{self.vendor} places", number, "place", "", str(refusal), "reputation"
                )
                continue
            yield Reputation(
                day=day,
                timezone=self.timezone,
                platform=self.platform,
                place=place,
                rating=standing.rating,
                scale_max=STARS,
                reviews=standing.reviews,
                location=location,
            )
        if len(refused) == len(self.locations):
            raise refused[0]

    def said(self, ask: Callable[[str], Standing]) -> str:
        """Each place with its rating, in words."""
        told = []
        for place, location in self.locations.items():
            standing = ask(place)
            if standing.rating is None:
                told.append(f"{location} has no rating yet")
            else:
                stars = f"{round(standing.rating, 2):g} of 5"
                told.append(f"{location} has {stars} (reviews: {standing.reviews:,})")
        return f"{self.vendor} answers; {'; '.join(told)}."


def places_of(
    context: Context, chosen: Mapping[str, Any], option: str, platform: str, vendor: str
) -> Places:
    """The places that the settings name."""
    given, zone = chosen[option], str(chosen["timezone"])
    whole = isinstance(given, dict) and all(isinstance(name, str) for name in given.values())
    if not whole or not given:
        raise SourceMisconfigured(
            f"The {option} of source '{context.name}' must be a table of the places' numbers at "
            f'{vendor}, each with a location, as "id" = "North".'
        )
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise SourceMisconfigured(
            f"The timezone of source '{context.name}' is no name such as America/New_York."
        ) from None
    return Places(platform, vendor, given, zone)


def number(value: Any) -> float | None:
    """A number, None where there is none; a ValueError where the answer has something else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return float(value)
