"""How well weekly numbers are forecast, and how long it takes.

    python benchmarks/forecast.py HOME [HOME ...] [--members 3] [--time]
    python benchmarks/forecast.py --seeds 31 32 33 [--people 20000] [--no-plans]

Each HOME is the home folder of an installation that has been refreshed, such as a demo's; `--seeds`
takes simulated worlds without a refresh (`forecast_worlds.py`). The last
thirteen weeks of each series are taken away; models are tested, chosen and banded on what is left,
exactly as a refresh does it, and then compared with the weeks taken away, which nothing has seen.
Marketers' plans (`planned_spend.csv`) are known, unless `--no-plans`. Simulated worlds are lived
again with other chance to say how near anybody could come (`--lives`).
`--time` only fits sixty series with their tests, as a refresh does, and says how long that takes.
"""

import argparse
import os
import pickle
import resource
import time
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import forecast_worlds
import numpy as np
import pandas as pd

from attribution import warehouse
from attribution.demo.planned import COLUMNS
from attribution.forecast_settings import ForecastSettings
from attribution.forecasting import Forecasting, fitted_all
from attribution.models.forecast_bands import LEVELS, bands_of, usual_miss
from attribution.models.forecast_candidates import BASELINES, Past, foretold
from attribution.models.forecast_fit import WATCHED, Fit, Task, fit
from attribution.models.forecast_series import SPEND, YEAR, Floats, Series
from attribution.models.forecast_table import agreed
from attribution.paths import SQL, Home
from attribution.seeds import read

AHEAD = 13
SIXTY = 60
SEEDS = {
    "promotions": ("name", "channel", "service_line", "location", "first_day", "last_day"),
    "capacity": ("service_line", "location", "first_day", "last_day", "visits_per_week"),
    "planned_spend": COLUMNS,
}


@dataclass(frozen=True)
class Scored:
    """One series: what came, what every model had said of it, and what was fitted before."""

    task: Task
    fit: Fit
    came: Floats
    said: dict[str, Floats]
    expected: Floats | None = None  # by the simulator itself


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("homes", nargs="*", type=Path)
    parser.add_argument("--seeds", nargs="*", type=int, default=[])
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--lives", type=int, default=0)
    parser.add_argument("--no-plans", action="store_true")
    parser.add_argument("--time", action="store_true", help="take the time, and nothing else")
    parser.add_argument("--keep", type=Path, help="write what was scored, to look into it")
    options = parser.parse_args()
    every: list[list[Scored]] = []
    found = [(f.name, tasks_of(Home(f.resolve()), options.members)) for f in options.homes]
    for seed in options.seeds:
        rows = pd.concat(
            [
                forecast_worlds.weekly(options.people, seed).assign(weeks_ahead=None),
                forecast_worlds.booked(options.people, seed),
            ]
        )
        plans = None if options.no_plans else forecast_worlds.planned(options.people, seed)
        found.append((f"seed {seed}", tasks_from(rows, options.members, plans)))
    for number, (name, tasks) in enumerate(found, start=-len(options.homes)):
        if options.time:
            print(f"\n## {name}")
            timed(tasks)
            continue
        with get_context("spawn").Pool(2) as pool:
            scored = pool.map(scored_of, tasks, chunksize=4)
        if options.lives and number >= 0:
            mean = forecast_worlds.expected(options.people, options.seeds[number], options.lives)
            scored = [replace(one, expected=oracle(one, mean)) for one in scored]
        print(f"\n## {name}: {len(tasks)} series of {len(tasks[0].series)} weeks", flush=True)
        report(scored)
        reducible(scored, options.lives)
        every.append(scored)
    if len(every) > 1:
        print("\n## all together")
        whole = [one for scored in every for one in scored]
        report(whole, together=False)
        reducible(whole, options.lives)
    if options.keep:
        options.keep.write_bytes(pickle.dumps(every))


def tasks_of(home: Home, members: int) -> list[Task]:
    """The series of a home as a refresh would fit them."""
    generation = warehouse.current_generation(home)
    assert generation is not None, f"{home.folder} has nothing published"
    query = (SQL / "intermediate" / "int_forecasts.sql").read_text("utf-8")
    with warehouse.open_private(home, generation).connect() as connection:
        result = connection.exec_driver_sql(query)
        rows = pd.DataFrame(result.fetchall(), columns=list(result.keys()))
    return tasks_from(rows, members, read("planned_spend", home.folder / "planned_spend.csv"))


def tasks_from(rows: pd.DataFrame, members: int, plans: pd.DataFrame | None = None) -> list[Task]:
    """The series of weekly numbers, without promotions and capacity."""
    known = [pd.DataFrame(columns=list(columns), dtype="str") for columns in SEEDS.values()]
    if plans is not None:
        known[-1] = plans
    return Forecasting(ForecastSettings(members=members), {}).tasks(rows, *known)


def timed(tasks: list[Task]) -> None:
    chosen = tasks[:SIXTY]
    began = time.monotonic()
    for _ in fitted_all(chosen, 2):
        pass
    wall = time.monotonic() - began
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{len(chosen)} series fitted and tested by 2 processes in {wall:.0f} s,")
    print(f"{spent.ru_utime + spent.ru_stime:.0f} CPU s, {spent.ru_maxrss / 1024:.0f} MB at most,")
    print(f"on {os.cpu_count()} cores under a load of {os.getloadavg()[0]:.1f}")


