"""Patient journey: everything that happened with one person, and what comes next."""

from attribution.ui import draw_patient, frame

draw_patient.page(frame.context())
