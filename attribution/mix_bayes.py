"""A full Bayesian fit of the marketing mix by pymc-marketing: the extra `mmm`, for Python 3.12.

Nothing else needs it. It reads the same weeks as the fast model, with the library's own priors:
geometric carry-over, logistic saturation, a yearly season.
"""

import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from attribution.errors import BadInput

_OLDEST = (3, 12)
_YEAR = 52
_FEWEST = 60  # weeks
_SEED = 20_260_102
_LONGEST = 12  # weeks of carry-over


def fitted(weekly: pd.DataFrame, channels: Sequence[str], draws: int) -> pd.DataFrame:
    """What each channel brought in the last year; columns channel, bayes, bayes_low, bayes_high.

    `weekly` has week, counted and the money of each channel. Raises BadInput where the library or
    the Python it needs is not there, or the weeks are too few.
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
        model.fit(
            rows,
            weekly["counted"],
            nuts_sampler="nutpie",
            draws=draws,
            chains=2,
            target_accept=0.9,
            random_seed=_SEED,
        )
    drawn = model.idata.posterior["channel_contribution_original_scale"]
    year = drawn.isel(date=slice(-_YEAR, None)).sum("date").stack(sample=("chain", "draw"))
    every = year.transpose("sample", "channel").to_numpy()
    low, high = np.quantile(every, [0.05, 0.95], axis=0)
    return pd.DataFrame(
        {
            "channel": list(channels),
            "bayes": every.mean(axis=0).round(3),
            "bayes_low": low.round(3),
            "bayes_high": high.round(3),
        }
    )


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
