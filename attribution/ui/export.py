"""The download of what a page shows, as a file with real numbers."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from importlib.util import find_spec
from typing import Literal

import streamlit as st

from attribution import planning, queries
from attribution.group_queries import Group
from attribution.planning import Request
from attribution.queries import Scope
from attribution.reports.about import SMALL_CELLS
from attribution.reports.asking import audit_export
from attribution.reports.catalog import REPORTS, earlier, rendered
from attribution.reports.experience import NAME as EXPERIENCE_REPORT
from attribution.reports.experience import experience_report
from attribution.reports.forecast import NAME as FORECAST_REPORT
from attribution.reports.forecast import forecast_report
from attribution.reports.messages import NAMES as MESSAGE_REPORTS
from attribution.reports.messages import VIEWS as MESSAGE_VIEWS
from attribution.reports.messages import message_report
from attribution.reports.patient_groups import NAME as COHORT_REPORT
from attribution.reports.patient_groups import cohort_report, filters_of
from attribution.reports.plans import NAME as PLAN_REPORT
from attribution.reports.plans import plan_report
from attribution.reports.printed import MISSING
from attribution.reports.reconcile import reconcile_report
from attribution.reports.rejects import NAME as REJECTS_REPORT
from attribution.reports.rejects import rejects_report
from attribution.roles import EXPORT
from attribution.ui import access, filters, formats
from attribution.ui.frame import Context
from attribution.ui.scope import protected_scope
from attribution.ui.views.experience import experience as experience_view
from attribution.ui.views.patient_groups import patient_groups as patient_groups_view
from attribution.ui.views.reconcile import reconcile as reconcile_view

Kind = Literal["pdf", "xlsx", "csv"]
_KINDS: dict[Kind, tuple[str, str, str]] = {
    "pdf": ("PDF", "application/pdf", ":material/picture_as_pdf:"),
    "xlsx": (
        "Excel workbook",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ":material/table:",
    ),
    "csv": ("CSV", "text/csv", ":material/description:"),
}


def channels(context: Context) -> None:
    """Offer the channel report of what the page shows to those who may take it away.

    Small cells are folded in it, whatever the page shows, unless somebody asks for them.
    """
    _offered(
        context,
        "channels",
        "The numbers of this page under the chosen filters.",
        "all service lines and locations: small campaigns are told together.",
    )


def reactivation(context: Context) -> None:
    """Offer the reactivation report of what the page shows."""
    _offered(
        context,
        "reactivation",
        "The numbers of this page under the chosen filters, with the way back.",
        "all service lines and locations, small groups told together, without the way back.",
    )


def _offered(context: Context, report: str, whole: str, folded: str) -> None:
    """The buttons of one report of the catalogue, in every format that a page hands over."""
    if not _may(context):
        return
    with st.popover("Export", icon=":material/download:", key="export"):
        small = _small_cells()
        scope = context.scope if small else _protected(context)
        span = formats.weeks(scope.since, scope.until, scope.weeks)
        st.caption(whole if small else f"{span}, {folded}")
        context = replace(context, scope=scope)
        title = REPORTS[report].title.lower()
        for kind in _KINDS:
            if kind == "pdf" and find_spec("typst") is None:
                st.caption(MISSING)
                continue
            made = partial(_of_catalogue, context, report, kind, small)
            _button(context, kind, made, title, small=small, name=report)


def _of_catalogue(context: Context, report: str, kind: Kind, small: bool) -> bytes:
    return rendered(
        context.home,
        context.generation,
        report,
        kind,
        context.scope,
        small_cells=small,
        since_generation=earlier(context.home, context.generation),
        reader=context.reader,
    ).content


def _may(context: Context) -> bool:
    """Whether the reader may take reports away; says so where not."""
    if context.reader.may(EXPORT):
        return True
    st.caption(access.NOT_EXPORTED)
    return False


def _button(
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
    title, mime, icon = _KINDS[kind]
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


def _protected(context: Context) -> Scope:
    about, *_ = filters.choices(context.home, context.generation, protected=True)
    return protected_scope(context.scope, about)


def _small_cells() -> bool:
    return st.toggle(
        "With small cells",
        key="export_small_cells",
        help="Counts of fewer than eleven people as they are. The file is for use inside the "
        "organisation only and says so; the audit log says that you asked for it.",
    )


def reconcile(context: Context) -> None:
    """Offer claims, credit and causes of each campaign as CSV: all of them are small cells."""
    if not _may(context):
        return

    def made() -> bytes:
        view = reconcile_view(context.home, context.generation, context.scope)
        return reconcile_report(view, SMALL_CELLS[True])

    with st.popover("Export", icon=":material/download:", key="export"):
        st.caption("The campaigns of this page under the chosen filters.")
        if not _small_cells():
            st.caption("Most of them are of few people: this file is made with small cells only.")
            return
        _button(context, "csv", made, "reconcile report", small=True, name="reconcile")


def rejects(context: Context) -> None:
    """Offer every row that was kept out, as CSV; quietly nothing where there is none to give."""
    if not context.reader.may(EXPORT):
        return
    make = partial(rejects_report, context.home, context.generation)
    _button(
        context, "csv", make, REJECTS_REPORT, small=False, filters={}, name="rejected-rows",
        prefix="Rejected rows as ", width="content",
    )  # fmt: skip


def forecast(context: Context) -> None:
    """Offer every forecast as CSV; small series are among them, so it is for use inside."""
    if not _may(context):
        return

    def made() -> bytes:
        return forecast_report(context.home, context.generation, SMALL_CELLS[True])

    with st.popover("Export", icon=":material/download:", key="export"):
        st.caption("All numbers, channels, service lines and locations that are forecast.")
        if not _small_cells():
            st.caption("Some are of few people: this file is made with small cells only.")
            return
        _button(context, "csv", made, FORECAST_REPORT, small=True, filters={}, name="forecast")


def patient_groups(context: Context, group: Group, other: Group | None) -> None:
    """Offer everything about a cohort and what it is compared with as CSV."""
    if not _may(context):
        return
    with st.popover("Export", icon=":material/download:", key="export"):
        small = _small_cells()
        st.caption(
            "The numbers of this page: the cohort and what it is compared with."
            if small
            else "The cohort and what it is compared with, groups of a few told together."
        )
        _button(
            context,
            "csv",
            partial(_cohort_report, context, group, other, small),
            COHORT_REPORT,
            small=small,
            filters=filters_of(group, other),
            name="cohorts",
        )


def _cohort_report(context: Context, group: Group, other: Group | None, small: bool) -> bytes:
    view = patient_groups_view(context.home, context.generation, group, other, protected=not small)
    return cohort_report(view, SMALL_CELLS[small])


def messages(context: Context, page: str) -> None:
    """Offer everything that Engagement or Education shows as CSV."""
    if not _may(context):
        return
    with st.popover("Export", icon=":material/download:", key="export"):
        small = _small_cells()
        scope = context.scope if small else _protected(context)
        st.caption(
            "The numbers of this page in the chosen weeks."
            if small
            else f"{formats.weeks(scope.since, scope.until, scope.weeks)}: people instead of "
            "messages, without flows that reached few."
        )
        context = replace(context, scope=scope)
        _button(
            context,
            "csv",
            partial(_message_report, context, page, small),
            MESSAGE_REPORTS[page],
            small=small,
            name=page,
        )


def _message_report(context: Context, page: str, small: bool) -> bytes:
    build = MESSAGE_VIEWS[page]
    view = build(context.home, context.generation, context.scope, protected=not small)
    return message_report(view, SMALL_CELLS[small])


def experience(context: Context) -> None:
    """Offer everything that the page Experience shows as CSV."""
    if not _may(context):
        return
    with st.popover("Export", icon=":material/download:", key="export"):
        small = _small_cells()
        context = context if small else replace(context, scope=_protected(context))
        st.caption(
            "The numbers of this page under the chosen filters."
            if small
            else "NPS, groups of a few told together, and reviews; waits and what goes with NPS "
            "are in the file with small cells only."
        )
        _button(
            context,
            "csv",
            partial(_experience_report, context, small),
            EXPERIENCE_REPORT,
            small=small,
            name="experience",
        )


def _experience_report(context: Context, small: bool) -> bytes:
    view = experience_view(context.home, context.generation, context.scope, protected=not small)
    return experience_report(view, SMALL_CELLS[small])


def budget(context: Context, request: Request) -> None:
    """Offer the plan of the page as CSV; it stands on single weeks, so it stays inside."""
    if context.protected:
        return
    if not _may(context):
        return

    def made() -> bytes:
        marts = queries.marts(context.home, context.generation, protected=False)
        plan = planning.scenario(marts, request)
        return plan_report([plan], queries.about(marts).currency)

    _button(
        context, "csv", made, PLAN_REPORT, small=True, filters=asdict(request), name="budget",
        width="content", prefix="Plan as ",
    )  # fmt: skip


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
