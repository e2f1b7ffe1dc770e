"""Experience: would patients recommend us, where and after which waits, what do reviews say."""

from attribution.ui import draw, export, frame
from attribution.ui.views.experience import experience

context = frame.context()
view = experience(context.home, context.generation, context.scope, protected=context.protected)

draw.opening(view)
draw.metrics(view)
for names in (("months", "waits"), ("service_line", "location")):
    draw.figures(view, names)
for name in ("drivers", "sites"):
    draw.figures(view, (name,))
if "sites" in view.tables:
    draw.table(view, "sites")
export.experience(context)
draw.notes(view)
