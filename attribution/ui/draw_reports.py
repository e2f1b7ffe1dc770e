"""Draws the page Reports: what is done with one report, and the form that plans one."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from typing import Any

import streamlit as st

from attribution.errors import CaretraceError
from attribution.metrics import KINDS, definition
from attribution.models import MODELS
from attribution.reports.catalog import REPORTS
from attribution.schedule.managing import Manager
from attribution.schedule.plans import Plan, planned
from attribution.schedule.slots import DAYS
from attribution.ui import access, draw, draw_preview, formats
from attribution.ui.frame import Context
from attribution.ui.scope import PERIODS
from attribution.ui.view import View
from attribution.ui.views.reports import Known, reports

_SAID = "report_said"


def manager(context: Context) -> Manager:
    """Who may manage reports, looked up anew; raises NotAllowed for who may not."""
    reader = access.exporter(context.home, access.token(context.home))
    return Manager(context.home, reader, lambda: datetime.now(UTC))


def view_of(context: Context, mine: Manager) -> tuple[View, Known]:
    """The page's view, and the plans that it shows."""
    known, zone = mine.known(), planned(context.home).week.zone
    return reports(known, mine.history(), mine.looked(), zone, datetime.now(UTC)), known


def incidents(mine: Manager) -> None:
    """What is wrong now, and what was just said."""
    if said := st.session_state.pop(_SAID, None):
        st.success(formats.prose(said), icon=":material/check:")
    for one in mine.incidents():
        st.warning(formats.prose(one["sentence"]), icon=":material/warning:")


def one_report(mine: Manager, known: Known) -> None:
    """Preview, send, hold, let go or remove one report."""
    if not known:
        return
    with st.container(border=True):
        st.markdown("**One report**", help="Whatever is done here is in the audit log.")
        name = st.selectbox("Report", list(known), key="report_name", bind="query-params")
        if name not in known:
            return
        plan, _since, held_by = known[name]
        with st.container(horizontal=True, gap="small"):
            if st.button("Preview", icon=":material/visibility:", key="report_look"):
                _try(lambda: draw_preview.look(mine, plan))
            with st.popover("Send now", icon=":material/send:", key="report_ask"):
                st.caption(
                    f"To {formats.plain(_to(plan))}. Data that are late are marked on it; it is "
                    "not held for them."
                )
                if st.button("Send it now", type="primary", key="report_send"):
                    _try(lambda: _send(mine, name))
            if held_by:
                if st.button("Let it go", icon=":material/play_arrow:", key="report_resume"):
                    _try(lambda: _done(mine.resume, name, f"{name} is sent again when it is due."))
            elif st.button("Hold", icon=":material/pause:", key="report_hold"):
                _try(lambda: _done(mine.hold, name, f"{name} is held until somebody lets it go."))
            if not plan.from_file:
                with st.popover("Remove", icon=":material/delete:", key="report_ask_remove"):
                    st.caption("What was sent stays in the history.")
                    if st.button("Remove it", key="report_remove"):
                        _try(lambda: _done(mine.remove, name, f"{name} is no longer planned."))
        draw_preview.preview(mine, plan)


def _send(mine: Manager, name: str) -> None:
    with st.spinner("It is made, looked at and sent."):
        sent = mine.send_now(name)
    st.session_state[_SAID] = f"{name}: {sent.state}. {sent.reason}".strip()
    st.rerun()


def _done(does: Callable[[str], None], name: str, said: str) -> None:
    does(name)
    st.session_state[_SAID] = said
    st.rerun()


def _try(does: Callable[[], None]) -> None:
    try:
        does()
    except CaretraceError as error:
        st.error(formats.prose(str(error)), icon=":material/error:")


def _to(plan: Plan) -> str:
    return formats.several([*plan.recipients, *([plan.folder] if plan.folder else [])])


def history(context: Context, mine: Manager, view: View) -> None:
    """What was sent, and one send's file and manifest."""
    draw.table(view, "history")
    every = mine.history()
    made = every[every["file_name"] != ""]
    if made.empty:
        return
    with st.container(border=True):
        st.markdown("**One file that was sent**")
        key = st.selectbox("Sent", list(made["key"]), key="report_sent", index=0)
        try:
            send, _ = mine.sent(str(key))
        except CaretraceError as error:
            st.caption(formats.prose(str(error)))
            return
        st.caption(formats.plain(f"{send.file_name}, SHA-256 {send.sha256[:16]}…"))
        with st.container(horizontal=True, gap="small"):
            kind = send.file_name.rpartition(".")[2]
            st.download_button(
                "File", handed(context, send.key), send.file_name, draw_preview.MIME[kind],
                key="report_sent_file", icon=":material/download:", on_click="ignore",
            )  # fmt: skip
            draw_preview.manifest(send.manifest, "report_sent_manifest")


def handed(context: Context, key: str) -> Callable[[], bytes]:
    """What hands the file of a send over, and writes down who took it away."""
    # As `download.audited`: the file is read on another thread, where there is no session.
    session = access.token(context.home)
    access.exporter(context.home, session)

    def read() -> bytes:
        # Again: a button stays on an open page when the role or the session is gone.
        reader = access.exporter(context.home, session)
        return Manager(context.home, reader, lambda: datetime.now(UTC)).take(key)

    return read


