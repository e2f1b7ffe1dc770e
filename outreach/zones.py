"""Where somebody's clock stands: the time zone of the first three digits of a ZIP code.

A prefix whose places lie in two zones has both, and it is quiet there while it is quiet in either.
"""

import csv
from collections.abc import Iterable
from datetime import datetime, time
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

_FILE = Path(__file__).resolve().parent / "zip3_zones.csv"


@cache
def zones() -> dict[str, str]:
    """The zone of every prefix; two zones are joined by `|`."""
    found: dict[str, str] = {}
    with _FILE.open(encoding="ascii", newline="") as file:
        for row in csv.DictReader(file):
            for number in range(int(row["first"]), int(row["last"]) + 1):
                # A later line is an exception to an earlier one.
                found[f"{number:03d}"] = row["zone"]
    return found


def zone_table() -> pa.Table:
    """The same with the columns zip3 and zone, for the engine."""
    known = zones()
    return pa.table({"zip3": list(known), "zone": list(known.values())})


def is_quiet(zone: str, now: datetime, begins: time, ends: time) -> bool:
    """Whether it is quiet at an instant on the clock of a zone, or of any of several."""
    return any(_within(now.astimezone(ZoneInfo(one)).time(), begins, ends) for one in _each(zone))


def _each(zone: str) -> Iterable[str]:
    return zone.split("|")


def _within(at: time, begins: time, ends: time) -> bool:
    if begins == ends:
        return False
    if begins < ends:
        return begins <= at < ends
    return at >= begins or at < ends
