"""Fits forecasts while a refresh runs: in worker processes, and only what has changed.

A series whose weeks, calendar and horizon are what they were is taken from the table of the
refresh before. Workers are started anew (no fork: the engine's threads would be copied half), know
nothing but the weeks of the series they fit, and are as few as there are cores.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from datetime import date

import pandas as pd
from sqlalchemy import Connection

from attribution.forecast_settings import ForecastSettings
from attribution.models.forecast_booked import booked_of, split
from attribution.models.forecast_calendar import holidays_of, known_of
from attribution.models.forecast_candidates import CANDIDATES, EXTRA, MEANS, PROPHET, missing
from attribution.models.forecast_fit import Fit, Task, baseline, fit
from attribution.models.forecast_planned import planned_of
from attribution.models.forecast_series import MONEY, REST, Key, Series, chosen
from attribution.models.forecast_stated import alike, unused
from attribution.models.forecast_table import forecast_table, no_forecasts
from attribution.raw import columns, fetch

TABLE = "int_forecasts"  # the model that `Forecasting` solves
MOST_WORKERS = 4  # each holds some 300 MB
_NAMED = 3  # of what is not used, so many
_KEPT = "select digest, kept from int_forecasts where kept is not null"


@dataclass(slots=True)
class Forecasting:
    """Solves `int_forecasts` for one refresh; afterwards `sentence` says what was done."""

    settings: ForecastSettings
    before: Mapping[str, str]  # what is known from the refresh before, by digest
    say: Callable[[str], None] = lambda _words: None
    sentence: str = ""
    fitted: int = 0
    reused: int = 0
    fell_back: list[Key] = field(default_factory=list)

    def __call__(
        self,
        rows: pd.DataFrame,
        promotions: pd.DataFrame,
        capacity: pd.DataFrame,
        planned: pd.DataFrame,
    ) -> pd.DataFrame:
        """The table of all forecasts, from weekly numbers and what is known in advance."""
        if not self.settings.enabled:
            self.sentence = "Switched off in [forecast]."
            return no_forecasts()
        tasks = self.tasks(rows, promotions, capacity, planned)
        fits = self._fits(tasks)
        keys = [task.series.key for task in tasks]
        self.sentence = self._said(len(tasks)) + _not_used(
            unused(keys, self.settings.targets, capacity) if tasks else []
        )
        stated = {alike(key): value for key, value in self.settings.targets.items()}
        targets = {
            key: stated[alike(key)] * (1e6 if key.metric in MONEY else 1.0)
            for key in keys
            if alike(key) in stated
        }
        return forecast_table(tasks, fits, targets, agree=self.settings.agree)

    def tasks(
        self,
        rows: pd.DataFrame,
        promotions: pd.DataFrame,
        capacity: pd.DataFrame,
        planned: pd.DataFrame,
    ) -> list[Task]:
        """The series to fit, with what is known in advance of their weeks."""
        told = self.settings
        counted, ahead = split(rows)
        every = chosen(counted, members=told.members, settle_weeks=told.settle_weeks)
        names = _possible()
        tasks = []
        for series in every:
            mondays = [series.monday(place) for place in range(len(series) + told.horizon)]
            closed = _holidays(told.country, series, told.horizon)
            key = series.key
            named = frozenset(
                other.key.member
                for other in every
                if (other.key.metric, other.key.dimension) == (key.metric, key.dimension)
            ) - {REST}
            budgets = planned_of(key, mondays, planned, named)
            known = known_of(key, mondays, closed, promotions, capacity, budgets, named)
            booked = booked_of(key, [f"{day}" for day in mondays], told.horizon, ahead, named)
            known = replace(known, booked=booked)
            tasks.append(Task(series, known, told.horizon, names))
        return tasks

    def _fits(self, tasks: Sequence[Task]) -> list[Fit]:
        digests = [task.digest for task in tasks]
        found = {
            digest: Fit.read(self.before[digest]) for digest in digests if digest in self.before
        }
        # Where a model failed, it may not fail again.
        found = {digest: kept for digest, kept in found.items() if not kept.failed}
        self.reused = sum(digest in found for digest in digests)
        due = [task for task, digest in zip(tasks, digests, strict=True) if digest not in found]
        for number, (task, fitted) in enumerate(fitted_all(due, self.settings.workers), start=1):
            found[task.digest] = fitted
            self.fitted += 1
            if fitted.failed:
                self.fell_back.append(task.series.key)
            self.say(f"forecast {number} of {len(due)}")
        return [found[digest] for digest in digests]

    def _said(self, series: int) -> str:
        if not series:
            return "No number has enough weeks yet to be forecast."
        said = f"{series} series, {self.fitted} fitted, {self.reused} unchanged."
        if missing():
            said += (
                f" Only baselines: {' and '.join(missing())} needs more packages; install "
                f"caretrace[{EXTRA}] and refresh again."
            )
        if self.fell_back:
            key = self.fell_back[0]
            said += (
                f" In {len(self.fell_back)} series a model failed and the others were compared "
                f"without it, first {key.metric} of {key.dimension} {key.member}."
            )
        return said


def _not_used(stated: Sequence[str]) -> str:
    """A sentence on what users stated of series that are not forecast."""
    if not stated:
        return ""
    more = f"; and {len(stated) - _NAMED} more" if len(stated) > _NAMED else ""
    return (
        f" Not used, as no such series is forecast: {'; '.join(stated[:_NAMED])}{more}. `members` "
        "says how many parts are; capacity is of a service line or a location, not of both."
    )


def kept(connection: Connection) -> dict[str, str]:
    """What the refresh before has fitted, by the digest of what it was fitted on."""
    if not {"digest", "kept"} <= columns(connection, TABLE).keys():
        return {}
    found = fetch(connection, _KEPT).to_pydict()
    return dict(zip(found["digest"], found["kept"], strict=True))


def fitted_all(tasks: Sequence[Task], workers: int = 0) -> Iterator[tuple[Task, Fit]]:
    """Every task with its fit, in worker processes where a library must be loaded to fit it.

    A task whose worker dies gets a baseline; the others go on.
    """
    if not tasks:
        return
    if PROPHET not in tasks[0].names:
        yield from ((task, fit(task)) for task in tasks)
        return
    number = min(workers or min(os.cpu_count() or 1, MOST_WORKERS), len(tasks))
    pool = ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("spawn"))
    try:
        futures = [pool.submit(fit, task) for task in tasks]
        for task, future in zip(tasks, futures, strict=True):
            yield task, _result(task, future)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(task: Task, future: "Future[Fit]") -> Fit:
    try:
        return future.result()
    except BrokenProcessPool:
        # The system may have taken a worker's memory; the pool does not come back from it.
        return baseline(task, "its worker process ended")
    except Exception as error:
        return baseline(task, type(error).__name__)


def _possible() -> tuple[str, ...]:
    gone = set(missing())
    return tuple(
        name for name in CANDIDATES if name not in gone and not gone & set(MEANS.get(name, ()))
    )


def _holidays(country: str, series: Series, horizon: int) -> frozenset[date]:
    try:
        return holidays_of(country, series.first, series.monday(len(series) + horizon))
    except ImportError:
        return frozenset()
