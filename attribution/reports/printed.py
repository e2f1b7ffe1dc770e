"""A report as PDF: the data go to a Typst template as JSON, which no name in them can leave.

Tagged (PDF/UA-1), without a browser, without fonts of the computer, and without a time of its
making: the same report is the same bytes.
"""

import re
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson

from attribution.errors import BadInput
from attribution.metrics import Format
from attribution.reports import lettering
from attribution.reports.about import another_day
from attribution.reports.cells import text as legible
from attribution.reports.document import Document, Section, chart_title, known
from attribution.reports.drawing import draw, sparkline
from attribution.ui import formats
from attribution.ui.view import Metric, records

TEMPLATE = Path(__file__).with_name("report.typ")
MARK = Path(__file__).parents[1] / "ui" / "mark.svg"
HALF = 400.0  # the width of charts that stand side by side
LONG_NAME = 40  # letters: a column of longer ones is wrapped
BREAK = "\N{ZERO WIDTH SPACE}"
_LONG_WORD = re.compile(r"\S{25,}")
_PARTS = re.compile(r"[^_|/.,:;=&+-]{1,24}[_|/.,:;=&+-]*|[_|/.,:;=&+-]+")
MISSING = (
    "Reports as PDF need the package typst. Install it with `pip install 'caretrace[pdf]'`, or "
    "choose another format."
)
UNITS = {"rate": "percent", "points": "percentage points", "ratio": "multiple (x)", "day": "day"}


def pdf(document: Document) -> bytes:
    """The report as a PDF file. Raises BadInput where Typst is not installed."""
    made = _typst().compile(
        TEMPLATE.read_bytes(),
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs={"report": _said(document)},
        pdf_standards=[lettering.STANDARD],
        timestamp=0,
    )
    if not isinstance(made, bytes):
        raise TypeError("Typst answered with several files instead of one.")
    return made


def pictures(document: Document, *, ppi: float = 110) -> list[bytes]:
    """The pages of the report as PNG, for those who look before they send."""
    made = _typst().compile(
        TEMPLATE.read_bytes(),
        format="png",
        ppi=ppi,
        ignore_system_fonts=True,
        sys_inputs={"report": _said(document)},
    )
    return made if isinstance(made, list) else [made]


@lru_cache(maxsize=1)
def _typst() -> Any:
    try:
        return import_module("typst")
    except ModuleNotFoundError:
        raise BadInput(MISSING) from None


def _said(document: Document) -> str:
    """What the template reads, in letters that there are fonts for."""
    report = printed(document)
    said = orjson.dumps(report).decode()
    if lettering.legible(said, _typst()).count(lettering.SQUARE) > said.count(lettering.SQUARE):
        report["notes"] = [*report["notes"], lettering.SAID]  # type: ignore[misc]
    return lettering.legible(orjson.dumps(report).decode(), _typst())


def printed(document: Document) -> dict[str, object]:
    """The report as the template reads it: every number as it is written."""
    about = document.about
    return {
        "name": document.name,
        "title": legible(document.title),
        "organisation": about["organisation"],
        "question": legible(document.question),
        "banner": legible(document.banner),
        "mark": MARK.read_text(encoding="utf-8"),
        "period": about["period"],
        "facts": [
            *([["Counted by", day]] if (day := another_day(about)) else []),
            ["Credit model", about["model"]],
            ["Service lines", legible(about["service_lines"])],
            ["Locations", legible(about["locations"])],
            ["Data", f"{about['freshness']} (generation {about['generation']})"],
        ],
        "foot": (
            f"Generation {about['generation']} of {about['published_at']} · {about['freshness']} · "
            f"Small cells {about['small_cells'].partition(':')[0]}"
        ),
        "small_cells": about["small_cells"],
        "model_help": about["model_help"],
        "headline": [card(each, document.currency) for each in document.headline],
        "sentences": [legible(each) for each in document.sentences],
        "news": [legible(each) for each in document.news],
        "warnings": [legible(each) for each in document.warnings],
        "notes": [legible(n) for n in document.notes if about["model_help"] not in n],
        "sections": [_section(each, document) for each in document.sections],
        "definitions": _definitions(document),
    }


def card(metric: Metric, currency: str) -> dict[str, object]:
    """A headline number with what it was before, in words."""
    compared = metric.before is not None and metric.value is not None
    before = formats.written(metric.before, metric.format, currency) if compared else ""
    change, tone = "", "even"
    # What was paid back may be more than was collected: nothing is a share of that.
    if metric.before and metric.before > 0 and metric.value is not None:
        share = metric.value / metric.before - 1
        word = "up" if share >= 0 else "down"
        change = f"{word} {formats.rate(abs(share))} from {before}"
        if metric.better != "neither" and abs(share) >= 0.0005:
            tone = "good" if (share > 0) == (metric.better == "up") else "bad"
    return {
        "title": metric.title,
        "value": formats.written(metric.value, metric.format, currency),
        "change": change,
        "tone": tone,
        "interval": metric.interval,
        "spark": sparkline(metric.course),
    }


def _section(section: Section, document: Document) -> dict[str, object]:
    table, chart = known(section), section.chart
    rows = [
        [_breakable(written(row[c.name], c.format, document.currency)) for c in table.columns]
        for row in records(table.frame.head(section.printed))
    ]
    longest = [max(map(len, cells), default=0) for cells in zip(*rows, strict=True)]
    left_out = len(table.frame) - len(rows)
    beside = document.name == "board"
    picture, ratio = draw(section, document.currency, **({"width": HALF} if beside else {}))
    return {
        "title": legible(table.title),
        "note": legible(table.note),
        "chart": picture,
        "chart_ratio": ratio,
        "chart_title": chart_title(section),
        "words": _breakable(legible(chart.words)) if chart else "",
        "columns": [c.title for c in table.columns],
        "words_columns": [c.format in ("text", "day") for c in table.columns],
        "long_columns": [each > LONG_NAME for each in longest],
        "rows": rows,
        "left_out": more_rows(left_out),
        "empty": legible(table.empty),
    }


def more_rows(left_out: int) -> str:
    """That so many rows of a table are not printed; "" where all are."""
    if not left_out:
        return ""
    return f"{left_out:,} more row{' is' if left_out == 1 else 's are'} in the workbook."


def _breakable(words: str) -> str:
    """Words of which none is too long for a column, since names of campaigns have no spaces."""
    return _LONG_WORD.sub(lambda found: f"{BREAK}".join(_PARTS.findall(found[0])), words)


def written(value: object, kind: Format, currency: str) -> str:
    """A cell as the pages write it; text on one line."""
    if kind == "flag":
        return "yes" if value else ""
    if kind == "text":
        return legible(value)
    if value is None or value != value:
        return formats.UNDEFINED
    return formats.written(value, kind, currency)


def _definitions(document: Document) -> list[list[str]]:
    defined = [[each.title, each.sentence, each.formula] for each in document.definitions()]
    return defined + [[title, meaning, ""] for title, meaning in document.undefined()]
