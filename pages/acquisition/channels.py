"""Channels: what each one cost and what it brought in, under a chosen credit model."""

import streamlit as st

from attribution.credit_queries import NO_CHANNEL
from attribution.ui import draw, export, frame
from attribution.ui.views.channels import channels

context = frame.context()
view = channels(context.home, context.generation, context.scope, protected=context.protected)

draw.opening(view)
draw.metrics(view)
with st.grid(2, min_column_width=420, gap="small"):
    draw.figure(view, "return")
    draw.figure(view, "credited")
draw.table_with_parts(view, "channels", "campaigns", "channel", but=NO_CHANNEL)
draw.table(view, "returns")
export.channels(context)
draw.notes(view)
