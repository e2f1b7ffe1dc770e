"""Locks on files, which die with their process: one refresh at a time, one schedule, one sender."""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import TextIO

from attribution.at_rest import lock_file
from attribution.errors import Busy
from attribution.paths import Home


@contextmanager
def only_one(home: Home) -> Iterator[None]:
    """Hold the refresh's lock; its age is never guessed at: it dies with the process."""
    with lock_file(home.lock) as lock:
        if not _taken(lock):
            lock.seek(0)
            holder = lock.read().strip() or "an unknown process"
            raise Busy(f"Another refresh is running: {holder}. Wait for it, or stop that process.")
        lock.seek(0)
        lock.truncate()
        lock.write(
            f"process {os.getpid()} on {platform.node()}, since {datetime.now(UTC):%F %T} UTC"
        )
        lock.flush()
        yield


@contextmanager
def alone(path: Path, refusal: str) -> Iterator[TextIO]:
    """Hold a lock; raises Busy, which says `refusal`, where another process has it."""
    with lock_file(path) as lock:
        if not _taken(lock):
            raise Busy(refusal)
        yield lock


def held(home: Home) -> bool:
    """Whether a refresh really holds the lock; a killed one does not."""
    return is_held(home.lock)


def is_held(path: Path) -> bool:
    """Whether another process holds a lock."""
    try:
        with path.open() as lock:
            # Shared: those who only ask do not take each other for who holds it.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # held, or not ours to know
    return False


def _taken(lock: TextIO) -> bool:
    """Take the lock; whoever only asked about it lets go at once."""
    for _ in range(5):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(0.02)
        else:
            return True
    return False
