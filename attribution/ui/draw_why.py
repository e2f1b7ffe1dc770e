"""Draws why a channel is credited: its positions and company, and journeys as rows of chips."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import streamlit as st

from attribution.models import BASELINE, MODELS
from attribution.models.journey_credit import shared
from attribution.ui import access, draw, formats
from attribution.ui.frame import Context
from attribution.ui.scope import DEFAULT_MODEL
from attribution.ui.view import View
from attribution.ui.views.examples import ENDS, Example, Stop, examples, none_because
from attribution.ui.views.why import LEAST, QUESTION, why

_SHARING = (
    "Models that share out journeys. Incremental credit is what would not have come without a "
    "channel: it is not made of shares, so single journeys do not explain it."
)
MAX_STOPS = 8  # of a journey that are drawn; those in the middle of more are only counted


def section(context: Context, view: View) -> None:
    """The question about one channel, chosen here; the one on which models differ most at first."""
    # Closed at first: most readers come for the figures above, and it is as much again to send.
    asked = st.expander(QUESTION, key="why_open", on_change="rerun", bind="query-params")
    if asked.open:
        with asked:
            _told(context, view)


def _told(context: Context, view: View) -> None:
    channels = [name for name in view.tables["credit"].frame["channel"] if name != BASELINE]
    usual = context.scope.model if context.scope.model in shared() else DEFAULT_MODEL
    with st.grid(2, min_column_width=168, gap="small"):
        channel = _chosen("Channel", "why", channels, channels[0], formats.title)
        model = _chosen("Credit model", "why_model", shared(), usual, _title, _SHARING)
    if context.scope.model not in shared():
        asked = f"{_title(context.scope.model)} is not made of shares of journeys"
        st.caption(formats.prose(f"{asked}: what follows is told under {_title(model)}."))
    scope = replace(context.scope, model=model)
    told = why(context.home, context.generation, scope, channel, protected=context.protected)
    if told.empty:
        st.info(formats.prose(told.empty), icon=":material/search_off:")
        if not context.protected:  # whoever may see people may do so without the counts
            return
    else:
        _counted(told)
    st.markdown(f"**Journeys of which {formats.plain(formats.title(channel))} was part**")
    if not access.may_see_people(context.home):
        st.info(formats.prose(access.REFUSED), icon=":material/lock:")
        return
    shown = examples(context.home, context.generation, scope, channel)
    if not shown:
        st.caption(formats.prose(none_because(context.home, context.generation)))
        return
    _journeys(shown, channel, model)


def _counted(told: View) -> None:
    """Where the channel stood in journeys, and beside whom."""
    summary, *others = told.notes
    st.markdown(formats.prose(summary))
    st.caption(formats.prose(" ".join(others)))
    draw.metrics(told)
    with st.grid(2, min_column_width=340, gap="small"):
        draw.figure(told, "why_positions")
        draw.table(told, "why_companions")


def _chosen(
    label: str,
    key: str,
    options: Sequence[str],
    usual: str,
    titled: Callable[[str], str],
    explained: str | None = None,
) -> str:
    # What was chosen under other filters may not be among the options any more.
    if st.session_state.get(key, usual) not in options:
        del st.session_state[key]
    chosen = st.selectbox(
        label,
        options,
        index=list(options).index(usual),
        format_func=titled,
        key=key,
        help=explained,
        bind="query-params",
    )
    return chosen if chosen in options else usual


def _title(model: str) -> str:
    return MODELS[model].title


def _journeys(shown: Sequence[Example], channel: str, model: str) -> None:
    st.caption(
        "The commonest ways, from the largest share to the smallest; of each, the journey of "
        "middle length. Days are before the conversion. Below: the channel's share under each "
        "model."
    )
    with st.grid(2, min_column_width=340, gap="small"):
        for each in shown:
            with st.container(border=True, height="stretch"):
                st.markdown(_way(each, channel))
                st.caption(_about(each))
                st.markdown(_shares(each, model))


def _way(journey: Example, channel: str) -> str:
    """The stops as chips with arrows between; those of the channel stand out."""
    stops = [_stop(stop, channel) for stop in journey.stops]
    if len(stops) > MAX_STOPS:
        left = len(stops) - MAX_STOPS + 1
        half = MAX_STOPS // 2
        stops = [*stops[:half], f":small[{left} more]", *stops[half + left :]]
    end = formats.plain(ENDS[journey.kind])
    return " → ".join([*stops, f":green-badge[:material/check: {end}]"])


def _stop(stop: Stop, channel: str) -> str:
    name = formats.plain(formats.title(stop.channel))
    times = f" ×{stop.touches}" if stop.touches > 1 else ""
    colour = "blue" if stop.channel == channel else "gray"
    first, last = (f"{days:,.0f}" for days in (stop.first_days, stop.last_days))
    days = f"{first} d" if first == last else f"{first}–{last} d"
    return f":{colour}-badge[{name}{times}] :small[{'same day' if days == '0 d' else days}]"


def _about(journey: Example) -> str:
    alike = (
        f"fewer than {LEAST} journeys went this way"
        if journey.journeys < LEAST
        else f"{journey.journeys:,} journeys went this way"
    )
    return formats.plain(f"Week of {formats.day(journey.week)} · {alike}")


def _shares(journey: Example, model: str) -> str:
    """The share under every model; the chosen one stands out."""
    return " ".join(
        f":{'blue' if name == model else 'gray'}-badge[{_short(name)} **{share:.0%}**]"
        for name, share in journey.shares.items()
    )


def _short(model: str) -> str:
    return formats.plain(MODELS[model].title.split(" (")[0])
