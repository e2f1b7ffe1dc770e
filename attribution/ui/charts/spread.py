"""How far numbers lie apart, or could: intervals, models side by side, percentiles."""

from collections.abc import Mapping, Sequence
from itertools import cycle

from attribution.ui.charts.base import (
    GREY,
    GROUND,
    LAYOUT,
    ROW,
    TEXT,
    Spec,
    axis_of_names,
    colour,
    error_bars,
    figure,
)
from attribution.ui.charts.rows import bars

_SHAPES = (
    *("square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star", "hexagon"),
    *("triangle-left-open", "diamond-open", "square-open", "triangle-up-open"),
)
_CHOSEN: Spec = {
    "size": 13,
    "symbol": "circle",
    "color": "#000001",
    "line": {"width": 1.5, "color": TEXT},
}
_OTHER: Spec = {"size": 8, "opacity": 0.75, "color": TEXT}


def intervals(
    labels: Sequence[str],
    middles: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    hovers: Sequence[str],
) -> Spec:
    """A dot with its interval for each row, in points; grey where the interval includes nought."""
    sure = [low > 0 or high < 0 for low, high in zip(lows, highs, strict=True)]
    at, below, above = ([100 * each for each in side] for side in (middles, lows, highs))
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": at,
        "y": list(range(len(labels))),
        "marker": {"size": 11, "color": [colour(1) if each else GREY for each in sure]},
        "error_x": error_bars(at, below, above),
        "customdata": list(hovers),
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    layout = {
        **LAYOUT,
        # Half of the last label: without room Plotly leaves it out, and with it the unit.
        "margin": {**LAYOUT["margin"], "r": 28},
        "height": 70 + 38 * len(labels),
        "xaxis": {
            "tickformat": "+~g",
            # Once, so that numbers stand level on a phone; and nought has no sign.
            "ticksuffix": " pts",
            "showticksuffix": "last",
            "tickangle": 0,
            "labelalias": {"+0": "0", "+0 pts": "0 pts"},
            "nticks": 5,
            # Without nought in sight an interval cannot be judged.
            "rangemode": "tozero",
            "zeroline": True,
            "zerolinewidth": 2,
            "showgrid": True,
            "fixedrange": True,
        },
        "yaxis": axis_of_names(labels),
    }
    return figure([trace], layout)


def ranges(
    labels: Sequence[str],
    courses: Mapping[str, Sequence[float | None]],
    hovers: Mapping[str, Sequence[str]],
    chosen: str,
    sure: tuple[str, Sequence[float], Sequence[float]] | None = None,
) -> Spec:
    """A row of dots for each label, a shape for each course, on a bar of their reach.

    Only the `chosen` course is large and coloured, and lies on top: so many colours could not be
    told apart. A course has no dot where it is None.
    `hovers` say of each dot what it is beside its row and course.
    `sure` is a name and, for each row, between what and what one of the courses lies: a thin bar.
    """
    rows = list(range(len(labels)))
    known = [[x for c in courses.values() if (x := c[row]) is not None] for row in rows]
    lows, highs = [min(each) for each in known], [max(each) for each in known]
    reach = {
        "type": "bar",
        "orientation": "h",
        "x": [round(high - low, 5) for low, high in zip(lows, highs, strict=True)],
        "base": [round(low, 5) for low in lows],
        "y": rows,
        "width": 0.22,
        "marker": {"color": GREY, "opacity": 0.35},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    dots = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": [None if share is None else round(share, 5) for share in course],
            "y": rows,
            "marker": _CHOSEN if name == chosen else {**_OTHER, "symbol": shape},
            "zorder": 2 if name == chosen else 1,
            "customdata": list(hovers[name]),
            "hovertemplate": f"<b>%{{y}}</b><br>{name}: %{{customdata}}<extra></extra>",
            "cliponaxis": False,
        }
        for shape, (name, course) in zip(cycle(_SHAPES), courses.items(), strict=False)
    ]
    spans = [] if sure is None else [_thin_bars(*sure)]
    top = max((*highs, 0.0)) or 1.0
    layout = {
        **LAYOUT,
        "height": 150 + ROW * len(labels),
        "barmode": "overlay",
        "showlegend": len(courses) > 1 or sure is not None,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": {
            "tickformat": ".0%",
            # Room for the dots at nought, half of which would be cut off on a phone.
            "range": [-0.04 * top, 1.06 * top],
            "showgrid": True,
            "fixedrange": True,
        },
        "yaxis": axis_of_names(labels),
    }
    return figure([reach, *spans, *dots], layout)


