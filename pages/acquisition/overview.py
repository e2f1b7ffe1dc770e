"""Overview: spend, demand, patients and money of a period against the one before."""

import streamlit as st

from attribution.ui import draw, draw_overview, frame
from attribution.ui.views.overview import overview

context = frame.context()
view = overview(
    context.home,
    context.generation,
    context.scope,
    protected=context.protected,
    happened=draw_overview.happened(context),
    by=draw_overview.chosen_parts(context),
)

draw.opening(view)
draw.metrics(view)
with st.grid(2, min_column_width=420, gap="small"):
    draw.figure(view, "demand")
    draw.figure(view, "money")
draw_overview.notes(context, view)
draw_overview.change(context, view)
draw.table(view, "service_lines")
draw.notes(view)
