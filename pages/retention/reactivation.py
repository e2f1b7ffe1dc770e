"""Reactivation: from silent to retained, and what each campaign added to its holdout."""

import streamlit as st

from attribution.ui import draw, draw_reach, draw_way_back, frame
from attribution.ui.views.reactivation import reactivation

context = frame.context()
view = reactivation(context.home, context.generation, context.scope, protected=context.protected)

draw.opening(view)
if view.figures:
    draw.metrics(view)
    with st.grid(2, min_column_width=420, gap="small"):
        if context.protected:  # others see the whole way back below
            draw.figure(view, "funnel")
        draw.figure(view, "lift")
        draw.figure(view, "rates")
    draw.tables(view, ("campaigns", "channels", "months_silent"))
else:
    draw.table(view, "untouched")
draw.notes(view)
draw_way_back.section(context)
draw_reach.section(context)
