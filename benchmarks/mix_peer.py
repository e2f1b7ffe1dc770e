"""pymc-marketing on the worlds of `mix.py`; its own virtual environment has to run this.

    python3.12 -m venv PEER && PEER/bin/pip install pymc-marketing nutpie
    PEER/bin/python benchmarks/mix_peer.py 10             ten worlds, without lift tests
    PEER/bin/python benchmarks/mix_peer.py 10 --tests     with those of each world

It prints a line of JSON for each world: what each channel is said to have brought, with the ends of
a 90% interval, and the processor seconds of the fit alone.
"""

import argparse
import json
import time
import warnings

import numpy as np
import pandas as pd
from mix_worlds import NAMES, WEEKS, World, world
from pymc_marketing.mmm import MMM, GeometricAdstock, LogisticSaturation


def fitted(lived: World, *, tests: bool, draws: int) -> tuple[np.ndarray, float]:
    """Draws of what each channel brought in all weeks: draw x channel; and processor seconds."""
    days = pd.date_range("2023-01-02", periods=WEEKS, freq="7D")
    seen = pd.DataFrame(dict(zip(NAMES, lived.spend, strict=True)))
    seen.insert(0, "date", days)
    seen["t"] = np.arange(WEEKS) / WEEKS
    model = MMM(
        date_column="date",
        target_column="y",
        channel_columns=list(NAMES),
        control_columns=["t"],
        adstock=GeometricAdstock(l_max=12),
        saturation=LogisticSaturation(),
        yearly_seasonality=3,
    )
    target = pd.Series(lived.conversions, name="y")
    began = time.process_time()
    model.build_model(seen, target)
    model.add_original_scale_contribution_variable(var=["channel_contribution"])
    if tests:
        model.add_lift_test_measurements(
            pd.DataFrame(
                {
                    "channel": [NAMES[test.channel] for test in lived.tests],
                    "x": [0.0 for _ in lived.tests],
                    "delta_x": [
                        float(lived.spend[t.channel, t.first : t.last + 1].mean())
                        for t in lived.tests
                    ],
                    "delta_y": [max(t.increment, 1.0) / 8 for t in lived.tests],
                    "sigma": [t.standard_error / 8 for t in lived.tests],
                }
            )
        )
    model.fit(
        seen,
        target,
        nuts_sampler="nutpie",
        draws=draws,
        tune=500,
        chains=2,
        cores=1,
        target_accept=0.9,
        random_seed=1,
        progressbar=False,
    )
    seconds = time.process_time() - began
    brought = model.idata.posterior["channel_contribution_original_scale"]
    stacked = brought.stack(sample=("chain", "draw")).sum("date")
    return stacked.transpose("sample", "channel").to_numpy(), seconds


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("--draws", type=int, default=500)
    told = parser.parse_args()
    for seed in range(told.first, told.first + told.worlds):
        drawn, seconds = fitted(world(seed), tests=told.tests, draws=told.draws)
        low, high = np.percentile(drawn, [5, 95], axis=0)
        said = {
            "seed": seed,
            "brought": drawn.mean(axis=0).round(1).tolist(),
            "low": low.round(1).tolist(),
            "high": high.round(1).tolist(),
            "seconds": round(seconds, 1),
        }
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
