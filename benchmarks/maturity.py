"""How well recent cohorts are estimated: cut the data earlier, estimate, compare with what came.

    python benchmarks/maturity.py --home var --cuts 16

For each pair of stages, over the service lines and weeks that were immature at a cut and are
complete (of money: a year old, or nearly all in) today: the total of what was expected, and of
what had arrived, over what came in the end; how far single cohorts were off, summed; and how often
the 90% interval held what came. Below the line all service lines are added up, as the pages do.
"""

import argparse
import os
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from attribution.models.maturity import MATURE, cohort_maturity
from attribution.paths import Home

PAIR = ["kind_from", "kind_to"]
KEY = [*PAIR, "service_line", "week"]
NEARLY = 40  # weeks after which money of a lead or visit has all but come


def cells(home: Home) -> pd.DataFrame:
    """The published generation's `int_cohorts`."""
    generation = int(home.current.read_text("ascii"))
    path = home.generation(generation) / "private.duckdb"
    with duckdb.connect(str(path), read_only=True) as database:
        frame = database.execute("select * from int_cohorts").df()
    return frame.assign(week=pd.to_datetime(frame["week"]))


def earlier(now: pd.DataFrame, weeks: int) -> pd.DataFrame:
    """What the cells would have held so many weeks ago."""
    last = now["week"].max() - pd.Timedelta(weeks=weeks)
    then = now[now["week"] <= last].assign(age_weeks=now["age_weeks"] - weeks)
    unseen = then["lag_weeks"] > then["age_weeks"]
    then = then.assign(
        arrived=then["arrived"].where(~unseen, 0), lag_weeks=then["lag_weeks"].where(~unseen, 0)
    )
    return then.groupby([c for c in then.columns if c != "arrived"], as_index=False).sum()


def compared(now: pd.DataFrame, weeks: int) -> pd.DataFrame:
    """Immature cohorts of a cut that are complete today: expected, low, high, arrived, final."""
    then = earlier(now, weeks)
    found = cohort_maturity(then)
    found["week"] = pd.to_datetime(found["week"])
    final = now.groupby(KEY).agg(
        final=("arrived", "sum"), age=("age_weeks", "max"), window=("window_weeks", "max")
    )
    arrived = then.groupby(KEY)["arrived"].sum()
    both = found[found["maturity"] < MATURE].join(final, on=KEY).join(arrived, on=KEY)
    return both[both["age"] >= np.minimum(both["window"], NEARLY)].assign(cut=weeks)


def together(rows: pd.DataFrame) -> pd.DataFrame:
    """All service lines of a week added up, their intervals as the roots of their squares."""
    miss = rows.assign(
        below=(rows["expected"] - rows["low"]) ** 2, above=(rows["high"] - rows["expected"]) ** 2
    )
    grain = [*PAIR, "week", "cut"]
    sums = miss.groupby(grain)[["expected", "arrived", "final", "below", "above"]].sum()
    low, high = sums["expected"] - sums["below"] ** 0.5, sums["expected"] + sums["above"] ** 0.5
    return sums.assign(low=low, high=high).reset_index()


def summary(rows: pd.DataFrame) -> pd.Series:
    """What the docstring promises, of one pair."""
    final = rows["final"].sum()
    held = rows["final"].between(rows["low"] - 1e-6, rows["high"] + 1e-6)
    return pd.Series(
        {
            "cohorts": len(rows),
            "expected": rows["expected"].sum() / final - 1,
            "arrived": rows["arrived"].sum() / final - 1,
            "miss": (rows["expected"] - rows["final"]).abs().sum() / final,
            "miss_arrived": (rows["arrived"] - rows["final"]).abs().sum() / final,
            "covered": held.mean(),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, default=Path("var"))
    parser.add_argument("--cuts", type=int, default=16, help="how many earlier ends of the data")
    said = parser.parse_args()
    now = cells(Home(said.home))
    first = 14  # weeks back: no cohort that was immature later is complete today
    rows = pd.concat([compared(now, first + 3 * cut) for cut in range(said.cuts)])
    print(f"{os.cpu_count()} cores; data cut {first} to {first + 3 * (said.cuts - 1)} weeks back")
    for title, frame in (("each service line", rows), ("all service lines", together(rows))):
        print(f"\n{title}")
        table = frame.groupby(PAIR)[list(frame.columns)].apply(summary)
        print(table.to_string(float_format=lambda value: f"{value:,.3f}"))


if __name__ == "__main__":
    main()
