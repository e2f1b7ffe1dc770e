"""What charts of printed reports are drawn on: SVG, the same bytes for the same strokes."""

from collections.abc import Sequence
from html import escape

from attribution.reports.cells import text as legible
from attribution.reports.styles import INK

FONT = "Libertinus Serif"


class Canvas:
    """SVG elements in the order in which they are drawn."""

    def __init__(self, width: float, height: float) -> None:
        self._size = (width, height)
        self.width = width
        self._parts: list[str] = []
        self.ratio = height / width

    def rect(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        self._add(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(width, 0):.2f}" '
            f'height="{max(height, 0):.2f}" rx="1.5" fill="{fill}"/>'
        )

    def line(
        self,
        points: Sequence[tuple[float, float]],
        stroke: str,
        width: float,
        *,
        dashed: bool = False,
    ) -> None:
        dashes = ' stroke-dasharray="2 3"' if dashed else ""
        path = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
        self._add(
            f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="{width}" '
            f'stroke-linejoin="round" stroke-linecap="round"{dashes}/>'
        )

    def dot(self, x: float, y: float, shape: int, fill: str) -> None:
        """A mark; its shape tells series apart without colour."""
        marks = (
            f'<circle cx="{x:.2f}" cy="{y:.2f}" r="4" fill="{fill}"/>',
            f'<path d="M{x:.2f} {y - 5:.2f}l5 5-5 5-5-5z" fill="{fill}"/>',
            f'<rect x="{x - 3.6:.2f}" y="{y - 3.6:.2f}" width="7.2" height="7.2" fill="{fill}"/>',
            f'<path d="M{x:.2f} {y - 4.6:.2f}l5 8.6h-10z" fill="{fill}"/>',
        )
        self._add(marks[shape % len(marks)])

    def text(
        self,
        x: float,
        y: float,
        words: object,
        *,
        anchor: str = "start",
        fill: str = INK,
        size: float = 10,
        bold: bool = False,
    ) -> None:
        weight = ' font-weight="bold"' if bold else ""
        self._add(
            f'<text x="{x:.2f}" y="{y:.2f}" font-family="{FONT}" font-size="{size}" '
            f'fill="{fill}" text-anchor="{anchor}"{weight}>{escape(legible(words))}</text>'
        )

    def svg(self) -> str:
        width, height = self._size
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}">{"".join(self._parts)}</svg>'
        )

    def _add(self, element: str) -> None:
        self._parts.append(element)
