"""What a source says otherwise than it did: sums of whole days, before and after they are replaced.

Only tables that a source tells by whole days are compared; of a day that was never loaded nothing
was said before, so it is news and no restatement.
"""

from collections.abc import Iterator
from datetime import date, timedelta

from sqlalchemy import Connection

from attribution.load_books import Restated
from connectors.contract import ROWS, Row, contract_fields
from connectors.source import Window

# The sums that pages are made of; amounts of money as they are stored, in micros.
METRICS = {
    "ad_spend": ("spend_micros", "impressions", "clicks"),
    "claimed_conversions": ("conversions", "value_micros"),
    "web_sessions": ("sessions", "engaged_sessions", "key_events"),
}
GRID_DAYS = 35
_ROUNDING = 1e-6
Sums = dict[date, tuple[float, ...]]


def sums(
    connection: Connection, row: type[Row], relation: str, where: str, of: tuple[object, ...]
) -> Sums:
    """Rows and sums of each day of a relation."""
    columns = ["count(*)", *(f'coalesce(sum("{name}"), 0)' for name in METRICS[row.spec.table])]
    said = connection.exec_driver_sql(
        f'select "{row.spec.day}", {", ".join(columns)} from {relation} {where} group by 1', of
    )
    return {day: tuple(map(float, values)) for day, *values in said.fetchall()}


def before(
    connection: Connection, row: type[Row], owner: tuple[str, str], window: Window
) -> Sums | None:
    """What a window adds up to now; None where nothing of this table was loaded of that source.

    Days up to the last one that is loaded are there even where they hold no rows.
    """
    if row.spec.table not in METRICS:
        return None
    table, day = f"raw_{row.spec.table}", f'"{row.spec.day}"'
    first, last = connection.exec_driver_sql(
        f"select min({day}), max({day}) from {table} where source = ? and account = ?", owner
    ).one()
    if first is None:
        return None
    where = f"where source = ? and account = ? and {day} between ? and ?"
    found = sums(connection, row, table, where, (*owner, window.since, window.until))
    nothing = (0.0,) * (1 + len(METRICS[row.spec.table]))
    since, until = max(window.since, first), min(window.until, last)
    every = (since + timedelta(days=n) for n in range((until - since).days + 1))
    return {each: found.get(each, nothing) for each in every}


def compared(row: type[Row], account: str, old: Sums, new: Sums) -> Iterator[Restated]:
    """The days and metrics that are others than they were."""
    names = ("rows", *METRICS[row.spec.table])
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
