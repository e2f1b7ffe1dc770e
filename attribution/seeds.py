"""Seeds: small rule tables that users may edit, and settings, written as tables for the SQL.

A file of the same name in the home folder takes the place of the one that ships.
"""

import csv
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from attribution.errors import BadInput
from attribution.models.parameters import setting_tables
from attribution.paths import SQL
from attribution.raw import lent
from attribution.settings import Settings

SEEDS = SQL / "seeds"
PATTERNS = {"kind", "utm_source", "utm_medium", "utm_campaign"}


def read(name: str, own: Path | None = None) -> pd.DataFrame:
    """A rule table as text; `own` is the user's file, which must have the shipped columns."""
    shipped = _rows(SEEDS / f"{name}.csv")
    if own is None or not own.is_file():
        return shipped
    edited = _rows(own)
    missing = [column for column in shipped.columns if column not in edited.columns]
    if missing:
        raise BadInput(f"{own} lacks the column {missing[0]!r}; the shipped {name}.csv has it.")
    _prove(own, edited)
    return edited[list(shipped.columns)]


def write(connection: Connection, settings: Settings) -> None:
    """Write every seed and every setting as a table of the private store."""
    tables = {
        path.stem: read(path.stem, settings.home.folder / path.name)
        for path in sorted(SEEDS.glob("*.csv"))
    }
    tables |= setting_tables(settings.credit, settings.currency)
    for name, frame in tables.items():
        arrow = pa.Table.from_pandas(frame, preserve_index=False)
        with lent(connection, arrow) as incoming:
            connection.exec_driver_sql(f"create or replace table {name} as from {incoming}")


def _prove(path: Path, rules: pd.DataFrame) -> None:
    """A rule that cannot work is named here; the engine would only say that a model failed."""
    for number, rule in enumerate(rules.to_dict("records"), start=2):
        if not str(rule["priority"]).strip().isdigit():
            raise BadInput(f"{path}, line {number}: priority {rule['priority']!r} is not a number.")
        for column in PATTERNS & rule.keys():
            try:
                re.compile(rule[column])
            except re.error as error:
                raise BadInput(
                    f"{path}, line {number}: {column} is not a regular expression: {error}."
                ) from None


def _rows(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        header = list(reader.fieldnames or [])
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise BadInput(f"{path}, line {number}: expected {len(header)} values.")
    return pd.DataFrame(rows, columns=header, dtype="str")
