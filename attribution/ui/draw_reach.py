"""Draws whom to reach next: a budget to enter, the plan it buys, and whether chances held."""

import streamlit as st

from attribution.ui import draw, formats
from attribution.ui.frame import Context
from attribution.ui.views.reach import QUESTION, reach

_EXPLAINED = "What may be spent on messages; leave it empty for all groups worth their cost."


def section(context: Context) -> None:
    """The plan under the budget that is entered here; closed at first."""
    asked = st.expander(QUESTION, key="reach_open", on_change="rerun", bind="query-params")
    if not asked.open:
        return
    with asked:
        budget = st.number_input(
            "Budget", min_value=0.0, value=None, step=100.0, help=_EXPLAINED, key="reach_budget"
        )
        view = reach(
            context.home, context.generation, context.scope, budget, protected=context.protected
        )
        if view.empty:
            st.info(formats.prose(view.empty), icon=":material/search_off:")
            return
        if view.metrics:
            draw.metrics(view)
            draw.table(view, "plan")
        draw.table(view, "silent_today")
        if view.figures:
            draw.figure(view, "calibration")
        draw.notes(view)
