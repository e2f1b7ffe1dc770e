"""The shell around every page: menu, filters, freshness, then the page itself.

It is the server's main script, so that every address, also the first one after a start, runs
through it: a folder `pages` beside the main script would let Streamlit run a page alone.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from attribution import settings, versions
from attribution.date_basis import OWN
from attribution.errors import NotAllowed
from attribution.metrics.pages import PAGES as METRIC_PAGES
from attribution.paths import PAGES, Home
from attribution.roles import (
    EXPORT,
    OPERATE,
    PEOPLE,
    RESEARCH,
    SEE,
    SMALL_CELLS,
    Reader,
    needed,
)
from attribution.ui import access, draw, draw_saved, filters, frame, live, watch
from attribution.ui.face import face
from attribution.ui.freshness import freshness
from attribution.ui.own_choices import own_choices
from attribution.ui.scope import untold

HERE = Path(__file__).parent
MARK = str(HERE / "mark.svg")
WORDMARK = str(HERE / "wordmark.svg")
# No icons here: the browser would ask another origin for a menu icon as the tab's own.
SECTIONS = {
    "Acquisition": (
        ("acquisition/overview.py", "Overview", "overview"),
        ("acquisition/channels.py", "Channels", "channels"),
        ("acquisition/attribution.py", "Attribution", "attribution"),
        ("acquisition/journeys.py", "Journeys", "journeys"),
        ("acquisition/reconcile.py", "Reconcile", "reconcile"),
    ),
    "Retention": (
        ("retention/reactivation.py", "Reactivation", "reactivation"),
        ("retention/cohorts.py", "Cohorts", "cohorts"),
        ("retention/experience.py", "Experience", "experience"),
    ),
    "Outreach": (
        ("outreach/engagement.py", "Engagement", "engagement"),
        ("outreach/education.py", "Education", "education"),
    ),
    "Planning": (
        ("planning/forecast.py", "Forecast", "forecast"),
        ("planning/lift.py", "Lift", "lift"),
        ("planning/budget.py", "Budget", "budget"),
    ),
    "People": (
        ("people/patient_journey.py", "Patient journey", "patient-journey"),
        ("people/research.py", "Research", "research"),
    ),
    "Operations": (
        ("operations/data_health.py", "Data health", "data-health"),
        ("operations/reports.py", "Reports", "reports"),
        ("operations/definitions.py", "Definitions", "definitions"),
    ),
}
FIRST_PAGE = "overview"
# A filter without effect on a page would mislead, so each page says which it uses.
USED = {
    "overview": frozenset({"period", "service", "location", "basis"}),
    "channels": filters.ALL,
    "attribution": filters.ALL,
    "journeys": frozenset({"period", "kind", "service"}),
    "reconcile": frozenset({"period", "kind", "model"}),
    "reactivation": frozenset({"period", "service", "location", "model"}),
    # It has a choice of its own, of patients and not of weeks.
    "cohorts": frozenset(),
    "engagement": frozenset({"period"}),
    "education": frozenset({"period"}),
    "experience": frozenset({"period", "service", "location"}),
    # Of one series at a time, chosen on the page.
    "forecast": frozenset(),
    "lift": frozenset(),
    "budget": frozenset(),
    "patient-journey": frozenset({"model"}),
    "research": frozenset(),
    "data-health": frozenset(),
    "reports": frozenset(),
    "definitions": frozenset(),
}
# Where small cells are folded, credit and paths know neither service lines nor places.
UNPLACED = dict.fromkeys(
    ("channels", "attribution", "journeys"), frozenset({"service", "location"})
)
# These stand on single weeks and places, so there is nothing of them for readers of folded cells:
# an address still says so, the menu leaves them out.
UNTOLD = frozenset({"reconcile", "forecast", "lift", "budget"})
# Of two ways to put the same people into weeks, readers of folded cells are told one.
UNFOLDED = frozenset({"basis"})
# What a reader must be allowed to do to see a page at all.
NEEDED = dict.fromkeys(USED, SEE) | {
    "data-health": OPERATE,
    "patient-journey": PEOPLE,
    "research": RESEARCH,
    "reports": EXPORT,
}
# Data health stays: it shows the refresh that is due; so do reports, which wait for it. Definitions
# read no marts.
NEEDS_MARTS = USED.keys() - {"data-health", "reports", "definitions"}


def main() -> None:
    """Run one page for one reader."""
    home = settings.home()
    frame.enter(None)
    reader = access.reader(home)
    if reader is None:
        _nobody()
    state = freshness(home)
    # Streamlit would fold a menu of this many pages, and the last sections would not be found.
    menu = _menu(reader)
    page = st.navigation(menu, expanded=True)
    st.set_page_config(page_title=f"{page.title} · caretrace", page_icon=MARK, layout="wide")
    st.logo(WORDMARK, icon_image=MARK, size="large")
    protected = not reader.may(SMALL_CELLS)
    name = page.url_path or FIRST_PAGE
    # The page that defines numbers has nothing to show either before any is published.
    meaning = None if state.generation is None else _meaning(menu, name)
    draw.heading(page.title, state, face(home), protected=protected, meaning=meaning)
    if state.generation is None:
        _nothing_yet(home, reader, name)
    if not reader.may(NEEDED.get(name, SEE)):
        raise NotAllowed(
            f"The page {page.title} is for readers who have {needed(NEEDED[name])}. "
            "Choose another page."
        )
    if (protected or name in NEEDS_MARTS) and not versions.fits(
        home, state.generation, protected=protected
    ):
        st.info(versions.SENTENCE, title="A refresh is due", icon=":material/update:")
        st.stop()
    used = USED[name] - (UNPLACED.get(name, frozenset()) | UNFOLDED if protected else frozenset())
    scope = filters.sidebar(home, state.generation, name, used, protected=protected)
    if protected and name in UNPLACED:
        scope = replace(scope, service_lines=(), locations=())
    if "basis" not in used:
        scope = replace(scope, basis=OWN)
    chosen = filters.codes(used) | own_choices(name)
    draw_saved.menu(home, reader, name, chosen, partial(_page_of, menu, reader))
    _signed_in(reader)
    watch.until_it_ends(home, NEEDED.get(name, SEE))
    if protected and "period" in used:
        about, *_ = filters.choices(home, state.generation, protected=True)
        if said := untold(about):
            title = "The first weeks are not over yet"
            st.info(said, title=title, icon=":material/hourglass_empty:")
            st.stop()
    frame.enter(frame.Context(home, state.generation, scope, state, reader))
    try:
        page.run()
    finally:
        frame.enter(None)


def _nothing_yet(home: Home, reader: Reader, name: str) -> NoReturn:
    """What to do before the first refresh; how it fares is told on its page already."""
    st.info(
        "Run `caretrace refresh` to load your sources, or `caretrace demo` to see a "
        "simulated health system. This page shows the result as soon as it is published.",
        title="There is nothing to show yet",
        icon=":material/hourglass_empty:",
    )
    if name == "data-health" and reader.may(OPERATE):
        live.refreshes(home)
    watch.until_published(home)
    st.stop()


def _page_of(
    menu: dict[str, list[StreamlitPage]], reader: Reader, name: str
) -> StreamlitPage | None:
    """The page of an address; none where there is no such page for this reader."""
    if name not in NEEDED or not reader.may(NEEDED[name]):
        return None
    return next((page for pages in menu.values() for page in pages if page.url_path == name), None)


def _meaning(menu: dict[str, list[StreamlitPage]], name: str) -> draw.Meaning | None:
    """Where the numbers of a page are explained; nothing where it shows none that is defined."""
    if name not in METRIC_PAGES:
        return None
    page = next(each for each in menu["Operations"] if each.url_path == "definitions")
    return draw.Meaning(page, name)


def _listed(reader: Reader, url: str) -> bool:
    return reader.may(NEEDED[url]) and (reader.may(SMALL_CELLS) or url not in UNTOLD)


def _nobody() -> NoReturn:
    """The session is over, or nobody can sign in: not a name, not a number."""
    st.session_state.clear()
    st.navigation([st.Page(lambda: None, title="Sign in", url_path="start", default=True)])
    st.set_page_config(page_title="Sign in · caretrace", page_icon=MARK)
    st.info(
        "Your session is over, or has no role here any more. Load this page again to sign in.",
        title="Sign in",
        icon=":material/lock:",
    )
    st.stop()


def _signed_in(reader: Reader) -> None:
    """Who reads, and the way out."""
    if reader.name == access.VISITOR.name:
        return
    with st.sidebar:
        # As text: as Markdown an address would become a link.
        st.text(f"Signed in as {reader.name}")
        st.button("Sign out", on_click=st.logout, icon=":material/logout:")


def _menu(reader: Reader) -> dict[str, list[StreamlitPage]]:
    """Every page; those that the reader may not see have an address, and say so, but no entry."""
    menu = {
        section: [
            st.Page(
                PAGES / path,
                title=title,
                url_path=url,
                visibility="visible" if _listed(reader, url) else "hidden",
            )
            for path, title, url in pages
        ]
        for section, pages in SECTIONS.items()
    }
    # Streamlit's default page has no address but /, which the server leads to the first page.
    start = PAGES / SECTIONS["Acquisition"][0][0]
    menu["Operations"].append(
        st.Page(start, title="Overview", url_path="start", visibility="hidden", default=True)
    )
    return menu


main()
