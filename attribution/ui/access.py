"""Who may see people. Asked wherever journeys of people are read, not only by pages.

There is no sign-in yet, so nobody is known to have a role that may see them: only simulated people
are shown. The command line's export has its own flag, for whoever can read the files anyway.
"""

from attribution.errors import NotAllowed
from attribution.paths import Home
from attribution.people import Permit
from attribution.ui.face import face

REFUSED = (
    "Journeys of single people are not shown here. They are for readers whose role may see people, "
    "and without a sign-in nobody's role is known; so only an installation with simulated people "
    "(`demo = true`) shows them."
)


def reader() -> str:
    """Who reads, as the audit log names them. Nobody has signed in: the server is on loopback."""
    return "reader at this computer"


def may_see_people(home: Home) -> bool:
    """Whether this reader may see journeys of single people."""
    return face(home).demo


def permit(home: Home) -> Permit:
    """What questions about people ask for; raises NotAllowed where the reader may not see them."""
    if not may_see_people(home):
        raise NotAllowed(REFUSED.replace("`", ""))
    return Permit("simulated people")
