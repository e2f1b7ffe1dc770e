"""Values that stand for nobody: 000-000-0000, none@none.com, a patient number of zeros.

Forms demand something and people type it. Such a value joins nobody and is not even hashed. The
list ships beside this file; `placeholders.csv` in the home folder takes its place.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from attribution.errors import BadInput
from attribution.normal import WHOLE

_KINDS = (*WHOLE, "given_name")
Patterns = Mapping[str, tuple[re.Pattern[str], ...]]
NAME = "placeholders.csv"
SHIPPED = Path(__file__).with_suffix(".csv")


def placeholders(folder: Path | None = None) -> Patterns:
    """The patterns for each kind of identifier: the user's own where there is a file."""
    own = folder / NAME if folder else SHIPPED
    return _read(own if own.is_file() else SHIPPED)


@lru_cache(maxsize=8)
def _read(path: Path) -> Patterns:
    patterns: dict[str, list[re.Pattern[str]]] = defaultdict(list)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                kind, pattern = row.get("kind"), row.get("pattern")
                if kind not in _KINDS or not pattern:
                    raise BadInput(
                        f"{path}, line {number}: give a kind ({', '.join(_KINDS)}) and a pattern."
                    )
                patterns[kind].append(_compiled(path, number, pattern))
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8 text. Save it as UTF-8.") from None
    return {kind: tuple(some) for kind, some in patterns.items()}


def _compiled(path: Path, number: int, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise BadInput(
            f"{path}, line {number}: {pattern!r} is not a regular expression ({error})."
        ) from None
