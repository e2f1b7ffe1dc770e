"""Backups: a folder that holds everything which cannot be made again, and a list that proves it.

Nothing is stopped for it. The published generation and the payloads are files that are never
changed; the SQLite stores are copied by SQLite itself, each at one instant. If a refresh publishes,
a person is forgotten, research is exported or keys change meanwhile, the copy is begun anew, so
that its parts belong together. It is made beside its target under another name, made durable, and
only then given its name: what bears the name is whole. The list in it (`manifest.json`) has the
size and SHA-256 (FIPS 180-4) of every file, and of itself.

Sealed payloads stay sealed, and neither the outer key nor the secrets file nor what else holds a
key or a token is in a backup unless somebody asks; the list says which of these were left out. The
databases hold keyed hashes and are not encrypted: a backup belongs on an encrypted disk as the home
folder does. What sources put into drop folders and what was handed over for sending name people in
the clear, and are not in it.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from typing import Any

from attribution import audit
from attribution.at_rest import owner_only, sync, write_whole
from attribution.errors import BadInput, StorageError
from attribution.ledger import Ledger, now
from attribution.named_files import named_files
from attribution.paths import Home
from attribution.warehouse import current_generation

MANIFEST, FORMAT = "manifest.json", 1
LAST = "last_backup"  # the ledger's flag: when, of which generation
STORES = ("vault.sqlite", "contacts.sqlite", "outreach.sqlite", "ledger.sqlite")
SECRETS = "secrets.toml"
KEYS = ("key", "key.new", SECRETS)
# Made anew, about one process alone, or of people in the clear.
_LEFT = {
    "generations",
    "CURRENT",
    "drop",
    "handed_over",
    "logs",
    "nameplate",
    "simulating",
    "spill",
}
_LEFT_SUFFIXES = (".lock", ".tmp", "-wal", "-shm", "-journal")
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Made:
    """A backup: when, of which generation, how many files and bytes."""

    made_at: str
    generation: int
    files: int
    size: int

    @property
    def words(self) -> str:
        """How large it is, to a person."""
        return f"{self.size / 1e6:,.1f} MB"


class _ChangedMeanwhile(Exception):
    """What was copied does not belong together any more."""


def backup(home: Home, target: Path, *, with_key: bool = False) -> Made:
    """Copy a home folder into a new folder `target`.

    Raises BadInput where the target will not do, StorageError where the disk will not or where
    things keep changing. Nothing is left under the target's name but a whole backup.
    """
    if current_generation(home) is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh`.")
    target = target.absolute()
    _check(home, target)
    audit.record(home, audit.operator(), audit.BACKED_UP, "home folder", with_key=with_key)
    with owner_only():
        for _ in range(_TRIES):
            partial = target.with_name(f".{target.name}.{token_hex(4)}.partial")
            try:
                made = _copied(home, partial, with_key=with_key)
            except _ChangedMeanwhile:
                shutil.rmtree(partial, ignore_errors=True)
                continue
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            _named(partial, target)
            with Ledger(home) as ledger:
                ledger.set_flag(LAST, f"{made.made_at} {made.generation}")
            return made
    raise StorageError(
        "A refresh, a deletion, a research export or a change of keys finished each time while the "
        "backup was made. Try again when nothing runs; nothing was left behind."
    )


def _named(partial: Path, target: Path) -> None:
    """Give a whole backup its name; what another one took meanwhile stays that one's."""
    try:
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        if target.exists():
            raise _taken(target) from error
        raise
    sync(target.parent)


def _taken(target: Path) -> BadInput:
    return BadInput(f"{target} is there already. Name a folder that is not: it will be made.")


def last_backup(home: Home) -> str | None:
    """When the last backup was made, as the ledger writes instants; None where none was."""
    if not home.ledger.is_file():
        return None
    with Ledger(home) as ledger:
        said = ledger.flag(LAST)
    return None if said is None else said.split()[0]


