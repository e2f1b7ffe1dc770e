"""Budget: response curves, a plan under constraints, and scenarios to save and compare."""

import streamlit as st

from attribution.ui import draw, draw_budget, export, frame
from attribution.ui.views.budget import budget

context = frame.context()
top = st.container()
request = draw_budget.chosen(context)
view = budget(context.home, context.generation, request, protected=context.protected)

with top:
    draw.opening(view)
draw.metrics(view)
draw.table(view, "plan")
export.budget(context, request)
with st.grid(3, min_column_width=300, gap="small"):
    for name in view.figures:
        draw.figure(view, name)
draw_budget.scenarios(context, request)
draw.notes(view)
