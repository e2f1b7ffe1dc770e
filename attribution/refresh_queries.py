"""Questions about refreshes, asked of the ledger: how they went, what they published and when."""

from functools import lru_cache

import pandas as pd

from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.queries import Marts, marts
from attribution.warehouse import holds_viewers


def runs(home: Home, limit: int = 20) -> pd.DataFrame:
    """The last refreshes, newest first; empty before the first one."""
    return ledger(home).runs(limit) if home.ledger.is_file() else pd.DataFrame()


def steps(home: Home, run_id: str) -> pd.DataFrame:
    """The steps of one refresh in order."""
    return ledger(home).steps(run_id) if home.ledger.is_file() else pd.DataFrame()


def sources(home: Home) -> pd.DataFrame:
    """How each source fared when it was last asked; empty before the first refresh."""
    return ledger(home).sources() if home.ledger.is_file() else pd.DataFrame()


def published_at(home: Home, generation: int) -> pd.Timestamp | None:
    """When a refresh first published a generation; None where the ledger does not know.

    A rollback publishes it again and makes nothing in it newer.
    """
    frame = _publications(home)
    made = frame[(frame["generation"] == generation) & (frame["reason"] == "refresh")]
    return None if made.empty else pd.Timestamp(made["published_at"].iloc[-1])


def rolled_back(home: Home, generation: int) -> bool:
    """Whether a generation is shown because somebody went back to it."""
    frame = _publications(home).head(1)
    return bool(((frame["generation"] == generation) & (frame["reason"] == "rollback")).any())


def told_before(home: Home, generation: int, *, protected: bool) -> Marts | None:
    """The marts published before a generation, where they are still kept."""
    frame = _publications(home)
    older = [int(each) for each in frame["generation"] if int(each) < generation]
    for each in sorted(set(older), reverse=True):
        if (home.generation(each) / "marts.duckdb").is_file() and (
            not protected or holds_viewers(home, each)
        ):
            return marts(home, each, protected=protected)
    return None


def _publications(home: Home) -> pd.DataFrame:
    if not home.ledger.is_file():
        return pd.DataFrame(columns=["generation", "reason", "published_at"])
    return ledger(home).publications(1000)


@lru_cache(maxsize=4)
def ledger(home: Home) -> Ledger:
    """The ledger of a home, opened once."""
    return Ledger(home)
