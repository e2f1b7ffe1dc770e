"""Draws what the reader of the page Overview chooses to look into, and what people noted."""

import streamlit as st

from attribution import annotations
from attribution.annotations import Annotation
from attribution.errors import CaretraceError
from attribution.metrics import KINDS, definition
from attribution.roles import NOTE
from attribution.ui import draw, formats
from attribution.ui.frame import Context
from attribution.ui.view import View
from attribution.ui.views import changes

_FIRST, _PARTS = "new_patient", "change_parts"


def happened(context: Context) -> tuple[Annotation, ...]:
    """What people noted, of all days."""
    return annotations.every(context.home, context.reader)


def chosen_parts(context: Context) -> str:
    """What the reader chose to see money moved between; readers of folded cells see channels."""
    chosen = st.session_state.get(_PARTS)
    return chosen if chosen in changes.BY and not context.protected else changes.CHANNEL


def change(context: Context, view: View) -> None:
    """What changed one number; the reader chooses which, and by what it is told apart."""
    there = [kind for kind in KINDS if f"change_{kind}" in view.figures]
    if not there:
        return
    with st.container(horizontal=True, gap="medium"):
        kind = st.segmented_control(
            "Look into",
            there,
            format_func=lambda kind: definition(KINDS[kind]).title,
            default=_FIRST if _FIRST in there else there[0],
            required=True,
            key="change_of",
        )
        if not context.protected:
            st.segmented_control(
                "Told apart by",
                list(changes.BY),
                format_func=lambda by: changes.BY[by][0],
                default=changes.CHANNEL,
                required=True,
                key=_PARTS,
            )
    shown = kind if kind in there else there[0]
    draw.figure(view, f"change_{shown}")
    draw.table(view, f"parts_{shown}")


def notes(context: Context, view: View) -> None:
    """The notes of the period, and for those who may, a way to write and remove them."""
    if "happened" in view.tables:
        draw.table(view, "happened")
    if not context.reader.may(NOTE):
        return
    with st.popover("Note what happened", icon=":material/add_notes:", key="note"):
        _write(context)
        _remove(context)


def _write(context: Context) -> None:
    st.caption(formats.prose(annotations.WARNING))
    with st.form("note_form", clear_on_submit=True, border=False):
        day = st.date_input("Day", value="today", format="YYYY-MM-DD", key="note_day")
        text = st.text_input(
            "What happened",
            max_chars=annotations.LONGEST,
            placeholder="New clinic opened",
            key="note_text",
        )
        asked = st.form_submit_button("Keep the note", icon=":material/check:")
    if asked:
        try:
            annotations.write(context.home, context.reader, day, text)
        except CaretraceError as error:
            st.error(formats.prose(str(error)), icon=":material/error:")
        else:
            st.rerun()


def _remove(context: Context) -> None:
    every = {each.number: each for each in happened(context)}
    if not every:
        return
    number = st.selectbox(
        "Remove a note",
        list(every)[::-1],
        index=None,
        format_func=lambda at: f"{formats.day(every[at].day)}: {every[at].text}",
        placeholder="Choose a note",
        key="note_gone",
    )
    if number in every and st.button("Remove it", icon=":material/delete:", key="note_remove"):
        try:
            annotations.remove(context.home, context.reader, number)
        except CaretraceError as error:
            st.error(formats.prose(str(error)), icon=":material/error:")
        else:
            st.rerun()
