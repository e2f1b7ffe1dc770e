"""The filters beside every page; their values live in the address, so a view can be shared.

Streamlit can bind a widget to the address by itself, but then writes the words of its options
there, and forgets it on pages that do not draw it. Here the address holds codes, for every page.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache

import streamlit as st

from attribution import queries
from attribution.date_basis import BASES, OWN
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

KEYS = ("period", "from", "to", "service", "location", "model", "kind", "basis")
SEVERAL = ("service", "location")
_SEEN = "filters_seen"
_BASIS = (
    "Which day puts a conversion into the period. By the day it happened: inquiry, booking, visit, "
    "posting, as finance counts. By the touch: when marketing worked, as media is planned; the "
    "newest weeks are still filling."
)
ALL = frozenset({"period", "kind", "model", "service", "location", "basis"})


@lru_cache(maxsize=8)
def choices(
    home: Home, generation: int, *, protected: bool
) -> tuple[About, tuple[str, ...], tuple[str, ...]]:
    """What a generation can be narrowed by: its weeks, service lines, locations."""
    marts = queries.marts(home, generation, protected=protected)
    return queries.about(marts), queries.service_lines(marts), queries.locations(marts)


def sidebar(
    home: Home, generation: int, page: str, used: frozenset[str], *, protected: bool
) -> Scope:
    """Draw the filters that a page uses; what all of them say is in the address afterwards."""
    about, service_lines, locations = choices(home, generation, protected=protected)

    def checked(said: Mapping[str, object]) -> Scope:
        return scope_of(about, said, service_lines=service_lines, locations=locations)

    wanted = _from_address() if _address_moved(page) else _from_session()
    _remember(wanted, checked(wanted))
    if used:
        with st.sidebar:
            _draw(about, service_lines, locations, used)
    said = _from_session()
    scope = checked(said)
    if "period" in used:
        st.sidebar.caption(formats.weeks(scope.since, scope.until, scope.weeks))
    _to_address(page, said)
    return scope


def codes(used: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """The filters of a page as an address says them, the usual ones too: a view is whole."""
    said = _from_session()
    found = {}
    for key in KEYS:
        value = said.get(key)
        wanted = key in used or (key in ("from", "to") and "period" in used)
        if not wanted or not value or (key in ("from", "to") and said["period"] != "custom"):
            continue
        found[key] = tuple(map(str, value)) if isinstance(value, list) else (str(value),)
    return found


def _from_session() -> dict[str, object]:
    return {key: st.session_state.get(key) for key in KEYS}


def _from_address() -> dict[str, object]:
    every = {key: st.query_params.get_all(key) for key in KEYS}
    return {
        key: values if key in SEVERAL else values[-1] for key, values in every.items() if values
    }


def _address_moved(page: str) -> bool:
    """Whether the address says something new: a link, a step back, an edit by hand.

    A filter that the reader has just changed wins over the address, which may not have caught up;
    and an address that a change of pages has emptied says nothing.
    """
    seen = st.session_state.get(_SEEN)
    if seen is None:
        return True
    address = _from_address()
    chosen_now = seen["said"] != _from_session()
    changed_page = seen["page"] != page and not address
    return not chosen_now and not changed_page and address != seen["address"]


def _remember(wanted: Mapping[str, object], scope: Scope) -> None:
    """Put the checked values where the widgets find them."""
    period = wanted.get("period")
    sound: dict[str, object] = {
        "period": period if period in PERIODS else DEFAULT_PERIOD,
        "from": scope.since,
        "to": scope.until,
        "service": list(scope.service_lines),
        "location": list(scope.locations),
        "model": scope.model,
        "kind": scope.kind,
        "basis": scope.basis,
    }
    for key, value in sound.items():
        if st.session_state.get(key) != value:
            st.session_state[key] = value


def _to_address(page: str, said: Mapping[str, object]) -> None:
    usual = {
        "period": DEFAULT_PERIOD,
        "model": DEFAULT_MODEL,
        "kind": DEFAULT_KIND,
        "basis": OWN,
    }
    address: dict[str, object] = {
        key: value for key, value in said.items() if value and value != usual.get(key)
    }
    for key in ("from", "to"):
        address.pop(key, None)
        if said["period"] == "custom":
            address[key] = str(said[key])
    for key in KEYS:
        values = address.get(key)
        if values is None:
            st.query_params.pop(key, None)
        elif st.query_params.get_all(key) != (values if key in SEVERAL else [values]):
            st.query_params[key] = values  # type: ignore[assignment]
    st.session_state[_SEEN] = {"page": page, "address": address, "said": dict(said)}


def _draw(
    about: About,
    service_lines: tuple[str, ...],
    locations: tuple[str, ...],
    used: frozenset[str],
) -> None:
    if "model" in used:
        models = {name: model.title for name, model in MODELS.items()}
        _one("Credit model", "model", models, "How the touches of a journey share its credit.")
    if "kind" in used:
        kinds = {kind: definition(name).title for kind, name in KINDS.items()}
        _one("Conversion", "kind", kinds, "What the bars and the known share count.")
    if "period" in used:
        _one("Period", "period", PERIODS, "Whole weeks, Monday first.")
        if st.session_state["period"] == "custom":
            _custom_weeks(about)
    if "basis" in used:
        _one("Counted by", "basis", BASES, _BASIS)
    for key, label, options in (
        ("service", "Service lines", service_lines),
        ("location", "Locations", locations),
    ):
        if key in used:
            st.multiselect(
                label,
                options,
                format_func=formats.apart(options),
                key=key,
                placeholder="All",
                persist_state="session",
            )


def _one(label: str, key: str, titles: Mapping[str, str], help_: str) -> None:
    st.selectbox(
        label,
        list(titles),
        format_func=lambda name: titles.get(name, name),
        key=key,
        help=help_,
        persist_state="session",
    )


def _custom_weeks(about: About) -> None:
    last = about.last_week + timedelta(days=6)
    for key, label in (("from", "From the week of"), ("to", "To the week of")):
        st.date_input(
            label,
            min_value=about.first_week,
            max_value=last,
            format="YYYY-MM-DD",
            key=key,
            persist_state="session",
        )
