"""How the demo's budgets move: flights, drops, pushes and pauses, each channel in its own time.

What moves everywhere in the same weeks is what a marketing mix model learns from; what moves at one
place alone is what a comparison of places learns from. A planner does both.
"""

from dataclasses import dataclass

import numpy as np

from attribution.demo.draws import Draws, Floats

_PLACES = 3


@dataclass(frozen=True, slots=True)
class Flight:
    """On for some weeks of every so many, each place some weeks after the one before."""

    every: int
    on: int
    apart: int


@dataclass(frozen=True, slots=True)
class Pushes:
    """Every so many weeks a budget is decided anew: each of these levels in turn, in any order."""

    every: int
    levels: tuple[float, ...]


FLIGHTS = {
    "offline_media": Flight(every=19, on=11, apart=3),
    "video": Flight(every=24, on=15, apart=3),
    "direct_mail": Flight(every=6, on=1, apart=1),
}
# Their means are 1, so that a year costs what it would at a steady budget. A nought is a pause.
PUSHES = {
    "nonbrand": Pushes(11, (0.4, 1.6)),
    "paid_social": Pushes(8, (0.15, 0.75, 2.1)),
    "display": Pushes(10, (0.0, 0.8, 2.2)),
    "directory": Pushes(13, (0.1, 0.9, 2.0)),
    "direct_mail": Pushes(12, (0.25, 1.75)),
    "referral_web": Pushes(9, (0.0, 2.0)),
}


def flights(lever: str, weeks: int) -> Floats:
    """Week x place: what a budget that is not always on comes to, 1 in the mean."""
    flight = FLIGHTS.get(lever)
    if flight is None:
        return np.ones((weeks, _PLACES))
    week, place = np.arange(weeks)[:, None], np.arange(_PLACES)[None, :]
    on = (week + flight.apart * place) % flight.every < flight.on
    return np.where(on, flight.every / flight.on, 0.0)


def pushes(seed: int, number: int, lever: str, weeks: int) -> Floats:
    """Week x 1: what is pushed and paused everywhere in the same weeks, 1 in the mean.

    Every level comes as often as the others; which comes when is the seed's.
    """
    plan = PUSHES.get(lever)
    if plan is None:
        return np.ones((weeks, 1))
    turns = len(plan.levels)
    draws = Draws(seed + 102, np.arange(turns) + 10 * number)
    begun = int(draws.uniform(0)[0] * plan.every)
    decided = (np.arange(weeks) + begun) // plan.every
    order = [np.argsort(draws.uniform(1, turn)) for turn in range(int(decided[-1]) // turns + 1)]
    levels = np.array(plan.levels)[np.concatenate(order)]
    return levels[decided][:, None]


def swings(seed: int, number: int, weeks: int) -> Floats:
    """Week x place: budgets move by place every four weeks or so, and a little every week."""
    draws = Draws(seed + 101, np.arange(_PLACES) + 10 * number)
    blocks = np.stack([draws.uniform(1, week // 4) for week in range(weeks)])
    noise = np.stack([draws.uniform(2, week) for week in range(weeks)])
    return (0.65 + 0.7 * blocks) * (0.94 + 0.12 * noise)
