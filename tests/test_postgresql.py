"""An installation on a real PostgreSQL: it says what DuckDB's says, whatever happens on the way."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from engines_fixture import POSTGRES_BIN, postgres
from few_models import few_models
from servers.clinic import CANARY_MRN, CONFIG, clinic
from servers.killer import run, second_week
from sqlalchemy import event

from attribution import cli, migrating, warehouse
from attribution.engines import duckdb_moving, postgresql_lock, postgresql_server
from attribution.engines.postgresql_arrow import fetch, lent
from attribution.engines.postgresql_books import BOOKS
from attribution.errors import BadInput, Busy, CaretraceError, SettingsError, StorageError
from attribution.forgetting import forget
from attribution.identity import open_vault
from attribution.ledger import Ledger
from attribution.migrating import migrate
from attribution.paths import Home
from attribution.raw import tables
from attribution.refresh import refresh, rollback
from attribution.rotation import rotate
from attribution.settings import load
from attribution.warehouse_url import read
from attribution.whom_to_forget import asked, find
from connectors import SOURCES

_NUMBERS = count()
OF_THE_RUN = ("run_id", "loaded_at")


@dataclass(frozen=True)
class Server:
    """A PostgreSQL, and how a database of it is made and asked."""

    address: str

    def url(self, database: str, user: str = "postgres", more: str = "") -> str:
        socket = self.address.split("?")[1]
        return f"postgresql+psycopg://{user}@/{database}?{socket}{more}"

    def ask(self, sql: str, database: str = "postgres", user: str = "postgres") -> list[Any]:
        address = self.url(database, user).replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def database(self, like: str = "template0", more: str = "") -> str:
        """The name of a new database, a copy of another."""
        name = f"clinic_{next(_NUMBERS)}"
        self.ask(f"create database {name} template {like} {more}")
        return name

    @property
    def folder(self) -> Path:
        return Path(self.address.split("host=")[1])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as address:
        made = Server(address)
        # What the server's own computer may lose is not what is tested, and costs the most time.
        made.ask("alter system set fsync = off")
        made.ask("select pg_reload_conf()")
        yield made


@dataclass(frozen=True)
class Weeks:
    """A first week on PostgreSQL, and what DuckDB makes of the second."""

    home: Home
    database: str
    duckdb: Home


@pytest.fixture(scope="module")
def weeks(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Weeks:
    folder = tmp_path_factory.mktemp("weeks")
    with few_models(), pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCES, "scripted", "servers.scripted")
        here = Home(folder / "duckdb")
        here.folder.mkdir(mode=0o700)
        here.config.write_text(f"first_day = 2025-01-01\n{CONFIG}")
        clinic()
        refresh(load(here))
        there, database = Home(folder / "postgresql"), server.database()
        there.folder.mkdir(mode=0o700)
        for name in ("key", "keyring"):  # so that the same people have the same numbers
            shutil.copy(here.folder / name, there.folder / name)
        point(there, server.url(database))
        assert refresh(load(there)).failed == {}
        second_week()
        refresh(load(here))
    return Weeks(there, database, here)


def point(home: Home, url: str) -> None:
    home.config.write_text(f'warehouse = "{url}"\nfirst_day = 2025-01-01\n{CONFIG}')


@pytest.fixture
def home(weeks: Weeks, server: Server, tmp_path: Path, monkeypatch) -> Iterator[Home]:
    """A copy of the first week, with a database of its own; the second is told."""
    monkeypatch.setitem(SOURCES, "scripted", "servers.scripted")
    copied = Home(tmp_path / "home")
    shutil.copytree(weeks.home.folder, copied.folder)
    point(copied, server.url(server.database(weeks.database)))
    monkeypatch.setenv("CARETRACE_HOME", str(copied.folder))
    second_week()
    with few_models():
        yield copied


def database(home: Home) -> str:
    return str(warehouse.url_of(home).database)


def loaded(home: Home) -> dict[str, list[tuple[object, ...]]]:
    """All that was loaded, whichever refresh did it and whichever engine has it."""
    number = warehouse.current_generation(home)
    engine = warehouse.open_private(home, number)
    with engine.connect() as connection:
        names = [n for n in tables(connection) if n.startswith("raw_") or n == "identity"]
    engine.dispose()
    with warehouse.asked(home, number) as driver:
        return {
            name: driver.execute(
                f"select columns(c -> c not in {OF_THE_RUN}) from {name} order by all"
            ).fetchall()
            for name in (*names, "cursor")
        }


def checksums(home: Home) -> dict[str, str]:
    with Ledger(home) as ledger:
        return dict(json.loads(ledger.publications()["checksums"].iloc[0]))


def people(home: Home) -> list[object]:
    with open_vault(home) as vault:
        return vault.numbers().to_pylist()


def spend(home: Home) -> int:
    engine = warehouse.open_marts(home, warehouse.current_generation(home))
    with engine.connect() as connection:
        found = connection.exec_driver_sql("select sum(spend_micros) from spend").scalar_one()
    engine.dispose()
    return int(found)


def spend_there(server: Server, home: Home) -> int:
    """What tools of others see."""
    return int(server.ask("select sum(spend_micros) from marts.spend", database(home))[0][0])


def as_on_duckdb(home: Home, weeks: Weeks) -> bool:
    assert loaded(home) == loaded(weeks.duckdb)
    assert checksums(home) == checksums(weeks.duckdb)
    return people(home) == people(weeks.duckdb)


def test_a_restated_week_says_what_duckdb_says(home, weeks, server):
    assert spend(home) == spend_there(server, home) == 140_000_000
    server.ask(
        "create role bi login; grant usage on schema marts to bi; grant select on marts.spend to "
        "bi; create view by_others as select sum(spend_micros) as spent from marts.spend; "
        "grant select on by_others to bi; create view marts.beside as select * from by_others; "
        "grant select on marts.beside to bi",
        database(home),
    )
    assert refresh(load(home)).failed == {}
    assert as_on_duckdb(home, weeks)
    assert spend(home) == spend_there(server, home) == 125_000_000
    # Who could read can, and what others made of it stands.
    for asked_for in (
        "select sum(spend_micros) from marts.spend",
        "select spent from by_others",
        "select * from marts.beside",
    ):
        assert server.ask(asked_for, database(home), "bi") == [(125_000_000,)]
    assert server.ask("select number from caretrace.published", database(home)) == [(2,)]
    assert not list(home.generations.glob("*/private.duckdb"))
    assert not list(home.generations.glob("*/beside*"))


def test_the_generation_before_can_be_gone_back_to(home, weeks, server):
    server.ask(
        "drop view marts.spend; create view marts.spend as select 1 as other", database(home)
    )
    refresh(load(home))
    assert rollback(home) == 1
    assert spend(home) == spend_there(server, home) == 140_000_000
    assert refresh(load(home)).generation == 3
    assert as_on_duckdb(home, weeks)
    there = server.ask(
        "select nspname from pg_namespace where nspname like 'private%' order by 1", database(home)
    )
    assert there == [("private_1",), ("private_3",)]


def test_four_generations_are_kept(home, server):
    for _ in range(4):
        building = warehouse.begin(home)
        building.copy_marts({})
        building.close()
        warehouse.publish(home, building.number)
    kept = server.ask("select number from caretrace.generation order by 1", database(home))
    assert [number for (number,) in kept] == warehouse.kept(home) == [2, 3, 4, 5]


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    # What each of them would import for itself, and that takes longer than what it does.
    context.set_forkserver_preload(
        ["servers.killer", "attribution.dialects", "attribution.engines.postgresql"]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        yield context


@pytest.mark.parametrize("point", ["inside a load", "after closing", "before the pointer of pages"])
def test_a_killed_refresh_loses_nothing(home, weeks, server, processes, point):
    victim = processes.Process(target=run, args=(home.folder, point))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    assert spend(home) == 140_000_000
    half = point == "before the pointer of pages"
    assert spend_there(server, home) == (125_000_000 if half else 140_000_000)
    if half:  # what the server has published is kept
        warehouse.drop_others(home, 1)
        assert spend_there(server, home) == spend(home) == 125_000_000
    refresh(load(home))
    assert as_on_duckdb(home, weeks)
    assert spend_there(server, home) == 125_000_000


def test_a_dropped_connection_costs_nothing_that_was_published(home, weeks, server):
    def drop(event):
        if (event.step, event.state) == ("models", "progress"):
            server.ask(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                f"where application_name = 'caretrace' and datname = '{database(home)}'"
            )

    with pytest.raises(StorageError, match=r"was ended by the server\. Try again\. What was pub"):
        refresh(load(home), drop)
    assert spend(home) == spend_there(server, home) == 140_000_000
    refresh(load(home))
    assert as_on_duckdb(home, weeks)


_ASKING = """
import sys
from attribution.engines.postgresql_server import engine_for
from attribution.warehouse_url import read
with engine_for(read(sys.argv[1])).connect() as connection:
    connection.exec_driver_sql("select pg_sleep(60)")
