"""Restoring: a backup goes into an empty home folder, whole and checked, or not at all.

Everything is checked against the list of the backup before anything is written, and again as it is
copied. The copy stands under another name until it is durable, and the key that waits in the home
folder is not touched before. Three things are wrong in any old backup and are put right: sends are
held, since what was sent since then would be sent again; people who were forgotten since then are
in it, until their tombstones are applied; and refusals that outreach heard itself since then are
not, until those of a later outbox are taken over. Secrets that were left out of it are named, to be
put back.
"""

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import Any

from attribution import audit
from attribution.at_rest import owner_only, sync
from attribution.backup import FORMAT, KEYS, MANIFEST, Made, digest
from attribution.errors import BadInput, SettingsError, StorageError
from attribution.keys import keyring
from attribution.ledger import Ledger
from attribution.local_time import local
from attribution.paths import Home
from attribution.tombstones import PERSON, SHARED, bury, forgotten
from attribution.vault import open_vault
from outreach.carrying import carry_over

_FOUND = "lost+found"  # a file system brings it, for what is found after a crash
_HEARD = "`outreach stop`, links to unsubscribe, answers to a sending"


def check(backup: Path) -> Made:
    """Look at every byte of a backup; raises BadInput or StorageError where it is not whole."""
    content = _list_of(backup)
    found = {p.relative_to(backup).as_posix() for p in backup.rglob("*") if not p.is_dir()}
    files = _files_of(backup, content)
    if strange := sorted(found - files.keys() - {MANIFEST}):
        raise _damaged(backup, f"{strange[0]} is in it and not on its list")
    for name, (size, checksum) in files.items():
        path = backup / name
        if not path.is_file() or path.is_symlink():
            raise _damaged(backup, f"{name} is missing")
        if path.stat().st_size != size or digest(path) != checksum:
            raise _damaged(backup, f"{name} is not as it was written")
    return Made(
        str(content["made_at"]),
        int(content["generation"]),
        len(files),
        sum(size for size, _ in files.values()),
    )


def restore(backup: Path, home: Home, forgotten_since: Path | None = None) -> Iterator[str]:
    """Put a backup into an empty home folder; yields what a person must know.

    `forgotten_since` is a later backup or home folder, or a vault of either: who was forgotten
    there is forgotten here too, and the next refresh takes away what is left of them. Refusals of
    the outbox that lies there are taken over. The outer key must be at hand: in the environment, in
    the home folder as its only file, or in the backup.
    """
    made = check(backup)
    left = _left(backup)
    kept = _kept(home, left)
    place = home.folder.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    part = _around(place) / f".{place.name}.{token_hex(4)}.restoring"
    fresh = Home(part)
    try:
        with owner_only():
            _copy(backup, part, home, kept)
            _opened(fresh, home)
            buried = _bury(fresh, forgotten_since) if forgotten_since else 0
            refusals = _refusals(fresh, forgotten_since) if forgotten_since else None
            reason = (
                f"Restored from a backup of {made.made_at}: what was sent since then is not known "
                "here."
            )
            audit.record(
                fresh, audit.operator(), audit.RESTORED, f"generation {made.generation}",
                made_at=made.made_at, forgotten_since=buried,
            )  # fmt: skip
            with Ledger(fresh) as ledger:
                ledger.set_flag("sends_held", reason)
            _sync_all(part)
            _in_place(part, place, kept)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    yield (
        f"{home.folder} holds generation {made.generation} again, as it was on "
        f"{local(made.made_at)}."
    )
    if missing := [name for name in left if not (home.folder / name).exists()]:
        yield (
            f"Left out of that backup, as they are secret: {', '.join(missing)}. Put them "
            f"back into {home.folder} before you refresh or send."
        )
    yield (
        "Sends are held: look at what was sent since then, then say `caretrace release`. Run "
        "`caretrace refresh` to load what came since."
    )
    if forgotten_since is None:
        yield (
            "People who were forgotten after that backup are in it again, and refusals that only "
            f"outreach heard since then are lost: {_HEARD}. Forget and stop them again, or restore "
            "with --forgotten and a later backup or home folder."
        )
        return
    yield (
        f"There was no outbox beside {forgotten_since}: refusals that only outreach heard since "
        f"that backup are lost ({_HEARD}). Stop them again before you release sends."
        if refusals is None
        else f"{refusals:,} refusals that only outreach heard since then were taken over."
    )
    if buried:
        yield (
            f"{buried:,} people were forgotten since then. `caretrace refresh` takes away what is "
            "left of them: run it before anybody looks at pages."
        )


