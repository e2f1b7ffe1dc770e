"""Experience: would patients recommend us, where and after which waits, what do reviews say."""

import streamlit as st

from attribution.ui import draw, export, frame
from attribution.ui.views.experience import experience

context = frame.context()
view = experience(context.home, context.generation, context.scope, protected=context.protected)

draw.opening(view)
draw.metrics(view)
for names in (("months", "waits"), ("service_line", "location")):
    draw.figures(view, names)
with st.grid(2 if "drivers" in view.figures else 1, min_column_width=420, gap="small"):
    draw.figures(view, ("drivers",))
    with st.container():
        draw.figures(view, ("sites",))
        if "sites" in view.tables:
            draw.table(view, "sites")
export.experience(context)
draw.notes(view)
