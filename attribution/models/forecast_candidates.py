"""The models that compete for a series: each says the next weeks from the weeks before.

Seasonal naive repeats last year. ETS is exponential smoothing (`forecast_smoothing.py`). Prophet
(Taylor and Letham, *Forecasting at scale*, The American Statistician 72, 2018) is a regression on
trend, season and what is known in advance; its last trend is damped as in Gardner and McKenzie,
*Forecasting trends in time series*, Management Science 31 (1985), since a straight line is rarely
kept up. What is planned to be spent has a model of its own (`forecast_planned.py`), for series of
which a plan is known, and so has what is booked already (`forecast_booked.py`). Means of models are
models too.
"""

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec

import numpy as np
import pandas as pd

from attribution.models import forecast_booked
from attribution.models.forecast_calendar import Known
from attribution.models.forecast_planned import as_planned, driven
from attribution.models.forecast_series import YEAR, Floats
from attribution.models.forecast_smoothing import smoothed

SEASONAL_NAIVE, ETS, PLANNED, PROPHET = "seasonal_naive", "ets", "planned", "prophet"
BOOKED, USUAL = "appointments", "back_to_usual"
BASELINES = (SEASONAL_NAIVE, ETS)
MEANS: Mapping[str, tuple[str, ...]] = {
    "ets_prophet": (ETS, PROPHET),
    "all_three": (SEASONAL_NAIVE, ETS, PROPHET),
}
CANDIDATES = (SEASONAL_NAIVE, ETS, USUAL, PLANNED, BOOKED, PROPHET, *MEANS)
EXTRA = "forecast"
_NEEDED = {PROPHET: "prophet"}
_STILL_AWAY = 0.85  # of the way to the usual week, what is left a week later
_DAMPED = 0.8  # of the trend's last step, what is left a week later
# A year's swing is two waves, drawn towards none: most series have hardly two years to show it.
_WAVES, _SWING = 2, 0.05
_TURNS = 10  # places at which the trend may change


@dataclass(frozen=True, slots=True)
class Past:
    """The weeks that a model learns from, scaled to a mean of one, and what is known in advance.

    `known` begins with the first of `values` and reaches over the weeks to come. `spends` says
    that the values are spend, which is planned itself.
    """

    first: date
    values: Floats
    known: Known
    spends: bool = False


def missing() -> tuple[str, ...]:
    """The models whose library is not installed; the extra `forecast` has them."""
    return tuple(name for name, library in _NEEDED.items() if find_spec(library) is None)


def foretold(
    names: tuple[str, ...], past: Past, horizon: int
) -> tuple[dict[str, Floats], dict[str, str]]:
    """What each model says of the `horizon` weeks after `past`, and why some could not."""
    said: dict[str, Floats] = {}
    failed: dict[str, str] = {}
    for name in names:
        if name in MEANS:
            continue
        try:
            values = np.asarray(_MODELS[name](past, horizon), dtype="float64")
            if values.shape != (horizon,) or not np.isfinite(values).all():
                raise ValueError("a forecast that is no number")
        except Exception as error:
            # Whatever a library dies of, the other models are still there.
            failed[name] = type(error).__name__
        else:
            said[name] = np.clip(values, 0.0, None)
    for name in names:
        if name in MEANS and set(MEANS[name]) <= said.keys():
            said[name] = np.mean([said[part] for part in MEANS[name]], axis=0)
    return said, failed


def seasonal_naive(past: Past, horizon: int) -> Floats:
    """The same weeks of last year; with less than a year of data, the last week again."""
    values = past.values
    if len(values) < YEAR:
        return np.full(horizon, values[-1])
    return np.resize(values[-YEAR:], horizon)


def ets(past: Past, horizon: int) -> Floats:
    """Exponential smoothing, with a damped trend where weeks ask for one."""
    return smoothed(past.values, horizon)


def back_to_usual(past: Past, horizon: int) -> Floats:
    """Exponential smoothing that returns to the usual week of the last year, step by step.

    Budgets that are paused or pushed mostly are not for long (first-order autoregression about a
    median: neither a pause nor a push moves it).
    """
    usual = float(np.median(past.values[-YEAR:]))
    left = _STILL_AWAY ** np.arange(1, horizon + 1)
    return np.asarray(usual + (smoothed(past.values, horizon) - usual) * left)


def planned(past: Past, horizon: int) -> Floats:
    """What planned budgets say: the plan itself of spend, and of all else what it drives."""
    if past.known.planned is None:
        raise ValueError("no plan")
    plan = np.array(past.known.planned)
    return (as_planned if past.spends else driven)(past.values, plan, horizon)


def booked(past: Past, horizon: int) -> Floats:
    """What stands in the calendar says, and a slow level of what else comes."""
    if past.known.booked is None:
        raise ValueError("nothing booked")
    return forecast_booked.expected(past.values, np.array(past.known.booked), horizon)


def prophet(past: Past, horizon: int) -> Floats:
    """Trend, a year's swing and the regressors; towards a cap where one is known."""
    from prophet import Prophet

    # It warns of short series, and Stan tells of every fit.
    logging.getLogger("prophet").setLevel(logging.ERROR)
    logging.getLogger("cmdstanpy").disabled = True
    length = len(past.values)
    cap = past.known.cap
    # A curve that saturates needs a cap, in every week, above what has been seen.
    saturates = cap is not None and bool((np.array(cap) > past.values.max()).all())
    model = Prophet(
        growth="logistic" if saturates else "linear",
        n_changepoints=_TURNS,
        changepoint_range=0.9,
        weekly_seasonality=False,
        daily_seasonality=False,
        yearly_seasonality=_WAVES,
        seasonality_prior_scale=_SWING,
        uncertainty_samples=0,
    )
    weeks = pd.date_range(pd.Timestamp(past.first), periods=length + horizon, freq="7D")
    frame = pd.DataFrame({"ds": weeks})
    for name, values in past.known.regressors.items():
        if np.ptp(values[:length]):
            model.add_regressor(name, prior_scale=0.5)
            frame[name] = values[: length + horizon]
    if saturates and cap is not None:
        frame["cap"] = cap[: length + horizon]
    with warnings.catch_warnings():
        # What its own use of pandas will have to change one day is not our users' to read.
        warnings.simplefilter("ignore")
        model.fit(frame.iloc[:length].assign(y=past.values))
        answer = model.predict(frame.iloc[length - 2 :])
    trend = answer["trend"].to_numpy(dtype="float64")
    if not saturates:
        trend = np.append(trend[:2], _damped(trend, horizon))
    factor = 1.0 + answer["multiplicative_terms"].to_numpy(dtype="float64")
    terms = answer["additive_terms"].to_numpy(dtype="float64")
    return np.asarray((trend * factor + terms)[2:])


def _damped(trend: Floats, horizon: int) -> Floats:
    """The trend from its last two weeks on, each step `_DAMPED` of the one before."""
    steps = (trend[1] - trend[0]) * _DAMPED ** np.arange(1, horizon + 1)
    return np.asarray(trend[1] + np.cumsum(steps))


_MODELS: Mapping[str, Callable[[Past, int], Floats]] = {
    SEASONAL_NAIVE: seasonal_naive,
    ETS: ets,
    USUAL: back_to_usual,
    PLANNED: planned,
    BOOKED: booked,
    PROPHET: prophet,
}
