"""Bars, one below the other."""

from collections.abc import Sequence

from attribution.ui.charts.base import GREY, LAYOUT, ROW, TEXT, Spec, axis_of_names, colour, figure


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
        **LAYOUT,
        "height": 40 + ROW * len(labels),
        "bargap": 0.35,
        "xaxis": {"visible": False, "range": [0, top], "fixedrange": True},
        "yaxis": axis_of_names(labels),
    }
    return figure([trace], layout)


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
        **LAYOUT,
        "height": 40 + ROW * len(labels),
        "bargap": 0.35,
        "xaxis": {
            "visible": False,
            "range": [least - (room if least < 0 else 0), most + room],
            "fixedrange": True,
        },
        "yaxis": axis_of_names(labels),
    }
    return figure([trace], layout)
