"""The search for one person: a number and a reason in, an opened journey out.

What is typed comes over the page's own socket, is hashed before anything else runs and is then
cleared: it is in no address, and not in the session.
"""

import numpy as np
import streamlit as st

from attribution import patient, patient_search
from attribution.demo.names import mrn
from attribution.errors import BadInput, NotAllowed
from attribution.paths import Home
from attribution.patient import RECORD, System
from attribution.patient_search import NOT_FOUND, REASONS, Opening, Sought
from attribution.people import people
from attribution.ui import access, formats
from attribution.ui.face import face
from attribution.ui.frame import Context

NUMBER, SYSTEM, REASON, TICKET = (
    f"patient_{name}" for name in ("number", "system", "reason", "ticket")
)
_EXAMPLE = "patient_example"
_TURN = "patient_turn"
_SOUGHT, _OPENED, _SAID = "patient_sought", "patient_opened", "patient_said"
_WIDGETS = "patient_filter_"
_TITLES = {"patient_id": "Medical record number", "crm_id": "CRM number"}
_EXAMPLES, _CANDIDATES = 3, 300


def search(context: Context) -> Opening | None:
    """Draw the search; the journey that is open, None where none is."""
    home, generation = context.home, context.generation
    # Asked before the form is drawn: whoever may not see people is not to type a number.
    permit = access.permit(home)
    at = people(home, generation, permit)
    if not patient.keeps_timelines(at):
        st.info(
            formats.prose(
                "No timeline is kept here: no source has brought a patient's or a contact's "
                "number, or `keep_timeline = false` stands under `[people]` in the settings."
            ),
            icon=":material/search_off:",
        )
        return None
    asked = st.session_state.pop(_SOUGHT, None)
    if isinstance(asked, Sought):
        _forget()
        try:
            opening = patient_search.open_journey(home, generation, permit, asked)
        except NotAllowed as error:
            st.session_state[_SAID] = str(error)
        else:
            st.session_state[_OPENED] = opening
            if opening is None:
                st.session_state[_SAID] = NOT_FOUND
    opened = st.session_state.get(_OPENED)
    again = opened is not None
    with st.expander(
        "Find another person" if again else "Find a person",
        expanded=not again,
        icon=":material/person_search:",
        key=f"patient_find_{again}",
    ):
        _form(context)
    if said := st.session_state.pop(_SAID, None):
        st.warning(formats.prose(said), icon=":material/person_off:")
    return opened if isinstance(opened, Opening) else None


def keep(opening: Opening) -> None:
    """Remember that a look was written down, so that drawing it again is not another."""
    st.session_state[_OPENED] = opening


def close(words: str = "") -> None:
    """Put the open journey away."""
    _forget()
    if words:
        st.session_state[_SAID] = words


def filter_key(name: str) -> str:
    """The key of a widget that belongs to one person's journey, and goes with it."""
    return f"{_WIDGETS}{name}"


def _forget() -> None:
    for key in [key for key in st.session_state if str(key).startswith(_WIDGETS)]:
        del st.session_state[key]
    st.session_state.pop(_OPENED, None)


def _form(context: Context) -> None:
    home = context.home
    known = patient.systems(home)
    examples = _examples(home, context.generation) if face(home).demo else ()
    with st.form("patient_search", border=False, enter_to_submit=True):
        with st.grid(2, min_column_width=260, gap="small"):
            st.selectbox(
                "Number of which system",
                known,
                format_func=lambda system: _system(system, known),
                key=SYSTEM,
            )
            st.text_input(
                "Number",
                key=_number_key(),
                max_chars=patient.LONGEST_NUMBER,
                autocomplete="off",
                help="As the system writes it, with zeros in front. It is hashed at once, never "
                "stored and in no address.",
            )
            st.selectbox(
                "Reason",
                list(REASONS),
                index=None,
                format_func=lambda name: REASONS.get(name, name),
                placeholder="Why do you need to see this person?",
                key=REASON,
                help="Written into the audit log with your name and the person's number here.",
            )
            st.text_input(
                "Ticket (optional)",
                key=TICKET,
                max_chars=18,
                autocomplete="off",
                placeholder="CARE-1042",
                help="Letters, a dash, digits. It goes into the audit log: never a record number.",
            )
        if examples:
            st.selectbox(
                "Or a simulated person's record number",
                examples,
                index=None,
                placeholder="Nobody real: choose one to try the page",
                key=_EXAMPLE,
            )
        st.form_submit_button(
            "Open the journey", type="primary", on_click=_submitted, args=(home,), key="patient_go"
        )


def _submitted(home: Home) -> None:
    """Hash what was typed, and keep nothing else of it. Runs before the page does."""
    state = st.session_state
    example = state.get(_EXAMPLE)
    typed, system = str(state.get(_number_key()) or ""), state.get(SYSTEM)
    # Another field takes the place of this one: Streamlit keeps the value of a field until the
    # next run of the page, and drops that of one which is not drawn any more at the end of this.
    state[_TURN] = int(state.get(_TURN) or 0) + 1
    if not typed.strip() and isinstance(example, str):
        typed, system = example, System(RECORD, patient.systems(home)[0].namespace)
    try:
        if not isinstance(system, System):
            raise BadInput("Choose the system whose number this is.")
        reason, ticket = str(state.get(REASON) or ""), str(state.get(TICKET) or "")
        state[_SOUGHT] = patient_search.sought(home, system, typed, reason, ticket)
    except BadInput as error:
        state[_SAID] = str(error)
    else:
        # A reason is for one look: the next one states its own.
        state[TICKET] = ""
        state[REASON] = None


def _number_key() -> str:
    return f"{NUMBER}_{st.session_state.get(_TURN) or 0}"


def _system(system: System, known: tuple[System, ...]) -> str:
    several = sum(each.kind == system.kind for each in known) > 1
    return f"{_TITLES[system.kind]}{f' ({system.namespace})' if several else ''}"


@st.cache_data(show_spinner=False, max_entries=4)
def _examples(home: Home, generation: int) -> tuple[str, ...]:
    """A few record numbers of the simulation, of people to whom much happened."""
    at = people(home, generation, access.permit(home))
    system = patient.systems(home)[0]
    numbers = [str(number) for number in mrn(np.arange(_CANDIDATES))]
    hashes = {patient.hashed(home, system, number): number for number in numbers}
    known = patient.richest(at, [each for each in hashes if each], _EXAMPLES)
    return tuple(hashes[each] for each in known)
