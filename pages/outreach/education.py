"""Education: whom tips, pollen warnings and doctors' videos reach, who answers, what they bring."""

import streamlit as st

from attribution.ui import draw, export, frame
from attribution.ui.views.education import education

context = frame.context()
view = education(context.home, context.generation, context.scope, protected=context.protected)

draw.opening(view)
draw.metrics(view)
with st.grid(2, min_column_width=420, gap="small"):
    for name in view.figures:
        draw.figure(view, name)
draw.tables(view, ("flows", "weeks"))
for name in ("people", "effects"):
    if name in view.tables:
        draw.table(view, name)
export.messages(context, "education")
draw.notes(view)
