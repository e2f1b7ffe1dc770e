"""Draws the choices of the page Lift: the test that is shown, and the design of a new one."""

from datetime import UTC, datetime

import streamlit as st

from attribution import holdout_plans, lift_queries, lift_records, queries
from attribution.errors import CaretraceError
from attribution.holdout_plans import Holdout
from attribution.lift_plans import Action, Design, Request, monday_after
from attribution.lift_records import Test
from attribution.models import person_holdout
from attribution.ui import access, draw, formats
from attribution.ui.frame import Context
from attribution.ui.views import lift_design, lift_result
from attribution.ui.views.lift import COUNTS, DESIGNS, OUTCOMES, STATES, place

_DESIGNS: tuple[Design, ...] = ("markets", "switchback")
_ACTIONS: tuple[Action, ...] = ("off", "on")
_UNITS = {"location": "Locations", "line": "Service lines at locations"}


def tests(context: Context) -> list[Test]:
    """Every test that is registered; nothing for whoever may not see them."""
    reader = access.reader(context.home)
    if context.protected or reader is None:
        return []
    return lift_records.tests(context.home, reader)


def holdouts(context: Context) -> list[Holdout]:
    """Every holdout that is registered; nothing for whoever may not see them."""
    reader = access.reader(context.home)
    if context.protected or reader is None:
        return []
    return holdout_plans.holdouts(context.home, reader, context.generation)


def chosen(context: Context, every: list[Test]) -> None:
    """One test: what it found, or when it will have; recorded, taken back or called off here."""
    if not every:
        return
    names = [test.name for test in reversed(every)]
    finished = [t.name for t in reversed(every) if t.state in ("recorded", "finished")]
    name = st.selectbox(
        "Look at a test",
        names,
        index=names.index(finished[0]) if finished else 0,
        key="lift_test",
        bind="query-params",
    )
    test = next(one for one in every if one.name == name)
    if test.state in ("planned", "running", "withdrawn"):
        _waiting(test)
    else:
        _finished(context, test)
    _withdraw(context, test)


def _waiting(test: Test) -> None:
    plan = test.plan
    if test.state == "withdrawn":
        st.info(f"Called off: {formats.plain(test.why)}", icon=":material/block:")
        return
    treated = formats.several(place(market) for market in plan.treated)
    st.info(
        formats.prose(
            f"{STATES[test.state]}: {formats.title(plan.channel)} goes {plan.action} in {treated} "
            f"from {formats.day(plan.first_day)}; it counts until {formats.day(plan.last_day)}. "
            "What it found can be seen after the refresh that loads that week."
        ),
        icon=":material/hourglass_empty:",
    )


def _finished(context: Context, test: Test) -> None:
    try:
        found = test.result or lift_result.found_of(
            context.home, context.generation, test.plan,
            lift_records.busy(context.home, apart_from=test.number),
        )  # fmt: skip
    except CaretraceError as error:
        st.info(formats.prose(str(error)), icon=":material/hourglass_empty:")
        return
    currency = _currency(context)
    view = lift_result.result(test, found, currency)
    st.markdown(f"**{formats.plain(view.remark)}**")
    for each in view.warnings:
        st.warning(formats.prose(each), icon=":material/warning:")
    draw.metrics(view)
    draw.figure(view, "course")
    draw.figures(view, ["weeks", "placebos"])
    draw.table(view, "beside")
    draw.notes(view)
    reader = access.reader(context.home)
    if test.result is None and reader is not None:
        asked = st.button(
            "Record as evidence",
            icon=":material/verified:",
            key="lift_record",
            help="The next refresh hears it, and the budget moves with it.",
        )
        if asked:
            _done(lambda: lift_records.record(context.home, reader, context.generation, test.name))


def _withdraw(context: Context, test: Test) -> None:
    reader = access.reader(context.home)
    if reader is None or test.state == "withdrawn":
        return
    title = "Take the result back" if test.result else "Call the test off"
    with st.expander(title, icon=":material/undo:"), st.form("lift_withdraw", border=False):
        why = st.text_input("Why", max_chars=300, key="lift_why")
        if st.form_submit_button(title):
            _done(lambda: lift_records.withdraw(context.home, reader, test.name, why))


