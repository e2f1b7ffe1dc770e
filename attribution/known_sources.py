"""The sources that a private store knows: those of the settings, and those that are finished.

A finished source may be taken out of the settings, and its data stay. What only the settings said
of it is wanted for as long: whose numbers it has, so that people are neither joined nor parted
otherwise than before, and are found when they ask to be forgotten. And a source that is called
otherwise than before is loaded beside itself, which is told.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from attribution import warehouse
from attribution.errors import CaretraceError
from attribution.identity_graph import Namespaces
from attribution.paths import Home
from attribution.raw import columns
from attribution.source_settings import SourceSettings


def note(connection: Connection, sources: Iterable[SourceSettings]) -> None:
    """Remember sources as the settings have them now; of others what was known last stays."""
    connection.exec_driver_sql(
        "create table if not exists known_source "
        "(source varchar, kind varchar, patients varchar, contacts varchar)"
    )
    for source in sources:
        connection.exec_driver_sql("delete from known_source where source = ?", (source.name,))
        connection.exec_driver_sql(
            "insert into known_source values (?, ?, ?, ?)",
            (source.name, source.kind, source.patient_namespace, source.crm_namespace),
        )


def namespaces(connection: Connection) -> dict[str, Namespaces]:
    """Whose numbers each source has that the store knows; stores of earlier versions know none."""
    rows = _known(connection)
    return {source: (patients, contacts) for source, _kind, patients, contacts in rows}


def called_otherwise(connection: Connection, sources: Sequence[SourceSettings]) -> Iterator[str]:
    """What to tell of sources whose name or account is another than when rows were loaded.

    Both are part of every row's key and of the cursor, so all is loaded again beside what is there.
    """
    loaded: dict[str, set[str]] = defaultdict(set)
    for source, account in connection.exec_driver_sql(
        "select distinct source, account from cursor"
    ).all():
        loaded[str(source)].add(str(account))
    configured = {source.name for source in sources}
    finished = [
        (name, kind)
        for name, kind, *_ in sorted(_known(connection))
        if name in loaded and name not in configured
    ]
    for source in sources:
        for before in sorted(loaded.get(source.name, set()) - {source.account}):
            yield (
                f"{source.name} was loaded as account {before} before and is {source.account} now: "
                "both are in the data, and what they have in common counts twice. If they are the "
                f"same, set account to {before} again, after `caretrace rollback` where a refresh "
                "was published since."
            )
        for before in [name for name, kind in finished if kind == source.kind]:
            if source.name not in loaded:
                yield (
                    f"{source.name} is new and of the same kind as {before}, which is not in the "
                    f"settings any more and whose data stay. If it is {before} by another name, "
                    "all of it counts twice once it is loaded: give it its name back, and the "
                    "account that it had."
                )


def published_otherwise(home: Home, sources: Sequence[SourceSettings]) -> list[str]:
    """The same of what is published; nothing where that cannot be asked."""
    try:
        number = warehouse.current_generation(home)
        if number is None or not (sources and warehouse.holds(home, number)):
            return []
        engine = warehouse.open_private(home, number)
        try:
            with engine.connect() as connection:
                return list(called_otherwise(connection, sources))
        finally:
            engine.dispose()
    except (CaretraceError, DBAPIError):
        return []  # what is wrong there is said elsewhere


def _known(connection: Connection) -> list[tuple[str, str, str, str]]:
    if not columns(connection, "known_source"):
        return []
    rows = connection.exec_driver_sql("select source, kind, patients, contacts from known_source")
    return [(str(source), str(kind), str(p), str(c)) for source, kind, p, c in rows.all()]
