"""A whole refresh on a Spark of two workers, from what every source told."""

import json
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest
from engines_fixture import difference, postgres
from every_source import TODAY, Running
from few_models import few_models
from pyarrow import parquet
from spark_cluster import Cluster
from two_homes import audiences, newest, published

from attribution import forecasting, settings, sql_models, warehouse
from attribution.engines.spark import database_of
from attribution.engines.spark_server import engine_for
from attribution.errors import BadInput, StorageError
from attribution.generations import MARTS
from attribution.migrating import migrate
from attribution.paths import Home
from attribution.refresh import refresh, rollback
from attribution.refresh_steps import Event
from attribution.warehouse_url import url_of


@pytest.fixture(scope="module")
def moved(loaded: Running, request, tmp_path_factory) -> Iterator[Home]:
    """The home folder of what every source told, made anew on the cluster.

    What DuckDB made of it is taken out first: a cluster's own home folder never had that.
    """
    cluster: Cluster = request.getfixturevalue("cluster")  # which was starting all the while
    home = newest(loaded.home, tmp_path_factory.mktemp("moved") / "home")
    store = home.generation(warehouse.current_generation(home)) / "private.duckdb"
    with duckdb.connect(str(store)) as connection:
        for model in sql_models.load_models():
            connection.execute(f"drop table if exists {model.name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARETRACE_WAREHOUSE", cluster.url)
        assert refresh(settings.load(home), load=False, debug=True).failed == {}
        yield home


def opened(home: Home, name: str) -> duckdb.DuckDBPyConnection:
    number = warehouse.current_generation(home)
    return duckdb.connect(str(home.generation(number) / name), read_only=True)


def test_every_model_is_the_same(loaded, moved, cluster):
    """Equal to 1e-9 in the files that the cluster wrote; they are there, so the checks passed.

    What is published, `credit` and its like, is compared as the cluster answered, below.
    """
    number = warehouse.current_generation(moved)
    written = cluster.folder / "warehouse" / f"{database_of(number)}.db"
    with opened(loaded.home, "private.duckdb") as store:
        store.execute("set timezone = 'UTC'")
        said = {
            model.name: difference(
                store.execute(f"from {model.name}").to_arrow_table().to_pandas(),
                parquet.read_table(
                    written / model.name, coerce_int96_timestamp_unit="us"
                ).to_pandas(),
                model.grain,
            )
            for model in sql_models.load_models()
            if model.name != forecasting.TABLE and model.layer not in ("marts", "people")
        }
    assert {name: words for name, words in said.items() if words} == {}


@pytest.mark.parametrize("file", ["marts", "people", "viewers"])
def test_pages_read_the_same(loaded, moved, file):
    one, other = (
        home.generation(warehouse.current_generation(home)) for home in (loaded.home, moved)
    )
    assert published(one, other, file, sql_models.load_models()) == {}


def test_outreach_means_the_same_people(loaded, moved):
    with (
        opened(loaded.home, "private.duckdb") as one,
        warehouse.asked(moved, warehouse.current_generation(moved)) as other,
    ):
        assert audiences(one, TODAY) == audiences(other, TODAY)


def test_readers_on_the_cluster_see_the_marts_and_nobody(moved):
    engine = engine_for(url_of(moved), "caretrace")
    with engine.connect() as connection, opened(moved, MARTS) as store:
        shown = {row[1] for row in connection.exec_driver_sql("show tables").all()}
        assert shown == {m.name for m in sql_models.load_models() if m.layer == "marts"}
        rows = connection.exec_driver_sql("select count(*) from credit").scalar_one()
        assert rows == store.execute("select count(*) from credit").fetchone()[0] > 0
    engine.dispose()


def test_a_killed_worker_takes_nothing_with_it(moved, cluster):
    """Pages read the old generation until the new one is whole, which the other worker makes."""
    number = warehouse.current_generation(moved)
    marts = moved.generation(number) / MARTS
    before = sha256(marts.read_bytes()).hexdigest()
    heard: list[str] = []

    def kill(event: Event) -> None:
        if event.step == "models" and event.message:
            heard.append(event.message)
            if len(heard) == 5:
                cluster.kill_worker()
                assert warehouse.current_generation(moved) == number

    try:
        with few_models(["spend"]):
            done = refresh(settings.load(moved), kill, load=False, debug=True)
    finally:
        cluster.add_worker()
    assert len(heard) > 5
    assert warehouse.current_generation(moved) == done.generation == number + 1
    assert sha256(marts.read_bytes()).hexdigest() == before
    assert rollback(moved) == number


