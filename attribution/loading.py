"""Loading: one slice of a source into the raw tables, in one transaction with its cursor.

Rows are staged first, outside any transaction, so that a slow source holds no lock; then the
window is replaced (or the keys merged), rejects and control sums are kept, the cursor moves, and
all of it commits at once. After a kill the old rows and the old cursor stand.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine

from attribution import rejects, restating
from attribution.contacts import KEPT, Contacts
from attribution.erasing import records_in
from attribution.load_books import Restated
from attribution.privacy import Door
from attribution.raw import lent
from attribution.staged_rows import (
    has_rows,
    insert,
    leave_one_a_key,
    listed,
    merge,
    staged,
    stored_columns,
)
from attribution.tombstones import Record
from connectors.columns import to_table
from connectors.contract import MICROS, Row, contract_fields
from connectors.errors import SourceChanged
from connectors.source import Columns, Cursor, Rejected, Slice, Total

BATCH = 50_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of one slice: rows with different keys that were loaded, and rows kept out.

    `message` names control sums that do not agree.
    """

    rows: int
    rejected: int
    message: str
    restated: tuple[Restated, ...] = ()  # days that add up to something else than before
    left_out: int = 0  # of those kept out, rows of forgotten people: nothing is wrong with them


@dataclass(slots=True)
class Loader:
    """Loads the slices of one source of one run."""

    engine: Engine
    commits: Lock
    door: Door
    source: str
    account: str
    run_id: str
    on_rows: Callable[[int], None] = lambda _rows: None
    on_forgotten: Callable[[Sequence[Record]], None] = lambda _records: None
    contacts: Contacts | None = None  # where addresses are kept, sealed, to send to
    # The fields that came filled, by table: what a source no longer tells is missed here.
    filled: dict[str, set[str]] = field(default_factory=dict)

    def load(self, piece: Slice) -> Loaded:
        """Read one slice to its end and commit it, or raise and leave everything as it was."""
        with self.engine.connect() as connection:
            stage = _Stage(connection, self, piece)
            try:
                for item in piece.read():
                    stage.take(item)
                stage.flush()
                message = stage.control_sums()
                stage.check_days()
                with self.commits:
                    if stage.records:
                        self.on_forgotten(sorted(stage.records))
                    stage.commit()
            finally:
                stage.close()
        piece.after_commit()
        left_out = stage.forgotten.total()
        if left_out:
            message = f"{message} {left_out:,} rows of forgotten people were left out.".strip()
        rejected = len(stage.rejected) + left_out
        return Loaded(stage.committed, rejected, message, tuple(stage.restated), left_out)


