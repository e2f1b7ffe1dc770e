"""DuckDB with tables of a private store that is elsewhere: each comes when a question names it.

For outreach, whose audiences are asked as users write them, for DuckDB, and must mean the same
people whichever engine holds the store. A table is copied once, by Arrow, into memory.
"""

import re
from typing import Any

import duckdb
from sqlalchemy import Connection

from attribution.engines.carrying import carry
from attribution.raw import tables

_NAME = re.compile(r"\w+")


class PrivateCopy:
    """What speaks as DuckDB's driver does."""

    def __init__(self, store: Connection) -> None:
        self._store = store
        self._waiting = set(tables(store))
        self._driver = duckdb.connect(":memory:", config={"memory_limit": "1GB", "threads": 2})

    def __enter__(self) -> "PrivateCopy":
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.close()

    def execute(self, sql: str, parameters: object = None) -> Any:
        """Run a statement, after every table that it names is here."""
        for table in sorted(self._waiting & set(_NAME.findall(sql))):
            carry(self._store, self._driver, table)
            self._waiting.discard(table)
        return self._driver.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)
