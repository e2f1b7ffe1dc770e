"""The shell around every page: menu, filters, freshness, then the page itself.

It is the server's main script, so that every address, also the first one after a start, runs
through it: a folder `pages` beside the main script would let Streamlit run a page alone.
"""

import streamlit as st

from attribution import settings
from attribution.paths import PAGES
from attribution.ui import draw, filters, frame
from attribution.ui.freshness import freshness

SECTIONS = {
    "Acquisition": (
        ("acquisition/overview.py", "Overview", "overview", ":material/monitoring:"),
        ("acquisition/channels.py", "Channels", "channels", ":material/hub:"),
    ),
    "Retention": (
        ("retention/reactivation.py", "Reactivation", "reactivation", ":material/replay:"),
    ),
    "Operations": (
        ("operations/data_health.py", "Data health", "data-health", ":material/health_metrics:"),
    ),
}
# A filter without effect on a page would mislead, so each page says which it uses.
USED = {
    "channels": filters.ALL,
    "reactivation": frozenset({"period", "service", "location"}),
    "data-health": frozenset(),
}
FIRST_PAGE = "overview"


def main() -> None:
    """Run one page for one reader."""
    home = settings.home()
    state = freshness(home)
    frame.enter(None)
    st.set_page_config(page_title="caretrace", page_icon=":material/ecg_heart:", layout="wide")
    page = st.navigation(
        {
            section: [
                st.Page(
                    PAGES / path,
                    title=title,
                    url_path=url,
                    icon=icon,
                    default=url == FIRST_PAGE,
                )
                for path, title, url, icon in pages
            ]
            for section, pages in SECTIONS.items()
        }
    )
    draw.heading(page.title, state)
    if state.generation is None:
        st.info(
            "Run `caretrace refresh` to load your sources, or `caretrace demo` to see a "
            "simulated health system. This page shows the result as soon as it is published.",
            title="There is nothing to show yet",
            icon=":material/hourglass_empty:",
        )
        st.stop()
    name = page.url_path or FIRST_PAGE
    used = USED.get(name, frozenset({"period", "service", "location"}))
    scope = filters.sidebar(home, state.generation, used)
    frame.enter(frame.Context(home, state.generation, scope, state))
    try:
        page.run()
    finally:
        frame.enter(None)


main()
