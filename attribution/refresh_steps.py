"""The steps of a refresh: told to who watches, and kept in the ledger."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from attribution.errors import told

if TYPE_CHECKING:
    from attribution.ledger import Ledger, StepNote

State = Literal["started", "progress", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a person who watches the refresh wants to know."""

    step: str
    state: State
    rows: int = 0
    message: str = ""


Watcher = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one run."""

    ledger: "Ledger"
    run_id: str
    watch: Watcher

    @contextmanager
    def step(self, name: str) -> Iterator["StepNote"]:
        """A step that ends with the block; the note says with what."""
        self.watch(Event(name, "started"))
        with self.ledger.step(self.run_id, name) as note:
            try:
                yield note
            except Exception as error:
                self.watch(Event(name, "failed", message=told(error)))
                raise
        state: State = "failed" if note.failed else "done"
        self.watch(Event(name, state, note.rows, note.message))

    def progress(self, step: str, rows: int) -> None:
        """So many rows are done."""
        self.watch(Event(step, "progress", rows))
        self.ledger.progress(self.run_id, step, rows)

    def say(self, step: str, message: str) -> None:
        """What it is at."""
        self.watch(Event(step, "progress", message=message))
