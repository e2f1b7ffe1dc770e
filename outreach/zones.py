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

Hours = tuple[time, time]  # from and until
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


def is_quiet(zone: str, now: datetime, hours: Iterable[Hours]) -> bool:
    """Whether it is quiet at an instant, by any hours, on the clock of a zone or any of several."""
    clocks = [now.astimezone(ZoneInfo(one)).time() for one in _each(zone)]
    return any(within(at, *each) for each in hours for at in clocks)


def within(at: time, begins: time, ends: time) -> bool:
    """Whether a time of day lies in some hours; they may go over midnight, and alike are none."""
    if begins == ends:
        return False
    if begins < ends:
        return begins <= at < ends
    return at >= begins or at < ends


def _each(zone: str) -> Iterable[str]:
    return zone.split("|")
