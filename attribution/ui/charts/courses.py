"""Estimates along an axis: a line in its band, and dots with their intervals."""

from collections.abc import Sequence

from attribution.ui.charts.base import LAYOUT, Spec, colour, error_bars, figure

Row = Sequence[float]
Band = tuple[Row, Row, Row]  # middles, low and high ends


def course(
    at: Sequence[object],
    band: Band,
    hovers: Sequence[str],
    *,
    axis: Spec,
    dots: tuple[Row, Band] | None = None,
) -> Spec:
    """A line in its band; `dots` are other estimates of the same, and where they are.

    `hovers` are those of the dots where there are some, else of the line. `axis` is that of `at`.
    """
    middles, lows, highs = band
    shade = {
        "type": "scatter",
        "mode": "lines",
        "x": [*at, *reversed(list(at))],
        "y": [*highs, *reversed(list(lows))],
        "fill": "toself",
        "fillcolor": f"{colour(1)}2E",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }
    line: Spec = {
        "type": "scatter",
        "mode": "lines" if dots or len(at) > 1 else "markers",
        "x": list(at),
        "y": list(middles),
        "line": {"color": colour(1), "width": 2},
        "hoverinfo": "skip",
    }
    traces: list[Spec] = [shade, line]
    if dots is None:
        line.pop("hoverinfo")
        line |= {"customdata": list(hovers), "hovertemplate": "%{customdata}<extra></extra>"}
    else:
        traces.append(_dots(*dots, hovers))
    layout = {
        **LAYOUT,
        "height": 300,
        "hovermode": "closest",
        "xaxis": {"fixedrange": True, "showgrid": False, "zeroline": False, **axis},
        "yaxis": {
            "tickformat": "+~g",
            "labelalias": {"+0": "0"},
            "nticks": 6,
            "zeroline": True,
            "fixedrange": True,
        },
    }
    return figure(traces, layout)


def _dots(at: Row, band: Band, hovers: Sequence[str]) -> Spec:
    middles, lows, highs = band
    return {
        "type": "scatter",
        "mode": "markers",
        "x": list(at),
        "y": list(middles),
        "marker": {"size": 10, "color": colour(2), "symbol": "diamond"},
        "error_y": error_bars(middles, lows, highs, 4),
        "customdata": list(hovers),
        "hovertemplate": "%{customdata}<extra></extra>",
    }
