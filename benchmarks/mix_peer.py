"""pymc-marketing on the worlds of `mix.py`, as `caretrace mix --bayes` fits them.

    python3.12 -m venv PEER && PEER/bin/pip install --editable '.[mmm]'
    PEER/bin/python -m benchmarks.mix_peer 10 --first 100             without lift tests
    PEER/bin/python -m benchmarks.mix_peer 10 --first 100 --tests 8   with those of 8 channels

It prints a line of JSON for each world: what each channel is said to have brought, with the ends of
a 90% interval, and the processor seconds of the fit alone.
"""

import argparse
import json
import time
import warnings

import numpy as np
import pandas as pd

from attribution.mix_bayes import drawn
from attribution.mix_tests import COLUMNS
from benchmarks.mix_worlds import NAMES, WEEKS, World, world


def fitted(lived: World, *, tests: int, draws: int) -> tuple[np.ndarray, float]:
    """Draws of what each channel brought in all weeks: draw x channel; and processor seconds.

    The tests of so many channels are heard.
    """
    weekly = pd.DataFrame(dict(zip(NAMES, lived.spend, strict=True)))
    weekly.insert(0, "week", pd.date_range("2023-01-02", periods=WEEKS, freq="7D"))
    weekly.insert(1, "counted", lived.conversions)
    points = [
        (
            NAMES[test.channel],
            0.0,
            float(lived.spend[test.channel, test.first : test.last + 1].mean()),
            test.increment / (test.last - test.first + 1),
            test.standard_error / (test.last - test.first + 1),
        )
        for test in lived.tests
        if test.channel < tests
    ]
    began = time.process_time()
    told = drawn(weekly, NAMES, draws, pd.DataFrame(points, columns=list(COLUMNS)))
    return told.sum(axis=2), time.process_time() - began


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tests", type=int, default=0, help="channels whose tests are heard")
    parser.add_argument("--draws", type=int, default=500)
    told = parser.parse_args()
    for seed in range(told.first, told.first + told.worlds):
        every, seconds = fitted(world(seed), tests=told.tests, draws=told.draws)
        low, high = np.percentile(every, [5, 95], axis=0)
        said = {
            "seed": seed,
            "brought": every.mean(axis=0).round(1).tolist(),
            "low": low.round(1).tolist(),
            "high": high.round(1).tolist(),
            "seconds": round(seconds, 1),
        }
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
