"""Bubbles of what was spent against what it brought."""

from collections.abc import Mapping, Sequence
from math import ceil, dist, floor, log10
from typing import Any

from attribution.ui.charts.base import (
    GREY,
    GROUND,
    INK,
    LAYOUT,
    ROW,
    TEXT,
    Spec,
    figure,
    short_amount,
)

_BESIDE = 44  # pixels beside the axis, where its numbers are
_MISTAKEN = 400  # as bad as so many pixels of a name that are covered


def spend_against_return(points: Sequence[Mapping[str, Any]], sign: str, rows: int) -> Spec:
    """Bubbles on two log axes with the line on which a channel earns what it costs.

    Each point has: name, spend, value, size (0 to 1), colour, hover. As tall as `rows` bars are,
    which stand beside it.
    """
    height = max(420, 40 + ROW * min(rows, 16))
    across = _log_range([point["spend"] for point in points])
    along = _log_range([point["value"] for point in points])
    sides = dict(zip((id(p) for p in points), _sides(points, across, along, height), strict=True))
    # Small ones last: none is hidden under a larger one.
    points = sorted(points, key=lambda point: -float(point["size"]))
    bubbles = {
        "type": "scatter",
        "mode": "markers+text",
        "x": [point["spend"] for point in points],
        "y": [point["value"] for point in points],
        "text": [point["name"] for point in points],
        "textposition": [sides[id(point)] for point in points],
        "textfont": {"color": TEXT},
        "marker": {
            "size": [_diameter(point) for point in points],
            "color": [point["colour"] for point in points],
            "opacity": 1,
            "line": {"width": 1, "color": GROUND},
        },
        "customdata": [point["hover"] for point in points],
        "hovertemplate": "%{customdata}<extra></extra>",
        "cliponaxis": False,
    }
    axis = {"type": "log", "showgrid": True}
    layout = {
        **LAYOUT,
        "height": height,
        "xaxis": {**axis, **_log_ticks(across, sign), "title": {"text": "Spend"}},
        "yaxis": {**axis, **_log_ticks(along, sign), "title": {"text": "Collected"}},
    }
    line, words = _break_even(across, along)
    if words:
        layout["annotations"] = [words]
    return figure([*line, bubbles], layout)


_Range = tuple[float, float]


def _log_range(amounts: Sequence[float]) -> _Range:
    """From a little below the least to a little above the largest, a decade at least, as log10."""
    logs = [log10(amount) for amount in amounts] or [2.0, 3.0]
    more = max(0.0, 1 - (max(logs) - min(logs))) / 2
    return min(logs) - more - 0.25, max(logs) + more + 0.25


def _log_ticks(span: _Range, sign: str) -> Spec:
    """Tens where there are many, else ones, twos and fives.

    Written here: Plotly's own short numbers call a tenth of a dollar $100m.
    """
    firsts = (1,) if span[1] - span[0] > 1.6 else (1, 2, 5)
    at = [
        first * 10.0**tens
        for tens in range(floor(span[0]), ceil(span[1]) + 1)
        for first in firsts
        if span[0] <= log10(first) + tens <= span[1]
    ]
    return {
        "range": list(span),
        "tickvals": at,
        "ticktext": [short_amount(each, sign) for each in at],
    }


def _break_even(across: _Range, along: _Range) -> tuple[list[Spec], Spec | None]:
    """The part of the line that lies in sight, and the words at its lower end."""
    low, high = max(across[0], along[0]), min(across[1], along[1])
    if high <= low:
        return [], None
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": [10**low, 10**high],
        "y": [10**low, 10**high],
        "line": {"color": GREY, "width": 1.5, "dash": "dot"},
        "hoverinfo": "skip",
    }
    # On the side of the line where there is room, also on a phone.
    right = low < (across[0] + across[1]) / 2
    words = {
        "text": "earns what it costs",
        "x": low,
        "y": low,
        "showarrow": False,
        "xshift": 14 if right else -6,
        "yshift": 8,
        "xanchor": "left" if right else "right",
        "font": {"size": 11, "color": INK},
    }
    return [line], words


def _sides(
    points: Sequence[Mapping[str, Any]], across: _Range, along: _Range, height: int
) -> list[str]:
    """Where each bubble's name goes, so that names and bubbles do not cover one another.

    Works on the figure's width on a phone and a name's width from its letters. A name that lies
    nearer to another bubble would be read as that one's; beside the axis there is room between
    its numbers.
    """
    scale = 240 / (across[1] - across[0]), (height - 70) / (along[1] - along[0])
    centres = [(log10(p["spend"]) * scale[0], log10(p["value"]) * scale[1]) for p in points]
    axis = across[0] * scale[0]
    edges = axis - _BESIDE, across[1] * scale[0]
    radii = [_diameter(point) / 2 + 2 for point in points]
    boxes = [(x - r, y - r, x + r, y + r) for (x, y), r in zip(centres, radii, strict=True)]
    numbers = [log10(tick) * scale[1] for tick in _log_ticks(along, "")["tickvals"]]
    boxes += [(edges[0], y - 8, axis, y + 8) for y in numbers]
    chosen = []
    for point, (x, y), reach in zip(points, centres, radii, strict=True):
        half = 3.5 * len(point["name"])
        tries = {
            "top center": (x - half, y + reach, x + half, y + reach + 15),
            "bottom center": (x - half, y - reach - 15, x + half, y - reach),
            "middle right": (x + reach, y - 8, x + reach + 2 * half, y + 8),
            "middle left": (x - reach - 2 * half, y - 8, x - reach, y + 8),
            "top right": (x + reach, y + reach, x + reach + 2 * half, y + reach + 15),
            "top left": (x - reach - 2 * half, y + reach, x - reach, y + reach + 15),
            "bottom right": (x + reach, y - reach - 15, x + reach + 2 * half, y - reach),
            "bottom left": (x - reach - 2 * half, y - reach - 15, x - reach, y - reach),
        }

        def hidden(side: str, tries: Mapping[str, _Box] = tries, own: _Point = (x, y)) -> float:
            box = tries[side]
            beyond = max(0.0, edges[0] - box[0]) + max(0.0, box[2] - edges[1])
            mistaken = any(_far(box, other) < _far(box, own) for other in centres)
            overlaps = sum(_overlap(box, other) for other in boxes)
            return 15 * beyond + overlaps + (_MISTAKEN if mistaken else 0)

        side = min(tries, key=hidden)
        chosen.append(side)
        boxes.append(tries[side])
    return chosen


def _diameter(point: Mapping[str, Any]) -> float:
    return float(12 + 26 * point["size"] ** 0.5)


_Point = tuple[float, float]
_Box = tuple[float, float, float, float]


def _far(box: _Box, point: _Point) -> float:
    """How far a box is from a point."""
    nearest = max(box[0], min(point[0], box[2])), max(box[1], min(point[1], box[3]))
    return dist(nearest, point)


def _overlap(one: _Box, other: _Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    along = min(one[3], other[3]) - max(one[1], other[1])
    return across * along if across > 0 and along > 0 else 0.0
