"""What casting is told, how a file is written, and what it finds, which rows break the contract."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.moments import Mask


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the texts of one kind of file are written."""

    decimal: str = "."
    thousands: str = ","
    date_format: str | None = None
    datetime_format: str | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """The rows of a column that break the contract for one reason."""

    where: Mask
    reason: str
    doubt: bool = False  # the value alone is wrong: its row is true without it


Result = tuple[pa.Array, list[Fault]]


class NoSuchCast(Exception):
    """A column's stored type cannot be what the field needs, whatever its values."""


def micros(exact: pa.Array) -> pa.Array:
    """Decimals as whole micros, half to even: the number under a scale of six, read as it lies."""
    scaled = pc.round(exact, 6, round_mode="half_to_even").cast(pa.decimal128(38, 6))
    filled = pc.fill_null(scaled, pa.scalar(0).cast(scaled.type))
    words = np.frombuffer(filled.buffers()[1], dtype=np.int64)
    start = 2 * filled.offset
    low = words[start : start + 2 * len(filled) : 2]
    return pa.array(low, pa.int64(), mask=nulls(scaled) if scaled.null_count else None)


def nulls(column: pa.Array) -> Mask:
    """Where a column has no value."""
    return np.asarray(pc.is_null(column))


def true(column: pa.Array) -> Mask:
    """Where a column of flags is true, and neither false nor empty."""
    return np.asarray(pc.fill_null(column, False))
