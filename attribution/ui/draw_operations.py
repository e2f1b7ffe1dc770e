"""Data health's own parts: how sources were loaded, and what an operator can do about it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import streamlit as st

from attribution import operations
from attribution.errors import CaretraceError
from attribution.holding import sends_held
from attribution.load_queries import loading
from attribution.roles import RUN
from attribution.ui import draw, formats
from attribution.ui.frame import Context
from attribution.ui.view import View
from attribution.ui.views import source_health

_DONE = "operations_done"
_RUNNING = "A refresh is running. Its steps are below; this can be done when it has ended."


def actions(context: Context) -> None:
    """What an administrator can do, each with a word of what it does and a second click."""
    held = sends_held(context.home)
    if held:
        st.warning(formats.plain(held), title="Sends are held", icon=":material/front_hand:")
    if not context.reader.may(RUN):
        return
    if said := st.session_state.pop(_DONE, None):
        st.success(formats.plain(said), icon=":material/check:")
    running = operations.busy(context.home)
    with st.container(horizontal=True, gap="small"):
        _refresh(context, running=running)
        _days(context, running=running)
        _hold(context, held)
        _roll_back(context, running=running)


def sources(context: Context) -> None:
    """Freshness of each source and day, and what changed there."""
    known = loading(context.home, context.reader)
    if known is None:
        return
    counts = not context.protected
    figure = source_health.grid(known, datetime.now(UTC).date(), counts=counts)
    tables = {
        "sources": source_health.sources(known),
        "restated": source_health.restated(known, counts=counts),
        "drift": source_health.drift(known),
    }
    for sentence in source_health.problems(known):
        st.error(formats.plain(sentence), icon=":material/sync_problem:")
    view = View("", figures={"days": figure} if figure else {}, tables=tables)
    draw.table(view, "sources")
    if figure:
        draw.figure(view, "days")
    draw.tables(view, ("restated", "drift"), key="changed")


def _refresh(context: Context, *, running: bool) -> None:
    with st.popover("Refresh", icon=":material/sync:"):
        if running:
            st.caption(_RUNNING)
            return
        st.caption("Asks every source for what is new and publishes it. Pages go on meanwhile.")
        names = _names(context)
        one = st.selectbox("Source", names, index=None, placeholder="All sources", key="only")
        if st.button("Start the refresh", type="primary", key="start_refresh"):
            _do(
                lambda: operations.start_refresh(context.home, context.reader, one),
                operations.SAID,
            )


def _days(context: Context, *, running: bool) -> None:
    with st.popover("Read days again", icon=":material/history:"):
        if running:
            st.caption(_RUNNING)
            return
        st.caption(
            "Reads days of one source again that it had settled, as after a correction there. "
            "Whole months may be read; nothing is counted twice."
        )
        known = loading(context.home, context.reader)
        # Only these are read by days; the others tell of changes.
        by_days = sorted(known.settled) if known is not None else []
        if not by_days:
            st.caption("No source here is read by days: all of them tell of what changed.")
            return
        name = st.selectbox("Source", by_days, key="backfill_source")
        today = datetime.now(UTC).date()
        chosen = st.date_input(
            "Days", (today - timedelta(days=30), today - timedelta(days=1)),
            max_value=today, format="YYYY-MM-DD", key="backfill_days",
        )  # fmt: skip
        days = tuple(chosen) if isinstance(chosen, tuple) else (chosen,)
        whole = len(days) == len(("first", "last"))
        if st.button("Read them again", type="primary", key="backfill", disabled=not whole):
            _do(
                lambda: operations.start_refresh(
                    context.home, context.reader, name, days[0], days[-1]
                ),
                operations.SAID,
            )


def _hold(context: Context, held: str | None) -> None:
    if held:
        with st.popover("Release sends", icon=":material/play_arrow:"):
            st.caption("Reports and outreach go out again, also what has waited meanwhile.")
            if st.button("Release them", type="primary", key="release"):
                _do(lambda: operations.release(context.home, context.reader), "Sends go out again.")
        return
    with st.popover("Hold sends", icon=":material/front_hand:"):
        st.caption("No report and no outreach message leaves until somebody releases them.")
        reason = st.text_input("Why", key="hold_reason", max_chars=200)
        if st.button("Hold them", type="primary", key="hold", disabled=not reason.strip()):
            _do(lambda: operations.hold(context.home, context.reader, reason))


def _roll_back(context: Context, *, running: bool) -> None:
    with st.popover("Go back", icon=":material/undo:"):
        if running:
            st.caption(_RUNNING)
            return
        before = operations.earlier(context.home, context.generation)
        if before is None:
            st.caption("No earlier generation is kept.")
            return
        st.caption(
            f"Shows generation {before} again in the place of {context.generation}, to everybody "
            "and at once. Where outreach is in use sends are held, as refusals that came since may "
            "be missing; release them after the next refresh, which makes a new one."
        )
        # A tick is for what the page said then: somebody else may have published or gone back.
        sure = st.checkbox("Yes, show the earlier numbers", key=f"sure_{context.generation}")
        if st.button("Go back", type="primary", key="roll_back", disabled=not sure):
            _do(
                lambda: operations.roll_back(context.home, context.reader, context.generation),
                f"Generation {before} is shown again.",
            )


def _names(context: Context) -> list[str]:
    known = loading(context.home, context.reader)
    return [] if known is None else sorted(known.sources["source"])


def _do(act: Callable[[], object], said: str = "") -> None:
    """Act, and say what came of it, where the page does not show it anyway."""
    try:
        act()
    except CaretraceError as error:
        st.error(formats.plain(error), icon=":material/block:")
    else:
        st.session_state[_DONE] = said
        st.rerun()
