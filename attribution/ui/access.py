"""Who reads, and what they may see. Asked wherever data are read, not only by pages.

Where readers sign in, the session of the browser's cookie is looked up at each rerun, so that one
that ended and a role that was taken away end there. Where nobody signs in, only an installation
with simulated people (`demo = true`), or with nothing published yet, is shown, on this computer, to
whoever sits at it.
"""

import os
from dataclasses import replace

import streamlit as st

from attribution.errors import NotAllowed
from attribution.paths import Home
from attribution.people import Permit
from attribution.roles import AS_ROLE, EXPORT, PEOPLE, ROLES, Reader
from attribution.sessions import sessions
from attribution.sign_in import sign_in
from attribution.ui.face import face
from attribution.warehouse import current_generation

REFUSED = (
    "Journeys of single people are not shown here: they are for readers who have the role `care`."
)
NOT_EXPORTED = "Reports are taken away by readers who have the role admin."
VISITOR = Reader("reader at this computer", frozenset(ROLES))


def token(home: Home) -> str:
    """The id of the session that this page runs for; empty where there is none."""
    chosen = sign_in(home)
    return st.context.cookies.get(chosen.cookie, "") if chosen else ""


def reader(home: Home, *, alive: bool = True) -> Reader | None:
    """Who reads this page; None where nobody may.

    `alive` is false where no reader asked, but a page that refreshes itself.
    """
    return _reader(home, token(home), alive=alive)


def _reader(home: Home, session: str, *, alive: bool) -> Reader | None:
    chosen = sign_in(home)
    if chosen is None:
        return _visitor() if face(home).demo or current_generation(home) is None else None
    found = (
        sessions(home).look(session, chosen.idle, chosen.absolute, alive=alive) if session else None
    )
    if found is None:
        return None
    known = Reader(found.name, chosen.roles_of(found.groups))
    return known if known.roles else None


def _visitor() -> Reader:
    role = os.environ.get(AS_ROLE)
    return replace(VISITOR, roles=frozenset({role}) & VISITOR.roles) if role else VISITOR


def may(home: Home, what: str, *, alive: bool = True) -> bool:
    """Whether this reader may do something (see attribution.roles)."""
    known = reader(home, alive=alive)
    return known is not None and known.may(what)


def exporter(home: Home, session: str) -> Reader:
    """The reader of a session, who may take reports away; raises NotAllowed."""
    known = _reader(home, session, alive=True)
    if known is None or not known.may(EXPORT):
        raise NotAllowed(NOT_EXPORTED)
    return known


def may_see_people(home: Home) -> bool:
    """Whether this reader may see journeys of single people."""
    return may(home, PEOPLE)


def permit(home: Home) -> Permit:
    """What questions about people ask for; raises NotAllowed where the reader may not see them."""
    known = reader(home)
    if known is None or not known.may(PEOPLE):
        raise NotAllowed(REFUSED.replace("`", ""))
    return Permit("simulated people" if known.name == VISITOR.name else "role care", known.name)
