"""The file that viewers read, attached to the connection that builds it: how tables get there."""

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from attribution.errors import TransformError
from attribution.raw import fetch, lent
from attribution.small_cells import LEAST, Cube

# How the file, and the one published before, are attached.
VIEWERS = "viewers"
BEFORE = "before"
FEW = (
    "{few} cells of {mart} would tell viewers of fewer than {least} people; nothing was published. "
    "Report it: it is a fault of the program."
)


def write_cube(connection: Connection, cube: Cube, rows: pd.DataFrame) -> None:
    """Write rows as the mart that a cube declares, with the types of the mart they are told of."""
    with lent(connection, pa.Table.from_pandas(rows, preserve_index=False)) as incoming:
        columns = ", ".join(
            f"cast({'null' if name in cube.untold else name} as {kind}) as {name}"
            for name, kind in types_of(connection, cube.name)
        )
        grain = ", ".join((*cube.by, *cube.keys))
        create(connection, cube.name, f"select {columns} from {incoming}", grain)


def prove(cube: Cube, rows: pd.DataFrame) -> None:
    """The cheap law that always holds, whoever made the rows: nought or enough people."""
    counted = cube.counted(rows)
    few = int((((counted != 0) & (counted < LEAST)).any(axis=1)).sum())
    if few:
        raise TransformError(FEW.format(few=few, mart=cube.name, least=LEAST))


def frame_of(connection: Connection, sql: str) -> pd.DataFrame:
    """The answer to a question of the generation that is being built."""
    frame: pd.DataFrame = fetch(connection, sql).to_pandas()
    return frame


def types_of(connection: Connection, mart: str) -> list[tuple[str, str]]:
    """The columns of a mart, each with its type."""
    described = connection.exec_driver_sql(f"describe main.{mart}").all()
    return [(str(name), str(kind)) for name, kind, *_ in described]


def create(connection: Connection, mart: str, sql: str, grain: str = "all") -> None:
    """Make a table for viewers from a SELECT, in the order of its grain."""
    connection.exec_driver_sql(f"create table {VIEWERS}.{mart} as {sql} order by {grain}")


def tables_in(connection: Connection, place: str = VIEWERS) -> set[str]:
    """The names of the tables of an attached database."""
    rows = connection.exec_driver_sql(
        f"select table_name from duckdb_tables() where database_name = '{place}'"
    ).all()
    return {str(name) for (name,) in rows}
