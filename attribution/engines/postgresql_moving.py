"""A private store that comes from another engine into a schema of PostgreSQL."""

from collections.abc import Sequence
from contextlib import ExitStack, suppress

import pyarrow as pa
from sqlalchemy import URL, Connection

from attribution.engines.postgresql_books import (
    BOOKS,
    drop,
    move,
    numbers,
    point_at,
    schemas_of,
)  # fmt: skip
from attribution.engines.postgresql_files import keep_files
from attribution.engines.postgresql_lock import holding, transaction
from attribution.engines.postgresql_server import engine_for
from attribution.errors import BadInput, StorageError
from attribution.paths import Home
from attribution.raw import batches, ensure_raw_tables, fetch, lent
from attribution.statements import run

_BATCH = 100_000


class Receiving:
    """The schema while it is not proved yet: in a state that every refresh clears away."""

    def __init__(
        self, home: Home, url: URL, number: int, store: Connection, names: Sequence[str]
    ) -> None:
        self._home, self._number = home, number
        self._held = ExitStack()
        self._lock = self._held.enter_context(holding(home, url, BOOKS))
        self.engine = engine_for(url, schemas_of(number))
        try:
            if numbers(self._lock, "state = 'published'"):
                raise BadInput(
                    "That database holds an installation already. Name one that is empty; nothing "
                    "was changed."
                )
            drop(self._lock, numbers(self._lock))
            with transaction(self._lock):
                run(self._lock, f"create schema {schemas_of(number)[0]}")
                run(
                    self._lock,
                    "insert into caretrace.generation (number, state) "
                    f"values ({number}, 'arriving')",
                )
            with self.engine.begin() as target:
                ensure_raw_tables(target)
                for name in names:
                    receive(store, target, name, there=name.startswith("raw_") or name == "cursor")
        except BaseException:
            with suppress(StorageError):  # what is left there, the next move or refresh drops
                drop(self._lock, numbers(self._lock, "state = 'arriving'"))
            self._let_go()
            raise

    def accept(self, marts: Sequence[str], people: Sequence[str]) -> None:
        """Move what is published into its own schemas, and point readers of the server at it."""
        with self.engine.begin() as connection:
            move(connection, self._number, marts, people)
            keep_files(connection, self._home, self._number)
        point_at(self._lock, self._number)
        self._let_go()

    def discard(self) -> None:
        """Remove what came."""
        self.engine.dispose()
        drop(self._lock, {self._number})
        self._let_go()

    def _let_go(self) -> None:
        self.engine.dispose()
        self._held.close()


def receive(store: Connection, target: Connection, name: str, *, there: bool) -> None:
    """Copy a table by Arrow, some rows at a time; one that is `there` keeps its columns' types."""
    shape = fetch(store, f'select * from "{name}" limit 0').schema
    listed = ", ".join(f'"{column}"' for column in shape.names)
    if not there:
        with lent(target, shape.empty_table()) as incoming:
            run(target, f'create table "{name}" as select * from {incoming}')
    for batch in batches(store, f'select * from "{name}"', _BATCH):
        with lent(target, pa.Table.from_batches([batch])) as incoming:
            run(target, f'insert into "{name}" ({listed}) select {listed} from {incoming}')
