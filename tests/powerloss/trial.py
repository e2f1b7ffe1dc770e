"""A trial: publish under the shim, cut the power at random, and look at what is left."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from powerloss.replay import MODELS, Cut, Operation, cuts, read_log
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from attribution.errors import CaretraceError
from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.privacy import load_key
from attribution.warehouse import begin, current_generation, open_marts, open_people

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GENERATIONS = 6
ROWS = 20_000


def record(place: Path) -> list[Operation]:
    """Publish generations into `place`/home, and return what that did to the disk."""
    return recorded(place, "publishing.py", str(GENERATIONS), str(ROWS))


def recorded(place: Path, program: str, *arguments: str) -> list[Operation]:
    """Run a program of this folder on `place`/home, and return what that did to the disk."""
    place = place.resolve()
    shim, log, folder = place / "shim.so", place / "log", place / "home"
    folder.mkdir(mode=0o700)
    build = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", shim, HERE / "shim.c"]
    subprocess.run([*build, "-ldl", "-lpthread"], check=True)
    variables = {"LD_PRELOAD": str(shim), "SHIM_LOG": str(log), "SHIM_FOLDER": str(folder)}
    subprocess.run(
        [sys.executable, HERE / program, folder, *arguments],
        check=True,
        env={**os.environ, **variables, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
    )
    return read_log(log, folder)


def faults(
    operations: list[Operation],
    folder: Path,
    count: int,
    *,
    synced: Callable[[Operation], bool] = lambda _operation: True,
) -> dict[str, list[str]]:
    """What so many power cuts broke, by model."""
    found: dict[str, list[str]] = {model: [] for model in MODELS}
    for model, problem in broken(operations, folder, count, synced):
        found[model].append(problem)
    return found


def broken(
    operations: list[Operation],
    folder: Path,
    count: int,
    synced: Callable[[Operation], bool],
    seed: int = 20261124,
) -> Iterator[tuple[str, str]]:
    """What power cuts broke, one after the other, with the model of the disk."""
    folder.mkdir()
    for number, cut in enumerate(cuts(operations, folder, count=count, seed=seed, synced=synced)):
        if problem := fault(cut, and_goes_on=number % 8 == 0):
            yield cut.model, f"cut {number} at operation {cut.at}: {problem}"
        shutil.rmtree(cut.folder)


def fault(cut: Cut, *, and_goes_on: bool) -> str | None:
    """What is wrong with what a power cut left; None where nothing is."""
    home = Home(cut.folder)
    try:
        published = current_generation(home) or 0
        if not cut.acknowledged <= published <= GENERATIONS:
            return f"{cut.acknowledged} were acknowledged, {published} is published"
        whole = (published, published, ROWS, ROWS - 1)
        for opened in (open_marts, open_people) if published else ():
            if (found := _held(opened(home, published))) != whole:
                return f"generation {published} holds {found}"
        with Ledger(home) as ledger:
            known = ledger.publications()["generation"].tolist()
        if known != list(range(len(known), 0, -1)) or len(known) < cut.acknowledged:
            return f"{cut.acknowledged} were acknowledged, the ledger knows {known}"
        if cut.acknowledged:
            load_key(home)
        if and_goes_on:
            begin(home).abandon()
    except (CaretraceError, SQLAlchemyError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _held(engine: Engine) -> tuple[int, ...]:
    try:
        with engine.connect() as connection:
            row = connection.exec_driver_sql(
                "select min(generation), max(generation), count(distinct noise), max(row) "
                "from spend"
            ).one()
            return tuple(row)
    finally:
        engine.dispose()
