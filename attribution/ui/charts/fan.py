"""What came, what is expected, and how far it could be off: bands that open towards the future."""

from collections.abc import Mapping, Sequence

from attribution.ui.charts.base import GREY, LAYOUT, Spec, colour, figure
from attribution.ui.charts.weekly import marked, week_ticks

_SHADES = {95: "1F", 80: "33", 50: "4D"}  # the widest lies below, so they add up towards the middle


def fan(
    weeks: Sequence[str],
    actual: Sequence[float | None],
    ahead: Sequence[str],
    expected: Sequence[float],
    bands: Mapping[int, tuple[Sequence[float], Sequence[float]]],
    target: float | None,
    unusual: Sequence[str],
    prefix: str = "",
) -> Spec:
    """A line of what came in `weeks`, and from its end the expected line of `ahead` in its bands.

    `bands` are lower and upper ends by level in percent; `unusual` are weeks to be marked.
    """
    traces: list[Spec] = []
    # Bands open where the last week ends, which is known.
    start, known = list(weeks[-1:]), list(actual[-1:])
    opening = [*start, *ahead]
    for level in sorted(bands, reverse=True):
        low, high = ([*known, *ends] for ends in bands[level])
        edge = {"type": "scatter", "mode": "lines", "x": opening, "line": {"width": 0}}
        name = f"{level}% of weeks"
        traces += [
            {**edge, "y": low, "showlegend": False, "hoverinfo": "skip"},
            {
                **edge,
                "y": high,
                "name": name,
                "fill": "tonexty",
                "fillcolor": f"{colour(1)}{_SHADES[level]}",
                "customdata": low,
                "hovertemplate": f"{prefix}%{{customdata:,.0f}} – {prefix}%{{y:,.0f}}",
            },
        ]
    line = {"type": "scatter", "mode": "lines", "hovertemplate": f"{prefix}%{{y:,.0f}}"}
    traces += [
        {
            **line,
            "name": "Came",
            "x": list(weeks),
            "y": list(actual),
            "line": {"color": colour(1), "width": 2},
        },
        {
            **line,
            "name": "Expected",
            "x": opening,
            "y": [*known, *expected],
            "line": {"color": colour(1), "width": 2, "dash": "dot"},
        },
    ]
    if target is not None:
        traces.append(
            {
                **line,
                "name": "Target",
                "x": opening,
                "y": [target] * len(opening),
                "line": {"color": colour(2), "width": 1.5, "dash": "dash"},
            }
        )
    if unusual:
        values = dict(zip(weeks, actual, strict=True))
        traces.append(marked(unusual, [values[week] for week in unusual], prefix))
    every = [*weeks, *ahead]
    layout = {
        **LAYOUT,
        "height": 380,
        "hovermode": "x unified",
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "margin": {"l": 0, "r": 28, "t": 24, "b": 0},
        "xaxis": {
            "type": "date",
            "hoverformat": "Week of %-d %b %Y",
            "fixedrange": True,
            **week_ticks(every),
        },
        "yaxis": {
            "tickprefix": prefix,
            "tickformat": "~s" if max((0.0, *expected)) >= 1000 else ",~r",
            "nticks": 6,
            "fixedrange": True,
        },
        "shapes": [_today(weeks[-1])] if weeks else [],
    }
    return figure(traces, layout)


def _today(week: str) -> Spec:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": week,
        "x1": week,
        "y0": 0,
        "y1": 1,
        "line": {"color": GREY, "width": 1, "dash": "dot"},
    }
