"""The books of loading: what each refresh saw at the sources, day by day, and what had changed.

Five tables in the ledger, written once a slice or a source and never a row of data: which days were
restated and by how much, which fields a source fills, which it has whether they are loaded or not,
through which day a source has settled, and how many rows of each of the last days are stored.
Amounts are sums over a whole source, account and day; of fields it is names alone.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date

import pandas as pd
from sqlalchemy import Column, Float, Integer, MetaData, Table, Text, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from attribution.ledger import Ledger, now
from attribution.ledger_tables import SLICE, keys, texts
from attribution.others_words import unnamed
from attribution.paths import Home

METADATA = MetaData()
RESTATED = Table(
    "restated_day",
    METADATA,
    *keys("run_id", "source", "account", "table_name", "day", "metric"),
    Column("before", Float, nullable=False),
    Column("after", Float, nullable=False),
    *texts("found_at"),
)
FIELD = Table(
    "source_field",
    METADATA,
    *keys("source"),
    Column("place", Text, primary_key=True),  # a table of the contract, or a file
    *keys("field"),
    *texts("first_seen_at", "last_seen_at"),
    Column("times", Integer, nullable=False),  # refreshes that saw it
)
GIVEN = Table(
    "given_field",
    METADATA,
    Column("source", Text, primary_key=True),
    Column("place", Text, primary_key=True),  # a kind of record there, or a pattern of files
    Column("field", Text, primary_key=True),
    Column("whole", Integer, nullable=False),  # whether all fields of the place are told each time
    Column("first_seen_at", Text, nullable=False),
    Column("last_seen_at", Text, nullable=False),
)
SETTLED = Table(
    "settled_source",
    METADATA,
    *keys("source"),
    *texts("settled_through", "noted_at"),
)
DAY = Table(
    "source_day",
    METADATA,
    *keys("source", "day"),
    Column("rows_stored", Integer, nullable=False),
)


LONGEST_NAME, MOST_FIELDS = 80, 1000  # of a place


class Given:
    """The names of the fields that one source has in each place, as it tells them while it is read.

    A name that could be somebody's address or number is none: it is left out.
    """

    def __init__(self) -> None:
        self.places: dict[tuple[str, bool], set[str]] = {}

    def __call__(self, place: str, names: AbstractSet[str], *, whole: bool = True) -> None:
        known = self.places.setdefault((place, whole), set())
        if names <= known or len(known) >= MOST_FIELDS:
            return
        known |= {name for name in names if len(name) <= LONGEST_NAME and unnamed(name) == name}


@dataclass(frozen=True, slots=True)
class Restated:
    """What one day of a source added up to before, and adds up to now."""

    account: str
    table: str
    day: date
    metric: str
    before: float
    after: float


class LoadBooks(Ledger):
    """The ledger of one home folder, for whoever loads and whoever looks at what was loaded."""

    def _open(self) -> None:
        super()._open()
        with self._write() as connection:
            METADATA.create_all(connection)

    def restated(self, run_id: str, source: str, found: Iterable[Restated]) -> None:
        """Note days whose sums are others than they were."""
        rows = [
            {
                "run_id": run_id, "source": source, "account": one.account,
                "table_name": one.table, "day": one.day.isoformat(), "metric": one.metric,
                "before": one.before, "after": one.after, "found_at": now(),
            }
            for one in found
        ]  # fmt: skip
        if rows:
            with self._write() as connection:
                for row in rows:
                    # A day that is read twice in a run was first what it was before the run.
                    later = {"after": row["after"], "found_at": row["found_at"]}
                    connection.execute(
                        upsert(RESTATED).values(row).on_conflict_do_update(
                            index_elements=[c.name for c in RESTATED.primary_key], set_=later
                        )
                    )  # fmt: skip

    def saw_fields(self, source: str, seen: Mapping[str, Collection[str]]) -> None:
        """Note the fields that a refresh saw filled, by place."""
        at = now()
        with self._write() as connection:
            for place, fields in sorted(seen.items()):
                for field in sorted(fields):
                    values = {"source": source, "place": place, "field": field}
                    statement = upsert(FIELD).values(
                        **values, first_seen_at=at, last_seen_at=at, times=1
                    )
                    connection.execute(
                        statement.on_conflict_do_update(
                            index_elements=list(values),
                            set_={"last_seen_at": at, "times": FIELD.c.times + 1},
                        )
                    )

    def saw_given(self, source: str, given: Given) -> None:
        """Note the fields that a source had when it was read, by place."""
        at = now()
        rows = [
            {"source": source, "place": place, "field": field, "whole": int(whole)}
            for (place, whole), fields in sorted(given.places.items())
            for field in sorted(fields)
        ]
        if not rows:
            return
        statement = upsert(GIVEN).on_conflict_do_update(
            index_elements=["source", "place", "field"],
            set_={"last_seen_at": at, "whole": upsert(GIVEN).excluded.whole},
        )
        with self._write() as connection:
            connection.execute(
                statement, [{**row, "first_seen_at": at, "last_seen_at": at} for row in rows]
            )

    def settled(self, source: str, through: date | None) -> None:
        """Note the last day that a source restates no more; None where it does not work by days."""
        with self._write() as connection:
            connection.execute(delete(SETTLED).where(SETTLED.c.source == source))
            if through is not None:
                values = {"source": source, "settled_through": through.isoformat()}
                connection.execute(insert(SETTLED).values(**values, noted_at=now()))

    def stored_days(self, rows: Iterable[tuple[str, date, int]]) -> None:
        """Replace what is known of how many rows of each day are stored."""
        values = [{"source": s, "day": d.isoformat(), "rows_stored": n} for s, d, n in rows]
        with self._write() as connection:
            connection.execute(delete(DAY))
            if values:
                connection.execute(insert(DAY), values)

    def restatements(self, limit: int = 500) -> pd.DataFrame:
        """What was restated, newest first; what two runs found alike is told once."""
        found = self._frame(select(RESTATED).order_by(RESTATED.c.found_at.desc()).limit(limit))
        return found.drop_duplicates(
            ["source", "account", "table_name", "day", "metric", "before", "after"], keep="last"
        ).reset_index(drop=True)

    def drift(self) -> pd.DataFrame:
        """Fields that came or went: source, place, field, change, since (instant); newest first.

        Of fields that are loaded, `new` is what was not filled when the place was first read, and
        `missing` what at least two refreshes saw filled and the last one that read the place did
        not. Of all that the source has, `appeared` is what it did not have when the place was
        first read, and `vanished` what it had and has no more, where it always tells all.
        """
        filled, given = self._frame(select(FIELD)), self._frame(select(GIVEN))
        # Once may be chance in what is filled; what a source has it has.
        parts = [
            *_came_and_went(filled, ("new", "missing"), filled["times"] > 1),
            *_came_and_went(given, ("appeared", "vanished"), given["whole"] == 1),
        ]
        every = pd.concat(parts).sort_values(["since", "source", "field"], ascending=False)
        return every[["source", "place", "field", "change", "since"]].reset_index(drop=True)

    def settled_days(self) -> dict[str, date]:
        """The last day that each source restates no more, by source."""
        found = self._frame(select(SETTLED))
        return {
            str(row["source"]): date.fromisoformat(str(row["settled_through"]))
            for row in found.to_dict("records")
        }

    def days(self) -> pd.DataFrame:
        """Rows stored of each source and day: source, day (date), rows_stored."""
        found = self._frame(select(DAY).order_by(DAY.c.source, DAY.c.day))
        return found.assign(day=pd.to_datetime(found["day"]).dt.date)

    def last_rows(self) -> pd.DataFrame:
        """What the last two refreshes that asked a source loaded and rejected, by source.

        Columns: source, rows_loaded, rows_before, rows_rejected, rejected_before; the earlier ones
        are empty where there was no earlier refresh.
        """
        found = self._frame(
            select(SLICE.c.run_id, SLICE.c.source, SLICE.c.ended_at,
                   SLICE.c.rows_loaded, SLICE.c.rows_rejected)
        )  # fmt: skip
        columns = ["source", "rows_loaded", "rows_before", "rows_rejected", "rejected_before"]
        if found.empty:
            return pd.DataFrame(columns=columns)
        by_run = found.groupby(["source", "run_id"], as_index=False).agg(
            {"ended_at": "max", "rows_loaded": "sum", "rows_rejected": "sum"}
        )
        by_run = by_run.sort_values(["source", "ended_at"])
        before = by_run.groupby("source")[["rows_loaded", "rows_rejected"]].shift()
        by_run["rows_before"] = before["rows_loaded"]
        by_run["rejected_before"] = before["rows_rejected"]
        return by_run.groupby("source", as_index=False).tail(1)[columns].reset_index(drop=True)


def _came_and_went(
    found: pd.DataFrame, names: tuple[str, str], may_go: "pd.Series[bool]"
) -> Iterator[pd.DataFrame]:
    """The fields that came after their place was first read, and those that it has no more."""
    of_place = found.groupby(["source", "place"])
    first = of_place["first_seen_at"].transform("min")
    last = of_place["last_seen_at"].transform("max")
    new, gone = (
        found[found["first_seen_at"] > first],
        found[(found["last_seen_at"] < last) & may_go],
    )
    yield new.assign(change=names[0], since=new["first_seen_at"])
    yield gone.assign(change=names[1], since=gone["last_seen_at"])


def load_books(home: Home) -> LoadBooks | None:
    """The books of a home folder to read; None where there is no ledger yet."""
    return LoadBooks(home) if home.ledger.is_file() else None
