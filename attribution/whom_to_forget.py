"""Whom typed lines mean, and what is stored of them. Nothing is changed here."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from attribution import erasing, warehouse
from attribution.doors import door_of
from attribution.errors import BadInput, StorageError
from attribution.identity_graph import Namespaces
from attribution.kept_books import Books
from attribution.keys import Keyring, keyring
from attribution.known_sources import namespaces
from attribution.naming import names
from attribution.paths import Home
from attribution.payloads import Payloads
from attribution.rehashing import stamp
from attribution.settings import Settings
from attribution.tombstones import Forgotten, Record, forgotten
from attribution.vault import open_vault

_KINDS = {"email": "email", "phone": "phone", "patient": "patient_id", "crm": "crm_id"}
HOW = (
    "Type one identifier a line: `email ann@example.org`, `phone +1 503 555 0142`, "
    "`patient 00123` or `crm 4711`; where several systems number people, `patient:older_record "
    "00123`."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one line asks for: a kind, whose numbers they are, and its value."""

    line: int
    kind: str
    namespace: str | None
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """Whom some lines mean, and everything that would go."""

    people: tuple[int, ...]
    identifiers: tuple[str, ...] = field(repr=False)
    records: tuple[Record, ...] = field(repr=False)
    shared: tuple[str, ...] = field(default=(), repr=False)  # theirs and others'
    already: int = 0  # lines about people who were forgotten before
    counts: dict[str, int] = field(default_factory=dict)


def asked(lines: Iterable[str]) -> list[Asked]:
    """Read what was typed; raises BadInput with the number of a line, never with what is on it."""
    found = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        kind, _, value = ("email", "", text) if "@" in text.split()[0] else text.partition(" ")
        kind, _, namespace = kind.partition(":")
        if kind not in _KINDS or not value.strip():
            raise BadInput(f"Line {number} is no identifier. {HOW}")
        found.append(Asked(number, _KINDS[kind], namespace or None, value.strip()))
    if not found:
        raise BadInput(f"Nobody was named. {HOW}")
    return found


def find(settings: Settings, lines: Sequence[Asked]) -> Found:
    """Whom these lines mean, and what there is of them. Nothing is changed.

    Raises BadInput where a line means nobody, or one of several people.
    """
    home = settings.home
    generation = _generation(home)
    ring = keyring(home)
    with open_vault(home) as vault, _private(home, generation) as private:
        if (stamp(private) or ring.names[0]) != ring.names[-1]:
            raise StorageError(
                "A change of keys is not finished. Run `caretrace keys rotate`; it goes on."
            )
        people, already = _people(private, settings, ring, lines, forgotten(vault))
        every = _former(people, vault.changes())
        mapped = vault.identifiers(every)
        shared = _shared(private, mapped)
        own = sorted({*_own(private, every), *mapped} - shared)
        erasing.spread(private, own, ())
        counts = {f"raw_{t}": n for t, n in erasing.counts(private).items()}
        records = tuple(erasing.records(private))
        shared |= _shared(private, erasing.identifiers(private))
    counts |= {"vault": len(mapped)} | _elsewhere(home, generation, every)
    counts["payloads"] = len(naming_payloads(settings, ring, frozenset(own))) if own else 0
    counts = {place: number for place, number in counts.items() if number}
    found = tuple(sorted(every)), tuple(own), records, tuple(sorted(shared))
    return Found(*found, already, counts)


def naming_payloads(settings: Settings, ring: Keyring, people: frozenset[str]) -> list[Path]:
    """The payloads that name one of some people (by hash)."""
    kept = Payloads(settings.home, ring.payloads)
    with _private(settings.home, _generation(settings.home)) as private:
        doors = [door_of(settings, ring, each) for each in _namespaces(settings, private)]
    return [path for path in kept.every() if names(kept.read(path), doors, people)]


