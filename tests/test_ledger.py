"""The ledger: what is written of runs, steps, sources and publications."""

import fcntl
import multiprocessing
import shutil
import sqlite3
from contextlib import closing, nullcontext
from threading import Timer

import pytest
from sqlalchemy.exc import DatabaseError

from attribution import doctor, ledger_file
from attribution.errors import Busy, StorageError, TransformError
from attribution.ledger import Ledger
from attribution.lock import held, only_one
from attribution.paths import Home
from attribution.settings import Settings
from attribution.vault import Vault


@pytest.fixture
def ledger(home):
    with Ledger(home) as made:
        yield made


def states(ledger, run_id):
    return ledger.steps(run_id)["state"].tolist()


def test_a_run_goes_through_its_steps(ledger):
    run = ledger.start(["load a", "models", "publish"])
    with ledger.step(run, "load a") as note:
        assert states(ledger, run) == ["running", "waiting", "waiting"]
        ledger.progress(run, "load a", 5)
        assert ledger.steps(run)["rows_done"].tolist() == [5, 0, 0]
        note.rows, note.message = 7, "told"
    ledger.finish(run, "published", 3, "")
    first = ledger.steps(run).iloc[0]
    assert (first["rows_done"], first["message"]) == (7, "told")
    assert states(ledger, run) == ["done", "skipped", "skipped"]
    assert ledger.runs()[["state", "generation"]].values.tolist() == [["published", 3]]


def test_a_step_that_raises_is_failed_with_its_sentence(ledger):
    run = ledger.start(["models"])
    with pytest.raises(TransformError), ledger.step(run, "models"):
        raise TransformError("A check found rows.")
    assert ledger.steps(run)["message"].tolist() == ["A check found rows."]


def test_the_words_of_other_errors_are_not_kept(ledger):
    run = ledger.start(["models"])
    with pytest.raises(ValueError), ledger.step(run, "models"):
        raise ValueError("canary@example.org is not a number")
    assert ledger.steps(run)["message"].tolist() == ["Stopped by ValueError."]


def test_a_run_that_died_is_marked_when_the_next_begins(ledger, home):
    died = ledger.start(["models"])
    with only_one(home):
        ledger.start(["models"])
        found = ledger.runs().set_index("run_id")["state"]
    assert found[died] == "killed"
    assert sorted(found) == ["killed", "running"]


def test_a_run_whose_process_is_gone_is_not_running(ledger, home):
    with only_one(home):
        ledger.start(["models"])
        assert ledger.runs()["state"].tolist() == ["running"]
    killed = ledger.runs()
    assert killed["state"].tolist() == ["killed"]
    assert killed["message"].tolist() == ["The process ended without a word."]


def test_those_who_ask_for_the_lock_hold_nobody_up(home):
    assert not held(home)
    with only_one(home):
        assert held(home)
        with pytest.raises(Busy), only_one(home):
            pass
    assert not held(home)
    with home.lock.open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        Timer(0.03, fcntl.flock, (asking, fcntl.LOCK_UN)).start()
        with only_one(home):
            assert held(home)


@pytest.mark.parametrize("open_elsewhere", [False, True])
def test_a_ledger_that_cannot_be_written_is_read(home, monkeypatch, open_elsewhere):
    with Ledger(home) if open_elsewhere else nullcontext():
        write(home.folder, 1)
        before = {path.name: path.stat().st_mtime_ns for path in home.folder.iterdir()}
        # Root would be let in where the folder's mode says no.
        monkeypatch.setattr(Home, "writable", False)
        with Ledger(home) as ledger:
            assert len(ledger.publications()) == 1
            with pytest.raises(DatabaseError, match="readonly"):
                ledger.start(["models"])
        assert {path.name: path.stat().st_mtime_ns for path in home.folder.iterdir()} == before


@pytest.mark.parametrize("content", [b"garbage\n" * 500, b"SQLite format 3\0" + b"x" * 5000])
def test_a_damaged_ledger_is_named_with_what_to_do(home, content):
    home.ledger.write_bytes(content)
    with pytest.raises(StorageError, match=r"ledger\.sqlite cannot be used .* move it away"):
        Ledger(home)


