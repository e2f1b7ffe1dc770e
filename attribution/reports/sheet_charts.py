"""The native charts of a workbook: each draws the cells of the table beside it."""

from typing import Any

from xlsxwriter.utility import xl_range_abs, xl_rowcol_to_cell

from attribution.metrics import Format
from attribution.reports.document import Section, chart_title, column, drawn, from_nought
from attribution.reports.drawing import axis_of
from attribution.reports.grid import HEADER_HEIGHT, ROW_HEIGHT, Grid
from attribution.reports.styles import FONT, INK, RULE, SERIES, pattern
from attribution.ui import formats

HEAT = {"type": "2_color_scale", "min_color": "#F3F7FD", "max_color": "#5C8FDB"}
PAGE = (720, 504)  # points of a printed page that a sheet has: width, height
BESIDE = 560  # points: a wider table has its chart below
WIDTH, NARROW = 800, 660  # pixels of a chart below its table, and of one beside it
POINT = 0.75  # of a pixel
_TYPES = {"bars": "bar", "dots": "bar", "intervals": "bar", "lines": "line"}
_LETTERS: dict[str, object] = {"name": FONT, "size": 10, "color": INK}
_DATES = 13  # written below a line, at most


def draw(book: Any, sheet: Any, section: Section, grid: Grid, currency: str) -> None:
    """Draw a section beside its table, or below a wide one; a heat map colours the cells."""
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
        colour = {"color": SERIES[place % len(SERIES)]}
        if chart.kind == "lines":
            series |= {"line": {**colour, "width": 2.0}}
        else:
            series |= {"fill": colour, "gap": 60, "overlap": 0}
        if chart.kind == "intervals":
            series |= {"y_error_bars": _whiskers(sheet, section, grid, rows)}
            made.show_hidden_data()
        made.add_series(series)
    _dress(made, section, rows, currency)
    bars = 1 if chart.kind == "intervals" else len(chart.values)
    height = 340 if chart.kind == "lines" else 110 + (18 * bars if bars > 1 else 24) * rows
    beside = grid.width <= BESIDE
    made.set_size({"width": NARROW if beside else WIDTH, "height": height})
    row, at = (0, grid.columns + 1) if beside else (_below(sheet, grid, height), 0)
    sheet.insert_chart(
        row,
        at,
        made,
        # Stays where it is when rows are filtered away.
        {
            "object_position": 3,
            "description": chart.words or chart.title,
            "x_offset": 4,
            "y_offset": 4,
        },
    )


def _below(sheet: Any, grid: Grid, height: float) -> int:
    """The row at which a chart of so many pixels begins; on paper it is on one page."""
    row = grid.rows + 4
    scale = min(1, PAGE[0] / max(grid.width, WIDTH * POINT))
    table = HEADER_HEIGHT + ROW_HEIGHT * (grid.rows + 3)
    if (table + height * POINT) * scale > PAGE[1]:
        sheet.set_h_pagebreaks([row])
    return row


def _leading(section: Section) -> int:
    """How many rows from the top on are drawn: a native chart draws rows that lie together."""
    chart = section.chart
    if chart is not None and chart.paid:
        return len(drawn(section).frame)
    return len(section.table.frame)


def _whiskers(sheet: Any, section: Section, grid: Grid, rows: int) -> dict[str, object]:
    """How far an interval reaches below and above its value: formulas in two hidden columns.

    Programs other than Excel draw no whiskers that are not cells.
    """
    assert section.chart is not None  # noqa: S101
    value, *ends = section.chart.values
    areas = []
    for place, (end, sign) in enumerate(zip(ends, (-1, 1), strict=True)):
        at = grid.columns + place
        for row in range(1, grid.rows + 1):
            middle = xl_rowcol_to_cell(row, grid.column(value))
            outer = xl_rowcol_to_cell(row, grid.column(end))
            known = section.table.frame.iloc[row - 1]
            if known[[value, end]].isna().any():
                continue
            formula = f"={outer}-{middle}" if sign > 0 else f"={middle}-{outer}"
            reach = sign * (float(known[end]) - float(known[value]))
            sheet.write_formula(row, at, formula, None, reach)
        sheet.set_column(at, at, None, None, {"hidden": True})
        areas.append(f"='{sheet.name}'!{xl_range_abs(1, at, rows, at)}")
    minus, plus = areas
    return {"type": "custom", "minus_values": minus, "plus_values": plus}


def _dress(made: Any, section: Section, rows: int, currency: str) -> None:
    chart = section.chart
    assert chart is not None  # noqa: S101
    kind = column(section.table, chart.values[0]).format
    made.set_title(
        {"name": chart_title(section), "name_font": {**_LETTERS, "size": 12, "bold": True}}
    )
    made.set_legend(
        {"none": True}
        if len(chart.values) == 1 or chart.kind == "intervals"
        else {"position": "top", "font": _LETTERS}
    )
    amounts: dict[str, object] = {
        "num_font": _LETTERS,
        "num_format": axis_pattern(kind, currency),
        "major_gridlines": {"visible": True, "line": {"color": RULE}},
        "line": {"none": True},
    }
    if from_nought(section):
        amounts["min"] = 0  # the length of a bar is its number
    if kind == "count":  # programs go in parts of one, and write them whole
        amounts["major_unit"] = axis_of(drawn(section), chart)[2]
    if chart.kind == "intervals":  # programs forget the whiskers
        amounts["min"], amounts["max"], _ = axis_of(drawn(section), chart)
    names = {"num_font": _LETTERS, "line": {"color": INK}, "label_position": "low"}
    if chart.kind == "lines":
        each = max(1, -(-rows // _DATES))
        dates = {"num_format": "d mmm", "text_axis": True, "interval_unit": each}
        made.set_x_axis({**names, **dates})
        made.set_y_axis(amounts)
        return
    # Bars run from the bottom up unless told otherwise; the table reads from the top down.
    made.set_y_axis({**names, "reverse": True})
    # Below: the axis is above once the order is reversed.
    made.set_x_axis({**amounts, "label_position": "high"})


def axis_pattern(kind: Format, currency: str) -> str:
    """Excel's format for the numbers of a chart; amounts short: $1.2M, $48K, $2,500.

    Below ten thousand an axis may go in steps of five hundred, which no whole thousand tells.
    """
    if kind != "money":
        return pattern(kind, currency)
    sign = f'"{formats.symbol(currency)}"'
    return f'[>=1000000]{sign}0.0,,"M";[>=10000]{sign}0,"K";{sign}#,##0'
