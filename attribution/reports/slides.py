"""A report as a slide deck: native charts and tables that can be edited, the same numbers.

Written without a time of its making: the same report is the same bytes.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from typing import Any

from attribution.errors import BadInput
from attribution.reports.about import another_day
from attribution.reports.cells import number
from attribution.reports.document import Document, Section, chart_title, known
from attribution.reports.printed import card, more_rows, written
from attribution.reports.slide_charts import SlideChart
from attribution.reports.slide_parts import HIGH, LEFT, TOP, WIDE, Parts, row_heights
from attribution.reports.styles import BAD, GOOD, HEAT, QUIET, SHADE, WARNING, mixed
from attribution.reports.unstamped import CREATED, unstamped
from attribution.ui.view import Table, records

MISSING = (
    "Reports as slides need the package python-pptx. Install it with `pip install "
    "'caretrace[slides]'`, or choose another format."
)
CARDS, CARD = 8, 1.28  # at most, and inches of a row of four
ROWS = 18  # of a table on one slide, at most
ROOM = HIGH - TOP - 0.5  # inches, above the foot
MEANINGS = 11  # of numbers, on one slide
SENTENCES = 1_700  # letters of notes on one slide
LINE = 118  # letters of a line of notes
TONES = {"good": GOOD, "bad": BAD, "even": QUIET}


def pptx(document: Document) -> bytes:
    """The report as a PowerPoint file. Raises BadInput where python-pptx is not installed."""
    deck = _Deck(document)
    deck.first()
    for section in document.sections:
        deck.section(section)
    deck.definitions()
    deck.notes()
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
        self._document = document
        self._parts = Parts(_pptx(), _foot(document))
        about = self._parts.properties
        about.title, about.created, about.modified = document.title, CREATED, CREATED
        about.author = about.last_modified_by = "caretrace"

    def first(self) -> None:
        """Title, period, what is new, the sentences and the headline numbers."""
        document, about, parts = self._document, self._document.about, self._parts
        slide = parts.slide(document.title)
        facts = [about["period"], about["model"], about["freshness"]]
        if day := another_day(about):
            facts.insert(1, f"Counted by: {day}")
        if about["organisation"]:
            facts.insert(0, about["organisation"])
        top = parts.words(slide, [" · ".join(facts)], top=1.05, size=14, colour=QUIET)
        for warned in (document.banner, *document.warnings):
            if warned:
                top = parts.box(slide, [warned], top=top + 0.05, fill=WARNING)
        if document.sentences:
            top = parts.words(slide, document.sentences, top=top + 0.05, size=15)
        if document.news:
            looks: dict[str, Any] = {"fill": "#F0F5FE", "size": 12, "head": "Since the last report"}
            top = parts.box(slide, document.news, top=top + 0.1, **looks)
        start = max(top + 0.2, 3.4)
        rows = -(-len(document.headline[:CARDS]) // 4)
        if start + rows * CARD > HIGH - 0.5:  # much is new, or late
            slide, start = parts.slide(f"{document.title}, in numbers"), TOP
        self._cards(slide, start)

    def _cards(self, slide: Any, top: float) -> None:
        parts, width = self._parts, (WIDE - 2 * LEFT) / 4
        for place, metric in enumerate(self._document.headline[:CARDS]):
            shown = card(metric, self._document.currency)
            x, y = LEFT + (place % 4) * width, top + (place // 4) * CARD
            parts.shade(slide, x, y, width - 0.12, 1.16, SHADE)
            room: dict[str, Any] = {"left": x + 0.05, "width": width - 0.22}
            parts.words(slide, [metric.title], top=y + 0.04, size=11, colour=QUIET, **room)
            parts.words(slide, [shown["value"]], top=y + 0.28, size=24, bold=True, **room)
            under = str(shown["change"] or shown["interval"])
            tone = TONES[str(shown["tone"])]
            parts.words(slide, [under], top=y + 0.78, size=11, colour=tone, **room)

    def section(self, section: Section) -> None:
        """A slide with the chart, where there is one, and as many as the table needs."""
        drawn = SlideChart(section, self._document.currency)
        if drawn.any:
            slide = self._parts.slide(chart_title(section))
            top = TOP
            if drawn.chart.words:
                top = self._parts.words(slide, [drawn.chart.words], top=1.05, size=14, colour=QUIET)
            drawn.put(slide, (LEFT, top + 0.1, WIDE - 2 * LEFT, HIGH - top - 0.65))
        whole = known(section)
        frame = whole.frame.head(section.printed)
        heights = row_heights(self._cells(replace(whole, frame=frame)))
        for start, end in _parted(heights):
            title = whole.title if not start else f"{whole.title}, continued"
            part = Table(title, whole.columns, frame.iloc[start:end])
            self._table(part, section, last=end >= len(frame))

    def _cells(self, table: Table) -> list[list[str]]:
        """The cells of a table as they are written, its titles first."""
        currency = self._document.currency
        return [
            [c.title for c in table.columns],
            *(
                [written(row[c.name], c.format, currency) for c in table.columns]
                for row in records(table.frame)
            ),
        ]

    def _table(self, table: Table, section: Section, *, last: bool) -> None:
        slide = self._parts.slide(table.title)
        if table.frame.empty:
            self._parts.words(slide, [section.table.empty], top=TOP, size=14, colour=QUIET)
            return
        right = [c.format not in ("text", "flag", "day") for c in table.columns]
        fills = _heat(section, table, records(table.frame))
        end = self._parts.cells(slide, self._cells(table), right=right, fills=fills)
        said = [section.table.note] if section.table.note and last else []
        if last and (more := more_rows(max(len(section.table.frame) - section.printed, 0))):
            said.append(more)
        if said:
            self._parts.words(slide, said, top=min(end + 0.08, HIGH - 0.85), size=11, colour=QUIET)

    def definitions(self) -> None:
        """What every number means."""
        meanings = [
            [one.title, f"{one.sentence} {one.formula}".strip()]
            for one in self._document.definitions()
        ] + [list(one) for one in self._document.undefined()]
        each = _each(len(meanings), MEANINGS)
        for start in range(0, len(meanings), each):
            more = ", continued" if start else ""
            slide = self._parts.slide(f"What the numbers mean{more}")
            part = [["Number", "Meaning"], *meanings[start : start + each]]
            self._parts.cells(slide, part, widths=[2.6, WIDE - 2 * LEFT - 2.6])

    def notes(self) -> None:
        """How to read the report: what it leaves out, what is still to come."""
        document = self._document
        said = [
            f"Small cells are {document.about['small_cells']}.",
            document.about["model_help"],
            *(note for note in document.notes if document.about["model_help"] not in note),
        ]
        more = ""
        while said:
            part, letters = [said.pop(0)], 0
            letters = len(part[0])
            while said and letters + len(said[0]) + LINE <= SENTENCES:
                letters += len(said[0]) + LINE // 2
                part.append(said.pop(0))
            slide = self._parts.slide(f"How to read this report{more}")
            self._parts.words(slide, part, top=TOP, size=13, apart=6)
            more = ", continued"

    def bytes(self) -> bytes:
        """The file, without the time at which its parts were packed."""
        return unstamped(self._parts.saved())


def _foot(document: Document) -> str:
    about = document.about
    cells = f"Small cells {about['small_cells'].partition(':')[0]}"
    whose = [about["organisation"]] if about["organisation"] else []
    return " · ".join(
        [*whose, document.title, about["period"], f"Generation {about['generation']}", cells]
    )


def _each(rows: int, most: int) -> int:
    """How many rows stand on each slide, so that the last is about as full as the others."""
    return max(-(-rows // max(-(-rows // most), 1)), 1)


def _parted(heights: Sequence[float]) -> list[tuple[int, int]]:
    """The rows of each slide, from and to, by how high they are, that of the header first.

    As many on each, where they have room: two rows on a slide of their own look lost.
    """
    head, *rows = heights
    each, found, start, high = _each(len(rows), ROWS), [], 0, head
    for row, height in enumerate(rows):
        if row > start and (row - start == each or high + height > ROOM):
            found.append((start, row))
            start, high = row, head
        high += height
    return [*found, (start, len(rows))]


def _heat(
    section: Section, table: Table, rows: Sequence[dict[str, Any]]
) -> dict[tuple[int, int], str]:
    """What a heat map is on a slide: the cells of its column, shaded by what stands in them."""
    chart = section.chart
    if chart is None or chart.kind != "heat":
        return {}
    name = chart.values[0]
    at = [each.name for each in table.columns].index(name)
    most = section.table.frame[name].max()
    return {
        (place, at): mixed(max(value, 0) / most, *HEAT)
        for place, row in enumerate(rows, start=1)
        if (value := number(row[name])) is not None and most > 0
    }
