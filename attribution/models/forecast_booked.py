"""What is booked already says of the weeks to come: of kept visits, and of new patients.

Most visits of the next weeks stand in the calendar when they are foretold. Of a week that is h
weeks ahead the forecast is

    level_h + theta_h * what stood in the calendar h weeks before it * visits per booking

where the level is what else comes (booked later, or without a booking), smoothed as in simple
exponential smoothing, and theta what bookings so long before tell. Both are searched on a grid for
each h by itself, and what all settings say is averaged, weighted by how likely each makes the weeks
that came (Bornhuetter and Ferguson, *The actuary and IBNR*, Proceedings of the Casualty Actuarial
Society 59, 1972, estimate what is still to come of a known part in the same way). Levels move
slowly here: what is quick is in the calendar.
"""

from collections.abc import Set

import numpy as np
import pandas as pd

from attribution.models.forecast_series import DIMENSIONS, REST, TOTAL, Floats, Key

FORETOLD = frozenset({"kept", "new_patient"})
_TOLD = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.25])
_LEVELS = np.array([1e-4, 0.01, 0.03, 0.05, 0.08, 0.12, 0.17])
_FIRST = 10  # weeks from which the level begins
_USUAL = 13  # newest weeks that say how much usually stands in the calendar
# Of that, what must stand there; less, and the source does not tell of visits so far ahead.
_LEAST = 1 / 3
_SOME = 0.1  # of what came in a week: what must usually be booked before, to say anything


def split(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Weekly numbers, and what was booked ahead: rows with `weeks_ahead`."""
    ahead = rows["weeks_ahead"].notna()
    return rows[~ahead], rows[ahead]


def booked_of(
    key: Key,
    mondays: list[str],
    horizon: int,
    rows: pd.DataFrame,
    named: Set[str] = frozenset(),
) -> tuple[tuple[float, ...], ...] | None:
    """How many visits stood in the calendar of each week of `mondays` when it was h weeks ahead.

    A row a week, a column for each h from nought to `horizon`: booked at least so many weeks
    before. `rows` has metric, dimension, member, week, weeks_ahead and value. None of numbers that
    are not booked, and of channels, which are credited only once a visit was kept.
    """
    if key.metric not in FORETOLD or key.dimension == DIMENSIONS[0]:
        return None
    own = rows[(rows["metric"] == key.metric) & (rows["dimension"] == key.dimension)]
    if key.dimension != TOTAL:
        mine = own["member"].isin(named)
        own = own[~mine] if key.member == REST else own[own["member"] == key.member]
    at = pd.Index(mondays).get_indexer(pd.Index(own["week"].astype("str").str[:10]))
    ahead = np.minimum(own["weeks_ahead"].to_numpy(dtype="int64"), horizon)
    made = np.zeros((len(mondays), horizon + 1))
    inside = at >= 0
    np.add.at(made, (at[inside], ahead[inside]), own["value"].to_numpy(dtype="float64")[inside])
    if not made.any():
        return None
    standing = made[:, ::-1].cumsum(axis=1)[:, ::-1]
    return tuple(tuple(map(float, row)) for row in standing)


def reach(booked: Floats, length: int) -> int:
    """So many weeks ahead the calendar tells of; nought where the source tells of no visit to come.

    `length` weeks have been seen. A source may hand over past visits alone, or those of the next
    fortnight: what it does not tell of must not be taken for an empty calendar.
    """
    ahead = np.arange(1, min(booked.shape[1] - 1, len(booked) - length) + 1)
    usual = booked[max(length - _USUAL, 0) : length, ahead].mean(axis=0)
    stands = booked[length + ahead - 1, ahead]
    much = usual >= _SOME * max(float(booked[:length, 0].mean()), 1e-9)
    low = stands < _LEAST * usual
    # One week alone may be closed.
    told = much & ~(low & np.append(low[1:], True))
    return len(told) if told.all() else int(np.argmin(told))


def expected(values: Floats, booked: Floats, horizon: int) -> Floats:
    """What `values` (oldest first) will be in the next weeks, from what is booked for them.

    Beyond what the calendar reaches the level alone goes on. `booked` begins with the first of
    `values`.
    """
    length = len(values)
    ahead = np.arange(1, horizon + 1)
    told = ahead <= reach(booked, length)
    each = float(values.sum()) / max(float(booked[:length, 0].sum()), 1e-9)
    stood = booked[:length, 1 : horizon + 1].T * each * told[:, None]
    stands = np.where(told, booked[length + ahead - 1, ahead], 0.0) * each
    left = values - _TOLD[:, None, None] * stood  # theta x weeks ahead x week
    level = np.repeat(left[:, :, :_FIRST].mean(axis=2)[..., None], len(_LEVELS), axis=2)
    squares = np.zeros_like(level)
    for week in range(length):
        missed = left[:, :, week, None] - level
        squares += missed * missed
        level = level + _LEVELS * missed
    chance = -0.5 * length * np.log(np.maximum(squares, 1e-12) / length)
    weight = np.exp(chance - chance.max(axis=(0, 2), keepdims=True))
    said = level + (_TOLD[:, None] * stands)[..., None]
    return np.asarray((weight * said).sum(axis=(0, 2)) / weight.sum(axis=(0, 2)))
