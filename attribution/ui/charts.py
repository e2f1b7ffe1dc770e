"""Figures as plain Plotly dicts: no Plotly import, no Streamlit, one function per kind of figure.

Colours are Streamlit's placeholders (`#000001` …): the browser puts the palette of the reader's
theme in their place, so one cached figure is right in light and in dark. A channel keeps its colour
whatever the order or the filter.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import cycle
from math import log10
from typing import Any

from attribution.ui import formats

Spec = dict[str, Any]

_SLOTS = {
    "paid_search": 1,
    "paid_social": 2,
    "display": 3,
    "video": 9,
    "organic_search": 4,
    "organic_social": 4,
    "email": 5,
    "sms": 5,
    "outreach_email": 5,
    "outreach_sms": 5,
    "outreach_mail": 5,
    "outreach_call": 5,
    "referral_physician": 6,
    "referral_web": 6,
    "directory": 6,
    "direct_mail": 7,
    "event": 7,
    "offline_media": 7,
    "call": 7,
}
GREY = "#000008"
TEXT = "#000037"
# Text at 75%: the theme's own grey for axes has a contrast of 3.7 to 1 in light.
INK = f"{TEXT}BF"
ROW = 30
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
_LAYOUT: Spec = {
    "margin": {"l": 0, "r": 8, "t": 8, "b": 0},
    "showlegend": False,
    "hoverlabel": {"align": "left"},
    "dragmode": False,
}


def colour(slot: int) -> str:
    """The theme's colour of a slot: 1 to 7, or 9."""
    return f"#{slot:06d}"


def channel_colour(channel: str) -> str:
    """The colour of a channel's family; grey where the channel is not known."""
    slot = _SLOTS.get(channel)
    return GREY if slot is None else colour(slot)


def weekly_lines(
    weeks: Sequence[str],
    courses: Mapping[str, Sequence[float | None]],
    prefix: str = "",
    arriving: tuple[str, str] | None = None,
) -> Spec:
    """One line for each course, named at its right end instead of in a legend.

    From the week `arriving` on the ground is shaded, with what is still arriving in words.
    """
    traces: list[Spec] = []
    notes: list[Spec] = []
    ends = _spread({name: _last(course) for name, course in courses.items()})
    for slot, (name, course) in enumerate(courses.items(), start=1):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines" if len(weeks) > 1 else "markers",
                "name": name,
                "x": list(weeks),
                "y": list(course),
                "line": {"color": colour(slot), "width": 2},
                "hovertemplate": f"{prefix}%{{y:,.0f}}",
            }
        )
        notes.append(
            {
                "xref": "paper",
                "x": 1,
                "y": ends[name],
                # The dot wears the line's colour; as text some of them would be too pale.
                "text": f'<span style="color:{colour(slot)}">●</span> {name}',
                "showarrow": False,
                "xanchor": "left",
                "xshift": 6,
                "font": {"color": INK, "size": 12},
            }
        )
    layout = {
        **_LAYOUT,
        "height": 300,
        "hovermode": "x unified",
        "margin": {"l": 0, "r": 106, "t": 8, "b": 0},
        "annotations": notes,
        "xaxis": {
            "type": "date",
            "hoverformat": "Week of %-d %b %Y",
            **_week_ticks(weeks),
        },
        "yaxis": {
            "rangemode": "tozero",
            "tickprefix": prefix,
            # SI's "50m" for 0.05 would be read as fifty million.
            "tickformat": "~s" if _highest(courses) >= 1000 else ",~r",
            "nticks": 6,
        },
    }
    if arriving and len(weeks) > 1:
        since, words = arriving
        layout["shapes"] = [_shade(since, weeks[-1])]
        layout["annotations"] = [*notes, _above(words)]
        layout["margin"]["t"] = 24
    return _figure(traces, layout)


