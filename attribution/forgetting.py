"""Forgetting: a person is deleted on request, from everything that is kept.

Who it is, is typed: an address, a number. It is hashed at once; what is written down anywhere is
the hash (the tombstone) and, in the audit log, the number that stood for the person.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from attribution import audit, contacts, erasing, warehouse
from attribution.errors import BadInput, StorageError
from attribution.kept_books import Books
from attribution.keys import Keyring, keyring
from attribution.lock import only_one
from attribution.naming import names
from attribution.paths import Home
from attribution.payloads import Payloads
from attribution.placeholders import placeholders
from attribution.privacy import Door
from attribution.rehashing import stamp
from attribution.settings import Settings
from attribution.tombstones import Forgotten, Record, bury, erased, forgotten
from attribution.vault import open_vault
from outreach.forgetting import forget as forget_messages

# A reason in words of one's own could name somebody.
REASONS = ("request", "consent", "error", "law")
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
    generation = warehouse.current_generation(home)
    if generation is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh`.")
    ring = keyring(home)
    engine = warehouse.open_private(home, generation)
    try:
        with open_vault(home) as vault, engine.connect() as private:
            if (stamp(private) or ring.names[0]) != ring.names[-1]:
                raise StorageError(
                    "A change of keys is not finished. Run `caretrace keys rotate`; it goes on."
                )
            people, already = _people(private, settings, ring, lines, forgotten(vault))
            every = _former(people, vault.changes())
            mapped = vault.identifiers(every)
            own = sorted({*_own(private, every), *_not_shared(private, mapped)})
            erasing.spread(private, own, ())
            counts = {f"raw_{t}": n for t, n in erasing.counts(private).items()}
            records = tuple(erasing.records(private))
    finally:
        engine.dispose()
    counts |= {"vault": len(mapped)} | _elsewhere(home, generation, every)
    counts["payloads"] = len(naming_payloads(settings, ring, frozenset(own))) if own else 0
    counts = {place: number for place, number in counts.items() if number}
    return Found(tuple(sorted(every)), tuple(own), records, already, counts)


def forget(
    settings: Settings, lines: Sequence[Asked], reason: str, *, here_only: bool = False
) -> Found:
    """Decide that these people are forgotten; the next build of a generation takes them away.

    Before that they are taken off lists, campaigns and tasks that outreach put them on, as nobody
    can say afterwards who it was; right after it outreach knows no address of theirs any more.
    Raises BadInput, and forgets nobody, where a system cannot be told, unless it is meant
    `here_only`.
    """
    home = settings.home
    with only_one(home):
        found = find(settings, lines)
        if not found.people:
            return found
        if not here_only:
            _leave_others(settings, found)
        for person in found.people:
            audit.record(
                home, audit.operator(), audit.FORGOTTEN, "a person", person=person, reason=reason
            )
        with open_vault(home) as vault:
            bury(vault, secrets.token_hex(8), found.identifiers, found.records, found.people)
        silence(home)
    return found


def silence(home: Home) -> None:
    """Let nothing more leave to those who were forgotten, before what is left of them is gone.

    What is published knows them until the next one is; without an address nobody is written to.
    Outreach asks for it before it begins, so that a kill right after the decision changes nothing.
    """
    if (buried := _buried(home)).pending:
        _leave_outreach(home, buried)


def _leave_outreach(home: Home, buried: Forgotten) -> None:
    contacts.forget(home, buried.people)
    forget_messages(home, buried.numbers, buried.people)


def _leave_others(settings: Settings, found: Found) -> None:
    """Take people off wherever outreach put them; raises BadInput where they are still there."""
    home = settings.home
    if not home.outreach.is_file():
        return
    # Imported late: most installations hand nobody to a CRM.
    from attribution.outreach_settings import outreach_settings
    from outreach.taking_back import take_back_the_forgotten

    taken = take_back_the_forgotten(home, outreach_settings(home), found.people, found.identifiers)
    if taken.left:
        raise BadInput(
            f"Nobody was forgotten: a CRM still has them on a list, in a campaign or as a task. "
            f"{taken.why} Then say it again; or look them up there yourself and say --here-only."
        )


def unfinished(home: Home) -> bool:
    """Whether somebody was forgotten of whom something may still be stored."""
    return _buried(home).pending


def leaving(home: Home) -> frozenset[int]:
    """The numbers of people who were forgotten and whom what is published may still know."""
    return frozenset(_buried(home).numbers)


def _buried(home: Home) -> Forgotten:
    if not (home.vault.exists() and home.writable):
        return Forgotten()
    with open_vault(home) as vault:
        return forgotten(vault)


def finish(settings: Settings, generation: int) -> None:
    """Take away what a generation without the forgotten does not: earlier ones, payloads, books.

    What was decided and could not be finished then is finished now.
    """
    home = settings.home
    with open_vault(home) as vault:
        buried = forgotten(vault)
        if not buried.pending:
            return
        warehouse.drop_others(home, generation)
        ring = keyring(home)
        Payloads(home, ring.payloads).remove(
            naming_payloads(settings, ring, frozenset(buried.people))
        )
        with Books(home) as books:
            books.remove_mentions(buried.numbers)
        _leave_outreach(home, buried)  # what was planned before it was decided, and kept since
        _leave_registry(home, buried.numbers)
        audit.record(
            home,
            audit.operator(),
            audit.FORGOTTEN,
            "nothing is left",
            people=len(buried.numbers),
            generation=generation,
        )
        erased(vault)


def _leave_registry(home: Home, people: Iterable[int]) -> None:
    """Take the numbers that stand for people out of the registry of research exports."""
    if not home.research.is_dir():
        return
    # Imported late: few installations export research data.
    from attribution.research.reading import tags
    from attribution.research.registry import forget_people

    numbers = np.fromiter(people, dtype=np.int64)
    forget_people(home, audit.operator(), tags(home, numbers))


def naming_payloads(settings: Settings, ring: Keyring, people: frozenset[str]) -> list[Path]:
    """The payloads that name one of some people (by hash)."""
    kept = Payloads(settings.home, ring.payloads)
    doors = [_door(settings, ring, each) for each in _namespaces(settings)]
    return [path for path in kept.every() if names(kept.read(path), doors, people)]


def _people(
    private: Connection,
    settings: Settings,
    ring: Keyring,
    lines: Sequence[Asked],
    buried: Forgotten,
) -> tuple[set[int], int]:
    people: set[int] = set()
    already = 0
    for line in lines:
        hashes = _hashes(settings, ring, line)
        if not set(hashes).isdisjoint(buried.people):
            already += 1
            continue
        known = set(_column(private, "select person_id from identity where identifier", hashes))
        if len(known) > 1:
            raise BadInput(
                f"Line {line.line} is a number in several systems, and not of one person. Say "
                "whose it is, as in `patient:older_record 00123`. Nothing was changed."
            )
        if known:
            people |= {int(number) for number in known}
        else:
            shared = _column(
                private, "select identifier from identity_shared where identifier", hashes
            )
            why = (
                "is shared by several people, and so says nobody: give another of theirs"
                if shared
                else "is known of nobody here: look for a slip"
            )
            raise BadInput(f"Line {line.line} {why}. Nothing was changed.")
    return people, already


def _hashes(settings: Settings, ring: Keyring, line: Asked) -> list[str]:
    among = [pair for pair in _namespaces(settings) if line.namespace in (None, *pair)]
    found = {_door(settings, ring, pair).hash(line.kind, line.value) for pair in among}
    return sorted(each for each in found if each is not None)


def _namespaces(settings: Settings) -> list[tuple[str, str]]:
    # The usual ones too: of a source that is configured no more there are payloads all the same.
    configured = {(s.patient_namespace, s.crm_namespace) for s in settings.sources}
    return sorted(configured | {("emr", "crm")})


def _door(settings: Settings, ring: Keyring, namespaces: tuple[str, str]) -> Door:
    return Door(
        ring.hashing[0],
        settings.region,
        *namespaces,
        placeholders(settings.home.folder),
        settings.identity.plus_addresses,
        settings.identity.gmail_dots,
        later=ring.hashing[1:],
    )


def _former(people: set[int], changes: pd.DataFrame) -> set[int]:
    """These people's numbers, and those that they had before they turned out to be one."""
    merged = changes[changes["kind"] == "merge"]
    every = set(people)
    while more := set(merged.loc[merged["to_person"].isin(every), "from_person"]) - every:
        every |= more
    return {int(number) for number in every}


