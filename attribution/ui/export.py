"""The download of what a page shows, as a file with real numbers."""

import secrets
from collections.abc import Callable
from typing import Literal

import streamlit as st

from attribution.reports.about import about_report
from attribution.reports.channels import channel_report
from attribution.reports.export import audit_export
from attribution.roles import EXPORT
from attribution.ui import access
from attribution.ui.frame import Context
from attribution.ui.view import View

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
                _maker(view, context, about, kind),
                file_name(context, kind),
                mime,
                key=f"export_{kind}",
                on_click="ignore",
                icon=icon,
                width="stretch",
            )


def file_name(context: Context, kind: str) -> str:
    """A name with a random part: large downloads of one name and size can share an address."""
    if "export_id" not in st.session_state:
        st.session_state["export_id"] = secrets.token_hex(4)
    scope = context.scope
    return f"channels-{scope.since}-{scope.until}-{st.session_state['export_id']}.{kind}"


def _maker(
    view: View, context: Context, about: dict[str, str], kind: Literal["csv", "xlsx"]
) -> Callable[[], bytes]:
    # Here, where there is a session: the file is made on another thread, outside any script.
    reader = access.exporter(context.home)

    def made() -> bytes:
        content = channel_report(view, about, kind)
        audit_export(context.home, reader.name, context.generation, context.scope, kind, content)
        return content

    return made
