"""Contract rows as Arrow columns: the form in which many rows travel."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

import pyarrow as pa

from connectors.contract import MICROS, Field, Kind, Row, contract_fields

STORED: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "day": pa.date32(),
    "instant": pa.timestamp("us", tz="UTC"),
    "money": pa.int64(),
}


# More is a number of something else that was typed into the wrong field; nor would it fit.
MOST_MONEY = 10**12


def arrow_schema(row: type[Row]) -> pa.Schema:
    """The stored columns of a kind of row, without those that the loader adds."""
    return pa.schema([pa.field(f.column, STORED[f.kind]) for f in contract_fields(row)])


def to_table(row: type[Row], rows: Sequence[Row]) -> pa.Table:
    """Rows of one kind as columns; money becomes whole micros, instants become UTC."""
    arrays = [_array(f, list(map(attrgetter(f.name), rows))) for f in contract_fields(row)]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(row))


def texts(values: Sequence[Any]) -> pa.Array:
    """Texts as a column; half a letter is told as U+FFFD.

    Whoever cuts a text after so many UTF-16 units cuts an emoji in two, and JSON can say so.
    """
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        whole = (
            v and v.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for v in values
        )
        return pa.array(list(whole), pa.string())


def micros(amount: Decimal) -> int:
    """Money as whole millionths; a finer part is rounded half to even."""
    return int((amount * MICROS).to_integral_value())


def _array(field: Field, values: list[Any]) -> pa.Array:
    if field.kind == "money":
        values = [None if v is None else micros(v) for v in values]
    elif field.kind == "instant":
        values = [None if v is None else _utc(field.name, v) for v in values]
    return texts(values) if field.kind == "text" else pa.array(values, type=STORED[field.kind])


def _utc(name: str, value: datetime) -> datetime:
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError(f"{name} is {value.isoformat()} without a time zone")
    return value.astimezone(UTC)
