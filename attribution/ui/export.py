"""The download of what a page shows, as a file with real numbers."""

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import streamlit as st

from attribution.group_queries import Group
from attribution.reports.about import about_report
from attribution.reports.channels import channel_report
from attribution.reports.export import audit_export
from attribution.reports.patient_groups import NAME as COHORT_REPORT
from attribution.reports.patient_groups import cohort_report, filters_of
from attribution.reports.reconcile import reconcile_report
from attribution.roles import EXPORT
from attribution.ui import access
from attribution.ui.frame import Context
from attribution.ui.view import View
from attribution.ui.views import patient_groups as views

_KINDS: dict[Literal["csv", "xlsx"], tuple[str, str, str]] = {
    "xlsx": (
        "Excel workbook",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ":material/table:",
    ),
    "csv": ("CSV", "text/csv", ":material/description:"),
}


def channels(view: View, context: Context) -> None:
    """Offer the channel report of what the page shows to those who may take it away."""
    if not context.reader.may(EXPORT):
        st.caption(access.NOT_EXPORTED)
        return
    about = about_report("Channel report", context.generation, context.scope, context.freshness)
    with st.popover("Export", icon=":material/download:", key="export"):
        st.caption("The numbers of this page under the chosen filters.")
        for kind, (title, mime, icon) in _KINDS.items():
            st.download_button(
                title,
                audited(context, kind, partial(channel_report, view, about, kind)),
                file_name(context, kind),
                mime,
                key=f"export_{kind}",
                on_click="ignore",
                icon=icon,
                width="stretch",
            )


def reconcile(view: View, context: Context) -> None:
    """Offer claims, credit and causes of each campaign as CSV."""
    if not context.reader.may(EXPORT):
        st.caption(access.NOT_EXPORTED)
        return
    title, mime, icon = _KINDS["csv"]
    make = audited(context, "csv", lambda: reconcile_report(view), "reconcile report")
    with st.popover("Export", icon=":material/download:", key="export"):
        st.caption("The campaigns of this page under the chosen filters.")
        st.download_button(
            title,
            make,
            file_name(context, "csv", "reconcile"),
            mime,
            key="export_csv",
            on_click="ignore",
            icon=icon,
            width="stretch",
        )


def patient_groups(context: Context, group: Group, other: Group | None) -> None:
    """Offer everything about a cohort and what it is compared with as CSV, small cells folded."""
    if not context.reader.may(EXPORT):
        st.caption(access.NOT_EXPORTED)
        return
    title, mime, icon = _KINDS["csv"]

    def report() -> bytes:
        # A file leaves: no reader takes small cells away.
        return cohort_report(
            views.patient_groups(context.home, context.generation, group, other, protected=True)
        )

    make = audited(context, "csv", report, COHORT_REPORT, filters_of(group, other))
    with st.popover("Export", icon=":material/download:", key="export"):
        st.caption("The cohort and what it is compared with, small cells folded.")
        st.download_button(
            title,
            make,
            file_name(context, "csv", "cohorts"),
            mime,
            key="export_csv",
            on_click="ignore",
            icon=icon,
            width="stretch",
        )


def file_name(context: Context, kind: str, report: str = "channels") -> str:
    """A name with a random part: large downloads of one name and size can share an address."""
    if "export_id" not in st.session_state:
        st.session_state["export_id"] = secrets.token_hex(4)
    scope = context.scope
    return f"{report}-{scope.since}-{scope.until}-{st.session_state['export_id']}.{kind}"


def audited(
    context: Context,
    kind: Literal["csv", "xlsx"],
    make: Callable[[], bytes],
    report: str = "channel report",
    filters: Mapping[str, object] | None = None,
) -> Callable[[], bytes]:
    """What makes a report, and writes down who took it away; `filters` where no scope says."""
    # Here, where there is a session: the file is made on another thread, outside any script.
    session = access.token(context.home)
    access.exporter(context.home, session)

    def made() -> bytes:
        # Again: a button stays on an open page when the role or the session is gone.
        reader = access.exporter(context.home, session)
        content, about = make(), context.scope if filters is None else filters
        audit_export(context.home, reader.name, context.generation, about, kind, content, report)
        return content

    return made
