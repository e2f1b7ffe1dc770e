"""A PostgreSQL of its own for measurements: what its processes take, and how tables get there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from sqlalchemy import Connection

from attribution import warehouse
from attribution.engines.duckdb import open_writer
from attribution.engines.postgresql_moving import receive
from attribution.paths import Home
from attribution.raw import ensure_raw_tables, tables
from attribution.statements import run

# What a touchpoint takes at the most while its models are built, tables, files and log together.
BYTES = 2_500
_TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """The processes of a PostgreSQL: processor seconds and memory, by the kernel's own books."""

    def __init__(self, address: str) -> None:
        self.url = address.replace("postgresql:", "postgresql+psycopg:")
        folder = Path(address.split("host=")[1])
        self._first = (folder / "postmaster.pid").read_text(encoding="ascii").splitlines()[0]
        self._peak = 0
        self._over = Event()
        self._watch = Thread(target=self._look, daemon=True)
        self._watch.start()

    def seconds(self) -> float:
        """Processor seconds of every process until now, those that ended included."""
        # The first one's children that ended are in its own books.
        ticks = sum(_times(self._first)) + sum(sum(_times(pid)[:2]) for pid in self._children())
        return ticks / _TICKS

    def peak(self) -> float:
        """Most bytes of all processes together since this was last asked, shared ones once."""
        self._peak, peak = 0, max(self._peak, self._memory())
        return float(peak)

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._over.wait(0.2):
            self._peak = max(self._peak, self._memory())

    def _memory(self) -> int:
        return sum(_proportional(pid) for pid in (self._first, *self._children()))

    def _children(self) -> list[str]:
        with suppress(OSError):
            path = Path(f"/proc/{self._first}/task/{self._first}/children")
            return path.read_text(encoding="ascii").split()
        return []


@contextmanager
def served() -> Iterator[Server]:
    """A server for the block, and the variable that names it."""
    from engines_fixture import postgres  # of the tests: DuckDB is measured without them

    with postgres() as address:
        server = Server(address)
        os.environ["CARETRACE_WAREHOUSE"] = server.url
        try:
            yield server
        finally:
            os.environ.pop("CARETRACE_WAREHOUSE", None)
            server.close()


def fill(connection: Connection, folder: Path, statements: list[str]) -> None:
    """Run statements in a DuckDB beside the home, and bring what they made to the server."""
    path = folder / "filling.duckdb"
    engine = open_writer(path, memory="1GB", spill=folder / "filling")
    with engine.begin() as source:
        ensure_raw_tables(source)
        source.exec_driver_sql("create table identity (identifier varchar, person_id bigint)")
        for statement in statements:
            source.exec_driver_sql(statement)
        for name in tables(source):
            if source.exec_driver_sql(f"select count(*) from {name}").scalar_one():
                receive(source, connection, name, there=True)
    engine.dispose()
    path.unlink()


def stored(home: Home, generation: int) -> dict[str, float]:
    """Bytes of each table of a generation on the server, its indexes and long values with it."""
    with warehouse.open_private(home, generation).connect() as connection:
        rows = run(
            connection,
            "select relname, pg_total_relation_size(pg_class.oid) from pg_class inner join "
            "pg_namespace on relnamespace = pg_namespace.oid where relkind = 'r' and nspname in "
            f"('private_{generation}', 'marts_{generation}', 'people_{generation}')",
        ).all()
    return {str(name): float(size) for name, size in rows}


def _times(pid: str) -> list[int]:
    """Ticks of a process as user and system, and of its children that ended."""
    with suppress(OSError):
        said = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return [int(each) for each in said[11:15]]
    return [0, 0, 0, 0]


def _proportional(pid: str) -> int:
    """Bytes of a process; of what several share, its part."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
