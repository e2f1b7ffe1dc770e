"""The lock: one refresh at a time, and the second is told who holds it."""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from attribution.errors import Busy
from attribution.paths import Home


@contextmanager
def only_one(home: Home) -> Iterator[None]:
    """Hold the refresh's lock; its age is never guessed at: it dies with the process."""
    with home.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "an unknown process"
            raise Busy(
                f"Another refresh is running: {holder}. Wait for it, or stop that process."
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(
            f"process {os.getpid()} on {platform.node()}, since {datetime.now(UTC):%F %T} UTC"
        )
        lock.flush()
        yield