def _done(act: "object") -> None:
    """Do what was asked and draw the page anew, or say why not."""
    try:
        act()  # type: ignore[operator]
    except CaretraceError as error:
        st.error(formats.prose(str(error)), icon=":material/error:")
        return
    st.rerun()


def _currency(context: Context) -> str:
    return queries.about(queries.marts(context.home, context.generation, protected=False)).currency


def design(context: Context) -> None:
    """The form of a new test, what it could tell, and how to register it."""
    if context.protected:
        return
    draw.part("Design a test")
    request = _asked(context)
    if request is None:
        st.info("No money went into any channel yet, so there is nothing to switch off.")
        return
    view = lift_design.design(context.home, context.generation, request)
    if view.empty:
        st.info(formats.prose(view.empty), icon=":material/search_off:")
        return
    st.markdown(f"**{formats.plain(view.remark)}**")
    for each in view.warnings:
        st.warning(formats.prose(each), icon=":material/warning:")
    draw.metrics(view)
    draw.figures(view, ["power", "fit"])
    draw.table(view, "arms")
    draw.notes(view)
    _register(context, request)


def _asked(context: Context) -> Request | None:
    marts = queries.marts(context.home, context.generation, protected=False)
    channels = lift_queries.paid_channels(marts)
    if not channels:
        return None
    with st.container(border=True):
        with st.grid(4, min_column_width=200, gap="small"):
            channel = st.selectbox(
                "Channel", channels, format_func=formats.title, key="lift_channel",
                bind="query-params",
            )  # fmt: skip
            kind = st.selectbox(
                "Count", list(COUNTS), format_func=lambda name: COUNTS[name], key="lift_kind",
                bind="query-params",
            )  # fmt: skip
            how: Design = st.selectbox(
                "Design", _DESIGNS, format_func=lambda name: DESIGNS[name], key="lift_how",
                help="Matched markets: some places go off, the others tell what would have been. "
                "Switchback: all go off and on by turns.",
                bind="query-params",
            )  # fmt: skip
            unit = st.selectbox(
                "Markets", list(_UNITS), format_func=lambda name: _UNITS[name], key="lift_unit",
                help="Service lines at locations need campaigns that can be switched by both.",
                bind="query-params",
            )  # fmt: skip
            if how == "markets":
                weeks = st.number_input("Weeks that count", 1, 52, 8, key="lift_weeks")
            else:
                weeks = 8
            washout = st.number_input(
                "Weeks of wash-out", 0, 12, 2, key="lift_washout",
                help="Weeks in which earlier ads still work; they do not count.",
            )  # fmt: skip
            wanted = st.number_input(
                "Wanted effect, %", 1.0, 90.0, 10.0, 1.0, key="lift_wanted",
                help="The smallest effect worth knowing of, as a part of what is counted.",
            )  # fmt: skip
            first = st.date_input(
                "Begins on a Monday", monday_after(datetime.now(UTC).date()),
                format="YYYY-MM-DD", key="lift_first",
            )  # fmt: skip
        more = _more(context, kind, how, by_line=unit == "line")
    return Request(
        channel=channel, kind=kind, design=how, by_line=unit == "line", weeks=int(weeks),
        washout=int(washout), wanted=float(wanted) / 100, first_day=first, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def _more(context: Context, kind: str, how: Design, *, by_line: bool) -> dict[str, object]:
    """Markets by choice instead of by chance, staggered starts, blocks and the seed."""
    marts = queries.marts(context.home, context.generation, protected=False)
    markets = lift_queries.panel(marts, kind, by_line=by_line).markets
    folded = st.expander("Markets, blocks and chance", icon=":material/tune:", key="lift_more")
    with folded, st.grid(3, min_column_width=240, gap="small"):
        picked = st.multiselect(
            "Treat these", markets, format_func=place, placeholder="By chance", key="lift_chosen",
            help="Better leave it to chance: why a market is chosen may tell in its numbers.",
        )  # fmt: skip
        out = st.multiselect(
            "Leave out", markets, format_func=place, placeholder="None", key="lift_left_out"
        )
        seed = st.number_input("Seed", 0, 999_999, 1, key="lift_seed")
        said: dict[str, object] = {
            "chosen": tuple(picked), "left_out": tuple(out), "seed": int(seed),
        }  # fmt: skip
        if how == "switchback":
            said["block"] = int(st.number_input("Weeks of a block", 1, 26, 4, key="lift_block"))
            said["pairs"] = int(st.number_input("Pairs of blocks", 2, 26, 6, key="lift_pairs"))
        else:
            many = st.number_input(
                "How many are treated", 1, max(len(markets), 2), None, key="lift_treated",
                placeholder="Half",
            )  # fmt: skip
            said["treated"] = None if many is None else int(many)
            said["action"] = st.selectbox(
                "The channel goes", _ACTIONS, key="lift_action",
                help="On: where it was not before.",
            )  # fmt: skip
            said["later"] = int(
                st.number_input(
                    "Half begins later by weeks",
                    0,
                    12,
                    0,
                    key="lift_later",
                    help="Those who begin later are counted for as many weeks fewer.",
                )
            )
    return said


def _register(context: Context, request: Request) -> None:
    reader = access.reader(context.home)
    if reader is None:
        return
    with st.form("lift_save", border=True, clear_on_submit=True):
        name = st.text_input(
            "Register this test as", max_chars=80, key="lift_name",
            help="Saved for good before it begins: it is analysed as it is planned here.",
        )  # fmt: skip
        asked = st.form_submit_button("Register", icon=":material/bookmark_add:")
    if asked:
        _done(
            lambda: lift_records.register(context.home, reader, context.generation, name, request)
        )


def people(context: Context) -> None:
    """How many people a holdout of a flow takes."""
    if context.protected:
        return
    with st.container(border=True):
        st.markdown(
            "**How many people a holdout takes**",
            help="Flows of outreach hold people out by a keyed hash; the share is set in the flow.",
        )
        with st.grid(4, min_column_width=180, gap="small"):
            rate = st.number_input("The held-out do, %", 0.1, 99.9, 10.0, key="lift_rate")
            lift = st.number_input("Lift to be told, points", 0.1, 50.0, 2.0, key="lift_points")
            share = st.number_input("Held out, %", 1.0, 50.0, 10.0, key="lift_share_out")
            known = st.number_input(
                "Known from before, %", 0.0, 90.0, 0.0, key="lift_known",
                help="The part of the variance that what is known from before takes away (CUPED).",
            )  # fmt: skip
        if rate + lift >= 100:
            st.caption("More than everybody cannot come. Look for a smaller lift.")
            return
        many = person_holdout.people_needed(
            rate / 100, lift / 100, share / 100, explained=known / 100
        )
        least = person_holdout.detectable(
            many, rate / 100, share / 100, explained=known / 100, looking=True
        )
        looking = (
            ""
            if least is None
            else (f" Whoever looks every week is told {formats.points(least)} with as many.")
        )
        st.markdown(
            f"It takes **{many:,} people**, {many * share / 100:,.0f} of them held out.{looking}"
        )
        with st.expander("Register it, before its flow writes to anybody"):
            _register_people(context, rate / 100, lift / 100, share / 100, known / 100)


def _register_people(
    context: Context, base: float, wanted: float, share: float, explained: float
) -> None:
    with st.form("holdout_plan", border=False):
        with st.grid(3, min_column_width=180, gap="small"):
            name = st.text_input("Name of the holdout", max_chars=80)
            flow = st.text_input("Flow, as outreach names it")
            outcome = st.selectbox("Counts", list(OUTCOMES), format_func=OUTCOMES.__getitem__)
        if not st.form_submit_button("Register for good"):
            return
    reader = access.reader(context.home)
    if reader is None:
        return
    try:
        plan = holdout_plans.planned(
            flow, outcome, share=share, base=base, wanted=wanted, explained=explained
        )
        holdout_plans.register(context.home, reader, context.generation, name, plan)
    except CaretraceError as error:
        st.error(formats.prose(str(error)))
    else:
        st.rerun()
