"""A refresh in a process of its own that kills itself at a chosen point, without a word."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from few_models import build_only
from servers.clinic import ads, clinic, records
from servers.scripted import slices

from attribution import (
    generations,
    identity,
    loading,
    refresh,
    settings,
    source_loads,
    warehouse,
)
from attribution.engines.duckdb import Building
from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.refresh_steps import Event
from connectors import SOURCES


def second_week() -> None:
    """What the clinic's systems say when the killed refresh asks: days restated, people new."""
    SOURCES["scripted"] = "servers.scripted"
    clinic(ads=slices(ads("12.50", days=10)), emr=slices(records(8)))


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(wrapped: Callable[..., Any], when: Callable[..., bool] = lambda *_: True) -> Any:
    """The function, and then the end."""

    def call(*arguments: Any, **more: Any) -> Any:
        answer = wrapped(*arguments, **more)
        if when(*arguments):
            die()
        return answer

    return call


def half_a_copy(origin: Path, target: Path) -> None:
    content = Path(origin).read_bytes()
    Path(target).write_bytes(content[: len(content) // 2])
    die()


# Where to die: what is put in whose place.
POINTS: dict[str, tuple[Any, str, Any]] = {
    "at the start": (warehouse, "begin", die),
    "while copying the last generation": (shutil, "copyfile", half_a_copy),
    "after beginning": (source_loads.SourceLoads, "load_all", die),
    "inside a load": (loading.rejects, "keep", die),
    "after the vault": (identity.Vault, "keep", after(identity.Vault.keep)),
    "before closing": (Building, "close", die),
    "after closing": (warehouse, "publish", die),
    "after the pointer": (
        generations,
        "write_whole",
        after(generations.write_whole, lambda path, _content: path.name == "CURRENT"),
    ),
    "before the ledger knows": (Ledger, "published", die),
}
# On a server, whose readers are told before pages are.
OF_SERVERS: dict[str, tuple[Any, str, Any]] = {
    "before the pointer of pages": (generations, "point_at", die),
}
STEPS = ("load ads", "load emr", "load crm", "identity", "models", "checks", "publish")


def run(folder: Path, point: str, *, every_model: bool = False) -> None:
    """Refresh, and die at a point or after a step; of few models or of every one."""
    if not every_model:
        build_only()
    second_week()

    def watch(event: Event) -> None:
        if event.step == point and event.state == "done":
            die()

    if point in (every := POINTS | OF_SERVERS):
        owner, name, replacement = every[point]
        setattr(owner, name, replacement)
    refresh.refresh(settings.load(Home(folder)), watch)
