"""How near the incremental model comes to a known truth, without a refresh: the panel alone.

    python benchmarks/incremental.py                    the worlds to tune on, 20,000 people each
    python benchmarks/incremental.py --people 60000     larger ones
    python benchmarks/incremental.py --tests            with the lift tests of each world

The panel is made of what a simulated world truly converted, so nothing here depends on identity or
tracking; `accuracy.py` measures the same model as a user meets it, beside all others, and it alone
speaks of worlds that the model was not tuned on. Holdouts are not in this panel.
"""

import argparse
import os
import time
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from accuracy_metrics import measured
from accuracy_worlds import TUNING, Setting

from attribution.demo import ads
from attribution.demo.clock import WEEK
from attribution.demo.labels import SHORT
from attribution.demo.lift import lift_tests
from attribution.demo.market import LINES, LOCATIONS
from attribution.demo.truth import truth_of
from attribution.demo.worlds import World, world
from attribution.models.estimate import ends_of_draws
from attribution.models.incremental import draws_of

UNTIL = date(2026, 11, 22)
KINDS = ("lead", "booked", "kept", "new_patient")
_CHANNELS = {
    "cpc": "paid_search", "radio": "offline_media", "referral": "referral_web",
}  # fmt: skip
_ARMS = ["kind", "channel", "campaign", "arm", "returned", "people", "counted", "squares",
         "afterwards"]  # fmt: skip
# To how many conversions a channel with media led last, as the demo's journeys say.
_LED = {"lead": 0.47, "booked": 0.15, "kept": 0.18, "new_patient": 0.43}


def conversions(lived: World) -> pd.DataFrame:
    """What was truly converted, by place and week."""
    frames = []
    for kind, (happened, minute) in lived.conversions().items():
        rows = lived.inquiries if kind == "lead" else lived.visits
        week = minute // WEEK
        counted = happened & (week >= 0) & (week < lived.calendar.weeks)
        place = lived.folk.place[rows["person"][counted]]
        frame = pd.DataFrame(
            {
                "kind": kind,
                "service_line": np.array(LINES, object)[rows["line"][counted]],
                "location": np.array(LOCATIONS, object)[place],
                "week": _monday(lived, week[counted]),
            }
        )
        keys = list(frame.columns)
        frames.append(frame.groupby(keys, as_index=False).size())
    return pd.concat(frames).rename(columns={"size": "conversions"})


def media(lived: World) -> pd.DataFrame:
    """What was spent by campaign and week, with what its name says of line and place."""
    spent = ads.ad_spend(lived)
    day = (spent["day"].to_numpy() - np.datetime64(lived.calendar.start)) // np.timedelta64(1, "D")
    spent = spent.assign(week=_monday(lived, day // 7))
    keys = ["medium", "campaign", "week"]
    rows = spent.groupby(keys, as_index=False)[["spend", "impressions", "clicks"]].sum()
    names = rows["campaign"].str.split("_")
    return rows.assign(
        channel=rows["medium"].replace(_CHANNELS),
        service_line=names.map(lambda words: _named(words, dict(zip(SHORT, LINES, strict=True)))),
        location=names.map(lambda words: _named(words, {name: name for name in LOCATIONS})),
        currency="USD",
        spend_micros=(rows["spend"] * 1e6).round(),
        messages=0,
    )


def _named(words: list[str], known: dict[str, str]) -> str:
    return next((name for word, name in known.items() if word in words), "unassigned")


def _monday(lived: World, week: np.ndarray) -> np.ndarray:
    return np.datetime64(lived.calendar.start) + 7 * week * np.timedelta64(1, "D")


def scored(setting: Setting, people: int, *, tests: bool) -> pd.DataFrame:
    """One row for each kind and channel of a world: estimate, interval, truth and metrics."""
    lived = world(people, setting.seed, setting.off, until=UNTIL, knobs=setting.knobs)
    truth, counted = truth_of(lived), conversions(lived)
    totals = counted.groupby("kind")["conversions"].sum()
    last = counted["week"].max()
    journeys = [(kind, "any", last, 1, totals[kind] * part) for kind, part in _LED.items()]
    heard = lift_tests(lived)
    began = time.process_time()
    draws = draws_of(
        counted,
        media(lived),
        pd.DataFrame(journeys, columns=["kind", "channel", "week", "has_media", "journeys"]),
        pd.DataFrame(columns=_ARMS),
        heard if tests else heard.iloc[:0],
        pd.DataFrame({"currency": ["USD"]}),
    )
    seconds = time.process_time() - began
    rows = []
    for (kind, channel), of_channel in draws.groupby(["kind", "channel"]):
        found = of_channel["increment"]
        true = truth["channels"][channel]["incremental"][kind]
        low, high = map(float, ends_of_draws(found.to_numpy("float64")))
        rows.append((setting.seed, kind, channel, found.mean(), low, high, true, seconds))
    columns = ["seed", "kind", "channel", "found", "low", "high", "true", "seconds"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.merge(_metrics(frame, truth), on="kind")


def _metrics(frame: pd.DataFrame, truth: dict[str, Any]) -> pd.DataFrame:
    """`abs` once beside all of marketing's effect, once beside the sum of single channels'."""
    rows = []
    for kind, of_kind in frame.groupby("kind"):
        named = of_kind.set_index("channel")
        total, baseline = truth["total"][kind], truth["baseline"][kind]
        given = pd.concat([named["found"], pd.Series({"baseline": total - named["found"].sum()})])
        alone = total - named["true"].clip(lower=0).sum()
        one, both = (measured(given, named["true"], total, rest) for rest in (alone, baseline))
        rows.append((kind, one["tvd"], one["abs"], both["abs"]))
    return pd.DataFrame(rows, columns=["kind", "tvd", "abs", "abs_all"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--tests", action="store_true")
    asked = parser.parse_args()
    found = pd.concat([scored(one, asked.people, tests=asked.tests) for one in TUNING])
    found["held"] = found["true"].between(found["low"], found["high"])
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}, {asked.people:,} people a world")
    print(f"fit of a world: {found.groupby('seed')['seconds'].first().median():.1f} s of processor")
    columns = ["tvd", "abs", "abs_all"]
    for kind in KINDS:
        of_kind = found[found["kind"] == kind]
        middle = of_kind.groupby("seed")[columns].first().median()
        figures = ", ".join(f"{name} {middle[name]:.3f}" for name in columns)
        print(f"{kind}: {figures}, 90% intervals hold {of_kind['held'].mean():.0%}")
        by_channel = of_kind.groupby("channel")["held"].mean()
        print("   " + ", ".join(f"{name} {part:.0%}" for name, part in by_channel.items()))


if __name__ == "__main__":
    main()
