"""`caretrace status`: what is published, how sources and schedule fare, what an operator must know.

The same as lines for a person and as JSON for a program; instants of the JSON are UTC.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from attribution import generations, warehouse
from attribution.backup import last_backup
from attribution.errors import BadInput, StorageError
from attribution.holding import sends_held
from attribution.ledger import Ledger
from attribution.local_time import local
from attribution.paths import Home
from attribution.refresh_words import in_part
from attribution.schedule.standing import Standing, standing
from attribution.terminal import say
from attribution.warehouse_url import place, url_of


@dataclass(frozen=True, slots=True)
class Status:
    """How an installation stands. Instants are as the ledger writes them, None where unknown."""

    generation: int
    published_at: str | None
    rolled_back: bool
    refresh: dict[str, Any] | None  # the last one: state, started_at, ended_at, message
    # source, state, last_success_at, message, and rows_loaded when it was last asked
    sources: tuple[dict[str, Any], ...]
    schedule: Standing | None
    sends_held: str | None
    backup_at: str | None
    engine: str  # which holds the private store, and where; of the other host where pages only
    pages_only: bool  # are served here, of what another host refreshes
    disk_free_bytes: int
    disk_needed_bytes: int

    @property
    def well(self) -> bool:
        """Whether no source failed, and nothing of the schedule waits for a person."""
        failed = any(source["state"] == "failed" for source in self.sources)
        return not failed and (self.schedule is None or self.schedule.well)


def status(home: Home, *, as_json: bool = False) -> int:
    """Say how the installation stands; 1 where somebody has something to do, else 0."""
    now = datetime.now(UTC)
    found = look(home, now)
    if as_json:
        say(json.dumps({**asdict(found), "well": found.well}, ensure_ascii=False, indent=2))
    else:
        for sentence in sentences(found, now):
            say(sentence)
    return 0 if found.well else 1


def look(home: Home, now: datetime) -> Status:
    """How the installation stands.

    Raises BadInput before anything is published, StorageError where what was is gone.
    """
    generation = warehouse.current_generation(home)
    if generation is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh`.")
    if gone := generations.gone(home):
        raise StorageError(gone)
    with Ledger(home) as ledger:
        runs, sources = ledger.runs(1), ledger.sources()
        published = ledger.publications(1000)
    # A refresh that was killed right after it published has not written that down.
    every = published[published["generation"] == generation]
    # A rollback shows an older generation again and makes nothing in it newer.
    when = every.loc[every["reason"] == "refresh", "published_at"]
    free, needed = warehouse.free_space(home)
    return Status(
        generation,
        str(when.iloc[-1]) if len(when) else None,
        bool(len(every)) and bool((published.head(1)["reason"] == "rollback").all()),
        next(iter(_rows(runs, "state", "started_at", "ended_at", "message")), None),
        tuple(
            {**row, "rows_loaded": int(rows)}
            for row, rows in zip(
                _rows(sources, "source", "state", "last_success_at", "message"),
                sources["rows_loaded"],
                strict=True,
            )
        ),
        standing(home, now),
        sends_held(home),
        last_backup(home),
        place(url_of(home)),
        generations.is_pulled(home),
        free,
        needed,
    )


def sentences(found: Status, now: datetime) -> Iterator[str]:
    """The status to a person."""
    back = ", rolled back" if found.rolled_back else ""
    at = local(found.published_at) if found.published_at else "at an unknown time"
    yield f"Generation {found.generation}{back}, published {at}."
    yield (
        f"Pulled from {found.engine}; this host only serves pages."
        if found.pages_only
        else f"Engine: {found.engine}."
    )
    if run := found.refresh:
        # What failed is said with each source below.
        message = "" if run["state"] == "partial" else run["message"]
        said = f"Last refresh: {run['state']}, started {local(run['started_at'])}. {message}"
        yield said.rstrip()
    for source in found.sources:
        since = local(source["last_success_at"]) if source["last_success_at"] else "never"
        rows = source["rows_loaded"] if source["state"] == "failed" else 0
        fared = f"{in_part(rows)}, last loaded whole" if rows else f"{source['state']}, last loaded"
        state = f"{fared} {since}. {source['message']}"
        yield f"  {source['source']}: {state.rstrip()}"
    if found.schedule is not None and not found.pages_only:
        yield from found.schedule.sentences()
    free, needed = found.disk_free_bytes / 1e9, found.disk_needed_bytes / 1e9
    next_one = "pull" if found.pages_only else "refresh"
    yield f"Disk: {free:.1f} GB free; the next {next_one} may need {needed:.1f} GB."
    yield f"Sends: held. {found.sends_held}" if found.sends_held else "Sends: go out."
    if found.backup_at is None:
        yield "Backup: none was made yet. `caretrace backup TARGET` makes one."
    else:
        days = (now - datetime.fromisoformat(found.backup_at)).days
        ago = f"{days} {'day' if days == 1 else 'days'} ago"
        yield f"Backup: the last one was made {local(found.backup_at)}, {ago}."


def _rows(frame: pd.DataFrame, *names: str) -> Iterator[dict[str, Any]]:
    for row in frame[[*names]].to_dict("records"):
        # A missing text is NaN in a frame.
        yield {str(name): value if isinstance(value, str) else None for name, value in row.items()}