def _generation(home: Home) -> int:
    generation = warehouse.current_generation(home)
    if generation is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh`.")
    return generation


@contextmanager
def _private(home: Home, generation: int) -> Iterator[Connection]:
    """The private store of a generation, to read."""
    engine = warehouse.open_private(home, generation)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _people(
    private: Connection,
    settings: Settings,
    ring: Keyring,
    lines: Sequence[Asked],
    buried: Forgotten,
) -> tuple[set[int], int]:
    people: set[int] = set()
    already = 0
    every = _namespaces(settings, private)
    for line in lines:
        among = [pair for pair in every if line.namespace in (None, *pair)]
        hashes = _hashes(settings, ring, line, among)
        # Who was forgotten in one system may have the number of somebody who lives in another.
        alive = sorted(set(hashes).difference(buried.people))
        known = set(_column(private, "select person_id from identity where identifier", alive))
        shared = _column(private, "select identifier from identity_shared where identifier", alive)
        if len(alive) < len(hashes) and not known and not shared:
            already += 1
            continue
        if len(known) > 1 or (known and len(alive) < len(hashes)):
            raise BadInput(
                f"Line {line.line} is a number in several systems, and not of one person. Say "
                "whose it is, as in `patient:older_record 00123`. Nothing was changed."
            )
        if known:
            people |= {int(number) for number in known}
        else:
            why = (
                "is shared by several people, and so says nobody: give another of theirs"
                if shared
                else "is known of nobody here: look for a slip"
            )
            raise BadInput(f"Line {line.line} {why}. Nothing was changed.")
    return people, already


def _hashes(
    settings: Settings, ring: Keyring, line: Asked, among: Iterable[Namespaces]
) -> list[str]:
    found = {door_of(settings, ring, pair).hash(line.kind, line.value) for pair in among}
    return sorted(each for each in found if each is not None)


def _namespaces(settings: Settings, private: Connection) -> list[Namespaces]:
    """Those of every source that is configured or once was: its rows and payloads may be here.

    The usual ones too, for what an earlier version loaded of such a source.
    """
    configured = {(s.patient_namespace, s.crm_namespace) for s in settings.sources}
    return sorted(configured | {*namespaces(private).values(), ("emr", "crm")})


def _former(people: set[int], changes: pd.DataFrame) -> set[int]:
    """These people's numbers, and those that they had before they turned out to be one."""
    merged = changes[changes["kind"] == "merge"]
    every = set(people)
    while more := set(merged.loc[merged["to_person"].isin(every), "from_person"]) - every:
        every |= more
    return {int(number) for number in every}


def _own(private: Connection, people: Iterable[int]) -> list[str]:
    return _column(private, "select identifier from identity where person_id", people)


def _shared(private: Connection, identifiers: Iterable[str]) -> set[str]:
    """Those that are others' too: their rows must not be kept out."""
    shared = "select identifier from identity_shared where identifier"
    return set(_column(private, shared, set(identifiers)))


def _column(connection: Connection, sql: str, among: Iterable[object]) -> list[Any]:
    values = tuple(among)
    if not values:
        return []
    holes = ", ".join("?" * len(values))
    return [row[0] for row in connection.exec_driver_sql(f"{sql} in ({holes})", values)]


def _elsewhere(home: Home, generation: int, people: set[int]) -> dict[str, int]:
    """Rows of people's own tables, the ledger's, and generations that would go."""
    found: dict[str, int] = {}
    engine = warehouse.open_people(home, generation)
    try:
        with engine.connect() as connection:
            columns = connection.exec_driver_sql(
                "select table_name, column_name from duckdb_columns() "
                "where column_name in ('person_id', 'from_person', 'to_person')"
            ).all()
            counts = [
                sa.select(sa.literal(table), sa.func.count())
                .select_from(sa.table(table))
                .where(sa.or_(*(sa.column(n).in_(people) for of, n in columns if of == table)))
                for table in sorted({table for table, _ in columns})
            ]
            if counts:
                found |= {str(t): int(n) for t, n in connection.execute(sa.union_all(*counts))}
    finally:
        engine.dispose()
    with Books(home) as books:
        found["ledger"] = books.mentions(people)
    return found
