"""Contract columns out of text, as CSV has it: what does not fit the dialect is a fault."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Field, Kind
from connectors.dialect import Dialect, Fault, Result, micros, true
from connectors.moments import days, instants

LONGEST_TEXT = 32_000
# What spreadsheets leave in place of a value that they could not work out, or of a long number.
_ERROR = r"^#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NULL!|NUM!|#+)$"
_ROUNDED = r"^\d(?:[.,]\d+)?E\+\d{2,3}$"


def _text(field: Field, text: pa.Array, _: Dialect) -> Result:
    if field.name == "zip3":
        return _zip3(text)
    faults = _of_spreadsheets(text, doubt=spared(field)) if _is_number(field) else []
    if _has_control_bytes(text):
        dirty = true(pc.match_substring_regex(text, r"[\x00-\x08\x0b\x0c\x0e-\x1f]"))
        faults.append(Fault(dirty, "holds a control character"))
    if text.nbytes > LONGEST_TEXT:
        long = true(pc.greater(pc.binary_length(text), LONGEST_TEXT))
        faults.append(Fault(long, f"is longer than {LONGEST_TEXT:,} characters"))
    return text, faults


def spared(field: Field) -> bool:
    """Whether a row is true without a number that is spoilt: it is no part of the row's own key."""
    return _is_number(field) and not field.required and field.default is None


def _is_number(field: Field) -> bool:
    """Whether a text is the number of something, and no name or address."""
    marked = field.identifier not in (None, "email", "given_name")
    return marked or field.name.endswith("_id")


def _of_spreadsheets(text: pa.Array, *, doubt: bool) -> list[Fault]:
    """Numbers that a spreadsheet has spoilt: many different ones look the same now."""
    if not pc.any(pc.match_substring_regex(text, r"^#|E\+\d")).as_py():
        return []
    error = true(pc.match_substring_regex(text, _ERROR))
    rounded = true(pc.match_substring_regex(text, _ROUNDED))
    return [
        Fault(error, "is the error of a spreadsheet, and no value", doubt),
        Fault(rounded, "was rounded by a spreadsheet and has lost digits", doubt),
    ]


def _zip3(text: pa.Array) -> Result:
    """The first three signs of a postal code; the rest goes no further."""
    short = true(pc.match_substring_regex(text, r"^(\d{1,2}|\d{4}|\d{6,8})$"))
    fault = Fault(short, "is no postal code: it seems to have lost its leading zeros")
    return pc.utf8_slice_codeunits(text, 0, 3), [fault]


def _integer(_: Field, text: pa.Array, dialect: Dialect) -> Result:
    plain = pc.replace_substring_regex(_plain_numbers(text, dialect), r"\.0*$", "")
    return _matching(text, plain, r"^-?\d{1,18}$", pa.int64(), "is not a whole number")


def _number(_: Field, text: pa.Array, dialect: Dialect) -> Result:
    plain = _plain_numbers(text, dialect)
    pattern = r"^-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"
    column, faults = _matching(text, plain, pattern, pa.float64(), "is not a number")
    return column, [*faults, Fault(true(pc.is_inf(column)), "is too large a number")]


def _money(_: Field, text: pa.Array, dialect: Dialect) -> Result:
    plain = _plain_numbers(_bare_amounts(text), dialect)
    # Programs that reckon in floating point write seventeen digits.
    pattern = r"^-?(\d{1,12}(\.\d{0,20})?|\.\d{1,20})$"
    exact = pa.decimal128(38, 20)
    column, faults = _matching(text, plain, pattern, exact, "is not an amount of money")
    return micros(column), faults


def _flag(_: Field, text: pa.Array, __: Dialect) -> Result:
    lower = pc.ascii_lower(text)
    yes = pc.is_in(lower, value_set=pa.array(["true", "t", "yes", "y", "1"]))
    no = pc.is_in(lower, value_set=pa.array(["false", "f", "no", "n", "0"]))
    known = pc.or_(yes, no)
    fault = Fault(true(pc.and_(pc.is_valid(text), pc.invert(known))), "is neither true nor false")
    return pc.if_else(known, yes, None), [fault]


def _day(_: Field, text: pa.Array, dialect: Dialect) -> Result:
    column, bad = days(text, dialect.date_format)
    how = dialect.date_format or "YYYY-MM-DD"
    return column, [Fault(bad, f"is not a day as {how}")]


def _instant(_: Field, text: pa.Array, dialect: Dialect) -> Result:
    column, bad, lost = instants(text, dialect.datetime_format, dialect.timezone)
    how = dialect.datetime_format or "YYYY-MM-DDTHH:MM:SS+00:00"
    homeless = "has no time zone, and the mapping gives none"
    return column, [Fault(bad, f"is not a time as {how}"), Fault(lost, homeless)]


def _bare_amounts(text: pa.Array) -> pa.Array:
    """Amounts without currency signs; accounting writes -12.00 as (12.00) or as 12.00-."""
    sign = r"(?:[$€£¥]|[A-Z]{3}) ?"
    bare = pc.replace_substring_regex(text, rf"^(\(?[+-]?) ?{sign}([+-]?[\d.,])", r"\1\2")
    bare = pc.replace_substring_regex(bare, r"(\d) ?(?:[€£¥$]|[A-Z]{3})(\)?)$", r"\1\2")
    return pc.replace_substring_regex(bare, r"^(?:\(([^()+-]+)\)|([\d.,]+) ?-)$", r"-\1\2")


def _plain_numbers(text: pa.Array, dialect: Dialect) -> pa.Array:
    """Numbers without grouping, with a point; what is grouped wrongly stays as it is."""
    comma = dialect.decimal == ","
    if comma:  # A point may then only group: without groups of three it makes no number.
        text = pc.replace_substring_regex(text, r"^([^,]*\.[^,.]{0,2}|[^,]*\.[^,.]{4,})$", r"?\1")
    if dialect.thousands:
        group = f"[{_escaped(dialect.thousands)}]"
        number = rf"^[+-]?\d{{1,3}}({group}\d{{3}})+({_escaped(dialect.decimal)}\d*)?$"
        grouped = pc.match_substring_regex(text, number)
        if pc.any(grouped).as_py():
            text = pc.if_else(grouped, pc.replace_substring_regex(text, group, ""), text)
    if comma:
        text = pc.replace_substring(text, ",", ".", max_replacements=1)
    return pc.replace_substring_regex(text, r"^\+(\d|\.)", r"\1")


def _escaped(signs: str) -> str:
    return "".join(rf"\x{{{ord(sign):x}}}" for sign in signs)


def _matching(
    text: pa.Array, plain: pa.Array, pattern: str, wanted: pa.DataType, reason: str
) -> Result:
    fits = pc.match_substring_regex(plain, pattern)
    bad = np.asarray(pc.is_valid(text)) & ~true(fits)
    if bad.any():
        plain = pc.if_else(pa.array(bad), None, plain)
    return plain.cast(wanted), [Fault(bad, reason)]


def _has_control_bytes(text: pa.Array) -> bool:
    data = text.buffers()[2]
    return data is not None and bool((np.frombuffer(data, dtype=np.uint8) < 32).any())


FROM_TEXT: dict[Kind, Callable[[Field, pa.Array, Dialect], Result]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "flag": _flag,
    "day": _day,
    "instant": _instant,
    "money": _money,
}
