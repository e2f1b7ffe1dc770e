"""Strict casting: columns as a file has them become contract columns, or faults that say why.

Nothing is guessed: a file's mapping declares its decimal sign, its date format and its time
zone, and what does not fit them is a fault of that row and column.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.columns import STORED
from connectors.contract import Field
from connectors.dialect import Dialect, Fault, NoSuchCast, Result, nulls, true
from connectors.from_native import FROM_NATIVE
from connectors.from_text import FROM_TEXT, spared
from connectors.moments import YEARS, outside_years
from connectors.zones import zones


def cast(field: Field, parts: Sequence[pa.Array], dialect: Dialect) -> Result:
    """One column as the field's stored type, and its faults.

    `parts` are arrays of one length; a spreadsheet's column that holds texts and numbers has one
    for each, null where the other has the value. Values that are in doubt are left out.
    """
    results = [_tolerant(field, part, dialect, alone=len(parts) == 1) for part in parts]
    faults = [fault for _, found in results for fault in found]
    column = results[0][0] if len(results) == 1 else pc.coalesce(*(r[0] for r in results))
    column, more = _checked(field, column)
    faults += more
    for fault in faults:
        if fault.doubt and fault.where.any():
            column = pc.if_else(pa.array(fault.where), None, column)
    if field.default is not None and column.null_count:
        column = pc.fill_null(column, pa.scalar(field.default, column.type))
    elif field.required and column.null_count:
        faults.append(Fault(nulls(column), "is empty"))
    return column, faults


def absent(field: Field, size: int) -> pa.Array:
    """The column of a field that the file does not have."""
    return pa.repeat(pa.scalar(field.default, STORED[field.kind]), size)


def _tolerant(field: Field, part: pa.Array, dialect: Dialect, *, alone: bool) -> Result:
    try:
        return _typed(field, part, dialect)
    except NoSuchCast:
        if alone:
            raise
    # In a mixed column only these cells are wrong, not the column.
    strange = Fault(~nulls(part), f"is no {field.kind}")
    return pa.nulls(len(part), STORED[field.kind]), [strange]


def _typed(field: Field, part: pa.Array, dialect: Dialect) -> Result:
    if pa.types.is_dictionary(part.type):
        part = part.dictionary_decode()
    if pa.types.is_null(part.type):
        return pa.nulls(len(part), STORED[field.kind]), []
    if _is_text(part.type):
        return FROM_TEXT[field.kind](field, _trimmed(part), dialect)
    column, faults = FROM_NATIVE[field.kind](part, dialect)
    if field.kind == "text" and spared(field):
        faults = [replace(fault, doubt=True) for fault in faults]
    return column, faults


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _trimmed(text: pa.Array) -> pa.Array:
    text = pc.ascii_trim_whitespace(text.cast(pa.string()))
    # How exports keep spreadsheets from making numbers of ids: ="0042" is 0042.
    if pc.any(pc.starts_with(text, '="')).as_py():
        text = pc.replace_substring_regex(text, r'^="([^"]*)"$', r"\1")
    return pc.if_else(pc.equal(text, ""), None, text)


def _checked(field: Field, column: pa.Array) -> Result:
    if field.kind in ("day", "instant"):
        bad = outside_years(column)
        return column, [Fault(bad, "is outside the years 1900-2199")]
    if field.one_of is not None:
        column = pc.utf8_lower(column)
        known = pc.is_in(column, value_set=pa.array(field.one_of))
        reason = f"is none of {', '.join(field.one_of)}"
    elif field.name == "currency":
        column = pc.utf8_upper(column)
        known = pc.match_substring_regex(column, r"^[A-Z]{3}$")
        reason = "is no currency code of three letters"
    elif field.name == "birth_year":
        # A birthday such as 19800101 is a whole number too, and is not to be stored.
        known = pc.and_(pc.greater_equal(column, YEARS[0]), pc.less_equal(column, YEARS[1]))
        reason = f"is no year from {YEARS[0]} to {YEARS[1]}"
    elif field.name == "timezone":
        known = pc.is_in(column, value_set=_zones())
        reason = "is no time zone name such as America/New_York"
    else:
        return column, []
    wrong = np.asarray(pc.is_valid(column)) & ~true(known)
    return column, [Fault(wrong, reason, doubt=field.name == "birth_year")]


@cache
def _zones() -> pa.Array:
    return pa.array(sorted(zones()))
