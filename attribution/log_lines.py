"""Structured logs: one line of JSON for each event, for those who collect logs.

`CARETRACE_LOG=json` writes them to standard error in the place of what a person reads; a path
appends them to that file, its owner's alone. Fields: `at` (UTC), `event` (step, log), `step`,
`state` (started, done, failed), `seconds`, `rows`, `level`, `message`. Messages are the sentences
that people read: names of sources and counts, and nothing that points at a person. Of an error that
is not ours to word only its type is written.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import TYPE_CHECKING, TextIO

from attribution.errors import SettingsError
from attribution.ledger import now

if TYPE_CHECKING:
    from attribution.refresh_steps import Event, Watcher

VARIABLE = "CARETRACE_LOG"
Write = Callable[[dict[str, object]], None]


def lines() -> AbstractContextManager[Write] | None:
    """Where the lines go; None where nobody asked for them. Raises SettingsError."""
    chosen = os.environ.get(VARIABLE, "")
    return _to(chosen) if chosen else None


@contextmanager
def _to(chosen: str) -> Iterator[Write]:
    if chosen == "json":
        yield _writer(sys.stderr)
        return
    try:
        descriptor = os.open(chosen, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise SettingsError(
            f"{VARIABLE} names {chosen}, which cannot be written ({error.strerror}). Set it to "
            "`json` for standard error, or to a file in a folder that is there."
        ) from error
    with os.fdopen(descriptor, "a", encoding="utf-8", buffering=1) as file:
        yield _writer(file)


def _writer(stream: TextIO) -> Write:
    lock = Lock()

    def write(fields: dict[str, object]) -> None:
        told = {name: value for name, value in fields.items() if value not in (None, "")}
        line = json.dumps({"at": now(), **told}, ensure_ascii=False)
        with lock:
            stream.write(f"{line}\n")
            stream.flush()

    return write


def watcher(write: Write) -> "Watcher":
    """Writes a line when a step of a refresh starts and when it ends."""
    began: dict[str, float] = {}

    def watch(event: "Event") -> None:
        if event.state == "progress":
            return
        if event.state == "started":
            began[event.step] = time.monotonic()
            write({"event": "step", "step": event.step, "state": event.state})
            return
        seconds = round(time.monotonic() - began.get(event.step, time.monotonic()), 3)
        write(
            {
                "event": "step",
                "step": event.step,
                "state": event.state,
                "seconds": seconds,
                "rows": event.rows,
                "message": event.message,
            }
        )

    return watch


def begin() -> None:
    """Let the server's own log be written as lines too, from now on, where somebody asked."""
    if (chosen := lines()) is None:
        return
    log = logging.getLogger("caretrace")
    if not any(isinstance(handler, _Lines) for handler in log.handlers):
        log.addHandler(_Lines(chosen.__enter__()))  # for as long as the process lives
        log.propagate = False


class _Lines(logging.Handler):
    def __init__(self, write: Write) -> None:
        super().__init__(logging.INFO)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        self._write(
            {
                "event": "log",
                "level": record.levelname.lower(),
                "message": record.getMessage(),
                "error": kind.__name__ if kind else None,
            }
        )
