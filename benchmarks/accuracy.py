"""How near each credit model comes to a known truth, over ten simulated worlds.

    python benchmarks/accuracy.py                  the worlds that are reported, seeds 201 to 210
    python benchmarks/accuracy.py --tune           the worlds to tune on, seeds 101 to 110
    python benchmarks/accuracy.py --tests          the same with lift tests in each home folder
    python benchmarks/accuracy.py --keep FOLDER    keep the worlds: later runs redo only the models

Each world is refreshed as a user would: raw files, connectors, identity, models. Then each model
of the mart `credit` is compared with `truth.json`. The unit is a channel of marketing, as in the
truth's baseline: paid media, newsletters, own social posts, reactivation. A cell is the median of
the worlds and their range.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from accuracy_metrics import METRICS, covered, measured, middle
from accuracy_worlds import REPORTED, TUNING, Setting, prepare

from attribution import settings
from attribution.demo.market import CHANNEL_OF, MARKETING
from attribution.demo.worlds import levers_off
from attribution.paths import Home
from attribution.refresh import refresh

CHANNELS = tuple(sorted({CHANNEL_OF[lever] for lever in MARKETING}))
_BESIDE = "baseline, beside each channel alone"
COUNTED = ("lead", "booked", "kept", "new_patient")
KINDS = ("lead", "booked", "new_patient")
_HEADS = {
    "tvd": "TVD of shares", "abs": "TVD of all", "rank": "rank correlation",
    "total_error": "error of the total", "sum_error": "error of the sum",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class World:
    """What a refreshed world says, and what is true in it."""

    setting: Setting
    truth: dict[str, Any]
    credit: pd.DataFrame  # model, kind, channel, conversions of the simulated weeks
    intervals: pd.DataFrame  # kind, channel, low, high of the incremental model, or nothing

    def channels(self) -> list[str]:
        """Those that marketing could have used: a channel that was off is no channel."""
        return [name for name in CHANNELS if not levers_off([name]) <= levers_off(self.setting.off)]

    def true(self, kind: str) -> pd.Series:
        found = self.truth["channels"]
        return pd.Series({name: found[name]["incremental"][kind] for name in self.channels()})


def refreshed(folder: Path, setting: Setting) -> World:
    """Refresh a home folder with the models as they are now, and read what they say."""
    home = Home(folder)
    began = time.monotonic()
    outcome = refresh(settings.load(home), debug=True)
    if outcome.failed:
        raise SystemExit(f"world {setting.seed}: {outcome.failed}")
    for older in home.generations.iterdir():  # only the newest is read
        if older.is_dir() and older != home.generation(outcome.generation):
            shutil.rmtree(older)
    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    marts = home.generation(outcome.generation) / "marts.duckdb"
    with duckdb.connect(str(marts), read_only=True) as database:
        credit = database.execute(
            "select model, kind, channel, sum(conversions) as conversions from credit"
            " where week between ? and ? group by all order by all",
            [truth["first_day"], truth["last_day"]],
        ).df()
        intervals = _intervals(database, truth)
    print(f"world {setting.seed}: {setting.title}, {time.monotonic() - began:.0f} s", flush=True)
    return World(setting, truth, credit, intervals)


def _intervals(database: duckdb.DuckDBPyConnection, truth: dict[str, Any]) -> pd.DataFrame:
    """The intervals of the incremental model, where it is built.

    What came before the simulated weeks came anyway; the truth does not count it.
    """
    tables = {name for (name,) in database.execute("show tables").fetchall()}
    if "incremental" not in tables:
        return pd.DataFrame(columns=["kind", "channel", "low", "high"])
    found = database.execute("select kind, channel, low, high from incremental").df()
    counted = database.execute(
        "select kind, sum(conversions) as before from conversions"
        " where week not between ? and ? group by all",
        [truth["first_day"], truth["last_day"]],
    ).df()
    before = found["kind"].map(counted.set_index("kind")["before"].astype(float)).fillna(0.0)
    of_baseline = before.where(found["channel"] == "baseline", 0.0)
    return found.assign(low=found["low"] - of_baseline, high=found["high"] - of_baseline)


def scored(worlds: Sequence[World], kinds: Sequence[str]) -> pd.DataFrame:
    """One row for each world, kind and model, with the metrics."""
    rows = []
    for world in worlds:
        for (kind, model), credit in world.credit.groupby(["kind", "model"]):
            if kind in kinds:
                given = credit.set_index("channel")["conversions"]
                whole, alone = (world.truth[name][kind] for name in ("total", "baseline"))
                metrics = measured(given, world.true(kind), whole, alone)
                rows.append({"seed": world.setting.seed, "kind": kind, "model": model} | metrics)
    return pd.DataFrame(rows)


def coverage(worlds: Sequence[World], kinds: Sequence[str]) -> pd.DataFrame:
    """Of each kind and channel, in how many worlds the incremental model's interval held."""
    rows = []
    for world in worlds:
        for kind, given in world.intervals.groupby("kind"):
            if kind in kinds:
                truth = world.true(kind)
                alone = world.truth["total"][kind] - truth.clip(lower=0).sum()
                truth["baseline"] = world.truth["baseline"][kind]
                ends = given.set_index("channel")[["low", "high"]]
                held = covered(ends, truth)
                # The same row beside what it is by its definition: less each channel's own.
                beside = covered(ends.loc[["baseline"]], pd.Series({"baseline": alone}))
                rows += [(kind, _BESIDE, bool(hit)) for hit in beside]
                rows += [(kind, channel, bool(hit)) for channel, hit in held.items()]
    return pd.DataFrame(rows, columns=["kind", "channel", "held"])


