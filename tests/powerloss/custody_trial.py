"""A trial of those who keep the data: cut the power while keys change and a person is forgotten.

After any cut the keys open everything that is there, nobody's number came apart, and the log is
whole. Where a command was acknowledged, or the books say that nothing is left of somebody, nothing
is. Whatever was stopped goes on when it is told to.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import custody_fixture as custody
import duckdb
from powerloss.keeping import canaries
from powerloss.replay import ACKNOWLEDGED, MODELS, Cut, Operation, cuts
from servers.clinic import CANARY_MRN
from sqlalchemy.exc import SQLAlchemyError

from attribution import audit, settings
from attribution.contacts import Contacts
from attribution.errors import CaretraceError
from attribution.identity import open_vault
from attribution.keys import keyring
from attribution.paths import Home
from attribution.payloads import Payloads
from attribution.refresh import refresh
from attribution.rotation import state
from attribution.tombstones import forgotten
from attribution.warehouse import current_generation
from outreach.outbox import Outbox

PAYLOADS = {"days.json.zst.enc", "late.csv.zst.enc", "names.json.zst.enc"}
NAMING = "names.json.zst.enc"
MADE, ROTATED, REHASHED, WRITTEN, FORGOTTEN = range(1, 6)


def faults(
    operations: list[Operation],
    folder: Path,
    count: int,
    *,
    synced: Callable[[Operation], bool] = lambda _operation: True,
    seed: int = 20261127,
    every: int = 8,
) -> dict[str, list[str]]:
    """What so many power cuts after the first acknowledgement broke, by model."""
    found: dict[str, list[str]] = {model: [] for model in MODELS}
    folder.mkdir()
    since = 1 + next(
        place
        for place, operation in enumerate(operations)
        if operation.path == ACKNOWLEDGED and operation.kind == "W"
    )
    with custody.few_models(custody.FEWER):
        for number, cut in enumerate(
            cuts(operations, folder, count=count, seed=seed, synced=synced, since=since)
        ):
            if problem := fault(cut, and_goes_on=number % every == 0):
                found[cut.model].append(f"cut {number} at operation {cut.at}: {problem}")
            shutil.rmtree(cut.folder)
    return found


def fault(cut: Cut, *, and_goes_on: bool) -> str | None:
    """What is wrong with what a power cut left; None where nothing is."""
    home = Home(cut.folder)
    try:
        problem = _wrong(home, cut.acknowledged)
        if problem is None and and_goes_on:
            problem = _stopped(home, cut.acknowledged)
    except (CaretraceError, SQLAlchemyError, duckdb.Error, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return problem


def _wrong(home: Home, acknowledged: int) -> str | None:
    ring = keyring(home)
    if len(ring.hashing) < 1 + (acknowledged >= REHASHED):
        return f"{acknowledged} were acknowledged, and the keyring is of before"
    if log := audit.verify(home).problems:
        return f"the audit log: {log[0]}"
    store = Payloads(home, ring.payloads)
    held = {path.name for path in store.every() if store.read(path)}
    with open_vault(home) as vault:
        buried = forgotten(vault)
        people = {row["person_id"] for row in vault.numbers().to_pylist()}
    if held | {NAMING} != PAYLOADS or (NAMING not in held and not buried):
        return f"of the payloads there are {sorted(held)}"
    if not people:
        return "the vault knows nobody"
    if buried and not buried.pending and (traces := left(home)):
        return f"it says that nothing is left, and there is: {', '.join(traces)}"
    if acknowledged >= FORGOTTEN and (not buried or buried.pending):
        return "to forget was acknowledged, and is not done"
    if not buried and not _known(home):
        return "the person's hash is not that of the keys, so new rows would not join"
    if acknowledged in (ROTATED, REHASHED, FORGOTTEN) and not buried and _begun(home, acknowledged):
        return None  # the next change had begun
    return None


def _begun(home: Home, acknowledged: int) -> bool:
    return state(home).unfinished or acknowledged < FORGOTTEN


def _known(home: Home) -> bool:
    number = current_generation(home)
    if number is None:
        return False
    record, _address = canaries(home)
    ring = keyring(home)
    with duckdb.connect(str(home.generation(number) / "private.duckdb"), read_only=True) as store:
        [(name,)] = store.execute("select key_name from hashed_under").fetchall()
        among = store.execute("select identifier from identity").fetchall()
    # Of a change that goes on, the generation may still be under the key before.
    return name in ring.names and (name != ring.names[-1] or (record,) in among)


def left(home: Home) -> list[str]:
    """Where something of the person still is."""
    hashes = {text.encode() for text in canaries(home)} | {CANARY_MRN.encode()}
    found = [
        str(path.relative_to(home.folder))
        for path in home.folder.rglob("*")
        if path.is_file()
        and path.parent != home.folder
        and any(each in path.read_bytes() for each in hashes)
    ]
    store = Payloads(home, keyring(home).payloads)
    found += [path.name for path in store.every() if path.name == NAMING]
    if home.contacts.is_file():
        with Contacts(home) as contacts, Outbox(home) as outbox:
            record = canaries(home)[0]
            if record in contacts.places(["email", "record"])["owner"].to_pylist():
                found.append("contacts")
            if outbox.rows("select key from message") or outbox.rows("select arm from assignment"):
                found.append("outbox")
    return found


def _stopped(home: Home, acknowledged: int) -> str | None:
    """What does not go on, where something was stopped."""
    with open_vault(home) as vault:
        buried = forgotten(vault)
    if buried.pending:
        refresh(settings.load(home), debug=True, load=False)
        if traces := left(home):
            return f"after it went on there is left: {', '.join(traces)}"
    if state(home).unfinished:
        custody.rotate(home)
        if state(home).unfinished or state(home).stale:
            return "the change of keys does not come to an end"
    return _wrong(home, max(acknowledged, MADE))
