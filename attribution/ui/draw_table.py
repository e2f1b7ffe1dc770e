"""Draws the rows of a table: every number in its own form, whichever sign, and wide ones folded."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st
from pandas.api.types import is_numeric_dtype

from attribution.metrics import Format
from attribution.ui import formats
from attribution.ui.view import Column, Table, with_parts

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_NAME_WIDTHS = {"campaign": 200, "flow": 200, "forecast_model": 200, "how": 200}
# Names that somebody gave may be long: so many pixels a letter, and at most.
_LETTER, _LONGEST_NAME = 7, 340
# Numbers that may be long, and long headings: neither may be cut, a cut number is a wrong one.
_NUMBER_WIDTHS = {"roas": 92, "roi": 165}
_IN_WORDS = ("channel", "flow")
_SENTENCES = ("message", "reason")
_SHARES = ("rate", "points")
_UNITS = {"rate": "%", "points": " pts", "ratio": "x"}
_DECIMALS: dict[Format, int] = {
    "money": 0,
    "count": 0,
    "number": 1,
    "coefficient": 2,
    "rate": 1,
    "points": 1,
    "ratio": 1,
}
_TALLEST = 20  # rows of a table that is shown without a scroll bar of its own


def frame(shown: Table, currency: str, *, key: str) -> None:
    """A table's rows; numbers stay numbers, so that sorting them works."""
    shown = with_parts(_as_wide_as_asked(shown, key))
    rows = shown.frame
    # Channels and flows are known by names in the data and written as words; shares as percentages.
    changed = {
        c.name: rows[c.name].map(formats.title) for c in shown.columns if c.name in _IN_WORDS
    }
    changed |= {c.name: rows[c.name] * 100 for c in shown.columns if c.format in _SHARES}
    changed |= {
        c.name: _unsigned_nought(changed.get(c.name, rows[c.name]), _DECIMALS[c.format])
        for c in shown.columns
        if c.format in _DECIMALS and rows[c.name].dtype == "float64"
    }
    if changed:
        rows = rows.assign(**changed)
    # The grid itself writes a hyphen for a minus, and a minus behind the sign of the currency.
    below = {
        c.name: c.format
        for c in shown.columns
        if c.format in _DECIMALS
        and is_numeric_dtype(rows[c.name])
        and bool((rows[c.name] < 0).any())
    }
    st.dataframe(
        _signed(rows, below, currency) if below else rows,
        hide_index=True,
        placeholder=formats.UNDEFINED,
        height="content" if len(rows) <= _TALLEST else "auto",
        column_config={
            column.name: _named(column, shown.frame)
            if position == 0 and column.name == "name"
            else _column(column, currency, pinned=position == 0, written=column.name in below)
            for position, column in enumerate(shown.columns)
        },
        key=key,
        alt=f"{shown.title}, {len(rows)} rows",
    )


def _as_wide_as_asked(shown: Table, key: str) -> Table:
    """Without the columns that are shown on demand, until the reader asks for them."""
    more = [column for column in shown.columns if column.more]
    if not more:
        return shown
    titles = formats.several(column.title for column in more)
    if st.toggle("All columns", key=f"all_{key}", help=f"Shows also: {formats.plain(titles)}."):
        return shown
    columns = tuple(column for column in shown.columns if not column.more)
    return replace(shown, columns=columns, frame=shown.frame[[each.name for each in columns]])


def _signed(rows: pd.DataFrame, columns: Mapping[str, Format], currency: str) -> "Styler":
    """Rows whose numbers below nought are written with a minus; they are sorted as numbers."""
    written: dict[Any, Any] = {
        name: partial(_in_a_table, as_=each, currency=currency) for name, each in columns.items()
    }
    return rows.style.format(written, na_rep=formats.UNDEFINED)


def _in_a_table(value: float, *, as_: Format, currency: str) -> str:
    """A number as tables write it: all of its digits, percentages already times a hundred."""
    number = float(value)
    sign = "−" if number < 0 else "+" if as_ == "points" else ""
    before = formats.symbol(currency) if as_ == "money" else ""
    return f"{sign}{before}{abs(number):,.{_DECIMALS[as_]}f}{_UNITS.get(as_, '')}"


def _unsigned_nought(values: pd.Series, decimals: int) -> pd.Series:
    """Numbers of which none is written as -0.0: what is rounded to nought has no sign."""
    return values.mask((values < 0) & (values.round(decimals) == 0), 0.0)


def _column(column: Column, currency: str, *, pinned: bool, written: bool = False) -> Any:
    """How a column is drawn; one that is `written` already has its own words for numbers."""
    config = st.column_config
    common: dict[str, Any] = {"label": column.title, "help": column.help or None, "pinned": pinned}
    if column.name in _NUMBER_WIDTHS:
        common["width"] = _NUMBER_WIDTHS[column.name]
    if written:
        return config.NumberColumn(**common)
    if column.format == "money":
        sign = formats.symbol(currency).replace("%", "%%")
        return config.NumberColumn(**common, format=f"{sign}%,.0f")
    if column.format == "count":
        return config.NumberColumn(**common, format="%,.0f")
    if column.format == "number":
        return config.NumberColumn(**common, format="%,.1f")
    if column.format == "coefficient":
        return config.NumberColumn(**common, format="%.2f")
    if column.format == "rate":
        return config.NumberColumn(**common, format="%,.1f%%")
    if column.format == "points":
        return config.NumberColumn(**common, format="%+,.1f pts")
    if column.format == "ratio":
        return config.NumberColumn(**common, format="%,.1fx")
    if column.format == "day":
        written_as = "MMM YYYY" if column.name == "month" else "D MMM YYYY"
        return config.DateColumn(**common, format=written_as)
    if column.format == "instant":
        return config.DatetimeColumn(**common, format="D MMM YYYY, HH:mm", timezone="UTC")
    if column.format == "flag":
        return config.CheckboxColumn(**common)
    if column.name in _SENTENCES:
        return config.TextColumn(**common, width="large")
    # A pinned name must leave room for the numbers beside it, also on a phone.
    return config.TextColumn(**common, width=_NAME_WIDTHS.get(column.name, 150) if pinned else None)


def _named(column: Column, rows: pd.DataFrame) -> Any:
    """The first column where names are given by people: as wide as the longest needs."""
    longest = int(rows[column.name].astype("str").str.len().max()) if len(rows) else 0
    width = min(max(150, 24 + _LETTER * longest), _LONGEST_NAME)
    return st.column_config.TextColumn(
        label=column.title, help=column.help or None, pinned=True, width=width
    )
