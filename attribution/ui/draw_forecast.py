"""Draws the choice of what is forecast; it lives in the address."""

from collections.abc import Mapping
from functools import lru_cache

import streamlit as st

from attribution import queries
from attribution.forecast_queries import Asked, forecast_members
from attribution.metrics import KINDS, definition
from attribution.models.forecast_series import ALL, REST, TOTAL
from attribution.paths import Home
from attribution.ui import formats
from attribution.ui.frame import Context

_BY = {TOTAL: "Everything", "channel": "Channel", "service_line": "Service line"}
BY = _BY | {"location": "Location"}


@lru_cache(maxsize=8)
def _known(
    home: Home, generation: int, *, protected: bool
) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    return forecast_members(queries.marts(home, generation, protected=protected))


def chosen(context: Context) -> Asked:
    """The series that the reader chooses; the default where there is none to choose from."""
    known = _known(context.home, context.generation, protected=context.protected)
    if not known:
        return Asked()
    usual = Asked().metric if Asked().metric in known else next(iter(known))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        metric = st.selectbox(
            "Number",
            list(known),
            index=list(known).index(usual),
            format_func=_number_title,
            key="number",
            width=200,
            bind="query-params",
        )
        parts = known[metric]
        dimension = st.segmented_control(
            "Of",
            list(parts),
            default=TOTAL,
            required=True,
            format_func=lambda name: BY[name],
            key="by",
            bind="query-params",
        )
        if dimension not in parts or dimension == TOTAL:
            return Asked(metric)
        member = st.selectbox(
            BY[dimension],
            parts[dimension],
            format_func=formats.apart(parts[dimension], member_title),
            key=f"of_{dimension}",
            width=240,
            bind="query-params",
        )
    return Asked(metric, dimension, member if member in parts[dimension] else parts[dimension][0])


def _number_title(metric: str) -> str:
    return definition(KINDS.get(metric, metric)).title


def member_title(member: str) -> str:
    """A member in words."""
    return {ALL: "Everything", REST: "All others together"}.get(member, formats.title(member))