def cohort_bars(
    weeks: Sequence[str],
    arrived: Sequence[float],
    coming: Sequence[float],
    below: Sequence[float | None],
    above: Sequence[float | None],
    hovers: Sequence[str],
    *,
    axis: Spec,
    immature: str | None,
) -> Spec:
    """A bar for each week, solid for what has come, hatched on top for what is still expected.

    `below` and `above` are how far the interval of the whole bar reaches, None where there is none
    to see; from the week `immature` on bars are marked as such.
    """
    solid = {
        "type": "bar",
        "name": "So far",
        "x": list(weeks),
        "y": list(arrived),
        "marker": {"color": colour(1)},
        "customdata": list(hovers),
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    hatched = {
        **solid,
        "name": "Still expected",
        "y": list(coming),
        "marker": {
            "color": "#000012",  # a pale colour of the sequential palette
            # An outline of nothing would be a blot on the bar below.
            "line": {"color": colour(1), "width": [0.8 if more > 0 else 0 for more in coming]},
            "pattern": {"shape": "/", "size": 6, "solidity": 0.25, "fgcolor": colour(1)},
        },
    }
    seen = [place for place, reach in enumerate(above) if reach is not None]
    # Bars would draw a cap also where there is no interval to see.
    reach = {
        "type": "scatter",
        "mode": "markers",
        "x": [weeks[place] for place in seen],
        "y": [arrived[place] + coming[place] for place in seen],
        "marker": {"opacity": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [above[place] for place in seen],
            "arrayminus": [below[place] for place in seen],
            "color": TEXT,
            "thickness": 1.2,
            "width": 3,
        },
    }
    layout = {
        **_LAYOUT,
        "height": 340,
        "barmode": "stack",
        "bargap": 0.25,
        "showlegend": True,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.1,
            "yanchor": "bottom",
            "traceorder": "normal",
        },
        "margin": {"l": 0, "r": 8, "t": 24, "b": 0},
        "xaxis": {
            "type": "date",
            **_week_ticks(weeks),
            "fixedrange": True,
        },
        "yaxis": {"rangemode": "tozero", "nticks": 6, "fixedrange": True, **axis},
    }
    if immature:
        layout["annotations"] = [_above("still arriving")]
        layout["shapes"] = [_border(immature)]
    return _figure([solid, hatched, reach], layout)


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    texts: Sequence[str],
    colours: Sequence[str],
    hovers: Sequence[str],
) -> Spec:
    """Horizontal bars, the first at the top, each with its number beside it."""
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": list(values),
        "y": list(range(len(labels))),
        "text": list(texts),
        "textposition": "outside",
        "textfont": {"color": TEXT},
        "cliponaxis": False,
        "marker": {"color": list(colours)},
        "customdata": list(hovers),
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    # Room for the longest text beside the longest bar, also on a phone.
    room = 1.28 if max(map(len, texts), default=0) <= 8 else 1.75
    top = max((*values, 0)) * room or 1
    layout = {
        **_LAYOUT,
        "height": 40 + ROW * len(labels),
        "bargap": 0.35,
        "xaxis": {"visible": False, "range": [0, top], "fixedrange": True},
        "yaxis": _names(labels),
    }
    return _figure([trace], layout)


