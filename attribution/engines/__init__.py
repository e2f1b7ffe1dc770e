"""The engines that hold private stores, each behind the protocol of `attribution.warehouse`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, Protocol

from sqlalchemy import Connection


class Arrow(Protocol):
    """How an engine takes Arrow and gives it, and what it says of its tables.

    A module `attribution/engines/<name>_arrow.py` of functions, by the name of the dialect.
    """

    def lent(self, connection: Connection, table: Any) -> AbstractContextManager[str]:
        """Lend an Arrow table for the length of a block, under the name it yields."""

    def fetch(self, connection: Connection, sql: str) -> Any:
        """What a query in DuckDB's SQL answers, as an Arrow table."""

    def batches(self, connection: Connection, sql: str, size: int) -> Iterator[Any]:
        """The same in record batches of at most `size` rows."""

    def tables(self, connection: Connection) -> list[str]:
        """The tables of the private store by name, without temporary ones."""

    def columns(self, connection: Connection, table: str) -> dict[str, str]:
        """The columns of a table and their types, in order; none where there is no such table."""

    def replace_texts(
        self,
        connection: Connection,
        table: str,
        names: Sequence[str],
        of: Callable[[Any], Any],
    ) -> None:
        """Put what a function of an Arrow array gives for each text in its place."""


def arrow_of(engine: str) -> Arrow:
    """The functions of the engine that SQLAlchemy calls `engine`."""
    module: Any = import_module(f"attribution.engines.{engine}_arrow")
    return module  # type: ignore[no-any-return]
