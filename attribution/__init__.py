"""Everything that thinks: identity, transform, credit, reports, the pages' frame."""

from typing import Any

__all__ = ["attribute"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: pages and the refresh need none of scipy's solvers.
    if name == "attribute":
        from attribution.models.attribute import attribute

        return attribute
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
