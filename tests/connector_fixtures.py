"""What tests of connectors share: little patience, and reading what slices yield."""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, TypeVar

import pytest

from connectors.patience import Patience
from connectors.source import Slice

T = TypeVar("T")
# Asks three times without pausing, and waits for an answer for a moment only.
QUICK = Patience(attempts=3, first_wait=0.001, jitter=0, socket_seconds=0.8, call_seconds=1.6)


def impatient(*modules: ModuleType) -> Callable[..., None]:
    """A fixture by which these connectors have little patience in every test of a file."""

    @pytest.fixture(autouse=True)
    def quick(monkeypatch: pytest.MonkeyPatch) -> None:
        for module in modules:
            monkeypatch.setattr(module, "PATIENCE", QUICK)

    return quick


def read(slices: Iterable[Slice]) -> list[Any]:
    """Everything that some slices yield."""
    return [item for piece in slices for item in piece.read()]


def of(kind: type[T], items: Iterable[Any]) -> list[T]:
    """The items of one kind."""
    return [item for item in items if isinstance(item, kind)]
