"""The command line: what it says, and with which code it ends."""

import fcntl
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from few_models import few_models
from first_week import first_week
from servers.clinic import CONFIG, ads, clinic
from servers.scripted import SCRIPTS, slices
from sqlalchemy.exc import OperationalError

from attribution import cli, mix_command, progress, refresh, terminal, warehouse
from attribution.cli import main
from attribution.ledger import Ledger
from attribution.local_time import local
from attribution.refresh_steps import Event
from attribution.sessions import Sessions
from connectors import SOURCES
from connectors.errors import SourceRefused

SECRET = "canary-token-91bb"


@pytest.fixture
def published(home):
    """The test's home folder with the first week's generation."""
    shutil.copytree(first_week()[0].folder, home.folder, dirs_exist_ok=True)


@pytest.fixture(autouse=True)
def on_stage(home, monkeypatch):
    monkeypatch.setitem(SOURCES, "scripted", "servers.scripted")
    monkeypatch.setenv("CARETRACE_CRM_TOKEN", SECRET)
    home.config.write_text(f"first_day = 2025-01-01\n{CONFIG}")
    clinic()
    with few_models():  # what a refresh says has nothing to do with how many there are
        yield
    SCRIPTS.clear()


@pytest.fixture
def say(capfd):
    """Run a command; gives its exit code, what it said, and what it said of errors."""

    def run(*arguments):
        code = main(list(arguments))
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        assert SECRET not in out + err
        return code, out, err

    return run


def refuses(_context, _cursors):
    raise SourceRefused("The token was refused. Make a new one.")


@pytest.mark.parametrize("arguments", [[], ["fly"], ["export"], ["serve", "--port", "x"]])
def test_a_wrong_command_is_refused_with_its_usage(arguments, capfd):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: caretrace" in capfd.readouterr().err


def test_no_name_steers_a_terminal(capsys):
    """Of a campaign, a file or a test, which anybody may have given."""
    name = "spring\x1b[2J\r\u202e\udce9"
    terminal.say(f"{name}\nis one.")
    terminal.note(name)
    assert capsys.readouterr() == ("spring[2J\nis one.\n", "caretrace: spring[2J\n")
    with progress.shown(sys.stdout) as watch:
        watch(Event("load ads", "started"))
        watch(Event("load ads", "failed", message=name))
    assert capsys.readouterr().out.endswith("spring[2J\n")


def test_a_refresh_says_what_it_did(say):
    code, out, err = say("refresh")
    assert (code, out) == (0, "Generation 1 is published.\n")
    lines = err.splitlines()
    assert len(lines) == 9
    assert any(line.startswith("load ads: done in ") and "14 rows" in line for line in lines)
    assert lines[-1].startswith("publish: done in ")


def test_a_refresh_that_is_done_in_part_ends_with_one(say):
    SCRIPTS["crm"] = refuses
    code, out, err = say("refresh")
    assert (code, out) == (1, "Generation 1 is published.\n")
    assert "caretrace: crm was not loaded: The token was refused. Make a new one.\n" in err
    code, out, _ = say("status")
    assert code == 1
    assert "crm: failed, last loaded never. The token was refused. Make a new one." in out
    assert "ads: fresh, last loaded 20" in out


def test_without_a_configuration_one_sentence_says_what_to_do(home, say):
    home.config.unlink()
    code, out, err = say("refresh")
    assert (code, out) == (2, "")
    assert err.startswith("caretrace: There is no caretrace.toml in ")
    assert err.count("\n") == 1


def test_all_that_is_wrong_with_the_configuration_is_said(home, say):
    home.config.write_text("demo = 1\nsources = 2\n")
    code, _, err = say("refresh")
    assert code == 2
    assert "needs attention:\n  - sources must be a table\n  - demo must be true or false\n" in err


def test_debug_shows_where(home):
    home.config.unlink()
    with pytest.raises(Exception, match="There is no"):
        main(["--debug", "refresh"])


def test_a_refresh_beside_another_is_busy(home, say):
    with home.lock.open("w") as lock:
        lock.write("process 17 on a test")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in ("refresh", "rollback"):
            code, out, err = say(command)
            assert (code, out) == (75, "")
            assert "Another refresh is running: process 17 on a test." in err


def test_status_before_anything_is_published(say):
    code, _, err = say("status")
    assert code == 2
    assert "has nothing published yet. Run `caretrace refresh`." in err


