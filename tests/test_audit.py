"""The audit log: every look at people and every export is in it, and tampering is found out."""

import json
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import marts_fixture as made_up
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution import audit, cli
from attribution.errors import BadInput, StorageError
from attribution.local_time import local
from attribution.paths import Home
from attribution.privacy import load_key


def filled(home: Home, entries: int = 5) -> None:
    for number in range(entries):
        audit.record(home, "ann", audit.EXPORTED, f"report {number}", rows=number)


def tamper(home: Home, *statements: str) -> None:
    """What somebody with a database client and no key can do."""
    with sqlite3.connect(home.ledger) as database:
        for name in ("update", "delete"):
            database.execute(f"drop trigger audit_no_{name}")
        for statement in statements:
            database.execute(statement)
    database.close()


def test_entries_are_kept_in_order(home):
    filled(home)
    log = audit.entries(home)
    assert list(log["number"]) == [1, 2, 3, 4, 5]
    assert list(log["subject"]) == [f"report {number}" for number in range(5)]
    assert json.loads(log["detail"].iloc[4]) == {"rows": 4}
    assert list(audit.entries(home, 2)["number"]) == [4, 5]
    verdict = audit.verify(home)
    assert (verdict.entries, verdict.problems) == (5, ())
    assert verdict.head == f"5:{log['seal'].iloc[4]}"


def test_an_empty_log_is_whole(home):
    assert audit.verify(home).problems == ()


@pytest.mark.parametrize(
    "statement",
    [
        "update audit set actor = 'bob' where number = 3",
        "update audit set detail = '{}' where number = 3",
        "update audit set at = '2020-01-01' where number = 5",
        "update audit set seal = (select seal from audit where number = 2) where number = 3",
        "delete from audit where number = 1",
        "delete from audit where number = 3",
        "delete from audit where number = 5",
        "delete from audit",
        "insert into audit select 6, at, actor, action, subject, detail, seal from audit limit 1",
    ],
)
def test_tampering_is_found(home, statement):
    filled(home)
    tamper(home, statement)
    assert audit.verify(home).problems


def test_swapped_entries_are_found(home):
    filled(home)
    tamper(
        home,
        "update audit set number = 9 where number = 2",
        "update audit set number = 2 where number = 3",
        "update audit set number = 3 where number = 9",
    )
    assert audit.verify(home).problems


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 4), st.sampled_from(["actor", "action", "subject", "detail", "at"]), st.text()
)
def test_no_cell_can_be_changed(tmp_path_factory, number, column, value):
    home = Home(tmp_path_factory.mktemp("home"))
    filled(home, 4)
    before = audit.entries(home).set_index("number")[column][number]
    value = value.replace("\0", "").encode("utf-8", "ignore").decode()
    with sqlite3.connect(home.ledger) as database:
        database.execute("drop trigger audit_no_update")
        database.execute(f"update audit set {column} = ? where number = ?", (value, number))
    database.close()
    assert bool(audit.verify(home).problems) == (value != before)


def test_whoever_cuts_both_the_log_and_the_noted_heads_is_found_by_a_head_kept_elsewhere(home):
    filled(home)
    head = audit.verify(home).head
    tamper(home, "delete from audit where number > 3")
    home.audit_heads.unlink()
    assert audit.verify(home).problems == ()
    assert len(audit.verify(home, head).problems) == 1
    with pytest.raises(BadInput, match="no head of the log"):
        audit.verify(home, "5:abc")


def test_another_key_seals_nothing_that_fits(home, monkeypatch):
    filled(home)
    monkeypatch.setenv("CARETRACE_KEY", "another key of thirty-two letters!")
    home.keyring.unlink()
    assert len(audit.verify(home).problems) == 5


def test_the_database_itself_refuses_changes(home):
    filled(home)
    with sqlite3.connect(home.ledger) as database:
        for statement in ("update audit set actor = 'bob'", "delete from audit"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                database.execute(statement)
    database.close()


def test_many_may_write_at_once(home):
    load_key(home)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: audit.record(home, "ann", "export", f"r{n}"), range(24)))
    assert audit.verify(home).entries == 24
    assert audit.verify(home).problems == ()


