"""The native charts of a workbook: each draws the cells of the table above it."""

from typing import Any

from attribution.metrics import Format
from attribution.reports.document import Chart, Section, column, drawn
from attribution.reports.grid import Grid
from attribution.reports.styles import FONT, INK, RULE, pattern
from attribution.ui import formats

COLOURS = ("#AA7801", "#366FD8", "#08694B", "#9F3170")
HEAT = {"type": "2_color_scale", "min_color": "#F3F7FD", "max_color": "#5C8FDB"}
_TYPES = {"bars": "bar", "dots": "bar", "intervals": "bar", "lines": "line"}
_LETTERS: dict[str, object] = {"name": FONT, "size": 10, "color": INK}


def draw(book: Any, sheet: Any, section: Section, grid: Grid, currency: str) -> None:
    """Draw a section below its table; a heat map colours the cells themselves."""
    chart = section.chart
    if chart is None:
        return
    if chart.kind == "heat":
        at = grid.column(chart.values[0])
        sheet.conditional_format(1, at, grid.rows, at, HEAT)
        return
    rows = grid.rows if chart.kind == "lines" else min(_leading(section), chart.most)
    if not rows:
        return
    made = book.add_chart({"type": _TYPES[chart.kind]})
    # The ends of an interval are whiskers on its value.
    for place, name in enumerate(chart.values[:1] if chart.kind == "intervals" else chart.values):
        series: dict[str, object] = {
            "name": column(section.table, name).title,
            "categories": [sheet.name, 1, grid.column(chart.label), rows, grid.column(chart.label)],
            "values": [sheet.name, 1, grid.column(name), rows, grid.column(name)],
        }
        colour = {"color": COLOURS[place % len(COLOURS)]}
        if chart.kind == "lines":
            series |= {"line": {**colour, "width": 2.0}}
        else:
            series |= {"fill": colour, "gap": 60, "overlap": 0}
        if chart.kind == "intervals":
            series |= {"y_error_bars": _whiskers(section, rows)}
        made.add_series(series)
    _dress(made, chart, column(section.table, chart.values[0]).format, currency)
    bars = 1 if chart.kind == "intervals" else len(chart.values)
    height = 320 if chart.kind == "lines" else 110 + (22 * bars if bars > 1 else 26) * rows
    made.set_size({"width": 900, "height": height})
    sheet.insert_chart(
        grid.rows + 4,
        0,
        made,
        # Stays where it is when rows are filtered away.
        {"object_position": 3, "description": chart.words or chart.title, "x_offset": 4},
    )


def _leading(section: Section) -> int:
    """How many rows from the top on are drawn: a native chart draws rows that lie together."""
    chart = section.chart
    if chart is not None and "spend" in chart.values:
        return len(drawn(section).frame)
    return len(section.table.frame)


def _whiskers(section: Section, rows: int) -> dict[str, object]:
    value, low, high = (section.table.frame[name].head(rows) for name in _values(section))
    return {
        "type": "custom",
        "minus_values": (value - low).fillna(0.0).tolist(),
        "plus_values": (high - value).fillna(0.0).tolist(),
    }


def _values(section: Section) -> tuple[str, ...]:
    return () if section.chart is None else section.chart.values


def _dress(made: Any, chart: Chart, kind: Format, currency: str) -> None:
    sign = f'"{formats.symbol(currency)}"'
    short = f'[>=1000000]{sign}0.0,,"M";[>=1000]{sign}0,"K";{sign}0'
    made.set_title({"name": chart.title, "name_font": {**_LETTERS, "size": 12, "bold": True}})
    made.set_legend(
        {"none": True}
        if len(chart.values) == 1 or chart.kind == "intervals"
        else {"position": "top", "font": _LETTERS}
    )
    amounts = {
        "num_font": _LETTERS,
        "num_format": short if kind == "money" else pattern(kind, currency),
        "major_gridlines": {"visible": True, "line": {"color": RULE}},
        "line": {"none": True},
    }
    names = {"num_font": _LETTERS, "line": {"color": INK}, "label_position": "low"}
    if chart.kind == "lines":
        made.set_x_axis({**names, "num_format": "d mmm"})
        made.set_y_axis(amounts)
        return
    # Bars run from the bottom up unless told otherwise; the table reads from the top down.
    made.set_y_axis({**names, "reverse": True})
    # Below: the axis is above once the order is reversed.
    made.set_x_axis({**amounts, "label_position": "high"})