def test_an_instant_is_told_as_the_clock_on_the_wall_has_it(monkeypatch):
    monkeypatch.setenv("TZ", "America/Chicago")
    time.tzset()
    try:
        assert local("2026-07-01T03:04:05.678+00:00") == "2026-06-30 22:04:05 CDT"
        assert local("2026-01-01T03:04:05+00:00") == "2025-12-31 21:04:05 CST"
        assert local("soon") == "soon"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_status_names_the_generation_that_is_served(home, say, published):
    SCRIPTS["ads"] = slices(ads("20"))
    say("refresh")
    with Ledger(home) as ledger:
        first = ledger.publications(1000)["published_at"].iloc[-1]
        run = ledger.runs(1)["started_at"].iloc[0]
    assert say("rollback") == (0, "Generation 1 is published again.\n", "")
    code, out, _ = say("status")
    assert code == 0
    # On this computer's clock, and no instant of a machine's.
    assert out.startswith(f"Generation 1, rolled back, published {local(first)}.")
    assert f"started {local(run)}." in out
    assert re.search(r"\dT\d", out) is None
    # A kill between the pointer and the ledger.
    warehouse.publish(home, 1)
    with Ledger(home) as ledger:
        ledger.published(9, None, {}, "refresh")
    home.generation(8).mkdir()
    home.current.write_text("8")
    assert "Generation 8, published at an unknown time." in say("status")[1]


def test_going_back_says_that_sends_are_held_where_outreach_is_in_use(home, say, published):
    SCRIPTS["ads"] = slices(ads("20"))
    say("refresh")
    home.outreach.touch()
    code, out, _ = say("rollback")
    assert code == 0
    assert out.startswith("Generation 1 is published again.\nSends are held: ")
    assert "`caretrace release` after the next `caretrace refresh`" in out


def test_what_is_empty_or_unknown_is_said(home, say, published, tmp_path):
    code, out, _ = say("audit", "show")
    assert (code, out[:27]) == (0, "The audit log is empty: nob")
    with Sessions(home) as ledger:
        ledger.begin("1", "ann", ["analysts"])
    code, _, err = say("sessions", "end", "--reader", "anne")
    assert (code, err) == (
        2, "caretrace: Nobody of that name is signed in, so no session was ended.\n"
    )  # fmt: skip
    assert say("sessions", "end", "--reader", "ann") == (0, "1 session is over.\n", "")
    assert say("audit", "show", "--last", "1")[1].endswith("sessions of ann {}\n")
    code, _, err = say("attribute", str(tmp_path))
    assert (code, err) == (
        2, f"caretrace: {tmp_path} is a folder; name a CSV file of paths in it.\n"
    )  # fmt: skip


def test_there_is_nothing_to_go_back_to(say):
    code, _, err = say("rollback")
    assert (code, err) == (2, "caretrace: There is no earlier generation to go back to.\n")


def test_a_failing_check_is_a_sentence(home, say):
    (home.folder / "channel_rules.csv").write_text(
        "priority,kind,utm_source,utm_medium,utm_campaign,channel\n1,,google,,,guessed\n"
    )
    code, _, err = say("refresh")
    assert code == 2
    assert "caretrace: The built tables are wrong: channel_rules_name_known_channels" in err


def test_a_seed_with_wrong_columns_is_a_sentence(home, say):
    (home.folder / "channel_rules.csv").write_text("priority,channel\n1,email\n")
    code, _, err = say("refresh")
    assert code == 2
    assert "channel_rules.csv lacks the column 'kind'" in err


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (KeyboardInterrupt(), 130, "Stopped; what was published before still stands."),
        (RuntimeError("Query interrupted"), 130, "Stopped; what was published before still"),
        (OSError(28, "No space left on device"), 2, "No space left on device"),
        (
            OperationalError("select 1", {"p": SECRET}, RuntimeError("disk I/O error")),
            2,
            "The warehouse failed, and what was published still stands: disk I/O error. Try",
        ),
        (
            OperationalError("select 1", {"p": SECRET}, RuntimeError("database or disk is full")),
            2,
            "still stands: database or disk is full. Free space, then run it again",
        ),
    ],
    ids=["interrupted", "interrupted query", "full disk", "warehouse", "full database"],
)
def test_other_failures_are_a_sentence_too(say, monkeypatch, error, code, sentence):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(refresh, "refresh", fail)
    ended, _, err = say("refresh")
    assert ended == code
    assert sentence in err
    assert err.count("\n") == 1


def test_the_doctor_finds_what_is_wrong(home, say):
    assert say("doctor")[0] == 0
    home.folder.chmod(0o755)
    del SCRIPTS["emr"]
    code, out, _ = say("doctor")
    assert code == 1
    assert "ok  home folder: others could reach" in out
    assert home.folder.stat().st_mode & 0o777 == 0o700
    assert "FIX emr: There is no script 'emr'." in out
    assert "ok  crm: scripted." in out


