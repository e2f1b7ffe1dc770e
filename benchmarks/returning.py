"""Whether chances to return hold, and whether ranking by lift beats ranking by chance.

    python benchmarks/returning.py --home var --share 0.3

Over the silent people of a demo: how far expected and returned shares lie apart in each tenth, and
how many times the base rate the likeliest tenth returned. Then `share` of them are written to by
e-mail, chosen by lift or by chance; the truth of the simulation says what each choice adds.
"""

import argparse
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from attribution.demo.winback import _CHANNEL_EFFECT, _EFFECT, BANDS
from attribution.paths import Home
from attribution.queries import marts
from attribution.return_queries import return_lift


def read(home: Home, database: str, sql: str) -> pd.DataFrame:
    generation = int(home.current.read_text("ascii"))
    path = home.generation(generation) / database
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).df()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, default=Path("var"))
    parser.add_argument("--share", type=float, default=0.3)
    options = parser.parse_args()
    home = Home(options.home.resolve())
    tenths = read(home, "marts.duckdb", "select * from return_calibration order by decile")
    tenths["off"] = tenths["predicted"] - tenths["observed"]
    print(tenths.round(4).to_string(index=False))
    base = np.average(tenths["observed"], weights=tenths["people"])
    inside = (
        (tenths["low"] <= tenths["predicted"]) & (tenths["predicted"] <= tenths["high"])
    ).mean()
    top = tenths["observed"].iloc[-1] / base
    print(f"mean distance {100 * tenths['off'].abs().mean():.1f} points, largest "
          f"{100 * tenths['off'].abs().max():.1f}; expected inside the interval of {inside:.0%}; "
          f"likeliest tenth {top:.1f} x the base rate {base:.1%}")  # fmt: skip
    people = read(
        home, "private.duckdb", "select * from int_return_scores where chance is not null"
    )
    lifts = return_lift(marts(home, int(home.current.read_text("ascii")), protected=False))
    lifts = lifts[lifts["channel"] == "outreach_email"]
    true = dict(zip(BANDS, _EFFECT * _CHANNEL_EFFECT["outreach_email"], strict=True))
    people["lift"] = people["months_silent"].map(lifts.set_index("months_silent")["lift"])
    people["true"] = people["months_silent"].map(true)
    chosen = int(options.share * len(people))
    added = {
        name: people.sort_values([name, "person_id"], ascending=[False, True])["true"][
            :chosen
        ].sum()
        for name in ("lift", "chance", "true")
    }
    print(f"{chosen} of {len(people)} silent people written to add "
          f"{added['lift']:.0f} kept visits by lift, {added['chance']:.0f} by chance, "
          f"{added['true']:.0f} by the truth")  # fmt: skip


if __name__ == "__main__":
    main()
