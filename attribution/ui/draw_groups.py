"""Draws the choice of a cohort, and of what it is compared with; both live in the address."""

from collections.abc import Mapping
from functools import lru_cache, partial

import streamlit as st

from attribution import group_queries, queries
from attribution.group_queries import DIMENSIONS, Group, group_of
from attribution.paths import Home
from attribution.ui import formats
from attribution.ui.frame import Context
from attribution.ui.views.group_words import HELP, TITLES, value_title
from attribution.ui.views.patient_groups import OTHERS, SECOND

# The tables of the page, in their order; of ways there is nothing else to see.
TABLES = ("way", "service_line", "location", "zip3", "months_silent", "condition")
_AGAINST = (OTHERS, SECOND)
# Not the key of a filter at the side, which keeps codes in the address and no words.
_KEYS = {
    "service_line": "line",
    "age_band": "age",
    "location": "place",
    "months_silent": "silent",
}


@lru_cache(maxsize=8)
def known(home: Home, generation: int, *, protected: bool) -> Mapping[str, tuple[str, ...]]:
    """What the groups of a generation can be narrowed to, by dimension."""
    return group_queries.known_values(queries.marts(home, generation, protected=protected))


def chosen(context: Context) -> tuple[Group, Group | None]:
    """The cohort that the reader chooses, and the one beside it; None is everyone else."""
    values = known(context.home, context.generation, protected=context.protected)
    with st.container(border=True):
        group = _group("Cohort", "", values)
        against = st.segmented_control(
            "Compare with",
            _AGAINST,
            default=OTHERS,
            required=True,
            key="against",
            bind="query-params",
        )
        other = _group(SECOND, "second_", values) if against == SECOND else None
    return group, other


def _group(title: str, prefix: str, known: Mapping[str, tuple[str, ...]]) -> Group:
    st.markdown(f"**{title}**")
    said: dict[str, object] = {}
    with st.grid(4, min_column_width=168, gap="small"):
        for name in DIMENSIONS:
            said[name] = st.multiselect(
                TITLES[name],
                known[name],
                format_func=formats.apart(known[name], partial(value_title, name)),
                key=f"{prefix}{_KEYS.get(name, name)}",
                placeholder="All",
                help=HELP[name],
                bind="query-params",
            )
        said["condition"] = st.selectbox(
            TITLES["condition"],
            known["condition"],
            index=None,
            format_func=formats.apart(known["condition"], partial(value_title, "condition")),
            key=f"{prefix}condition",
            placeholder="Any or none",
            help=HELP["condition"],
            bind="query-params",
        )
    return group_of(said, known)
