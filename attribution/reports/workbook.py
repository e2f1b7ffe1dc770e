"""A report as an Excel workbook: live formulas, real number formats, native charts.

Only formulas written here are formulas; whatever comes from the data is text or a number. The
same view gives the same bytes.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from math import ceil
from typing import Any

import xlsxwriter

from attribution.metrics import Format
from attribution.reports.about import another_day
from attribution.reports.cells import TEXT_IS_TEXT, shortened, text
from attribution.reports.document import Document
from attribution.reports.grid import Grid
from attribution.reports.sheet_charts import draw
from attribution.reports.styles import Styles
from attribution.reports.summary_sheet import summary
from attribution.reports.unstamped import CREATED

LETTER = 1  # paper
LINE = 15  # points
MEANING_WIDTHS = {"Metric": 20, "Meaning": 62, "Formula": 58, "Unit": 14}
ABOUT_WIDTH = 96
UNITS: dict[Format, str] = {"count": "number", "rate": "percent", "ratio": "multiple (x)"}


def workbook(document: Document) -> bytes:
    """Sheets: Summary, one for each section with its chart, Definitions and About."""
    file = io.BytesIO()
    options = {**TEXT_IS_TEXT, "in_memory": True}
    with xlsxwriter.Workbook(file, options) as book:
        # A workbook holds the time of its making; a fixed one keeps equal reports equal.
        book.set_properties({"title": document.title, "created": CREATED})
        styles = Styles(book, document.currency)
        summary(_sheet(book, "Summary", document.about, repeated=False), styles, document)
        for section in document.sections:
            sheet = _sheet(book, section.name, document.about)
            grid = Grid(sheet, styles, section.table, section.totals)
            draw(book, sheet, section, grid, document.currency)
        _definitions(_sheet(book, "Definitions", document.about), styles, document)
        _about(_sheet(book, "About", document.about, repeated=False), styles, document)
    return file.getvalue()


def _sheet(workbook: Any, name: str, about: Mapping[str, str], *, repeated: bool = True) -> Any:
    """A sheet that prints well: landscape, as wide as the page, its header on every page."""
    sheet = workbook.add_worksheet(name)
    sheet.hide_gridlines(2)
    sheet.set_landscape()
    sheet.set_paper(LETTER)
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.5, right=0.5, top=0.8, bottom=0.7)
    if repeated:
        sheet.repeat_rows(0)
    whose = shortened(about["organisation"], 45) + " · " if about["organisation"] else ""
    cells = f"Small cells {about['small_cells'].partition(':')[0]}"
    title, period = (_plain(shortened(about[key], 45)) for key in ("title", "period"))
    sheet.set_header(f"&L&B{title}: {name}&R{period}")
    sheet.set_footer(
        f"&L{_plain(whose)}Generation {about['generation']}&C{_plain(cells)}&RPage &P of &N"
    )
    return sheet


def _plain(words: str) -> str:
    """Words in a header, where & begins a code; it may have 255 characters in all."""
    return words.replace("&", "&&")


def _definitions(sheet: Any, styles: Styles, document: Document) -> None:
    for at, (title, width) in enumerate(MEANING_WIDTHS.items()):
        sheet.write_string(0, at, title, styles.heading(right=False))
        sheet.set_column(at, at, width)
    sheet.freeze_panes(1, 1)
    for row, each in enumerate(document.definitions(), start=1):
        unit = document.currency if each.format == "money" else UNITS.get(each.format, "number")
        wrapped = styles.value("text", text_wrap=True)
        sheet.write_string(row, 0, each.title, styles.value("text", bold=True))
        words = (each.sentence, each.formula, unit)
        for at, said in enumerate(words, start=1):
            sheet.write_string(row, at, said, wrapped)
        sheet.set_row(row, _height(zip(words, list(MEANING_WIDTHS.values())[1:], strict=True)))


def _about(sheet: Any, styles: Styles, document: Document) -> None:
    about = document.about
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 1, ABOUT_WIDTH)
    sheet.write_string(0, 0, about["title"], styles.make(bold=True, font_size=14))
    sheet.write_string(0, 1, document.question, styles.make(italic=True, valign="vcenter"))
    row = 1
    for name, value in _facts(document):
        sheet.write_string(row, 0, name, styles.value("text", bold=True))
        shown = text(value)
        sheet.write_string(row, 1, shown, styles.text(shown, text_wrap=True))
        sheet.set_row(row, _height([(shown, ABOUT_WIDTH)]))
        row += 1


def _facts(document: Document) -> Iterator[tuple[str, str]]:
    about = document.about
    yield "Period", about["period"]
    if day := another_day(about):
        yield "Counted by", day
    yield "Credit model", f"{about['model']}. {about['model_help']}"
    yield "Conversion", f"{about['conversion']} (what the share with a known channel is of)"
    yield "Service lines", about["service_lines"]
    yield "Locations", about["locations"]
    yield "Currency", document.currency
    yield "Data", f"Generation {about['generation']}, published {about['published_at']}"
    yield "Freshness", about["freshness"]
    yield "Small cells", about["small_cells"]
    yield (
        "Reading the numbers",
        (
            "Conversions are shared among the touches before them, so counts can have fractions. "
            "Ratios are formulas: an empty cell means that the ratio is undefined."
        ),
    )
    yield from document.undefined()
    yield from ((s.table.title, s.table.note) for s in document.sections if s.table.note)
    for note in (*document.warnings, *document.notes):
        if about["model_help"] not in note:
            yield "Note", note


def _height(lines: Iterable[tuple[str, int]]) -> float:
    """The height of a row that holds each text wrapped at the width beside it."""
    return LINE * max(ceil(0.95 * len(words) / width) for words, width in lines) + 3
