"""Research: a cohort, who of it has a condition, visits beside pollen and air, and the export."""

import streamlit as st

from attribution.ui import draw, draw_research, frame
from attribution.ui.views.research import choices, research

context = frame.context()
top = st.container()
cohort, conditions = draw_research.cohort(choices(context.home, context.generation))
view = research(context.home, context.generation, cohort, conditions)

with top:
    draw.opening(view)
draw.metrics(view, 3)
with st.grid(2, min_column_width=420, gap="small"):
    for name in view.figures:
        draw.figure(view, name)
if "correlations" in view.tables:
    draw.table(view, "correlations")
draw_research.export(context, cohort, conditions)
draw.notes(view)
