"""Days and instants out of text columns: ISO 8601 or one declared format, and nothing guessed."""

import re
from datetime import UTC, datetime
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]
Moments = npt.NDArray[np.datetime64]

YEARS = (1900, 2199)
INSTANT = pa.timestamp("us", tz="UTC")
_NAIVE = pa.timestamp("us")

_ISO_DAY = r"^\d{4}-\d{2}-\d{2}$"
_ISO_NAIVE = r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?$"
_ISO_ZONED = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)? ?(?:Z|[+-]\d{2}:?\d{2})$"

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PARTS = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>[0-9]{1,2})",
    "b": r"(?P<b>[A-Za-z]{3})",
    "d": r"(?P<d>[0-9]{1,2})",
    "H": r"(?P<H>[0-9]{1,2})",
    "I": r"(?P<I>[0-9]{1,2})",
    "p": r"(?P<p>[AaPp])[Mm]",
    "M": r"(?P<M>[0-9]{2})",
    "S": r"(?P<S>[0-9]{2})",
    "f": r"(?P<f>[0-9]{1,6})",
    "z": r"(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})",
}


def days(text: pa.Array, written: str | None) -> tuple[pa.Array, Mask]:
    """Days, and where the text is no day; an ISO instant is not taken for a day."""
    if written is not None:
        moments, bad, _ = _formatted(text, written)
        return moments.cast(pa.date32(), safe=False), bad
    bad = _unlike(text, _ISO_DAY)
    moments, wrong = _cast(_without(text, bad), _NAIVE)
    return moments.cast(pa.date32()), bad | wrong


def instants(text: pa.Array, written: str | None, zone: str | None) -> tuple[pa.Array, Mask, Mask]:
    """Instants, where the text is none, and where it lacks the time zone that would make it one.

    A day alone is its midnight in the zone.
    """
    if written is not None:
        moments, bad, zoned = _formatted(text, written)
        if zoned:
            return moments.cast(INSTANT), bad, _nowhere(text)
        return _placed(moments, bad, zone)
    try:  # Most columns are written in one way throughout; then one pass is enough.
        return text.cast(INSTANT), _nowhere(text), _nowhere(text)
    except pa.ArrowInvalid:
        return _mixed(text, zone)


def outside_years(moments: pa.Array) -> Mask:
    """Where a day or an instant lies in a year that no record of ours can be of."""
    if len(moments) == moments.null_count:
        return np.zeros(len(moments), dtype=bool)
    year = np.asarray(pc.fill_null(pc.year(moments), YEARS[0]))
    outside: Mask = (year < YEARS[0]) | (year > YEARS[1])
    return outside


@cache
def pattern_of(written: str) -> tuple[str, tuple[str, ...]]:
    """The pattern of a strptime format, and the directives in it; ValueError where it has none.

    The format is read by a pattern because strptime is lenient where Arrow has it (30 February
    becomes 2 March) and slow where Python has it.
    """
    seen: list[str] = []
    pattern = ""
    pieces = re.split(r"%(.)", written)
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            pattern += re.escape(piece)
        elif piece not in _PARTS or piece in seen:
            known = ", ".join(f"%{name}" for name in _PARTS)
            raise ValueError(f"{written!r} has %{piece}; a format may hold {known}, each once")
        else:
            seen.append(piece)
            pattern += _PARTS[piece]
    for what, ways in (("year", "Yy"), ("month", "mb"), ("day", "d")):
        if not set(ways) & set(seen):
            raise ValueError(f"{written!r} does not say the {what}")
    if ("I" in seen) != ("p" in seen):
        raise ValueError(f"{written!r} must hold %I and %p together")
    return f"^{pattern}$", tuple(seen)


def _mixed(text: pa.Array, zone: str | None) -> tuple[pa.Array, Mask, Mask]:
    short = pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1")
    naive, zoned = ~_unlike(short, _ISO_NAIVE), ~_unlike(short, _ISO_ZONED)
    bad = ~(naive | zoned)
    plain, wrong = _cast(_without(short, ~naive), _NAIVE)
    local, worse, lost = _placed(plain, wrong, zone)
    exact, broken = _cast(_without(pc.replace_substring(short, " Z", "Z"), ~zoned), INSTANT)
    return pc.coalesce(local, exact), bad | worse | broken, lost


def _placed(moments: pa.Array, bad: Mask, zone: str | None) -> tuple[pa.Array, Mask, Mask]:
    """Wall-clock moments in their zone.

    In the hour that comes twice the first is meant, in the hour that does not come the moment
    after it.
    """
    if zone is None:
        return (
            pa.nulls(len(moments), INSTANT),
            bad,
            np.asarray(pc.is_valid(moments)),
        )
    local = pc.assume_timezone(moments, zone, ambiguous="earliest", nonexistent="latest")
    return local.cast(INSTANT), bad, _nowhere(moments)