def tables(worlds: Sequence[World], kinds: Sequence[str]) -> str:
    """Everything as Markdown."""
    scores, parts = scored(worlds, kinds), []
    for kind in kinds:
        mine = scores[scores["kind"] == kind]
        order = mine.groupby("model")["tvd"].median().sort_values(kind="stable").index
        lines = [f"| {kind} | {' | '.join(_HEADS.values())} |", "|---" * (len(_HEADS) + 1) + "|"]
        for model in order:
            of_model = mine[mine["model"] == model]
            cells = [middle(of_model[name], _form(name)) for name in METRICS]
            lines.append(f"| {model} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    held = coverage(worlds, kinds)
    if len(held):
        parts.append(_coverage_table(held, kinds))
    return "\n\n".join(parts)


def _form(metric: str) -> str:
    return "{:+.0%}" if metric.endswith("_error") else "{:.2f}"


def _coverage_table(held: pd.DataFrame, kinds: Sequence[str]) -> str:
    rates = held.groupby(["channel", "kind"])["held"].mean().unstack().reindex(columns=kinds)
    whole = held[held["channel"] != _BESIDE]
    rates.loc["all"] = whole.groupby("kind")["held"].mean()
    lines = [f"| 90% intervals hold | {' | '.join(rates.columns)} |"]
    lines.append("|---" * (len(rates.columns) + 1) + "|")
    for channel, row in rates.iterrows():
        lines.append(f"| {channel} | {' | '.join(f'{rate:.0%}' for rate in row)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tune", action="store_true", help="the worlds to tune on")
    parser.add_argument("--tests", action="store_true", help="with lift tests in every world")
    parser.add_argument("--people", type=int, default=20_000, help="in each world (20000)")
    parser.add_argument("--worlds", type=int, default=10, help="only the first so many (10)")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=COUNTED, metavar="KIND")
    parser.add_argument("--keep", type=Path, help="folder to keep the worlds in")
    parser.add_argument("--csv", type=Path, help="also write the metrics of every world here")
    options = parser.parse_args()
    keep = options.keep or Path(tempfile.mkdtemp(prefix="worlds_"))
    try:
        worlds = [
            refreshed(prepare(keep, setting, options.people, tests=options.tests), setting)
            for setting in (TUNING if options.tune else REPORTED)[: options.worlds]
        ]
    finally:
        if options.keep is None:
            shutil.rmtree(keep)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"\n{len(worlds)} worlds of {options.people:,} people")
    print(f"{os.cpu_count()} cores, {memory:.0f} GiB\n")
    print(tables(worlds, options.kinds))
    if options.csv:
        scored(worlds, options.kinds).to_csv(options.csv, index=False)


if __name__ == "__main__":
    main()
