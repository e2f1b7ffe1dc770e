"""Draws one person's journey: a card, what comes next, a timeline and the same as a list."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby

import streamlit as st

from attribution.models import MODELS
from attribution.models.journey_credit import shared
from attribution.patient_search import NOT_FOUND, REASONS, Opening
from attribution.ui import draw, formats, patient_form
from attribution.ui.frame import Context
from attribution.ui.views.examples import NONE_KEPT
from attribution.ui.views.patient_entries import LANES, Entry
from attribution.ui.views.patient_journey import (
    QUESTION,
    Asked,
    Credited,
    Episode,
    Given,
    Journey,
    journey,
)

_SPANS = {
    "all": "All time",
    "5y": "Last five years",
    "2y": "Last two years",
    "1y": "Last year",
    "3m": "Last three months",
}
_TONES = {
    "do": ("orange", ":material/task_alt:", "To do"),
    "know": ("blue", ":material/event:", "Planned"),
    "stop": ("red", ":material/block:", "Mind"),
}
_MARKS = {"done": "green", "ahead": "blue", "missed": "red", "plain": "gray"}
_OPEN_EPISODES = 2
_MOST_CREDITED = 12


def page(context: Context) -> None:
    """The search, and the journey that it opened."""
    draw.question(QUESTION)
    st.caption(
        "One person at a time, for a stated reason. Each look is written into the audit log."
    )
    opening = patient_form.search(context)
    if opening is None:
        return
    now = datetime.now(UTC)
    told = journey(context.home, context.generation, opening, _asked(), context.scope.model, now)
    if told is None:
        # A merge or a refresh has taken the number away while it was open.
        patient_form.close(NOT_FOUND)
        st.rerun()
    patient_form.keep(told.opening)
    _card(told)
    _next(told)
    _filters(told)
    _timeline(told)
    _credited(told, context.scope.model)
    _episodes(told.episodes)
    draw.notes(told.view)


def _asked() -> Asked:
    state, key = st.session_state, patient_form.filter_key
    return Asked(
        tuple(state.get(key("lanes")) or ()),
        str(state.get(key("span")) or "all"),
        tuple(state.get(key("lines")) or ()),
    )


def _card(told: Journey) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{formats.plain(_opened_for(told.opening))}**", width="stretch")
            st.button(
                "Close", icon=":material/close:", on_click=patient_form.close, key="patient_close"
            )
        with st.grid(5, min_column_width=140, gap="small"):
            for fact in told.facts:
                with st.container(gap=None):
                    st.caption(formats.plain(fact.title), help=fact.help or None)
                    st.markdown(f"**{formats.plain(fact.value)}**")


def _opened_for(opening: Opening) -> str:
    ticket = f", {opening.ticket}" if opening.ticket else ""
    return f"Person {opening.person} · opened for: {REASONS[opening.reason]}{ticket}"


def _next(told: Journey) -> None:
    with st.container(border=True):
        st.markdown("**What comes next**")
        if not told.standing.steps:
            st.caption("Nothing is due, and nothing is booked.")
        for step in told.standing.steps:
            colour, icon, word = _TONES[step.tone]
            said = f"**{formats.plain(step.title)}** · {formats.plain(step.words)}"
            st.markdown(f":{colour}-badge[{icon} {word}] {said}")


def _filters(told: Journey) -> None:
    key = patient_form.filter_key
    with st.grid(2, min_column_width=260, gap="small"):
        st.selectbox("Period", list(_SPANS), format_func=lambda name: _SPANS[name], key=key("span"))
        st.multiselect(
            "Service lines",
            told.service_lines,
            format_func=formats.apart(told.service_lines),
            placeholder="All",
            key=key("lines"),
        )
    st.pills(
        "Kinds",
        told.lanes,
        selection_mode="multi",
        format_func=lambda lane: LANES[lane],
        key=key("lanes"),
    )


def _timeline(told: Journey) -> None:
    if not told.view.figures:
        st.info(
            "Nothing of these kinds happened in this period. Choose more kinds or a longer period.",
            icon=":material/search_off:",
        )
        return
    draw.figure(told.view, "timeline")


def _credited(told: Journey, wished: str) -> None:
    with st.container(border=True):
        st.markdown("**Which marketing came before**", help=MODELS[told.model].help)
        words = f"Shares under {MODELS[told.model].title}."
        if wished not in shared():
            words = f"{MODELS[wished].title} is not made of shares of journeys. {words}"
        if not told.keeps_credit:
            words = NONE_KEPT
        elif not told.credited:
            words = "No known marketing came before a lead, booking, visit or payment shown here."
        elif told.uncredited:
            words += f" {told.uncredited} others had no known marketing before them."
        st.caption(formats.prose(words))
        some, more = told.credited[:_MOST_CREDITED], told.credited[_MOST_CREDITED:]
        if some:
            st.markdown("\n".join(map(_credit, some)))
        if more:
            with st.expander(f"{len(more)} earlier ones", key="patient_more"):
                st.markdown("\n".join(map(_credit, more)))


def _credit(each: Credited) -> str:
    way = " → ".join(_channel(list(run)) for _name, run in groupby(each.given, key=_came))
    about = f" · {formats.plain(each.about)}" if each.about else ""
    return (
        f"- :green-badge[{formats.plain(each.title)}] {formats.plain(formats.day(each.at))}{about}"
        f"  \n  {way}"
    )


def _came(given: Given) -> tuple[str, str]:
    return given.channel, given.campaign


def _channel(run: list[Given]) -> str:
    named = formats.title(run[0].channel)
    named += f" · {run[0].campaign}" if run[0].campaign not in ("", "(none)") else ""
    times = f" ×{len(run)}" if len(run) > 1 else ""
    share = f"{sum(given.share for given in run):.0%}"
    days = f"{run[0].days_before:,.0f} d before" if run[0].days_before >= 1 else "same day"
    money = f", {run[0].amount}" if len(run) == 1 and run[0].amount else ""
    return (
        f"{formats.plain(named)}{times} **{formats.plain(share)}**"
        f" :small[{formats.plain(days + money)}]"
    )


def _episodes(episodes: Iterable[Episode]) -> None:
    draw.part("All that happened")
    st.caption("Newest first; inside a stretch of time as it happened. Times are local.")
    for number, episode in enumerate(episodes):
        with st.expander(
            formats.plain(episode.title), expanded=number < _OPEN_EPISODES, key=f"episode_{number}"
        ):
            for month, entries in episode.months:
                st.markdown(f"**{formats.plain(month)}**")
                st.markdown("\n".join(map(_entry, entries)))


def _entry(entry: Entry) -> str:
    again = f" ×{entry.times}" if entry.times > 1 else ""
    title = formats.plain(f"{entry.title}{again}")
    about = f" · {formats.plain(' · '.join(entry.words))}" if entry.words else ""
    when = formats.plain(f"{entry.at.day} {entry.at:%b, %H:%M}")
    kind = formats.plain(LANES[entry.lane])
    return f"- :gray[{when}] :{_MARKS[entry.mark]}-badge[{kind}] **{title}**{about}"