def test_nothing_loaded_travels_twice(moved):
    """What is landed of the first refresh is all that the second one needed."""
    engine = engine_for(url_of(moved), "caretrace_landed")
    with engine.connect() as connection:
        parts = connection.exec_driver_sql("show partitions raw_ad_spend").all()
        rows = connection.exec_driver_sql("select count(*) from raw_ad_spend").scalar_one()
    engine.dispose()
    with opened(moved, "private.duckdb") as store:
        assert rows == store.execute("select count(*) from raw_ad_spend").fetchone()[0]
    assert len(parts) > 1


def test_what_no_generation_needs_is_dropped(moved):
    number = warehouse.current_generation(moved)
    assert warehouse.drop_others(moved, number) > 0
    shown = json.loads((moved.generation(number) / "landed.json").read_text())
    engine = engine_for(url_of(moved), "caretrace_landed")
    with engine.connect() as connection:
        databases = connection.exec_driver_sql("show databases like 'caretrace_*'").scalars()
        assert set(databases) == {"caretrace_landed", database_of(number)}
        for table in ("raw_ad_spend", "setting_report", "identity"):
            parts = connection.exec_driver_sql(f"show partitions {table}").scalars()
            assert sorted(parts) == [f"part={part}" for part in shown[table]]
    engine.dispose()


def test_another_home_folder_is_refused(moved, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(moved.folder, other)
    with pytest.raises(StorageError, match="belongs to another home folder"), few_models():
        refresh(settings.load(Home(other)), load=False)


def test_a_cluster_that_does_not_answer_is_said_at_once(moved, monkeypatch):
    monkeypatch.setenv("CARETRACE_WAREHOUSE", "sc://127.0.0.1:1")
    number = warehouse.current_generation(moved)
    with pytest.raises(StorageError, match="does not answer"), few_models():
        refresh(settings.load(moved), load=False)
    assert warehouse.current_generation(moved) == number


def test_the_doctor_looks_at_the_cluster(moved):
    said = {subject: (fine, words) for subject, fine, words in warehouse.findings(moved)}
    assert {subject: fine for subject, (fine, _) in said.items()} == {
        "Spark's version": True,
        "Spark's time zone": True,
        "Spark's ANSI mode": True,
        "Spark's catalog": True,
    }
    assert "in memory" in said["Spark's catalog"][1]


MOVED = ("appointments", "reviews")  # of five models


def marts_of(home: Home, engine: str, patch: pytest.MonkeyPatch) -> list[list[tuple]]:
    """What a refresh of few models on an engine publishes of them."""
    patch.setenv("CARETRACE_WAREHOUSE", engine)
    with few_models(MOVED):
        refresh(settings.load(home), load=False)
    with opened(home, MARTS) as store:
        return [store.execute(f"from {name} order by all").fetchall() for name in MOVED]


def test_an_installation_moves_to_postgresql_and_back(moved, cluster, monkeypatch):
    """What was loaded is carried and proved each way, and makes the same marts on either side."""
    before = marts_of(moved, cluster.url, monkeypatch)
    assert all(before)
    with postgres() as address:
        url = address.replace("postgresql://", "postgresql+psycopg://")
        said: list[str] = []
        with few_models(MOVED):
            migrate(moved, url, said.append)
        assert marts_of(moved, url, monkeypatch) == before
        with few_models(MOVED):
            migrate(moved, cluster.url, said.append)
        proved = [" are the same in both places" in words for words in said]
        assert proved == [False, True, False, False, False] * 2
        assert "run `caretrace refresh`" in said[2]
    assert marts_of(moved, cluster.url, monkeypatch) == before


def test_between_duckdb_and_spark_nothing_need_be_carried(moved):
    with pytest.raises(BadInput, match="nothing need be carried"):
        migrate(moved, "duckdb:///", print)
