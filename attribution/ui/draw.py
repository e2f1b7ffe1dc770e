"""Draws a view: the only place that turns plain values into Streamlit elements."""

from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd
import streamlit as st
from pandas.api.types import is_numeric_dtype
from streamlit.navigation.page import StreamlitPage

from attribution.metrics import Format
from attribution.ui import formats
from attribution.ui.face import Face
from attribution.ui.frame import Context
from attribution.ui.freshness import Freshness
from attribution.ui.view import Column, Figure, Metric, Table, View

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

# The mode bar would offer to send figures elsewhere, and covers them on a phone.
_PLOTLY = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
_FOLDED = (
    "Fewer than eleven people are never told apart: small campaigns, service lines and places are "
    "told together as Other, and weeks in whole blocks of four. Readers with the role analyst see "
    "all of it."
)
_CHIPS = {
    "fresh": ("green", ":material/check_circle:"),
    "stale": ("orange", ":material/schedule:"),
    "failed": ("red", ":material/error:"),
    "empty": ("gray", ":material/hourglass_empty:"),
}
_NAME_WIDTHS = {"campaign": 200, "flow": 200, "forecast_model": 200, "how": 200}
# Names that somebody gave may be long: so many pixels a letter, and at most.
_LETTER, _LONGEST_NAME = 7, 340
# Numbers that may be long, and long headings: neither may be cut, a cut number is a wrong one.
_NUMBER_WIDTHS = {"roas": 92, "roi": 165}
_SENTENCES = ("message", "reason")
_SHARES = ("rate", "points")
_UNITS = {"rate": "%", "points": " pts", "ratio": "x"}
_DECIMALS: dict[Format, int] = {
    "money": 0,
    "count": 0,
    "number": 1,
    "coefficient": 2,
    "rate": 1,
    "ratio": 1,
}
_TALLEST = 20  # rows of a table that is shown without a scroll bar of its own


class Meaning(NamedTuple):
    """The page that defines numbers, and the address of the page whose numbers are meant."""

    page: StreamlitPage
    of: str


