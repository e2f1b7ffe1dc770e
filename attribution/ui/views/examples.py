"""Journeys of single people as examples of why a channel gets its credit.

The permit to see people is asked for each time, also where they have been read before.
"""

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import Any

import pandas as pd

from attribution import audit, people
from attribution.models.journey_credit import shared
from attribution.paths import Home
from attribution.people import Permit
from attribution.queries import Scope
from attribution.ui import access
from attribution.ui.view import records

NONE_KEPT = (
    "No journeys of single people are kept here, so it is not known which marketing came before "
    "whose conversion: `keep_journeys` in the settings is for that."
)
MAX_EXAMPLES = 8
_BANDS = 4  # of shares, so that examples span them
# What one journey ends in, as a word for it alone.
ENDS = {
    "lead": "Lead",
    "booked": "Booked",
    "kept": "Kept visit",
    "new_patient": "New patient",
    "collected": "Payment",
}


@dataclass(frozen=True, slots=True)
class Stop:
    """Touches of one channel in a row, and how many days before the conversion they were."""

    channel: str
    touches: int
    first_days: float
    last_days: float


@dataclass(frozen=True, slots=True)
class Example:
    """One journey: its way, what it led to, and the channel's share of it under every model."""

    conversion_id: int
    stops: tuple[Stop, ...]
    kind: str
    week: object
    journeys: int  # that took the same way
    shares: dict[str, float]


def examples(home: Home, generation: int, scope: Scope, channel: str) -> tuple[Example, ...]:
    """Journeys that the channel was part of; raises NotAllowed where people may not be seen.

    Each time it is written down that they were shown, also where they were read before.
    """
    permit = access.permit(home)
    shown = _examples(home, generation, scope, channel, replace(permit, reader=""))
    if shown:
        audit.record(
            home,
            permit.reader,
            audit.PEOPLE_SEEN,
            f"example journeys of {channel}",
            reason=permit.reason,
            generation=generation,
            filters=asdict(scope),
            conversions=[each.conversion_id for each in shown],
        )
    return shown


def none_because(home: Home, generation: int) -> str:
    """Why there is no example to show; raises NotAllowed where people may not be seen."""
    if people.keeps_journeys(people.people(home, generation, access.permit(home))):
        return "None converted in these weeks. Choose a longer period."
    return NONE_KEPT


@lru_cache(maxsize=128)
def _examples(
    home: Home, generation: int, scope: Scope, channel: str, permit: Permit
) -> tuple[Example, ...]:
    at = people.people(home, generation, permit)
    ways = spanning(people.typical(at, scope, channel))
    if ways.empty:
        return ()
    touches = records(people.touches(at, list(ways["conversion_id"])))
    journeys = {
        number: list(steps)
        for number, steps in groupby(touches, key=lambda touch: touch["conversion_id"])
    }
    return tuple(
        Example(
            int(row["conversion_id"]),
            _stops(journeys[row["conversion_id"]]),
            scope.kind,
            row["week"],
            int(row["journeys"]),
            _given(journeys[row["conversion_id"]], channel),
        )
        for row in records(ways)
    )


def spanning(ways: pd.DataFrame, most: int = MAX_EXAMPLES) -> pd.DataFrame:
    """The commonest ways of every band of shares in turn; the largest share first."""
    band = (ways["share"] * _BANDS).astype("int64").clip(upper=_BANDS - 1)
    turn = ways.groupby(band, sort=False).cumcount()
    first = ways.assign(turn=turn).sort_values(
        ["turn", "journeys", "conversion_id"], ascending=[True, False, True]
    )
    return (
        first.head(most)
        .drop(columns="turn")
        .sort_values(["share", "journeys", "conversion_id"], ascending=[False, False, True])
    )


def _stops(touches: list[dict[str, Any]]) -> tuple[Stop, ...]:
    runs = (list(run) for _channel, run in groupby(touches, key=lambda touch: touch["channel"]))
    return tuple(
        Stop(run[0]["channel"], len(run), run[0]["days_before"], run[-1]["days_before"])
        for run in runs
    )


def _given(touches: list[dict[str, Any]], channel: str) -> dict[str, float]:
    own = [touch for touch in touches if touch["channel"] == channel]
    return {name: sum(touch[f"{name}_share"] for touch in own) for name in shared()}
