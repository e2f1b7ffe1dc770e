"""Killed at any point, a refresh leaves what is published, and the next one ends as if never."""

import json
import multiprocessing
import os
import shutil
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO

import custody_fixture as custody
import duckdb
import pytest
from few_models import few_models
from first_week import first_week
from servers.clinic import CONFIG, clinic
from servers.killer import POINTS, STEPS, run, second_week

from attribution import audit, cli, warehouse
from attribution.errors import Busy
from attribution.forgetting import unfinished
from attribution.identity import open_vault
from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.refresh import refresh
from attribution.rotation import state
from attribution.settings import load
from attribution.whom_to_forget import asked, find
from connectors import SOURCES
from outreach.audience import private_store


@dataclass
class Weeks:
    """A home folder with one generation, and what a second refresh makes of it."""

    first: Home
    checksums: dict[str, str]
    loaded: dict[str, list[tuple[object, ...]]]
    people: list[dict[str, object]]


def checksums(home):
    with Ledger(home) as ledger:
        return json.loads(ledger.publications()["checksums"].iloc[0])


# When a row came, and by which refresh.
OF_THE_RUN = ("run_id", "loaded_at")


def loaded(home):
    """All that was loaded, whichever refresh did it."""
    path = home.generation(warehouse.current_generation(home)) / "private.duckdb"
    with duckdb.connect(str(path), read_only=True) as store:
        tables = store.execute(
            "select table_name from duckdb_tables()"
            " where starts_with(table_name, 'raw_') or table_name in ('cursor', 'identity')"
        ).fetchall()
        return {
            name: store.execute(
                f"select columns(c -> c not in {OF_THE_RUN}) from {name} order by all"
            ).fetchall()
            for (name,) in tables
        }


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


@contextmanager
def two_weeks(folder, first):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCES, "scripted", "servers.scripted")
        never_killed = Home(folder / "never" / "home")
        shutil.copytree(first.folder, never_killed.folder)
        second_week()
        refresh(load(never_killed))
        assert spend(first) == 140_000_000 != spend(never_killed)
        assert loaded(first) != loaded(never_killed)
        yield Weeks(first, checksums(never_killed), loaded(never_killed), people(never_killed))


@pytest.fixture(scope="module")
def weeks(tmp_path_factory):
    """Of few models: a kill has to do with what was loaded, which is compared to the row."""
    folder = tmp_path_factory.mktemp("few")
    with few_models():
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(SOURCES, "scripted", "servers.scripted")
            first = Home(folder / "first")
            first.folder.mkdir(mode=0o700)
            first.config.write_text(f"first_day = 2025-01-01\n{CONFIG}")
            clinic()
            refresh(load(first))
        with two_weeks(folder, first) as made:
            pass
    return made


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setitem(SOURCES, "scripted", "servers.scripted")
    second_week()
    with few_models():
        yield


@pytest.fixture(scope="module")
def processes():
    """Processes that begin with everything imported, and no database open."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["servers.killer", "custody_fixture"])
    with pytest.MonkeyPatch.context() as patch:
        # The server that forks them imports before it is told where its parent found modules.
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        yield context


@pytest.mark.parametrize("point", [*POINTS, *STEPS])
def test_a_killed_refresh_loses_nothing(weeks, few, processes, tmp_path, point):
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
    assert loaded(home) == weeks.loaded
    assert people(home) == weeks.people
    assert warehouse.current_generation(home) == outcome.generation
    assert not list(home.generations.glob("*/unfinished"))
    with Ledger(home) as ledger:
        assert ledger.runs()["state"].tolist() == ["published", "killed", "published"]


def test_killed_again_and_again(processes, tmp_path):
    """Of every model, and of what viewers are told."""
    with two_weeks(tmp_path, first_week()[0]) as weeks:
        home = Home(tmp_path / "home")
        shutil.copytree(weeks.first.folder, home.folder)
        for point in ("inside a load", "after the vault", "after closing"):
            victim = processes.Process(
                target=run, args=(home.folder, point), kwargs={"every_model": True}
            )
            victim.start()
            victim.join()
            assert victim.exitcode == -signal.SIGKILL
            assert spend(home) == 140_000_000
        refresh(load(home))
        assert checksums(home) == weeks.checksums
        assert loaded(home) == weeks.loaded
        assert people(home) == weeks.people


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    with custody.few_models(custody.FEWER):
        return custody.make_home(tmp_path_factory.mktemp("kept") / "home")


@pytest.fixture
def home(kept, tmp_path, monkeypatch):
    """A copy of a home folder with payloads and one generation, of a few models."""
    shutil.copytree(kept.folder, tmp_path / "home")
    monkeypatch.setenv("CARETRACE_HOME", str(tmp_path / "home"))
    with custody.few_models(custody.FEWER):
        yield Home(tmp_path / "home")


def payloads(home):
    store = custody.store(home)
    return {path.name: store.read(path) for path in store.every()}


def test_a_change_of_keys_that_was_killed_goes_on(kept, processes, home):
    custody.killed(processes, home, "when keys are changed")
    assert state(home).unfinished
    assert payloads(home) == payloads(kept)  # under the old key, which is still there
    custody.killed(processes, home, "among the payloads")
    assert 0 < state(home).stale < state(home).payloads
    assert payloads(home) == payloads(kept)
    assert custody.rotate(home) == [
        "An earlier change of keys is finished now; no other was begun."
    ]
    assert (state(home).unfinished, state(home).stale) == (False, 0)
    assert payloads(home) == payloads(kept)


def test_hashing_anew_that_was_killed_goes_on(kept, processes, home):
    custody.with_outreach(home)
    custody.killed(processes, home, "when hashing keys are changed", "after hashing anew")
    assert state(home).hashing_keys == 2
    # What is published is under the old key yet: nobody is written to by what it says.
    with pytest.raises(Busy, match="keys rotate"), private_store(home, 1):
        pass
    # Whichever comes next goes on: here a refresh, which leaves the rest to the command.
    custody.load(home)
    assert checksums(home) == checksums(kept)
    assert {row["person_id"] for row in people(home)} == {row["person_id"] for row in people(kept)}
    custody.killed(processes, home, "among the addresses while hashing anew")
    assert state(home).unfinished
    custody.rotate(home)
    assert not state(home).unfinished
    custody.follows_the_key(home)
    assert len(list(home.generations.iterdir())) == 1
    assert audit.verify(home).problems == ()


def test_forgetting_that_was_killed_goes_on(processes, home, monkeypatch, capsys):
    """Killed before it is decided, nobody is forgotten; after that, whatever comes next goes on."""
    lines = asked([custody.TYPED])
    custody.killed(processes, home, "before anybody is forgotten")
    [person] = find(load(home), lines).people
    custody.killed(processes, home, "when they are")
    assert unfinished(home)
    assert find(load(home), lines).already == 1
    custody.killed(processes, home, "while the store is written anew", "before the last word")
    assert unfinished(home)
    assert cli.main(["doctor"]) == 1
    assert "FIX forgotten: what is left of a forgotten person" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", StringIO(custody.TYPED))
    assert cli.main(["forget", "--confirm"]) == 0
    assert not unfinished(home)
    assert person not in {row["person_id"] for row in people(home)}
    assert custody.ask(home, f"select * from identity where person_id = {person}") == []
    assert set(payloads(home)) == {"days.json.zst.enc", "late.csv.zst.enc"}
    assert len(list(home.generations.iterdir())) == 1
    assert audit.verify(home).problems == ()