"""


def test_what_a_killed_process_had_asked_for_ends(home, server):
    """What comes next would wait for its locks, as long as it goes on."""

    def asked():
        sleeping = "query ilike '%pg_sleep(60)%' and pid <> pg_backend_pid()"
        return server.ask(f"select 1 from pg_stat_activity where {sleeping}") == [(1,)]

    def until(holds):
        ends = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < ends
            time.sleep(0.05)

    url = warehouse.url_of(home).render_as_string(hide_password=False)
    process = subprocess.Popen([sys.executable, "-c", _ASKING, url])
    until(asked)
    process.kill()
    process.wait()
    until(lambda: not asked())


def test_a_server_that_cannot_see_who_is_gone_will_do(home, monkeypatch):
    """One on Windows refuses any interval, as every one does this."""
    refused = "select set_config('client_connection_check_interval', '-1s', false)"
    monkeypatch.setattr(postgresql_server, "_LOOK_FOR_US", refused)
    assert refresh(load(home)).failed == {}


def test_what_a_role_has_set_changes_nothing(server):
    """It lies idle in a transaction while Python solves."""
    server.ask("create role hurried login")
    odd = {
        "lock_timeout": "1ms",
        "default_transaction_isolation": "serializable",
        "extra_float_digits": "-9",
        "standard_conforming_strings": "off",
    }
    for name, value in odd.items():
        server.ask(f"alter role hurried set {name} = '{value}'")
    known = server.ask(
        "select name from pg_settings where context = 'user' "
        "and name ~ '^(statement|idle|transaction).*timeout'"
    )
    assert len(known) > 2
    for (name,) in known:
        server.ask(f"alter role hurried set {name} = '200ms'")
    engine = postgresql_server.engine_for(read(server.url("postgres", "hurried")))
    with engine.begin() as connection:
        plain = connection.execution_options(no_parameters=True)
        plain.exec_driver_sql("select pg_sleep(0.3)")
        time.sleep(0.3)
        for (name,) in known:
            assert plain.exec_driver_sql(f"show {name}").scalar_one() == "0", name
        found = [plain.exec_driver_sql(f"show {name}").scalar_one() for name in odd]
        assert found == ["0", "read committed", "1", "on"]
        # By which it sees a host that died; on a socket it says nothing of them.
        asked = "select count(*) from pg_settings where source = 'client' and name like 'tcp_keep%'"
        assert plain.exec_driver_sql(asked).scalar_one() == 3
    engine.dispose()


def test_a_lost_lock_publishes_nothing(home, server):
    def drop(event):
        if (event.step, event.state) == ("checks", "done"):
            server.ask("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")

    with pytest.raises(StorageError, match="What was published still stands"):
        refresh(load(home), drop)
    assert spend(home) == spend_there(server, home) == 140_000_000


def test_who_has_lost_the_lock_writes_nothing_more(home, server, tmp_path):
    """Another host takes it meanwhile, goes on from what was loaded, and publishes."""
    other = Home(tmp_path / "other host")
    shutil.copytree(home.folder, other.folder)
    published: list[object] = []

    def take_over(event):
        if (event.step, event.state) == ("identity", "done"):
            server.ask("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
            refresh(load(other))
            published.append(loaded(other))

    with pytest.raises(StorageError, match=r"The lock on .* was lost, so another refresh may be"):
        refresh(load(home), take_over)
    assert published == [loaded(other)]
    assert spend(home) == 140_000_000
    assert spend(other) == spend_there(server, home) == 125_000_000


def test_who_comes_next_waits_for_one_that_has_lost_the_lock(home, tmp_path, monkeypatch):
    """What that has begun would be written into what this one goes on from."""
    monkeypatch.setattr(postgresql_lock, "_GRACE", 0.1)
    url = warehouse.url_of(home)
    with warehouse.alone(home):
        building = warehouse.begin(home)
        with building.connect() as connection:
            connection.exec_driver_sql("select 1")
            postgresql_lock._HELD[home, url].connection.driver_connection.close()
            with (
                pytest.raises(Busy, match=rf"still at work on .* process {os.getpid()} on "),
                postgresql_lock.holding(Home(tmp_path / "other"), url, BOOKS),
            ):
                pass
        building.abandon()


def test_a_server_that_is_started_anew_costs_nothing_that_was_published(home, weeks, server):
    def restart(event):
        if (event.step, event.state) == ("identity", "done"):
            subprocess.run(
                [
                    *(POSTGRES_BIN / "pg_ctl", "-D", server.folder, "-w", "-m", "fast"),
                    *("-l", "/dev/null", "restart"),
                ],
                user=server.folder.owner(), check=True, cwd="/", start_new_session=True, timeout=60,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    with pytest.raises(StorageError, match="What was published still stands"):
        refresh(load(home), restart)
    assert spend(home) == spend_there(server, home) == 140_000_000
    refresh(load(home))
    assert as_on_duckdb(home, weeks)


def test_the_second_of_two_refreshes_is_told_who_holds_the_server(home, weeks, tmp_path):
    other = Home(tmp_path / "other host")
    shutil.copytree(home.folder, other.folder)
    told = []

    def begin_another(event):
        if (event.step, event.state) == ("identity", "done"):
            with pytest.raises(Busy) as refused:
                refresh(load(other))
            told.append(str(refused.value))

    refresh(load(home), begin_another)
    [sentence] = told
    assert f"process {os.getpid()} on {os.uname().nodename}, since 20" in sentence
    # Nobody is at work there any more.
    refresh(load(other))
    assert spend(other) == 125_000_000


def test_the_lock_is_free_before_its_connection_is_closed(home, server):
    """A server notices later that one was closed, and who comes right after would be refused."""
    held = []

    def look(*_about):
        held.append(
            server.ask(
                "select count(*) from pg_locks where locktype = 'advisory' and database = "
                "(select oid from pg_database where datname = current_database())",
                database(home),
            )
        )

    with postgresql_lock.holding(home, warehouse.url_of(home), BOOKS) as connection:
        look()
        event.listen(connection.engine.pool, "close", look)
    assert held == [[(1,)], [(0,)]]


def test_a_person_is_forgotten_there_too(home, server):
    typed = asked([f"patient {CANARY_MRN}"])
    settings = load(home)
    refresh(settings)
    found = find(settings, typed)
    assert found.counts["raw_appointment"] == 1
    forget(settings, typed, "request")
    refresh(settings, load=False)
    assert find(settings, typed).already == 1
    schemas = server.ask("select nspname from pg_namespace", database(home))
    assert {name for (name,) in schemas if name.startswith("private_")} == {"private_3"}
    content = subprocess.run(
        [POSTGRES_BIN / "pg_dump", server.url(database(home)).replace("+psycopg", "")],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "raw_appointment" in content
    assert not [each for each in found.identifiers if each in content]


def test_hashes_are_made_anew_there_too(home):
    before = loaded(home)["identity"]
    rotate(load(home), lambda _event: None, lambda _said: None, rehash=True)
    after = loaded(home)["identity"]
    assert [person for _, person in before] != [identifier for identifier, _ in after]
    assert {i for i, _ in before}.isdisjoint({i for i, _ in after})
    assert sorted(p for _, p in before) == sorted(p for _, p in after)


def test_only_what_is_proved_counts_as_moved(home, monkeypatch):
    """One number that came to be another stops the move; else all of it is there."""
    folder, was = home.generation(warehouse.current_generation(home)), loaded(home)
    files = sorted(folder.iterdir())
    carried = duckdb_moving.carry

    def wrong(store: Any, driver: Any, name: str) -> None:
        carried(store, driver, name)
        if name == "raw_ad_spend":
            one = "where rowid = (select min(rowid) from raw_ad_spend)"
            driver.execute(f"update raw_ad_spend set spend_micros = spend_micros + 1 {one}")

    with monkeypatch.context() as patch:
        patch.setattr(duckdb_moving, "carry", wrong)
        with pytest.raises(StorageError, match="table raw_ad_spend is not the same"):
            migrate(home, "duckdb:///", print)
    assert (sorted(folder.iterdir()), loaded(home)) == (files, was)
    said: list[str] = []
    monkeypatch.setattr(migrating, "_ROWS_HELD", 3)
    migrate(home, "duckdb:///", said.append)
    assert "are the same in both places" in said[1]
    assert said[2].startswith("Next: set CARETRACE_WAREHOUSE to what you gave with --to")
    assert "stays until you drop its database" in said[3]
    assert said[4].endswith("run `caretrace migrate --to` an empty database.")
    point(home, "duckdb:///")
    assert loaded(home) == was


def refused(home: Home, capsys) -> str:
    """What the command line says, of a refresh that could not be."""
    assert cli.main(["refresh"]) in (2, 75)
    said = capsys.readouterr().err.strip()
    assert said.startswith("caretrace: ")
    assert "Traceback" not in said
    assert "geheim" not in said
    return said


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://u:geheim@h/db", "write postgresql+psycopg:// instead"),
        ("postgres://u:geheim@h/db", "write postgresql+psycopg:// instead"),
        ("oracle://u:geheim@h/db", "'oracle', which is none"),
        ("u:geheim@h", "is no URL"),
        ("postgresql+psycopg://u:p@geheim@h/db", "has one @ too many"),
        ("postgresql+psycopg://u:p@geheim/geheim@h/db", "has one @ too many"),
        ("duckdb:////tmp/geheim.duckdb", "write duckdb:/// alone"),
    ],
)
def test_a_url_that_names_no_engine_is_refused(home, capsys, monkeypatch, url, sentence):
    monkeypatch.setenv("CARETRACE_WAREHOUSE", url)
    assert sentence in refused(home, capsys)
    with pytest.raises(SettingsError):
        load(home)


def test_a_server_that_is_not_there_is_named(home, capsys, monkeypatch):
    monkeypatch.setenv("CARETRACE_WAREHOUSE", "postgresql+psycopg://u:geheim@127.0.0.1:1/db")
    said = refused(home, capsys)
    assert "PostgreSQL at 127.0.0.1:1, database db, cannot be reached as u" in said


def test_a_wrong_password_is_refused_and_never_said(home, server, capsys, monkeypatch):
    server.ask("create role locked login password 'right'")
    rules = server.folder / "pg_hba.conf"
    rules.write_text(f"local all locked scram-sha-256\n{rules.read_text()}")
    server.ask("select pg_reload_conf()")
    url = server.url(database(home), "locked:geheim")
    monkeypatch.setenv("CARETRACE_WAREHOUSE", url)
    assert "password authentication failed" in refused(home, capsys)


def test_somebody_without_rights_is_told_which(home, server, capsys, monkeypatch):
    server.ask("create role guest login")
    monkeypatch.setenv("CARETRACE_WAREHOUSE", server.url(server.database(), "guest"))
    assert "does not let guest make schemas" in refused(home, capsys)


def test_somebody_who_lacks_another_right_is_told_which(home, server, capsys, monkeypatch):
    server.ask("create role owner login; create role brief login")
    brief = server.database(more="owner owner")
    server.ask(f"revoke temporary on database {brief} from public")
    server.ask(f"grant create on database {brief} to brief")
    monkeypatch.setenv("CARETRACE_WAREHOUSE", server.url(brief, "brief"))
    assert "does not let brief make temporary tables" in refused(home, capsys)
    server.ask(f"grant temporary on database {brief} to brief")
    server.ask("create schema files", brief, "owner")
    assert "has a schema files that is not brief's" in refused(home, capsys)


def test_what_others_have_in_a_database_is_not_replaced(home, server, capsys, monkeypatch):
    shared = server.database()
    server.ask("create schema marts; create view marts.spend as select 1 as ours", shared)
    monkeypatch.setenv("CARETRACE_WAREHOUSE", server.url(shared))
    assert "has marts.spend, which is none of caretrace's" in refused(home, capsys)
    assert server.ask("select ours from marts.spend", shared) == [(1,)]


def test_an_old_server_is_refused(home, server, capsys, monkeypatch):
    """One that calls itself 14, and has only what a 14 has, or a 13 that sees nobody go."""
    server.ask(
        "create schema old; create view old.pg_settings as select name, case name when "
        "'server_version_num' then '140011' else setting end as setting from "
        "pg_catalog.pg_settings where name <> 'client_connection_check_interval'; "
        "create function old.set_config(name text, text, boolean) returns text language "
        "plpgsql as $$ begin if name like 'client_conn%' then raise undefined_object; end if; "
        "return pg_catalog.set_config($1, $2, $3); end $$; create view old.pg_database as select "
        "oid, datname, encoding, datcollate from pg_catalog.pg_database",
        old := server.database(),
    )
    server.ask(f"alter database {old} set search_path = old, pg_catalog")
    monkeypatch.setenv("CARETRACE_WAREHOUSE", server.url(old))
    sentence = "is version 14, and caretrace needs 15 or later. Use a newer server."
    assert sentence in refused(home, capsys)
    [(_, fine, said)] = warehouse.findings(home)
    assert not fine
    assert sentence in said


def test_a_server_that_can_only_be_read_is_refused(home, server, capsys, monkeypatch):
    standby = server.database()
    server.ask(f"alter database {standby} set default_transaction_read_only = on")
    monkeypatch.setenv("CARETRACE_WAREHOUSE", server.url(standby))
    assert "can only be read: it is a standby, or" in refused(home, capsys)


def test_a_server_that_takes_no_more_connections_is_named(home, server, capsys, monkeypatch):
    server.ask("create role many login")
    crowded = server.database(more="owner many connection limit 0")
    monkeypatch.setenv("CARETRACE_WAREHOUSE", server.url(crowded, "many"))
    assert "takes no more connections" in refused(home, capsys)


def test_an_option_that_nobody_knows_is_named(home, server, capsys, monkeypatch):
    url = server.url(database(home), more="&sslmod=require")
    monkeypatch.setenv("CARETRACE_WAREHOUSE", url)
    assert 'does not know: invalid connection option "sslmod"' in refused(home, capsys)


def test_a_database_of_another_encoding_is_refused(home, server, capsys, monkeypatch):
    other = server.database(more="encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
    monkeypatch.setenv("CARETRACE_WAREHOUSE", server.url(other))
    assert "has encoding SQL_ASCII and orders texts by C," in refused(home, capsys)


@pytest.mark.parametrize(
    ("named", "more"),
    [
        ("C", "lc_collate 'C' lc_ctype 'C'"),
        ("PG_UNICODE_FAST", "locale_provider builtin builtin_locale 'PG_UNICODE_FAST'"),
    ],
)
def test_a_database_that_makes_letters_small_otherwise_is_refused(
    home, server, capsys, monkeypatch, named, more
):
    """There NIÑOS and niños, or ΟΔΟΣ and οδοσ, would be two campaigns."""
    other = server.database(more=f"encoding 'UTF8' {more}")
    monkeypatch.setenv("CARETRACE_WAREHOUSE", server.url(other))
    said = f"makes letters small as {named} does, which is not as elsewhere"
    assert said in refused(home, capsys)
    # Whoever has data in such a one can go on, and move.
    server.ask("create schema caretrace; create table caretrace.published (a int)", other)
    with postgresql_server.engine_for(read(server.url(other))).connect() as connection:
        postgresql_server.prove(connection)


def test_a_full_disk_is_said_and_costs_nothing(home, server, capsys):
    server.ask(
        "create function full_disk() returns event_trigger language plpgsql as $$ begin "
        "raise exception 'could not extend file' using errcode = '53100'; end $$;"
        "create event trigger full_disk on ddl_command_start when tag in ('CREATE TABLE AS') "
        "execute function full_disk()",
        database(home),
    )
    assert "has no space left on its disk" in refused(home, capsys)
    assert spend(home) == spend_there(server, home) == 140_000_000


def test_a_missing_library_is_named(home, capsys, monkeypatch):
    monkeypatch.setattr(postgresql_server, "find_spec", lambda _name: None)
    assert "pip install 'caretrace[postgres]'" in refused(home, capsys)


def test_the_doctor_says_what_the_server_is(home):
    found = {subject: (fine, said) for subject, fine, said in warehouse.findings(home)}
    assert all(fine for fine, _ in found.values())
    assert found["PostgreSQL"][1].startswith("version 1")
    assert found["PostgreSQL's time zone"][1].startswith("UTC")


def test_a_database_of_other_keys_is_refused(home, server, tmp_path):
    other = Home(tmp_path / "other keys")
    other.folder.mkdir(mode=0o700)
    point(other, str(warehouse.url_of(home)))
    with pytest.raises(StorageError, match="was hashed under another key"):
        refresh(load(other))
    assert spend_there(server, home) == 140_000_000


def test_texts_and_numbers_go_in_and_out_as_they_are(server):
    table = pa.table(
        {
            "t": [
                "",
                None,
                'a "quoted", text',
                "line\nbreak\r\n",
                "\\.",
                "\\N",
                "NULL",
                "é🙂",
                "t",
            ],
            "n": [0.1, None, 1e300, -0.0, 5e-324, float("inf"), 2.5, 1 / 3, 1.0],
            "i": pa.array([1, None, -(2**63), 2**63 - 1, 0, 5, 6, 7, 8], pa.int64()),
            "b": [True, None, False, True, False, True, False, True, False],
            "d": pa.array([None, *range(-40_000, 40_000, 10_000)], pa.int32()).cast(pa.date32()),
            "at": pa.array([None, *range(0, 8 * 10**15 + 8, 10**15 + 1)], pa.int64()).cast(
                pa.timestamp("us", "UTC")
            ),
        }
    )
    engine = postgresql_server.engine_for(read(server.url("postgres")))
    with engine.begin() as connection, lent(connection, table) as incoming:
        assert fetch(connection, f"from {incoming}").equals(table)
        assert len(fetch(connection, f"from {incoming} limit 0")) == 0
    with (
        engine.begin() as connection,
        pytest.raises(BadInput, match="character nought"),
        lent(connection, pa.table({"t": ["a\0b"]})),
    ):
        pass
    engine.dispose()


def test_what_is_not_ours_to_word_is_left_alone(server):
    engine = postgresql_server.engine_for(read(server.url("postgres")))
    with engine.connect() as connection, pytest.raises(Exception, match="does not exist") as error:
        connection.exec_driver_sql("select * from nowhere")
    assert not isinstance(error.value, CaretraceError)
    engine.dispose()