def bridge(
    labels: Sequence[str],
    steps: Sequence[float],
    texts: Sequence[str],
    hovers: Sequence[str],
    unsure: Sequence[bool],
) -> Spec:
    """From the first amount to the last: each step between takes away or adds, from the top down.

    The first and the last of `steps` are whole amounts. What is `unsure` is hatched.
    """
    starts, reach = [0.0], steps[0]
    for step in steps[1:-1]:
        starts.append(reach - step)
        reach -= step
    starts.append(0.0)
    whole = [place in (0, len(steps) - 1) for place in range(len(steps))]
    trace = {
        "type": "bar",
        "orientation": "h",
        "base": starts,
        "x": list(steps),
        "y": list(range(len(steps))),
        "text": list(texts),
        "textposition": "outside",
        "textfont": {"color": TEXT},
        "cliponaxis": False,
        "marker": {
            "color": [
                colour(1) if is_whole else GREY if step >= 0 else colour(2)
                for is_whole, step in zip(whole, steps, strict=True)
            ],
            "pattern": {
                "shape": ["/" if hatched else "" for hatched in unsure],
                "size": 6,
                "solidity": 0.35,
                "fillmode": "overlay",
            },
        },
        "customdata": list(hovers),
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    ends = [*starts, *(start + step for start, step in zip(starts, steps, strict=True))]
    least, most = min(ends), max(ends)
    room = (most - least) * 0.16 or 1
    layout = {
        **_LAYOUT,
        "height": 40 + ROW * len(labels),
        "bargap": 0.35,
        "xaxis": {
            "visible": False,
            "range": [least - (room if least < 0 else 0), most + room],
            "fixedrange": True,
        },
        "yaxis": _names(labels),
    }
    return _figure([trace], layout)


def spend_against_return(points: Sequence[Mapping[str, Any]], sign: str, rows: int) -> Spec:
    """Bubbles on two log axes with the line on which a channel earns what it costs.

    Each point has: name, spend, value, size (0 to 1), colour, hover. As tall as `rows` bars are,
    which stand beside it.
    """
    height = max(420, 40 + ROW * min(rows, 16))
    across = _log_range([point["spend"] for point in points])
    along = _log_range([point["value"] for point in points])
    bubbles = {
        "type": "scatter",
        "mode": "markers+text",
        "x": [point["spend"] for point in points],
        "y": [point["value"] for point in points],
        "text": [point["name"] for point in points],
        "textposition": _sides(points, across, along, height),
        "textfont": {"color": TEXT},
        "marker": {
            "size": [_diameter(point) for point in points],
            "color": [point["colour"] for point in points],
            "opacity": 0.85,
            "line": {"width": 0},
        },
        "customdata": [point["hover"] for point in points],
        "hovertemplate": "%{customdata}<extra></extra>",
        "cliponaxis": False,
    }
    axis = {"type": "log", "tickprefix": sign, "tickformat": "~s", "showgrid": True}
    layout = {
        **_LAYOUT,
        "height": height,
        "xaxis": {**axis, **_log_ticks(across), "title": {"text": "Spend"}},
        "yaxis": {**axis, **_log_ticks(along), "title": {"text": "Collected"}},
    }
    line, words = _break_even(across, along)
    if words:
        layout["annotations"] = [words]
    return _figure([*line, bubbles], layout)


_Range = tuple[float, float]


def _log_range(amounts: Sequence[float]) -> _Range:
    """From a little below the least to a little above the largest, a decade at least, as log10."""
    logs = [log10(amount) for amount in amounts] or [2.0, 3.0]
    more = max(0.0, 1 - (max(logs) - min(logs))) / 2
    return min(logs) - more - 0.25, max(logs) + more + 0.25


def _log_ticks(span: _Range) -> Spec:
    wide = span[1] - span[0] > 1.6
    return {"range": list(span), "dtick": 1 if wide else "D2"}


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
    words = {
        "text": "earns what it costs",
        "x": low,
        "y": low,
        "showarrow": False,
        "xshift": 14,
        "yshift": 8,
        "xanchor": "left",
        "font": {"size": 11, "color": INK},
    }
    return [line], words


def intervals(
    labels: Sequence[str],
    middles: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    hovers: Sequence[str],
) -> Spec:
    """A dot with its interval for each row, in points; grey where the interval includes nought."""
    sure = [low > 0 or high < 0 for low, high in zip(lows, highs, strict=True)]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [100 * middle for middle in middles],
        "y": list(range(len(labels))),
        "marker": {"size": 11, "color": [colour(1) if each else GREY for each in sure]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [100 * (high - middle) for high, middle in zip(highs, middles, strict=True)],
            "arrayminus": [100 * (middle - low) for low, middle in zip(lows, middles, strict=True)],
            "color": GREY,
            "thickness": 1.5,
            "width": 5,
        },
        "customdata": list(hovers),
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    layout = {
        **_LAYOUT,
        "height": 70 + 38 * len(labels),
        "xaxis": {
            "tickformat": "+~g",
            "ticksuffix": " pts",
            "nticks": 6,
            # Without nought in sight an interval cannot be judged.
            "rangemode": "tozero",
            "zeroline": True,
            "zerolinewidth": 2,
            "showgrid": True,
            "fixedrange": True,
        },
        "yaxis": _names(labels),
    }
    return _figure([trace], layout)


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
        **_LAYOUT,
        "height": 150 + ROW * len(labels),
        "barmode": "overlay",
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": {
            "tickformat": ".0%",
            # Room for the dots at nought, half of which would be cut off.
            "range": [-0.02 * top, 1.06 * top],
            "showgrid": True,
            "fixedrange": True,
        },
        "yaxis": _names(labels),
    }
    return _figure([reach, *spans, *dots], layout)


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
    trace |= {"textposition": "none", "width": 0.62, "opacity": 0.75}
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
    return _figure([trace, _thin_bars("90% interval", lows, highs), beside], layout)


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    shares: Sequence[Sequence[float | None]],
    hovers: Sequence[Sequence[str]],
    axis: str,
) -> Spec:
    """Shares as shaded cells, each with its number."""
    known = [share for row in shares for share in row if share is not None]
    trace = {
        "type": "heatmap",
        "x": list(columns),
        "y": list(range(len(rows))),
        "z": [list(row) for row in shares],
        "text": [[formats.rate(share) for share in row] for row in shares],
        "texttemplate": "%{text}",
        "textfont": {"color": TEXT},
        "customdata": [list(row) for row in hovers],
        "hovertemplate": "%{customdata}<extra></extra>",
        "colorscale": [[step / 9, f"#{11 + step:06d}"] for step in range(10)],
        "zmin": 0,
        "zmax": max(known, default=0) * 1.9 or 1,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    layout = {
        **_LAYOUT,
        "height": 80 + 40 * len(rows),
        "xaxis": {
            "type": "category",
            "side": "top",
            "fixedrange": True,
            "tickangle": 0,
            "title": {"text": axis, "standoff": 8},
        },
        "yaxis": _names(rows),
    }
    return _figure([trace], layout)


def matrix(
    rows: Sequence[str],
    columns: Sequence[str],
    shades: Sequence[Sequence[float | None]],
    texts: Sequence[Sequence[str]],
    said: str,
    axis: str,
) -> Spec:
    """A square of shaded cells (0 to 1), each with its text; cells without a shade stay empty.

    `said` is the hover of a cell: `%{y}` in it is its row, `%{x}` its column, `%{text}` its text.
    Columns are named above, upright where there is no room to write them level, as on a phone.
    """
    trace = {
        "type": "heatmap",
        "x": list(range(len(columns))),
        "y": list(range(len(rows))),
        "z": [[None if shade is None else round(shade, 3) for shade in row] for row in shades],
        "text": [list(row) for row in texts],
        "texttemplate": "%{text}",
        "textfont": {"color": TEXT},
        "hovertemplate": f"{said}<extra></extra>",
        "hoverongaps": False,
        "colorscale": [[step / 9, f"#{11 + step:06d}"] for step in range(10)],
        "zmin": 0,
        # The darkest shades are left out: the number in a cell is written in the text's colour.
        "zmax": 1.9,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    layout = {
        **_LAYOUT,
        "height": 110 + 34 * len(rows),
        "xaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(columns))),
            "ticktext": list(columns),
            "side": "top",
            "autotickangles": [0, 90],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
            "title": {"text": axis, "standoff": 8},
        },
        "yaxis": _names(rows),
    }
    return _figure([trace], layout)


def flows(
    nodes: Sequence[tuple[str, str, int]], links: Sequence[tuple[int, int, float, str]]
) -> Spec:
    """A Sankey diagram: nodes are (name, colour, column), links (from, to, size, hover)."""
    trace = {
        "type": "sankey",
        "arrangement": "snap",
        "node": {
            "label": [label for label, _, _ in nodes],
            "color": [shade for _, shade, _ in nodes],
            "align": "justify",
            "pad": 14,
            "thickness": 14,
            "line": {"width": 0},
            "hovertemplate": "%{label}: %{value:,.0f} journeys<extra></extra>",
        },
        "link": {
            "source": [source for source, _, _, _ in links],
            "target": [target for _, target, _, _ in links],
            "value": [size for _, _, size, _ in links],
            "color": ["#000013" for _ in links],  # a pale colour of the sequential palette
            "line": {"color": "#000015", "width": 0.5},  # ways that cross can be told apart
            "customdata": [hover for _, _, _, hover in links],
            "hovertemplate": "%{customdata}<extra></extra>",
        },
        "textfont": {"color": TEXT, "size": 12},
    }
    most = max((sum(place == column for _, _, place in nodes) for column in range(3)), default=0)
    layout = {**_LAYOUT, "height": 160 + 44 * most, "margin": {"l": 0, "r": 0, "t": 8, "b": 8}}
    return _figure([trace], layout)


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
        "marker": {"size": 11, "color": [colour(1) for _ in rows]},
        "customdata": list(hovers),
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    layout = {
        **_LAYOUT,
        "height": 80 + 44 * len(labels),
        "barmode": "overlay",
        "xaxis": {
            "title": {"text": "Days"},
            "rangemode": "tozero",
            "showgrid": True,
            "fixedrange": True,
        },
        "yaxis": _names(labels),
    }
    # The sequential colours of the theme: pale for all, stronger for the middle half.
    return _figure([bar(0, 4, 0.12, 8), bar(1, 3, 0.42, 15), middle], layout)


def _figure(traces: list[Spec], layout: Spec) -> Spec:
    """A figure whose axes are written in a colour that can be read."""
    axes = {
        name: {
            **layout[name],
            "tickfont": {"color": INK},
            "title": {**layout[name].get("title", {}), "font": {"color": INK}},
        }
        for name in ("xaxis", "yaxis")
        if name in layout
    }
    return {"data": traces, "layout": {**layout, **axes}}


def _shade(since: str, until: str) -> Spec:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": since,
        "x1": until,
        "y0": 0,
        "y1": 1,
        "line": {"width": 0},
        "fillcolor": GREY,
        "opacity": 0.12,
        "layer": "below",
    }


