"""Tombstones: keyed hashes of those who were forgotten, kept in the vault so that nobody returns.

Writing them is what decides: from then on the door keeps their rows out, and whichever refresh or
command comes next takes away what is left of them. So a kill at any point is made good by the next
run, and until then `pending` says so.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from attribution.vault import CASE, FORGOTTEN, Map, Vault

PERSON = "person"
SHARED = "shared"  # an identifier that somebody shared with others: it keeps nobody out
Record = tuple[str, str]  # what kind of record, and the hash of its number
_AT_ONCE = 400  # rows of one statement


@dataclass(frozen=True, slots=True)
class Forgotten:
    """All that is kept out: hashes of people's identifiers, and of records that were theirs.

    `pending` is whether something of them may still be stored; `numbers` are those of the people
    of whom it may be. `shared` are hashes that were others' too: their rows are not kept out, and
    nobody is joined by them any more, or what one of several left behind would be the others'.
    """

    people: tuple[str, ...] = ()
    records: tuple[Record, ...] = ()
    pending: bool = False
    numbers: tuple[int, ...] = ()
    shared: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.people or self.records)


def forgotten(vault: Vault) -> Forgotten:
    """Everybody who was forgotten so far."""
    with vault.changing() as connection:
        rows = connection.execute(select(FORGOTTEN.c.target, FORGOTTEN.c.identifier)).fetchall()
        unfinished = select(CASE.c.people).where(CASE.c.erased_at.is_(None))
        waiting = connection.execute(unfinished).scalars().all()
    people = tuple(sorted(hashed for target, hashed in rows if target == PERSON))
    shared = tuple(sorted(hashed for target, hashed in rows if target == SHARED))
    records = tuple(sorted((t, hashed) for t, hashed in rows if t not in (PERSON, SHARED)))
    numbers = sorted({int(number) for said in waiting for number in json.loads(said)})
    return Forgotten(people, records, bool(waiting), tuple(numbers), shared)


def bury(
    vault: Vault,
    case: str,
    identifiers: Collection[str],
    records: Iterable[Record],
    numbers: Collection[int],
) -> None:
    """Keep people out from now on, and take them out of the map: all or nothing.

    `numbers` are the people's; identifiers of theirs that others have too by now are taken out of
    the map and not kept out: they come with `records`, of the kind `SHARED`.
    """
    known = vault.read()
    with vault.changing() as connection:
        gone = np.isin(known.person, np.fromiter(numbers, dtype=np.int64))
        vault.replace(connection, Map(known.high[~gone], known.low[~gone], known.person[~gone]))
        vault.remove_changes(connection, numbers)
        connection.execute(
            insert(CASE).values(case_id=case, begun_at=_now(), people=json.dumps(sorted(numbers)))
        )
        _keep_out(connection, case, [*((PERSON, each) for each in identifiers), *records])


def bury_records(vault: Vault, records: Iterable[Record]) -> None:
    """Keep out more records that turned out to be of people who were forgotten."""
    with vault.changing() as connection:
        newest = select(CASE.c.case_id).order_by(CASE.c.begun_at.desc()).limit(1)
        if (case := connection.execute(newest).scalar()) is not None:
            _keep_out(connection, str(case), list(records))


def erased(vault: Vault) -> None:
    """Nothing is left of those who were forgotten; the vault's file is written anew."""
    vault.compact()
    with vault.changing() as connection:
        connection.execute(
            update(CASE).where(CASE.c.erased_at.is_(None)).values(erased_at=_now(), people="[]")
        )


def _keep_out(connection: Connection, case: str, every: list[Record]) -> None:
    rows = [{"target": t, "identifier": hashed, "case_id": case} for t, hashed in every]
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(
            upsert(FORGOTTEN).values(rows[start : start + _AT_ONCE]).on_conflict_do_nothing()
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
