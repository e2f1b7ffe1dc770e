"""Charts of printed reports as SVG: bars, lines, dots, intervals, heat maps and sparklines.

A small writer of our own: no browser and no plotting library, the same bytes for the same numbers.
Every chart is drawn from a section's table alone; text from data is escaped.
"""

from collections.abc import Callable, Sequence
from math import ceil, floor, isclose, isfinite, log10
from typing import Any

import pandas as pd

from attribution.metrics import Format
from attribution.reports.canvas import Canvas
from attribution.reports.cells import shortened
from attribution.reports.document import Chart, Section, column, drawn
from attribution.reports.styles import HEAT, QUIET, RULE, SERIES, mixed
from attribution.ui import formats
from attribution.ui.view import Table, records

FAINT = "#EEF1F5"
WIDTH = 700.0
ROW, BAND = 22.0, 26.0
NAMES = (60.0, 190.0)  # the least and the most room for the names of rows
LETTER = 5.1  # of the room for a name
LINES_HEIGHT = 190.0
LABEL = 36  # letters of a row's name
_LEAST_STEPS: dict[Format, float] = {
    "count": 1,
    "number": 0.1,
    "ratio": 0.1,
    "rate": 0.001,
    "points": 0.001,
}
Write = Callable[[float | None], str]


def draw(section: Section, currency: str, *, width: float = WIDTH) -> tuple[str, float]:
    """A section's chart as SVG, and its height for each width; no text where none is drawn."""
    chart, table = section.chart, drawn(section)
    if chart is None or table.frame.empty:
        return "", 0.0
    kinds = {
        "bars": _bars,
        "lines": _lines,
        "dots": _dots,
        "intervals": _intervals,
        "heat": _heat,
    }
    canvas = kinds[chart.kind](chart, table, currency, width)
    return canvas.svg(), canvas.ratio


def sparkline(course: Sequence[float | None], *, width: float = 150, height: float = 26) -> str:
    """A number's course without axes, its last point marked; empty below two known points."""
    known = [(i, value) for i, value in enumerate(course) if value is not None and isfinite(value)]
    if len(known) < 2:
        return ""
    low, high = min(v for _, v in known), max(v for _, v in known)
    span = (high - low) or 1.0
    step = (width - 12) / max(len(course) - 1, 1)
    points = [(6 + i * step, height - 6 - (v - low) / span * (height - 12)) for i, v in known]
    canvas = Canvas(width, height)
    canvas.line(points, SERIES[0], 1.4)
    canvas.dot(*points[-1], 0, SERIES[0])
    return canvas.svg()


def _bars(chart: Chart, table: Table, currency: str, width: float) -> Canvas:
    rows, series = records(table.frame), chart.values
    names = _room(table, chart)
    thick = 12.0 if len(series) == 1 else 9.0
    band = thick * len(series) + 11
    top = BAND if len(series) > 1 else 4.0
    canvas = Canvas(width, top + band * len(rows) + 4)
    _legend(canvas, table, series, left=names + 12)
    most = max((float(row[n]) for row in rows for n in series if _known(row[n])), default=1) or 1
    least = min((float(row[n]) for row in rows for n in series if _known(row[n])), default=0)
    reach = width - names - 80
    scale = reach / _span(max(most, 0) - min(least, 0))
    zero = names + 8 - min(least, 0) * scale
    for place, row in enumerate(rows):
        y = top + place * band
        canvas.text(names, y + band / 2 + 1, shortened(row[chart.label], LABEL), anchor="end")
        for at, name in enumerate(series):
            value, level = row[name], y + 4 + at * thick
            shown = _written(table, name, currency)(value)
            end = zero
            if _known(value):
                size = float(value) * scale
                canvas.rect(min(zero, zero + size), level, abs(size), thick - 2, SERIES[at])
                end = max(zero, zero + size)
            canvas.text(end + 5, level + thick - 3.4, shown, size=9, fill=QUIET)
    canvas.line([(zero, top), (zero, top + band * len(rows))], RULE, 1)
    return canvas


