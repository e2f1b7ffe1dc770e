"""What is made once in a run of the tests: by the worker that comes first, for all of them."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

# A folder that all workers of this run have; tests/conftest.py says which.
SHARED: list[Path] = []


def made(name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` filled, to copy from and to leave as it is."""
    [shared] = SHARED
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            begun = shared / f"{name}.begun"
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            make(begun)
            begun.rename(folder)
    return folder
