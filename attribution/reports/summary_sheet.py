"""The first sheet of a workbook: what the report is, what is new, and the headline numbers."""

from math import ceil
from typing import Any

from attribution.reports.about import another_day
from attribution.reports.cells import number, text
from attribution.reports.document import Document
from attribution.reports.styles import QUIET, WARNING, Styles
from attribution.ui.view import Metric

WIDTHS = (34, 16, 16, 14, 30)
ACROSS = len(WIDTHS) - 1
LETTERS = 1.2 * sum(WIDTHS)  # of one line over all columns


def summary(sheet: Any, styles: Styles, document: Document) -> None:
    """Title, facts, news and the headline numbers, whose change is a live formula."""
    about = document.about
    for at, width in enumerate(WIDTHS):
        sheet.set_column(at, at, width)
    row = 0
    if about["organisation"]:
        row = _said(sheet, row, about["organisation"], styles.make(font_color=QUIET))
    row = _said(sheet, row, document.title, styles.make(bold=True, font_size=18), 28)
    row = _said(sheet, row, document.question, styles.make(italic=True))
    facts = [about["period"], f"Credit model: {about['model']}", about["freshness"]]
    if day := another_day(about):
        facts.insert(1, f"Counted by: {day}")
    row = _said(sheet, row, " · ".join(facts), styles.make())
    row = _said(sheet, row, f"Small cells: {about['small_cells']}", styles.make())
    wrapped = styles.make(text_wrap=True, valign="top")
    if document.banner:
        warned = styles.make(bold=True, bg_color=WARNING, text_wrap=True, valign="vcenter")
        row = _said(sheet, row, document.banner, warned)
    for warning in document.warnings:
        warned = styles.make(bg_color=WARNING, text_wrap=True, valign="vcenter")
        row = _said(sheet, row, warning, warned)
    row = _said(sheet, row + 1, "Since the last report", styles.make(bold=True))
    for sentence in document.news:
        row = _said(sheet, row, sentence, wrapped)
    if document.sentences:
        row = _said(sheet, row + 1, "In short", styles.make(bold=True))
        for sentence in document.sentences:
            row = _said(sheet, row, sentence, wrapped)
    _headline(sheet, styles, document, row + 1)


def _said(sheet: Any, row: int, words: str, style: Any, height: float = 0) -> int:
    shown = text(words)
    sheet.merge_range(row, 0, row, ACROSS, "", style)
    sheet.write_string(row, 0, shown, style)
    sheet.set_row(row, height or 15.5 * ceil(max(len(shown), 1) / LETTERS) + 1)
    return row + 1


def _headline(sheet: Any, styles: Styles, document: Document, row: int) -> None:
    """A row for each number; what none of them has is no column."""
    if not document.headline:
        return
    compared = any(number(each.before) is not None for each in document.headline)
    sure = any(each.interval for each in document.headline)
    titles = ["Number", "Now", *(["Before", "Change"] * compared), *(["How sure"] * sure)]
    for at, title in enumerate(titles):
        looks = {"indent": 1} if title == "How sure" else {}
        right = title not in ("Number", "How sure")
        sheet.write_string(row, at, title, styles.heading(right=right, **looks))
    for place, metric in enumerate(document.headline, start=row + 1):
        sheet.write_string(place, 0, metric.title, styles.value("text", bold=True))
        _amount(sheet, styles, metric, place, 1, metric.value)
        if compared:
            _amount(sheet, styles, metric, place, 2, metric.before)
            _change(sheet, styles, metric, place)
        if sure:
            looks = styles.value("text", indent=1)
            sheet.write_string(place, titles.index("How sure"), metric.interval, looks)


def _amount(
    sheet: Any, styles: Styles, metric: Metric, row: int, at: int, value: float | None
) -> None:
    looks = styles.value(metric.format, exact=metric.format == "money" and _small(metric.value))
    amount = number(value)
    if amount is None:
        sheet.write_blank(row, at, None, looks)
    else:
        sheet.write_number(row, at, amount, looks)


def _change(sheet: Any, styles: Styles, metric: Metric, row: int) -> None:
    now, before = number(metric.value), number(metric.before)
    if now is None or before is None:
        sheet.write_blank(row, 3, None, styles.value("rate"))
        return
    this, last = f"B{row + 1}", f"C{row + 1}"
    formula = f'=IF({last}>0,({this}-{last})/{last},"")'
    share = (now - before) / before if before > 0 else ""
    sheet.write_formula(row, 3, formula, styles.value("rate"), share)


def _small(value: float | None) -> bool:
    return value is not None and abs(value) < 10_000
