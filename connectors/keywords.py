"""What people write to opt out of text messages, or in again; carriers and vendors honour these."""

# Those that carriers honour, less YES: people write that to confirm a visit.
STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START = frozenset({"START", "UNSTOP"})


def wish_in(text: str | None) -> tuple[bool, str] | None:
    """Whether a text that came in allows or forbids, and how that is told; None for other texts.

    Only a text that is nothing but a keyword counts.
    """
    word = (text or "").strip().rstrip(".! ").upper()
    if word in STOP:
        return False, "answered STOP"
    return (True, "answered START") if word in START else None
