"""What a connector is: something that cuts a source into slices and reads each one.

A connector module has `OPTIONS` (what `caretrace.toml` and the environment must give it) and
`connect(context) -> Source`. A `Source` says which slices to read next, given the cursors that
the last refresh left; a slice's rows and its cursor are committed together or not at all.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

import pyarrow as pa

from connectors.contract import Row


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of a source; a secret is read from the environment or the secrets file only.

    A `path` that is not absolute is meant from the home folder.
    """

    name: str
    help: str
    required: bool = True
    secret: bool = False
    default: Any = None
    path: bool = False


# Every network source has it; tests, proxies and sovereign clouds need it.
ENDPOINT = Option("endpoint", "Address that replaces the vendor's own.", required=False)


class See(Protocol):
    """Takes note of the fields that a source tells in one place, whether they are loaded or not.

    `place` is a kind of record or a pattern of files' names, `names` are those of columns,
    properties or keys: never a value. `whole` says that these are all that there are; elsewhere a
    record leaves out what it has no value for.
    """

    def __call__(self, place: str, names: AbstractSet[str], *, whole: bool = True) -> None: ...


def unseen(place: str, names: AbstractSet[str], *, whole: bool = True) -> None:
    """Takes no note, where nobody asks for it."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a connector is given: its settings, a clock, and a place to keep raw payloads.

    `keep(name, payload)` stores one payload as fetched, write-once, under the source and run;
    never put a secret or an identifier into `name`. `see` is told which fields the source has.
    `now` is aware, UTC.
    """

    name: str
    account: str
    options: Mapping[str, Any]
    now: datetime
    first_day: date  # how far back a first load goes
    keep: Callable[[str, bytes], None] = lambda _name, _payload: None
    see: See = unseen


@dataclass(frozen=True, slots=True)
class Window:
    """Whole days from `since` to `until`, both included, in the account's own time zone."""

    since: date
    until: date


@dataclass(frozen=True, slots=True)
class Columns:
    """Many rows of one kind at once, as columns: for files with millions of rows.

    `table` has the schema `connectors.columns.arrow_schema(row)`; identifiers are still in the
    clear.
    """

    row: type[Row]
    table: pa.Table


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that breaks the contract: kept out, counted and explained.

    `shape` describes the offending value without giving it away (`text of 12, letters and
    digits`); see `connectors.shapes.shape_of`. `record` is the row's key where it is known and the
    table is keyed by one identifier (it is hashed before it is stored), `day` the day that the row
    is of, where whole days are read again: by them what was rejected before is found and taken
    back once it loads.
    """

    file: str
    row_number: int
    column: str
    shape: str
    reason: str
    table: str = ""
    record: str | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """What the source itself says a column (or `*`, the row count) of this slice adds up to."""

    row: type[Row]
    column: str
    amount: float


@dataclass(frozen=True, slots=True)
class Cursor:
    """The value to remember once this slice is committed; the last one yielded counts."""

    value: str


Item = Row | Columns | Rejected | Total | Cursor


@dataclass(frozen=True, slots=True)
class Slice:
    """One unit that is loaded and committed as a whole.

    `cursor_key` names the cursor that this slice moves (one source may have several). `window`,
    where given, is replaced: rows of `rows` whose `spec.day` lies in it are deleted first. `read`
    yields rows, totals, rejects and the new cursor; it is called again from the start when a
    slice is retried. `asked`, where given, are the days that were asked for and whose rows are
    merged, not replaced: what was rejected of them before is rejected anew or not at all.
    `account`, where given, is whose rows these are, in a source that reads
    several accounts; cursors stay the source's own, so `cursor_key` names the account too.
    `after_publish`, where given, is done once the generation that holds the rows is published:
    until then a failure may throw away what was committed, so a source that tells things only once
    is not told before that they arrived.
    """

    name: str
    rows: tuple[type[Row], ...]
    cursor_key: str
    read: Callable[[], Iterable[Item]]
    window: Window | None = None
    after_commit: Callable[[], None] = field(default=lambda: None)
    account: str | None = None
    asked: Window | None = None
    after_publish: Callable[[], None] | None = None


class Source(Protocol):
    """An open connection to one source."""

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """The slices to read now, in order; `cursors` are the values committed last."""
        ...

    def probe(self) -> str:
        """Ask the source the smallest question that proves the settings, and say what it said.

        Raises SourceError with what to do.
        """
        ...