def heading(
    title: str,
    state: Freshness,
    face: Face,
    *,
    protected: bool = False,
    meaning: Meaning | None = None,
) -> None:
    """The page's title with the freshness of what it shows, and the way to its definitions."""
    colour, icon = _CHIPS[state.state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(title, width="content", anchor=False)
        st.badge(
            formats.plain(state.headline),
            icon=icon,
            color=colour,  # type: ignore[arg-type]
            help=state.detail,
        )
        if face.demo:
            st.badge(
                "Simulated patients",
                icon=":material/science:",
                color="violet",
                help="A demonstration: no person in these numbers exists.",
            )
        if protected:
            st.badge("Small cells folded", icon=":material/group:", color="gray", help=_FOLDED)
        if meaning is not None:
            st.page_link(
                meaning.page,
                label="What do these numbers mean?",
                icon=":material/help:",
                query_params={"of": meaning.of},
            )


def opening(view: View) -> None:
    """The question the page answers; stops here where there is nothing to show."""
    st.markdown(f"##### {formats.plain(view.question)}")
    if view.remark:
        st.caption(formats.prose(view.remark))
    if view.empty:
        st.info(formats.prose(view.empty), icon=":material/search_off:")
        st.stop()
    for each in view.warnings:
        st.warning(formats.prose(each), icon=":material/warning:")


def part(title: str) -> None:
    """The heading of a part of a long page."""
    st.subheader(title, anchor=False)


def metrics(view: View, columns: int = 4) -> None:
    """The headline numbers as cards, each with its change and its course."""
    with st.grid(columns, min_column_width=168, gap="small"):
        for each in view.metrics:
            _metric(each, view.currency)


def figure(view: View, name: str) -> None:
    """One figure in a card with its title, its definition and the same numbers as a table."""
    drawn = view.figures[name]
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{formats.plain(drawn.title)}**", help=drawn.help or None)
        st.plotly_chart(dict(drawn.spec), config=_PLOTLY, alt=drawn.alt, key=f"figure_{name}")
        st.caption(formats.plain(drawn.alt))
        if drawn.table:
            _twin(view, drawn, name)


def figures(view: View, names: Sequence[str]) -> None:
    """Those of some figures that there are, side by side; one alone as wide as its place."""
    there = [name for name in names if name in view.figures]
    if there:
        with st.grid(len(there), min_column_width=420, gap="small"):
            for name in there:
                figure(view, name)


def _twin(view: View, drawn: Figure, name: str) -> None:
    folded = st.expander(
        "Show table", icon=":material/table_rows:", key=f"twin_{name}", on_change="rerun"
    )
    if folded.open:
        with folded:
            frame(view.tables[drawn.table], view.currency, key=f"twin_table_{name}")


def table(view: View, name: str) -> None:
    """One table in a card with its title."""
    with st.container(border=True):
        st.markdown(f"**{formats.plain(view.tables[name].title)}**")
        _noted(view, name)


def table_with_parts(view: View, whole: str, parts: str, by: str, but: Container[str] = ()) -> None:
    """A table, and below it the parts of the one row that the reader chooses; `but` have none."""
    every, pieces = view.tables[whole], view.tables[parts]
    with st.container(border=True):
        st.markdown(f"**{formats.plain(every.title)}**")
        frame(every, view.currency, key=f"table_{whole}")
        names = [name for name in dict.fromkeys(every.frame[by]) if name not in but]
        chosen = st.selectbox(
            f"Look inside a {by}",
            names,
            index=None,
            format_func=formats.title,
            placeholder=f"Choose a {by} to see its {parts}",
            key=by,
            bind="query-params",
        )
        if chosen in names:
            inside = pieces.frame[pieces.frame[by] == chosen].drop(columns=by)
            columns = tuple(column for column in pieces.columns if column.name != by)
            frame(Table(pieces.title, columns, inside), view.currency, key=f"table_{parts}")


def tables(view: View, names: Sequence[str], key: str = "cuts") -> None:
    """Several tables of the same numbers, one behind the other."""
    with st.container(border=True):
        shown = st.tabs([view.tables[name].title for name in names], key=key, on_change="rerun")
        for tab, name in zip(shown, names, strict=True):
            if tab.open:
                with tab:
                    _noted(view, name)


def _noted(view: View, name: str) -> None:
    """A table's rows below what is to be done about it, or what it says without any."""
    shown = view.tables[name]
    if shown.frame.empty:
        st.caption(formats.prose(shown.empty))
        return
    if shown.note:
        st.caption(formats.prose(shown.note))
    frame(shown, view.currency, key=f"table_{name}")


def frame(shown: Table, currency: str, *, key: str) -> None:
    """A table's rows; numbers stay numbers, so that sorting them works."""
    rows = shown.frame
    # A channel is known by its name in the data and written as words; shares as percentages.
    changed = {
        c.name: rows[c.name].map(formats.title) for c in shown.columns if c.name == "channel"
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


def notes(view: View) -> None:
    """What a reader must know beside the numbers."""
    for note in view.notes:
        st.caption(formats.prose(note))


def period(context: Context) -> str:
    """The weeks a page is about, in words."""
    scope = context.scope
    return formats.weeks(scope.since, scope.until, scope.weeks)


def _metric(each: Metric, currency: str) -> None:
    change, said = (each.interval, None) if each.interval else _change(each, currency)
    # Streamlit knows a fall by a hyphen; with a minus it must be told.
    fell = not each.interval and isinstance(change, str) and change.startswith("-")
    if fell:
        change = str(change).replace("-", "−")
    course = [value for value in each.course if value is not None]
    st.metric(
        each.title,
        formats.written(each.value, each.format, currency),
        change,
        delta_color="off" if each.interval else _delta_colour(each, fell=fell),
        delta_arrow="off" if each.interval else "down" if fell else "auto",
        delta_description=said,
        help=each.help,
        border=True,
        height="stretch",
        chart_data=course if len(course) > 1 else None,
        chart_type="area",
    )


def _change(each: Metric, currency: str) -> tuple[str | int | None, str | None]:
    if each.before is None or each.value is None:
        return None, None
    was = f"vs {formats.written(each.before, each.format, currency)}"
    if each.value == each.before:
        return 0, was
    if not each.before:
        return None, was
    if each.format == "rate":
        # In percent of a percentage a reader cannot tell which of the two is meant.
        points = f"{(each.value - each.before) * 100:+,.1f} pts"
        return (0, was) if points in ("+0.0 pts", "-0.0 pts") else (points, was)
    relative = each.value / each.before - 1
    return f"{relative * 100:+,.1f}%", was


def _delta_colour(each: Metric, *, fell: bool) -> Literal["normal", "inverse", "off"]:
    """Green for what is better; a fall is told without the hyphen that would turn it round."""
    if each.better == "neither":
        return "off"
    return "normal" if (each.better == "up") != fell else "inverse"


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
        return config.DateColumn(**common, format="D MMM YYYY")
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
