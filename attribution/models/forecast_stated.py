"""What users state of series: by which names, and what of it belongs to none that is forecast."""

from collections.abc import Collection
from dataclasses import replace

import pandas as pd

from attribution.models.forecast_series import ALL, TOTAL, Key

PLACED = ("service_line", "location")  # by which capacity is stated
SEEN = "kept"  # the number that capacity is of


def spelt(name: str) -> str:
    """A name as names are compared: files and settings need not spell it as its source does."""
    return name.strip().lower().replace(" ", "_")


def alike(key: Key) -> Key:
    """A series by its name as names are compared."""
    return replace(key, member=spelt(key.member))


def unused(keys: Collection[Key], targets: Collection[Key], capacity: pd.DataFrame) -> list[str]:
    """Each target, and each row of capacity.csv, of no series of `keys`, in a few words.

    A row that names both a service line and a location is of neither, nor of everything.
    """
    known = {alike(key) for key in keys}
    said = [f"the target for {_named(key)}" for key in targets if alike(key) not in known]
    for row in capacity.to_dict("records"):
        where = {name: str(row[name]).strip() for name in PLACED if str(row[name]).strip()}
        dimension, member = next(iter(where.items()), (TOTAL, ALL))
        if len(where) > 1 or alike(Key(SEEN, dimension, member)) not in known:
            both = " at ".join(where.values())
            said.append(f"capacity of {both or 'everything'}")
    return list(dict.fromkeys(said))


def _named(key: Key) -> str:
    of = "everything" if key.dimension == TOTAL else f"{key.dimension} {key.member}"
    return f"{key.metric} of {of}"
