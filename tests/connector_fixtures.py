"""What tests of connectors share: little patience, and reading what slices yield."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from types import ModuleType
from typing import Any, TypeVar

import pytest
from servers.loopback import Reply

from connectors.patience import Patience
from connectors.source import Slice

T = TypeVar("T")
# Asks three times without pausing. How long it waits for an answer: where one is never to come, a
# moment; elsewhere as long as a computer that is busy with other tests may need.
QUICK = Patience(attempts=3, first_wait=0.001, jitter=0, socket_seconds=0.8, call_seconds=1.6)
UNHURRIED = replace(QUICK, socket_seconds=20, call_seconds=40)


def patience_of(request: pytest.FixtureRequest) -> Patience:
    """QUICK for a test that names or is given HANG or DRIP, else UNHURRIED."""
    case = getattr(request.node, "callspec", None)
    given = case.params.values() if case else ()
    silent = any(isinstance(one, Reply) and one.manner in ("hang", "drip") for one in given)
    named = {"HANG", "DRIP"} & {*request.function.__code__.co_names}
    return QUICK if silent or named else UNHURRIED


def impatient(*modules: ModuleType) -> Callable[..., None]:
    """A fixture by which these connectors have little patience in every test of a file."""

    @pytest.fixture(autouse=True)
    def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in modules:
            monkeypatch.setattr(module, "PATIENCE", patience_of(request))

    return quick


def read(slices: Iterable[Slice]) -> list[Any]:
    """Everything that some slices yield."""
    return [item for piece in slices for item in piece.read()]


def of(kind: type[T], items: Iterable[Any]) -> list[T]:
    """The items of one kind."""
    return [item for item in items if isinstance(item, kind)]
