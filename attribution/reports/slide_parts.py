"""The parts of slides: titles, words, boxes and tables, with room reckoned by their letters."""

import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from math import ceil
from typing import Any

from attribution.reports.cells import text as legible
from attribution.reports.styles import INK, QUIET, SHADE

WIDE, HIGH = 13.333, 7.5  # inches
LEFT, TOP = 0.6, 1.3
LETTER = 0.0064  # inches of a letter for each point of its size, on average
LINE = 0.0172  # inches of a line for each point
ROW = 0.28  # inches
_STYLE = "{http://schemas.openxmlformats.org/presentationml/2006/main}style"


class Parts:
    """What is put on the slides of one presentation."""

    def __init__(self, module: Any, foot: str) -> None:
        self._deck = module.Presentation()
        self._foot = foot
        self._deck.slide_width, self._deck.slide_height = _inches(WIDE), _inches(HIGH)

    @property
    def properties(self) -> Any:
        """What the file says of itself."""
        return self._deck.core_properties

    def slide(self, title: str) -> Any:
        """A new slide with a title, and at its foot what it is of."""
        slide = self._deck.slides.add_slide(self._deck.slide_layouts[5])
        shape = slide.shapes.title
        shape.left, shape.top = _inches(LEFT - 0.1), _inches(0.35)
        shape.width, shape.height = _inches(WIDE - 2 * LEFT), _inches(0.7)
        shape.text_frame.text = legible(title)
        paragraph = shape.text_frame.paragraphs[0]
        paragraph.alignment = _of("pptx.enum.text", "PP_ALIGN").LEFT
        _dress(paragraph.runs[0].font, 26, INK, bold=True)
        foot = f"{self._foot} · {len(self._deck.slides)}"
        self.words(slide, [foot], top=HIGH - 0.42, size=9, colour=QUIET)
        return slide

    def words(
        self,
        slide: Any,
        said: Sequence[object],
        *,
        left: float = LEFT - 0.1,
        top: float,
        width: float = WIDE - 2 * LEFT,
        size: float,
        colour: str = INK,
        bold: bool = False,
        apart: float = 0,
    ) -> float:
        """Put sentences, one a paragraph, `apart` points apart; returns where they end."""
        high = sum(lines(legible(each), width - 0.2, size) for each in said) * LINE * size + 0.1
        high += apart / 72 * len(said)
        box = slide.shapes.add_textbox(*map(_inches, (left, top, width, high)))
        self._write(box.text_frame, said, size, colour, bold=bold, apart=apart)
        return top + high

    def box(
        self,
        slide: Any,
        said: Sequence[str],
        *,
        top: float,
        fill: str,
        size: float = 13,
        head: str = "",
    ) -> float:
        """Put sentences on a coloured ground, perhaps below a heading; returns where it ends."""
        width = WIDE - 2 * LEFT
        rows = bool(head) + sum(lines(each, width - 0.3, size) for each in said)
        high = rows * LINE * size + 0.16
        self.shade(slide, LEFT, top, width, high, fill)
        room: dict[str, Any] = {"left": LEFT + 0.05, "width": width - 0.1, "size": size}
        if head:
            self.words(slide, [head], top=top, bold=True, **room)
        self.words(slide, said, top=top + bool(head) * LINE * size, **room)
        return top + high

    def shade(
        self, slide: Any, left: float, top: float, width: float, high: float, fill: str
    ) -> None:
        """A ground without a line, which is no content of its own."""
        kind = _of("pptx.enum.shapes", "MSO_SHAPE").RECTANGLE
        shape = slide.shapes.add_shape(kind, *map(_inches, (left, top, width, high)))
        shape.fill.solid()
        shape.fill.fore_color.rgb = _rgb(fill)
        shape.line.fill.background()
        shape._element.remove(shape._element.find(_STYLE))  # its theme casts a shadow

    def cells(
        self,
        slide: Any,
        cells: list[list[str]],
        *,
        widths: list[float] | None = None,
        right: list[bool] | None = None,
        fills: Mapping[tuple[int, int], str] | None = None,
    ) -> float:
        """Put a table whose first row is its header; returns where it ends, in inches."""
        size = letters(cells)
        widths = widths or shares(cells, size)
        heights = row_heights(cells, widths)
        place = (LEFT, TOP, sum(widths), sum(heights))
        made = slide.shapes.add_table(len(cells), len(widths), *map(_inches, place)).table
        for at, width in enumerate(widths):
            made.columns[at].width = _inches(width)
        for row, values in enumerate(cells):
            made.rows[row].height = _inches(heights[row])
            for at, words in enumerate(values):
                fill = (fills or {}).get((row, at), SHADE if not row else "#FFFFFF")
                self._cell(made.cell(row, at), words, size, fill, head=not row)
                if right is not None and right[at]:
                    paragraph = made.cell(row, at).text_frame.paragraphs[0]
                    paragraph.alignment = _of("pptx.enum.text", "PP_ALIGN").RIGHT
        return TOP + sum(heights)

    def saved(self) -> bytes:
        """The presentation as a file."""
        file = io.BytesIO()
        self._deck.save(file)
        return file.getvalue()

    def _cell(self, cell: Any, words: str, size: float, fill: str, *, head: bool) -> None:
        cell.margin_top = cell.margin_bottom = _inches(0.02)
        cell.margin_left = cell.margin_right = _inches(0.06)
        cell.vertical_anchor = _of("pptx.enum.text", "MSO_ANCHOR").MIDDLE
        cell.fill.solid()
        cell.fill.fore_color.rgb = _rgb(fill)
        run = cell.text_frame.paragraphs[0].add_run()
        run.text = legible(words)
        _dress(run.font, size, INK, bold=head)

    def _write(
        self,
        frame: Any,
        said: Sequence[object],
        size: float,
        colour: str,
        *,
        bold: bool,
        apart: float,
    ) -> None:
        frame.word_wrap = True
        for place, sentence in enumerate(said):
            paragraph = frame.paragraphs[0] if not place else frame.add_paragraph()
            if apart:
                paragraph.space_after = _points(apart)
            run = paragraph.add_run()
            run.text = legible(sentence)
            _dress(run.font, size, colour, bold=bold)


