"""Figures of lift tests: with and without, what a design can tell, and results by chance."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from attribution.ui.charts.base import GREY, INK, LAYOUT, Spec, colour, figure
from attribution.ui.charts.weekly import week_ticks

_BINS = 24
WEEK = timedelta(days=7)


def _course(weeks: Sequence[str], values: Sequence[float]) -> Spec:
    """A line by week, which is broken where weeks are left out: nothing was told of those."""
    x: list[str] = []
    y: list[float | None] = []
    for week, value in zip(weeks, values, strict=True):
        if x and week > (missing := f"{date.fromisoformat(x[-1]) + WEEK}"):
            x.append(missing)
            y.append(None)
        x.append(week)
        y.append(value)
    return {"x": x, "y": y}


def against(
    weeks: Sequence[str],
    observed: Sequence[float],
    without: Sequence[float],
    reach: float,
    spans: Sequence[tuple[str, str]],
    names: tuple[str, str] = ("Counted", "Without the test"),
) -> Spec:
    """What was counted, and what would have been with its 90% band; the test's weeks are shaded.

    `reach` is that of a week's interval, as a part. `without` may be empty.
    """
    traces: list[Spec] = []
    line = {"type": "scatter", "mode": "lines"}
    if without:
        # Before the test nothing is in doubt.
        begins = next((at for at, week in enumerate(weeks) if spans and week >= spans[0][0]), 0)
        inside = without[begins:]
        low = [value * max(1 - reach, 0.0) for value in inside]
        high = [value * (1 + reach) for value in inside]
        edge: Spec = {**line, "x": list(weeks[begins:]), "line": {"width": 0}}
        edge |= {"showlegend": False, "hoverinfo": "skip"}
        if reach > 0:
            traces = [
                {**edge, "y": low},
                {**edge, "y": high, "fill": "tonexty", "fillcolor": f"{colour(1)}2E"},
            ]
        traces.append(
            {
                **line,
                "name": names[1],
                **_course(weeks, without),
                "line": {"color": INK, "width": 1.5, "dash": "dash"},
                "hovertemplate": "%{y:,.1f}",
            }
        )
    traces.append(
        {
            **line,
            "name": names[0],
            **_course(weeks, observed),
            "line": {"color": colour(1), "width": 2},
            "hovertemplate": "%{y:,.0f}",
        }
    )
    layout = {
        **LAYOUT,
        "height": 320,
        "hovermode": "x unified",
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "margin": {"l": 0, "r": 24, "t": 28, "b": 0},  # half of the last week's name
        "shapes": [_span(since, until) for since, until in spans],
        "xaxis": {
            "type": "date",
            "hoverformat": "Week of %-d %b %Y",
            "fixedrange": True,
            **week_ticks(weeks),
        },
        "yaxis": {"rangemode": "tozero", "nticks": 6, "tickformat": ",~r", "fixedrange": True},
    }
    return figure(traces, layout)


def power(
    effects: Sequence[float], powers: Sequence[float], wanted: float, detectable: float
) -> Spec:
    """How often each effect would be told; the wanted one and the one told four times in five."""
    curve = {
        "type": "scatter",
        "mode": "lines",
        "x": list(effects),
        "y": list(powers),
        "line": {"color": colour(1), "width": 2},
        "hovertemplate": "An effect of %{x:.1%} is told %{y:.0%} of the time<extra></extra>",
    }
    last = effects[-1]
    marks = [(wanted, "wanted", "dash"), (detectable, "told 80%", "dot")]
    layout = {
        **LAYOUT,
        "height": 300,
        "margin": {"l": 0, "r": 12, "t": 36, "b": 0},
        "shapes": [_upright(at, dash) for at, _, dash in marks if at <= last],
        "annotations": [
            {
                "x": at, "y": 1 + 0.07 * number, "yref": "paper", "yanchor": "bottom",
                "xanchor": "left" if at < last / 2 else "right",
                "text": words, "showarrow": False, "font": {"size": 11, "color": INK},
            }
            for number, (at, words, _) in enumerate(marks)
            if at <= last
        ],
        "xaxis": {
            "range": [0, last], "tickformat": ".0%", "nticks": 6, "showgrid": False,
            "title": {"text": "Effect, as a part of what is counted"}, "fixedrange": True,
        },
        "yaxis": {"range": [0, 1.02], "tickformat": ".0%", "nticks": 6, "fixedrange": True},
    }  # fmt: skip
    return figure([curve], layout)


def by_chance(placebos: Sequence[float], found: float) -> Spec:
    """Results of the same test where nothing was done, and the one that was found."""
    counts, edges = np.histogram(np.array(placebos), bins=_BINS)
    bars = {
        "type": "bar",
        "x": ((edges[1:] + edges[:-1]) / 2).round(5).tolist(),
        "y": counts.tolist(),
        "width": float(edges[1] - edges[0]),
        "marker": {"color": GREY},
        "hovertemplate": "%{x:.1%}: %{y} placebos<extra></extra>",
    }
    reach = 1.1 * max(abs(found), float(np.abs(edges).max()))
    layout = {
        **LAYOUT,
        "height": 300,
        "bargap": 0.05,
        "margin": {"l": 0, "r": 12, "t": 24, "b": 0},
        "shapes": [_upright(found, "solid", colour(1), 2.5)],
        "annotations": [
            {
                "x": found, "y": 1, "yref": "paper", "yanchor": "bottom", "text": "found",
                "showarrow": False, "font": {"size": 12, "color": INK},
            }
        ],
        "xaxis": {
            "range": [-reach, reach], "tickformat": ".0%", "nticks": 7, "fixedrange": True,
            "title": {"text": "Result, as a part of what is expected"},
        },
        "yaxis": {"nticks": 5, "fixedrange": True},
    }  # fmt: skip
    return figure([bars], layout)


def by_week(weeks: Sequence[str], effects: Sequence[float], low: float, high: float) -> Spec:
    """What each week brought, with the band in which weeks without an effect would lie."""
    bars = {
        "type": "bar",
        "x": list(weeks),
        "y": list(effects),
        "marker": {"color": colour(1)},
        "hovertemplate": "Week of %{x|%-d %b %Y}: %{y:,.1f}<extra></extra>",
    }
    layout = {
        **LAYOUT,
        "height": 300,
        "bargap": 0.35,
        "shapes": [
            {
                "type": "rect", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": low,
                "y1": high, "fillcolor": f"{GREY}26", "line": {"width": 0}, "layer": "below",
            }
        ],
        "xaxis": {"type": "date", "fixedrange": True, **week_ticks(weeks)},
        "yaxis": {"nticks": 6, "tickformat": ",~r", "zeroline": True, "fixedrange": True},
    }  # fmt: skip
    return figure([bars], layout)


def _span(since: str, until: str) -> Spec:
    return {
        "type": "rect", "xref": "x", "yref": "paper", "x0": since, "x1": until, "y0": 0, "y1": 1,
        "fillcolor": f"{GREY}26", "line": {"width": 0}, "layer": "below",
    }  # fmt: skip


def _upright(at: float, dash: str, shade: str = GREY, width: float = 1) -> Spec:
    return {
        "type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1,
        "line": {"color": shade, "width": width, "dash": dash},
    }  # fmt: skip
