"""Draws the page Research: the cohort's choices, and the export with its reason."""

from dataclasses import replace

import streamlit as st

from attribution.errors import BadInput, CaretraceError, SettingsError
from attribution.research import files
from attribution.research.cohort import Cohort
from attribution.research.columns import COLUMNS, PROFILES, QUASI, Profile
from attribution.research.export import Export, Request, export_research
from attribution.research.rules import research_rules
from attribution.research_queries import Choices
from attribution.ui import access, formats
from attribution.ui.frame import Context

_MADE = "research_export"
_PROFILES = {
    "safe-harbor": "Safe Harbor: years only",
    "expert": "Expert determination: one shifted date",
}
_DECADES = tuple(range(0, 100, 10))


def cohort(known: Choices) -> tuple[Cohort, tuple[str, ...]]:
    """What the reader chooses: the cohort, and the condition that is looked for in it."""
    with st.container(border=True):
        st.markdown("**Cohort**", help="Only people who kept a visit; by what is their main one.")
        with st.grid(3, min_column_width=220, gap="small"):
            lines = _any_of("Service lines", known.service_lines, "research_lines")
            places = _any_of("Places", known.locations, "research_places")
            sexes = _any_of("Sex", known.sexes, "research_sexes")
            ages = st.select_slider(
                "Ages",
                _DECADES,
                (0, 90),
                format_func=lambda age: "90+" if age == 90 else f"{age}–{age + 9}",
                key="research_ages",
                help="Whole decades; above 89 all are told together.",
            )
            years = _years(known)
            conditions = st.multiselect(
                "Condition looked for",
                known.conditions,
                known.conditions[:1],
                key="research_conditions",
                help="Diagnosis groups of eleven people or more, the commonest first.",
            )
    first, last = ages
    return Cohort(
        service_lines=lines,
        locations=places,
        sexes=sexes,
        age_from=first or None,
        age_to=None if last == 90 else last + 9,
        first_year=years[0] if years[0] > known.first_year else None,
        last_year=years[1] if years[1] < known.last_year else None,
    ), tuple(conditions)


def _any_of(label: str, names: tuple[str, ...], key: str) -> tuple[str, ...]:
    """The names that are chosen; none stands for all."""
    return tuple(
        st.multiselect(label, names, format_func=formats.apart(names), placeholder="All", key=key)
    )


def _years(known: Choices) -> tuple[int, int]:
    if known.first_year == known.last_year:
        return known.first_year, known.last_year
    first, last = st.slider(
        "Years of the first visit",
        known.first_year,
        known.last_year,
        (known.first_year, known.last_year),
        key="research_years",
    )
    return first, last


def export(context: Context, chosen: Cohort, conditions: tuple[str, ...]) -> None:
    """Make a de-identified export of the cohort, and offer it as one zip file."""
    with st.container(border=True):
        st.markdown("**De-identified export**", help="What is done is in its disclosure report.")
        request = _request(context, chosen, conditions)
        if st.button("Make the export", icon=":material/shield_lock:", key="research_make"):
            _make(context, request)
        asked, made = st.session_state.get(_MADE, (None, None))
        # What was made for another question is not the answer to this one.
        if made is not None and asked == request:
            _offer(context, made)


def _request(context: Context, chosen: Cohort, conditions: tuple[str, ...]) -> Request:
    with st.grid(2, min_column_width=320, gap="small"):
        profile: Profile = st.selectbox(
            "Profile",
            PROFILES if _determined(context) else PROFILES[:1],
            format_func=lambda name: _PROFILES[name],
            key="research_profile",
            help="Shifted dates need an expert's determination in the settings.",
        )
        keep = st.multiselect(
            "Keep fine",
            QUASI[:-1],
            format_func=formats.title,
            placeholder="Whatever tells most",
            key="research_keep",
            help="Columns that must not be generalised; others are then coarser.",
        )
        left = [c.name for c in COLUMNS if c.name not in ("row_id", "service_line", *keep)]
        dropped = st.multiselect(
            "Leave out",
            left,
            format_func=formats.title,
            placeholder="Nothing",
            key="research_dropped",
            help="What the question does not need: fewer columns give fewer people away.",
        )
        reason = st.text_input(
            "What are the data for?",
            key="research_reason",
            placeholder="Study, approval, recipient",
            help="Goes into the audit log and the manifest: no names of patients.",
        )
    only = st.checkbox("Only people with the condition", key="research_only")
    narrowed = replace(chosen, conditions=conditions) if only else chosen
    return Request(reason, profile, narrowed, tuple(keep), tuple(dropped))


def _determined(context: Context) -> bool:
    try:
        return research_rules(context.home).determination is not None
    except SettingsError:
        return False


def _make(context: Context, request: Request) -> None:
    st.session_state.pop(_MADE, None)
    try:
        with st.spinner("Generalising, checking, writing"):
            permit = access.research_permit(context.home)
            made = export_research(context.home, context.generation, permit, request)
        st.session_state[_MADE] = request, made
    except BadInput as error:
        st.warning(formats.prose(str(error)), icon=":material/block:")
    except CaretraceError as error:
        st.error(formats.prose(str(error)), icon=":material/block:")


def _offer(context: Context, made: Export) -> None:
    told = made.disclosure
    reached, risk = told["reached"], told["risk"]
    levels = ", ".join(
        f"{formats.title(each['column'])}: {each['level']}"
        for each in told["generalisation"]
        if each["told"]
    )
    st.success(
        formats.prose(
            f"{told['people']:,} people. k {reached['k']}, l {min(reached['l'].values())}. Highest "
            f"chance to find somebody: {risk['prosecutor, highest']:.1%}. {levels}."
        ),
        icon=":material/verified_user:",
    )
    session = access.token(context.home)

    def packed() -> bytes:
        # Again: a button stays on an open page when the role or the session is gone.
        access.researcher(context.home, session)
        return files.zipped(made.files)

    st.download_button(
        "Download",
        packed,
        f"research-{made.export}.zip",
        "application/zip",
        key="research_download",
        on_click="ignore",
        icon=":material/download:",
    )
