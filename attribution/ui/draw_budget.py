"""Draws the choices of the page Budget, and the scenarios that were saved."""

from functools import lru_cache

import streamlit as st

from attribution import mix_queries, planning, queries
from attribution.errors import CaretraceError
from attribution.paths import Home
from attribution.planning import OBJECTIVES, Objective, Request, Scenario
from attribution.ui import access, draw_table, formats
from attribution.ui.frame import Context
from attribution.ui.views.budget import TITLES, compared, money_of

_MOVES = {"ever": "Within what was ever spent", "50": "At most half", "20": "At most a fifth"}


@lru_cache(maxsize=16)
def _known(home: Home, generation: int, kind: str) -> tuple[dict[str, float], tuple[str, ...]]:
    """Channels with a curve and their money today, and the service lines."""
    marts = queries.marts(home, generation, protected=False)
    found = mix_queries.response(marts, kind)
    if found is None:
        return {}, ()
    today = dict(zip(found.channels, found.now.tolist(), strict=True))
    return today, tuple(mix_queries.line_shares(marts, found.channels).index)


def chosen(context: Context) -> Request:
    """What the reader asks of the plan; nothing is asked of who may not see it."""
    if context.protected:
        return Request()
    with st.container(border=True):
        with st.grid(4, min_column_width=200, gap="small"):
            objective: Objective = st.selectbox(
                "Make most of",
                OBJECTIVES,
                format_func=lambda name: TITLES[name],
                key="plan_objective",
                help="What the plan counts. Margin is money collected less what is spent more.",
                bind="query-params",
            )
            today, lines = _known(context.home, context.generation, planning.kind_of(objective))
            total = st.number_input(
                "Spend a week",
                min_value=0.0,
                value=None,
                step=100.0,
                placeholder=f"{sum(today.values()):,.0f}, as today",
                key="plan_total",
                help="All channels together; left empty it stays as it is.",
            )
            move = st.selectbox(
                "How far a channel may move",
                list(_MOVES),
                format_func=lambda name: _MOVES[name],
                key="plan_move",
                help="Of today's spend, and always within what any four weeks were ever given.",
                bind="query-params",
            )
            careful = st.toggle(
                "Careful",
                key="plan_careful",
                help="Make the mean of the worst fifth of draws as large as can be, not the mean.",
                bind="query-params",
            )
        locked = st.multiselect(
            "Leave as they are",
            list(today),
            format_func=formats.title,
            placeholder="No channel is locked",
            key="plan_locked",
            bind="query-params",
        )
        bounds, room, margin = _more(today, lines, objective)
    return Request(
        objective=objective,
        total=total,
        locked=tuple(locked),
        bounds=tuple(one for one in bounds if one[0] not in locked),
        change=None if move == "ever" else float(move) / 100,
        room=room,
        careful=careful,
        margin=margin,
    )


def _more(
    today: dict[str, float], lines: tuple[str, ...], objective: Objective
) -> tuple[tuple[tuple[str, float, float], ...], tuple[tuple[str, float], ...], float]:
    """Bounds of single channels, room of service lines, and what is left of money collected."""
    bounds, room, margin = [], [], 1.0
    folded = st.expander("Bounds, room and margin", icon=":material/tune:", key="plan_more")
    with folded, st.grid(3, min_column_width=260, gap="small"):
        with st.container():
            for name in st.multiselect(
                "Bounds for", list(today), format_func=formats.title, placeholder="No channel",
                key="plan_bounded",
            ):  # fmt: skip
                title = formats.title(name)
                least = st.number_input(
                    f"{title}, least a week", 0.0, value=0.0, key=f"plan_least_{name}"
                )
                most = st.number_input(
                    f"{title}, most a week",
                    0.0,
                    value=float(round(2 * today[name])),
                    key=f"plan_most_{name}",
                )
                bounds.append((name, least, most))
        with st.container():
            for line in st.multiselect(
                "Room is short in", list(lines), format_func=formats.apart(lines),
                placeholder="No service line", key="plan_short",
                help="How many more kept visits a week each can take than today.",
            ):  # fmt: skip
                more = st.number_input(
                    f"{formats.title(line)}, more a week", 0.0, value=0.0, key=f"plan_room_{line}"
                )
                room.append((line, more))
        if objective == "margin":
            part = st.slider(
                "Left of money collected",
                5,
                100,
                100,
                format="%d%%",
                key="plan_margin",
                help="After variable costs of care.",
            )
            margin = part / 100
    return tuple(bounds), tuple(room), margin


def scenarios(context: Context, request: Request) -> None:
    """Save this plan under a name, and set those that were saved side by side."""
    reader = access.reader(context.home)
    if context.protected or reader is None:
        return
    with st.container(border=True):
        st.markdown("**Scenarios**", help="Plans that were saved; each save is in the audit log.")
        with st.form("plan_save", border=False, clear_on_submit=True):
            name = st.text_input("Save this plan as", max_chars=80, key="plan_name")
            asked = st.form_submit_button("Save", icon=":material/bookmark_add:")
        if asked:
            try:
                planning.keep(context.home, reader, context.generation, name, request)
                st.success(f"Saved {formats.plain(name)}.", icon=":material/check:")
            except CaretraceError as error:
                st.error(formats.prose(str(error)), icon=":material/error:")
        every = planning.kept(context.home, reader)
        if not every:
            st.caption("No scenario is saved yet.")
            return
        _compare(context, every)


def _compare(context: Context, every: list[Scenario]) -> None:
    names = [one.name for one in every]
    picked = st.multiselect(
        "Compare", names, names[-4:], key="plan_compared", placeholder="Choose scenarios"
    )
    shown = [one for one in every if one.name in picked]
    if not shown:
        return
    currency = queries.about(
        queries.marts(context.home, context.generation, protected=False)
    ).currency
    draw_table.frame(compared(shown), currency, key="table_scenarios")
    draw_table.frame(money_of(shown), currency, key="table_scenario_money")
