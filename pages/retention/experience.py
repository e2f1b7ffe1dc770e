"""Experience: would patients recommend us, where and after which waits, what do reviews say."""

import streamlit as st

from attribution.ui import draw, export, frame
from attribution.ui.views.experience import experience

context = frame.context()
view = experience(context.home, context.generation, context.scope, protected=context.protected)

draw.opening(view)
draw.metrics(view)
for names in (("months", "waits"), ("service_line", "location")):
    with st.grid(2, min_column_width=420, gap="small"):
        for name in names:
            if name in view.figures:
                draw.figure(view, name)
with st.grid(2, min_column_width=420, gap="small"):
    if "drivers" in view.figures:
        draw.figure(view, "drivers")
    with st.container():
        if "sites" in view.figures:
            draw.figure(view, "sites")
        if "sites" in view.tables:
            draw.table(view, "sites")
export.experience(context)
draw.notes(view)
