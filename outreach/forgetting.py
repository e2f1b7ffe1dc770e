"""Forgetting in outreach: a person is taken out of the outbox, and out of files handed over."""

from collections.abc import Iterable, Sequence

from attribution.paths import Home
from outreach import handoff
from outreach.outbox import Outbox


def forget(home: Home, people: Iterable[int], identifiers: Iterable[str]) -> int:
    """Take some people out of a home's outbox, if it has one; how many rows that were.

    Refusals of their addresses stay, without them: an address that asked to be left alone must be
    left alone even when nobody knows it.
    """
    if not home.outreach.is_file():
        return 0
    persons = [(person,) for person in people]
    addresses = [(identifier,) for identifier in identifiers]
    with Outbox(home) as outbox:
        # Files first: by the rows it is known which lines are theirs, also after a kill.
        handoff.forget(home, _keys(outbox, persons, addresses))
        with outbox.transaction() as connection:
            before = connection.total_changes
            for name in ("message", "assignment", "capped"):
                connection.executemany(f"delete from {name} where person_id = ?", persons)
                connection.executemany(f"delete from {name} where identifier = ?", addresses)
                connection.executemany(f"delete from {name} where owner = ?", addresses)
            connection.executemany(
                "delete from stop where person_id = ? and identifier is null", persons
            )
            connection.executemany("update stop set person_id = null where person_id = ?", persons)
            gone = connection.total_changes - before
        outbox.clear_log()
    return gone


def _keys(
    outbox: Outbox, persons: Sequence[tuple[int]], addresses: Sequence[tuple[str]]
) -> set[str]:
    """The keys of all messages to some people or addresses."""
    return {
        str(row["key"])
        for column, values in (
            ("person_id", persons),
            ("identifier", addresses),
            ("owner", addresses),
        )
        for value in values
        for row in outbox.rows(f"select key from message where {column} = ?", value)
    }
