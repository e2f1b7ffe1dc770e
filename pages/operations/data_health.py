"""Data health: refreshes as they run, freshness, how people are joined, what was not used."""

from attribution.ui import draw, draw_operations, export, frame, live
from attribution.ui.views.data_health import data_health

context = frame.context()
view = data_health(context.home, context.generation, protected=context.protected)

draw.opening(view)
draw_operations.actions(context)
live.refreshes(context.home)
draw.part("How fresh the sources are")
draw_operations.sources(context)
draw.part("How well people are joined")
draw.metrics(view)
if view.figures:
    draw.figure(view, "matches")
draw.tables(view, ("shared", "changes"))
draw.part("What was loaded")
draw.table(view, "rejected")
export.rejects(context)
for name in ("unmapped", "unknown_codes", "sessions", "coverage"):
    draw.table(view, name)
