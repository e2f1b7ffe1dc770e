"""The sources that a private store knows: those of the settings, and those that are finished.

A finished source may be taken out of the settings, and its data stay. What only the settings said
of it is wanted for as long: whose numbers it has, so that people are neither joined nor parted
otherwise than before, and are found when they ask to be forgotten.
"""

from collections.abc import Iterable

from sqlalchemy import Connection

from attribution.identity_graph import Namespaces
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
    if not columns(connection, "known_source"):
        return {}
    rows = connection.exec_driver_sql("select source, patients, contacts from known_source").all()
    return {str(source): (str(patients), str(contacts)) for source, patients, contacts in rows}
