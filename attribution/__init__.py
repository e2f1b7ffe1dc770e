"""Everything that thinks: identity, transform, credit, reports, the pages' frame."""

import os
from typing import Any

# The matrices of all models are small: BLAS on several threads waits for itself most of the time,
# takes many times the processor's while others are at work, and may add up in another order on
# another computer. It is told before NumPy is imported; whoever has set it is left alone.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__all__ = ["attribute"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: pages and the refresh need none of scipy's solvers.
    if name == "attribute":
        from attribution.models.attribute import attribute

        return attribute
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
