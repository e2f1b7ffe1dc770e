"""Whether a published generation has every table that this version's pages ask for.

After an upgrade the published generation is the earlier version's until the next refresh.
"""

from functools import lru_cache

import sqlalchemy as sa

from attribution import queries
from attribution.errors import StorageError
from attribution.models import WEIGHED
from attribution.paths import SQL, Home
from attribution.warehouse import holds_viewers

# Marts whose SQL is written from the registry of credit models, so that no file is named so.
WRITTEN = (
    *("credit", "credit_dates", "credit_groups", "credit_leans", "claim_credit", "positions"),
    "companions",
)
SENTENCE = (
    "What is published was built by another version of caretrace. Run `caretrace refresh` to "
    "build it anew; nothing is lost."
)


@lru_cache(maxsize=8)
def fits(home: Home, generation: int, *, protected: bool = False) -> bool:
    """Whether a generation holds every mart of this version, and every credit model.

    Where `protected`, those for viewers.
    """
    if protected and not (holds_viewers(home, generation) and fits(home, generation)):
        return False
    known = sa.table(
        "columns", sa.column("table_name"), sa.column("column_name"), schema="information_schema"
    )
    held = queries.marts(home, generation, protected=protected).ask(
        sa.select(known.c.table_name, known.c.column_name)
    )
    columns = set(held.loc[held["table_name"] == "credit_groups", "column_name"])
    models = {f"{name}_conversions" for name in WEIGHED}
    return _marts() <= set(held["table_name"]) and models <= columns


def require(home: Home, generation: int, *, protected: bool = False) -> None:
    """Raise StorageError, with what to do, for a generation of another version."""
    if not fits(home, generation, protected=protected):
        raise StorageError(SENTENCE)


def _marts() -> set[str]:
    return {path.stem for path in (SQL / "marts").glob("*.sql")} | set(WRITTEN)
