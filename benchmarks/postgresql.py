"""The demo refreshed on DuckDB and on a PostgreSQL of its own: seconds of each step, and equality.

    PYTHONPATH=.:tests .venv/bin/python benchmarks/postgresql.py 4000

Both homes have the same keys and read the same files. The server runs on the same computer.
"""

import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import duckdb
from engines_fixture import difference, postgres

from attribution import settings, transform
from attribution.demo import prepare
from attribution.paths import Home
from attribution.refresh import refresh


def refreshed(home: Home, engine: str) -> dict[str, float]:
    """Seconds of each step of a refresh, and of all."""
    seconds: dict[str, float] = {}
    began = last = perf_counter()

    def watch(event) -> None:
        nonlocal last
        if event.state == "done":
            name = "load" if event.step.startswith("load") else event.step
            seconds[name] = seconds.get(name, 0) + perf_counter() - last
            last = perf_counter()

    refresh(settings.load(home), watch)
    seconds["all"] = perf_counter() - began
    print(engine, " ".join(f"{step} {value:.1f}" for step, value in seconds.items()), flush=True)
    return seconds


def main(people: int) -> None:
    cores, memory = os.cpu_count(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    print(f"{cores} cores, {memory / 2**30:.0f} GiB, {people:,} people", flush=True)
    with tempfile.TemporaryDirectory() as folder, postgres() as address:
        here, there = Home(Path(folder) / "duckdb"), Home(Path(folder) / "postgresql")
        prepare(here, people=people, seed=7, say=lambda _sentence: None)
        refreshed(here, "DuckDB, first:")
        prepare(there, people=people, seed=7, say=lambda _sentence: None)
        for name in ("key", "keyring"):
            shutil.copy(here.folder / name, there.folder / name)
        os.environ["CARETRACE_WAREHOUSE"] = address.replace("postgresql:", "postgresql+psycopg:")
        refreshed(there, "PostgreSQL, first:")
        refreshed(there, "PostgreSQL, again:")
        del os.environ["CARETRACE_WAREHOUSE"]
        refreshed(here, "DuckDB, again:")
        differ = compared(here.generation(2), there.generation(2))
        print(differ or "the same to 1e-9")
        print(f"peak of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:,} KiB")


def compared(one: Path, other: Path) -> dict[str, str]:
    """What differs in the files that readers open."""
    differ = {}
    for model in transform.load_models():
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