def _own(private: Connection, people: Iterable[int]) -> list[str]:
    return _column(private, "select identifier from identity where person_id", people)


def _not_shared(private: Connection, identifiers: Iterable[str]) -> set[str]:
    """Without those that by now are others' too: their rows must not be kept out."""
    among = set(identifiers)
    shared = "select identifier from identity_shared where identifier"
    return among - set(_column(private, shared, among))


def _column(connection: Connection, sql: str, among: Iterable[object]) -> list[Any]:
    values = tuple(among)
    if not values:
        return []
    holes = ", ".join("?" * len(values))
    return [row[0] for row in connection.exec_driver_sql(f"{sql} in ({holes})", values)]


def _elsewhere(home: Home, generation: int, people: set[int]) -> dict[str, int]:
    """Rows of people's own tables, the ledger's, and generations that would go."""
    found = {}
    engine = warehouse.open_people(home, generation)
    try:
        with engine.connect() as connection:
            columns = connection.exec_driver_sql(
                "select table_name, column_name from duckdb_columns() "
                "where column_name in ('person_id', 'from_person', 'to_person')"
            ).all()
            for table in sorted({table for table, _ in columns}):
                named: list[sa.ColumnClause[int]] = [
                    sa.column(name) for of, name in columns if of == table
                ]
                theirs = sa.or_(*(each.in_(people) for each in named))
                counted = sa.select(sa.func.count()).select_from(sa.table(table)).where(theirs)
                found[table] = connection.execute(counted).scalar_one()
    finally:
        engine.dispose()
    with Books(home) as books:
        found["ledger"] = books.mentions(people)
    return found
