"""Twelve weeks of schedules with faults, many times, with real refreshes of a small clinic.

PYTHONPATH=.:tests .venv/bin/python benchmarks/weeks.py /tmp/weeks 20 [first seed]

Each refresh is a process of its own that loads, joins, builds and publishes (of few models). It
may be killed at any of its points, find the disk full, wait for a slow API, or find a source dead.
What a report holds is read from the published generation, so that what left can be compared with
what it must hold. In the end one refresh that is well must have all that the sources ever said.
"""

import errno
import multiprocessing
import os
import shutil
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import lived_weeks as weeks
from few_models import build_only
from servers import killer
from servers.clinic import CONFIG, ads, clinic, contact, records
from servers.scripted import SCRIPTS, slice_of, slices

from attribution import loading, refresh, settings, transform, warehouse
from attribution.paths import Home
from connectors import SOURCES
from connectors.errors import SourceUnreachable
from connectors.source import Cursor

DAYS = 14
# Where a disk may be full: while loading, building and publishing.
FULL = ((loading.rejects, "keep"), (transform, "build"), (warehouse, "publish"))
HELD = """
select
    (select round(sum(spend_micros) / 1e6 / $days - 10) from spend) as ads,
    (select sum(conversions) - 6 from conversions where kind = 'kept') as emr,
    (select count(*) - 4 from private.raw_contact) as crm
"""


class RealRefresh:
    """A refresh in a process of its own, with one fate."""

    def __init__(self, home: Home, clock: weeks.Clock) -> None:
        self._home, self._clock = home, clock
        self._week = -1
        SOURCES["scripted"] = "servers.scripted"
        build_only()

    def __call__(self, fate: str, dead: set[str], week: int) -> int:
        self._week = week
        child = multiprocessing.get_context("fork").Process(
            target=self._child, args=(fate, dead, week, self._clock.now.microsecond)
        )
        child.start()
        child.join()
        self._clock.now += timedelta(hours=9 if fate == "slow" else 0, minutes=2)
        assert child.exitcode is not None
        return child.exitcode

    def _child(self, fate: str, dead: set[str], week: int, choice: int) -> None:
        play(week, dead)
        if fate == "killed":
            points = list(killer.POINTS.values())
            owner, name, replacement = points[choice % len(points)]
            setattr(owner, name, replacement)
        if fate == "full":
            owner, name = FULL[choice % len(FULL)]
            setattr(owner, name, _no_space)
        if fate == "slow":
            self._clock.now += timedelta(hours=9)
        try:
            outcome = refresh.refresh(settings.load(self._home))
        except Exception:
            os._exit(2)
        os._exit(1 if outcome.failed else 0)

    def held(self, generation: int) -> dict[str, int]:
        folder = self._home.generation(generation)
        with duckdb.connect() as reader:
            reader.execute(f"attach '{folder / 'private.duckdb'}' as private (read_only)")
            reader.execute(f"attach '{folder / 'marts.duckdb'}' as marts (read_only)")
            reader.execute("use marts")
            ads_, emr, crm = reader.execute(HELD, {"days": DAYS}).fetchall()[0]
        empty = {"ads": ads_, "emr": emr, "crm": crm}
        return {name: -1 if found is None else int(found) for name, found in empty.items()}

    def last(self) -> dict[str, Any]:
        """All rows that there are after one refresh that is well."""
        assert self("well", set(), self._week) == 0
        return rows(self._home)


def _no_space(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def play(week: int, dead: set[str]) -> None:
    """What the clinic's systems say in a week; those that are dead do not answer."""
    people = [contact(f"c{n}", week, email=f"p{n}@example.org") for n in range(4 + week)]
    clinic(
        ads=slices(ads(f"{10 + week}.00", days=DAYS)),
        emr=slices(records(6 + week)),
        crm=slices(slice_of(*people, Cursor(str(week)), name="contacts")),
    )
    for name in dead:
        SCRIPTS[name] = _silent


def _silent(*_: Any) -> Any:
    raise SourceUnreachable("It does not answer.")


def rows(home: Home) -> dict[str, Any]:
    """Everything that was loaded, whichever refresh did it."""
    path = home.generation(warehouse.current_generation(home) or 0) / "private.duckdb"
    with duckdb.connect(str(path), read_only=True) as store:
        tables = store.execute(
            "select table_name from duckdb_tables() where starts_with(table_name, 'raw_')"
        ).fetchall()
        return {
            name: store.execute(
                f"select columns(c -> c not in ('run_id', 'loaded_at')) from {name} order by all"
            ).fetchall()
            for (name,) in tables
        }


def control(folder: Path, lived: weeks.Weeks) -> dict[str, Any]:
    """What one refresh at the end of the weeks has, by a home that never saw a fault."""
    home = Home(folder)
    home.folder.mkdir(mode=0o700)
    for name in ("key", "keyring"):
        shutil.copy(lived.home.folder / name, folder / name)
    home.config.write_text(HEAD)
    with weeks.told_by(lived.clock):
        other = RealRefresh(home, lived.clock)
        other._week = lived.refreshing._week
        return other.last()


HEAD = f"first_day = 2025-01-01\n{CONFIG}"


def main(folder: Path, lives: int, first: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    every: Counter[str] = Counter()
    began, bad = time.perf_counter(), 0
    for seed in range(first, first + lives):
        place = folder / str(seed)
        start = weeks.SPRING if seed % 2 else weeks.AUTUMN
        lived = weeks.live(place / "home", seed, 12, start, make=RealRefresh, config=HEAD)
        problems = lived.problems()
        with weeks.told_by(lived.clock):
            lost = lived.refreshing.last() != control(place / "control", lived)
        with weeks.told_by(lived.clock), weeks.Books(lived.home) as books:
            states = Counter(books.history(10_000)["state"])
        every += states + Counter(
            refreshes=lived.refreshes, looks=lived.looks, deaths=lived.deaths, lives=1,
            messages=len(lived.server.taken), lost=int(lost),
        )  # fmt: skip
        bad += bool(problems) or lost
        print(
            f"seed {seed}: {dict(states)}, {lived.refreshes} refreshes, {lived.deaths} deaths of "
            f"the schedule; problems: {problems or 'none'}{', DATA LOST' if lost else ''}",
            flush=True,
        )
        shutil.rmtree(place)
    print(
        f"{dict(every)} in {time.perf_counter() - began:.0f} s on {os.cpu_count()} cores; "
        f"lives with a problem: {bad}"
    )
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
