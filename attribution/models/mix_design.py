"""The design of the mix model: one row a week, and each channel's course at every setting.

What a channel spent carries over from week to week and saturates:

    level = kept * level before + (1 - kept) * spend            (carried, of a mass of 1)
    course = level / (level + half * usual)                     (concave; half of it at `half`)

divided by its mean over the weeks that are fitted. Whatever moves conversions besides (a level, a
slope, a season, slow waves) is taken out beforehand: only products of what is left are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attribution.models.incremental_design import AWARENESS, Bools, Floats, carried

KEPT = (0.0, 0.2, 0.4, 0.6, 0.75, 0.88)
HALVES = (0.2, 0.5, 1.2, 3.0, 9.0)  # of the channel's usual spend
SMOOTH = (0.1, 0.3, 1.0, 3.0)  # sd of the slowest wave, beside that of the noise
_SEASON = 8.0  # the same of a season: hardly held back
_HARMONICS = 3
_FREE = 1e3
_KEPT_SD, _USUAL_HALF = 0.5, 1.5
_DECAY = 0.7  # how fast waves get smaller as they get shorter; the shortest lasts eight weeks


@dataclass(frozen=True, slots=True)
class Experiment:
    """What an experiment measured of a channel: conversions brought, with part of each week."""

    channel: int
    weight: Floats  # week: which part of what the channel brought then the experiment saw
    increment: float
    standard_error: float
    by_person: bool = False
    lent: bool = False  # by a test of leads to a kind that has none of its own


@dataclass(frozen=True, slots=True)
class Courses:
    """Each channel's course at every setting: channel x setting x week, 1 in the mean."""

    kept: Floats  # setting
    half: Floats  # channel x setting, in money a week
    raw: Floats  # before it is divided by its mean
    mean: Floats  # channel x setting
    likely: Floats  # channel x setting: log of what is believed beforehand

    @property
    def usual(self) -> Floats:
        """Channel x setting x week, of a mean of 1 over the weeks that are fitted."""
        ones: Floats = self.raw / self.mean[:, :, None]
        return ones


def courses_of(spend: Floats, seen: Bools, channels: Sequence[str]) -> Courses:
    """The courses of `spend` (channel x week); the mean is over the weeks `seen`."""
    usual = spend[:, seen].mean(axis=1)
    usual = np.where(usual > 0, usual, 1.0)
    rows, kept, halves = [], [], []
    for left in KEPT:
        level = carried(spend, left)
        for half in HALVES:
            at = half * usual
            rows.append(level / (level + at[:, None]))
            kept.append(left)
            halves.append(at)
    raw = np.stack(rows, axis=1)
    mean = raw[:, :, seen].mean(axis=2)
    every = np.array(kept)
    # Media that make a name known work for longer than media that answer who is looking.
    centre = np.array([0.6 if name in AWARENESS else 0.3 for name in channels])
    likely = -((every[None, :] - centre[:, None]) ** 2) / (2 * _KEPT_SD**2)
    # A course that is half full at a fraction of the usual spend is nearly flat, and what is flat
    # cannot be told from the level.
    likely = likely - np.log(np.array(HALVES * len(KEPT)) / _USUAL_HALF) ** 2 / 2
    return Courses(every, np.stack(halves, axis=1), raw, np.maximum(mean, 1e-12), likely)


@dataclass(frozen=True, slots=True)
class Products:
    """Products of courses and conversions, once the waves of each smoothness are taken out.

    For each smoothness: columns x columns, columns x kind, kind, and half the log volume.
    """

    columns: Floats
    conversions: Floats
    squares: Floats
    volume: Floats


def products_of(courses: Floats, conversions: Floats, seen: Bools) -> Products:
    """`courses` channel x setting x week, `conversions` kind x week."""
    columns = courses.reshape(-1, courses.shape[-1])[:, seen]
    counted = conversions[:, seen]
    nuisance, season = _nuisance(conversions.shape[1])
    nuisance = nuisance[:, seen]
    found = []
    for smooth in SMOOTH:
        sd = season * np.where(season < 0, -smooth, 1.0)
        inner = nuisance @ nuisance.T + np.diag(1 / sd**2)
        solved = np.linalg.solve(inner, nuisance)
        left = columns - (columns @ nuisance.T) @ solved
        rest = counted - (counted @ nuisance.T) @ solved
        volume = -0.5 * float(np.linalg.slogdet(inner)[1]) - float(np.log(sd).sum())
        found.append((columns @ left.T, columns @ rest.T, (counted * rest).sum(axis=1), volume))
    gram, cross, squares, volumes = zip(*found, strict=True)
    return Products(np.stack(gram), np.stack(cross), np.stack(squares), np.array(volumes))


def _nuisance(weeks: int) -> tuple[Floats, Floats]:
    """Courses of a level, a slope, a season and waves; the sd of each, waves' below zero."""
    at, place = np.arange(weeks), (np.arange(weeks) + 0.5) / weeks
    rows, sds = [np.ones(weeks), 2 * place - 1], [_FREE, _FREE]
    if weeks >= 60:
        for wave in range(1, _HARMONICS + 1):
            turn = 2 * np.pi * wave * at / 52.18
            rows += [np.cos(turn), np.sin(turn)]
            sds += [_SEASON / wave] * 2
    for wave in range(1, max(2, weeks // 4) + 1):
        rows.append(np.sqrt(2) * np.cos(np.pi * wave * place))
        sds.append(-1 / wave**_DECAY)
    return np.stack(rows), np.array(sds)