def _border(week: str) -> Spec:
    """A line between a week's bar and the one before: three and a half days before its Monday."""
    before = (datetime.fromisoformat(week) - timedelta(hours=84)).isoformat(sep=" ")
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": before,
        "x1": before,
        "y0": 0,
        "y1": 1,
        "line": {"color": GREY, "width": 1, "dash": "dot"},
    }


def _above(words: str) -> Spec:
    """Words above the newest weeks, which are those that they are about."""
    return {
        "xref": "paper",
        "yref": "paper",
        "x": 1,
        "y": 1,
        "xanchor": "right",
        "yanchor": "bottom",
        "text": words,
        "showarrow": False,
        "font": {"size": 11, "color": INK},
    }


def _highest(courses: Mapping[str, Sequence[float | None]]) -> float:
    return max((x for course in courses.values() for x in course if x is not None), default=0.0)


def _last(course: Sequence[float | None]) -> float:
    return next((value for value in reversed(course) if value is not None), 0.0)


def _names(labels: Sequence[str]) -> Spec:
    # Positions instead of names: two campaigns cut to the same label must stay two rows.
    return {
        "tickmode": "array",
        "tickvals": list(range(len(labels))),
        "ticktext": list(labels),
        "range": [len(labels) - 0.5, -0.5],
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
    }


