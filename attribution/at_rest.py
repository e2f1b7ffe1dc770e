"""At rest: the home folder is its owner's alone, whatever umask or whoever made it.

The folder is the wall: what is in a folder of mode 0700 nobody else can reach. The files' own
modes are a second one, for the day on which somebody opens the first.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from attribution.errors import StorageError
from attribution.paths import Home

_OTHERS, _FILE = 0o077, 0o600


def writing(path: Path) -> BinaryIO:
    """A new file in the place of any of that name; it is its owner's alone, whatever the umask."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE), "wb")


def lock_file(path: Path) -> TextIO:
    """A file to hold a lock on; made where it is missing, and its owner's alone."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _FILE), "a+")


def write_whole(path: Path, content: bytes) -> None:
    """Write a small private file so that a power cut leaves the old content or the new one."""
    partial = path.with_name(f"{path.name}.tmp")
    with writing(partial) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make a file's content, or a folder's names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def owner_only() -> Iterator[None]:
    """Let whatever this process makes meanwhile be its owner's alone; databases ask nobody."""
    before = os.umask(_OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def open_to_others(home: Home) -> list[Path]:
    """What others may read, write or enter of a home folder; links are not followed."""
    found = [home.folder] if _open(home.folder.lstat().st_mode) else []
    for folder, folders, files in os.walk(home.folder):
        for name in (*folders, *files):
            path = Path(folder, name)
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:  # a refresh or a server clears up
                continue
            if _open(mode) and not stat.S_ISLNK(mode):
                found.append(path)
    return found


def mend(home: Home) -> int:
    """Close to others what is open to them; returns how much was.

    Raises StorageError where that cannot be done: by somebody who does not own it, or on a disk
    that knows no modes.
    """
    found = open_to_others(home)
    for path in found:
        _close(path)
    if _open(home.folder.stat().st_mode):
        raise _refusal(home)
    return len(found)


def require_private(home: Home) -> None:
    """Close the folder to others if this user may; raise StorageError where it stays open."""
    if not home.folder.is_dir() or not _open(home.folder.stat().st_mode):
        return
    _close(home.folder)
    if _open(home.folder.stat().st_mode):
        raise _refusal(home)


def _refusal(home: Home) -> StorageError:
    return StorageError(
        f"Others on this computer can read {home.folder}, and it cannot be closed to them. Run "
        f"`chmod 700 {home.folder}` as its owner, or set CARETRACE_HOME to a folder on a disk that "
        "knows permissions."
    )


def _open(mode: int) -> bool:
    return bool(mode & _OTHERS)


def _close(path: Path) -> None:
    try:
        path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~_OTHERS)
    except (PermissionError, FileNotFoundError, OSError):
        return  # whoever asks looks again
