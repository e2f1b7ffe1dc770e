"""Marketing mix: what each channel brings in a week, as a curve of what it is given.

Learned from whole weeks alone, without places and without journeys, so it speaks of every channel
that money or messages went into, offline and untracked media too. Lift tests and holdouts are heard
where there are any. A hundred draws of every kind and channel are published. See docs/mix.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from attribution.models.incremental import led_by_media
from attribution.models.incremental_design import (
    Bools,
    Cells,
    Floats,
    cells_of,
    in_order,
    media_of,
)
from attribution.models.incremental_evidence import covered, terms_of
from attribution.models.mix_design import Courses, Experiment, courses_of, products_of
from attribution.models.mix_draws import Drawn, Sampler, believed
from attribution.models.mix_weeks import (
    FEWEST_WEEKS,
    MONEY,
    WARM_UP,
    Weekly,
    alike,
    counted_of,
    lent,
    parts_of,
    tests_of,
    weekly_of,
    worth_of,
)

COLUMNS = {
    "kind": "str", "channel": "str", "draw": "int64", "top": "float64", "half": "float64",
    "brought": "float64", "spend": "float64", "today": "float64", "least": "float64",
    "most": "float64", "known": "float64", "holdouts": "int64", "lift_tests": "int64",
    "weeks": "int64",
}  # fmt: skip
_NOTHING = pd.DataFrame({name: [] for name in COLUMNS}).astype(COLUMNS)
DRAWS = 100
YEAR, QUARTER, MONTH = 52, 13, 4  # weeks: of what is told; of today's spend; of a range ever spent
_INNER = 3  # draws behind each published one; their mean is the estimate
# Draws are spread this much further from their mean: what the model cannot know of itself. Found
# on simulated worlds (benchmarks/mix.py), other ones than those its figures are of.
WIDER = 1.3
_SEED = 20_260_102


def mix_draws(
    conversions: pd.DataFrame,
    media: pd.DataFrame,
    journeys: pd.DataFrame,
    holdouts: pd.DataFrame,
    tests: pd.DataFrame,
    report: pd.DataFrame,
    reported: pd.DataFrame,
) -> pd.DataFrame:
    """A hundred draws of every kind's and channel's curve; COLUMNS.

    `conversions` has kind, service_line, location, week, conversions, value_micros; the other
    frames are those of `incremental.draws_of`, and `reported` is `int_reported`. `top` and `half`
    are of `response.Curves`, a week in money of reports; `brought` and `spend` are of the last year
    that is fitted, `today` is a week's money of the last quarter, whatever is counted, `least` and
    `most` are the ends of what a month's weeks were ever given.
    """
    if media.empty or conversions.empty:
        return _NOTHING.copy()
    tests = covered(conversions, media, tests)
    conversions, media, journeys, holdouts, tests = (
        in_order(frame) for frame in (conversions, media, journeys, holdouts, tests)
    )
    cells = cells_of(conversions, media)
    pressing = media_of(media, cells) if len(cells.weeks) >= FEWEST_WEEKS + WARM_UP else []
    if not pressing:
        return _NOTHING.copy()
    weekly = weekly_of(pressing, cells, media, str(report["currency"].iloc[0]))
    counted = counted_of(conversions, cells)
    heard = {
        kind: tests_of(
            terms_of(kind, cells, pressing, holdouts, tests, conversions),
            pressing,
            cells,
            worth_of(conversions) if kind == MONEY else 1.0,
        )
        for kind in counted
    }
    parts = parts_of(list(counted), led_by_media(conversions, journeys, media))
    heard = lent(heard, counted, parts)
    now = _quarter(cells, reported)
    frames = []
    for kinds, seen in alike(counted):
        frames += _fitted(kinds, seen, counted, weekly, heard, parts, now)
    if not frames:
        return _NOTHING.copy()
    return pd.concat(frames, ignore_index=True).astype(COLUMNS)


def fitted(
    counted: Floats,
    pressed: Floats,
    channels: Sequence[str],
    seen: Bools,
    tests: Sequence[Sequence[Experiment]],
    seed: int,
    parts: Sequence[float] | None = None,
    size: Floats | None = None,
    draws: int = DRAWS * _INNER,
    courses: Courses | None = None,
) -> tuple[Courses, list[Drawn]]:
    """Draws of several kinds (kind x week) over the weeks `seen`; the wider ones are published.

    With `courses` carry-over and saturation are chosen among these.
    """
    courses = courses or courses_of(pressed, seen, channels)
    means = counted[:, seen].mean(axis=1)
    sampler = Sampler(
        products_of(courses.usual, counted, seen),
        courses,
        means,
        tests,
        pressed[:, seen].mean(axis=1) if size is None else size,
        int(seen.sum()),
        [1.0] * len(counted) if parts is None else parts,
        np.random.default_rng(seed),
    )
    drawn = sampler.run(draws)
    return courses, [replace(one, coefficient=_wider(one.coefficient)) for one in drawn]


def _wider(coefficients: Floats) -> Floats:
    """Each draw further from the mean, which stays; none below nought."""
    mean = coefficients.mean(axis=0)
    spread = np.maximum(mean + WIDER * (coefficients - mean), 0.0)
    moved = spread.mean(axis=0)
    wider: Floats = spread * (mean / np.where(moved > 0, moved, 1.0))
    return wider


def curves_of(courses: Courses, drawn: Drawn, mean: float) -> tuple[Floats, Floats]:
    """`top` and `half` of each draw (draw x channel), where a mean week has `mean` conversions."""
    at = np.arange(drawn.setting.shape[1])
    top: Floats = drawn.coefficient * mean / courses.mean[at, drawn.setting]
    half: Floats = courses.half[at, drawn.setting]
    return top, half


def brought_of(courses: Courses, drawn: Drawn, mean: float, weeks: Bools) -> Floats:
    """What each channel brought in some weeks: draw x channel."""
    summed = courses.usual[:, :, weeks].sum(axis=2)
    at = np.arange(drawn.setting.shape[1])
    brought: Floats = drawn.coefficient * mean * summed[at, drawn.setting]
    return brought


def _fitted(
    kinds: Sequence[str],
    seen: Bools,
    counted: dict[str, Floats],
    weekly: Weekly,
    heard: dict[str, list[Experiment]],
    parts: Mapping[str, float],
    now: Bools,
) -> list[pd.DataFrame]:
    course = np.stack([counted[kind] for kind in kinds])
    tests = [heard[kind] for kind in kinds]
    active: Bools = weekly.pressed[:, seen].sum(axis=1) > 0
    if not active.any():
        return []
    place = np.cumsum(active) - 1
    tests = [
        [replace(one, channel=int(place[one.channel])) for one in of_kind if active[one.channel]]
        for of_kind in tests
    ]
    channels = [name for name, on in zip(weekly.channels, active, strict=True) if on]
    pressed, price, size = (part[active] for part in (weekly.pressed, weekly.price, weekly.size))
    shares = [parts[kind] for kind in kinds]
    courses, every = fitted(course, pressed, channels, seen, tests, _SEED, shares, size)
    year = _last(seen, YEAR)
    frames = []
    for number, (kind, drawn) in enumerate(zip(kinds, every, strict=True)):
        mean = float(course[number, seen].mean())
        top, half = curves_of(courses, drawn, mean)
        brought = _published(brought_of(courses, drawn, mean, year))
        known = _known(drawn, size, parts[kind])
        for at, channel in enumerate(channels):
            spent = pressed[at] * price[at]
            month = _monthly(spent[seen])
            mine = [test for test in tests[number] if test.channel == at and not test.lent]
            frames.append(
                pd.DataFrame(
                    {
                        "kind": kind,
                        "channel": channel,
                        "draw": np.arange(DRAWS),
                        "top": _published(top)[:, at].round(9),
                        "half": (half[_INNER // 2 :: _INNER, at] * price[at]).round(6),
                        "brought": brought[:, at].round(6),
                        "spend": round(float(spent[year].sum()), 6),
                        "today": round(float(spent[now].mean()), 6),
                        "least": round(float(month.min()), 6),
                        "most": round(float(month.max()), 6),
                        "known": round(float(known[at]), 6),
                        "holdouts": sum(test.by_person for test in mine),
                        "lift_tests": sum(not test.by_person for test in mine),
                        "weeks": int(seen.sum()),
                    }
                )
            )
    return frames


def _published(draws: Floats) -> Floats:
    """Every third draw, with the mean of all of them."""
    picked = draws[_INNER // 2 :: _INNER]
    mean = picked.mean(axis=0)
    published: Floats = picked * (draws.mean(axis=0) / np.where(mean > 0, mean, 1.0))
    return published


def _known(drawn: Drawn, size: Floats, part: float) -> Floats:
    """The part of the variance of what is believed beforehand that is gone.

    Both are of draws made alike: none below nought, and spread as what is published.
    """
    before = part**2 * _wider(believed(size)).var(axis=0)
    known: Floats = np.clip(1 - drawn.coefficient.var(axis=0) / before, 0.0, 1.0)
    return known


def _quarter(cells: Cells, reported: pd.DataFrame) -> Bools:
    """The last 13 weeks of which all spend is known; what is counted may be known of fewer."""
    spend = reported.loc[reported["kind"] == "spend", "last_week"]
    last = spend.iloc[0] if len(spend) else cells.weeks[-1]  # messages alone have no such week
    return _last(cells.weeks <= np.datetime64(last, "D"), QUARTER)


def _last(seen: Bools, weeks: int) -> Bools:
    chosen = np.zeros(len(seen), dtype=bool)
    chosen[np.flatnonzero(seen)[-weeks:]] = True
    return chosen


def _monthly(spent: Floats) -> Floats:
    mean: Floats = np.convolve(spent, np.ones(MONTH) / MONTH, "valid")
    return mean
