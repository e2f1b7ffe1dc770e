"""Figures over weeks."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from attribution.ui.charts.base import GREY, GROUND, INK, LAYOUT, TEXT, Spec, colour, figure


def weekly_lines(
    weeks: Sequence[str],
    courses: Mapping[str, Sequence[float | None]],
    prefix: str = "",
    arriving: tuple[str, str] | None = None,
    unusual: Mapping[str, Sequence[str]] = MappingProxyType({}),
    happened: Sequence[tuple[str, str]] = (),
) -> Spec:
    """One line for each course, named at its right end instead of in a legend.

    From the week `arriving` on the ground is shaded, with what is still arriving in words. The
    weeks `unusual` of a course are ringed. What `happened` on a day is marked by a numbered line,
    with its words to hover over.
    """
    traces: list[Spec] = []
    notes: list[Spec] = []
    # A name without a line would stand at nought, which is not known.
    drawn = {name: each for name, each in courses.items() if any(v is not None for v in each)}
    ends = _spread({name: _last(course) for name, course in drawn.items()}, _highest(courses))
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
        if name not in ends:
            continue
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
                # See-through text would make the dot paler than its line.
                "font": {"color": TEXT, "size": 12},
            }
        )
    for name, course in courses.items():
        places = [place for place, week in enumerate(weeks) if week in unusual.get(name, ())]
        if places:
            traces.append(marked([weeks[p] for p in places], [course[p] for p in places], prefix))
    layout = {
        **LAYOUT,
        "height": 300,
        "hovermode": "x unified",
        "margin": {"l": 0, "r": 106, "t": 8, "b": 0},
        "annotations": notes,
        "xaxis": {
            "type": "date",
            "hoverformat": "Week of %-d %b %Y",
            **week_ticks(weeks),
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
    if happened:
        layout["shapes"] = [*layout.get("shapes", []), *(_line(day) for day, _ in happened)]
        layout["annotations"] = [
            *layout["annotations"],
            *(_number(place, *each) for place, each in enumerate(happened, start=1)),
        ]
    return figure(traces, layout)


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
        **LAYOUT,
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
            **week_ticks(weeks),
            "fixedrange": True,
        },
        "yaxis": {"rangemode": "tozero", "nticks": 6, "fixedrange": True, **axis},
    }
    if immature:
        layout["annotations"] = [_above("still arriving")]
        layout["shapes"] = [_border(immature)]
    return figure([solid, hatched, reach], layout)


def marked(weeks: Sequence[str], values: Sequence[float | None], prefix: str = "") -> Spec:
    """Rings around weeks that were not as foretold."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "Unusual",
        "x": list(weeks),
        "y": list(values),
        "marker": {
            "symbol": "circle-open",
            "size": 14,
            "color": TEXT,
            "line": {"width": 2, "color": TEXT},
        },
        "cliponaxis": False,  # a week of nothing has its ring on the edge
        "hovertemplate": f"{prefix}%{{y:,.0f}}, outside its 95% band",
    }


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
    return _line((datetime.fromisoformat(week) - timedelta(hours=84)).isoformat(sep=" "))


def _line(at: str) -> Spec:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": at,
        "x1": at,
        "y0": 0,
        "y1": 1,
        "line": {"color": GREY, "width": 1, "dash": "dot"},
    }


def _number(place: int, day: str, words: str) -> Spec:
    """The number of a note at the foot of its line; its words wait until it is hovered over."""
    return {
        "xref": "x",
        "yref": "paper",
        "x": day,
        "y": 0,
        "yanchor": "bottom",
        "text": f"<b>{place}</b>",
        "hovertext": words,
        "showarrow": False,
        "bgcolor": GROUND,
        "bordercolor": GREY,
        "borderpad": 2,
        "font": {"size": 11, "color": INK},
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


def week_ticks(weeks: Sequence[str]) -> Spec:
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


def _spread(ends: Mapping[str, float], highest: float) -> dict[str, float]:
    """Heights for the names at the lines' ends, moved apart where they would overlap.

    How near is too near depends on the axis, which reaches up to `highest`.
    """
    top = highest or 1
    placed: dict[str, float] = {}
    floor = float("-inf")
    for name, height in sorted(ends.items(), key=lambda item: item[1]):
        floor = max(height, floor + 0.075 * top)
        placed[name] = floor
    return placed
