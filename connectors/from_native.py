"""Contract columns out of a file's own types, as Parquet and spreadsheets have them."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Kind
from connectors.dialect import Dialect, Fault, NoSuchCast, Result, micros, nulls, true
from connectors.moments import INSTANT, Mask, place

_WHOLE = 2.0**53  # beyond it a floating number no longer holds every whole number


def _native_text(part: pa.Array, _: Dialect) -> Result:
    if not pa.types.is_floating(part.type):
        try:
            return part.cast(pa.string()), []
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise NoSuchCast from error
    part = part.cast(pa.float64())
    lost = true(pc.greater_equal(pc.abs(part), _WHOLE)) | true(pc.is_nan(part))
    whole = true(pc.equal(part, pc.floor(part))) & ~lost
    as_whole = pc.if_else(pa.array(whole), part, None).cast(pa.int64()).cast(pa.string())
    column = pc.coalesce(as_whole, part.cast(pa.string()))
    return column, [Fault(lost, "was stored as a floating number and has lost digits")]


def _native_integer(part: pa.Array, _: Dialect) -> Result:
    if pa.types.is_integer(part.type):
        return _safely(part, pa.int64(), "is too large a number")
    number = _float(part)
    whole = true(pc.equal(number, pc.floor(number))) & ~true(
        pc.greater_equal(pc.abs(number), _WHOLE)
    )
    bad = np.asarray(pc.is_valid(number)) & ~whole
    column = pc.if_else(pa.array(whole), number, None).cast(pa.int64())
    return column, [Fault(bad, "is not a whole number")]


def _native_number(part: pa.Array, _: Dialect) -> Result:
    number = _float(part)
    return number, [Fault(_not_finite(number), "is not a number")]


def _native_money(part: pa.Array, _: Dialect) -> Result:
    if pa.types.is_decimal(part.type) or pa.types.is_integer(part.type):
        wide = pa.decimal128(38, max(6, getattr(part.type, "scale", 0)))
        column, faults = _safely(part, wide, "is too large an amount")
        large = true(pc.greater(pc.abs(column), pa.scalar(10**12).cast(wide)))
        column = pc.if_else(pa.array(large), None, column)
        return micros(column), [*faults, Fault(large, "is too large an amount")]
    number = _float(part)
    large = true(pc.greater(pc.abs(number), 1e12)) | _not_finite(number)
    held = pc.if_else(pa.array(large), None, number) if large.any() else number
    scaled = pc.round(pc.multiply(held, 1e6), round_mode="half_to_even")
    return scaled.cast(pa.int64()), [Fault(large, "is not an amount of money")]


def _native_flag(part: pa.Array, _: Dialect) -> Result:
    if pa.types.is_boolean(part.type):
        return part, []
    number = _float(part)
    known = true(pc.is_in(number, value_set=pa.array([0.0, 1.0])))
    bad = np.asarray(pc.is_valid(number)) & ~known
    return pc.equal(number, 1.0), [Fault(bad, "is neither true nor false")]


def _native_day(part: pa.Array, dialect: Dialect) -> Result:
    if pa.types.is_date(part.type):
        return part.cast(pa.date32()), []
    if not pa.types.is_timestamp(part.type):
        raise NoSuchCast
    if part.type.tz is not None:
        part = pc.local_timestamp(part.cast(pa.timestamp("us", dialect.timezone or part.type.tz)))
    whole = pc.floor_temporal(part, unit="day")
    late = true(pc.not_equal(part, whole)) & (dialect.timezone is None)
    return whole.cast(pa.date32(), safe=False), [Fault(late, "is a time, not a day")]


def _native_instant(part: pa.Array, dialect: Dialect) -> Result:
    if pa.types.is_timestamp(part.type) and part.type.tz is not None:
        return part.cast(pa.timestamp("us", part.type.tz), safe=False).cast(INSTANT), []
    if not (pa.types.is_timestamp(part.type) or pa.types.is_date(part.type)):
        raise NoSuchCast
    if dialect.timezone is None:
        lost = Fault(~nulls(part), "has no time zone, and the mapping gives none")
        return pa.nulls(len(part), INSTANT), [lost]
    return place(part, dialect.timezone), []


def _float(part: pa.Array) -> pa.Array:
    if pa.types.is_integer(part.type) or pa.types.is_floating(part.type):
        return part.cast(pa.float64(), safe=False)
    if pa.types.is_decimal(part.type):
        return part.cast(pa.float64())
    raise NoSuchCast


def _safely(part: pa.Array, wanted: pa.DataType, reason: str) -> Result:
    try:
        return part.cast(wanted), []
    except pa.ArrowInvalid:
        values = [_one(value, wanted) for value in part]
    column = pa.array([None if v is None else v.as_py() for v in values], wanted)
    return column, [Fault(np.asarray(pc.is_valid(part)) & nulls(column), reason)]


def _one(value: pa.Scalar, wanted: pa.DataType) -> pa.Scalar | None:
    try:
        return value.cast(wanted)
    except pa.ArrowInvalid:
        return None


def _not_finite(number: pa.Array) -> Mask:
    return np.asarray(pc.is_valid(number)) & ~true(pc.is_finite(number))


FROM_NATIVE: dict[Kind, Callable[[pa.Array, Dialect], Result]] = {
    "text": _native_text,
    "integer": _native_integer,
    "number": _native_number,
    "flag": _native_flag,
    "day": _native_day,
    "instant": _native_instant,
    "money": _native_money,
}