class _Stage:
    """The rows of one slice on their way into the raw tables."""

    def __init__(self, connection: Connection, loader: Loader, piece: Slice) -> None:
        self.connection = connection
        self.loader = loader
        self.piece = piece
        self.account = piece.account or loader.account
        self.rows = 0  # that were read
        self.committed = 0  # that were loaded: of one key one
        self.rejected: list[Rejected] = []
        self.forgotten: Counter[str] = Counter()  # rows left out, by table; which is not noted
        self.records: set[Record] = set()
        self.totals: list[Total] = []
        self.restated: list[Restated] = []
        self.cursor: str | None = None
        self.waiting: dict[type[Row], list[Row]] = defaultdict(list)
        self.arriving = loader.contacts.arriving() if loader.contacts is not None else 0
        with connection.begin():
            for row in piece.rows:
                connection.exec_driver_sql(
                    f"create or replace temp table {staged(row)} as "
                    f"select {listed(stored_columns(row))}, cast(0 as bigint) as arrival "
                    f"from raw_{row.spec.table} limit 0"
                )

    def take(self, item: object) -> None:
        """Keep one thing that the source yielded."""
        if isinstance(item, Row):
            batch = self.waiting[type(item)]
            batch.append(item)
            if len(batch) >= BATCH:
                self.flush()
        elif isinstance(item, Columns):
            self._stage(item.row, item.table)
        elif isinstance(item, Rejected):
            self.rejected.append(item)
        elif isinstance(item, Total):
            self.totals.append(item)
        elif isinstance(item, Cursor):
            self.cursor = item.value

    def flush(self) -> None:
        """Stage the rows that wait."""
        for row, rows in self.waiting.items():
            if rows:
                self._stage(row, to_table(row, rows))
                rows.clear()

    def _stage(self, row: type[Row], table: pa.Table) -> None:
        if row not in self.piece.rows:
            raise SourceChanged(
                f"{self.piece.name} was not expected to hold {row.spec.table} rows."
            )
        self._note_filled(row, table)
        # The engine may store rows in any order, and of two with one key the later one counts.
        arrived = pa.array(np.arange(self.rows, self.rows + len(table)))
        door = self.loader.door
        arrow = door.pseudonymise(row, table).append_column("arrival", arrived)
        arrow = self._with_keys(row, self._without_forgotten(row, arrow))
        if self.loader.contacts is not None:
            # Of those rows alone that are loaded: who was forgotten leaves no address behind.
            clear = table.take(pc.subtract(arrow.column("arrival"), self.rows))
            self.loader.contacts.arrive(
                self.arriving, self.loader.source, row, clear, arrow, door.region
            )
        names = listed(arrow.column_names)
        with self.connection.begin(), lent(self.connection, arrow) as name:
            self.connection.exec_driver_sql(
                f"insert into {staged(row)} ({names}) select {names} from {name}"
            )
        self.rows += len(table)
        self.loader.on_rows(len(table))

    def _note_filled(self, row: type[Row], table: pa.Table) -> None:
        filled = self.loader.filled.setdefault(row.spec.table, set())
        for name, column in zip(table.column_names, table.columns, strict=True):
            if name not in filled and column.null_count < len(column):
                filled.add(name)

    def _with_keys(self, row: type[Row], arrow: pa.Table) -> pa.Table:
        """Rows that have their whole key; another could never be found again to be replaced."""
        for name in row.spec.key:
            keyed = arrow.column(name).is_valid()
            for number in arrow.filter(pc.invert(keyed)).column("arrival").to_pylist():
                reason = "the key is empty, so the row could not be told from others"
                self.rejected.append(
                    Rejected(self.piece.name, number + 1, name, "empty", reason, row.spec.table)
                )
            arrow = arrow.filter(keyed)
        return arrow

    def _without_forgotten(self, row: type[Row], arrow: pa.Table) -> pa.Table:
        """Rows of people who may be stored. Of the others only their records are remembered."""
        left_out = self.loader.door.of_forgotten(row, arrow)
        if left_out is None:
            return arrow
        theirs = arrow.filter(left_out)
        self.forgotten[row.spec.table] += len(theirs)
        self.records.update(records_in(row, theirs))
        return arrow.filter(pc.invert(left_out))

    def control_sums(self) -> str:
        """Compare what was read with what the source says it all adds up to.

        A different number of rows means that pages were lost: the slice is refused. Sums may
        differ for good reasons (withheld rows, deleted campaigns), so they are kept as a note.
        """
        notes = []
        for total in self.totals:
            table = total.row.spec.table
            kept_out = sum(r.table in ("", table) for r in self.rejected) + self.forgotten[table]
            money = {f.name for f in contract_fields(total.row) if f.kind == "money"}
            expression = (
                f"count(*) + {kept_out}"
                if total.column == "*"
                else f"coalesce(sum({total.column}_micros), 0) / {MICROS}"
                if total.column in money
                else f'coalesce(sum("{total.column}"), 0)'
            )
            with self.connection.begin():
                read = self.connection.exec_driver_sql(
                    f"select cast({expression} as double) from {staged(total.row)}"
                ).scalar_one()
            if abs(read - total.amount) <= max(0.005, 1e-6 * abs(total.amount)):
                continue
            if total.column == "*":
                raise SourceChanged(
                    f"{self.piece.name}: {read:,.0f} rows were read but the source counts "
                    f"{total.amount:,.0f}. Nothing of it was loaded; the next refresh asks again."
                )
            notes.append(
                f"{self.piece.name}: {total.column} adds up to {read:,.2f}, "
                f"the source says {total.amount:,.2f}."
            )
        return " ".join(notes)

    def check_days(self) -> None:
        """Refuse rows outside the slice's window: the next refresh would load them twice."""
        window = self.piece.window
        if window is None:
            return
        for row in [row for row in self.piece.rows if row.spec.day is not None]:
            with self.connection.begin():
                stray = self.connection.exec_driver_sql(
                    f'select min("{row.spec.day}") from {staged(row)} '
                    f'where "{row.spec.day}" not between ? and ?',
                    (window.since, window.until),
                ).scalar_one()
            if stray is not None:
                raise SourceChanged(
                    f"{self.piece.name} holds a row of {stray}, which was not asked for. "
                    "Nothing of it was loaded."
                )

    def commit(self) -> None:
        """Replace, merge, note rejects and move the cursor, in one transaction."""
        loader, connection = self.loader, self.connection
        stamp = {"run_id": loader.run_id, "loaded_at": datetime.now(UTC)}
        owner = (loader.source, self.account)
        loaded: list[int] = []
        with connection.begin():
            for row in self.piece.rows:
                self.committed += leave_one_a_key(connection, row)
            stages = {row.spec.table: staged(row) for row in self.piece.rows}
            rejects.take_back(connection, owner, self.piece, stages)
            for row in self.piece.rows:
                replaced = self.piece.window is not None and row.spec.day is not None
                if self.piece.window is not None and replaced:
                    was = restating.before(connection, row, owner, self.piece.window)
                    if was:
                        told = restating.sums(connection, row, staged(row), "", ())
                        self.restated += restating.compared(row, self.account, was, told)
                    connection.exec_driver_sql(
                        f"delete from raw_{row.spec.table} where source = ? and account = ? "
                        f'and "{row.spec.day}" between ? and ?',
                        (*owner, self.piece.window.since, self.piece.window.until),
                    )
                # A keyset row may have its key on a day outside the window.
                if replaced and row.spec.load == "window":
                    insert(connection, row, owner, stamp)
                elif has_rows(connection, row, owner):
                    self._merge(row, owner, stamp, days_told=replaced)
                else:
                    insert(connection, row, owner, stamp)
                if loader.contacts is not None and row in KEPT:
                    loaded += _loaded(connection, row, owner, stamp)
                connection.exec_driver_sql(f"drop table {staged(row)}")
            rejects.keep(connection, owner, self.piece, self.rejected, loader.door, stamp)
            if self.cursor is not None:
                key = (loader.source, loader.account, self.piece.cursor_key)
                connection.exec_driver_sql(
                    "delete from cursor where source = ? and account = ? and cursor_key = ?", key
                )
                connection.exec_driver_sql(
                    "insert into cursor values (?, ?, ?, ?, ?)", (*key, self.cursor, loader.run_id)
                )
            if loader.contacts is not None:
                # Before the rows are there for good: whoever is killed in between reads them again.
                loader.contacts.loaded(self.arriving, loaded)

    def close(self) -> None:
        """Let go of addresses whose rows were not loaded."""
        if self.loader.contacts is not None:
            self.loader.contacts.left(self.arriving)

    def _merge(
        self,
        row: type[Row],
        owner: tuple[str, str],
        stamp: Mapping[str, object],
        *,
        days_told: bool,
    ) -> None:
        """Merge staged records; what that does to past days is told, where it was not already."""
        merged = restating.Merged(self.connection, row, owner, staged(row), str(stamp["run_id"]))
        if not days_told:
            merged.note()
        merge(self.connection, row, owner, stamp)
        self.restated += merged.told()


def _loaded(
    connection: Connection, row: type[Row], owner: tuple[str, str], stamp: Mapping[str, object]
) -> list[int]:
    """The arrivals of the staged rows that won: of the others the raw table has newer ones."""
    same = " and ".join(f'raw."{name}" = staged."{name}"' for name in row.spec.key)
    return list(
        connection.exec_driver_sql(
            f"select staged.arrival from {staged(row)} as staged "
            f"inner join raw_{row.spec.table} as raw on {same} where raw.source = ? "
            "and raw.account = ? and raw.run_id = ? and raw.loaded_at = ?",
            (*owner, *stamp.values()),
        ).scalars()
    )
