"""What a person sees while a refresh runs: a line a step, with rows and seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TextIO

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from attribution import log_lines
from attribution.refresh_steps import Event, Watcher
from attribution.terminal import seen


@contextmanager
def shown(stream: TextIO) -> Iterator[Watcher]:
    """Show events as live lines on a terminal, as plain lines elsewhere, or as JSON where set."""
    if (lines := log_lines.lines()) is not None:
        with lines as written:
            yield log_lines.watcher(written)
        return
    console = Console(file=stream, highlight=False)
    if not console.is_terminal:
        yield _plain(console)
        return
    columns = (
        SpinnerColumn(finished_text="·"),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as progress:
        yield _live(progress)


def _live(progress: Progress) -> Watcher:
    tasks: dict[str, TaskID] = {}

    def watch(event: Event) -> None:
        if event.step not in tasks:
            tasks[event.step] = progress.add_task(event.step, total=1, note="")
        progress.update(
            tasks[event.step],
            note=_note(event),
            completed=1 if event.state in ("done", "failed") else 0,
        )

    return watch


def _plain(console: Console) -> Watcher:
    began: dict[str, float] = {}
    lock = Lock()

    def watch(event: Event) -> None:
        with lock:
            if event.state == "started":
                began[event.step] = time.monotonic()
            elif event.state in ("done", "failed"):
                seconds = time.monotonic() - began[event.step]
                console.print(
                    f"{event.step}: {event.state} in {seconds:.1f} s. {_note(event)}".rstrip(),
                    markup=False,
                    soft_wrap=True,
                )

    return watch


def _note(event: Event) -> str:
    rows = f"{event.rows:,} rows" if event.rows else ""
    return seen(". ".join(part for part in (rows, event.message) if part))
