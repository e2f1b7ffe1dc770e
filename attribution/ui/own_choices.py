"""What each page chooses by itself, beside the filters at its side: it is in the address as well.

Streamlit keeps a choice there under the key of its widget, in the words of its options. Pages about
single people keep nothing there.
"""

import streamlit as st

_COHORT = (
    *("line", "lapse", "age", "place", "response", "zip3", "silent"),
    "condition",
)
# By page, the keys of its widgets that are bound to the address.
KEYS = {
    "channels": ("channel",),
    "attribution": ("why_open", "why", "why_model"),
    "reconcile": ("platform",),
    "reactivation": ("reach_open",),
    "cohorts": (*_COHORT, "against", *(f"second_{key}" for key in _COHORT)),
    "forecast": ("number", "by", "of_channel", "of_service_line", "of_location"),
    "lift": ("lift_test", "lift_channel", "lift_kind", "lift_how", "lift_unit"),
    "budget": ("plan_objective", "plan_move", "plan_careful", "plan_locked"),
    "reports": ("report_name",),
    "definitions": ("of",),
}


def own_choices(page: str) -> dict[str, tuple[str, ...]]:
    """What is chosen on a page now, as its address says it; the usual choices are not in it."""
    every = {key: tuple(st.query_params.get_all(key)) for key in KEYS.get(page, ())}
    return {key: values for key, values in every.items() if values}
