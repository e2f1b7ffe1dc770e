"""Killed at any point, a refresh leaves what is published, and the next one ends as if never."""

import json
import multiprocessing
import os
import shutil
import signal
import sys
from dataclasses import dataclass

import pytest
from servers.clinic import CONFIG, clinic
from servers.killer import POINTS, STEPS, run, second_week

from attribution import warehouse
from attribution.identity import open_vault
from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.refresh import refresh
from attribution.settings import load
from connectors import SOURCES


@dataclass
class Weeks:
    """A home folder with one generation, and what a second refresh makes of it."""

    first: Home
    checksums: dict[str, str]
    people: list[dict[str, object]]


def checksums(home):
    with Ledger(home) as ledger:
        return json.loads(ledger.publications()["checksums"].iloc[0])


def people(home):
    with open_vault(home) as vault:
        return vault.numbers().to_pylist()


def spend(home):
    engine = warehouse.open_marts(home, warehouse.current_generation(home))
    try:
        with engine.connect() as connection:
            return connection.exec_driver_sql("select sum(spend_micros) from spend").scalar_one()
    finally:
        engine.dispose()


@pytest.fixture(scope="module")
def weeks(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCES, "scripted", "servers.scripted")
        first = Home(tmp_path_factory.mktemp("first"))
        first.config.write_text(f"first_day = 2025-01-01\n{CONFIG}")
        clinic()
        refresh(load(first))
        never_killed = Home(tmp_path_factory.mktemp("never") / "home")
        shutil.copytree(first.folder, never_killed.folder)
        second_week()
        refresh(load(never_killed))
        assert spend(first) == 140_000_000 != spend(never_killed)
        yield Weeks(first, checksums(never_killed), people(never_killed))


@pytest.fixture(scope="module")
def processes():
    """Processes that begin with everything imported, and no database open."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["servers.killer"])
    with pytest.MonkeyPatch.context() as patch:
        # The server that forks them imports before it is told where its parent found modules.
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        yield context


@pytest.mark.parametrize("point", [*POINTS, *STEPS])
def test_a_killed_refresh_loses_nothing(weeks, processes, tmp_path, point):
    home = Home(tmp_path / "home")
    shutil.copytree(weeks.first.folder, home.folder)
    victim = processes.Process(target=run, args=(home.folder, point))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL

    published = point in ("after the pointer", "before the ledger knows", "publish")
    assert warehouse.current_generation(home) == (2 if published else 1)
    assert spend(home) == (125_000_000 if published else 140_000_000)

    outcome = refresh(load(home))
    assert checksums(home) == weeks.checksums
    assert people(home) == weeks.people
    assert warehouse.current_generation(home) == outcome.generation
    assert not list(home.generations.glob("*/unfinished"))
    with Ledger(home) as ledger:
        assert ledger.runs()["state"].tolist() == ["published", "killed", "published"]


def test_killed_again_and_again(weeks, processes, tmp_path):
    home = Home(tmp_path / "home")
    shutil.copytree(weeks.first.folder, home.folder)
    for point in ("inside a load", "after the vault", "after closing"):
        victim = processes.Process(target=run, args=(home.folder, point))
        victim.start()
        victim.join()
        assert victim.exitcode == -signal.SIGKILL
        assert spend(home) == 140_000_000
    refresh(load(home))
    assert checksums(home) == weeks.checksums
    assert people(home) == weeks.people