def _opened(fresh: Home, home: Home) -> None:
    """Raise where no key opens what was copied; the sentence is of the folder that will stay."""
    try:
        keyring(fresh)
    except (StorageError, SettingsError) as error:
        said = str(error).replace(str(fresh.folder), str(home.folder))
        raise type(error)(said) from None


def _list_of(backup: Path) -> dict[str, Any]:
    if not backup.is_dir():
        raise BadInput(f"{backup} is no folder. Name one that `caretrace backup` made.")
    try:
        said = json.loads((backup / MANIFEST).read_bytes())
        content: dict[str, Any] = said["backup"]
        text = json.dumps(content, sort_keys=True)
        whole = said["sha256"] == sha256(text.encode()).hexdigest()
    except FileNotFoundError:
        raise BadInput(
            f"{backup} has no {MANIFEST}: it is no backup, or one that was not finished."
        ) from None
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise _damaged(backup, f"{MANIFEST} is not as it was written")
    if content["format"] != FORMAT:
        raise BadInput(f"{backup} was made by another version of caretrace. Restore it with that.")
    return content


def _files_of(backup: Path, content: dict[str, Any]) -> dict[str, tuple[int, str]]:
    files = {}
    for name, said in content["files"].items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise _damaged(backup, "its list leads out of it")
        files[name] = (int(said["size"]), str(said["sha256"]))
    return files


def _damaged(backup: Path, what: str) -> StorageError:
    return StorageError(f"{backup} is damaged: {what}. Take another backup; nothing was restored.")


def _left(backup: Path) -> list[str]:
    """The secrets that were left out of a backup; one of an earlier version does not say."""
    return [str(name) for name in _list_of(backup).get("left", ())]


def _kept(home: Home, left: list[str]) -> list[str]:
    """The key and secrets that wait in an otherwise empty home folder."""
    if not home.folder.exists():
        return []
    there = _there(home.folder, _FOUND if home.folder.is_mount() else "")
    if not home.folder.is_dir() or not {*there} <= {*KEYS, *left}:
        raise BadInput(
            f"{home.folder} is not empty. A backup goes into a new home folder: move this one "
            "away, or set CARETRACE_HOME to another; only the key and secrets may be there."
        )
    return there


