"""DuckDB with tables of a private store that is elsewhere: each comes when a question names it.

For outreach, whose audiences are asked as users write them, for DuckDB, and must mean the same
people whichever engine holds the store. A table is copied once, by Arrow, into memory, and what
that does not hold into a folder of the home folder: its rows are people's, and must lie nowhere
else.
"""

import fcntl
import re
import shutil
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from sqlalchemy import Connection

from attribution.at_rest import lock_file
from attribution.engines.carrying import carry
from attribution.paths import Home
from attribution.raw import tables

SPILL = "spill"  # in the home folder
_NAME = re.compile(r"\w+")


class PrivateCopy:
    """What speaks as DuckDB's driver does."""

    def __init__(self, home: Home, store: Connection) -> None:
        self._store = store
        self._waiting = set(tables(store))
        self._held = ExitStack()
        config: dict[str, Any] = {"memory_limit": "1GB", "threads": 2}
        config["temp_directory"] = self._spill(home)
        self._driver = duckdb.connect(":memory:", config=config)

    def _spill(self, home: Home) -> str:
        """A folder of its own; what a killed process has left is cleared where nobody is at work.

        A lock that many may hold says whether somebody is: it dies with its process.
        """
        place = home.folder / SPILL
        place.mkdir(mode=0o700, exist_ok=True)
        lock = self._held.enter_context(lock_file(home.folder / f"{SPILL}.lock"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            for left in place.iterdir():
                shutil.rmtree(left, ignore_errors=True)
        fcntl.flock(lock, fcntl.LOCK_SH)
        return self._held.enter_context(TemporaryDirectory(dir=place))

    def __enter__(self) -> "PrivateCopy":
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.close()
        self._held.close()

    def execute(self, sql: str, parameters: object = None) -> Any:
        """Run a statement, after every table that it names is here."""
        for table in sorted(self._waiting & set(_NAME.findall(sql))):
            carry(self._store, self._driver, table)
            self._waiting.discard(table)
        return self._driver.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)