def test_the_doctor_survives_an_unexpected_error(monkeypatch, say):
    import servers.scripted as scripted

    def crash(_context):
        raise RuntimeError(SECRET)

    monkeypatch.setattr(scripted, "connect", crash)
    code, out, _ = say("doctor")
    assert code == 1
    assert "FIX ads: failed with an unexpected RuntimeError" in out


def test_the_doctor_explains_every_setting(say):
    code, out, _ = say("doctor", "--explain")
    assert code == 0
    for kind in SOURCES:
        assert f'kind = "{kind}"' in out
    assert "CARETRACE_<NAME>_TOKEN" in out
    assert "None" not in out
    assert "claimed_actions (default lead):" in out
    assert "timezone (default UTC):" in out
    assert "api_version (optional):" in out
    assert "forms (default true):" in out
    assert "patient_namespace (default emr):" in out
    assert "(default )" not in out


def test_the_home_folder_is_where_the_environment_says(home, monkeypatch):
    assert cli.configuration.home() == home
    monkeypatch.delenv("CARETRACE_HOME")
    monkeypatch.chdir(home.folder)
    assert cli.configuration.home().folder == home.folder / "var"


@pytest.mark.parametrize("command", ["serve", "demo"])
@pytest.mark.parametrize("port", ["0", "-1", "99999"])
def test_a_port_that_does_not_exist_is_refused_before_anything(home, say, command, port):
    code, out, err = say(command, "--port", port)
    assert (code, out) == (2, "")
    assert err.startswith(f"caretrace: Port {port} does not exist; ports go from 1 to 65535.")
    assert "`--port 9000`, or `make demo PORT=9000`" in err
    assert not (home.folder / "drop").exists()


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_port_that_is_taken_is_refused_before_anything(say, command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = say(command, "--port", str(port))
    assert (code, out) == (2, "")
    assert f"Port {port} is taken by another program. Choose another: `--port 9000`" in err
    assert err.count("\n") == 1


def test_a_home_that_cannot_be_written_is_read(home, say, monkeypatch, published):
    before = {path.name: path.stat().st_mtime_ns for path in home.folder.iterdir()}
    # Root would be let in where the folder's mode says no.
    monkeypatch.setattr(type(home), "writable", False)
    assert say("status")[0] == 0
    code, out, err = say("export", "channels")
    assert (code, out) == (2, "")  # what cannot be written into the audit log is not done
    assert "audit log, so it was not done" in err
    for command in ("refresh", "rollback"):
        code, out, err = say(command)
        assert (code, out) == (2, "")
        assert err.startswith(f"caretrace: {home.folder} cannot be written. Run this as the user")
        assert err.count("\n") == 1
    code, out, _ = say("doctor")
    assert code == 1
    assert "FIX home folder: it cannot be written" in out
    assert {path.name: path.stat().st_mtime_ns for path in home.folder.iterdir()} == before


def test_a_home_that_is_a_file_is_a_sentence(home, say, monkeypatch):
    path = home.folder / "home"
    path.write_text("")
    monkeypatch.setenv("CARETRACE_HOME", str(path))
    for command in ("refresh", "status", "rollback", "doctor", "serve"):
        sentence = f"caretrace: {path} is a file. Set CARETRACE_HOME to a folder.\n"
        assert say(command) == (2, "", sentence)


def test_there_is_nothing_to_go_back_to_without_a_home(home, say, monkeypatch):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder / "none"))
    code, _, err = say("rollback")
    assert code == 2
    assert err.startswith(f"caretrace: There is no folder {home.folder / 'none'}, so nothing")
    assert not (home.folder / "none").exists()


def test_a_damaged_ledger_is_a_sentence(home, say, published):
    for path in home.folder.glob("ledger.sqlite*"):
        path.unlink()
    home.ledger.write_bytes(b"garbage\n" * 500)
    for command in ("status", "refresh"):
        code, _, err = say(command)
        assert code == 2
        assert f"{home.ledger} cannot be used (file is not a database)." in err
        assert "move it away" in err


def test_a_terminal_without_some_letters_shows_their_numbers(home, monkeypatch):
    home.config.write_text('[reports.board]\nreport = "board"\nformat = "csv"\nfolder = "żółć"\n')
    shown = TextIOWrapper(BytesIO(), "latin-1")
    monkeypatch.setattr(sys, "stdout", shown)
    assert main(["report", "list"]) == 0
    assert b" to \\u017c\xf3\\u0142\\u0107." in shown.buffer.getvalue()


def test_a_killed_refresh_is_not_said_to_be_running(home, say, published):
    with Ledger(home) as ledger:
        ledger.start(["models"])
    assert "Last refresh: killed, started " in say("status")[1]


