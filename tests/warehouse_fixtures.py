"""A warehouse in memory: raw tables from the contract, filled with contract rows.

Identity here is a plain mapping: whatever text a row carries as its strongest identifier is one
person, and the same text is the same person everywhere.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count, groupby

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from attribution.checksums import checksum
from attribution.identity_changes import ensure_identity_tables
from attribution.models.parameters import CreditSettings, setting_tables
from attribution.privacy import STRENGTH, stored_fields
from attribution.raw import ensure_raw_tables, has_person
from attribution.seeds import SEEDS, read
from attribution.sql_models import Model, load_models
from attribution.transform import build
from connectors.columns import to_table
from connectors.contract import (
    ROWS,
    AdSpend,
    Appointment,
    Call,
    Contact,
    Encounter,
    Message,
    Payment,
    Row,
    Touchpoint,
    WebSessions,
    contract_fields,
)

LOADED_AT = datetime(2026, 1, 1, tzinfo=UTC)
MODELS_IN_ORDER = load_models()
_LOANS = count()


def at(text: str) -> datetime:
    """An instant in UTC from `2024-03-05` or `2024-03-05 14:30`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def made_of(names: Iterable[str]) -> list[Model]:
    """Some models and all that they are made of, in the order of the build."""
    wanted = set(names)
    for model in reversed(MODELS_IN_ORDER):
        if model.name in wanted:
            wanted |= {*model.inputs, *model.beside}
    return [model for model in MODELS_IN_ORDER if model.name in wanted]


class Warehouse:
    """A DuckDB in memory with every table that the models read.

    It builds every model, or only `of` some and what those are made of, and each only when it is
    asked for: a question builds what it names and what that is made of, which is much quicker.
    Whatever could change the answer, or may ask anything, first builds all that is still due.
    """

    def __init__(
        self, settings: CreditSettings | None = None, of: Iterable[str] = (), *, threads: int = 1
    ) -> None:
        self.models = made_of(of) if of else MODELS_IN_ORDER
        self.engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
        self._connection = self.engine.connect()
        self._due: list[Model] = []  # in order
        self._filled: set[str] = set()  # raw tables
        # Tables of so few rows take two threads a fifth more time in all than one.
        self.run(f"set threads = {threads}")
        self.run("set timezone = 'UTC'")
        ensure_raw_tables(self.connection)
        ensure_identity_tables(self.connection)
        for path in sorted(SEEDS.glob("*.csv")):
            self.replace(path.stem, read(path.stem))
        self.set(settings or CreditSettings())
        self._connection.commit()

    @property
    def connection(self) -> Connection:
        """The connection, to ask anything: every model is built."""
        return self.whole()._connection

    def whole(self) -> "Warehouse":
        """Build all that is still due."""
        self._build(self._due)
        return self

    def set(self, settings: CreditSettings) -> None:
        """Take other settings; what is asked for afterwards is to be built anew first."""
        for name, frame in setting_tables(settings).items():
            self.give(name, frame)

    def give(self, name: str, table: pd.DataFrame) -> None:
        """Make a seed of a frame; what is asked for afterwards is to be built anew first."""
        self._due = []
        self.replace(name, table)

    def write(self, sql: str) -> None:
        """Change what is loaded; what is asked for afterwards is to be built anew first."""
        self._due = []
        self.run(sql)

    def load(self, rows: Iterable[Row], source: str = "files", account: str = "main") -> None:
        """Load rows as the refresh does, and give every identifier its person."""
        for kind, group in groupby(sorted(rows, key=_table_of), key=type):
            self._insert(kind, list(group), source, account)
        people = " union ".join(
            f"select identifier from raw_{kind.spec.table}" for kind in ROWS if has_person(kind)
        )
        self.run(
            "create or replace table identity as select identifier,"
            f" row_number() over (order by identifier) as person_id from ({people}) as people"
            " where identifier is not null"
        )

    def build(self, *rows: Row) -> "Warehouse":
        """Have every model built from these rows and no others."""
        self._due = []
        for table in self._filled:
            self.run(f"delete from {table}")
        self._filled.clear()
        self.load(rows)
        return self.rebuild()

    def rebuild(self) -> "Warehouse":
        """Have every model built from what is loaded."""
        self._due = list(self.models)
        return self

    def run(self, sql: str) -> None:
        self.connection.exec_driver_sql(sql)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self._asked(sql).exec_driver_sql(sql).all()]

    def frame(self, sql: str) -> pd.DataFrame:
        result = self._asked(sql).exec_driver_sql(sql)
        return pd.DataFrame(result.all(), columns=list(result.keys()))

    def checksum(self, table: str) -> str:
        return checksum(self._asked(table), table)

    def _asked(self, sql: str) -> Connection:
        """The connection, with the models built that a question names."""
        named = {model.name for model in made_of(re.findall(r"\w+", sql))}
        self._build([model for model in self._due if model.name in named])
        return self._connection

    def _build(self, models: Sequence[Model]) -> None:
        now = {model.name for model in models}
        later = [model for model in self._due if model.name not in now]
        self._due = []  # where one cannot be built, no other is
        build(self._connection, models)
        self._due = later

    def replace(self, name: str, table: pd.DataFrame | pa.Table) -> None:
        """Make a table of a frame, whatever was there before."""
        with self._lent(table) as incoming:
            self.run(f"create or replace table {name} as select * from {incoming}")

    def close(self) -> None:
        self._connection.close()
        self.engine.dispose()

    def _insert(self, kind: type[Row], rows: Sequence[Row], source: str, account: str) -> None:
        table = to_table(kind, rows)
        kept = {field.column for field in stored_fields(kind)}
        table = table.select([name for name in table.column_names if name in kept])
        extra = {
            "source": pa.array([source] * len(rows)),
            "account": pa.array([account] * len(rows)),
            "run_id": pa.array(["run"] * len(rows)),
            "loaded_at": pa.array([LOADED_AT] * len(rows), pa.timestamp("us", "UTC")),
        }
        if has_person(kind):
            extra["identifier"] = pa.array([identifier(row) for row in rows], pa.string())
        for name, values in extra.items():
            table = table.append_column(name, values)
        self._filled.add(f"raw_{kind.spec.table}")
        with self._lent(table) as incoming:
            self.run(f"insert into raw_{kind.spec.table} by name select * from {incoming}")

    @contextmanager
    def _lent(self, table: pd.DataFrame | pa.Table) -> Iterator[str]:
        raw = self._connection.connection.dbapi_connection
        assert raw is not None
        # A name of its own each time: a rollback brings the view of an earlier loan back.
        name = f"incoming_{next(_LOANS)}"
        raw.register(name, table)
        yield name
        raw.unregister(name)


