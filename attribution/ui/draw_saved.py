"""Draws the saved views beside every page: open one, keep what is shown now, delete."""

from collections import Counter
from collections.abc import Callable, Mapping

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from attribution import saved_views
from attribution.errors import CaretraceError
from attribution.metrics.pages import title_of
from attribution.paths import Home
from attribution.roles import NOTE, Reader
from attribution.saved_views import SavedView
from attribution.ui import formats


def menu(
    home: Home,
    reader: Reader,
    page: str,
    filters: Mapping[str, tuple[str, ...]],
    open_page: Callable[[str], StreamlitPage | None],
) -> None:
    """The views of a reader in the sidebar; `open_page` has no page for those they may not see."""
    with st.sidebar, st.popover("Saved views", icon=":material/bookmark:", width="stretch"):
        every = saved_views.views(home, reader)
        for view in every:
            shown = open_page(view.page)
            if shown is not None:
                _link(view, shown, reader)
        if not every:
            st.caption("None yet. A view keeps this page with its filters under a name.")
        _save(home, reader, page, filters)
        _delete(home, reader, every)


def _link(view: SavedView, page: StreamlitPage, reader: Reader) -> None:
    own = view.owner == reader.name
    st.page_link(
        page,
        label=formats.plain(view.name),
        icon=":material/group:" if view.shared else ":material/person:",
        help=formats.plain(
            f"{title_of(view.page)}. "
            + ("Yours" if own else f"Of {view.owner}")
            + (", shared with everybody." if view.shared else ", seen by you alone.")
        ),
        query_params=view.query,
    )


def _save(home: Home, reader: Reader, page: str, filters: Mapping[str, tuple[str, ...]]) -> None:
    with st.form("view_form", clear_on_submit=True, border=False):
        name = st.text_input(
            "Keep this view as", max_chars=saved_views.LONGEST, placeholder="Name", key="view_name"
        )
        shared = reader.may(NOTE) and st.toggle(
            "Share with everybody",
            key="view_shared",
            help="Whoever opens it sees what their own role may see.",
        )
        asked = st.form_submit_button("Save", icon=":material/bookmark_add:")
    if asked:
        try:
            saved_views.save(home, reader, name, page, filters, shared=shared)
        except CaretraceError as error:
            st.error(formats.prose(str(error)), icon=":material/error:")
        else:
            st.rerun()


def _delete(home: Home, reader: Reader, every: tuple[SavedView, ...]) -> None:
    own = {each.number: each for each in every if saved_views.may_delete(reader, each)}
    if not own:
        return
    called = _told_apart(own)
    number = st.selectbox(
        "Delete a view",
        list(own),
        index=None,
        format_func=called.__getitem__,
        placeholder="Choose a view",
        key="view_gone",
    )
    if number in own and st.button("Delete it", icon=":material/delete:", key="view_delete"):
        try:
            saved_views.delete(home, reader, number)
        except CaretraceError as error:
            st.error(formats.prose(str(error)), icon=":material/error:")
        else:
            st.rerun()


def _told_apart(own: Mapping[int, SavedView]) -> dict[int, str]:
    """What each is called: its name, its owner too where that is alike, its number as the last.

    Streamlit knows an option by its words: of two that are called alike it would give the last.
    """
    called = {at: view.name for at, view in own.items()}
    while True:
        often = Counter(called.values())
        alike = [at for at, words in called.items() if often[words] > 1]
        if not alike:
            return called
        # What is named as another is called with its owner gets its own owner first.
        bare = [at for at in alike if called[at] == own[at].name]
        for at in bare or alike:
            called[at] += f" (of {own[at].owner})" if bare else f" ({at})"
