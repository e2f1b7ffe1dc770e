"""A private store that comes from another engine into a DuckDB file."""

import shutil
from collections.abc import Sequence

from sqlalchemy import Connection

from attribution.at_rest import sync
from attribution.engines import files
from attribution.engines.carrying import carry
from attribution.engines.duckdb import open_reader, open_writer
from attribution.errors import BadInput
from attribution.generations import PRIVATE
from attribution.paths import Home


class Receiving:
    """The file while it is not proved yet: under another name, which no refresh looks at."""

    def __init__(self, home: Home, number: int, store: Connection, names: Sequence[str]) -> None:
        self._place = home.generation(number) / PRIVATE
        if self._place.exists():
            raise BadInput(
                f"{self._place} is there already, from before. Move it away first; nothing was "
                "changed."
            )
        self._fresh = self._place.with_name("arriving.duckdb")
        spill = self._place.with_name("arriving")
        files.remove(self._fresh)
        engine = open_writer(self._fresh, memory="1GB", spill=spill)
        try:
            with engine.begin() as target:
                for name in names:
                    carry(store, target.connection.driver_connection, name)
            with engine.connect() as target:
                target.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("checkpoint")
        except BaseException:
            files.remove(self._fresh)
            raise
        finally:
            engine.dispose()
            shutil.rmtree(spill, ignore_errors=True)
        self.engine = open_reader(self._fresh)

    def accept(self, _marts: Sequence[str], _people: Sequence[str]) -> None:
        """Give the file its name."""
        self.engine.dispose()
        self._fresh.chmod(0o600)
        sync(self._fresh)
        self._fresh.replace(self._place)
        sync(self._place.parent)

    def discard(self) -> None:
        """Remove what came."""
        self.engine.dispose()
        files.remove(self._fresh)