def _week_ticks(weeks: Sequence[str]) -> Spec:
    """Days and months of some weeks, with the year below the first and where it changes."""
    # Four have room on a phone, where a fifth would turn all of them on their sides.
    chosen = _some(weeks, 4)
    texts, year = [], ""
    for week in chosen:
        day = datetime.fromisoformat(week)
        text = f"{day.day} {day:%b}"
        texts.append(text if week[:4] == year else f"{text}<br>{week[:4]}")
        year = week[:4]
    return {"tickvals": chosen, "ticktext": texts, "tickangle": 0}


def _some(weeks: Sequence[str], most: int) -> list[str]:
    """At most so many of the weeks, evenly, the last one among them."""
    step = -(-len(weeks) // most)
    return list(weeks[::-1][::step][::-1])


def _spread(ends: Mapping[str, float]) -> dict[str, float]:
    """Heights for the names at the lines' ends, moved apart where they would overlap."""
    top = max((*ends.values(), 0)) or 1
    placed: dict[str, float] = {}
    floor = float("-inf")
    for name, height in sorted(ends.items(), key=lambda item: item[1]):
        floor = max(height, floor + 0.075 * top)
        placed[name] = floor
    return placed


def _sides(
    points: Sequence[Mapping[str, Any]], across: _Range, along: _Range, height: int
) -> list[str]:
    """Where each bubble's name goes, so that names and bubbles do not cover one another.

    Works on the figure's usual width and a name's width from its letters.
    """
    scale = 350 / (across[1] - across[0]), (height - 70) / (along[1] - along[0])
    centres = [(log10(p["spend"]) * scale[0], log10(p["value"]) * scale[1]) for p in points]
    edges = across[0] * scale[0], across[1] * scale[0]
    radii = [_diameter(point) / 2 + 2 for point in points]
    boxes = [(x - r, y - r, x + r, y + r) for (x, y), r in zip(centres, radii, strict=True)]
    chosen = []
    for point, (x, y), reach in zip(points, centres, radii, strict=True):
        half = 3.5 * len(point["name"])
        tries = {
            "top center": (x - half, y + reach, x + half, y + reach + 15),
            "bottom center": (x - half, y - reach - 15, x + half, y - reach),
            "middle right": (x + reach, y - 8, x + reach + 2 * half, y + 8),
            "middle left": (x - reach - 2 * half, y - 8, x - reach, y + 8),
        }

        def hidden(side: str, tries: Mapping[str, _Box] = tries) -> float:
            box = tries[side]
            beyond = max(0.0, edges[0] - box[0]) + max(0.0, box[2] - edges[1])
            return 15 * beyond + sum(_overlap(box, other) for other in boxes)

        side = min(tries, key=hidden)
        chosen.append(side)
        boxes.append(tries[side])
    return chosen


def _diameter(point: Mapping[str, Any]) -> float:
    return float(12 + 26 * point["size"] ** 0.5)


_Box = tuple[float, float, float, float]


def _overlap(one: _Box, other: _Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    along = min(one[3], other[3]) - max(one[1], other[1])
    return across * along if across > 0 and along > 0 else 0.0