def identifier(row: Row) -> str | None:
    """The strongest identifier that a row carries."""
    marked = {f.identifier: f.name for f in contract_fields(type(row)) if f.identifier}
    for kind in STRENGTH:
        value = getattr(row, marked[kind]) if kind in marked else None
        if value:
            return str(value)
    return None


def _table_of(row: Row) -> str:
    return row.spec.table


# Rows with what a test does not care about filled in. `who` is the person; None is nobody known.


def touch(
    key: str, who: str | None, when: datetime, tags: str = "google/cpc", **more
) -> Touchpoint:
    """A touch tagged `source/medium`."""
    source, _, medium = tags.partition("/")
    row = Touchpoint(key, when, "session", patient_id=who, utm_source=source, utm_medium=medium)
    return replace(row, **more)


def appointment(
    key: str, who: str | None, booked: datetime, starts: datetime, status: str = "fulfilled", **more
) -> Appointment:
    return replace(Appointment(key, who, booked, starts, status), **more)


def encounter(key: str, who: str | None, starts: datetime, **more) -> Encounter:
    return replace(Encounter(key, who, starts), **more)


def payment(key: str, who: str | None, posted: datetime, amount: str, **more) -> Payment:
    return replace(Payment(key, posted, "USD", Decimal(amount), patient_id=who), **more)


def message(key: str, who: str | None, flow: str, assigned: datetime, **more) -> Message:
    return replace(Message(key, flow, assigned, "email", patient_id=who), **more)


def call(key: str, who: str | None, started: datetime, **more) -> Call:
    return replace(Call(key, started, 60, True, phone=who), **more)


def contact(key: str, created: datetime, **more) -> Contact:
    return replace(Contact(key, created, created), **more)


def ad(key: str, when: datetime, spend: str, **more) -> AdSpend:
    """A day of the campaign with this id, which is its name too."""
    row = AdSpend(when.date(), "UTC", key, key, "", "", "google", "cpc", "USD", Decimal(spend))
    return replace(row, **more)


def visits(tags: str, when: datetime, sessions: int, **more) -> WebSessions:
    source, _, medium = tags.partition("/")
    return replace(
        WebSessions(when.date(), "UTC", source, medium, "", "", "", sessions, sessions, 0.0), **more
    )
