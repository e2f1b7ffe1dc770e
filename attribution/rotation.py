"""Rotation: other keys take over, and nothing that was joined comes apart.

Always: another outer key, and another payload key under which every payload is sealed anew. On
demand, where somebody may hold the hashing key too: every stored hash goes through another one.
What is to be is written into the keyring first, in one piece; the rest follows from it, and goes on
where it stopped.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from attribution import audit, warehouse
from attribution.at_rest import owner_only, sync, write_whole
from attribution.contacts import Contacts
from attribution.errors import BadInput, Busy
from attribution.kept_books import Books
from attribution.keys import (
    KEY_VARIABLE,
    NEW_KEY_VARIABLE,
    Keyring,
    fingerprint,
    keep,
    outer_keys,
    unlocked,
)
from attribution.lock import only_one
from attribution.paths import Home
from attribution.payloads import Payloads
from attribution.refresh import refresh
from attribution.refresh_steps import Watcher
from attribution.rehashing import bring_up_vault, stamp
from attribution.settings import Settings
from attribution.vault import open_vault
from outreach.outbox import Outbox, only_sender

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class State:
    """How things stand with keys and what is sealed."""

    hashing_keys: int
    payload_key: str
    payloads: int
    stale: int  # payloads that are not sealed, or under an earlier key
    unfinished: bool


def state(home: Home) -> State:
    """How things stand; nothing is changed."""
    ring, _ = unlocked(home)
    payloads = Payloads(home, ring.payloads)
    return State(
        len(ring.hashing),
        fingerprint(ring.payloads[-1]),
        sum(1 for _ in payloads.every()),
        sum(1 for _ in payloads.stale()),
        len(ring.payloads) > 1,
    )


def rotate(settings: Settings, watch: Watcher, say: Say, *, rehash: bool = False) -> None:
    """Let other keys take over; where an earlier change was stopped, finish that and no more.

    Raises Busy while somebody sends: what leaves is looked up by hashes.
    """
    with _nobody_sends(settings.home):
        _rotate(settings, watch, say, rehash=rehash)


def _rotate(settings: Settings, watch: Watcher, say: Say, *, rehash: bool) -> None:
    home = settings.home
    what = "hashing, payload and outer key" if rehash else "payload and outer key"
    if not _begun(home, what, rehash=rehash):
        _finish(settings, watch)
        say("An earlier change of keys is finished now; no other was begun.")
        return
    _finish(settings, watch)
    say(f"Changed: {what}. Numbers of people and everything joined are as they were.")
    if os.environ.get(NEW_KEY_VARIABLE):
        say(
            f"From now on {KEY_VARIABLE} must be what {NEW_KEY_VARIABLE} is; start the server "
            "again with it."
        )


@contextmanager
def _nobody_sends(home: Home) -> Iterator[None]:
    if not home.outreach.exists():
        yield
        return
    with only_sender(home) as mine:
        if not mine:
            raise Busy("Messages are being sent. Wait until they are, then change the keys.")
        yield


def _bring_up_outreach(home: Home) -> None:
    """Open what outreach keeps: each store follows the keyring when it is opened."""
    if home.contacts.exists():
        Contacts(home).close()
    if home.outreach.exists():
        Outbox(home).close()


def _begun(home: Home, what: str, *, rehash: bool) -> bool:
    """Write down the keys that take over; false where an earlier change is to be finished first.

    The keyring is read under the lock: what another command wrote meanwhile must not be lost.
    """
    with owner_only(), only_one(home):
        ring, outer = unlocked(home)
        if len(ring.payloads) > 1:
            # A kill came between the keys and the log: what was done is written down all the same.
            audit.record(home, audit.operator(), audit.KEYS_CHANGED, "an earlier change goes on")
            return False
        _bring_up_outreach(home)  # so that each store has noted the key that it is under
        new = _new_outer(home, outer)
        with Books(home) as books, books.between_entries() as number:
            changed = Keyring(
                (*ring.hashing, secrets.token_bytes(32)) if rehash else ring.hashing,
                (*ring.payloads, secrets.token_bytes(32)),
                (*ring.sealed_from, number) if rehash else ring.sealed_from,
            )
            keep(home, changed, new)
        audit.record(home, audit.operator(), audit.KEYS_CHANGED, what)
    return True


def _new_outer(home: Home, outer: bytes) -> bytes:
    """The outer key that takes over; where a file holds it, the new one is put beside it."""
    given = os.environ.get(NEW_KEY_VARIABLE)
    if given:
        *_, new = outer_keys(home)
        if new == outer:
            raise BadInput(f"{NEW_KEY_VARIABLE} is the key in use. Give another one.")
        return new
    if not home.key.exists() or home.key.read_bytes().strip() != outer:
        raise BadInput(
            f"The key is not in {home.key}, so caretrace cannot put another in its place. Set "
            f"{NEW_KEY_VARIABLE} to the new one, of 32 characters or more, beside the present one."
        )
    new = secrets.token_hex(32).encode("ascii")
    write_whole(home.new_key, new)
    return new


def _finish(settings: Settings, watch: Watcher) -> None:
    """Bring everything under the keys of the keyring, then give up those that took their leave."""
    home = settings.home
    ring, _outer = unlocked(home)
    if (number := warehouse.current_generation(home)) is not None:
        if not _under(home, number, ring):
            number = refresh(settings, watch, load=False).generation
        if any(not _under(home, old, ring) for old in warehouse.kept(home)):
            with only_one(home):
                warehouse.drop_others(home, number)
    with owner_only(), only_one(home):
        _bring_up_outreach(home)
        ring, outer = unlocked(home)
        if home.new_key.exists() and home.new_key.read_bytes().strip() == outer:
            home.new_key.replace(home.key)
            sync(home.folder)
        with open_vault(home) as vault:
            bring_up_vault(vault, ring)
        payloads = Payloads(home, ring.payloads)
        for path in list(payloads.stale()):
            payloads.reseal(path)
        keep(home, Keyring(ring.hashing, ring.payloads[-1:], ring.sealed_from), outer)


def _under(home: Home, generation: int, ring: Keyring) -> bool:
    """Whether a generation's identifiers are hashed under the newest key.

    One whose private store is elsewhere, as before a move to another engine, is not brought up any
    more; it is only where there never was another key.
    """
    if generation != warehouse.current_generation(home) and not warehouse.holds(home, generation):
        return len(ring.names) == 1
    engine = warehouse.open_private(home, generation)
    try:
        with engine.connect() as connection:
            return (stamp(connection) or ring.names[0]) == ring.names[-1]
    finally:
        engine.dispose()
