"""Payloads: what sources answered, kept as fetched, so that a changed mapping can be replayed."""

import os
from pathlib import Path
from urllib.parse import quote

import zstandard

from attribution.paths import Home


def folder(home: Home, source: str, account: str, run_id: str) -> Path:
    """Where the payloads of one run of a source go."""
    # An account's name may hold slashes, and must not lead out of the folder.
    return home.raw / source / quote(account, safe="").replace(".", "%2E") / run_id


def keep(into: Path, name: str, payload: bytes) -> None:
    """Keep a payload as fetched, write-once and durable."""
    path = into / f"{name}.zst"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(zstandard.compress(payload))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
