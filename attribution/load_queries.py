"""What pages ask of loading: which days are there, what changed at the sources."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pandas as pd

from attribution.errors import NotAllowed
from attribution.load_books import load_books
from attribution.paths import Home
from attribution.roles import OPERATE, Reader

REFUSED = "How sources are loaded is for readers who have the role admin or analyst."


@dataclass(frozen=True, slots=True)
class Loading:
    """All that is known of how sources were loaded.

    `sources` as in the ledger; `days`: source, day, rows_stored; `rows`: source and what the last
    two refreshes loaded and rejected; `drift`: source, place, field, change, since; `restated`: one
    row a day and metric; `settled`: the last day that a source restates no more.
    """

    sources: pd.DataFrame
    days: pd.DataFrame
    rows: pd.DataFrame
    drift: pd.DataFrame
    restated: pd.DataFrame
    settled: dict[str, date]


def loading(home: Home, reader: Reader) -> Loading | None:
    """How sources were loaded; None before the first refresh. Raises NotAllowed."""
    if not reader.may(OPERATE):
        raise NotAllowed(REFUSED)
    books = load_books(home)
    if books is None:
        return None
    with books:
        sources = books.sources()
        known = set(sources["source"])
        return Loading(
            sources,
            _of(known, books.days),
            _of(known, books.last_rows),
            _of(known, books.drift),
            _of(known, books.restatements),
            {name: day for name, day in books.settled_days().items() if name in known},
        )


def _of(known: set[str], ask: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """What is asked, of the sources that are configured."""
    found = ask()
    return found[found["source"].isin(known)].reset_index(drop=True)
