"""Draws the search for a number and what is found."""

import streamlit as st

from attribution import definitions
from attribution.metrics import Definition
from attribution.metrics.pages import PAGES, title_of
from attribution.paths import Home
from attribution.ui import formats
from attribution.ui.views.definitions import MOST, facts

_ADDRESS = "of"  # the page whose numbers are asked for; words that are sought stay out of it


def chosen(home: Home) -> tuple[Definition, ...]:
    """The numbers that the reader asks for: of one page, or with some words."""
    if "definitions_of" not in st.session_state:
        asked = st.query_params.get(_ADDRESS)
        st.session_state["definitions_of"] = asked if asked in PAGES else next(iter(PAGES))
    with st.grid(2, min_column_width=240, gap="small"):
        page = st.selectbox(
            "Numbers of the page", list(PAGES), format_func=title_of, key="definitions_of"
        )
        words = st.text_input(
            "Search all pages",
            key="definitions_words",
            placeholder="cost, holdout, posting ...",
            icon=":material/search:",
            max_chars=80,
        )
    st.query_params[_ADDRESS] = page
    return definitions.found(home, page, words)


def cards(home: Home, found: tuple[Definition, ...]) -> None:
    """A card for each number."""
    if not found:
        st.info("No number has all of these words. Try fewer, or choose a page.")
        return
    owners = definitions.owners(home)
    with st.grid(2, min_column_width=380, gap="small"):
        for each in found[:MOST]:
            with st.container(border=True, height="stretch", gap="xsmall"):
                st.markdown(f"**{formats.plain(each.title)}**")
                st.markdown(formats.prose(each.sentence))
                if each.formula:
                    st.markdown(formats.prose(each.formula))
                st.caption("  \n".join(map(formats.plain, facts(each, owners.of(each.name)))))
    if len(found) > MOST:
        st.caption(f"{len(found) - MOST} more: narrow the search, or read the table below.")
