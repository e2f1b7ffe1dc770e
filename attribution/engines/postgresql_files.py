"""The files that readers open, kept on the server too, for hosts that serve pages of them.

Schema `files` has a view of each file of the published generation, in parts, and one that lists
them. A host that only serves pages takes them as they are, byte for byte: what viewers may see was
told beside what they were told before, which no other computer could do again.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, Connection

from attribution.at_rest import writing
from attribution.engines.postgresql_books import files_of
from attribution.engines.postgresql_errors import place, raise_in_words
from attribution.engines.postgresql_server import engine_for
from attribution.errors import StorageError
from attribution.generations import (
    MARTS,
    PAGES_ONLY,
    PEOPLE,
    VIEWERS,
    current_generation,
    is_pulled,
)
from attribution.ledger import Ledger, now
from attribution.paths import Home
from attribution.statements import run

_PART = 1 << 22  # bytes of a file that are sent, kept and asked for at a time
_NEEDED = (MARTS, VIEWERS)
_KNOWN = (*_NEEDED, PEOPLE)
_DOCUMENT = "docs/engines.md has the statements"


@dataclass(frozen=True, slots=True)
class Offer:
    """A published generation as it may be taken: size and SHA-256 of each file that may be read.

    `published_at` and `sources` are as the ledger of the host that refreshes has them.
    """

    generation: int
    published_at: str
    sources: Sequence[Mapping[str, Any]]
    files: Mapping[str, tuple[int, str]]
    kept: frozenset[int]  # the generations that the server has still


def keep_files(connection: Connection, home: Home, number: int) -> None:
    """Put the files of a closed generation on the server, with what the ledger says of sources."""
    schema = files_of(number)
    run(connection, f"drop schema if exists {schema} cascade")
    run(connection, f"create schema {schema}")
    run(
        connection,
        f"create table {schema}.listed (name text primary key, bytes bigint not null, "
        "sha256 text not null, generation integer not null, published_at text not null, "
        "sources text not null)",
    )
    with Ledger(home) as ledger:
        frame = ledger.sources()
    sources = json.dumps(frame.astype(object).where(frame.notna(), None).to_dict("records"))
    for name in _KNOWN:
        path = home.generation(number) / name
        if path.is_file():
            size, digest = _send(connection, path, f"{schema}.{path.stem}")
            connection.exec_driver_sql(
                f"insert into {schema}.listed values (?, ?, ?, ?, ?, ?)",
                (name, size, digest, number, now(), sources),
            )


def _send(connection: Connection, path: Path, table: str) -> tuple[int, str]:
    """Copy a file into a table; its size in bytes and SHA-256."""
    run(connection, f"create table {table} (part integer primary key, content bytea not null)")
    # The files are pressed together already.
    run(connection, f"alter table {table} alter content set storage external")
    size, digest = 0, sha256()
    with _driver(connection) as driver, path.open("rb") as file, driver.cursor() as cursor:
        sent = f"copy {table} (part, content) from stdin (format binary)"
        with cursor.copy(sent) as copy:
            copy.set_types(["int4", "bytea"])
            for part, content in enumerate(iter(lambda: file.read(_PART), b"")):
                size += len(content)
                digest.update(content)
                copy.write_row((part, content))
    return size, digest.hexdigest()


class Offering:
    """A server whose published files are asked for, part by part: nobody waits for who takes."""

    def __init__(self, connection: Connection, url: URL) -> None:
        self._connection = connection
        self._url = url

    def offer(self) -> Offer:
        """What is published now; raises StorageError where nothing is, or it may not be read."""
        self._prove()
        rows = run(self._connection, "select * from files.listed order by name").all()
        # Whoever may write there must not name a file of ours, or a place outside the folder.
        known = {row.name for row in rows}.intersection(_KNOWN)
        may = {name for name in known if self._readable(Path(name).stem)}
        if missing := [name for name in _NEEDED if name in known - may]:
            raise StorageError(self._refused(missing))
        schemas = run(
            self._connection,
            "select cast(substr(nspname, 7) as integer) from pg_namespace "
            "where nspname ~ '^files_[0-9]+$'",
        ).scalars()
        one = rows[0]
        return Offer(
            int(one.generation),
            str(one.published_at),
            json.loads(one.sources),
            {row.name: (int(row.bytes), str(row.sha256)) for row in rows if row.name in may},
            frozenset(schemas),
        )

    def finding(self, home: Home) -> tuple[str, bool, str] | None:
        """What the doctor says of what a host of pages may take; None to one that refreshes.

        Before the first pull a host of pages is known by its role, which may read files and make
        no schemas.
        """
        pulled = is_pulled(home)
        try:
            if not pulled and (current_generation(home) is not None or self._may_make()):
                return None
            offer = self.offer()
        except StorageError as error:
            return (PAGES_ONLY, False, str(error)) if pulled else None
        people = "" if PEOPLE in offer.files else ", without single people"
        return PAGES_ONLY, True, f"generation {offer.generation} may be taken{people}."

    def _may_make(self) -> bool:
        asked = "select has_database_privilege(current_database(), 'create')"
        return bool(run(self._connection, asked).scalar())

    def take(self, name: str, target: Path) -> str:
        """Write a file as it is on the server; its SHA-256."""
        table, part, digest = f"files.{Path(name).stem}", 0, sha256()
        with _driver(self._connection) as driver, writing(target) as file:
            cursor = psycopg.Cursor(driver)  # so that content comes as it is, not as digits
            asked = f"select content from {table} where part = %s"
            while found := cursor.execute(asked, (part,), binary=True).fetchone():
                digest.update(found[0])
                file.write(found[0])
                part += 1
        return digest.hexdigest()

    def _prove(self) -> None:
        """Raise StorageError where there is nothing to read, or no right to."""
        where = place(self._url)
        known = set(
            run(
                self._connection,
                "select schemaname || '.' || tablename from pg_tables where schemaname = "
                "'caretrace' union all select schemaname || '.' || viewname from pg_views where "
                "schemaname = 'files'",
            ).scalars()
        )
        if "caretrace.generation" not in known:
            raise StorageError(
                f"{where} holds no installation of caretrace. Run `caretrace refresh` on the host "
                "that refreshes into it, or correct CARETRACE_WAREHOUSE."
            )
        if "files.listed" not in known:
            raise StorageError(
                f"{where} holds nothing published for hosts of pages: nothing was published yet, "
                "or by an earlier version of caretrace, which kept no files there. Run `caretrace "
                "refresh` on the host that refreshes, with this version."
            )
        may = run(self._connection, "select has_schema_privilege('files', 'usage')").scalar()
        if not (may and self._readable("listed")):
            raise StorageError(self._refused(["the list of files"]))

    def _readable(self, view: str) -> bool:
        asked = f"select has_table_privilege('files.{view}', 'select')"
        return bool(run(self._connection, asked).scalar())

    def _refused(self, what: Sequence[str]) -> str:
        return (
            f"{place(self._url)} does not let {self._url.username or 'you'} read "
            f"{' and '.join(what)} of the schema files. Let its owner grant that ({_DOCUMENT})."
        )


@contextmanager
def offering(url: URL) -> Iterator[Offering]:
    """A connection to a server that may hold published files; each question stands alone."""
    engine = engine_for(url)
    try:
        with engine.connect() as connection:
            yield Offering(connection.execution_options(isolation_level="AUTOCOMMIT"), url)
    finally:
        engine.dispose()


@contextmanager
def _driver(connection: Connection) -> Iterator[Any]:
    """The driver's connection; what goes wrong on it is said in words."""
    driver: Any = connection.connection.driver_connection
    try:
        yield driver
    except psycopg.Error as error:
        raise_in_words(error, connection.engine.url)
        raise StorageError(
            f"{place(connection.engine.url)} did not give or take a file "
            f"({type(error).__name__}). Try again."
        ) from error
