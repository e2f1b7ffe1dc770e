"""Holdouts: who is left alone so that what a flow brings can be known.

The arm is a keyed hash of person and flow, as a number from 0 to 1 against the flow's share: the
same today and next year, not to be guessed, and recomputable. Raising the share adds people and
moves none back. What was assigned once is remembered in the outbox and stands.
"""

import hmac
from collections.abc import Iterable

from attribution.paths import Home
from attribution.privacy import load_key

TREATED, HELD_OUT = "treated", "holdout"
_WHOLE = float(1 << 64)


def holdout_key(home: Home) -> bytes:
    """The key of assignments, from the installation's own."""
    return hmac.digest(load_key(home), b"caretrace holdouts", "sha256")


def arms(key: bytes, flow: str, people: Iterable[int], share: float) -> list[str]:
    """The arm of each person in a flow that holds out this share."""
    digest, prefix = hmac.digest, f"{flow}\x1f"
    below = int(share * _WHOLE)
    return [
        HELD_OUT
        if int.from_bytes(digest(key, f"{prefix}{person}".encode(), "sha256")[:8], "big") < below
        else TREATED
        for person in people
    ]


def message_keys(
    key: bytes, flow: str, people: Iterable[int], occasions: Iterable[str]
) -> list[str]:
    """The idempotency key of each person, flow and occasion; nothing can be read out of it."""
    digest, prefix = hmac.digest, f"message\x1f{flow}\x1f"
    return [
        digest(key, f"{prefix}{person}\x1f{occasion}".encode(), "sha256")[:16].hex()
        for person, occasion in zip(people, occasions, strict=True)
    ]
