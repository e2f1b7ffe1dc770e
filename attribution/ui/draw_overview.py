"""Draws what the reader chooses to look into on the page Overview."""

import streamlit as st

from attribution.metrics import KINDS, definition
from attribution.ui import draw
from attribution.ui.view import View

_FIRST = "new_patient"


def change(view: View) -> None:
    """What changed one number; the reader chooses which."""
    there = [kind for kind in KINDS if f"change_{kind}" in view.figures]
    if not there:
        return
    kind = st.segmented_control(
        "What changed",
        there,
        format_func=lambda kind: definition(KINDS[kind]).title,
        default=_FIRST if _FIRST in there else there[0],
        required=True,
        key="change_of",
    )
    draw.figure(view, f"change_{kind if kind in there else there[0]}")
