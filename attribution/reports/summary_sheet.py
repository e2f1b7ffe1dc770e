"""The first sheet of a workbook: what the report is, what is new, and the headline numbers."""

from typing import Any

from attribution.reports.cells import number, text
from attribution.reports.document import Document
from attribution.reports.styles import Styles

TITLES = ("Number", "Now", "Before", "Change", "How sure")
WIDTHS = (34, 16, 16, 12, 24)
ACROSS = len(WIDTHS) - 1


def summary(sheet: Any, styles: Styles, document: Document) -> None:
    """Title, facts, news and the headline numbers, whose change is a live formula."""
    about = document.about
    for at, width in enumerate(WIDTHS):
        sheet.set_column(at, at, width)
    row = _said(sheet, 0, document.title, styles.make(bold=True, font_size=18))
    row = _said(sheet, row, document.question, styles.make(italic=True))
    facts = (about["period"], f"Credit model: {about['model']}", about["freshness"])
    row = _said(sheet, row, " · ".join(facts), styles.make())
    row = _said(sheet, row, f"Small cells: {about['small_cells']}", styles.make())
    if document.banner:
        warned = styles.make(bold=True, bg_color="#FFF4DC", text_wrap=True)
        row = _said(sheet, row, document.banner, warned)
    row = _said(sheet, row + 1, "Since the last report", styles.make(bold=True))
    wrapped = styles.make(text_wrap=True, valign="top")
    for sentence in document.news:
        row = _said(sheet, row, sentence, wrapped)
    if document.sentences:
        row = _said(sheet, row + 1, "In short", styles.make(bold=True))
        for sentence in document.sentences:
            row = _said(sheet, row, sentence, wrapped)
    _headline(sheet, styles, document, row + 1)


def _said(sheet: Any, row: int, words: str, style: Any) -> int:
    shown = text(words)
    sheet.merge_range(row, 0, row, ACROSS, "", style)
    sheet.write_string(row, 0, shown, style)
    sheet.set_row(row, 15.0 * (1 + len(shown) // 105) + (10 if row == 0 else 1))
    return row + 1


def _headline(sheet: Any, styles: Styles, document: Document, row: int) -> None:
    if not document.headline:
        return
    for at, title in enumerate(TITLES):
        sheet.write_string(row, at, title, styles.heading(right=0 < at < ACROSS))
    for place, metric in enumerate(document.headline, start=row + 1):
        sheet.write_string(place, 0, metric.title, styles.value("text", bold=True))
        looks = styles.value(metric.format, exact=metric.format == "money" and _small(metric.value))
        for at, value in ((1, metric.value), (2, metric.before)):
            amount = number(value)
            if amount is None:
                sheet.write_blank(place, at, None, looks)
            else:
                sheet.write_number(place, at, amount, looks)
        now, before = number(metric.value), number(metric.before)
        this, last = f"B{place + 1}", f"C{place + 1}"
        formula = f'=IF({last}>0,({this}-{last})/{last},"")'
        if now is None or before is None:
            sheet.write_blank(place, 3, None, styles.value("rate"))
        else:
            share = (now - before) / before if before > 0 else ""
            sheet.write_formula(place, 3, formula, styles.value("rate"), share)
        sheet.write_string(place, 4, metric.interval, styles.value("text"))


def _small(value: float | None) -> bool:
    return value is not None and abs(value) < 10_000
