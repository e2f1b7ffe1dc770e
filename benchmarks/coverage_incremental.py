"""How often the 90% intervals of the warehouse's incremental model hold the truth.

    PYTHONPATH=.:tests python benchmarks/coverage_incremental.py --datasets 200

Each data set is a panel of four places and ninety weeks in which three channels are pressed at
random, made as the model takes the world to be: coefficients are drawn from what it believes
beforehand, so nine in ten intervals must hold. 87 to 93% should.
"""

import argparse
import time

import numpy as np
import pandas as pd
from test_incremental import fitted, hidden, increments

LEVELS = (0.05, 0.95)


def held(seed: int) -> pd.DataFrame:
    """One row for each channel, and one for the baseline, of the panel of a seed."""
    conversions, media, truth = hidden(seed, levels=(100, 100))
    found = increments(fitted(conversions, media))
    whole = float(conversions["conversions"].sum())
    found["baseline"] = whole - found.sum(axis=1)
    truth = {**truth, "baseline": whole - sum(truth.values())}
    low, high = found.quantile(LEVELS[0]), found.quantile(LEVELS[1])
    return pd.DataFrame(
        {
            "channel": list(truth),
            "held": [low[name] <= true <= high[name] for name, true in truth.items()],
            "error": [(found[name].mean() - true) / whole for name, true in truth.items()],
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1000, help="of the first panel")
    options = parser.parse_args()
    began = time.process_time()
    rows = pd.concat([held(options.seed + number) for number in range(options.datasets)])
    seconds = (time.process_time() - began) / options.datasets
    channels = rows[rows["channel"] != "baseline"]
    print(f"{options.datasets} panels, {seconds:.2f} processor seconds each")
    print(f"channels: 90% intervals hold {channels['held'].mean():.1%}")
    for name, of_channel in rows.groupby("channel"):
        spread, lean = np.std(of_channel["error"]), of_channel["error"].mean()
        print(f"  {name}: {of_channel['held'].mean():.1%}, error {lean:+.3f} ± {spread:.3f}")


if __name__ == "__main__":
    main()
