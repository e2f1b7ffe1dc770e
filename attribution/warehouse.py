"""The warehouse: where generations are built, published and read, on whichever engine.

The private store (what was loaded, and what models make of it) is held by the engine that
`CARETRACE_WAREHOUSE` names, each in its own file of `attribution/engines`. What pages, exports and
reports read are three DuckDB files in the home folder on every engine: they are small, and a page
never waits for a server.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import URL, Connection, Engine

from attribution import generations
from attribution.engines.duckdb import DuckDb, open_reader
from attribution.engines.files import NO_TABLES, Grains
from attribution.errors import BadInput, StorageError
from attribution.generations import MARTS, PEOPLE, PULLED, VIEWERS, current_generation
from attribution.paths import Home
from attribution.warehouse_url import DUCKDB, POSTGRESQL, VARIABLE, kind_of, url_of

if TYPE_CHECKING:
    from attribution.engines.postgresql_files import Offering

__all__ = [
    "Building", "Warehouse", "alone", "asked", "before_present", "begin", "current_generation",
    "drop_others", "findings", "free_space", "holds", "holds_viewers", "kept", "offering",
    "open_marts", "open_people", "open_private", "publish", "rollback", "warehouse_at",
    "warehouse_of",
]  # fmt: skip


class Building(Protocol):
    """The next generation while it is being built; one at a time, held by the refresh.

    Connections speak as SQLAlchemy's do, and hear DuckDB's SQL on every engine, with `?` where a
    value goes. Arrow goes in and out by `attribution.raw`, which asks for the engine by the name
    of the connection's dialect.
    """

    home: Home
    number: int
    resumed: bool  # whether it goes on from what a killed refresh had committed
    lost: str  # why what was loaded before is not gone on from, where it is not
    folder: Path
    commits: Lock  # windows are read in parallel and committed one at a time
    engine: Engine

    def connect(self) -> AbstractContextManager[Connection]:
        """A connection to the private store that commits when the block ends well."""

    def modelling(self) -> AbstractContextManager[Connection]:
        """A connection to where models are built, with all that was loaded until now.

        That need not be where it is loaded: what is changed there later does not show here.
        """

    def rewrite(self) -> None:
        """Write what was loaded anew, so that nothing deleted is left in what is stored.

        What the models built is left out: they build it again. Nobody else may be at work on it.
        """

    def copy_marts(
        self, marts: Grains, people: Grains = NO_TABLES, beside: tuple[str, ...] = ()
    ) -> None:
        """Write the files that readers open: aggregates into one, what is of people into another.

        Each table is ordered by its grain. `beside` are tables that only `copied` and
        `write_viewers` need too.
        """

    def copied(self) -> AbstractContextManager[Connection]:
        """DuckDB with all that `copy_marts` was told of, in its `main`."""

    def write_viewers(self, write: Callable[..., None]) -> None:
        """Write the file that viewers' pages open, beside what the last one published told.

        `write(connection, follows=...)` finds what was copied in `main`, the new file attached as
        `viewers` and, where it `follows` one, the published one as `before`.
        """

    def close(self) -> None:
        """Make the generation durable. After this nothing in it changes any more."""

    def abandon(self) -> None:
        """Let go of the private store; the next refresh goes on from what was committed."""

    def discard(self) -> None:
        """Let go of a private store that cannot be trusted, and free its space."""


class Receiving(Protocol):
    """A private store that came from another engine and is not proved yet; nobody reads it."""

    engine: Engine

    def accept(self, marts: Sequence[str], people: Sequence[str]) -> None:
        """It is proved: it is the published generation's from now on."""

    def discard(self) -> None:
        """It is not: nothing is left of it."""


class Warehouse(Protocol):
    """One engine: how generations begin, are published, gone back to and dropped on it."""

    def alone(self, home: Home) -> AbstractContextManager[None]:
        """Hold what keeps refreshes of other computers out; raises Busy with who holds it."""

    def begin(self, home: Home, *, memory: str) -> Building:
        """Start the next generation from a copy of what was loaded for the published one.

        Where a killed refresh left one unfinished, its committed windows are gone on from.
        """

    def publish(self, home: Home, number: int) -> None:
        """Point readers at a closed generation, and drop the oldest ones."""

    def holds(self, home: Home, number: int) -> bool:
        """Whether the private store of a closed generation is here."""

    def rollback(self, home: Home, number: int) -> None:
        """Point readers at an earlier generation; later ones are never gone on from."""

    def drop_others(self, home: Home, number: int) -> int:
        """Remove every generation but this one; returns how many there were."""

    def receive(
        self, home: Home, number: int, store: Connection, names: Sequence[str]
    ) -> Receiving:
        """Take in every one of these tables of a generation's private store on another engine."""

    def open_private(self, home: Home, number: int) -> Engine:
        """The private store of a closed generation, to read."""

    def asked(self, home: Home, number: int) -> AbstractContextManager[Any]:
        """What speaks as DuckDB's driver does, on the private store of a closed generation."""

    def space(self, home: Home) -> tuple[int, int]:
        """Bytes free where the home folder is, and bytes that the next refresh may need there."""

    def findings(self, home: Home) -> Iterator[tuple[str, bool, str]]:
        """What the doctor says of the engine: a subject, whether it is fine, a sentence."""