def scored_of(task: Task) -> Scored:
    """A task without its last weeks, fitted; and what each model says of the weeks taken away."""
    values = task.series.values
    seen = replace(task, series=Series(task.series.key, task.series.first, values[:-AHEAD]))
    unit = float(np.mean(seen.series.values)) or 1.0
    spends = task.series.key.metric == SPEND
    past = Past(task.series.first, np.array(seen.series.values) / unit, task.known, spends)
    said, _ = foretold(seen.competing, past, AHEAD)
    came = np.array(values[-AHEAD:])
    return Scored(seen, fit(seen), came, {name: each * unit for name, each in said.items()})


def oracle(one: Scored, mean: pd.DataFrame) -> Floats | None:
    """What the simulator expects of the weeks taken away, at the level of the year before them.

    None of spend, of which all is planned there, and of what is left of a dimension.
    """
    key, series = one.task.series.key, one.task.series
    own = mean[(mean["metric"] == key.metric) & (mean["dimension"] == key.dimension)]
    own = own[own["member"] == key.member].set_index("week")["value"]
    if key.metric == SPEND or own.empty:
        return None
    weeks = [f"{series.monday(place)}" for place in range(len(series) + AHEAD)]
    course = own.reindex(weeks).fillna(0.0).to_numpy(dtype="float64")
    year = slice(len(series) - YEAR, len(series))
    level = float(np.sum(series.values[year])) / max(float(course[year].sum()), 1e-9)
    return np.asarray(level * course[-AHEAD:])


def reducible(scored: list[Scored], lives: int) -> None:
    """How much of what could be foretold at all is foretold.

    The mean of few lives errs too: of as many as `lives`, by a root of 1 + 1 / lives too much.
    """
    own = [one for one in scored if one.expected is not None]
    if not own:
        return
    least = np.mean([wape(o.came, o.expected) for o in own]) / np.sqrt(1 + 1 / lives)
    shown = np.mean([wape(o.came, np.array(o.fit.expected)) for o in own])
    naive, ets = (np.mean([wape(o.came, o.said[name]) for o in own]) for name in BASELINES)
    print(
        f"of {len(own)} series without spend and rests the simulator itself errs by {least:.4f}, "
        f"what is shown by {shown:.4f}, ETS by {ets:.4f}, seasonal naive by {naive:.4f}: "
        f"{(ets - shown) / (ets - least):.0%} and {(naive - shown) / (naive - least):.0%} of what "
        "could be less is gone"
    )


def report(scored: list[Scored], *, together: bool = True) -> None:
    errors = {
        name: np.array([wape(one.came, one.said[name]) for one in scored])
        for name in scored[0].said
        if all(name in one.said for one in scored)
    }
    chosen = np.array([wape(one.came, np.array(one.fit.expected)) for one in scored])
    better = np.minimum(*(errors[name] for name in BASELINES))
    print("| model | mean WAPE | median | no worse than the better baseline | within 2% of it |")
    print("|---|--:|--:|--:|--:|")
    rows = {**errors, "better of ETS and seasonal naive, known afterwards": better}
    rows |= {"chosen, as shown": chosen}
    if together:  # series of one installation
        moved, _ = agreed([s.task for s in scored], [s.fit for s in scored], usual(scored))
        rows["with agree = true"] = np.array(
            [wape(s.came, e) for s, e in zip(scored, moved, strict=True)]
        )
    for name, each in rows.items():
        no_worse, near = (np.mean(each <= better * slack) for slack in (1.00001, 1.02))
        print(
            f"| {name} | {each.mean():.4f} | {np.median(each):.4f} | {no_worse:.0%} | {near:.0%} |"
        )
    names, counts = np.unique([one.fit.chosen for one in scored], return_counts=True)
    print("chosen:", dict(zip(names.tolist(), counts.tolist(), strict=True)))
    spent = np.array([one.task.series.key.metric == "spend" for one in scored])
    for name, own in (("spend", spent), ("all but spend", ~spent)):
        if own.any():
            means = {model: f"{each[own].mean():.4f}" for model, each in rows.items()}
            print(f"{name}, {own.sum()} series:", means)
    covered(scored)


def covered(scored: list[Scored]) -> None:
    bands = bands_of([one.fit.misses for one in scored], AHEAD)
    for level in LEVELS:
        inside = []
        for one, miss in zip(scored, usual(scored), strict=True):
            low, high = bands.around(level, np.array(one.fit.expected), float(miss))
            inside.append((one.came >= low) & (one.came <= high))
        near = np.mean([each[:WATCHED] for each in inside])
        print(f"the {level}% band held {np.mean(inside):.1%} of {np.size(inside)} weeks,")
        print(f"  {near:.1%} of the first {WATCHED} of each, as weeks are watched")


def usual(scored: list[Scored]) -> Floats:
    return np.array([usual_miss(one.fit.misses) for one in scored])


def wape(came: Floats, said: Floats) -> float:
    return float(np.abs(came - said).sum() / max(np.abs(came).sum(), 1e-9))


if __name__ == "__main__":
    main()