def test_a_configuration_without_a_source_is_refused(home, say):
    home.config.write_text('title = "Ours"\n')
    code, out, err = say("refresh")
    assert (code, out) == (2, "")
    assert err.startswith(f"caretrace: {home.config} names no source, so there is nothing to load.")
    assert not home.generations.exists()


def test_a_day_that_is_none_is_refused_with_the_form(capfd):
    with pytest.raises(SystemExit) as ended:
        main(["export", "channels", "--since", "2026-13-01"])
    assert ended.value.code == 2
    said = "argument --since: '2026-13-01' is not a day: write year, month and day as 2026-01-05"
    assert said in capfd.readouterr().err


def test_a_report_that_cannot_be_written_is_refused_before_it_is_made(home, say, monkeypatch):
    out = home.folder / "none" / "channels.csv"
    code, _, err = say("export", "channels", "--out", str(out))
    assert (code, err.count("\n")) == (2, 1)
    assert f"There is no folder {out.parent} to write into. Make it, or change --out." in err
    err = say("export", "board", "--format", "pdf", "--out", str(home.folder))[2]
    assert f"is a folder. Name a file in it: --out {home.folder / 'board.pdf'}." in err
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    code, out, err = say("export", "channels", "--format", "xlsx")
    assert (code, out) == (2, "")
    assert "A terminal cannot show this file. Name a place for it: --out channels.xlsx." in err


def of_command(out, content):
    """As mix, budget and lift write what they found."""
    mix_command.write(out, content, lambda: None)


@pytest.mark.parametrize("write", [terminal.write_out, of_command])
def test_a_full_disk_leaves_no_part_of_a_file_that_was_asked_for(tmp_path, monkeypatch, write):
    out = tmp_path / "channels.csv"
    terminal.write_out(out, b"as it was")
    whole = Path.write_bytes

    def full(path, content):
        whole(path, content[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write(out, b"a longer one")
    assert out.read_bytes() == b"as it was"
    assert [path for path in tmp_path.iterdir() if path.is_file()] == [out]


@pytest.mark.parametrize(
    "command",
    [
        ["mix"],
        ["budget", "--save", "Unwritten"],
        ["lift", "analyse", "A test"],
        ["attribute", "paths.csv"],
        ["definitions"],
        ["export", "channels"],
    ],
)
def test_what_may_not_be_written_is_told_before_anything_is_made(
    home, tmp_path, monkeypatch, say, command
):
    """Root may write anywhere, so who may not is told by the system's answer alone."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    kept = folder / "kept.csv"
    kept.write_bytes(b"kept")
    closed, may = {folder}, os.access
    monkeypatch.setattr(os, "access", lambda at, *how: Path(at) not in closed and may(at, *how))
    for out in (folder / "new.csv", kept):
        code, _, err = say(*command, "--out", str(out))
        assert code == 2
        assert f"Nothing may be written into {folder} by you. Name a file elsewhere." in err
    closed = {kept}
    assert f"{kept} may not be written by you." in say(*command, "--out", str(kept))[2]
    assert [path.read_bytes() for path in folder.iterdir()] == [b"kept"]


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_that_was_asked_for_is_open_to_whom_it_was(tmp_path, monkeypatch, mode):
    out, link = tmp_path / "channels.csv", tmp_path / "link.csv"
    terminal.write_out(out, b"new")
    umask = os.umask(0o022)
    os.umask(umask)
    assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~umask
    out.chmod(mode)
    link.symlink_to(out)
    whole, seen = Path.write_bytes, []

    def watched(path, content):
        seen.append(stat.S_IMODE(path.stat().st_mode))
        return whole(path, content)

    monkeypatch.setattr(Path, "write_bytes", watched)
    for to in (out, link):
        terminal.write_out(to, b"newer")
        assert stat.S_IMODE(out.stat().st_mode) == mode
    assert seen == [mode, mode]  # never open to more, not even for a moment
    assert link.is_symlink()


def test_a_name_as_long_as_a_name_may_be_is_written(tmp_path):
    out = tmp_path / ("c" * 255)
    for content in (b"new", b"newer"):
        terminal.write_out(out, content)
        assert out.read_bytes() == content
    assert list(tmp_path.glob("[.c]*")) == [out]


def test_only_a_process_of_ours_sets_how_pandas_keeps_text(home):
    script = """
import pandas as pd
from attribution import attribute
from attribution.cli import main
before = pd.get_option("mode.string_storage")
main(["status"])
print(before, pd.get_option("mode.string_storage"))
"""
    said = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"CARETRACE_HOME": str(home.folder)},
    )
    assert said.stdout.splitlines()[-1] == "auto python"
