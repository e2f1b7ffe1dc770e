r"""Patterns of rules, which engines must read alike: DuckDB (RE2), PostgreSQL and Spark (Java).

Rules are data, which nobody translates; so what one engine does not know, or takes for something
else, is refused where they are read. Of `\b` alone `attribution/dialects.py` knows the other words.
"""

import re
from collections.abc import Iterator
from functools import cache

import duckdb

_PIECE = re.compile(
    r"\\.|\[\^?(?:\\.|[^\]\\])*\]|\(\?(?:i\)|.)?|\{[^{}]*\}?|.", re.DOTALL
)  # an escape, a class, how a group begins, how often, or any one character
_ESCAPE = re.compile(r"\\[bdDwWsSnrt\W]")
_ONE = r"(?:\\[dwsnrt\W]|&(?!&)|[^\\\[\]&-])"
_CLASS = re.compile(rf"\[\^?(?!\])-?(?:{_ONE}(?:-{_ONE})?)*-?\]", re.DOTALL)
_TIMES = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_MOST = 255  # times in PostgreSQL
_PLACES = frozenset({"^", "$", r"\b"})  # which are no characters, so nothing comes several times


def fault(pattern: str) -> str:
    """Why a pattern cannot be used, to go on after the name of its column; "" where it can."""
    if odd := next(_odd(pattern), ""):
        return (
            f"has {odd!r}, which not every engine reads alike; docs/warehouse.md says of what a "
            "pattern is made."
        )
    try:
        re.compile(pattern)
        _engine().execute("select regexp_matches('', ?)", [pattern])
    except (re.error, duckdb.Error) as error:
        return f"is not a regular expression: {str(error).splitlines()[0].rstrip('.')}."
    return ""


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:", config={"threads": 1})


def _odd(pattern: str) -> Iterator[str]:
    """What in a pattern is not common to all engines, in its order."""
    before = ""
    for found in _PIECE.finditer(pattern):
        piece = found[0]
        if piece[0] in "*+?{" and before in _PLACES:
            yield before + piece
        if not _common(piece, first=found.start() == 0):
            yield piece
        before = piece


def _common(piece: str, *, first: bool) -> bool:
    if piece.startswith("\\") and len(piece) > 1:
        return _ESCAPE.fullmatch(piece) is not None
    if piece.startswith("[") and piece.endswith("]"):
        return _CLASS.fullmatch(piece) is not None
    if piece.startswith("(?"):
        return piece == "(?:" or (piece == "(?i)" and first)
    if piece.startswith("{"):
        told = _TIMES.fullmatch(piece)
        return told is not None and all(int(n) <= _MOST for n in told.groups() if n)
    return True
