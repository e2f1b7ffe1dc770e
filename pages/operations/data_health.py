"""Data health: refreshes as they run, freshness, how people are joined, what was not used."""

from attribution.ui import draw, frame, live
from attribution.ui.views.data_health import data_health

context = frame.context()
view = data_health(context.home, context.generation, protected=context.protected)

draw.opening(view)
live.refreshes(context.home)
live.sources(context.home)
draw.part("How well people are joined")
draw.metrics(view)
if view.figures:
    draw.figure(view, "matches")
draw.tables(view, ("shared", "changes"))
draw.part("What was loaded")
for name in ("unmapped", "unknown_codes", "rejected", "sessions", "coverage"):
    draw.table(view, name)
