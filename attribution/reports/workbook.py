"""The channel report as an Excel workbook: live formulas, real number formats, a native chart.

Only formulas written here are formulas; whatever comes from the data is text or a number. The
same view gives the same bytes.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from math import ceil
from typing import Any

import xlsxwriter

from attribution.metrics import METRICS, Format
from attribution.reports.cells import number, text
from attribution.reports.grid import Grid
from attribution.reports.styles import FONT, INK, RULE, Styles
from attribution.ui import formats
from attribution.ui.view import View

# A workbook holds the time of its making; a fixed one keeps equal reports equal.
CREATED = datetime(2000, 1, 1)  # noqa: DTZ001  the format knows no time zone
LETTER = 1  # paper
LINE = 15  # points
MEANING_WIDTHS = {"Metric": 20, "Meaning": 62, "Formula": 58, "Unit": 14}
ABOUT_WIDTH = 96
MOST_BARS = 24
COLOURS = {"spend": "#AA7801", "collected": "#366FD8"}
UNITS: dict[Format, str] = {"count": "number", "rate": "percent", "ratio": "multiple (x)"}


def channel_workbook(view: View, about: Mapping[str, str]) -> bytes:
    """Sheets: Channels with a chart, Campaigns, Definitions and About."""
    file = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(file, options) as workbook:
        workbook.set_properties({"title": about["title"], "created": CREATED})
        styles = Styles(workbook, view.currency)
        _channels(workbook, styles, view, about)
        campaigns = _sheet(workbook, "Campaigns", about)
        Grid(campaigns, styles, view.tables["campaigns"], "All campaigns")
        _definitions(_sheet(workbook, "Definitions", about), styles, view)
        _about(_sheet(workbook, "About", about), styles, view, about)
    return file.getvalue()


def _sheet(workbook: Any, name: str, about: Mapping[str, str]) -> Any:
    """A sheet that prints well: landscape, as wide as the page, its header on every page."""
    sheet = workbook.add_worksheet(name)
    sheet.hide_gridlines(2)
    sheet.set_landscape()
    sheet.set_paper(LETTER)
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.5, right=0.5, top=0.8, bottom=0.7)
    sheet.repeat_rows(0)
    title, period = (about[key].replace("&", "&&") for key in ("title", "period"))
    sheet.set_header(f"&L&B{title}: {name}&R{period}")
    sheet.set_footer(f"&LGeneration {about['generation']}&RPage &P of &N")
    return sheet


def _channels(workbook: Any, styles: Styles, view: View, about: Mapping[str, str]) -> None:
    table = view.tables["channels"]
    sheet = _sheet(workbook, "Channels", about)
    grid = Grid(sheet, styles, table, "All channels")
    # The view lists the channels with most spend first, so those with any are the top rows.
    spending = min(int((table.frame["spend"] > 0).cummin().sum()), MOST_BARS)
    if not spending:
        return
    chart = workbook.add_chart({"type": "bar"})
    for name, title in (("spend", "Spend"), ("collected", "Collected")):
        chart.add_series(
            {
                "name": title,
                "categories": [sheet.name, 1, 0, spending, 0],
                "values": [sheet.name, 1, grid.column(name), spending, grid.column(name)],
                "fill": {"color": COLOURS[name]},
                "gap": 60,
                "overlap": 0,
            }
        )
    _dress(chart, view.currency)
    sheet.insert_chart(
        grid.rows + 4,
        0,
        chart,
        {
            "object_position": 3,  # stays where it is when rows are filtered away
            "description": view.figures["return"].alt,
            "x_offset": 4,
        },
    )
    chart.set_size({"width": 900, "height": 110 + 44 * spending})


def _dress(chart: Any, currency: str) -> None:
    letters: dict[str, object] = {"name": FONT, "size": 10, "color": INK}
    sign = f'"{formats.symbol(currency)}"'
    short = f'[>=1000000]{sign}0.0,,"M";[>=1000]{sign}0,"K";{sign}0'
    title = {**letters, "size": 12, "bold": True}
    chart.set_title({"name": "Spend and money collected, channels with spend", "name_font": title})
    chart.set_legend({"position": "top", "font": letters})
    # Bars run from the bottom up unless told otherwise; the table reads from the top down.
    chart.set_y_axis({"reverse": True, "num_font": letters, "line": {"color": INK}})
    chart.set_x_axis(
        {
            "num_font": letters,
            "num_format": short,
            "major_gridlines": {"visible": True, "line": {"color": RULE}},
            "line": {"none": True},
            "label_position": "high",  # below: the axis is above once the order is reversed
        }
    )


def _definitions(sheet: Any, styles: Styles, view: View) -> None:
    for at, (title, width) in enumerate(MEANING_WIDTHS.items()):
        sheet.write_string(0, at, title, styles.heading(right=False))
        sheet.set_column(at, at, width)
    sheet.freeze_panes(1, 1)
    named = [c.name for c in view.tables["channels"].columns] + [m.name for m in view.metrics]
    meanings = [METRICS[name] for name in dict.fromkeys(named) if name in METRICS]
    for row, each in enumerate(meanings, start=1):
        unit = view.currency if each.format == "money" else UNITS.get(each.format, "number")
        wrapped = styles.value("text", text_wrap=True)
        sheet.write_string(row, 0, each.title, styles.value("text", bold=True))
        words = (each.sentence, each.formula, unit)
        for at, said in enumerate(words, start=1):
            sheet.write_string(row, at, said, wrapped)
        sheet.set_row(row, _height(zip(words, list(MEANING_WIDTHS.values())[1:], strict=True)))


def _about(sheet: Any, styles: Styles, view: View, about: Mapping[str, str]) -> None:
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 1, ABOUT_WIDTH)
    sheet.write_string(0, 0, about["title"], styles.make(bold=True, font_size=14))
    sheet.write_string(0, 1, view.question, styles.make(italic=True, valign="vcenter"))
    row = 1
    for name, value in _facts(view, about):
        sheet.write_string(row, 0, name, styles.value("text", bold=True))
        shown = text(value)
        sheet.write_string(row, 1, shown, styles.text(shown, text_wrap=True))
        sheet.set_row(row, _height([(shown, ABOUT_WIDTH)]))
        row += 1
    for each in view.metrics:
        sheet.write_string(row, 0, each.title, styles.value("text", bold=True))
        amount = number(each.value)
        style = styles.value(each.format, align="left")
        if amount is None:
            sheet.write_blank(row, 1, None, style)
        else:
            sheet.write_number(row, 1, amount, style)
        row += 1


def _facts(view: View, about: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "Period", about["period"]
    yield "Credit model", f"{about['model']}. {about['model_help']}"
    yield "Conversion", f"{about['conversion']} (what the share with a known channel is of)"
    yield "Service lines", about["service_lines"]
    yield "Locations", about["locations"]
    yield "Currency", view.currency
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
    for note in (*view.warnings, *view.notes):
        if about["model_help"] not in note:
            yield "Note", note


def _height(lines: Iterable[tuple[str, int]]) -> float:
    """The height of a row that holds each text wrapped at the width beside it."""
    return LINE * max(ceil(0.95 * len(words) / width) for words, width in lines) + 3
