"""A folder that files are dropped into: found, opened safely, and each content read once."""

import fnmatch
import hashlib
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from connectors.contract import Row
from connectors.errors import (
    SourceChanged,
    SourceError,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.source import Cursor, Item, Rejected, Slice

MOST_REJECTED = 10_000
_UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart", "~")
_CHUNK = 1 << 20
JSON = frozenset(
    f"{form}{packed}" for form in (".json", ".ndjson", ".jsonl") for packed in ("", ".gz", ".zst")
)
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp"})  # what steers, turns or ends a line


@dataclass(frozen=True, slots=True)
class DropFile:
    """A file in the folder; `name` is its path below the folder, with slashes, as `_legible`."""

    path: Path
    name: str
    fault: str | None = None  # why it may not be opened


@dataclass(frozen=True, slots=True)
class Print:
    """What a file was when its content was hashed."""

    sha256: str
    state: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How one file is read; `key` changes whenever the same content would make other rows."""

    rows: tuple[type[Row], ...]
    key: str
    read: Callable[[DropFile, BinaryIO], Iterable[Item]]


@dataclass(frozen=True, slots=True)
class Drop:
    """A source whose slices are the files of a folder."""

    source: str
    folder: Path
    plan: Callable[[DropFile], Plan | None]

    def files(self) -> list[DropFile]:
        """The finished files, by name: with dated names the newest row arrives last and wins."""
        if not self.folder.is_dir():
            raise SourceMisconfigured(
                f"Source '{self.source}': there is no folder {self.folder}. "
                "Make it, or correct `folder` in caretrace.toml."
            )
        return list(_walk(self.folder))

    def planned(self, loaded: int = 0) -> list[tuple[DropFile, Plan]]:
        """The files to read and how; raises SourceUnreachable where there is none.

        `loaded` is how many were loaded before, for the sentence.
        """
        files = self.files()
        found = [(file, plan) for file in files if (plan := self.plan(file)) is not None]
        if not found:
            raise nothing_to_read(self.source, self.folder, len(files), loaded)
        return found

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """One slice for each file whose content has not been loaded under its mapping.

        Raises SourceUnreachable where there is nothing to read at all.
        """
        seen = {value for key, value in cursors.items() if key.startswith("file:")}
        for file, plan in self.planned(len(seen)):
            try:
                found = fingerprint(file)
            except SourceError as error:
                yield self._slice(file, plan, partial(refuse, error))
                continue
            cursor = f"{found.sha256}:{plan.key}"
            if cursor not in seen:
                seen.add(cursor)
                yield self._slice(file, plan, partial(_read, file, plan, found, cursor))

    def _slice(self, file: DropFile, plan: Plan, read: Callable[[], Iterable[Item]]) -> Slice:
        return Slice(name=file.name, rows=plan.rows, cursor_key=f"file:{file.name}", read=read)


def nothing_to_read(source: str, folder: Path, files: int, loaded: int) -> SourceUnreachable:
    """What is wrong with a folder without any file to read: it must not look fresh."""
    what = f"none of its {files:,} files is one that it reads" if files else "it is empty"
    before = f" {loaded:,} were loaded from it before, and stand." if loaded else ""
    return SourceUnreachable(
        f"Source '{source}' found no file to read in {folder}: {what}.{before} Mount the folder, "
        "or see that files arrive; leave the newest one in it, what is loaded is not loaded twice."
    )


def matches(name: str, pattern: str) -> bool:
    """Whether a file's name fits a glob, in which `*` stays in its folder and `**/` does not."""
    if "/" not in pattern:
        return "/" not in name and fnmatch.fnmatchcase(name, pattern)
    head, _, rest = pattern.partition("/")
    if head == "**":
        return matches(name, rest) or ("/" in name and matches(name.partition("/")[2], pattern))
    first, slash, below = name.partition("/")
    return bool(slash) and fnmatch.fnmatchcase(first, head) and matches(below, rest)


def fingerprint(file: DropFile) -> Print:
    """The hash of a file's content; refused where the file is still being written."""
    digest = hashlib.sha256()
    with opened(file) as stream:
        before = _state(stream)
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
        if _state(stream) != before:
            raise _unfinished(file)
    return Print(digest.hexdigest(), before)


@contextmanager
def opened(file: DropFile) -> Iterator[BinaryIO]:
    """The file for reading: a regular file inside the folder, or nothing at all."""
    if file.fault is not None:
        raise SourceRefused(f"{file.name} {file.fault}; it was not opened. Take it out.")
    try:
        # Without O_NONBLOCK a pipe put in place of the file would hold the refresh for ever.
        handle = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise SourceChanged(f"{file.name} has gone since the folder was listed.") from error
    except OSError as error:
        raise SourceRefused(
            f"{file.name} cannot be opened ({error.strerror}); give the refresh the right to read "
            "it, or take it out."
        ) from error
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise SourceRefused(f"{file.name} is not a regular file; take it out of the folder.")
        yield stream


def _walk(folder: Path) -> Iterator[DropFile]:
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        name = _legible(path.relative_to(folder))
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or name.endswith(_UNFINISHED):
            continue
        if path.is_symlink():
            target = path.resolve()
            if not target.is_relative_to(root):
                yield DropFile(path, name, "is a link to outside its folder")
            elif target.is_file():
                yield DropFile(target, name)
        elif path.is_file():
            yield DropFile(path, name)
        elif not path.is_dir():
            yield DropFile(path, name, "is a pipe, socket or device")


def _legible(path: Path) -> str:
    r"""A path as text: `caf\xe9.csv` where bytes are none, or signs none that anybody sees.

    A name may come from a computer that writes letters otherwise; no database takes such bytes, and
    a terminal would obey signs that steer it.
    """
    name = os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
    return "".join(
        sign.encode("unicode_escape").decode("ascii")
        if unicodedata.category(sign) in _UNSEEN
        else sign
        for sign in name
    )


def whole(
    file: DropFile, found: Print, read: Callable[[DropFile, BinaryIO], Iterable[Item]]
) -> Iterator[Item]:
    """What `read` makes of a file, which must be and stay what it was when it was hashed."""
    with opened(file) as stream:
        if _state(stream) != found.state:
            raise _unfinished(file)
        try:
            yield from _capped(file, read(file, stream))
        except SourceError as error:
            if _state(stream) != found.state:
                raise _unfinished(file) from error
            raise
        except OSError as error:
            raise SourceUnreachable(
                f"{file.name} could not be read to its end ({error}); the next refresh tries again."
            ) from error
        if _state(stream) != found.state:
            raise _unfinished(file)


def _read(file: DropFile, plan: Plan, found: Print, cursor: str) -> Iterator[Item]:
    yield from whole(file, found, plan.read)
    yield Cursor(cursor)


def refuse(error: SourceError) -> Iterator[Item]:
    """Raise an error where a slice is read, so that the other slices go on."""
    raise error
    yield  # makes this a generator, so that the error is raised where the slice is read


def _capped(file: DropFile, items: Iterable[Item]) -> Iterator[Item]:
    """All rows, and as many rejects as a person might look at; the others are counted."""
    rejected = 0
    last: Rejected | None = None
    for item in items:
        if isinstance(item, Rejected):
            rejected += 1
            last = item
            if rejected > MOST_REJECTED:
                continue
        yield item
    if last is not None and rejected > MOST_REJECTED:
        more = rejected - MOST_REJECTED
        reason = f"{more:,} more rows of this file were rejected, the last of them at this number"
        yield Rejected(file.name, last.row_number, "", "", reason, last.table)


def _state(stream: BinaryIO) -> tuple[int, ...]:
    """What changes when a file is written to, or another is put in its place."""
    now = os.fstat(stream.fileno())
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns


def _unfinished(file: DropFile) -> SourceChanged:
    return SourceChanged(
        f"{file.name} is still being written; it will be read by the next refresh."
    )


def suffix_of(name: str) -> str:
    """The end of a file's name that tells its format: `.csv`, `.csv.gz`."""
    path = Path(name.lower())
    packed = path.suffix in (".gz", ".zst")
    return "".join(path.suffixes[-2:]) if packed else path.suffix


def kinds_of(files: Sequence[DropFile]) -> str:
    """Files by their format, counted: `12 .csv, 1 .xlsx`."""
    kinds = Counter(suffix_of(file.name) or "without suffix" for file in files)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