def place(moments: pa.Array, zone: str) -> pa.Array:
    """Naive Arrow timestamps as instants, read as wall-clock time of the zone."""
    return _placed(moments.cast(_NAIVE, safe=False), _nowhere(moments), zone)[0]


def _cast(text: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, Mask]:
    try:
        return text.cast(wanted), _nowhere(text)
    except pa.ArrowInvalid:
        values = [_parsed(value, wanted) for value in text.to_pylist()]
    result = pa.array(values, wanted)
    return result, _lost(text, result)


def _parsed(value: str | None, wanted: pa.DataType) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if wanted.tz else moment


def _formatted(text: pa.Array, written: str) -> tuple[pa.Array, Mask, bool]:
    pattern, directives = pattern_of(written)
    found = pc.extract_regex(text, pattern)
    bad = np.asarray(pc.is_valid(text)) & ~np.asarray(pc.is_valid(found))
    part = {name: pc.struct_field(found, name) for name in directives}
    number = {name: _number(part[name]) for name in directives if name in "YymdHIMS"}
    year = number["Y"] if "Y" in number else _century(number["y"])
    month = number["m"] if "m" in number else _month(part["b"])
    day, wrong = _calendar(year, month, number["d"])
    clock, late = _clock(number, part)
    moments = day.astype("datetime64[us]") + clock
    if "z" in part:
        moments -= _offset(part["z"])
    fault = bad | ((wrong | late) & np.asarray(pc.is_valid(found)))
    hidden = fault | np.asarray(pc.is_null(text))
    return pa.array(moments, _NAIVE, mask=hidden), fault, "z" in part


def _number(text: pa.Array) -> npt.NDArray[np.int64]:
    filled = pc.fill_null(text, "0")
    return np.asarray(filled.cast(pa.int64()))


def _century(year: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.where(year < 69, year + 2000, year + 1900)  # as strptime has it


def _month(text: pa.Array) -> npt.NDArray[np.int64]:
    index = pc.index_in(pc.utf8_lower(text), value_set=pa.array(_MONTHS))
    return np.asarray(pc.fill_null(index, -1), dtype=np.int64) + np.int64(1)


def _calendar(
    year: npt.NDArray[np.int64], month: npt.NDArray[np.int64], day: npt.NDArray[np.int64]
) -> tuple[Moments, Mask]:
    months = (np.clip(year, *YEARS) - 1970) * 12 + np.clip(month, 1, 12) - 1
    first: Moments = months.astype("datetime64[M]")
    moment: Moments = first.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    outside: Mask = (month < 1) | (month > 12) | (year < YEARS[0]) | (year > YEARS[1])
    return moment, outside | (moment.astype("datetime64[M]") != first)


def _clock(
    number: dict[str, npt.NDArray[np.int64]], part: dict[str, pa.Array]
) -> tuple[npt.NDArray[np.timedelta64], Mask]:
    size = len(number["d"])
    none = np.zeros(size, dtype=np.int64)
    hour, late = number.get("H", none), np.zeros(size, dtype=bool)
    if "I" in number:
        late = (number["I"] < 1) | (number["I"] > 12)
        evening = pc.fill_null(pc.equal(pc.utf8_lower(part["p"]), "p"), False)
        hour = number["I"] % 12 + 12 * np.asarray(evening).astype(np.int64)
    minute, second = number.get("M", none), number.get("S", none)
    late = late | (hour > 23) | (minute > 59) | (second > 59)
    micro = _number(pc.utf8_rpad(part["f"], 6, "0")) if "f" in part else none
    total = ((hour * 60 + minute) * 60 + second) * 1_000_000 + micro
    return total.astype("timedelta64[us]"), late


def _offset(text: pa.Array) -> npt.NDArray[np.timedelta64]:
    plain = pc.replace_substring(pc.fill_null(text, "+0000"), ":", "")
    digits = _number(pc.utf8_slice_codeunits(pc.replace_substring(plain, "Z", "+0000"), 1, 5))
    minutes = digits // 100 * 60 + digits % 100
    negative = np.asarray(pc.starts_with(plain, "-"))
    return (np.where(negative, -minutes, minutes) * 60_000_000).astype("timedelta64[us]")


def _unlike(text: pa.Array, pattern: str) -> Mask:
    """Where there is text that does not fit the pattern."""
    fits = pc.fill_null(pc.match_substring_regex(text, pattern), True)
    unlike: Mask = ~np.asarray(fits)
    return unlike


def _without(text: pa.Array, bad: Mask) -> pa.Array:
    return pc.if_else(pa.array(bad), None, text) if bad.any() else text


def _lost(before: pa.Array, after: pa.Array) -> Mask:
    lost: Mask = np.asarray(pc.is_valid(before)) & np.asarray(pc.is_null(after))
    return lost


def _nowhere(column: pa.Array) -> Mask:
    return np.zeros(len(column), dtype=bool)
