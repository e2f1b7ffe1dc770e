"""Attribution: what each channel is credited with under every model, side by side."""

from attribution.ui import draw, draw_why, frame
from attribution.ui.views.attribution import attribution

context = frame.context()
view = attribution(context.home, context.generation, context.scope)

draw.opening(view)
draw.figure(view, "ranges")
draw.table(view, "ranks")
draw.figure(view, "effects")
draw.notes(view)
draw_why.section(context, view)
