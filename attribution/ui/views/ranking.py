"""Which channel really earns more: how often the order of two channels holds."""

import math

import numpy as np
import pandas as pd

from attribution.credit_queries import INCREMENTAL
from attribution.metrics import KINDS, definition
from attribution.models import MODELS
from attribution.models.paths import Floats
from attribution.queries import Scope
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table, table_of

MAX_CHANNELS = 9
TOLD_APART = 0.95  # as often as the 90% interval of a difference leaves nought out
_NAMED = 3  # pairs that a sentence names


def stability(beats: pd.DataFrame, scope: Scope) -> tuple[Figure, Table]:
    """How often a channel earns more than another; `beats` as `rank_stability` gives it."""
    meaning = definition(KINDS[scope.kind])
    return (
        Figure(
            f"How often a channel earns more {meaning.title.lower()} than another",
            _matrix(beats),
            _in_words(beats, MODELS[scope.model].title),
            "How often the row's channel would be credited with more than the column's, if other "
            f"people like these had come: {_source(scope.model)}. "
            f"50% is a toss-up; below {TOLD_APART:.0%} the two cannot be told apart. Channels with "
            "most credit come first.",
            "stability",
        ),
        _table(beats),
    )


def _source(model: str) -> str:
    if model == INCREMENTAL:
        return "from draws of what the model holds likely, given what was seen"
    return "from a hundred groups of people, each left out in turn"


def _matrix(beats: pd.DataFrame) -> charts.Spec:
    names = [formats.title(str(name)) for name in beats.index[:MAX_CHANNELS]]
    chances = beats.to_numpy(dtype="float64")
    # Each pair once: the other half is what is left to 100%.
    pairs = [
        [float(chances[row, column]) if row < column else None for column in range(1, len(names))]
        for row in range(len(names) - 1)
    ]
    return charts.matrix(
        [formats.short_label(name) for name in names[:-1]],
        [formats.short_label(name) for name in names[1:]],
        # From a toss-up, which is white, to certain.
        [[None if each is None else 2 * each - 1 for each in row] for row in pairs],
        [["" if each is None else _chance(each) for each in row] for row in pairs],
        "<b>%{y}</b> earns more than <b>%{x}</b><br>%{text} of the time",
        "earns more than",
    )


def _in_words(beats: pd.DataFrame, model: str) -> str:
    """How many pairs' order holds, and the neighbours by credit whose order could be the other."""
    names = [formats.title(str(name)) for name in beats.index]
    if len(names) < 2:
        return f"Under {model} a single channel is credited; there is nothing to compare."
    # Of the pairs that are drawn, so that the words and the picture count the same.
    chances = beats.to_numpy(dtype="float64")[:MAX_CHANNELS, :MAX_CHANNELS]
    counted = _counted(chances)
    ahead = chances.diagonal(1)
    pairs = [(float(chance), row) for row, chance in enumerate(ahead)]
    close = [(chance, row) for chance, row in pairs if chance < TOLD_APART]
    if not close:
        least = min(chance for chance, _row in pairs)
        return (
            f"Under {model} {counted}; each channel is told apart from the next (at least "
            f"{_chance(least)})."
        )
    said = [
        f"{names[row]} and {names[row + 1]} cannot be told apart ({_chance(chance)})"
        for chance, row in close[:_NAMED]
    ]
    rest = len(close) - _NAMED
    more = f" {rest} more such pairs follow." if rest > 1 else ""
    more = " One more such pair follows." if rest == 1 else more
    return f"Under {model} {counted}. {formats.several(said)}.{more}"


def _counted(chances: Floats) -> str:
    """How many of the pairs that are drawn are told apart, whichever of the two is ahead."""
    above = chances[np.triu_indices(len(chances), 1)]
    apart = int((np.maximum(above, 1 - above) >= TOLD_APART).sum())
    return f"{apart} of {len(above)} pairs {'is' if apart == 1 else 'are'} told apart"


def _table(beats: pd.DataFrame) -> Table:
    names = [str(name) for name in beats.index]
    chances = beats.to_numpy(dtype="float64")
    # A channel against itself is no question.
    apart = {
        f"over_{name}": [
            None if place == column else float(chances[place, column])
            for place in range(len(names))
        ]
        for column, name in enumerate(names)
    }
    frame = pd.DataFrame({"channel": names, **apart}).astype(dict.fromkeys(apart, "float64"))
    columns = (
        Column("channel", "Channel", "text", "Most credit first."),
        *(
            Column(
                f"over_{name}",
                f"More than {formats.title(name)}",
                "rate",
                "How often the row's channel would earn more than this one with other people.",
            )
            for name in names
        ),
    )
    return table_of("Rank stability", columns, frame)


def _chance(value: float) -> str:
    """A chance in whole per cent, rounded down so that none seems surer than it is.

    None is ever certain.
    """
    if value > 0.99:
        return ">99%"
    # What is a whole per cent but for the last digits of a double stays that.
    return "<1%" if value < 0.01 else f"{math.floor(round(value * 100, 6))}%"
