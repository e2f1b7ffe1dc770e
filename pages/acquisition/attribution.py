"""Attribution: what each channel is credited with under every model, and how sure that is."""

from attribution.ui import draw, draw_why, frame
from attribution.ui.views.attribution import attribution

context = frame.context()
view = attribution(context.home, context.generation, context.scope, protected=context.protected)

draw.opening(view)
draw.figure(view, "ranges")
draw.figures(view, ("stability",))
draw.tables(view, ("intervals", "ranks", "evidence"))
draw.figures(view, ("effects",))
draw.figures(view, ("moves",))
draw.notes(view)
draw_why.section(context, view)
