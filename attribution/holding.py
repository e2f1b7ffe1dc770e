"""Holding sends: a flag that every send asks for, so that a person can stop what leaves the house.

It stands in the ledger and outlives restarts. Outreach and the schedule's reports ask
`sends_held` before each batch and each report; what is on its way out already is not called back.
"""

from attribution import audit
from attribution.errors import BadInput
from attribution.ledger import Ledger
from attribution.paths import Home

LONGEST = 200  # characters of a reason
WENT_BACK = (
    "An earlier generation is shown again, which may lack refusals that came since. Refresh, then "
    "release."
)


def sends_held(home: Home) -> str | None:
    """Why nothing is to be sent now, in the words of whoever held it; None where nothing is held.

    A home folder without a ledger holds nothing: it has nothing to send either.
    """
    if not home.ledger.is_file():
        return None
    with Ledger(home) as ledger:
        return ledger.flag("sends_held")


def hold(home: Home, actor: str, reason: str) -> None:
    """Hold every send from now on; a second hold only changes the reason.

    Raises BadInput without a reason, StorageError where it cannot be written down.
    """
    words = " ".join(reason.split())
    if not words:
        raise BadInput("Say why sends are held, for whoever finds them held.")
    if len(words) > LONGEST:
        raise BadInput(f"Say in at most {LONGEST} characters why sends are held.")
    audit.record(home, actor, audit.SENDS_HELD, "sends", reason=words)
    with Ledger(home) as ledger:
        ledger.set_flag("sends_held", words)


def hold_for_rollback(home: Home, actor: str) -> None:
    """Hold sends before an earlier generation is published: consent is asked of what it knows.

    What somebody said of a hold that stands is kept. Where outreach keeps nothing, nobody is
    written to, and nothing is held.
    """
    if not home.outreach.is_file() and not home.contacts.is_file():
        return
    said = sends_held(home) or ""
    if WENT_BACK not in said:
        hold(home, actor, f"{said[: LONGEST - len(WENT_BACK) - 1]} {WENT_BACK}")


def release(home: Home, actor: str) -> bool:
    """Let sends go out again; False where nothing was held, and then nothing is written."""
    if sends_held(home) is None:
        return False
    audit.record(home, actor, audit.SENDS_RELEASED, "sends")
    with Ledger(home) as ledger:
        ledger.set_flag("sends_held", None)
    return True
