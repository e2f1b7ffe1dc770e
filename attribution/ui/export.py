"""The download of what a page shows, as a file with real numbers."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from importlib.util import find_spec

import streamlit as st

from attribution import planning, queries
from attribution.planning import Request
from attribution.queries import Scope
from attribution.reports.about import SMALL_CELLS
from attribution.reports.catalog import REPORTS, earlier, rendered
from attribution.reports.experience import NAME as EXPERIENCE_REPORT
from attribution.reports.experience import experience_report
from attribution.reports.forecast import NAME as FORECAST_REPORT
from attribution.reports.forecast import forecast_report
from attribution.reports.messages import NAMES as MESSAGE_REPORTS
from attribution.reports.messages import VIEWS as MESSAGE_VIEWS
from attribution.reports.messages import message_report
from attribution.reports.plans import NAME as PLAN_REPORT
from attribution.reports.plans import plan_report
from attribution.reports.printed import MISSING
from attribution.reports.reconcile import reconcile_report
from attribution.reports.rejects import NAME as REJECTS_REPORT
from attribution.reports.rejects import rejects_report
from attribution.roles import EXPORT
from attribution.ui import filters, formats
from attribution.ui.download import KINDS, Kind, button, may, small_cells
from attribution.ui.frame import Context
from attribution.ui.scope import protected_scope, untold
from attribution.ui.views.experience import experience as experience_view
from attribution.ui.views.reconcile import reconcile as reconcile_view


def channels(context: Context) -> None:
    """Offer the channel report of what the page shows to those who may take it away.

    Small cells are folded in it, whatever the page shows, unless somebody asks for them.
    """
    _offered(
        context,
        "The numbers of this page under the chosen filters.",
        ", all service lines and locations: small campaigns are told together.",
        partial(_in_every_format, report="channels"),
    )


def reactivation(context: Context) -> None:
    """Offer the reactivation report of what the page shows."""
    _offered(
        context,
        "The numbers of this page under the chosen filters, with the way back.",
        ", all service lines and locations, small groups told together, without the way back.",
        partial(_in_every_format, report="reactivation"),
    )


def _offered(
    context: Context, whole: str, folded: str, offer: Callable[[Context, bool], None]
) -> None:
    """Offer what the page shows; `folded` is said after the weeks of a file without small cells."""
    if not may(context):
        return
    with st.popover("Export", icon=":material/download:", key="export"):
        small = small_cells()
        if not small and _too_early(context):
            return
        scope = context.scope if small else _protected(context)
        span = formats.weeks(scope.since, scope.until, scope.weeks)
        st.caption(whole if small else f"{span}{folded}")
        offer(replace(context, scope=scope), small)


def _in_every_format(context: Context, small: bool, *, report: str) -> None:
    """The buttons of one report of the catalogue, in every format that a page hands over."""
    for kind in KINDS:
        if kind == "pdf" and find_spec("typst") is None:
            st.caption(MISSING)
            continue
        made = partial(_of_catalogue, context, report, kind, small)
        button(context, kind, made, REPORTS[report].title.lower(), small=small, name=report)


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


def _too_early(context: Context) -> bool:
    """Whether no weeks are told without small cells yet; says so."""
    about, *_ = filters.choices(context.home, context.generation, protected=True)
    if said := untold(about):
        st.caption(said)
    return bool(said)


def _protected(context: Context) -> Scope:
    about, *_ = filters.choices(context.home, context.generation, protected=True)
    return protected_scope(context.scope, about)


def reconcile(context: Context) -> None:
    """Offer claims, credit and causes of each campaign as CSV: all of them are small cells."""

    def made() -> bytes:
        view = reconcile_view(context.home, context.generation, context.scope)
        return reconcile_report(view, SMALL_CELLS[True])

    _inside(
        context,
        partial(button, context, "csv", made, "reconcile report", small=True, name="reconcile"),
        "The campaigns of this page under the chosen filters.",
        "Most of them are of few people",
    )


def forecast(context: Context) -> None:
    """Offer every forecast as CSV; small series are among them, so it is for use inside."""

    def made() -> bytes:
        return forecast_report(context.home, context.generation, SMALL_CELLS[True])

    _inside(
        context,
        partial(
            button, context, "csv", made, FORECAST_REPORT, small=True, filters={}, name="forecast"
        ),
        "All numbers, channels, service lines and locations that are forecast.",
        "Some are of few people",
    )


def _inside(context: Context, offer: Callable[[], None], what: str, why: str) -> None:
    """Offer a file that there is with small cells only."""
    if not may(context):
        return
    with st.popover("Export", icon=":material/download:", key="export"):
        st.caption(what)
        if small_cells():
            offer()
        else:
            st.caption(f"{why}: this file is made with small cells only.")


def rejects(context: Context) -> None:
    """Offer every row that was kept out, as CSV; quietly nothing where there is none to give."""
    if not context.reader.may(EXPORT):
        return
    make = partial(rejects_report, context.home, context.generation)
    button(
        context, "csv", make, REJECTS_REPORT, small=False, filters={}, name="rejected-rows",
        prefix="Rejected rows as ", width="content",
    )  # fmt: skip


def messages(context: Context, page: str) -> None:
    """Offer everything that Engagement or Education shows as CSV."""

    def offer(context: Context, small: bool) -> None:
        made = partial(_message_report, context, page, small)
        button(context, "csv", made, MESSAGE_REPORTS[page], small=small, name=page)

    _offered(
        context,
        "The numbers of this page in the chosen weeks.",
        ": people instead of messages, without flows that reached few.",
        offer,
    )


def _message_report(context: Context, page: str, small: bool) -> bytes:
    build = MESSAGE_VIEWS[page]
    view = build(context.home, context.generation, context.scope, protected=not small)
    return message_report(view, SMALL_CELLS[small])


def experience(context: Context) -> None:
    """Offer everything that the page Experience shows as CSV."""
    if not may(context):
        return
    with st.popover("Export", icon=":material/download:", key="export"):
        small = small_cells()
        if not small and _too_early(context):
            return
        scope, dropped = (context.scope, ()) if small else narrowed(context)
        if _is_widened(context.scope, scope):
            st.caption(f"{_several(dropped)}: of too few people to be told apart. Choose others.")
            return
        st.caption(
            "The numbers of this page under the chosen filters."
            if small
            else f"{formats.weeks(scope.since, scope.until, scope.weeks)}: NPS, groups of a few "
            "told together, and reviews; waits and what goes with NPS are in the file with small "
            "cells only."
        )
        if dropped:
            st.caption(_of_what_is_told(dropped, scope))
        context = replace(context, scope=scope)
        button(
            context,
            "csv",
            partial(_experience_report, context, small),
            EXPERIENCE_REPORT,
            small=small,
            name="experience",
        )


def narrowed(context: Context) -> tuple[Scope, tuple[str, ...]]:
    """The scope as folded marts that know lines and places answer it, and what these do not know.

    Whole blocks of weeks, and those of the chosen lines and places that are told by name.
    """
    about, *known = filters.choices(context.home, context.generation, protected=True)
    chosen = (context.scope.service_lines, context.scope.locations)
    lines, places = (
        tuple(each for each in values if each in told)
        for values, told in zip(chosen, known, strict=True)
    )
    scope = protected_scope(context.scope, about)
    dropped = tuple(each for values in chosen for each in values if each not in (*lines, *places))
    return replace(scope, service_lines=lines, locations=places), dropped


def _is_widened(asked: Scope, told: Scope) -> bool:
    """Whether nothing of a choice is told, so that a file would be of everything instead."""
    return bool(
        (asked.service_lines and not told.service_lines) or (asked.locations and not told.locations)
    )


def _of_what_is_told(dropped: tuple[str, ...], scope: Scope) -> str:
    lines, places = _several(scope.service_lines), _several(scope.locations)
    return (
        f"{_several(dropped)}: of too few people to be told apart. The file is of "
        f"{lines or 'all service lines'}, {places or 'all locations'}."
    )


def _several(names: tuple[str, ...]) -> str:
    return formats.several([formats.plain(formats.title(name)) for name in names])


def _experience_report(context: Context, small: bool) -> bytes:
    view = experience_view(context.home, context.generation, context.scope, protected=not small)
    return experience_report(view, SMALL_CELLS[small])


def budget(context: Context, request: Request) -> None:
    """Offer the plan of the page as CSV; it stands on single weeks, so it stays inside."""
    if context.protected or not may(context):
        return

    def made() -> bytes:
        marts = queries.marts(context.home, context.generation, protected=False)
        plan = planning.scenario(marts, request)
        return plan_report([plan], queries.about(marts).currency)

    button(
        context, "csv", made, PLAN_REPORT, small=True, filters=asdict(request), name="budget",
        width="content", prefix="Plan as ",
    )  # fmt: skip
