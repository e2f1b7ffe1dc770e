"""Cohorts: patients who have some things in common, beside everyone else or a second cohort."""

import streamlit as st

from attribution.ui import draw, draw_groups, export_groups, frame
from attribution.ui.views.patient_groups import patient_groups

context = frame.context()
top = st.container()
group, other = draw_groups.chosen(context)
view = patient_groups(context.home, context.generation, group, other, protected=context.protected)

with top:
    draw.opening(view)
draw.metrics(view)
with st.grid(2, min_column_width=420, gap="small"):
    for name in view.figures:
        draw.figure(view, name)
draw.table(view, "numbers")
draw.tables(view, [name for name in draw_groups.TABLES if name in view.tables])
export_groups.patient_groups(context, group, other)
draw.notes(view)
