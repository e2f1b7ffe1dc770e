"""How often the 90% intervals of the warehouse hold the truth, for every model.

    python benchmarks/coverage_warehouse.py --datasets 200

People come, walk the channels once or several times, often the same way again, some more willing
than others. The truth is what a model credits to a channel of the expected counts. Each data set
draws people anew; its counts are learned from, shared out by the warehouse's own SQL, added up by
a hundred groups of people and jackknifed. 87 to 93% should cover.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from attribution.models import MODELS
from attribution.models.credit import GROUPS, credit_groups_sql, credit_leans_sql
from attribution.models.learned import markov_weights, shapley_weights
from attribution.models.orders import best_order
from attribution.models.parameters import CreditSettings, setting_model
from attribution.models.shares import shares_sql
from attribution.models.spread import Spread, moved_by_learning, spread

CHANNELS = 8
AGAIN = 0.4  # as often a person walks the way of the first time
EXACT = 1e4  # the expected counts are multiplied by it, so that whole ones tell them
KEY = ["person_group", "is_won", "is_last", "channel_id"]
KEY += ["before_1", "before_2", "before_3", "before_4"]
WHATS = ("conversions", "value")


@dataclass(frozen=True)
class World:
    """Ways through the channels: how usual each is, how often it converts, what that brings."""

    paths: list[tuple[int, ...]]
    share: np.ndarray
    rate: np.ndarray
    worth: np.ndarray
    touches: pd.DataFrame  # a row for each step of each path


@dataclass(frozen=True)
class Drawn:
    """Journeys: whose, along which path, whether they converted, and the micros they brought."""

    person: np.ndarray
    path: np.ndarray
    won: np.ndarray
    value: np.ndarray
    times: np.ndarray  # how many such journeys a row stands for


def world(rng: np.random.Generator, walks: int = 300) -> World:
    """A world of so many walks along channels of unequal size and pull."""
    share = 1 / np.arange(1, CHANNELS + 1)
    following = rng.dirichlet(2 * share, size=CHANNELS)
    pull = rng.normal(0, 0.4, CHANNELS)
    seen: dict[tuple[int, ...], int] = {}
    for _ in range(walks):
        path = [int(rng.choice(CHANNELS, p=share / share.sum()))]
        while rng.random() < 0.6 and len(path) < 8:
            path.append(int(rng.choice(CHANNELS, p=following[path[-1]])))
        seen[tuple(path)] = seen.get(tuple(path), 0) + 1
    odds = np.array([-2.2 + pull[sorted(set(path))].sum() for path in seen])
    weight = np.array(list(seen.values()), dtype=float)
    return World(
        list(seen),
        weight / weight.sum(),
        0.6 / (1 + np.exp(-odds)),
        rng.uniform(50, 150, len(seen)) * 1e6,
        pd.concat(_steps(number, path) for number, path in enumerate(seen)),
    )


def _steps(number: int, path: tuple[int, ...]) -> pd.DataFrame:
    """The touches of a path as `int_journey_touches` has them; three days lie between two."""
    steps = np.arange(1, len(path) + 1)
    named = [step for step, channel in zip(steps, path, strict=True) if channel != 0]
    lead_step, booked_step = (len(path) + 1) // 2, len(path)
    before = [0, 0, 0, 0, *(channel + 1 for channel in path)]
    return pd.DataFrame(
        {
            "path": number,
            "step": steps,
            "steps": len(path),
            "channel_id": np.array(path) + 1,
            "map_id": np.array(path) + 1,
            "days_before": 3.0 * (len(path) - steps) + 1,
            "days_apart": 3.0 * (len(path) - steps),
            "is_direct": np.array(path) == 0,
            "last_non_direct_step": named[-1] if named else len(path),
            "lead_step": lead_step,
            "booked_step": booked_step,
            "milestone_touches": len({1, lead_step, booked_step}),
            "channel_touches": [path.count(channel) for channel in path],
            **{f"before_{back}": before[4 - back : len(before) - back] for back in range(1, 5)},
            "is_last": steps == len(path),
            "kind": "booked",
        }
    )


def expected(truth: World, journeys: float) -> Drawn:
    """What would come on average, as whole numbers times EXACT."""
    count = journeys * truth.share * EXACT
    times = np.concatenate([count * truth.rate, count * (1 - truth.rate)]).round()
    paths = np.arange(len(truth.paths))
    won = np.repeat([True, False], len(paths))
    value = np.where(won, np.tile(truth.worth, 2), 0.0)
    return Drawn(np.zeros(2 * len(paths), int), np.tile(paths, 2), won, value, times)


def drawn(truth: World, journeys: float, rng: np.random.Generator) -> Drawn:
    """One data set of about so many journeys."""
    people = rng.poisson(journeys / 1.5)
    number = 1 + rng.poisson(0.5, people)
    person = np.repeat(np.arange(people), number)
    path = rng.choice(len(truth.paths), size=len(person), p=truth.share)
    first = np.concatenate([[0], np.cumsum(number)[:-1]])
    path = np.where(rng.random(len(person)) < AGAIN, np.repeat(path[first], number), path)
    willing = rng.uniform(0.4, 1.6, people)[person]
    won = rng.random(len(person)) < truth.rate[path] * willing
    value = np.where(won, rng.exponential(truth.worth[path]), 0.0).round()
    return Drawn(person, path, won, value, np.ones(len(person)))


def spreads(truth: World, journeys: Drawn, order: int) -> Iterator[tuple[str, str, Spread]]:
    """Each model's spread of conversions and of value, by the warehouse's own steps."""
    learned = {
        "markov": markov_weights(_states(truth, journeys, order)),
        "shapley_rate": shapley_weights(_sets(truth, journeys)),
    }
    credit, leans = _shared(truth, journeys, learned)
    unit = float((journeys.value * journeys.times)[journeys.won].sum())
    unit /= float(journeys.times[journeys.won].sum())
    names = tuple(str(channel) for channel in range(CHANNELS))
    for name, model in MODELS.items():
        if not model.weight:
            continue
        for what in WHATS:
            amounts = np.zeros((GROUPS, CHANNELS))
            place = credit["channel"].astype(int)
            amounts[credit["person_group"], place] = credit[f"{name}_{what}"]
            moved = None
            if model.learned:
                pairs = np.zeros((CHANNELS, CHANNELS))
                rows, columns = leans["channel"].astype(int), leans["rival"].astype(int)
                pairs[rows, columns] = leans[f"{name}_{what}"]
                moved = moved_by_learning(pairs + pairs.T, _changes(learned[name]))
            each = unit if what == "value" else 1.0
            yield name, what, spread(names, amounts, moved=moved, unit=each)


def _changes(learned: pd.DataFrame) -> np.ndarray:
    change = np.zeros((GROUPS, CHANNELS))
    rows = learned[learned["person_group"] >= 0]
    change[rows["person_group"], rows["channel_id"] - 1] = rows["log_change"]
    return change


def _counted(journeys: Drawn) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "person_group": journeys.person % GROUPS,
            "path": journeys.path,
            "is_won": journeys.won,
            "journeys": journeys.times,
        }
    )
    return frame.groupby(["person_group", "path", "is_won"], as_index=False)[["journeys"]].sum()


def _states(truth: World, journeys: Drawn, order: int) -> pd.DataFrame:
    """As `int_group_states`; an order of nought is chosen as the warehouse chooses it."""
    rows = _counted(journeys).merge(truth.touches, on="path")
    states: pd.DataFrame = rows.groupby(["kind", *KEY], as_index=False)[["journeys"]].sum()
    order = order or best_order(states.groupby(KEY[1:], as_index=False)[["journeys"]].sum())
    return states.assign(markov_order=order)


def _sets(truth: World, journeys: Drawn) -> pd.DataFrame:
    """As `int_group_sets`."""
    sets = np.array([sum(1 << channel for channel in set(path)) for path in truth.paths])
    rows = _counted(journeys)
    return (
        rows.assign(
            kind="booked",
            channel_set=sets[rows["path"]],
            won=rows["journeys"].where(rows["is_won"], 0.0),
            lost=rows["journeys"].where(~rows["is_won"], 0.0),
        )
        .groupby(["kind", "person_group", "channel_set"], as_index=False)[["won", "lost"]]
        .sum()
    )


def _shared(
    truth: World, journeys: Drawn, learned: dict[str, pd.DataFrame]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`credit_groups` and `credit_leans`, by the SQL of the warehouse."""
    won = np.flatnonzero(journeys.won & (journeys.times > 0))
    conversions = pd.DataFrame(
        {
            "conversion_id": won,
            "person_id": journeys.person[won],
            "kind": "booked",
            "service_line": "",
            "location": "",
            "week": pd.Timestamp(2026, 1, 5),
            "currency": "USD",
            "conversions": journeys.times[won].astype("int64"),
            "value_micros": (journeys.value * journeys.times)[won].astype("int64"),
            "path": journeys.path[won],
        }
    )
    weights = [
        frame[(frame["person_group"] == -1) & (frame["weight"] > 0)].assign(model=name)
        for name, frame in learned.items()
    ]
    numbers = np.arange(1, CHANNELS + 1)
    names = [str(channel) for channel in range(CHANNELS)]
    with duckdb.connect() as database:
        for name, frame in (
            ("conversions", conversions),
            ("touches", truth.touches),
            ("setting_model", setting_model(CreditSettings())),
            ("int_learned_weights", pd.concat(weights)),
            (
                "int_channel_map",
                pd.DataFrame({"map_id": numbers, "channel_id": numbers, "channel": names}),
            ),
        ):
            database.register(name, frame)
        database.execute("create table int_conversions as select * exclude (path) from conversions")
        database.execute(
            "create table int_journey_touches as select conversions.conversion_id, touches.*"
            " from conversions inner join touches using (path)"
        )
        database.execute(f"create table int_shares as {shares_sql()}")
        return database.execute(credit_groups_sql()).df(), database.execute(credit_leans_sql()).df()


def coverage(seed: int, datasets: int, journeys: float, order: int = 0) -> dict[str, float]:
    """The share of channels, over all data sets, whose interval holds the truth."""
    rng = np.random.default_rng(seed)
    truth = world(rng)
    if not order:
        order = int(_states(truth, drawn(truth, journeys, rng), 0)["markov_order"].iloc[0])
    exact = {
        (name, what): each.total / EXACT
        for name, what, each in spreads(truth, expected(truth, journeys), order)
    }
    hits: dict[tuple[str, str], list[float]] = {pair: [] for pair in exact}
    for _ in range(datasets):
        for name, what, each in spreads(truth, drawn(truth, journeys, rng), order):
            interval = each.interval()
            true = exact[name, what]
            held = (interval.low <= true) & (true <= interval.high)
            hits[name, what].append(float(held.mean()))
    covered = {pair: round(float(np.mean(held)), 4) for pair, held in hits.items()}
    return {"markov order": order, **{f"{name} {what}": at for (name, what), at in covered.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=200)
    parser.add_argument("--journeys", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=23)
    parser.add_argument("--order", type=int, default=0, help="of the Markov chain; 0 chooses")
    options = parser.parse_args()
    found = coverage(options.seed, options.datasets, options.journeys, options.order)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
