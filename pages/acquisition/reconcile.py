"""Reconcile: what platforms claim, what was observed and credited, and why these differ."""

from attribution.ui import draw, export, frame
from attribution.ui.views.reconcile import reconcile

context = frame.context()
view = reconcile(context.home, context.generation, context.scope, protected=context.protected)

draw.opening(view)
if view.figures:
    draw.metrics(view, columns=5)
    draw.figure(view, "bridge")
    draw.table_with_parts(view, "platforms", "campaigns", "platform")
    draw.table(view, "weeks")
if "analytics" in view.tables:
    draw.table(view, "analytics")
if view.figures:
    export.reconcile(context)
draw.notes(view)
