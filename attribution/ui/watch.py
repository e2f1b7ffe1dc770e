"""Draws an open page anew without a click, where what it shows holds no longer.

An open page runs only when somebody clicks; what it shows would stay on the screen for as long as
the screen does. So it is blanked once its reader's session has ended, and one that had nothing to
show is drawn once there is something.
"""

import streamlit as st

from attribution.errors import CaretraceError
from attribution.paths import Home
from attribution.sign_in import sign_in
from attribution.ui import access
from attribution.warehouse import current_generation

EVERY = "30s"
SOON = "5s"


def until_it_ends(home: Home, needed: str) -> None:
    """Ask now and then whether the reader may still see what this page needs; blank it if not.

    To ask is no sign of life: a session that nobody uses ends as it would have.
    """
    if sign_in(home) is not None:
        st.fragment(_look, run_every=EVERY, key="watch")(home, needed)


def until_published(home: Home) -> None:
    """Ask now and then whether there is something to show, and show it."""
    st.fragment(_published, run_every=SOON, key="published")(home)


def _published(home: Home) -> None:
    if current_generation(home) is not None:
        st.rerun()


def _look(home: Home, needed: str) -> None:
    try:
        stands = access.may(home, needed, alive=False)
    except CaretraceError:
        stands = False  # who may read cannot be known: the whole page says why, and nothing else
    if not stands:
        st.rerun()
