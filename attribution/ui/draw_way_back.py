"""Draws the way back of silent patients: the funnel, its reasons, its groups, and the money."""

import streamlit as st

from attribution.step_queries import GROUPS
from attribution.ui import draw, formats
from attribution.ui.frame import Context
from attribution.ui.views.way_back import way_back


def section(context: Context) -> None:
    """Below what each campaign added: everybody who was silent, and where they stopped."""
    view = way_back(context.home, context.generation, context.scope, protected=context.protected)
    draw.part(view.question)
    if view.empty:
        st.info(formats.prose(view.empty), icon=":material/search_off:")
        return
    if view.remark:
        st.markdown(formats.prose(view.remark))
    draw.figure(view, "way_back")
    draw.table(view, "drops")  # as wide as the page: its reasons are sentences
    if "gains" in view.figures:
        draw.figure(view, "gains")
    draw.tables(view, [f"way_{name}" for name in GROUPS], key="way_cuts")
    draw.notes(view)
