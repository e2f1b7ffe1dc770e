"""Response curves: what a channel brings at every spend, and where it stands on them."""

from collections.abc import Sequence

from attribution.ui.charts.base import GREY, INK, LAYOUT, Spec, figure


def response_curve(
    spend: Sequence[float],
    middle: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    points: Sequence[tuple[str, float, float, str]],
    ever: tuple[float, float],
    shade: str,
    sign: str,
    unit: str,
) -> Spec:
    """One curve with its 90% band; what was never spent is shaded.

    `points` are (name, spend, brought, symbol), `ever` the ends of what was ever spent in a week.
    """
    band = {
        "type": "scatter",
        "mode": "lines",
        "x": [*spend, *reversed(spend)],
        "y": [*high, *reversed(low)],
        "fill": "toself",
        "fillcolor": f"{shade}2E",
        "line": {"width": 0},
        "hoverinfo": "skip",
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": list(spend),
        "y": list(middle),
        "line": {"color": shade, "width": 2},
        "customdata": [[below, above] for below, above in zip(low, high, strict=True)],
        "hovertemplate": f"{sign}%{{x:,.0f}} a week brings %{{y:,.1f}} {unit}<br>"
        "90%: %{customdata[0]:,.1f} to %{customdata[1]:,.1f}<extra></extra>",
    }
    marks = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [x],
            "y": [y],
            "marker": {
                "symbol": symbol,
                "size": 11,
                "color": shade,
                "line": {"width": 1.5, "color": INK},
            },
            "hovertemplate": f"{name}: {sign}%{{x:,.0f}} brings %{{y:,.1f}} {unit}<extra></extra>",
            "cliponaxis": False,
        }
        for name, x, y, symbol in points
    ]
    last = spend[-1]
    layout = {
        **LAYOUT,
        "height": 220,
        "margin": {"l": 0, "r": 12, "t": 22, "b": 0},
        "shapes": [_never(0, ever[0]), _never(ever[1], last)],
        "annotations": [_words(ever, last)] if ever[1] < 0.85 * last else [],
        "xaxis": {
            "range": [0, last],
            "tickprefix": sign,
            "tickformat": "~s" if last >= 1000 else ",~r",
            "nticks": 5,
            "showgrid": False,
            "zeroline": False,
        },
        "yaxis": {"rangemode": "tozero", "nticks": 5, "tickformat": _ticks(max(high))},
    }
    return figure([band, line, *marks], layout)


def _ticks(most: float) -> str:
    return "~s" if most >= 1000 else ",~r"


def _never(since: float, until: float) -> Spec:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": since,
        "x1": max(since, until),
        "y0": 0,
        "y1": 1,
        "fillcolor": f"{GREY}26",
        "line": {"width": 0},
        "layer": "below",
    }


def _words(ever: tuple[float, float], last: float) -> Spec:
    return {
        "x": (ever[1] + last) / 2,
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "text": "never spent",
        "showarrow": False,
        "font": {"size": 11, "color": INK},
    }
