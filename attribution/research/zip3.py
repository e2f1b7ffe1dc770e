"""The first three digits of ZIP codes: which may be told, and in which state they are.

45 CFR 164.514(b)(2)(i)(B): three digits may stay where all ZIP codes that begin with them hold more
than 20,000 people by the current census, else they become 000. `zip3_restricted.csv` holds the
lists that were published, each with its census and source. What any list has is hidden (19
prefixes), and so is what no list of the postal service knows.
"""

import csv
from functools import lru_cache
from pathlib import Path

HIDDEN = "000"
NOWHERE = "unknown"  # the state of what is hidden
_HERE = Path(__file__).parent


@lru_cache(maxsize=1)
def restricted() -> frozenset[str]:
    """The prefixes that any of the dated lists has."""
    return frozenset(row["prefix"] for row in _rows("zip3_restricted.csv"))


@lru_cache(maxsize=1)
def states() -> dict[str, str]:
    """The state of every prefix in use; a prefix that lies in two has the one it mostly is in."""
    return {
        f"{number:03d}": row["state"]
        for row in _rows("zip3_states.csv")
        for number in range(int(row["first"]), int(row["last"]) + 1)
    }


def shown(prefix: str) -> str:
    """The prefix if it may be told, else 000."""
    known = prefix in states() and prefix not in restricted()
    return prefix if known else HIDDEN


def state(prefix: str) -> str:
    """The state of a prefix that is shown. What is hidden could be in any."""
    return states()[prefix] if shown(prefix) != HIDDEN else NOWHERE


def _rows(name: str) -> list[dict[str, str]]:
    with (_HERE / name).open(encoding="ascii", newline="") as file:
        return list(csv.DictReader(file))
