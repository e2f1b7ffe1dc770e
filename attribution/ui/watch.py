"""Blanks a page that nobody sits at any more, once its reader's session has ended.

An open page runs only when somebody clicks; what it shows would stay on the screen for as long as
the screen does.
"""

import streamlit as st

from attribution.errors import CaretraceError
from attribution.paths import Home
from attribution.sign_in import sign_in
from attribution.ui import access

EVERY = "30s"


def until_it_ends(home: Home, needed: str) -> None:
    """Ask now and then whether the reader may still see what this page needs; blank it if not.

    To ask is no sign of life: a session that nobody uses ends as it would have.
    """
    if sign_in(home) is not None:
        st.fragment(_look, run_every=EVERY, key="watch")(home, needed)


def _look(home: Home, needed: str) -> None:
    try:
        stands = access.may(home, needed, alive=False)
    except CaretraceError:
        stands = False  # who may read cannot be known: the whole page says why, and nothing else
    if not stands:
        st.rerun()
