"""A file that a page hands over: who may take it, its button, and the line in the audit log."""

import secrets
from collections.abc import Callable, Mapping
from typing import Literal

import streamlit as st

from attribution.reports.asking import audit_export
from attribution.roles import EXPORT
from attribution.ui import access
from attribution.ui.frame import Context

Kind = Literal["pdf", "xlsx", "csv"]
KINDS: dict[Kind, tuple[str, str, str]] = {
    "pdf": ("PDF", "application/pdf", ":material/picture_as_pdf:"),
    "xlsx": (
        "Excel workbook",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ":material/table:",
    ),
    "csv": ("CSV", "text/csv", ":material/description:"),
}


def may(context: Context) -> bool:
    """Whether the reader may take reports away; says so where not."""
    if context.reader.may(EXPORT):
        return True
    st.caption(access.NOT_EXPORTED)
    return False


def button(
    context: Context,
    kind: Kind,
    make: Callable[[], bytes],
    report: str = "channel report",
    *,
    small: bool,
    name: str = "channels",
    filters: Mapping[str, object] | None = None,
    prefix: str = "",
    width: Literal["stretch", "content"] = "stretch",
) -> None:
    """The button that hands a report over; who takes it away is written down."""
    title, mime, icon = KINDS[kind]
    st.download_button(
        f"{prefix}{title}",
        audited(context, kind, make, report, small=small, filters=filters),
        file_name(context, kind, name),
        mime,
        key=f"export_{kind}",
        on_click="ignore",
        icon=icon,
        width=width,
    )


def small_cells() -> bool:
    """Ask whether counts of a few people are meant to be in the file."""
    return st.toggle(
        "With small cells",
        key="export_small_cells",
        help="Counts of fewer than eleven people as they are. The file is for use inside the "
        "organisation only and says so; the audit log says that you asked for it.",
    )


def file_name(context: Context, kind: str, report: str = "channels") -> str:
    """A name with a random part: large downloads of one name and size can share an address."""
    if "export_id" not in st.session_state:
        st.session_state["export_id"] = secrets.token_hex(4)
    scope = context.scope
    return f"{report}-{scope.since}-{scope.until}-{st.session_state['export_id']}.{kind}"


def audited(
    context: Context,
    kind: Kind,
    make: Callable[[], bytes],
    report: str = "channel report",
    *,
    small: bool = False,
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
        audit_export(
            context.home,
            reader.name,
            context.generation,
            about,
            kind,
            content,
            report,
            small_cells=small,
        )
        return content

    return made
