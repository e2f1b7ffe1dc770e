"""Short forms of first names: Bob is Robert, Liz is Elizabeth.

People give one form to their doctor and another on a form of the web site. The list ships beside
this file (English and Spanish as heard in the United States); `first_names.csv` in the home folder
takes its place.
"""

import csv
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from attribution.errors import BadInput

NAME = "first_names.csv"
SHIPPED = Path(__file__).with_suffix(".csv")


def same_names(folder: Path | None = None) -> Mapping[str, str]:
    """Which name each short form stands for: the user's own list where there is a file."""
    own = folder / NAME if folder else SHIPPED
    return _read(own if own.is_file() else SHIPPED)


@lru_cache(maxsize=8)
def _read(path: Path) -> Mapping[str, str]:
    stands_for: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                name, also = (row.get("name") or "").lower(), (row.get("also") or "").lower()
                if not name or not also:
                    raise BadInput(f"{path}, line {number}: give a name and what it is also.")
                for form in (name, *also.split()):
                    if stands_for.setdefault(form, name) != name:
                        raise BadInput(
                            f"{path}, line {number}: {form} stands for {stands_for[form]} already."
                        )
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8 text. Save it as UTF-8.") from None
    return stands_for
