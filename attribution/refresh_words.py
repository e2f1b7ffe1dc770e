"""What a refresh says when it has ended: what was not loaded whole, and what was kept out."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attribution.refresh import Outcome


def sentences(outcome: "Outcome") -> Iterator[str]:
    """One for each source that failed, and one for all rows that were rejected.

    Before them, what else whoever keeps the data must know.
    """
    yield from outcome.notes
    for name, message in outcome.failed.items():
        yield f"{name} was {in_part(outcome.loaded.get(name, 0))}: {message}"
    if outcome.rejected:
        every = sum(outcome.rejected.values())
        of_each = ", ".join(f"{name} {rows:,}" for name, rows in sorted(outcome.rejected.items()))
        yield (
            f"{every:,} {'row was' if every == 1 else 'rows were'} rejected ({of_each}); the page "
            "Data health says which and why."
        )


def in_part(rows: int) -> str:
    """What a failed source came to; some of its files or days may have loaded well."""
    if not rows:
        return "not loaded"
    return f"loaded in part ({rows:,} {'row' if rows == 1 else 'rows'})"
