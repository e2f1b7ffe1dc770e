"""Journeys: by which channels people came, how many converted, and how long it took."""

import streamlit as st

from attribution.ui import draw, frame
from attribution.ui.views.journeys import journeys

context = frame.context()
view = journeys(context.home, context.generation, context.scope, protected=context.protected)

draw.opening(view)
draw.metrics(view)
if "flows" in view.figures:
    with st.grid(2, min_column_width=420, gap="small"):
        draw.figure(view, "flows")
        draw.figure(view, "lags")
if "cohorts" in view.figures:
    draw.figure(view, "cohorts")
if "paths" in view.tables:
    draw.table(view, "paths")
draw.notes(view)
