"""Reactivation: from silent to retained, and what each campaign added to its holdout."""

from attribution.ui import draw, draw_reach, draw_way_back, export, frame
from attribution.ui.views.reactivation import reactivation

context = frame.context()
view = reactivation(context.home, context.generation, context.scope, protected=context.protected)

draw.opening(view)
if view.figures:
    draw.metrics(view)
    if context.protected:
        draw.figures(view, ("funnel", "lift"))
        draw.figures(view, ("rates",))
    else:  # who see the whole way back below
        draw.figures(view, ("lift", "rates"))
    draw.tables(view, ("campaigns", "channels", "months_silent"))
else:
    draw.table(view, "untouched")
export.reactivation(context)
draw.notes(view)
draw_way_back.section(context)
draw_reach.section(context)