def form(mine: Manager, known: Known) -> None:
    """Plan a report, or change one that was planned here."""
    ours = [name for name, (plan, *_) in known.items() if not plan.from_file]
    folded = st.expander("Plan a report", icon=":material/add:", key="report_form")
    with folded:
        old = st.selectbox("Change", ours, index=None, placeholder="A new one", key="report_change")
        plan = known[old][0] if old else Plan("", report=next(iter(REPORTS)))
        which = REPORTS[
            st.selectbox(
                "What",
                list(REPORTS),
                index=list(REPORTS).index(plan.report),
                format_func=lambda name: REPORTS[name].title,
                key=f"report_what_{old}",
                help=" ".join(f"{one.title}: {one.sentence}" for one in REPORTS.values()),
            )
        ]
        with st.form(f"report_plan_{old}", border=False):
            table, name = _fields(plan, which.name, old)
            if st.form_submit_button("Save", type="primary", icon=":material/save:"):
                _try(lambda: _save(mine, name, table, change=bool(old)))


def _save(mine: Manager, name: str, table: Mapping[str, Any], *, change: bool) -> None:
    mine.save(name, table, change=change)
    st.session_state[_SAID] = f"{name} is planned."
    st.rerun()


def _fields(plan: Plan, report: str, old: str | None) -> tuple[dict[str, Any], str]:
    which = REPORTS[report]
    hears = set(which.filters)
    filters: dict[str, Any] = {}
    with st.grid(3, min_column_width=220, gap="small"):
        name = st.text_input(
            "Name", plan.name, max_chars=64, disabled=bool(old), placeholder="board",
            key=f"report_field_name_{old}", help="Letters, digits, - and _: it is in the history.",
        )  # fmt: skip
        fmt = _choice("Format", which.formats, plan.format, old, str.upper)
        if "period" in hears:
            known = [period for period in PERIODS if period != "custom"]
            period = str(plan.filters.get("period", "13w"))
            filters["period"] = _choice("Period", known, period, old, PERIODS.__getitem__)
        if "kind" in hears:
            kind = str(plan.filters.get("kind", "booked"))
            filters["kind"] = _choice(
                "Conversion", list(KINDS), kind, old, lambda one: definition(KINDS[one]).title
            )
        if "model" in hears:
            model = str(plan.filters.get("model", "position"))
            filters["model"] = _choice(
                "Credit model", list(MODELS), model, old, lambda one: MODELS[one].title
            )
        days = [*DAYS, *(str(day) for day in range(1, 29))]
        day = _choice(
            "Day", days, plan.day, old,
            lambda one: f"Day {one} of the month" if one.isdigit() else f"Every {one.title()}",
        )  # fmt: skip
        at = st.time_input(
            "Time", time.fromisoformat(plan.time), key=f"report_field_time_{old}",
            help="On the clock of the schedule's time zone.",
        )  # fmt: skip
        deadline = st.number_input(
            "Hold at most, hours", 0.0, 672.0, plan.deadline_hours, 12.0, "%g",
            key=f"report_field_deadline_{old}",
            help="So long it waits for late sources; then it is sent with a banner.",
        )  # fmt: skip
        owner = st.text_input(
            "Owner", plan.owner, key=f"report_field_owner_{old}", placeholder="name@clinic.example",
            help="Is told when it is held or fails.",
        )  # fmt: skip
    with st.grid(2, min_column_width=320, gap="small"):
        to = _whom(plan, old)
        folder = _folder(plan, old)
    return {
        "report": report,
        "format": fmt,
        "filters": filters,
        "recipients": [line.strip() for line in to.splitlines() if line.strip()],
        "folder": folder.strip(),
        "day": day,
        "time": at.strftime("%H:%M"),
        "deadline_hours": float(deadline),
        "owner": owner.strip(),
        "max_age_days": dict(plan.max_age_days),
    }, (old or name).strip()


def _whom(plan: Plan, old: str | None) -> str:
    return st.text_area(
        "To",
        "\n".join(plan.recipients),
        key=f"report_field_to_{old}",
        height=90,
        placeholder="name@clinic.example",
        help="E-mail addresses, one a line. All get the same file.",
    )


def _folder(plan: Plan, old: str | None) -> str:
    return st.text_input(
        "Folder",
        plan.folder,
        key=f"report_field_folder_{old}",
        placeholder="None",
        help="On the computer that runs the schedule; instead of addresses, or beside them. Where "
        "systemd runs it, print its unit again: it may write no folder that it does not name.",
    )


def _choice(
    title: str, known: Any, chosen: str, old: str | None, said: Callable[[str], str]
) -> str:
    every = list(known)
    place = every.index(chosen) if chosen in every else 0
    key = f"report_field_{title.split()[0].lower()}_{old}"
    return str(st.selectbox(title, every, index=place, format_func=said, key=key))
