"""What changes while it is looked at: the running refresh."""

import pandas as pd
import streamlit as st

from attribution import refresh_queries
from attribution.operations import busy
from attribution.paths import Home
from attribution.roles import OPERATE
from attribution.ui import access, draw_table, formats
from attribution.ui.views.data_health import progress, runs_table, steps_table

EVERY = "2s"


def refreshes(home: Home) -> None:
    """The last refreshes and the steps of the newest; looks again every 2 s while one runs."""
    with st.container(border=True):
        running = busy(home) or _newest_state(refresh_queries.runs(home, 1)) == "running"
        st.fragment(_refreshes, run_every=EVERY if running else None, key="refreshes")(
            home, running=running
        )


def _refreshes(home: Home, *, running: bool) -> None:
    # A fragment runs again without the shell, for as long as the page is open.
    # Nor does it keep the session of a reader who has left: no click, no sign of life.
    if not access.may(home, OPERATE, alive=False):
        st.rerun()
    st.markdown("**Refreshes**")
    runs = refresh_queries.runs(home)
    if runs.empty:
        st.caption("No refresh has run yet.")
        return
    begun = _newest_state(runs) == "running"
    still = begun or busy(home)
    if running and not still:
        # The refresh has ended: the whole page may have a new generation to show.
        st.rerun()
    steps = refresh_queries.steps(home, str(runs["run_id"].iloc[0]))
    if still and not begun:
        # The steps of the one before would be taken for its own.
        st.caption("A refresh is starting.")
        return
    if begun and len(steps):
        share, words = progress(steps)
        st.progress(share, formats.plain(words))
    newest, every = st.tabs(
        ["Steps of the newest", "All refreshes"], key="refreshes_shown", on_change="rerun"
    )
    with newest:
        if newest.open:
            draw_table.frame(steps_table(steps), "USD", key="steps")
    with every:
        if every.open:
            draw_table.frame(runs_table(runs), "USD", key="runs")


def _newest_state(runs: pd.DataFrame) -> str:
    return "" if runs.empty else str(runs["state"].iloc[0])
