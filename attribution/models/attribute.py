"""Every model over an analyst's own paths: `attribute` for frames, `attribute_file` for CSV."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from attribution.errors import BadInput
from attribution.models.encoding import SEPARATOR, UNATTRIBUTED
from attribution.models.estimate import Estimate, Interval, score_interval, value_interval
from attribution.models.markov import ORDERS, choose_order, markov
from attribution.models.path_files import Progress, quiet, read_paths
from attribution.models.path_frames import encode_frame
from attribution.models.path_incremental import BASELINE, incremental
from attribution.models.path_rules import RULES, RuleSettings, rule
from attribution.models.paths import Paths
from attribution.models.shapley import shapley_ordered, shapley_rate, shapley_sum

Order = int | Literal["auto"]

LEARNED = ("markov", "shapley_sum", "shapley_rate", "shapley_ordered", "incremental")
NEED_NULLS = ("shapley_rate", "incremental")
PATH_MODELS = (*RULES, *LEARNED)
COLUMNS = (
    "model",
    "order",
    "channel",
    "conversions",
    "conversions_low",
    "conversions_high",
    "value",
    "value_low",
    "value_high",
    "removal_effect",
)


def attribute(
    frame: pd.DataFrame,
    model: str | Sequence[str] = "all",
    order: Order = 1,
    *,
    separator: str = SEPARATOR,
    settings: RuleSettings | None = None,
) -> pd.DataFrame:
    """Credit by channel and model for a frame with `path`, `conversions`, `value`, `nulls`.

    The last two are optional. Lows and highs are 90% intervals. What a model had to leave out or
    to sample is said in `result.attrs["notes"]`.
    """
    chosen = chosen_models(model)
    return attribute_paths(encode_frame(frame, separator), chosen, order, settings=settings)


def attribute_file(
    path: Path,
    models: str | Sequence[str] = "all",
    order: Order = 1,
    progress: Progress = quiet,
    *,
    separator: str = SEPARATOR,
    settings: RuleSettings | None = None,
) -> pd.DataFrame:
    """The same for a CSV file; `progress` hears the stage, and how much of how much is done."""
    chosen = chosen_models(models)
    _check_order(order)
    paths = read_paths(path, progress, separator)
    return attribute_paths(paths, chosen, order, progress, settings=settings)


def attribute_paths(
    paths: Paths,
    models: Sequence[str],
    order: Order = 1,
    progress: Progress = quiet,
    *,
    settings: RuleSettings | None = None,
) -> pd.DataFrame:
    """The same for paths that were encoded before; `models` are names of `PATH_MODELS`."""
    _check_order(order)
    notes, models = _left_out(paths, models)
    rows = []
    for number, name in enumerate(models):
        progress(name, number, len(models))
        used = _order(paths, order) if name == "markov" else None
        estimate = _estimate(paths, name, used or 1, settings or RuleSettings())
        notes += [estimate.note] if estimate.note else []
        rows.append(_rows(paths, name, used, estimate))
        progress(name, number + 1, len(models))
    result = pd.concat(rows, ignore_index=True)
    result.attrs["notes"] = notes
    return result


def chosen_models(model: str | Sequence[str]) -> list[str]:
    """The names of the models asked for; "all" is every one."""
    names = [model] if isinstance(model, str) else list(model)
    if "all" in names:
        return list(PATH_MODELS)
    if unknown := [name for name in names if name not in PATH_MODELS]:
        raise BadInput(
            f"There is no model {unknown[0]!r}; choose all, or from {', '.join(PATH_MODELS)}."
        )
    if not names:
        raise BadInput(f"No model was asked for; choose all, or from {', '.join(PATH_MODELS)}.")
    return list(dict.fromkeys(names))


def _left_out(paths: Paths, models: Sequence[str]) -> tuple[list[str], list[str]]:
    """Notes on models that nobody asked for by name and this file cannot have; and the others."""
    if BASELINE in paths.channels and "incremental" in models:
        raise BadInput(
            f"A channel is called {BASELINE!r}, the name of incremental's row for what would have "
            "come anyway; rename the channel, or choose other models."
        )
    if set(models) != set(PATH_MODELS) or (paths.tally.nulls > 0).any():
        return [], list(models)
    note = "were left out: they need journeys that did not convert (column nulls)"
    rest = [name for name in models if name not in NEED_NULLS]
    return [f"{' and '.join(NEED_NULLS)} {note}"], rest


def _check_order(order: Order) -> None:
    whole = isinstance(order, int | np.integer) and not isinstance(order, bool)
    if order != "auto" and not (whole and order in ORDERS):
        raise BadInput(f"The order of Markov is 1, 2, 3, 4 or auto, and not {order!r}.")


def _order(paths: Paths, order: Order) -> int:
    if order != "auto":
        return order
    return choose_order(paths) if paths.channels else 1


def _estimate(paths: Paths, name: str, order: int, settings: RuleSettings) -> Estimate:
    if not (paths.tally.conversions > 0).any():
        return _nothing(paths, (BASELINE,) if name == "incremental" else ())
    if name in RULES:
        return rule(paths, name, settings)
    if name == "markov":
        return markov(paths, order)
    if name == "shapley_rate":
        return shapley_rate(paths)
    if name == "incremental":
        return incremental(paths, settings.direct)
    return shapley_sum(paths) if name == "shapley_sum" else shapley_ordered(paths)


def _nothing(paths: Paths, others: tuple[str, ...]) -> Estimate:
    """All conversions were without a touch: there is nothing to share among channels."""
    if paths.tally.value.any():
        raise BadInput(
            "Paths with touches have a value but no conversion, so no model can share it; "
            "give each value the conversions it came from."
        )
    zero = np.zeros(len(paths.channels) + len(others))
    nobody = Interval(zero, zero, zero)
    return Estimate(nobody, nobody if paths.has_value else None, others=others)


def _rows(paths: Paths, name: str, order: int | None, estimate: Estimate) -> pd.DataFrame:
    names = [*paths.channels, *estimate.others]
    size = len(names)
    effect = estimate.removal_effect
    frame = pd.DataFrame(
        {
            "model": pd.Series([name] * size, dtype="str"),
            "order": pd.array([order if order else pd.NA] * size, dtype="Int64"),
            "channel": pd.Series(names, dtype="str"),
            **_spelled("conversions", estimate.conversions, size),
            **_spelled("value", estimate.value, size),
            "removal_effect": np.full(size, np.nan) if effect is None else effect,
        },
        columns=list(COLUMNS),
    )
    if paths.untouched is None:
        return frame
    return pd.concat([frame, _unattributed(paths, name, order)], ignore_index=True)


def _spelled(name: str, interval: Interval | None, size: int) -> dict[str, np.ndarray]:
    unknown = np.full(size, np.nan)
    parts = (interval.centre, interval.low, interval.high) if interval else (unknown,) * 3
    return dict(zip((name, f"{name}_low", f"{name}_high"), parts, strict=True))


def _unattributed(paths: Paths, name: str, order: int | None) -> pd.DataFrame:
    tally = paths.untouched
    assert tally is not None  # noqa: S101 - the caller has looked
    value = value_interval(tally.value, tally.squares, tally) if paths.has_value else None
    return pd.DataFrame(
        {
            "model": pd.Series([name], dtype="str"),
            "order": pd.array([order if order else pd.NA], dtype="Int64"),
            "channel": pd.Series([UNATTRIBUTED], dtype="str"),
            **_spelled("conversions", score_interval(tally.conversions, tally.conversions, 1.0), 1),
            **_spelled("value", value, 1),
            "removal_effect": [np.nan],
        },
        columns=list(COLUMNS),
    )
