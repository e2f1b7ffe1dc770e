"""Definitions: every number, model and rule, with its owner and version."""

from attribution.ui import draw, draw_definitions, frame
from attribution.ui.views.definitions import definitions_view

context = frame.context()
view = definitions_view(context.home)

draw.opening(view)
draw_definitions.cards(context.home, draw_definitions.chosen(context.home))
draw.part("Everything")
draw.tables(view, ("metrics", "models", "lapse_rules", "channel_rules", "viewer_rules"))
draw.notes(view)
