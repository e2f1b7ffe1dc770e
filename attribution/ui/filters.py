"""The filters beside every page; their values live in the address, so a view can be shared."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache

import streamlit as st

from attribution import queries
from attribution.metrics import KINDS, definition
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import About, Scope
from attribution.ui import formats
from attribution.ui.scope import (
    DEFAULT_KIND,
    DEFAULT_MODEL,
    DEFAULT_PERIOD,
    PERIODS,
    scope_of,
)

ALL = frozenset({"period", "kind", "model", "service", "location"})


@lru_cache(maxsize=4)
def choices(home: Home, generation: int) -> tuple[About, tuple[str, ...], tuple[str, ...]]:
    """What a generation can be narrowed by: its weeks, service lines, locations."""
    marts = queries.marts(home, generation)
    return queries.about(marts), queries.service_lines(marts), queries.locations(marts)


def sidebar(home: Home, generation: int, used: frozenset[str]) -> Scope:
    """Draw the filters that a page uses and return what they say, checked again here."""
    about, service_lines, locations = choices(home, generation)
    said: dict[str, object] = {}
    if used:
        with st.sidebar:
            said = _drawn(about, service_lines, locations, used)
    scope = scope_of(about, said, service_lines=service_lines, locations=locations)
    if used:
        st.sidebar.caption(formats.weeks(scope.since, scope.until, scope.weeks))
    return scope


def _drawn(
    about: About,
    service_lines: tuple[str, ...],
    locations: tuple[str, ...],
    used: frozenset[str],
) -> dict[str, object]:
    said: dict[str, object] = {}
    if "model" in used:
        said["model"] = _one(
            "Credit model",
            "model",
            {name: model.title for name, model in MODELS.items()},
            DEFAULT_MODEL,
            "How the touches before a conversion share its credit.",
        )
    if "kind" in used:
        kinds = {kind: definition(name).title for kind, name in KINDS.items()}
        help_ = "What the bars and the attributed share count."
        said["kind"] = _one("Conversion", "kind", kinds, DEFAULT_KIND, help_)
    said["period"] = _one("Period", "period", PERIODS, DEFAULT_PERIOD, "Whole weeks, Monday first.")
    if said["period"] == "custom":
        said |= _custom_weeks(about)
    for key, label, options in (
        ("service", "Service lines", service_lines),
        ("location", "Locations", locations),
    ):
        said[key] = st.multiselect(
            label,
            options,
            format_func=formats.title,
            key=key,
            placeholder="All",
            bind="query-params",
        )
    return said


def _one(label: str, key: str, titles: Mapping[str, str], default: str, help_: str) -> str | None:
    names = list(titles)
    return st.selectbox(
        label,
        names,
        index=names.index(default),
        format_func=lambda name: titles.get(name, name),
        key=key,
        help=help_,
        bind="query-params",
    )


def _custom_weeks(about: About) -> dict[str, object]:
    last = about.last_week + timedelta(days=6)
    ends: dict[str, tuple[str, date]] = {
        "from": ("From the week of", max(about.first_week, about.last_week - timedelta(weeks=12))),
        "to": ("To the week of", about.last_week),
    }
    return {
        key: st.date_input(
            label,
            value,
            min_value=about.first_week,
            max_value=last,
            format="YYYY-MM-DD",
            key=key,
            bind="query-params",
        )
        for key, (label, value) in ends.items()
    }