def digest(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal text."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def sealed_list(content: dict[str, Any]) -> bytes:
    """The list of a backup with its own checksum."""
    text = json.dumps(content, sort_keys=True)
    return json.dumps({"backup": content, "sha256": sha256(text.encode()).hexdigest()}).encode()


def _check(home: Home, target: Path) -> None:
    if target.exists():
        raise _taken(target)
    if not target.parent.is_dir():
        raise BadInput(f"There is no folder {target.parent} to put a backup into.")
    if target.resolve().is_relative_to(home.folder.resolve()):
        raise BadInput(f"{target} is inside the home folder. Name a place on another disk.")
    needed = sum(path.stat().st_size for path in _everything(home) if path.is_file())
    free = shutil.disk_usage(target.parent).free
    if free < needed * 1.1:
        raise StorageError(
            f"{target.parent} has {free / 1e9:.1f} GB free and the backup needs "
            f"{needed / 1e9:.1f} GB. Free some space; nothing was written."
        )


def _everything(home: Home) -> Iterator[Path]:
    number = current_generation(home)
    if number is not None:
        yield from home.generation(number).iterdir()
    yield from home.raw.rglob("*")


def _copied(home: Home, into: Path, *, with_key: bool) -> Made:
    before = _moment(home)
    generation = current_generation(home)
    assert generation is not None  # asked for before  # noqa: S101
    into.mkdir(mode=0o700)
    try:
        for path in _files(home, with_key=with_key):
            _copy(path, into / path.relative_to(home.folder))
        for path in sorted(home.generation(generation).glob("*.duckdb")):
            _copy(path, into / path.relative_to(home.folder))
        for name in STORES:
            if (home.folder / name).is_file():
                _copy_store(home.folder / name, into / name)
    except FileNotFoundError as error:
        raise _ChangedMeanwhile from error
    write_whole(into / "CURRENT", str(generation).encode("ascii"))
    if _moment(home) != before:
        raise _ChangedMeanwhile
    left = [name for name in _secrets(home) if not (into / name).is_file()]
    return _listed(into, generation, left, with_key=with_key)


def _moment(home: Home) -> tuple[object, ...]:
    """What tells that a refresh published, somebody was forgotten, research left, keys changed."""
    forgotten: list[Any] = []
    if home.vault.is_file():
        with closing(_reading(home.vault)) as vault:
            known = vault.execute("select 1 from sqlite_master where name = 'forgotten_case'")
            if known.fetchone():
                forgotten = vault.execute(
                    "select case_id, erased_at from forgotten_case"
                ).fetchall()
    ring = home.keyring.read_bytes() if home.keyring.is_file() else b""
    # The log, copied last, must know of no export whose file was not there yet.
    research = sorted(
        (path.name, path.stat().st_size)
        for path in home.research.glob("*")
        if not path.name.endswith(_LEFT_SUFFIXES)
    )
    return current_generation(home), ring, tuple(sorted(map(str, forgotten))), tuple(research)


def _files(home: Home, *, with_key: bool) -> Iterator[Path]:
    """Every plain file that belongs into a backup; links are not followed."""
    named = named_files(home)
    left = _LEFT | set(STORES) | named.read
    keys = (*map(Path, KEYS), *named.keys)
    secret = set() if with_key else {home.folder / name for name in keys}
    for top in sorted(home.folder.iterdir()):
        if top.name in left or top.is_symlink() or top.name.endswith(_LEFT_SUFFIXES):
            continue
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path in secret or path.name.endswith(_LEFT_SUFFIXES):
                continue
            if path.is_file() and not path.is_symlink():
                yield path


def _secrets(home: Home) -> list[str]:
    """The secrets that lie in a home folder, besides the outer key, as they are called there."""
    names = (Path(SECRETS), *named_files(home).keys)
    return sorted(name.as_posix() for name in names if (home.folder / name).is_file())


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(path, to)
    sync(to)


def _copy_store(path: Path, to: Path) -> None:
    """A SQLite store as it is at one instant, in one file."""
    with closing(_reading(path)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)
        copy.execute("pragma journal_mode=delete")
        [(found,)] = copy.execute("pragma integrity_check").fetchall()
        if found != "ok":
            raise StorageError(f"{path} is damaged, so no backup was made of it.")
    sync(to)


def _reading(path: Path) -> sqlite3.Connection:
    # Only read: a connection that may write would clear up the write-ahead log without our lock.
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30)


def _listed(folder: Path, generation: int, left: list[str], *, with_key: bool) -> Made:
    """Write the list of what is in a folder, last of all, and make every name durable."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        path.chmod(0o600)
        files[path.relative_to(folder).as_posix()] = {
            "size": path.stat().st_size,
            "sha256": digest(path),
        }
    for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        sync(inner)
    made_at = now()
    content = {
        "format": FORMAT,
        "caretrace": version("caretrace"),
        "made_at": made_at,
        "generation": generation,
        "with_key": with_key,
        "left": left,  # secrets that somebody must put back
        "files": files,
    }
    write_whole(folder / MANIFEST, sealed_list(content))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Made(made_at, generation, len(files), size)
