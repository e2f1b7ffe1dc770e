"""The native charts of slides, which can be edited: the same rows and words as in all formats."""

import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import xlsxwriter

from attribution.metrics import Format
from attribution.reports.cells import TEXT_IS_TEXT, number, starts_formula
from attribution.reports.cells import text as legible
from attribution.reports.document import Chart, Section, chart_title, column, drawn, from_nought
from attribution.reports.drawing import axis_of
from attribution.reports.printed import written
from attribution.reports.sheet_charts import axis_pattern
from attribution.reports.styles import INK, RULE, SERIES, pattern
from attribution.ui import formats
from attribution.ui.view import records

LABELLED = 30  # bars that have their numbers beside them, at most
_SPACE = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"


class SlideChart:
    """The chart of one section, as far as slides have such a one: a heat map is its table."""

    def __init__(self, section: Section, currency: str) -> None:
        self._section, self._currency = section, currency
        self._drawn = drawn(section)

    @property
    def any(self) -> bool:
        """Whether there is something to draw."""
        chart = self._section.chart
        return chart is not None and chart.kind != "heat" and not self._drawn.frame.empty

    @property
    def chart(self) -> Chart:
        """What is drawn."""
        assert self._section.chart is not None  # noqa: S101
        return self._section.chart

    def put(self, slide: Any, place: Sequence[float]) -> None:
        """Put it on a slide; `place` is left, top, width and height in inches."""
        chart, table = self.chart, self._drawn
        rows = records(table.frame)
        label = column(table, chart.label)
        data = _of("pptx.chart.data", "CategoryChartData")()
        categories = [
            legible(_label(row[chart.label], label.format, self._currency)) for row in rows
        ]
        data.categories = categories
        names = chart.values[:1] if chart.kind == "intervals" else chart.values
        series = {column(table, n).title: [number(row[n]) for row in rows] for n in names}
        for title, values in series.items():
            data.add_series(title, values)
        kinds = _of("pptx.enum.chart", "XL_CHART_TYPE")
        kind = kinds.LINE_MARKERS if chart.kind == "lines" else kinds.BAR_CLUSTERED
        inches = _of("pptx.util", "Inches")
        if chart.kind != "lines":  # one bar alone is no wall
            highest = 1.0 + len(rows) * max(0.3 * len(names), 0.45)
            place = (*place[:3], min(place[3], highest))
        frame = slide.shapes.add_chart(kind, *(inches(each) for each in place), data)
        frame.chart.part.chart_workbook.update_from_xlsx_blob(_workbook(categories, series))
        frame._element.nvGraphicFramePr.cNvPr.set(
            "descr", f"{chart_title(self._section)}. {chart.words}"
        )
        self._dress(frame.chart, names)
        if chart.kind == "intervals":
            self._whiskers(frame.chart, rows)

    def _dress(self, made: Any, names: Sequence[str]) -> None:
        chart, kind = self.chart, column(self._drawn, names[0]).format
        points, colours = _of("pptx.util", "Pt"), _of("pptx.dml.color", "RGBColor")
        made.has_title = False
        made.has_legend = len(names) > 1
        made.font.size = points(11)
        made.font.color.rgb = colours.from_string(INK[1:])
        if len(names) > 1:
            made.legend.include_in_layout = False
            made.legend.position = _of("pptx.enum.chart", "XL_LEGEND_POSITION").TOP
        axis = made.value_axis
        axis.tick_labels.number_format = axis_pattern(kind, self._currency)
        axis.tick_labels.number_format_is_linked = False
        axis.major_gridlines.format.line.color.rgb = colours.from_string(RULE[1:])
        axis.format.line.fill.background()
        if from_nought(self._section):
            axis.minimum_scale = 0  # the length of a bar is its number
        if kind == "count":  # programs go in parts of one, and write them whole
            axis.major_unit = axis_of(self._drawn, chart)[2]
        if chart.kind == "intervals":  # programs forget the whiskers
            axis.minimum_scale, axis.maximum_scale, _ = axis_of(self._drawn, chart)
        beside = _of("pptx.enum.chart", "XL_TICK_LABEL_POSITION")
        made.category_axis.tick_label_position = beside.LOW
        if chart.kind != "lines":
            made.category_axis.reverse_order = True
            axis.tick_label_position = beside.HIGH  # below: the order is reversed
            made.plots[0].gap_width = 60
        for place, each in enumerate(made.plots[0].series):
            colour = colours.from_string(SERIES[place % len(SERIES)][1:])
            if chart.kind == "lines":
                each.format.line.color.rgb, each.smooth = colour, False
                each.marker.format.fill.solid()
                each.marker.format.fill.fore_color.rgb = colour
            else:
                each.format.fill.solid()
                each.format.fill.fore_color.rgb = colour
        bars = len(names) * len(self._drawn.frame)
        if chart.kind == "bars" and bars <= LABELLED:
            self._numbers(made.plots[0], kind)

    def _numbers(self, plot: Any, kind: Format) -> None:
        plot.has_data_labels = True
        plot.data_labels.number_format = pattern(kind, self._currency)
        plot.data_labels.number_format_is_linked = False
        plot.data_labels.position = _of("pptx.enum.chart", "XL_LABEL_POSITION").OUTSIDE_END
        plot.data_labels.font.size = _of("pptx.util", "Pt")(10)

    def _whiskers(self, made: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        """The ends of each interval as whiskers."""
        value, low, high = self.chart.values
        down = [float(row[value]) - float(row[low]) for row in rows]
        up = [float(row[high]) - float(row[value]) for row in rows]
        # Their place among the parts of a series is fixed: before its categories.
        made.plots[0].series[0]._element.find(f"{_SPACE}cat").addprevious(_whiskers(up, down))


def _workbook(categories: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> bytes:
    """The workbook behind a chart, where a name is text, whatever it begins with.

    That of python-pptx takes what begins with an equals sign for a formula, and calls addresses.
    """
    file = io.BytesIO()
    options = {**TEXT_IS_TEXT, "in_memory": True}
    with xlsxwriter.Workbook(file, options) as book:
        sheet = book.add_worksheet("Sheet1")  # the cells that python-pptx tells the chart
        for row, name in enumerate(categories, start=1):
            quoted = book.add_format({"quote_prefix": True}) if starts_formula(name) else None
            sheet.write_string(row, 0, name, quoted)
        for at, (title, values) in enumerate(series.items(), start=1):
            sheet.write_string(0, at, title)
            for row, value in enumerate(values, start=1):
                if value is not None:
                    sheet.write_number(row, at, value)
    return file.getvalue()


def _whiskers(up: Sequence[float], down: Sequence[float]) -> Any:
    """Error bars of so much above and below each value."""
    element = import_module("lxml.etree").Element

    def child(parent: Any, name: str, **said: str) -> Any:
        found = element(f"{_SPACE}{name}", **said)
        parent.append(found)
        return found

    bars = element(f"{_SPACE}errBars")
    child(bars, "errBarType", val="both")
    child(bars, "errValType", val="cust")
    child(bars, "noEndCap", val="0")
    for name, amounts in (("plus", up), ("minus", down)):
        numbers = child(child(bars, name), "numLit")
        child(numbers, "formatCode").text = "General"
        child(numbers, "ptCount", val=str(len(amounts)))
        for place, amount in enumerate(amounts):
            child(child(numbers, "pt", idx=str(place)), "v").text = repr(max(amount, 0.0))
    return bars


def _label(value: object, kind: Format, currency: str) -> str:
    """A category: weeks without their year, which the slide says."""
    if kind == "day":
        return formats.day(value).rpartition(" ")[0]
    return written(value, kind, currency)


@lru_cache(maxsize=16)
def _of(module: str, name: str) -> Any:
    """A part of python-pptx, which is loaded when a deck is made."""
    return getattr(import_module(module), name)
