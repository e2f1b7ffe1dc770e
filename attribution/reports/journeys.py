"""Transaction-level credit as a file: a row for each touch, with its share under each model.

The file is of single people, under numbers that stand for them: only its owner may read it.
"""

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO

import pandas as pd

from attribution.reports.cells import guarded, plain_number

_WHOLE = frozenset({"conversion_id", "person_id", "conversions", "step", "steps"})
_NUMBERS = frozenset({"value", "days_before"})
# Names, amounts and shares come again and again.
_text = lru_cache(maxsize=100_000)(guarded)
_number = lru_cache(maxsize=100_000)(plain_number)


def write_journeys(
    parts: Iterable[pd.DataFrame], out: Path, ready: Callable[[Path, int], None]
) -> int:
    """Write the touches as CSV and return how many there were.

    As in other reports: RFC 4180, UTF-8 with byte order mark. The file appears when it is whole
    and `ready`, which is given it and its rows, has returned.
    """
    rows = 0
    with _private(out, lambda partial: ready(partial, rows)) as file:
        writer = csv.writer(file, lineterminator="\r\n")
        for part in parts:
            if not rows:
                writer.writerow(part.columns)
            cells = [list(map(_writer(str(name)), part[name].tolist())) for name in part.columns]
            writer.writerows(zip(*cells, strict=True))
            rows += len(part)
    return rows


def _writer(column: str) -> Callable[[object], str]:
    if column in _WHOLE or column == "week":
        return str
    if column in _NUMBERS or column.endswith("_share"):
        return _number
    return _text


@contextmanager
def _private(out: Path, ready: Callable[[Path], None]) -> Iterator[IO[str]]:
    """A file that nobody else may read, in place of `out` once the block and `ready` end well."""
    partial = out.with_name(f".{out.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as file:
            yield file
        ready(partial)
        partial.replace(out)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
