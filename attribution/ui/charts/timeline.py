"""One person's time: a lane for each kind of thing, a mark for each thing that happened."""

from collections.abc import Sequence
from dataclasses import dataclass

from attribution.ui.charts.base import GREY, INK, LAYOUT, Spec, axis_of_names, figure

LANE = 36
# Told apart by shape too, not by colour alone.
_SYMBOLS = {"done": "circle", "ahead": "circle-open", "missed": "x", "plain": "diamond"}


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing: when (local, as ISO text), in which lane, how it ended, and its words."""

    at: str
    lane: int
    colour: str
    ended: str  # done, ahead, missed, plain
    hover: str


def timeline(lanes: Sequence[str], marks: Sequence[Mark], now: str) -> Spec:
    """Lanes one below the other over time, with a line where now is."""
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [mark.at for mark in marks],
        "y": [mark.lane for mark in marks],
        "marker": {
            "color": [mark.colour for mark in marks],
            "symbol": [_SYMBOLS[mark.ended] for mark in marks],
            "size": 10,
            "line": {"width": 1.5, "color": [mark.colour for mark in marks]},
        },
        "customdata": [mark.hover for mark in marks],
        "hovertemplate": "%{customdata}<extra></extra>",
        "cliponaxis": False,
    }
    today = {
        "type": "line",
        "x0": now,
        "x1": now,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": GREY, "width": 1, "dash": "dot"},
    }
    rules = [
        {
            "type": "line",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": lane,
            "y1": lane,
            "layer": "below",
            "line": {"color": f"{GREY}40", "width": 1},
        }
        for lane in range(len(lanes))
    ]
    layout = {
        **LAYOUT,
        "margin": {**LAYOUT["margin"], "t": 20, "r": 16},
        "height": 52 + LANE * len(lanes),
        "hovermode": "closest",
        "shapes": [*rules, today],
        "annotations": [
            {
                "x": now,
                "y": 1,
                "yref": "paper",
                "yanchor": "bottom",
                "xanchor": "right",
                "text": "now",
                "showarrow": False,
                "font": {"color": INK, "size": 11},
            }
        ],
        "xaxis": {"type": "date", "fixedrange": True, "zeroline": False, "showgrid": True},
        "yaxis": axis_of_names(lanes),
    }
    return figure([trace], layout)
