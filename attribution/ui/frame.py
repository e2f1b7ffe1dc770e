"""What the shell hands to a page: one generation, one scope, for the whole run of the page."""

from contextvars import ContextVar
from dataclasses import dataclass

from attribution.errors import NotAllowed
from attribution.paths import Home
from attribution.queries import Scope
from attribution.roles import SMALL_CELLS, Reader
from attribution.ui.freshness import Freshness


@dataclass(frozen=True, slots=True)
class Context:
    """One reader's run of one page."""

    home: Home
    generation: int
    scope: Scope
    freshness: Freshness
    reader: Reader

    @property
    def protected(self) -> bool:
        """Whether this reader is told of no cell of fewer than eleven people."""
        return not self.reader.may(SMALL_CELLS)


_CURRENT: ContextVar[Context | None] = ContextVar("context", default=None)


def enter(context: Context | None) -> None:
    """Say what the page that runs next is about; only the shell does."""
    _CURRENT.set(context)


def context() -> Context:
    """What this page is about. A page that runs without the shell shows nothing."""
    current = _CURRENT.get()
    if current is None:
        raise NotAllowed("This page is part of the application: open it from the start page.")
    return current