def letters(cells: Sequence[Sequence[str]]) -> float:
    """The size of a table's letters: a wide one has small ones."""
    return 8.5 if len(cells[0]) > 12 else 10.0


def row_heights(cells: Sequence[Sequence[str]], widths: Sequence[float] = ()) -> list[float]:
    """How high each row of a table is, in inches, its header first."""
    size = letters(cells)
    widths = widths or shares(cells, size)
    found = []
    for row in cells:
        each = zip(row, widths, strict=True)
        most = max(lines(words, width - 0.12, size) for words, width in each)
        found.append(max(most * LINE * size + 0.06, ROW))
    return found


def lines(words: str, width: float, size: float) -> int:
    """How many lines words take in so many inches, letters being of average width."""
    return max(ceil(len(words) * LETTER * size / width), 1)


def shares(cells: Sequence[Sequence[str]], size: float) -> list[float]:
    """How wide each column is, in inches: no word or number is cut, and all fill the slide.

    Where they would be too wide together, the widest give way.
    """
    room = WIDE - 2 * LEFT
    needed = []
    for column in zip(*cells, strict=True):
        head = max((len(word) for word in column[0].split()), default=0) * 1.15  # it is bold
        longest = max((len(words) for words in column[1:]), default=0)
        needed.append(max(head, longest, 3) * LETTER * size * 1.05 + 0.16)
    over = sum(needed) - room
    while over > 0.01:
        widest = max(needed)
        wide = [at for at, width in enumerate(needed) if width > widest - 0.01]
        second = max((w for at, w in enumerate(needed) if at not in wide), default=0.5)
        cut = min(max(widest - second, 0.05), over / len(wide))
        for at in wide:
            needed[at] -= cut
        over -= cut * len(wide)
    spare = max(room - sum(needed), 0) / len(needed)
    return [width + min(spare, 0.9) for width in needed]


def _dress(font: Any, size: float, colour: str, *, bold: bool = False) -> None:
    font.size, font.bold = _points(size), bold
    font.color.rgb = _rgb(colour)


def _inches(value: float) -> Any:
    return _of("pptx.util", "Inches")(value)


def _points(value: float) -> Any:
    return _of("pptx.util", "Pt")(value)


def _rgb(colour: str) -> Any:
    return _of("pptx.dml.color", "RGBColor").from_string(colour.removeprefix("#"))


@lru_cache(maxsize=16)
def _of(module: str, name: str) -> Any:
    """A part of python-pptx, which is loaded when a deck is made."""
    return getattr(import_module(module), name)
