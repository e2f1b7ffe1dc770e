"""What Forecast says in sentences: which model was taken, why, and how far it can be off."""

from math import ceil, floor

import pandas as pd

from attribution.forecast_queries import Asked
from attribution.metrics import KINDS, definition
from attribution.models.forecast_candidates import BASELINES, MEANS, PROPHET, SEASONAL_NAIVE
from attribution.models.forecast_series import MONEY, TOTAL
from attribution.ui import formats
from attribution.ui.view import records

MODELS = {
    "seasonal_naive": "Same week last year",
    "ets": "Exponential smoothing",
    "back_to_usual": "Back to the usual week",
    "planned": "Planned budgets",
    "appointments": "Appointments made",
    "prophet": "Prophet",
    "ets_prophet": "Smoothing + Prophet",
    "all_three": "Mean of all three",
}
_REPEATS = (SEASONAL_NAIVE, PROPHET, *MEANS)  # what they know is in the past alone


def why(errors: pd.DataFrame, *, spends: bool = False) -> str:
    """Which model was chosen, and how it did beside the others; `spends` where it is of spend."""
    chosen = errors[errors["is_chosen"].astype(bool)]
    if chosen.empty:
        return ""
    name, error = str(chosen["model"].iloc[0]), float(chosen["wape"].iloc[0])
    known = errors[errors["wape"].notna() & ~errors["is_chosen"].astype(bool)]
    said = f"{MODELS[name]} is used: on weeks it had not seen it was off by {formats.rate(error)}"
    if known.empty:
        return f"{said}. No other model could be fitted."
    others = [
        f"{_inside(MODELS.get(row['model'], row['model']))} by {formats.rate(float(row['wape']))}"
        for row in records(known.sort_values(["wape", "model"]))
    ]
    best = known.sort_values(["wape", "model"]).iloc[0]
    reason = ""
    if error > float(best["wape"]):
        reason = "; a model that is hardly better does not replace it"
        if spends and best["model"] in _REPEATS:
            reason = "; budgets are decided, so what repeats or trends in the past replaces nothing"
    return f"{said}, {formats.several(others)}{reason}."


def _inside(name: str) -> str:
    """A model's name within a sentence."""
    return name if name.startswith("Prophet") else name[:1].lower() + name[1:]


def how_sure(errors: pd.DataFrame) -> str:
    """The chosen model's error on held-out weeks, beside that of the better baseline."""
    chosen = errors[errors["is_chosen"].astype(bool)]
    if chosen.empty:
        return ""
    said = f"Held-out error {formats.rate(float(chosen['wape'].iloc[0]))}"
    plain = errors[errors["model"].isin(BASELINES) & errors["wape"].notna()]
    if plain.empty or str(chosen["model"].iloc[0]) in BASELINES:
        return f"{said}."
    best = plain.sort_values(["wape", "model"]).iloc[0]
    rival = MODELS[str(best["model"])]
    return f"{said}; {rival}: {formats.rate(float(best['wape']))}."


def sums(asked: Asked, *, adds_up: bool, has_parts: bool) -> str:
    """Whether parts and totals agree, and what to do where they do not.

    `has_parts` is whether any part of the number is forecast beside all of it.
    """
    if adds_up:
        return (
            "Channels, service lines and locations each add up to everything, so a forecast of a "
            "part can be taken away from that of the whole."
        )
    if asked.dimension == TOTAL and not has_parts:
        return "No part of this number is large enough to be forecast by itself."
    return (
        "Each part is forecast by itself, by the model that tested best for it, so parts need not "
        "add up to everything. With `agree = true` in [forecast] they are moved until they do, "
        "where they ever did."
    )


def unusual_notes(odd: pd.DataFrame, currency: str) -> tuple[str, ...]:
    """A sentence on weeks outside the range that the weeks before had for them, newest first."""
    if odd.empty:
        return ()
    said = []
    for row in odd.itertuples(index=False):
        came, low, high = (float(each) for each in (row.actual, row.low_95, row.high_95))  # type: ignore[arg-type]
        texts = _outside(came, low, high, currency if row.metric in MONEY else "")
        number = definition(KINDS.get(str(row.metric), str(row.metric))).title.lower()
        said.append(
            f"{number} in the week of {formats.day(row.week)} ({texts[0]}; "
            f"expected {texts[1]} to {texts[2]})"
        )
    return (
        (
            f"Not as foretold up to four weeks before: {formats.several(said)}. One week in "
            "twenty is so by chance; Forecast shows the range."
        ),
    )


def _outside(came: float, low: float, high: float, currency: str) -> list[str]:
    """A number and the ends of its band, so written that it lies outside also as written.

    `currency` is empty for counts, whose ends are the whole numbers within.
    """
    if currency:
        return [formats.whole_money(each, currency) for each in (came, low, high)]
    if ceil(low) > floor(high):  # no whole number lies within
        return [formats.count(came), formats.coefficient(low), formats.coefficient(high)]
    return [formats.count(each) for each in (came, ceil(low), floor(high))]
