"""One estimate with its interval, and another figure beside it, in the same unit."""

from collections.abc import Sequence

from attribution.ui.charts.base import (
    LAYOUT,
    Spec,
    axis_of_names,
    colour,
    error_bars,
    figure,
    money_ticks,
)


def beside(
    labels: Sequence[str],
    estimate: tuple[str, Sequence[float], Sequence[float], Sequence[float]],
    other: tuple[str, Sequence[float]],
    hovers: Sequence[str],
    *,
    sign: str,
) -> Spec:
    """A dot with its interval for each row, and a diamond for the other figure, in money.

    `estimate` is its name, middles, low and high ends; `other` its name and values.
    """
    name, middles, lows, highs = estimate
    rows = list(range(len(labels)))
    common: Spec = {
        "type": "scatter",
        "mode": "markers",
        "y": rows,
        "customdata": list(hovers),
        "hovertemplate": "%{customdata}<extra></extra>",
        "cliponaxis": False,
    }
    dots = {
        **common,
        "name": name,
        "x": list(middles),
        "marker": {"size": 11, "color": colour(1)},
        "error_x": error_bars(middles, lows, highs),
    }
    diamonds = {
        **common,
        "name": other[0],
        "x": list(other[1]),
        "marker": {"size": 11, "symbol": "diamond", "color": colour(2)},
    }
    ends = (0.0, *lows, *highs, *other[1])
    room = (max(ends) - min(ends)) * 0.05 or 1.0
    least, most = min(ends) - room, max(ends) + room
    layout = {
        **LAYOUT,
        "height": 96 + 38 * len(labels),
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": {
            "range": [least, most],
            **money_ticks(least, most, sign),
            "zeroline": True,
            "zerolinewidth": 2,
            "showgrid": True,
            "fixedrange": True,
        },
        "yaxis": axis_of_names(labels),
    }
    return figure([dots, diamonds], layout)
