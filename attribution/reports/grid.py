"""A table on a sheet: its rows, its ratios as live formulas, and bold totals below."""

from collections.abc import Mapping
from itertools import takewhile
from math import isclose
from typing import Any

import pandas as pd
from xlsxwriter.utility import xl_col_to_name

from attribution.metrics import KINDS
from attribution.reports.cells import number, text
from attribution.reports.ratios import RATIOS
from attribution.reports.styles import Styles
from attribution.ui.view import Column, Table

HEADER_HEIGHT, ROW_HEIGHT = 36, 18
NAME_WIDTHS = (12, 46)
NUMBER_WIDTH = 10
CHARACTER = 5.3  # points of a column's width
# Credit is shared, so these counts have fractions that a campaign's small numbers must show.
CREDITED = frozenset({*KINDS.values(), *(f"{name}_restated" for name in KINDS.values())}) - {
    "collected"
}
# The ends of intervals do not add up.
ENDS = frozenset({"credit_low", "credit_high"})
UNIT_COSTS = frozenset({"cpl", "cac", "line_cpl", "blended_cac"})


class Grid:
    """One table on one sheet, its header in the first row."""

    def __init__(self, sheet: Any, styles: Styles, table: Table, everything: str = "") -> None:
        self._sheet = sheet
        self._styles = styles
        self._table = table
        self._columns = {column.name: at for at, column in enumerate(table.columns)}
        self._letters = {name: xl_col_to_name(at) for name, at in self._columns.items()}
        self._totals = _labels(everything) if everything and "spend" in self._columns else ()
        self._looks = {
            (c.name, total): self._style(c, total=total)
            for c in table.columns
            for total in (False, True)
        }
        self.rows, self.columns = len(table.frame), len(table.columns)
        self.width = CHARACTER * sum(map(self._width, table.columns))  # points
        rows = table.frame.to_dict("records")
        names = self._columns.keys()
        self._ratios = {n for n, ratio in RATIOS.items() if {n, *ratio.parts} <= names}
        # A row that sums campaigns with and without spend in the filter is no ratio of its cells,
        # nor is one of numbers that are not known to the same week.
        self._exact = all(_agrees(name, row, blank=True) for row in rows for name in self._ratios)
        self._placed = self._exact and not (
            "spend" in self._columns and table.frame["spend"].isna().any()
        )
        self._header()
        for row, values in enumerate(rows, start=1):
            sheet.set_row(row, ROW_HEIGHT)
            self._row(row, values)
        # Apart from the rows, so that sorting and filtering leave the totals where they are.
        for place, label in enumerate(self._totals, start=self.rows + 1):
            spent = table.frame["spend"] > 0 if label != everything else None
            self._total(place, label, spent)
        sheet.autofilter(0, 0, self.rows, len(table.columns) - 1)
        named = takewhile(lambda column: column.format == "text", table.columns)
        sheet.freeze_panes(1, len(list(named)))

    def column(self, name: str) -> int:
        """The number of a column, from 0."""
        return self._columns[name]

    def _header(self) -> None:
        self._sheet.set_row(0, HEADER_HEIGHT)
        for at, column in enumerate(self._table.columns):
            words = column.format == "text"
            looks = self._styles.heading(right=not words, **self._apart(at))
            self._sheet.write_string(0, at, column.title, looks)
            self._sheet.set_column(at, at, self._width(column))

    def _width(self, column: Column) -> float:
        values = self._table.frame[column.name]
        word = max(map(len, column.title.split()), default=0) + 3  # and the arrow of the filter
        if column.format == "text":
            first = self._totals if column is self._table.columns[0] else ()
            longest = max((len(text(value)) for value in (*values, *first)), default=0)
            return min(max(longest + 3, word, NAME_WIDTHS[0]), NAME_WIDTHS[1])
        if column.format in ("day", "flag"):
            return max(NUMBER_WIDTH + 3, word)
        return max(NUMBER_WIDTH, word, self._digits(column) + 3)

    def _digits(self, column: Column) -> int:
        """How many characters the longest number of a column has, its sum included."""
        values = self._table.frame[column.name].abs()
        whole = column.format in ("money", "count", "number")
        most = values.sum() if whole else values.max() * (100 if column.format != "ratio" else 1)
        cents = 3 if column.name in UNIT_COSTS else 2
        return len(f"{most:,.0f}") + cents if most == most else 0

    def _row(self, row: int, values: Mapping[Any, Any]) -> None:
        looks = self._looks
        for at, column in enumerate(self._table.columns):
            value = values[column.name]
            if column.format == "text":
                self._text(row, at, value)
            elif column.format == "flag":
                self._text(row, at, "yes" if value else "")
            elif column.format == "day":
                self._day(row, at, value, looks[column.name, False])
            elif column.name in self._ratios and _agrees(column.name, values):
                self._formula(row, at, self._ratio(row, column), value, looks[column.name, False])
            else:
                self._number(row, at, value, looks[column.name, False])

    def _total(self, row: int, label: str, chosen: "pd.Series[bool] | None") -> None:
        self._sheet.set_row(row, ROW_HEIGHT)
        sums = self._sums(chosen)
        rated = self._placed if chosen is None else self._exact
        for at, column in enumerate(self._table.columns):
            style = self._looks[column.name, True]
            if column.format == "text":
                self._sheet.write_string(row, at, label if at == 0 else "", style)
            elif column.name in self._ratios and (not rated or self._unknown(column, chosen)):
                self._sheet.write_blank(row, at, None, style)
            elif column.name in self._ratios:
                value = RATIOS[column.name].value(sums)
                self._formula(row, at, self._ratio(row, column), value, style)
            elif column.name in ENDS or self._unknown(column, chosen):
                self._sheet.write_blank(row, at, None, style)
            else:
                formula = self._sum(at, chosen is not None)
                self._formula(row, at, formula, sums[column.name], style)

    def _unknown(self, column: Column, chosen: "pd.Series[bool] | None") -> bool:
        """Whether nothing is known in any of the rows that are summed: no sum is nought then."""
        values = self._table.frame[column.name]
        return bool((values if chosen is None else values[chosen]).isna().all())

    def _sums(self, chosen: "pd.Series[bool] | None") -> dict[str, float]:
        frame = self._table.frame if chosen is None else self._table.frame[chosen]
        names = [c.name for c in self._table.columns if c.format != "text"]
        return {name: float(frame[name].sum()) for name in names if name not in self._ratios}

    def _sum(self, at: int, with_spend: bool) -> str:
        amounts = self._range(at)
        if not with_spend:
            return f"=SUM({amounts})"
        return f'=SUMIF({self._range(self.column("spend"))},">0",{amounts})'

    def _range(self, at: int) -> str:
        letter = xl_col_to_name(at)
        return f"{letter}$2:{letter}${self.rows + 1}"

    def _ratio(self, row: int, column: Column) -> str:
        cells = {name: f"{letter}{row + 1}" for name, letter in self._letters.items()}
        return RATIOS[column.name].excel(cells)

    def _style(self, column: Column, *, total: bool = False) -> Any:
        if column.format == "count" and column.name in CREDITED:
            amounts = self._table.frame[column.name]
            return self._styles.value("count", total=total, exact=bool((amounts % 1 != 0).any()))
        exact = column.name in UNIT_COSTS
        return self._styles.value(column.format, total=total, exact=exact)

    def _text(self, row: int, at: int, value: object) -> None:
        shown = text(value)
        self._sheet.write_string(row, at, shown, self._styles.text(shown, **self._apart(at)))

    def _apart(self, at: int) -> dict[str, int]:
        """Words after a number, which ends where they begin, are moved in."""
        after = at > 0 and self._table.columns[at - 1].format != "text"
        return {"indent": 1} if after and self._table.columns[at].format == "text" else {}

    def _day(self, row: int, at: int, value: object, style: Any) -> None:
        if pd.isna(value):  # type: ignore[call-overload]
            self._sheet.write_blank(row, at, None, style)
        else:
            self._sheet.write_datetime(row, at, pd.Timestamp(str(value)).to_pydatetime(), style)

    def _number(self, row: int, at: int, value: object, style: Any) -> None:
        amount = number(value)
        if amount is None:
            self._sheet.write_blank(row, at, None, style)
        else:
            self._sheet.write_number(row, at, amount, style)

    def _formula(self, row: int, at: int, formula: str, value: object, style: Any) -> None:
        amount = number(value)
        self._sheet.write_formula(row, at, formula, style, "" if amount is None else amount)


def _labels(everything: str) -> tuple[str, str]:
    """How the rows below a table are called: of all that has spend, and of everything."""
    return f"{everything.removeprefix('All ').capitalize()} with spend", everything


def _agrees(name: str, row: Mapping[Any, Any], *, blank: bool = False) -> bool:
    """Whether the formula over a row's cells comes to the ratio shown, or is `blank` there."""
    cells = {key: number(value) or 0.0 for key, value in row.items() if not isinstance(value, str)}
    shown, found = number(row[name]), RATIOS[name].value(cells)
    if shown is None:
        return blank or found is None
    return found is not None and isclose(shown, found, rel_tol=1e-9, abs_tol=1e-9)
