"""Figures as plain Plotly dicts: no Plotly import, no Streamlit, one function per kind of figure.

Colours are Streamlit's placeholders (`#000001` …): the browser puts the palette of the reader's
theme in their place, so one cached figure is right in light and in dark. A channel keeps its colour
whatever the order or the filter.
"""

from attribution.ui.charts.base import GREY, Spec, channel_colour, colour
from attribution.ui.charts.beside import beside
from attribution.ui.charts.bubbles import spend_against_return
from attribution.ui.charts.courses import course
from attribution.ui.charts.curves import response_curve
from attribution.ui.charts.fan import fan
from attribution.ui.charts.grid import day_grid
from attribution.ui.charts.lift import against, by_chance, by_week, power
from attribution.ui.charts.maps import flows, heat_map, matrix
from attribution.ui.charts.rows import bars, bridge
from attribution.ui.charts.spread import estimates, intervals, percentiles, ranges
from attribution.ui.charts.weekly import cohort_bars, weekly_lines

__all__ = [
    "GREY",
    "Spec",
    "against",
    "bars",
    "beside",
    "bridge",
    "by_chance",
    "by_week",
    "channel_colour",
    "cohort_bars",
    "colour",
    "course",
    "day_grid",
    "estimates",
    "fan",
    "flows",
    "heat_map",
    "intervals",
    "matrix",
    "percentiles",
    "power",
    "ranges",
    "response_curve",
    "spend_against_return",
    "weekly_lines",
]
