"""Draws a view: the only place that turns plain values into Streamlit elements."""

from collections.abc import Container, Sequence
from typing import Literal, NamedTuple

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from attribution.ui import formats
from attribution.ui.draw_table import frame
from attribution.ui.face import Face
from attribution.ui.frame import Context
from attribution.ui.freshness import Freshness
from attribution.ui.view import Figure, Metric, Table, View

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


def question(words: str) -> None:
    """What a page answers: no heading, as the parts below it are the next ones."""
    st.markdown(f"**{formats.plain(words)}**")


def opening(view: View) -> None:
    """The question the page answers; stops here where there is nothing to show."""
    question(view.question)
    if view.remark:
        st.caption(formats.prose(view.remark))
    if view.empty:
        st.info(formats.prose(view.empty), icon=":material/search_off:")
        st.stop()
    for each in view.warnings:
        st.warning(formats.prose(each), icon=":material/warning:")


def part(title: str) -> None:
    """The heading of a part of a long page."""
    st.header(title, anchor=False)


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
            format_func=formats.apart(names),
            placeholder=f"Choose a {by} to see its {parts}",
            key=by,
            bind="query-params",
        )
        if chosen in names:
            inside = pieces.frame[pieces.frame[by] == chosen].drop(columns=by)
            columns = tuple(column for column in pieces.columns if column.name != by)
            frame(Table(pieces.title, columns, inside), view.currency, key=f"table_{parts}")


def tables(view: View, names: Sequence[str], key: str = "cuts") -> None:
    """Those of several tables of the same numbers that there are, one behind the other."""
    names = [name for name in names if name in view.tables]
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
    if each.before <= 0:  # more may be paid back than collected
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
