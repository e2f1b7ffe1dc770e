"""Forecast: what the coming weeks will bring, against the target, and how sure that is."""

import streamlit as st

from attribution.ui import draw, draw_forecast, export, frame
from attribution.ui.views.forecast import forecast

context = frame.context()
top = st.container()
asked = draw_forecast.chosen(context)
view = forecast(context.home, context.generation, asked, protected=context.protected)

with top:
    draw.opening(view)
draw.metrics(view)
draw.figure(view, "fan")
draw.table(view, "next")
draw.table(view, "models")
export.forecast(context)
draw.notes(view)
