"""The warehouse: what is published is whole, and what is not published is never read."""

import shutil
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from attribution import build_memory, doctor, status, warehouse
from attribution.engines.duckdb import Building
from attribution.engines.private_copy import PrivateCopy
from attribution.errors import StorageError
from attribution.paths import Home
from attribution.settings import Settings
from attribution.warehouse import begin, current_generation, open_marts, publish, rollback


def build(home, amount=None) -> Building:
    """A generation whose marts all say `amount` (default: its number)."""
    building = begin(home)
    amount = building.number if amount is None else amount
    with building.connect() as connection:
        for mart in ("spend", "conversions", "journeys"):
            connection.exec_driver_sql(
                f"create or replace table {mart} as select {amount} as amount from range(50)"
            )
    return building


def finish(building: Building, home) -> int:
    building.copy_marts(
        {"spend": ("amount",), "conversions": ("amount",)}, {"journeys": ("amount",)}
    )
    building.close()
    publish(home, building.number)
    return building.number


def publish_next(home, amount=None) -> int:
    return finish(build(home, amount), home)


def ask(home, sql, generation=None):
    engine = open_marts(home, generation or current_generation(home))
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql).fetchall()]
    finally:
        engine.dispose()


def amount(home, generation=None):
    return ask(home, "select max(amount) from spend", generation)[0][0]


