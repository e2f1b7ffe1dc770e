"""A report as a slide deck: native charts and tables that can be edited, the same numbers.

Written without a time of its making: the same report is the same bytes.
"""

import io
import zipfile
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from typing import Any

from attribution.errors import BadInput
from attribution.metrics import Format
from attribution.reports.cells import number
from attribution.reports.cells import text as legible
from attribution.reports.document import Chart, Document, Section, column, drawn
from attribution.reports.printed import written
from attribution.reports.styles import INK, pattern
from attribution.ui import formats
from attribution.ui.view import Table, records

MISSING = (
    "Reports as slides need the package python-pptx. Install it with `pip install "
    "'caretrace[slides]'`, or choose another format."
)
CREATED = datetime(2000, 1, 1)  # noqa: DTZ001  the format knows no time zone
STAMP = (2000, 1, 1, 0, 0, 0)
WIDE, HIGH = 13.333, 7.5  # inches
LEFT, TOP = 0.6, 1.35
COLOURS = ("AA7801", "366FD8", "08694B", "9F3170")
ROWS = 16  # of a table on one slide
QUIET = "66707C"


def pptx(document: Document) -> bytes:
    """The report as a PowerPoint file. Raises BadInput where python-pptx is not installed."""
    deck = _Deck(document)
    deck.first()
    for section in document.sections:
        deck.section(section)
    deck.definitions()
    return deck.bytes()


@lru_cache(maxsize=1)
def _pptx() -> Any:
    try:
        return import_module("pptx")
    except ModuleNotFoundError:
        raise BadInput(MISSING) from None