def warehouse_of(home: Home) -> Warehouse:
    """The engine of an installation; raises SettingsError where there is none of that name."""
    return warehouse_at(url_of(home))


def warehouse_at(url: URL) -> Warehouse:
    """The engine that a URL names; nothing is said to it yet."""
    kind = kind_of(url)
    if kind == DUCKDB:
        return DuckDb()
    # Imported late: most installations have one engine.
    if kind == POSTGRESQL:
        from attribution.engines.postgresql_server import require

        require()
        from attribution.engines.postgresql import PostgreSql

        return PostgreSql(url)
    from attribution.engines.spark_server import require as require_client

    require_client()
    from attribution.engines.spark import Spark

    return Spark(url)


def open_marts(home: Home, generation: int, *, protected: bool = False) -> Engine:
    """The published marts of one generation, read-only, with everything else switched off.

    Where `protected`, those in which no cell is of fewer than eleven people.
    """
    return open_reader(home.generation(generation) / (VIEWERS if protected else MARTS))


def holds_viewers(home: Home, generation: int) -> bool:
    """Whether a generation has marts for viewers; those of earlier versions have none."""
    return (home.generation(generation) / VIEWERS).is_file()


def open_people(home: Home, generation: int) -> Engine:
    """The published journeys of single people, as locked down as the marts."""
    folder = home.generation(generation)
    if (folder / PULLED).is_file() and not (folder / PEOPLE).is_file():
        raise StorageError(
            "This host was given aggregates and no single people. Whoever owns the database can "
            "grant it files.people; `caretrace pull` then brings them."
        )
    return open_reader(folder / PEOPLE)


def open_private(home: Home, generation: int) -> Engine:
    """The private store of a closed generation, to read."""
    return warehouse_of(home).open_private(home, generation)


def asked(home: Home, generation: int) -> AbstractContextManager[Any]:
    """The private store of a closed generation, as DuckDB's driver, for the block."""
    return warehouse_of(home).asked(home, generation)


def alone(home: Home) -> AbstractContextManager[None]:
    """Keep refreshes of other computers out, where the engine is shared."""
    return warehouse_of(home).alone(home)


def begin(home: Home, *, memory: str = "2GB") -> Building:
    """Start the next generation from the published one.

    Where a killed refresh left one unfinished, its committed windows are kept and gone on from;
    if its database does not open any more, it is thrown away and begun anew.
    """
    return warehouse_of(home).begin(home, memory=memory)


def publish(home: Home, number: int) -> None:
    """Point pages at a closed generation, and drop the oldest ones."""
    warehouse_of(home).publish(home, number)


def holds(home: Home, generation: int) -> bool:
    """Whether the private store of a closed generation is in this warehouse."""
    return warehouse_of(home).holds(home, generation)


def before_present(home: Home) -> int:
    """The generation to go back to; raises StorageError where there is none.

    Nor is one whose private store is not here: the next refresh would begin from nothing.
    """
    number = generations.before_present(home)
    if not holds(home, number):
        raise StorageError(
            f"{generations.not_here(number)}, so there is no going back to it: the next refresh "
            f"would begin from nothing. Where another warehouse holds it, set {VARIABLE} to that; "
            "nothing was changed."
        )
    return number


def rollback(home: Home) -> int:
    """Point pages at the generation before the published one, and return its number.

    What is left behind is never gone on from, nor gone back to; the next refresh drops it.
    """
    number = before_present(home)
    warehouse_of(home).rollback(home, number)
    return number


def kept(home: Home) -> list[int]:
    """Every generation that was published once and can be gone back to, in order."""
    return generations.finished(home, until=None)


def drop_others(home: Home, number: int) -> int:
    """Remove every generation but this one; returns how many there were. Pages must read it."""
    return warehouse_of(home).drop_others(home, number)


def offering(home: Home) -> "AbstractContextManager[Offering]":
    """Where a host that refreshes publishes its files, to be taken by one that serves pages."""
    url = url_of(home)
    if kind_of(url) != POSTGRESQL:
        raise BadInput(
            f"Only what is published on PostgreSQL can be pulled. Name that server in {VARIABLE}; "
            "a home folder without one is copied by `caretrace backup`."
        )
    from attribution.engines.postgresql_server import require

    require()
    from attribution.engines.postgresql_files import offering

    return offering(url)


def free_space(home: Home) -> tuple[int, int]:
    """Bytes free where the home folder is, and bytes that the next refresh may need."""
    return warehouse_of(home).space(home)


def findings(home: Home) -> Iterator[tuple[str, bool, str]]:
    """What the doctor says of the engine: a subject, whether it is fine, a sentence."""
    return warehouse_of(home).findings(home)
