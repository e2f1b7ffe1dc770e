"""Data health: refreshes as they run, freshness by source, and what could not be used."""

from attribution.ui import draw, frame, live
from attribution.ui.views.data_health import data_health

context = frame.context()
view = data_health(context.home, context.generation)

draw.opening(view)
live.refreshes(context.home)
live.sources(context.home)
for name in ("unmapped", "rejected", "sessions", "coverage"):
    draw.table(view, name)
