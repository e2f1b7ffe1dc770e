"""Engagement: what became of the messages, whom they reach as they wish, and when they tire."""

import streamlit as st

from attribution.ui import draw, export, frame
from attribution.ui.views.engagement import PARTS, engagement

context = frame.context()
view = engagement(context.home, context.generation, context.scope, protected=context.protected)

draw.opening(view)
draw.metrics(view, 5)
draw.figure(view, "weeks")
with st.grid(2, min_column_width=420, gap="small"):
    for name in PARTS:
        if name in view.figures:
            draw.figure(view, name)
draw.tables(view, ("flows", "channels", "wishes", "weeks"))
draw.table(view, "fatigue")
export.messages(context, "engagement")
draw.notes(view)
