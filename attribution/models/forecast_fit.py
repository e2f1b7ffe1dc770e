"""One series: every model tested on weeks that it had not seen, the best one taken.

The test is a rolling origin: the models are given the weeks up to an origin and asked for the
next ones, from several origins in turn (Tashman, *Out-of-sample tests of forecasting accuracy*,
International Journal of Forecasting 16, 2000). Errors are weighted absolute percentages: the sum
of all misses over the sum of all that came (WAPE), which weeks of nought do not break.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from attribution.models.forecast_booked import reach
from attribution.models.forecast_calendar import Known
from attribution.models.forecast_candidates import (
    BOOKED,
    CANDIDATES,
    ETS,
    MEANS,
    PLANNED,
    PROPHET,
    SEASONAL_NAIVE,
    USUAL,
    Past,
    foretold,
)
from attribution.models.forecast_planned import usable
from attribution.models.forecast_series import SHORTEST, SPEND, Floats, Series

FOLDS, EVERY = 5, 4  # so many origins, so many weeks apart
WATCHED = 4  # newest weeks that are compared with what the weeks before them foretold
_LEARNED = SHORTEST - 13  # weeks that a model is given at least
# A simpler model stays unless another one's error is so much smaller: with few tests smaller
# differences are chance, and following them made forecasts worse (docs/benchmarks.md).
_BETTER, _MUCH_BETTER, _FAR_BETTER = 0.10, 0.25, 0.35
# After so many tests Prophet is tested on only where smoothing is not so near the best of all.
_LOOKED, _NEAR = 2, 0.10
VERSION = "5"  # of what is fitted; everything is fitted anew when it changes


@dataclass(frozen=True, slots=True)
class Task:
    """A series to fit, with what is known in advance of its weeks and those to come."""

    series: Series
    known: Known
    horizon: int
    names: tuple[str, ...] = CANDIDATES

    @property
    def competing(self) -> tuple[str, ...]:
        """The models that can be tested: what nothing is known of in advance is left out.

        A plan must reach over all tests, and the calendar into the weeks to come. Only what
        somebody decides, as spend, goes away from its usual level to come back.
        """
        length, left_out = len(self.series), set()
        if self.series.key.metric != SPEND:
            left_out.add(USUAL)
        first = min(origins_of(length, self.horizon))
        if not usable(self.known.planned, first, length):
            left_out.add(PLANNED)
        if self.known.booked is None or not reach(np.array(self.known.booked), length):
            left_out.add(BOOKED)
        return tuple(name for name in self.names if name not in left_out)

    @property
    def digest(self) -> str:
        """The same text for the same content: what was fitted once need not be again."""
        said = json.dumps([VERSION, asdict(self)], default=str, sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Fit:
    """What became of a series: the model chosen, what it foretells, and how all of them fared.

    `misses` has, of the chosen model, a row for each origin: what came less what was foretold.
    `watched` is what was foretold of the newest weeks by those before them. `failed` says by model
    which error it died of; models `behind` were not tested to the end.
    """

    chosen: str
    expected: tuple[float, ...]
    watched: tuple[float, ...]
    misses: tuple[tuple[float, ...], ...]
    wape: Mapping[str, float]
    failed: Mapping[str, str]
    behind: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> "Fit":
        """A fit as `written` wrote it."""
        said = json.loads(text)
        return cls(
            said["chosen"],
            tuple(said["expected"]),
            tuple(said["watched"]),
            tuple(map(tuple, said["misses"])),
            said["wape"],
            said["failed"],
            tuple(said["behind"]),
        )

    def written(self) -> str:
        """The fit as a text that reads back as the same numbers."""
        return json.dumps(asdict(self), sort_keys=True)


def fit(task: Task) -> Fit:
    """Test every model of a task, choose one, and let it foretell the weeks to come.

    A model that fails anywhere is out; seasonal naive cannot fail.
    """
    values = np.array(task.series.values)
    unit = float(values.mean()) or 1.0
    scaled = values / unit
    origins = origins_of(len(values), task.horizon)
    tests, failed = _tested(task, scaled, origins)
    whole = _everywhere(task.competing, tests)
    wape = {name: _wape(scaled, tests, name) for name in whole}
    behind = tuple(
        name
        for name in task.competing
        if name not in whole and not failed.keys() & {name, *MEANS.get(name, ())}
    )
    while True:
        chosen = choose(wape)
        # Only the chosen model, or its parts, is asked for more.
        asked = (*MEANS.get(chosen, ()), chosen)
        ahead, wrong = _ask(task, scaled, asked, task.horizon)
        if chosen in ahead:
            break
        failed |= wrong
        del wape[chosen]
    near = min(WATCHED, len(values) - _LEARNED)
    watched = _ask(task, scaled[: len(values) - near], asked, near)[0].get(chosen)
    misses = [scaled[o : o + task.horizon] - tests[o][chosen] for o in origins]
    return Fit(
        chosen,
        _rounded(_capped(task, ahead[chosen] * unit, len(values))),
        _rounded(np.full(near, np.nan) if watched is None else watched * unit),
        tuple(_rounded(row * unit) for row in misses),
        {name: float(f"{error:.6g}") for name, error in wape.items()},
        failed,
        behind,
    )


def _tested(
    task: Task, scaled: Floats, origins: Sequence[int]
) -> tuple[dict[int, dict[str, Floats]], dict[str, str]]:
    """What each model foretold from each origin, newest first, and which failed of what.

    What takes long to fit is left where exponential smoothing is as good: it would stay anyway.
    """
    slow = {PROPHET, *(name for name, parts in MEANS.items() if PROPHET in parts)}
    tests: dict[int, dict[str, Floats]] = {}
    failed: dict[str, str] = {}
    names = task.competing
    for origin in origins:
        tests[origin], wrong = _ask(task, scaled[:origin], names, task.horizon)
        failed |= wrong
        if len(tests) == _LOOKED and len(origins) > _LOOKED:
            errors = {name: _wape(scaled, tests, name) for name in _everywhere(names, tests)}
            quick = [error for name, error in errors.items() if name not in slow]
            if quick and min(quick) <= min(errors.values()) * (1 + _NEAR):
                names = tuple(name for name in names if name not in slow)
    return tests, failed


def _everywhere(names: Sequence[str], tests: Mapping[int, Mapping[str, Floats]]) -> list[str]:
    """Those that failed from no origin: only they can be compared."""
    return [name for name in names if all(name in said for said in tests.values())]


def baseline(task: Task, reason: str) -> Fit:
    """What the models that need no library say, where fitting the others failed as a whole."""
    found = fit(Task(task.series, task.known, task.horizon, (SEASONAL_NAIVE,)))
    failed = {name: reason for name in task.names if name != SEASONAL_NAIVE}
    return replace(found, failed=failed)


def origins_of(length: int, horizon: int) -> list[int]:
    """How many weeks the models are given in each test; the last test ends with the last week."""
    every = [length - horizon - EVERY * number for number in range(FOLDS)]
    return [origin for origin in every if origin >= _LEARNED] or [length - horizon]


def choose(wape: Mapping[str, float]) -> str:
    """Exponential smoothing, unless another model is so much better that it is hardly by chance.

    A plan was made by somebody who knew, and what is booked is a fact, which needs no proof beyond
    doing as well. What is fitted to the past alone must be better by more; and what repeats in it,
    or trends, is no reason that a budget will: of spend, only its usual week replaces smoothing.
    """
    stands = next((name for name in (ETS, PLANNED, BOOKED) if name in wape), "")
    if PLANNED in wape and wape[PLANNED] * (1 + _BETTER) < wape[stands]:
        stands = PLANNED
    if BOOKED in wape and wape[BOOKED] <= wape[stands]:
        stands = BOOKED
    others, much = (SEASONAL_NAIVE, *MEANS, PROPHET), _FAR_BETTER
    if USUAL in wape and stands:
        others, much = (USUAL,), _MUCH_BETTER
    order = [name for name in others if name in wape]
    least = min((wape[name] for name in order), default=np.inf)
    if stands and least * (1 + much) >= wape[stands]:
        return stands
    return next(name for name in order if wape[name] <= least * (1 + _BETTER))


def _ask(
    task: Task, values: Floats, names: Sequence[str], horizon: int
) -> tuple[dict[str, Floats], dict[str, str]]:
    known = task.known
    if known.cap is not None:
        unit = float(np.mean(task.series.values)) or 1.0
        known = replace(known, cap=tuple(cap / unit for cap in known.cap))
    return foretold(
        tuple(names),
        Past(task.series.first, values, known, task.series.key.metric == SPEND),
        horizon,
    )


def _wape(values: Floats, tests: Mapping[int, Mapping[str, Floats]], name: str) -> float:
    """Smaller errors than a billionth are a processor's own, and decide nothing."""
    missed = came = 0.0
    for origin, said in tests.items():
        actual = values[origin : origin + len(said[name])]
        missed += float(np.abs(actual - said[name]).sum())
        came += float(np.abs(actual).sum())
    return round(missed / came, 9) if came else 0.0


def _capped(task: Task, expected: Floats, length: int) -> Floats:
    cap = task.known.cap
    # Not above what can be seen, in weeks for which that is stated.
    return expected if cap is None else np.fmin(expected, cap[length : length + len(expected)])


def _rounded(values: Sequence[float] | Floats) -> tuple[float, ...]:
    """More digits would differ from one processor to the next."""
    return tuple(float(f"{value:.7g}") for value in values)