class _Deck:
    """A presentation while it is written."""

    def __init__(self, document: Document) -> None:
        module = _pptx()
        self._document = document
        self._deck = module.Presentation()
        self._inches = import_module("pptx.util").Inches
        self._points = import_module("pptx.util").Pt
        self._rgb = import_module("pptx.dml.color").RGBColor
        self._deck.slide_width, self._deck.slide_height = self._inches(WIDE), self._inches(HIGH)
        about = self._deck.core_properties
        about.title, about.created, about.modified = document.title, CREATED, CREATED
        about.author = about.last_modified_by = "caretrace"

    def first(self) -> None:
        """Title, period, what is new, the sentences and the headline numbers."""
        document = self._document
        about = document.about
        slide = self._slide(document.title)
        facts = f"{about['period']} · {about['model']} · {about['freshness']}"
        said = [facts, *([document.banner] if document.banner else []), *document.sentences]
        said += ["Since the last report:", *document.news]
        self._words(slide, said, top=1.2, size=14)
        cards = document.headline[:8]
        for place, metric in enumerate(cards):
            x = LEFT + (place % 4) * 3.05
            y = 4.3 + (place // 4) * 1.35
            value = formats.written(metric.value, metric.format, document.currency)
            before = formats.written(metric.before, metric.format, document.currency)
            under = f"before: {before}" if metric.before is not None else metric.interval
            self._words(slide, [metric.title], left=x, top=y, width=2.9, size=11, colour=QUIET)
            self._words(slide, [value], left=x, top=y + 0.24, width=2.9, size=24, bold=True)
            self._words(slide, [under], left=x, top=y + 0.78, width=2.9, size=11, colour=QUIET)

    def section(self, section: Section) -> None:
        """A slide with the chart, where there is one, and as many as the table needs."""
        if section.chart is not None and section.chart.kind != "heat":
            self._drawn(section, section.chart)
        frame = section.table.frame.head(section.printed)
        for start in range(0, max(len(frame), 1), ROWS):
            title = section.table.title if not start else f"{section.table.title}, continued"
            part = Table(title, section.table.columns, frame.iloc[start : start + ROWS])
            self._table(part)

    def definitions(self) -> None:
        """What every number means."""
        meanings = [
            [each.title, f"{each.sentence} {each.formula}".strip()]
            for each in self._document.definitions()
        ] + [list(each) for each in self._document.undefined()]
        for start in range(0, len(meanings), 11):
            slide = self._slide("What the numbers mean")
            self._cells(slide, [["Number", "Meaning"], *meanings[start : start + 11]], [2.6, 9.5])

    def bytes(self) -> bytes:
        """The file, without the time at which its parts were packed."""
        file = io.BytesIO()
        self._deck.save(file)
        return unstamped(file.getvalue())

    def _slide(self, title: str) -> Any:
        slide = self._deck.slides.add_slide(self._deck.slide_layouts[5])
        shape = slide.shapes.title
        shape.left, shape.top = self._inches(LEFT), self._inches(0.35)
        shape.width, shape.height = self._inches(WIDE - 2 * LEFT), self._inches(0.75)
        shape.text_frame.text = legible(title)
        paragraph = shape.text_frame.paragraphs[0]
        paragraph.alignment = import_module("pptx.enum.text").PP_ALIGN.LEFT
        self._dress(paragraph.runs[0].font, 28, INK.removeprefix("#"), bold=True)
        return slide

    def _words(
        self,
        slide: Any,
        said: list[str],
        *,
        left: float = LEFT,
        top: float,
        width: float = WIDE - 2 * LEFT,
        size: float,
        colour: str = INK.removeprefix("#"),
        bold: bool = False,
    ) -> None:
        box = slide.shapes.add_textbox(
            *(self._inches(each) for each in (left, top, width, 0.4 * len(said)))
        )
        box.text_frame.word_wrap = True
        for place, sentence in enumerate(said):
            paragraph = box.text_frame.paragraphs[0]
            if place:
                paragraph = box.text_frame.add_paragraph()
            run = paragraph.add_run()
            run.text = legible(sentence)
            self._dress(run.font, size, colour, bold=bold)

    def _dress(self, font: Any, size: float, colour: str, *, bold: bool = False) -> None:
        font.size, font.bold = self._points(size), bold
        font.color.rgb = self._rgb.from_string(colour)

    def _drawn(self, section: Section, chart: Chart) -> None:
        table = drawn(section)
        if table.frame.empty:
            return
        kinds = import_module("pptx.enum.chart")
        data = import_module("pptx.chart.data").CategoryChartData()
        rows = records(table.frame)
        label = column(table, chart.label)
        data.categories = [
            legible(written(row[chart.label], label.format, self._document.currency))
            for row in rows
        ]
        names = chart.values[:1] if chart.kind == "intervals" else chart.values
        for name in names:
            data.add_series(column(table, name).title, [number(row[name]) for row in rows])
        slide = self._slide(chart.title)
        if chart.words:
            self._words(slide, [chart.words], top=1.05, size=14, colour=QUIET)
        kind = kinds.XL_CHART_TYPE.BAR_CLUSTERED
        if chart.kind == "lines":
            kind = kinds.XL_CHART_TYPE.LINE_MARKERS
        place = (LEFT, 1.75, WIDE - 2 * LEFT, HIGH - 2.2)
        frame = slide.shapes.add_chart(kind, *(self._inches(each) for each in place), data)
        frame._element.nvGraphicFramePr.cNvPr.set("descr", f"{chart.title}. {chart.words}")
        self._dress_chart(frame.chart, chart, column(table, names[0]).format, len(names))

    def _dress_chart(self, made: Any, chart: Chart, kind: Format, series: int) -> None:
        made.has_title = False
        made.has_legend = series > 1
        made.font.size = self._points(11)
        if series > 1:
            made.legend.include_in_layout = False
            made.legend.position = import_module("pptx.enum.chart").XL_LEGEND_POSITION.TOP
        made.value_axis.tick_labels.number_format = pattern(kind, self._document.currency)
        made.value_axis.tick_labels.number_format_is_linked = False
        made.value_axis.major_gridlines.format.line.color.rgb = self._rgb.from_string("DDE2E8")
        if chart.kind != "lines":
            made.category_axis.reverse_order = True
            made.plots[0].gap_width = 60
        for place, each in enumerate(made.plots[0].series):
            colour = self._rgb.from_string(COLOURS[place % len(COLOURS)])
            if chart.kind == "lines":
                each.format.line.color.rgb, each.smooth = colour, False
                each.marker.format.fill.solid()
                each.marker.format.fill.fore_color.rgb = colour
            else:
                each.format.fill.solid()
                each.format.fill.fore_color.rgb = colour

    def _table(self, table: Table) -> None:
        slide = self._slide(table.title)
        if table.frame.empty:
            self._words(slide, [table.empty], top=TOP, size=14, colour=QUIET)
            return
        currency = self._document.currency
        cells = [[c.title for c in table.columns]] + [
            [written(row[c.name], c.format, currency) for c in table.columns]
            for row in records(table.frame)
        ]
        widths = [2.2 if c.format == "text" else 1.0 for c in table.columns]
        scale = (WIDE - 2 * LEFT) / sum(widths)
        right = [c.format != "text" for c in table.columns]
        self._cells(slide, cells, [each * scale for each in widths], right=right)

    def _cells(
        self,
        slide: Any,
        cells: list[list[str]],
        widths: list[float],
        right: list[bool] | None = None,
    ) -> None:
        place = (LEFT, TOP, sum(widths), 0.3 * len(cells))
        made = slide.shapes.add_table(
            len(cells), len(widths), *(self._inches(each) for each in place)
        ).table
        align = import_module("pptx.enum.text").PP_ALIGN
        for at, width in enumerate(widths):
            made.columns[at].width = self._inches(width)
        for row, values in enumerate(cells):
            made.rows[row].height = self._inches(0.3)
            for at, words in enumerate(values):
                cell = made.cell(row, at)
                cell.margin_top = cell.margin_bottom = self._inches(0.02)
                cell.margin_left = cell.margin_right = self._inches(0.06)
                cell.fill.solid()
                cell.fill.fore_color.rgb = self._rgb.from_string("F4F6F8" if not row else "FFFFFF")
                paragraph = cell.text_frame.paragraphs[0]
                run = paragraph.add_run()
                run.text = legible(words)
                self._dress(run.font, 10, INK.removeprefix("#"), bold=not row)
                if right is not None and right[at]:
                    paragraph.alignment = align.RIGHT


def unstamped(content: bytes) -> bytes:
    """A zip file with the same parts, and in workbooks within, at one fixed time."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            part = old.read(name)
            if name.endswith(".xlsx"):
                part = unstamped(part)
            if name == "docProps/core.xml":
                part = _undated(part)
            new.writestr(zipfile.ZipInfo(name, STAMP), part, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _undated(core: bytes) -> bytes:
    import re

    fixed = rb"\g<1>2000-01-01T00:00:00Z\g<2>"
    pattern_ = rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(</dcterms:)"
    return re.sub(pattern_, fixed, core)