def _thin_bars(name: str, lows: Sequence[float], highs: Sequence[float]) -> Spec:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": [round(high - low, 5) for low, high in zip(lows, highs, strict=True)],
        "base": [round(low, 5) for low in lows],
        "y": list(range(len(lows))),
        "width": 0.09,
        "marker": {"color": TEXT, "opacity": 0.65},
        "hoverinfo": "skip",
    }


def estimates(
    labels: Sequence[str],
    middles: Sequence[float],
    ends: tuple[Sequence[float], Sequence[float]] | None,
    texts: Sequence[str],
    colours: Sequence[str],
    hovers: Sequence[str],
    sure: str = "90% interval",
) -> Spec:
    """Horizontal bars with the interval of each as a thin bar, and its number at the end of both.

    `hovers` say of each row what it is beside its label. Without `ends` no interval is known.
    """
    whole = bars(labels, middles, texts, colours, hovers)
    whole["data"][0]["hovertemplate"] = "<b>%{y}</b><br>%{customdata}<extra></extra>"
    if ends is None:
        return whole
    lows, highs = ends
    trace = {key: value for key, value in whole["data"][0].items() if key != "text"}
    trace |= {"textposition": "none", "width": 0.62}
    beside = {
        "type": "scatter",
        "mode": "text",
        "x": [max(pair) for pair in zip(middles, highs, strict=True)],
        "y": list(range(len(labels))),
        "text": [f" {text}" for text in texts],
        "textposition": "middle right",
        "textfont": {"color": TEXT},
        "cliponaxis": False,
        "hoverinfo": "skip",
    }
    top = max((*highs, 0)) * 1.28 or 1
    layout = whole["layout"] | {"barmode": "overlay"}
    layout["xaxis"] = layout["xaxis"] | {"range": [0, top]}
    # With an edge it is seen on a bar of any colour.
    edged = {"color": TEXT, "line": {"width": 1, "color": GROUND}}
    spans = _thin_bars(sure, lows, highs) | {"width": 0.14, "marker": edged}
    return figure([trace, spans, beside], layout)


def percentiles(
    labels: Sequence[str], spans: Sequence[Sequence[float]], hovers: Sequence[str]
) -> Spec:
    """Five percentiles for each row: a line, a bar over the middle half, a dot at the median."""
    rows = list(range(len(labels)))

    def bar(low: int, high: int, width: float, slot: int) -> Spec:
        return {
            "type": "bar",
            "orientation": "h",
            "base": [span[low] for span in spans],
            "x": [span[high] - span[low] for span in spans],
            "y": rows,
            "width": width,
            "marker": {"color": [f"#{slot:06d}" for _ in rows]},
            "customdata": list(hovers),
            "hovertemplate": "%{customdata}<extra></extra>",
        }

    middle = {
        "type": "scatter",
        "mode": "markers",
        "x": [span[2] for span in spans],
        "y": rows,
        "marker": {
            "size": 11,
            "color": [colour(1) for _ in rows],
            "line": {"width": 1.5, "color": GROUND},
        },
        "customdata": list(hovers),
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    layout = {
        **LAYOUT,
        "height": 80 + 44 * len(labels),
        "barmode": "overlay",
        "xaxis": {
            "title": {"text": "Days"},
            "rangemode": "tozero",
            "showgrid": True,
            "fixedrange": True,
        },
        "yaxis": axis_of_names(labels),
    }
    # Grey for all; for the middle half the palest of the sequential colours that is seen well.
    return figure([bar(0, 4, 0.12, 8), bar(1, 3, 0.42, 17), middle], layout)
