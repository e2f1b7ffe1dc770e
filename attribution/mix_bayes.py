"""A full Bayesian fit of the marketing mix by pymc-marketing: the extra `mmm`, for Python 3.12.

Nothing else needs it. It reads the same weeks as the fast model, with the library's own priors:
geometric carry-over, logistic saturation, a yearly season. Lift tests enter its likelihood as
points of a channel's response curve (`mix_tests.py`).
"""

import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from attribution.errors import BadInput
from attribution.models.estimate import ends_of_draws
from attribution.models.incremental_design import Floats

_OLDEST = (3, 12)
_YEAR = 52
_FEWEST = 60  # weeks
_SEED = 20_260_102
_LONGEST = 12  # weeks of carry-over
_TUNED = 500  # draws of each chain that are thrown away


def fitted(
    weekly: pd.DataFrame, channels: Sequence[str], draws: int, tests: pd.DataFrame | None = None
) -> pd.DataFrame:
    """What each channel brought in the last year: channel, bayes, bayes_low and _high, bayes_tests.

    `weekly`, `tests` and errors are those of `drawn`. `bayes_tests` is how many tests were heard.
    """
    every = drawn(weekly, channels, draws, tests)[:, :, -_YEAR:].sum(axis=2)
    low, high = ends_of_draws(every)
    heard = [] if tests is None else list(tests["channel"])
    return pd.DataFrame(
        {
            "channel": list(channels),
            "bayes": every.mean(axis=0).round(3),
            "bayes_low": low.round(3),
            "bayes_high": high.round(3),
            "bayes_tests": [heard.count(channel) for channel in channels],
        }
    )


def drawn(
    weekly: pd.DataFrame, channels: Sequence[str], draws: int, tests: pd.DataFrame | None = None
) -> Floats:
    """Draws of what each channel brought in each week: draw x channel x week.

    `weekly` has week, counted and the money of each channel; `tests` is of `mix_tests.points`.
    Raises BadInput where the library or the Python it needs is not there, or the weeks are too few.
    """
    library = _library()
    if len(weekly) < _FEWEST or not channels:
        raise BadInput(f"A full fit needs {_FEWEST} weeks with spend; there are {len(weekly)}.")
    if draws < 1:
        raise BadInput("The fit needs at least one draw of each chain; raise --draws.")
    rows = weekly.drop(columns="counted").assign(
        week=pd.to_datetime(weekly["week"]), trend=np.arange(len(weekly)) / len(weekly)
    )
    model = library.MMM(
        date_column="week",
        target_column="counted",
        channel_columns=list(channels),
        control_columns=["trend"],
        adstock=library.GeometricAdstock(l_max=_LONGEST),
        saturation=library.LogisticSaturation(),
        yearly_seasonality=3,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.build_model(rows, weekly["counted"])
        model.add_original_scale_contribution_variable(var=["channel_contribution"])
        if tests is not None and len(tests):
            model.add_lift_test_measurements(tests)
        model.fit(
            rows,
            weekly["counted"],
            nuts_sampler="nutpie",
            draws=draws,
            tune=_TUNED,
            chains=2,
            cores=1,
            target_accept=0.9,
            random_seed=_SEED,
            progressbar=False,
        )
    brought = model.idata.posterior["channel_contribution_original_scale"]
    brought = brought.sel(channel=list(channels))
    stacked = brought.stack(sample=("chain", "draw")).transpose("sample", "channel", "date")
    found: Floats = stacked.to_numpy()
    return found


def _library() -> Any:
    if sys.version_info < _OLDEST:
        running = ".".join(map(str, sys.version_info[:2]))
        raise BadInput(
            f"A full Bayesian fit needs Python 3.12 or later; this is {running}. Install caretrace "
            "there with `pip install 'caretrace[mmm]'`. Without --bayes it needs neither."
        )
    try:
        return importlib.import_module("pymc_marketing.mmm")
    except ImportError:
        raise BadInput(
            "A full Bayesian fit needs the extra mmm: run `pip install 'caretrace[mmm]'`. Without "
            "--bayes it is not needed."
        ) from None
