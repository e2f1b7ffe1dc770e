"""The demo refreshed on DuckDB and on a PostgreSQL of its own: seconds of each step, and equality.

    PYTHONPATH=.:tests .venv/bin/python benchmarks/postgresql.py 4000

Both homes have the same keys and read the same files. The server runs on the same computer. Told
are seconds by the clock and, after a stroke, of processors: of this process, of those that it
started and that ended, and of the server's. `solved` is what Python alone takes of the models.
"""

import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from unittest.mock import patch

import duckdb
import pandas as pd
from engines_fixture import difference
from processes import Processes
from scale_postgresql import served

from attribution import settings, sql_models
from attribution.demo import prepare
from attribution.paths import Home
from attribution.refresh import refresh
from attribution.refresh_steps import Event
from attribution.sql_models import SOLVED, Solve


def refreshed(home: Home, engine: str, server: Processes | None = None) -> None:
    """Tell the seconds of each step of a refresh, and of all."""
    seconds: dict[str, list[float]] = {}
    began = last = _now(server)

    def watch(event: Event) -> None:
        nonlocal last
        if event.state == "done":
            name = "load" if event.step.startswith("load") else event.step
            step, now = seconds.setdefault(name, [0.0, 0.0]), _now(server)
            for at in (0, 1):
                step[at] += now[at] - last[at]
            last = now

    spent = [0.0, 0.0]
    solved = {name: _clocked(solve, spent) for name, solve in SOLVED.items()}
    with patch.dict(SOLVED, solved):
        refresh(settings.load(home), watch)
    seconds["solved"] = spent
    seconds["all"] = [now - then for now, then in zip(_now(server), began, strict=True)]
    told = " ".join(f"{step} {wall:.1f}/{cpu:.1f}" for step, (wall, cpu) in seconds.items())
    print(engine, told, flush=True)


def _clocked(solve: Solve, spent: list[float]) -> Solve:
    def clocked(*frames: pd.DataFrame) -> pd.DataFrame:
        before = _now(None)
        answer = solve(*frames)
        for at, now in enumerate(_now(None)):
            spent[at] += now - before[at]
        return answer

    return clocked


def _now(server: Processes | None) -> tuple[float, float]:
    """Seconds by the clock, and of processors."""
    cpu = process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    return perf_counter(), cpu + (server.seconds() if server else 0.0)


def main(people: int) -> None:
    cores, memory = os.cpu_count(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    print(f"{cores} cores, {memory / 2**30:.0f} GiB, {people:,} people", flush=True)
    with tempfile.TemporaryDirectory() as folder, served() as server:
        there_url = os.environ.pop("CARETRACE_WAREHOUSE")
        here, there = Home(Path(folder) / "duckdb"), Home(Path(folder) / "postgresql")
        prepare(here, people=people, seed=7, say=lambda _sentence: None)
        refreshed(here, "DuckDB, first:")
        prepare(there, people=people, seed=7, say=lambda _sentence: None)
        for name in ("key", "keyring"):
            shutil.copy(here.folder / name, there.folder / name)
        with patch.dict(os.environ, {"CARETRACE_WAREHOUSE": there_url}):
            refreshed(there, "PostgreSQL, first:", server)
            refreshed(there, "PostgreSQL, again:", server)
        refreshed(here, "DuckDB, again:")
        differ = compared(here.generation(2), there.generation(2))
        print(differ or "the same to 1e-9")
        print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:,} KiB")


def compared(one: Path, other: Path) -> dict[str, str]:
    """What differs in the files that readers open."""
    differ = {}
    for model in sql_models.load_models():
        if model.layer in ("marts", "people"):
            frames = []
            for folder in (one, other):
                with duckdb.connect(str(folder / f"{model.layer}.duckdb"), read_only=True) as at:
                    frames.append(at.execute(f"from {model.name}").to_arrow_table().to_pandas())
            if said := difference(*frames, model.grain):
                differ[model.name] = said
    return differ


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
