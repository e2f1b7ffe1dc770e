"""How reports look: the colours of all formats, and the cell formats of a workbook."""

from typing import Any

from attribution.metrics import Format
from attribution.reports.cells import starts_formula
from attribution.ui import formats

INK, RULE, SHADE = "#1C2530", "#DDE2E8", "#F4F6F8"
QUIET = "#5B6672"
WARNING = "#FFF4DC"
# From least to most: the number in a cell is written in ink, and must be read on the darkest.
HEAT = ("#F3F7FD", "#9DBDF0")
# Of the series of a chart in their order, the same in every format.
SERIES = ("#366FD8", "#AA7801", "#1E8787", "#960F5A", "#8787FF", "#D23C5A")
GOOD, BAD = "#1B7A4B", "#B3372F"
FONT = "Calibri"


class Styles:
    """The cell formats of one workbook."""

    def __init__(self, workbook: Any, currency: str) -> None:
        self._workbook = workbook
        self._currency = currency
        self._made: dict[tuple[tuple[str, object], ...], Any] = {}

    def value(self, kind: Format, *, total: bool = False, exact: bool = False, **more: Any) -> Any:
        """A value of a kind; `exact` shows the digits that the short form leaves out."""
        looks: dict[str, object] = {"bottom": 1, "bottom_color": RULE, "valign": "vcenter"}
        if kind != "text":
            looks["num_format"] = pattern(kind, self._currency, exact=exact)
        if total:
            looks |= {"bold": True, "bg_color": SHADE}
        return self.make(**{**looks, **more})

    def text(self, shown: str, **more: Any) -> Any:
        """Text; Excel takes an edited text for a formula unless its cell says it is quoted."""
        quoted: dict[str, Any] = {"quote_prefix": True} if starts_formula(shown) else {}
        return self.value("text", **quoted, **more)

    def heading(self, *, right: bool, **more: Any) -> Any:
        """The title of a column."""
        return self.make(
            bold=True,
            text_wrap=True,
            valign="vcenter",
            align="right" if right else "left",
            bg_color=SHADE,
            bottom=2,
            bottom_color=INK,
            **more,
        )

    def make(self, **looks: object) -> Any:
        """A format with these looks; the same one for the same looks."""
        key = tuple(sorted(looks.items()))
        if key not in self._made:
            base = {"font_name": FONT, "font_size": 11, "font_color": INK}
            self._made[key] = self._workbook.add_format({**base, **looks})
        return self._made[key]


def pattern(kind: Format, currency: str, *, exact: bool = False) -> str:
    """Excel's number format for a kind of value."""
    if kind == "money":
        sign = f'"{formats.symbol(currency)}"'
        digits = f"{sign}#,##0.00" if exact else f"{sign}#,##0"
        return f"{digits};-{digits}"
    if kind == "rate":
        return "#,##0.0%"
    if kind == "points":
        return '+0.0%" pts";-0.0%" pts"'
    if kind == "day":
        return "d mmm yyyy"
    if kind == "ratio":
        return '#,##0.0"x"'
    if kind == "number" or (kind == "count" and exact):
        return "#,##0.0"
    return "#,##0"


def mixed(share: float, start: str, end: str) -> str:
    """A colour on the way from one (share 0) to another (share 1)."""
    parts = (
        round(int(start[at : at + 2], 16) * (1 - share) + int(end[at : at + 2], 16) * share)
        for at in (1, 3, 5)
    )
    return "#" + "".join(f"{each:02X}" for each in parts)