def test_the_files_are_private(home):
    filled(home)
    for path in (home.ledger, home.audit_heads):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_export_is_written_down_with_the_hash_of_its_file(home, tmp_path, monkeypatch):
    made = made_up.make_home(tmp_path / "made")
    monkeypatch.setenv("CARETRACE_HOME", str(made.folder))
    out = tmp_path / "channels.csv"
    assert cli.main(["export", "channels", "--out", str(out)]) == 0
    [said] = audit.entries(made).to_dict("records")
    assert (said["action"], said["subject"]) == ("export", "channel report")
    assert said["actor"].endswith("(command line)")
    detail = json.loads(said["detail"])
    assert detail["sha256"] == sha256(out.read_bytes()).hexdigest()
    assert detail["filters"]["kind"] == "booked"


def test_what_cannot_be_written_down_is_not_done(tmp_path, monkeypatch):
    made = made_up.make_home(tmp_path / "made")
    monkeypatch.setenv("CARETRACE_HOME", str(made.folder))

    made.audit_heads.mkdir()  # a file cannot take its place
    out = tmp_path / "channels.csv"
    assert cli.main(["export", "channels", "--out", str(out)]) != 0
    assert not out.exists()
    with pytest.raises(StorageError, match="was not done"):
        audit.record(made, "ann", audit.EXPORTED, "report")


def test_the_command_tells_and_verifies(home, capsys):
    filled(home)
    assert cli.main(["audit", "show", "--last", "1"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("5 ")
    assert "ann: export of report 4" in told
    assert told.split(" ", 1)[1].startswith(local(audit.entries(home)["at"].iloc[-1]))
    assert cli.main(["audit", "verify"]) == 0
    assert "5 entries and is whole and unchanged" in capsys.readouterr().out
    tamper(home, "delete from audit where number = 2")
    assert cli.main(["audit", "verify"]) == 1
    told = capsys.readouterr()
    assert "BROKEN" in told.out
    assert "After entry 1 comes entry 3" in told.err


@pytest.mark.parametrize(
    "statement",
    [
        "update audit set seal = 'é' where number = 3",
        "update audit set detail = x'00ff' where number = 3",
        "update audit set seal = x'00' where number = 3",
        "update audit set actor = 4.5 where number = 3",
    ],
)
def test_cells_of_another_kind_are_found_and_named(home, statement):
    filled(home)
    tamper(home, statement)
    assert audit.verify(home).problems[0].startswith("Entry 3 does not fit its seal")


@pytest.mark.parametrize("written", ["2026-01-01 nonsense\n", "é\n", "2026-01-01\n", "x x:y\n"])
def test_noted_heads_that_are_damaged_are_a_finding(home, written):
    filled(home)
    home.audit_heads.write_text(written, encoding="utf-8")
    assert audit.verify(home).problems
    audit.record(home, "ann", audit.EXPORTED, "the next report")
    assert audit.verify(home).problems  # and stay one


def test_entries_cut_off_are_missed_whatever_is_added_afterwards(home):
    filled(home)
    tamper(home, "delete from audit where number > 3")
    for number in range(4):
        audit.record(home, "ann", audit.EXPORTED, f"later {number}")
        assert [words[:8] for words in audit.verify(home).problems] == ["Entry 5,"]
    assert len(home.audit_heads.read_text().splitlines()) == 2


def test_a_key_that_is_missing_is_not_made_anew(home):
    filled(home)
    (home.folder / "key").unlink()
    with pytest.raises(StorageError, match=r"put .*key back from a backup"):
        audit.verify(home)
    with pytest.raises(StorageError, match="was not done"):
        audit.record(home, "ann", audit.EXPORTED, "another report")
    assert not (home.folder / "key").exists()