def _lines(chart: Chart, table: Table, currency: str, width: float) -> Canvas:
    rows = records(table.frame)
    canvas = Canvas(width, LINES_HEIGHT)
    _legend(canvas, table, chart.values, left=44, lines=True)
    values = [float(row[n]) for row in rows for n in chart.values if _known(row[n])]
    left, top, right, bottom = 44.0, BAND + 6, width - 8, LINES_HEIGHT - 22
    low, high, each_step = _scale(values, column(table, chart.values[0]).format)
    written = _written(table, chart.values[0], currency)

    def level_of(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    for part in range(round((high - low) / each_step) + 1):
        value = low + part * each_step
        nought = abs(value) < each_step / 1e6
        level = level_of(value)
        canvas.line([(left, level), (right, level)], QUIET if nought else RULE, 0.6)
        shown = written(0.0 if nought else value)
        canvas.text(left - 5, level + 3, shown, anchor="end", size=9, fill=QUIET)
    step = (right - left - 10) / max(len(rows) - 1, 1)
    xs = [left + 5 + place * step for place in range(len(rows))]
    each = max(1, ceil(len(rows) / max(width // 90, 1)))
    for place in range(0, len(rows), each):
        day = formats.day(rows[place][chart.label])
        ends = xs[place] + 28 > width
        x, anchor = (width - 1, "end") if ends else (xs[place], "middle")
        canvas.text(x, bottom + 14, day, anchor=anchor, size=9, fill=QUIET)
    if rows and chart.marks:
        _marks(canvas, chart, pd.Timestamp(rows[0][chart.label]), (xs[0], step / 7), (top, bottom))
    for at, name in enumerate(chart.values):
        run: list[tuple[float, float]] = []
        for x, row in zip(xs, rows, strict=True):
            if _known(row[name]):
                run.append((x, level_of(float(row[name]))))
            elif run:
                canvas.line(run, SERIES[at], 1.8)
                run = []
        if run:
            canvas.line(run, SERIES[at], 1.8)
            canvas.dot(*run[-1], at, SERIES[at])
    return canvas


def _marks(
    canvas: Canvas,
    chart: Chart,
    start: pd.Timestamp,
    days: tuple[float, float],
    span: tuple[float, float],
) -> None:
    """What happened, as numbered lines; `days` is the place of `start` and the width of a day."""
    for number, day in enumerate(chart.marks, start=1):
        x = min(days[0] + (pd.Timestamp(day) - start).days * days[1], canvas.width - 5)
        canvas.line([(x, span[0] - 2), (x, span[1])], QUIET, 0.8, dashed=True)
        canvas.text(x, span[0] - 4, number, anchor="middle", size=8, fill=QUIET, bold=True)


def _dots(chart: Chart, table: Table, currency: str, width: float) -> Canvas:
    rows = records(table.frame)
    canvas, place_of = _rows_on_a_scale(chart, table, rows, chart.values, currency, width)
    _legend(canvas, table, chart.values, left=_room(table, chart) + 14)
    for place, row in enumerate(rows):
        y = BAND + place * ROW + ROW / 2
        known = [(at, float(row[n])) for at, n in enumerate(chart.values) if _known(row[n])]
        ends = [place_of(value) for _, value in known]
        canvas.line([(min(ends), y), (max(ends), y)], "#C3CAD3", 5)
        for at, value in known:
            canvas.dot(place_of(value), y, at, SERIES[at])
    return canvas


def _intervals(chart: Chart, table: Table, currency: str, width: float) -> Canvas:
    rows = records(table.frame)
    canvas, place_of = _rows_on_a_scale(chart, table, rows, chart.values, currency, width)
    for place, row in enumerate(rows):
        y = BAND + place * ROW + ROW / 2
        value, low, high = (float(row[name]) for name in chart.values)
        sure = low > 0 or high < 0
        colour = SERIES[0] if sure else "#8B95A1"
        canvas.line([(place_of(low), y), (place_of(high), y)], colour, 2)
        canvas.dot(place_of(value), y, 0 if sure else 1, colour)
    return canvas


def _heat(chart: Chart, table: Table, currency: str, width: float) -> Canvas:
    rows, name = records(table.frame), chart.values[0]
    down = list(dict.fromkeys(str(row[chart.label]) for row in rows))[: chart.most]
    across = list(dict.fromkeys(str(row[chart.across]) for row in rows))
    cells = {(str(row[chart.label]), str(row[chart.across])): row[name] for row in rows}
    most = max((float(v) for v in cells.values() if _known(v)), default=1) or 1
    names = _room(table, chart)
    side = (width - names - 14) / max(len(across), 1)
    canvas = Canvas(width, 22 + len(down) * 24)
    written = _written(table, name, currency)
    for at, title in enumerate(across):
        middle = names + 12 + (at + 0.5) * side
        canvas.text(middle, 14, shortened(title, 18), anchor="middle", size=9, fill=QUIET)
    for place, title in enumerate(down):
        y = 22 + place * 24
        canvas.text(names, y + 15, shortened(title, LABEL), anchor="end")
        for at, other in enumerate(across):
            value = cells.get((title, other))
            x = names + 12 + at * side
            if value is None or not _known(value):
                canvas.rect(x, y, side - 2, 22, FAINT)
                continue
            canvas.rect(x, y, side - 2, 22, mixed(max(float(value), 0) / most, *HEAT))
            canvas.text(x + side / 2 - 1, y + 15, written(value), anchor="middle", size=9)
    return canvas


def _rows_on_a_scale(
    chart: Chart,
    table: Table,
    rows: Sequence[dict[str, Any]],
    names: Sequence[str],
    currency: str,
    width: float,
) -> tuple[Canvas, Callable[[float], float]]:
    """A canvas with the names of rows and a scale that holds all values and nought."""
    canvas = Canvas(width, BAND + ROW * len(rows) + 24)
    low, high, step = axis_of(table, chart)
    names_end = _room(table, chart)
    left, right, bottom = names_end + 14, width - 30, BAND + ROW * len(rows)

    def place_of(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    written = _written(table, names[0], currency)
    for part in range(round((high - low) / step) + 1):
        value = low + part * step
        x = place_of(value)
        nought = abs(value) < step / 1e6
        canvas.line([(x, BAND), (x, bottom)], QUIET if nought else RULE, 0.9 if nought else 0.6)
        said = written(0.0).lstrip("+") if nought else written(value)
        canvas.text(x, bottom + 14, said, anchor="middle", size=9, fill=QUIET)
    for place, row in enumerate(rows):
        label = shortened(row[chart.label], LABEL)
        canvas.text(names_end, BAND + place * ROW + ROW / 2 + 3.5, label, anchor="end")
    return canvas, place_of


def _legend(
    canvas: Canvas, table: Table, names: Sequence[str], *, left: float, lines: bool = False
) -> None:
    if len(names) < 2:
        return
    x = left
    for at, name in enumerate(names):
        title = column(table, name).title
        canvas.dot(x, 9, at if _marked(lines, names) else 2, SERIES[at])
        canvas.text(x + 9, 12.5, title)
        x += 24 + 5.4 * len(title)


def _marked(lines: bool, names: Sequence[str]) -> bool:
    """Whether series are told apart by the shape of their marks: bars have none."""
    return lines or len(names) > 2


def _room(table: Table, chart: Chart) -> float:
    """How far from the left the names of rows end."""
    longest = max((len(shortened(each, LABEL)) for each in table.frame[chart.label]), default=0)
    return min(max(longest * LETTER, NAMES[0]), NAMES[1])


def _written(table: Table, name: str, currency: str) -> Write:
    kind: Format = column(table, name).format

    def write(value: float | None) -> str:
        return formats.written(value if _known(value) else None, kind, currency)

    return write


def _known(value: object) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def axis_of(table: Table, chart: Chart) -> tuple[float, float, float]:
    """From where to where the axis of a chart goes, and in which steps."""
    rows, kind = records(table.frame), column(table, chart.values[0]).format
    return _scale([float(row[n]) for row in rows for n in chart.values if _known(row[n])], kind)


def _span(width: float) -> float:
    """How much an axis holds: something, also where all numbers are nought or all but nought."""
    return width if width > 1e-290 else 1.0


def _scale(values: Sequence[float], kind: Format) -> tuple[float, float, float]:
    """From where to where an axis goes that holds nought and all values, in round steps.

    In steps that can be written: half a patient would stand as one, or as none.
    """
    low, high = min([*values, 0.0]), max([*values, 0.0])
    least = _LEAST_STEPS.get(kind, 0.01)
    rough = max(_span(high - low) / 5, least)
    size = 10.0 ** floor(log10(rough))
    step = next(
        size * each
        for each in (1, 2, 2.5, 5, 10, 20)
        if size * each >= rough * (1 - 1e-9) and isclose(size * each / least % 1, 0, abs_tol=1e-6)
    )
    ends = floor(low / step) * step, ceil(high / step) * step
    return ends[0], max(ends[1], ends[0] + step), step