def test_a_damaged_vault_stops_no_other_finding_of_the_doctor(home):
    """Going back a generation, as where a warehouse failed, would not help."""
    home.vault.write_bytes(b"garbage\n" * 500)
    with pytest.raises(StorageError, match=r"vault\.sqlite is damaged.* Restore the last backup"):
        Vault(home)
    found = [(each.subject, each.fine) for each in doctor.examine(Settings(home))]
    assert {("free space", True), ("keys", False)} <= {*found}


def test_on_a_full_disk_nobody_is_told_to_move_the_ledger_away(home, monkeypatch):
    """SQLite says `disk I/O error` of it, and what is in the ledger is nowhere else."""
    Ledger(home).close()
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE

    def fails(*_):
        raise error

    disk_usage = shutil.disk_usage
    monkeypatch.setattr(ledger_file, "inspect", fails)
    for free, advice in ((0, "Free space, then run it again"), (10**9, "look at the disk")):
        monkeypatch.setattr(
            ledger_file.shutil,
            "disk_usage",
            lambda at, free=free: disk_usage(at)._replace(free=free),
        )
        with pytest.raises(StorageError, match=advice) as said:
            Ledger(home)
        assert "move it away" not in str(said.value)
        # The doctor, whom they are sent to, still says how much space there is.
        wrong = {each.subject for each in doctor.examine(Settings(home)) if not each.fine}
        assert {"ledger", "schedule"} <= wrong


def test_a_failed_source_keeps_the_day_of_its_last_success(ledger):
    ledger.source_done("ads", "meta_ads", "1", 5, None)
    fresh = ledger.sources().iloc[0]
    ledger.source_done("ads", "meta_ads", "1", 0, "no answer")
    failed = ledger.sources().iloc[0]
    assert (fresh["state"], failed["state"], failed["message"]) == ("fresh", "failed", "no answer")
    assert failed["last_success_at"] == fresh["last_success_at"] == fresh["last_attempt_at"]
    assert failed["last_attempt_at"] >= fresh["last_attempt_at"]


def test_slices_and_publications_are_listed(ledger):
    run = ledger.start(["load"])
    slices = {"run_id": run, "source": "ads", "rows_loaded": 3, "rows_rejected": 1, "message": ""}
    ledger.slice_done(**slices, name="january", state="loaded")
    ledger.slice_done(**slices, name="january", state="loaded")
    ledger.published(1, run, {"spend": "a"}, "refresh")
    ledger.published(1, None, {}, "rollback")
    assert ledger.slices(run)["name"].tolist() == ["january"]
    assert ledger.publications()["reason"].tolist() == ["rollback", "refresh"]


def test_the_ledger_is_for_its_owner_only(ledger, home):
    ledger.start(["models"])
    for path in home.folder.glob("ledger.sqlite*"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_ledger_whose_making_was_cut_short_is_made_whole(home):
    with closing(sqlite3.connect(home.ledger)) as connection:
        connection.execute("create table run (run_id text)")
        connection.execute("drop table run")
        connection.commit()
    with Ledger(home) as ledger:
        run = ledger.start(["models"])
        assert states(ledger, run) == ["waiting"]


def test_every_commit_is_made_durable(ledger):
    with ledger._engine.connect() as connection:
        assert connection.exec_driver_sql("pragma synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("pragma journal_mode").scalar_one() == "wal"


def write(folder, times):
    with Ledger(Home(folder)) as ledger:
        run = ledger.start(["load"])
        for rows in range(times):
            ledger.progress(run, "load", rows)
            ledger.published(rows, run, {}, "refresh")


def test_many_writers_wait_for_each_other(ledger, home):
    context = multiprocessing.get_context("spawn")
    writer = context.Process(target=write, args=(home.folder, 30))
    writer.start()
    write(home.folder, 60)
    writer.join()
    assert writer.exitcode == 0
    assert len(ledger.publications(1000)) == 90
