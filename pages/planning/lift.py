"""Lift: tests that were planned, what the finished ones found, and the design of new ones."""

from attribution.ui import draw, draw_lift, frame
from attribution.ui.views.lift import lift

context = frame.context()
tests = draw_lift.tests(context)
holdouts = draw_lift.holdouts(context)
view = lift(context.home, context.generation, tests, holdouts, protected=context.protected)

draw.opening(view)
draw.table(view, "tests")
draw_lift.chosen(context, tests)
draw_lift.design(context)
draw.part("Held-out people")
draw.table(view, "registered")
draw.table(view, "holdouts")
draw_lift.people(context)
draw.notes(view)