def _there(folder: Path, *but: str) -> list[str]:
    """The files in a folder, but for some of what lies in it."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.is_dir() and path.relative_to(folder).parts[0] not in but
    )


def _copy(backup: Path, part: Path, home: Home, kept: list[str]) -> None:
    part.mkdir(mode=0o700)
    for name, (_, checksum) in _files_of(backup, _list_of(backup)).items():
        to = part / name
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(backup / name, to)
        to.chmod(0o600)
        if digest(to) != checksum:
            raise _damaged(backup, f"{name} changed while it was read")
    for name in kept:
        to = part / name
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(home.folder / name, to)
        to.chmod(0o600)


def _bury(home: Home, later: Path) -> int:
    """Forget who was forgotten in a later vault; returns how many people that is here."""
    path = later / "vault.sqlite" if later.is_dir() else later
    if not path.is_file():
        raise BadInput(f"{later} holds no vault. Name a later backup, home folder or vault.sqlite.")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as vault:
        try:
            rows = vault.execute("select target, identifier from forgotten").fetchall()
            names = {name for (name,) in vault.execute("select key_name from hashed_under")}
        except sqlite3.DatabaseError:
            raise BadInput(f"{path} is no vault of caretrace that can be read.") from None
    with open_vault(home) as mine:
        known = forgotten(mine)
        with mine.changing() as connection:
            own = connection.exec_driver_sql("select key_name from hashed_under").scalars().all()
        if set(own) != names:
            raise BadInput(
                "Keys were rehashed between the two, so tombstones of the one say nothing in the "
                "other. Restore without --forgotten, and forget those people again by name."
            )
        people = {each for target, each in rows if target == PERSON} - set(known.people)
        records = {(t, each) for t, each in rows if t != PERSON} - set(known.records)
        records -= {(SHARED, each) for each in known.shared}
        if not people and not records:
            return 0
        mapped = mine.numbers().to_pylist()
        theirs = {int(m["person_id"]) for m in mapped if m["identifier"].hex() in people}
        bury(mine, f"restored-{token_hex(4)}", people, records, theirs)
    return len(theirs)


def _refusals(home: Home, later: Path) -> int | None:
    """Take over what a later outbox knows of refusals; how many are new, None without one."""
    outbox = Home(later if later.is_dir() else later.parent).outreach
    return carry_over(home, outbox) if outbox.is_file() else None


def _sync_all(folder: Path) -> None:
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)


def _around(place: Path) -> Path:
    """The folder in which a copy is made: the one that holds the home folder, or that itself.

    A mount point, such as a container's volume, cannot be given another folder's place.
    """
    fixed = place.is_dir() and not os.access(place.parent, os.W_OK | os.X_OK)
    return place if fixed or place.is_mount() else place.parent


def _in_place(part: Path, place: Path, kept: list[str]) -> None:
    """Let a copy be the home folder, or leave that as it was; what was `kept` is in the copy."""
    if part.parent == place:
        if _there(place, _FOUND, part.name) != kept:
            raise _not_alone(place)
        _move_up(part, place)
        return
    before = part.with_suffix(".before")
    if place.exists():
        place.rename(before)
    try:
        if before.exists() and _there(before) != kept:
            raise _not_alone(place)
        part.rename(place)
    except BaseException as error:
        if before.exists() and not place.exists():
            before.rename(place)
        # What is still aside stays there: somebody else has the place.
        taken = before.exists() or getattr(error, "errno", None) in (errno.ENOTEMPTY, errno.EEXIST)
        if taken and isinstance(error, BadInput | OSError):
            raise _not_alone(place, before) from None
        raise
    sync(place.parent)
    if before.exists():
        for name in kept:
            (before / name).unlink()
        for folder in (*sorted(before.rglob("*"), reverse=True), before):
            folder.rmdir()


def _not_alone(place: Path, before: Path | None = None) -> BadInput:
    aside = (
        f" What was in {place} before, with keys and secrets, is in {before}: move back from there "
        "what is missing, then delete it."
    )
    return BadInput(
        f"Files came into {place} while it was restored, as of another restore: they stay, and of "
        "this backup nothing was restored. Look at what is there; move it away to restore again."
        f"{aside if before and before.exists() else ''}"
    )


def _move_up(part: Path, place: Path) -> None:
    """Move what is in a copy into the folder around it, the pointer last; secrets that wait stay.

    Without the pointer nothing is published there, so nobody reads a part of it.
    """
    moved: list[tuple[Path, Path]] = []
    pointer = Home(part).current
    try:
        for path, to in sorted(_moves(part, place), key=lambda move: move[0] == pointer):
            path.rename(to)
            moved.append((path, to))
            sync(to.parent)
    except BaseException:
        for path, to in moved:
            to.rename(path)
        raise
    shutil.rmtree(part)


def _moves(part: Path, place: Path) -> Iterator[tuple[Path, Path]]:
    """What of a copy is not there yet, and where it goes."""
    for path in sorted(part.iterdir()):
        to = place / path.name
        if not to.exists():
            yield path, to
        elif path.is_dir():
            yield from _moves(path, to)
