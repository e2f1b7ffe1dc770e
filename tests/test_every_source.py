"""Every kind of source in one refresh, each through its real client against a server on loopback.

A kind that is registered and not in `every_source` fails `test_no_kind_is_left_out`.
"""

import json
import sys
from collections.abc import Iterator
from io import StringIO

import duckdb
import pytest
from canaries import CLICK, MAIL, NAME, NUMBER, PHONE, TEXT, Canaries, Place, found, stored
from canary_traffic import browsed
from engines_fixture import difference, postgres
from every_source import SOURCES_HERE, TODAY, Running, counts, loaded_once
from few_models import few_models
from servers.loopback import as_json
from two_homes import audiences, newest, published

from attribution import cli, patient, settings, sql_models, warehouse
from attribution.ledger import Ledger
from attribution.migrating import migrate
from attribution.paths import Home
from attribution.people import Permit, people
from attribution.refresh import refresh, rollback
from connectors import SOURCES


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with loaded_once(tmp_path_factory.mktemp("every")) as running:
        yield running


def checksums(home: Home) -> dict[str, str]:
    with Ledger(home) as ledger:
        return dict(json.loads(ledger.publications(1)["checksums"].iloc[0]))


def test_no_kind_is_left_out():
    assert {each.kind for each in SOURCES_HERE.values()} == set(SOURCES)


@pytest.mark.parametrize("name", SOURCES_HERE)
def test_every_source_fills_its_tables(loaded, name):
    for table in SOURCES_HERE[name].tables:
        assert loaded.before.get(f"{name}.{table}", 0) > 0, table


def test_a_second_refresh_changes_nothing(loaded):
    before = checksums(loaded.home)
    assert refresh(settings.load(loaded.home), debug=True).failed == {}
    assert counts(loaded.home) == loaded.before
    assert checksums(loaded.home) == before


def test_dead_sources_fail_alone(loaded, capfd):
    """Every other one stops answering, and the others refuse in words that name a person."""
    with_server = [name for name, server in loaded.servers.items() if server is not None]
    dead, alive = with_server[::2], with_server[1::2]
    words = f"Nobody is {', '.join(map(loaded.canaries.a, (MAIL, PHONE, NUMBER, CLICK)))}."
    for name in dead:
        loaded.servers[name].__exit__(None, None, None)
    for name in alive:
        loaded.servers[name].fail(as_json(_refusal(words), 400))
    with few_models():
        failed = refresh(settings.load(loaded.home)).failed
    assert set(failed) == {*dead, *alive}
    assert all(sentence.endswith((".", "…")) for sentence in failed.values())
    assert counts(loaded.home) == loaded.before
    said = " ".join((*failed.values(), *capfd.readouterr()))
    assert found(loaded.canaries.every(), [Place("said", said.encode())]) == []
    rollback(loaded.home)  # to a generation of every model


def _refusal(words: str) -> dict[str, object]:
    """An error as one or the other of these systems words it."""
    error = {"message": words, "code": 400, "status": "INVALID_ARGUMENT", "description": words}
    return {"error": error, "message": words, "detail": words, "errors": [error], "code": 400}


def somebody(home: Home, canaries: Canaries) -> str:
    """A planted medical record number of somebody who can be looked up."""
    number = warehouse.current_generation(home)
    assert number is not None
    at = people(home, number, Permit("a test", "nobody"))
    system = patient.systems(home)[0]
    hashes = {typed: patient.hashed(home, system, typed) for typed in canaries.values[NUMBER]}
    return max(
        typed for typed, hashed in hashes.items() if hashed and patient.find(at, hashed) is not None
    )


def test_nobody_is_named_anywhere(loaded, capfd, tmp_path, monkeypatch):
    """What was planted is neither kept, nor said by a command, nor sent to a browser."""
    home, canaries = loaded.home, loaded.canaries
    planted = {source for source, _ in canaries.sources}
    assert planted == {
        *("calls", "crm", "dropped", "ehr", "hooks", "mta", "record", "sell", "sf", "texts"),
        *("visits", "web"),
    }
    assert canaries.values.keys() == {MAIL, NAME, PHONE, NUMBER, CLICK, TEXT}
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    out = tmp_path / "journeys.csv"
    for command in (
        ["status"],
        ["doctor"],
        ["export", "channels"],
        ["export", "journeys", "--people", "--out", str(out)],
        ["forget"],
        ["keys", "show"],
        ["audit", "show"],
    ):
        monkeypatch.setattr(sys, "stdin", StringIO(f"crm {canaries.a(NUMBER)}"))
        assert cli.main(command) in (0, 1, 2)
    said = "".join(capfd.readouterr())
    assert "Generation" in said
    assert "ok  web" in said or "FIX web" in said
    traffic = list(browsed(home, tmp_path / "log", somebody(home, canaries)))
    assert {place.name for place in traffic} >= {
        f"page {title}"
        for title in ("Overview", "Patient journey", "Cohorts", "Research", "Reactivation")
    }
    assert sum(place.name == "frame" for place in traffic) > 20
    seen = [
        *stored(newest(home, tmp_path / "copy")),
        Place("said", said.encode()),
        Place("journeys", out.read_bytes()),
        *traffic,
    ]
    assert found(canaries.every(), seen) == []
    # The search does find: what is stored, sealed in a payload and shown.
    where = {place for place, _ in found(["knee-pain", "paid_search", "Data health"], seen)}
    assert {"private.duckdb: raw_web_sessions", "marts.duckdb: spend", "frame"} <= where
    assert any(place.startswith("payload") for place in where)


@pytest.mark.timeout(400)  # it is carried, built, and compared to the row
def test_postgresql_makes_the_same_tables(loaded, tmp_path, monkeypatch):
    """What every source told is carried to a PostgreSQL, which makes all of it anew: to 1e-9."""
    here, home = loaded.home, newest(loaded.home, tmp_path / "there")
    number = warehouse.current_generation(here)
    models = sql_models.load_models()
    said: list[str] = []
    with postgres() as address:
        url = address.replace("postgresql://", "postgresql+psycopg://")
        migrate(home, url, said.append)
        assert "are the same in both places" in said[1]
        monkeypatch.setenv("CARETRACE_WAREHOUSE", url)
        made = refresh(settings.load(home), load=False).generation
        with (
            duckdb.connect(str(here.generation(number) / "private.duckdb"), read_only=True) as one,
            warehouse.asked(home, made) as other,
        ):
            frames = {
                model.name: tuple(
                    at.execute(f"from {model.name}").to_arrow_table().to_pandas()
                    for at in (one, other)
                )
                for model in models
            }
            assert audiences(one, TODAY) == audiences(other, TODAY)
    differ = {m.name: difference(*frames[m.name], m.grain) for m in models}
    assert {name: words for name, words in differ.items() if words} == {}
    for file in ("marts", "people", "viewers"):
        differ = published(home.generation(number), home.generation(made), file, models)
        assert differ == {}, file