def folders(home):
    return sorted(int(path.name) for path in home.generations.iterdir())


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A home folder with one generation, that no test changes."""
    home = Home(tmp_path_factory.mktemp("published"))
    publish_next(home)
    return home


def test_nothing_is_published_at_first(home):
    assert current_generation(home) is None
    with pytest.raises(StorageError, match="There is no earlier generation"):
        rollback(home)


def test_a_published_generation_is_read(home):
    assert publish_next(home) == 1
    assert current_generation(home) == 1
    assert ask(home, "select count(*), sum(amount) from spend") == [(50, 50)]


def test_a_generation_is_for_its_owner_only(home):
    number = publish_next(home)
    assert stat.S_IMODE(home.generation(number).stat().st_mode) == 0o700
    for path in home.generation(number).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_the_three_databases_are_left(home):
    number = publish_next(home)
    left = sorted(path.name for path in home.generation(number).iterdir())
    assert left == ["marts.duckdb", "people.duckdb", "private.duckdb"]


def test_the_next_generation_goes_on_from_the_published_one(home):
    first = build(home, 7)
    finish(first, home)
    second = begin(home)
    assert (second.number, second.resumed) == (2, False)
    with second.connect() as connection:
        assert connection.exec_driver_sql("select max(amount) from spend").scalar_one() == 7
        connection.exec_driver_sql("delete from spend")
    second.abandon()
    assert amount(home) == 7


def test_marts_are_ordered_by_their_grain(home):
    building = begin(home)
    with building.connect() as connection:
        connection.exec_driver_sql(
            "create table spend as select hash(i) as amount from range(300000) as t(i)"
        )
    building.copy_marts({"spend": ("amount",)})
    building.close()
    publish(home, building.number)
    assert ask(
        home,
        "select count(*) from (select amount < lag(amount) over (order by rowid) as back "
        "from spend) where back",
    ) == [(0,)]


def test_four_generations_are_kept(home):
    for _ in range(6):
        publish_next(home)
    assert folders(home) == [3, 4, 5, 6]


def test_rollback_goes_back_one_and_can_go_on(home):
    for _ in range(3):
        publish_next(home)
    assert rollback(home) == 2 == current_generation(home) == amount(home)
    assert rollback(home) == 1
    with pytest.raises(StorageError, match="no earlier"):
        rollback(home)
    # New numbers only: a page may still hold one of those that were left.
    assert publish_next(home) == 4
    assert folders(home) == [1, 4]
    assert rollback(home) == 1


def test_an_unfinished_generation_is_gone_on_from(home):
    publish_next(home)
    build(home, 9).abandon()
    again = begin(home)
    assert (again.number, again.resumed) == (2, True)
    with again.connect() as connection:
        assert connection.exec_driver_sql("select max(amount) from spend").scalar_one() == 9
    finish(again, home)
    assert amount(home) == 9


def test_an_unfinished_generation_of_an_older_base_is_thrown_away(home):
    publish_next(home)
    publish_next(home)
    build(home, 9).abandon()
    rollback(home)
    again = begin(home)
    assert (again.number, again.resumed) == (4, False)
    again.abandon()
    assert folders(home) == [1, 4]


@pytest.mark.parametrize("mark", ["", "copying", "x", "\xff"])
def test_an_unfinished_copy_is_thrown_away(home, mark):
    publish_next(home)
    build(home, 9).abandon()
    (home.generation(2) / "unfinished").write_text(mark, encoding="latin-1")
    again = begin(home)
    assert (again.number, again.resumed) == (3, False)
    again.abandon()
    assert folders(home) == [1, 3]


def test_a_folder_without_anything_is_thrown_away_and_never_gone_back_to(home):
    publish_next(home)
    home.generation(2).mkdir()
    assert publish_next(home) == 3
    assert rollback(home) == 1


@pytest.mark.parametrize("damage", [b"", b"garbage" * 5000])
def test_a_private_file_that_does_not_open_is_begun_anew(home, damage):
    publish_next(home)
    build(home, 9).abandon()
    (home.generation(2) / "private.duckdb").write_bytes(damage)
    again = begin(home)
    with again.connect() as connection:
        assert connection.exec_driver_sql("select max(amount) from spend").scalar_one() == 1
    again.abandon()


def test_a_lost_private_file_is_built_anew_under_a_new_number(home):
    publish_next(home)
    (home.generation(1) / "private.duckdb").unlink()
    building = begin(home)
    assert building.number == 2
    assert building.lost.startswith("What was loaded for generation 1 is not in this warehouse")
    with building.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from raw_ad_spend").scalar_one() == 0
    building.abandon()


def test_a_published_generation_that_is_gone_is_told_and_built_anew(home):
    """docs/start.md says that generations are: it ended with a path that there is no file of."""
    publish_next(home)
    shutil.rmtree(home.generation(1))
    with pytest.raises(StorageError, match="Generation 1, which pages are to show, is not in"):
        status.look(home, datetime.now(UTC))
    wrong = [each.subject for each in doctor.examine(Settings(home)) if not each.fine]
    assert "generations" in wrong
    assert warehouse.free_space(home)[1] == 0  # what a refresh asks first
    building = begin(home)
    assert (building.number, bool(building.lost)) == (2, True)
    building.abandon()


def test_a_generation_whose_store_is_elsewhere_is_not_gone_back_to(home):
    """As after a move to another engine, which carries what is published alone."""
    for _ in range(2):
        publish_next(home)
    (home.generation(1) / "private.duckdb").unlink()
    with pytest.raises(StorageError, match="begin from nothing"):
        rollback(home)
    assert current_generation(home) == 2
    building = begin(home)
    assert (building.number, building.lost) == (3, "")
    building.abandon()


def test_a_discarded_generation_leaves_nothing(home):
    publish_next(home)
    build(home).discard()
    assert folders(home) == [1]


def test_a_kill_between_pointer_and_mark_counts_as_published(home):
    publish_next(home)
    publish_next(home)
    (home.generation(2) / "unfinished").write_text("1")
    assert amount(home) == 2
    assert publish_next(home) == 3
    assert rollback(home) == 2


def test_a_rollback_right_after_such_a_kill_is_not_undone(home):
    publish_next(home)
    publish_next(home)
    (home.generation(2) / "unfinished").write_text("1")
    assert rollback(home) == 1
    assert publish_next(home) == 3
    assert rollback(home) == 1


def test_a_write_ahead_log_that_was_left_is_not_closed_over(home):
    publish_next(home)
    building = build(home)
    building.copy_marts({"spend": ("amount",)})
    (building.folder / "marts.duckdb.wal").write_bytes(b"left")
    with pytest.raises(StorageError, match="was not closed whole"):
        building.close()
    assert amount(home) == 1


def test_a_write_ahead_log_beside_a_published_file_is_refused(home):
    number = publish_next(home)
    (home.generation(number) / "marts.duckdb.wal").write_bytes(b"left")
    with pytest.raises(StorageError, match="was changed after it was published"):
        amount(home)


def test_a_missing_generation_says_what_to_do(home):
    publish_next(home)
    with pytest.raises(StorageError, match="Run `caretrace refresh`"):
        open_marts(home, 17)


@pytest.mark.parametrize("text", ["", "one", "\x00\x00"])
def test_a_garbled_pointer_is_told_and_rollback_mends_it(home, text):
    for _ in range(2):
        publish_next(home)
    home.current.write_text(text)
    with pytest.raises(StorageError, match="Run `caretrace rollback`"):
        current_generation(home)
    assert rollback(home) == 2
    assert amount(home) == 2


def test_a_lost_pointer_is_mended_by_rollback(home):
    publish_next(home)
    home.current.unlink()
    assert current_generation(home) is None
    assert rollback(home) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from glob('/etc/*')",
        "select * from '/etc/passwd'",
        "copy spend to '/dev/null'",
        "attach '/dev/null' as other",
        "set threads = 8",
        "set enable_external_access = true",
        "reset lock_configuration",
        "install httpfs",
        "load httpfs",
        "create table spend2 as select 1 as a",
        "delete from spend",
        "create secret s (type s3)",
    ],
)
def test_a_reader_can_only_read(published, sql):
    with pytest.raises(DBAPIError):
        ask(published, sql)
    assert amount(published) == 1


def test_readers_do_not_see_python(published):
    spend2 = 1  # what a replacement scan would find
    with pytest.raises(DBAPIError):
        ask(published, "select * from spend2")
    assert spend2 == 1


def test_no_reader_sees_half_of_a_generation(home):
    """Marts of one engine always agree, while new generations come and old ones go."""
    publish_next(home)
    done = Event()

    def read() -> int:
        seen = 0
        while not done.is_set():
            generation = current_generation(home)
            try:
                engine = open_marts(home, generation)
            except StorageError:
                # Dropped between the two lines above; a page would start again.
                continue
            with engine.connect() as connection:
                for mart in ("spend", "conversions"):
                    rows = connection.exec_driver_sql(f"select distinct amount from {mart}").all()
                    assert [tuple(row) for row in rows] == [(generation,)]
            engine.dispose()
            seen += 1
        return seen

    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(read) for _ in range(3)]
            try:
                for _ in range(8):
                    publish_next(home)
            finally:
                done.set()
            assert all(reader.result() > 0 for reader in readers)
    finally:
        sys.setswitchinterval(interval)


def test_a_reader_keeps_its_generation_while_new_ones_come(home):
    publish_next(home)
    engine = open_marts(home, 1)
    with engine.connect() as connection:
        for _ in range(5):
            publish_next(home)
        assert 1 not in folders(home)
        assert connection.exec_driver_sql("select max(amount) from spend").scalar_one() == 1
    engine.dispose()


def test_free_space_is_reckoned_from_the_published_generation(home):
    assert warehouse.free_space(home)[1] == 0
    publish_next(home)
    free, needed = warehouse.free_space(home)
    assert needed == 3 * sum(p.stat().st_size for p in home.generation(1).iterdir())
    assert free > 0


@pytest.mark.parametrize(
    ("has", "takes"),
    [(2**30, "1000MB"), (4 * 2**30, "2147MB"), (6 * 2**30, "2600MB"), (2**40, "2600MB")],
)
def test_a_build_takes_half_of_the_memory_within_bounds(has, takes):
    assert build_memory.share(has) == takes


def test_a_container_has_what_it_is_given(tmp_path, monkeypatch):
    newer, older = tmp_path / "memory.max", tmp_path / "memory.limit_in_bytes"
    monkeypatch.setattr(build_memory, "LIMITS", (newer, older))
    monkeypatch.delenv("CARETRACE_MEMORY", raising=False)
    whole = build_memory.there_is()
    assert whole > 2**28  # no computer with less could run this
    newer.write_text("max\n", encoding="ascii")
    older.write_text(f"{2**63 - 4096}\n", encoding="ascii")
    assert build_memory.there_is() == whole
    newer.write_text("2500000000\n", encoding="ascii")
    assert build_memory.build_memory() == "1250MB"
    monkeypatch.setenv("CARETRACE_MEMORY", "700MB")
    assert build_memory.build_memory() == "700MB"


def test_copies_to_ask_spill_into_the_home_folder_and_leave_nothing(home):
    """A killed process has left something; of two that ask at once neither clears the other's."""
    left = home.folder / "spill" / "left"
    left.mkdir(parents=True)
    engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
    with engine.connect() as store:
        with PrivateCopy(home, store) as one:
            [(place,)] = one.execute("select current_setting('temp_directory')").fetchall()
            assert [*left.parent.iterdir()] == [Path(place)]
            with PrivateCopy(home, store):
                assert len([*left.parent.iterdir()]) == 2
        assert [*left.parent.iterdir()] == []
    engine.dispose()
