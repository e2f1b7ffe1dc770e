"""What a source says otherwise than it did: sums of whole days, before and after it is loaded.

Of a day that was never loaded nothing was said before, so it is news and no restatement. What is
told by whole days is replaced by whole days, and compared so. Records come one by one: of their
days those are compared that were over when the source was last read, as a day that was not is
still being told for the first time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import Connection

from attribution.load_books import Restated
from connectors.contract import ROWS, Row, contract_fields
from connectors.source import Window


@dataclass(frozen=True, slots=True)
class Measure:
    """The sums of a table that pages are made of, by name, and the day that each row is of."""

    day: str
    sums: Mapping[str, str]


def _added_up(*columns: str) -> dict[str, str]:
    return {name: f'coalesce(sum("{name}"), 0)' for name in columns}


def _counted(condition: str) -> str:
    return f"count(case when {condition} then 1 end)"


def _on(column: str) -> str:
    return f"cast(\"{column}\" at time zone 'UTC' as date)"


# Amounts of money as they are stored, in micros. Of people's days there are counts and sums alone.
MEASURES: Mapping[str, Measure] = {
    "ad_spend": Measure('"day"', _added_up("spend_micros", "impressions", "clicks")),
    "claimed_conversions": Measure('"day"', _added_up("conversions", "value_micros")),
    "web_sessions": Measure('"day"', _added_up("sessions", "engaged_sessions", "key_events")),
    "appointment": Measure(
        _on("starts_at"),
        {
            "kept": _counted("status in ('arrived', 'fulfilled')"),
            "lost": _counted("status in ('cancelled', 'noshow')"),
        },
    ),
    "payment": Measure(_on("posted_at"), _added_up("amount_micros")),
    "call": Measure(_on("started_at"), {"answered": _counted("answered")}),
    "message": Measure(_on("sent_at"), {"delivered": _counted("delivered_at is not null")}),
}
GRID_DAYS = 35
_ROUNDING = 1e-6
Sums = dict[date, tuple[float, ...]]


def sums(
    connection: Connection, row: type[Row], relation: str, where: str, of: tuple[object, ...]
) -> Sums:
    """Rows and sums of each day of a relation."""
    measure = MEASURES[row.spec.table]
    columns = ", ".join(["count(*)", *measure.sums.values()])
    said = connection.exec_driver_sql(
        f"select {measure.day}, {columns} from {relation} {where} group by 1", of
    )
    return {day: tuple(map(float, values)) for day, *values in said.fetchall() if day is not None}


def before(
    connection: Connection, row: type[Row], owner: tuple[str, str], window: Window
) -> Sums | None:
    """What a window adds up to now; None where nothing of this table was loaded of that source.

    Days up to the last one that is loaded are there even where they hold no rows.
    """
    if row.spec.table not in MEASURES:
        return None
    table, day = f"raw_{row.spec.table}", f'"{row.spec.day}"'
    first, last = connection.exec_driver_sql(
        f"select min({day}), max({day}) from {table} where source = ? and account = ?", owner
    ).one()
    if first is None:
        return None
    where = f"where source = ? and account = ? and {day} between ? and ?"
    found = sums(connection, row, table, where, (*owner, window.since, window.until))
    nothing = (0.0,) * (1 + len(MEASURES[row.spec.table].sums))
    since, until = max(window.since, first), min(window.until, last)
    every = (since + timedelta(days=n) for n in range((until - since).days + 1))
    return {each: found.get(each, nothing) for each in every}


@dataclass(slots=True)
class Merged:
    """What merging staged records does to days that were told before: `note`, merge, `told`."""

    connection: Connection
    row: type[Row]
    owner: tuple[str, str]
    stage: str
    run_id: str
    _over: date | None = None  # the first day that was not over when the source was last read
    _was: Sums = field(default_factory=dict)

    def note(self) -> None:
        """Note what the records that are about to be merged add up to as they are stored."""
        if self.row.spec.table not in MEASURES:
            return
        self._over = self.connection.exec_driver_sql(
            f"select cast(max(loaded_at) at time zone 'UTC' as date) from {self._table} "
            "where source = ? and account = ? and run_id <> ?",
            (*self.owner, self.run_id),
        ).scalar_one()
        if self._over is not None:
            self._was = self._of_staged()

    def told(self) -> Iterator[Restated]:
        """The days and metrics that are others now, as whole days."""
        if self._over is None:
            return
        nothing = (0.0,) * (1 + len(MEASURES[self.row.spec.table].sums))
        now = self._of_staged()
        moved = {
            day: tuple(
                one - other
                for one, other in zip(
                    now.get(day, nothing), self._was.get(day, nothing), strict=True
                )
            )
            for day in now.keys() | self._was.keys()
        }
        days = sorted(day for day, by in moved.items() if any(by))
        if not days:
            return
        whole = sums(
            self.connection, self.row, self._table,
            f"where source = ? and account = ? and {self._day} between ? and ?",
            (*self.owner, days[0], days[-1]),
        )  # fmt: skip
        new = {day: whole.get(day, nothing) for day in days}
        old = {
            day: tuple(one - by for one, by in zip(new[day], moved[day], strict=True))
            for day in days
        }
        yield from compared(self.row, self.owner[1], old, new)

    @property
    def _table(self) -> str:
        return f"raw_{self.row.spec.table}"

    @property
    def _day(self) -> str:
        return MEASURES[self.row.spec.table].day

    def _of_staged(self) -> Sums:
        same = " and ".join(f'{self._table}."{k}" = staged."{k}"' for k in self.row.spec.key)
        where = (
            f"where source = ? and account = ? and {self._day} < ? "
            f"and exists (select 1 from {self.stage} as staged where {same})"
        )
        return sums(self.connection, self.row, self._table, where, (*self.owner, self._over))


def compared(row: type[Row], account: str, old: Sums, new: Sums) -> Iterator[Restated]:
    """The days and metrics that are others than they were."""
    names = ("rows", *MEASURES[row.spec.table].sums)
    nothing = (0.0,) * len(names)
    for day, was in old.items():
        for name, one, other in zip(names, was, new.get(day, nothing), strict=True):
            if abs(other - one) > _ROUNDING * max(abs(one), abs(other)):
                yield Restated(account, row.spec.table, day, name, one, other)


def days_stored(connection: Connection, until: date) -> list[tuple[str, date, int]]:
    """How many rows of each source there are of each of the last days up to `until`."""
    parts = [
        f'select source, cast("{column}" as date) as day from raw_{row.spec.table}'
        for row in ROWS
        if (column := _day_of(row)) is not None
    ]
    said = connection.exec_driver_sql(
        f"select source, day, count(*) from ({' union all '.join(parts)}) as stored "
        "where day between ? and ? group by 1, 2",
        (until - timedelta(days=GRID_DAYS - 1), until),
    )
    return [(str(source), day, int(count)) for source, day, count in said.fetchall()]


# The instant by which a row without a day of its own happened.
_HAPPENED = {
    "touchpoint": "at", "contact": "created_at", "appointment": "booked_at",
    "encounter": "starts_at", "payment": "posted_at", "call": "started_at",
    "message": "sent_at", "message_event": "at", "feedback": "at",
}  # fmt: skip


def _day_of(row: type[Row]) -> str | None:
    if row.spec.day is not None:
        return row.spec.day
    column = _HAPPENED.get(row.spec.table)
    return column if column in {field.column for field in contract_fields(row)} else None
