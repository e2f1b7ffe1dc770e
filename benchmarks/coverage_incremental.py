"""How often the 90% intervals of the warehouse's incremental model hold the truth.

    PYTHONPATH=.:tests python benchmarks/coverage_incremental.py --datasets 200

Each data set is a panel of four places and ninety weeks in which three channels are pressed at
random, made as the model takes the world to be: coefficients, carry-over and saturation are drawn
from what it believes beforehand, so nine in ten intervals should hold (Cook, Gelman and Rubin,
Journal of Computational and Graphical Statistics 15, 2006). 87 to 93% should. With `--fixed`
carry-over and saturation are the same in every data set, which the model does not know.
"""

import argparse
import time

import numpy as np
import pandas as pd
from test_incremental import USUAL, fitted, hidden, increments

from attribution.models.estimate import ends_of_draws
from attribution.models.incremental_design import AWARENESS
from attribution.models.incremental_draws import KEPT, POWERS

Settings = dict[str, tuple[float, float]]


def drawn_settings(seed: int) -> Settings:
    """What is kept and the power of each channel, from what the model believes beforehand."""
    rng = np.random.default_rng([seed, 1])
    return {
        name: (float(rng.choice(KEPT[name in AWARENESS])), float(rng.choice(POWERS)))
        for name in USUAL
    }


def held(seed: int, settings: Settings) -> pd.DataFrame:
    """One row for each channel, and one for the baseline, of the panel of a seed."""
    conversions, media, truth = hidden(seed, levels=(100, 100), settings=settings)
    found = increments(fitted(conversions, media))
    whole = float(conversions["conversions"].sum())
    found["baseline"] = whole - found.sum(axis=1)
    truth = {**truth, "baseline": whole - sum(truth.values())}
    low, high = (dict(zip(found, end, strict=True)) for end in ends_of_draws(found.to_numpy()))
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
    parser.add_argument("--fixed", action="store_true", help="the same settings everywhere")
    options = parser.parse_args()
    began = time.process_time()
    seeds = range(options.seed, options.seed + options.datasets)
    rows = pd.concat([held(s, USUAL if options.fixed else drawn_settings(s)) for s in seeds])
    seconds = (time.process_time() - began) / options.datasets
    channels = rows[rows["channel"] != "baseline"]
    print(f"{options.datasets} panels, {seconds:.2f} processor seconds each")
    print(f"channels: 90% intervals hold {channels['held'].mean():.1%}")
    for name, of_channel in rows.groupby("channel"):
        spread, lean = np.std(of_channel["error"]), of_channel["error"].mean()
        print(f"  {name}: {of_channel['held'].mean():.1%}, error {lean:+.3f} ± {spread:.3f}")


if __name__ == "__main__":
    main()
