"""How far each model of path files is from the truth, in simulated worlds.

    python benchmarks/path_accuracy.py --seeds 101 102 103
    python benchmarks/path_accuracy.py --demo --seeds 101 102 103

Logistic worlds: who meets which channel is chance, and each channel met moves the odds of a
conversion. Demo worlds: people with a need click, search and come directly, and would often have
come anyway; their click paths to a lead are attributed, or to the end of the simulation.

`misplaced` is the total variation distance between a model's shares of the channels and the shares
of what is truly lost without each. `total` is the error of all channels' credit together, over
all conversions; the truth is what is lost without all of them. `held` is how many of the truths
lie in their 90% intervals.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from scipy.special import expit

from attribution.demo import World as DemoWorld
from attribution.demo import world
from attribution.demo.clock import DAY, WEEK, browse_minute
from attribution.demo.exposure import STREAM
from attribution.demo.market import CHANNEL_OF, LEVERS, MARKETING
from attribution.demo.worlds import levers_off
from attribution.models.attribute import PATH_MODELS, attribute_paths
from attribution.models.path_frames import encode_frame

UNTIL = date(2026, 11, 22)
LOOKBACK_DAYS = 90


@dataclass(frozen=True)
class World:
    """Paths, and what is truly lost without each channel and without all."""

    name: str
    frame: pd.DataFrame
    lost: dict[str, float]
    lost_jointly: float


def logistic_worlds(seed: int, journeys: int) -> Iterator[World]:
    """Channels that help or harm by chance, met by people for reasons of their own."""
    for channels in (8, 20):
        for name, harm, base in (
            ("half harm", 0.5, 0.085), ("low baseline", 0.0, 0.085), ("high baseline", 0.0, 0.165),
        ):  # fmt: skip
            rng = np.random.default_rng([seed, channels, int(1000 * base), int(10 * harm)])
            yield _logistic(f"{name}, {channels} channels", rng, journeys, channels, harm, base)


def _logistic(
    name: str, rng: np.random.Generator, journeys: int, channels: int, harm: float, base: float
) -> World:
    lengths = np.minimum(rng.geometric(0.25, journeys), 30)
    weight = 1 / np.arange(1, channels + 1) ** 0.7
    codes = rng.choice(channels, size=lengths.sum(), p=weight / weight.sum())
    effects = rng.uniform(0.1, 1.0, channels) * np.where(rng.random(channels) < harm, -1, 1)
    if harm:
        effects = np.abs(effects) * np.where(rng.permutation(channels) < channels // 2, -1, 1)
    owner = np.repeat(np.arange(journeys), lengths)
    met = np.zeros((journeys, channels), dtype=bool)
    met[owner, codes] = True
    odds = np.log(base / (1 - base)) + met @ effects
    chance = expit(odds)
    won = rng.random(journeys) < chance
    helpful = np.maximum(effects, 0.0)
    without = np.array(
        [(chance - expit(odds - e * m)).sum() for e, m in zip(helpful, met.T, strict=True)]
    )
    names = [f"channel_{number:02d}" for number in range(channels)]
    return World(
        name,
        _frame(np.array(names), codes, lengths, won),
        dict(zip(names, without.tolist(), strict=True)),
        float((chance - expit(odds - met @ helpful)).sum()),
    )


def _frame(
    names: np.ndarray, codes: np.ndarray, lengths: np.ndarray, won: np.ndarray
) -> pd.DataFrame:
    touches, starts = names[codes].tolist(), np.concatenate([[0], np.cumsum(lengths)])
    paths = [" > ".join(touches[starts[row] : starts[row + 1]]) for row in range(len(lengths))]
    frame = pd.DataFrame({"path": paths, "conversions": won * 1.0, "nulls": 1.0 - won})
    return frame.groupby("path", as_index=False).sum()


def demo_world(seed: int, people: int) -> World:
    """The click paths of a simulated health system, up to each inquiry, or to the last touch."""
    lived = world(people, seed, until=UNTIL)
    channels = sorted({CHANNEL_OF[lever] for lever in MARKETING})
    asked = len(lived.inquiries["person"])
    without = {
        off: len(world(people, seed, levers_off([off]), until=UNTIL).inquiries["person"])
        for off in channels
    }
    nothing = len(world(people, seed, MARKETING, until=UNTIL).inquiries["person"])
    lost = {name: float(asked - count) for name, count in without.items()}
    return World(f"demo, seed {seed}", _clicks(lived), lost, float(asked - nothing))


def _clicks(lived: DemoWorld) -> pd.DataFrame:
    rows = np.flatnonzero(lived.touches["lever"] >= 0)
    person, week, lever = (lived.touches[name][rows] for name in ("person", "week", "lever"))
    minute = np.zeros(len(rows), dtype=np.int64)
    for number, name in enumerate(LEVERS):
        mine = np.flatnonzero(lever == number)
        minute[mine] = browse_minute(lived.folk.draws, STREAM[name] + 3, week[mine], person[mine])
    channel = np.array([CHANNEL_OF[name] for name in LEVERS], dtype=object)[lever]
    touches = pd.DataFrame({"person": person, "minute": minute, "channel": channel})
    asked = pd.DataFrame({name: lived.inquiries[name] for name in ("person", "minute")})
    asked["ended"] = asked["minute"]
    asked = asked.sort_values(["minute", "person"], ignore_index=True)
    touches = touches.sort_values(["minute", "person", "channel"], ignore_index=True)
    joined = pd.merge_asof(touches, asked, on="minute", by="person", direction="forward")
    last = joined.groupby("person")["minute"].transform("max")
    open_until = lived.calendar.weeks * WEEK - LOOKBACK_DAYS * DAY
    joined["won"] = joined["ended"].notna()
    joined["ended"] = joined["ended"].fillna(last)
    joined = joined[joined["won"] | (last <= open_until)]
    joined = joined[joined["minute"] >= joined["ended"] - LOOKBACK_DAYS * DAY]
    journeys = joined.groupby(["person", "ended", "won"])["channel"].agg(" > ".join).reset_index()
    frame = pd.DataFrame(
        {
            "path": journeys["channel"],
            "conversions": journeys["won"] * 1.0,
            "nulls": 1.0 - journeys["won"],
        }
    )
    frame = frame.groupby("path", as_index=False).sum()
    untouched = float(len(asked) - frame["conversions"].sum())
    return pd.concat(
        [frame, pd.DataFrame({"path": [""], "conversions": [untouched], "nulls": [0.0]})]
    )


def measured(known: World, models: list[str]) -> pd.DataFrame:
    """Each model's distance from the truth, over the channels whose truth is known."""
    paths = encode_frame(known.frame)
    everything = float(known.frame["conversions"].sum())
    truth = pd.Series(known.lost).clip(lower=0.0)
    rows = []
    for name in models:
        began = time.process_time()
        answer = attribute_paths(paths, [name]).set_index("channel")
        seconds = time.process_time() - began
        mine = answer.reindex(truth.index)
        credit = mine["conversions"].fillna(0.0)
        gap = credit / credit.sum() - truth / truth.sum()
        jointly = credit.sum()
        if name == "incremental":
            others = ["baseline", "unattributed"]
            jointly = everything - answer["conversions"].reindex(others).fillna(0.0).sum()
        # What all lose jointly is less than the sum of what each loses; shares are of the joint.
        part = truth / truth.sum() * known.lost_jointly
        held = part.between(mine["conversions_low"].fillna(0), mine["conversions_high"].fillna(0))
        rows.append(
            {
                "world": known.name,
                "model": name,
                "misplaced": float(gap.abs().sum() / 2),
                "rank": float(credit.rank().corr(truth.rank())),
                "total": float(jointly - known.lost_jointly) / everything,
                "held": float(held.mean()),
                "seconds": seconds,
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101])
    parser.add_argument("--journeys", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--models", nargs="+", default=list(PATH_MODELS))
    options = parser.parse_args()
    tables = []
    for seed in options.seeds:
        worlds = (
            iter([demo_world(seed, options.people)])
            if options.demo
            else logistic_worlds(seed, options.journeys)
        )
        for known in worlds:
            tables.append(measured(known, options.models))
            print(tables[-1].round(4).to_string(index=False, header=len(tables) == 1), flush=True)
    found = pd.concat(tables)
    print(found.groupby("model", sort=False).median(numeric_only=True).round(4).to_string())


if __name__ == "__main__":
    main()
