"""How the schedule stands, as `caretrace status` tells it: alive, due, late, held, missed."""

import fcntl
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Timer

import pytest

from attribution import refresh_words, status, telemetry
from attribution.cli import main
from attribution.errors import Busy, SettingsError
from attribution.ledger import Ledger
from attribution.lock import is_held
from attribution.paths import Home
from attribution.refresh import Outcome
from attribution.schedule.books import Books
from attribution.schedule.running import only_schedule
from attribution.schedule.sending import only_sender
from attribution.schedule.standing import QUIET, Standing, standing
from attribution.schedule.tables import stamp
from attribution.settings import load

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)  # a Tuesday
DUE = datetime(2026, 11, 23, 5, tzinfo=UTC)
NEXT = DUE + timedelta(weeks=1)
MINUTE = timedelta(minutes=1)
CONFIG = """
[reports.board]
report = "channels"
folder = "."
"""


@pytest.fixture
def clinic(home: Home) -> Home:
    """A home with a report, a source that was read last week, and one that never was."""
    home.config.write_text(CONFIG)
    home.current.write_text("1")
    home.generation(1).mkdir(parents=True)
    with Ledger(home) as ledger:
        run = ledger.start(["load ads"])
        ledger.source_done("crm", "scripted", "crm", 0, "The token was refused.")
        ledger.source_done("ads", "scripted", "ads", 1, None)
        with ledger.step(run, "load ads"):
            pass
        ledger.published(1, run, {}, "refresh")
        ledger.finish(run, "partial", 1, "")
        with ledger._write() as connection:
            connection.exec_driver_sql(
                "update step set ended_at = ?", (stamp(DUE - timedelta(days=7)),)
            )
    return home


def stands(home: Home, at: datetime = NOW) -> Standing:
    found = standing(home, at)
    assert found is not None
    return found


def test_where_no_schedule_ever_ran_nothing_is_missed(clinic):
    found = stands(clinic)
    assert (found.life, found.missed, found.late, found.well) == ("never ran", False, (), True)
    assert [*found.sentences()] == [
        "Schedule: it never ran here. `caretrace schedule` refreshes every week and sends reports."
    ]


def test_a_schedule_is_alive_while_it_holds_its_lock_and_looks(clinic):
    with Books(clinic) as books:
        books.beat("looked", NOW)
    assert stands(clinic).life == "looks now and then"
    assert stands(clinic, NOW + QUIET + MINUTE).life == "does not run"
    with (clinic.folder / "schedule.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert stands(clinic, NOW + QUIET).life == "runs"
        assert stands(clinic, NOW + QUIET + MINUTE).life == "hangs"
        with clinic.lock.open("w") as refreshing:  # it waits for a refresh, and looks at no clock
            fcntl.flock(refreshing, fcntl.LOCK_EX)
            assert stands(clinic, NOW + QUIET + MINUTE).life == "runs"


@pytest.mark.parametrize("hold", [only_schedule, only_sender])
def test_those_who_ask_for_its_lock_hold_nobody_up(home, hold):
    with hold(home):
        [path] = home.folder.glob("*.lock")
        with pytest.raises(Busy), hold(home):
            pass
    with path.open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        Timer(0.03, fcntl.flock, (asking, fcntl.LOCK_UN)).start()
        with hold(home):
            assert is_held(path)


def test_what_the_week_has_not_brought_is_late_and_missed_where_nobody_tried(clinic):
    with Books(clinic) as books:
        books.beat("looked", NOW)
        found = stands(clinic)
        assert (found.next_refresh, found.last_due) == (stamp(NEXT), stamp(DUE))
        assert (found.late, found.tries, found.missed) == (("ads", "crm"), 0, True)
        assert not found.well
        # Within the first hour it is about to.
        assert not stands(clinic, DUE + MINUTE).missed
        books.beat("refresh", NOW, f"{stamp(DUE)} 2")
        found = stands(clinic)
        assert (found.tries, found.missed) == (2, False)
        assert any(
            "has not brought ads, crm; it was tried 2 times." in s for s in found.sentences()
        )


def test_reports_say_when_they_are_next_due_and_what_became_of_the_last(clinic):
    with Books(clinic) as books:
        books.beat("looked", NOW)
        books.note_plan("board", NOW)
        assert [r.state for r in stands(clinic).reports] == [""]
        books.due("board/2026-11-23", "board", DUE, NOW, reason="ads is late.")
        books.open_incident("held board", "Report board is held: ads is late.", NOW)
        found = stands(clinic)
        (report,) = found.reports
        assert (report.state, report.due, report.reason) == ("held", stamp(DUE), "ads is late.")
        assert report.next_due == stamp(NEXT + timedelta(hours=2))
        assert found.wrong == ("Report board is held: ads is late.",)
        assert not found.well
        books.hold("board", "ann")
        assert stands(clinic).reports[0].held_by == "ann"


def test_what_failed_in_part_is_not_told_as_never_loaded(clinic):
    with Ledger(clinic) as ledger:
        ledger.source_done("drop", "files", "drop", 1_234, "visits-2.csv could not be read.")
    told = [*status.sentences(status.look(clinic, NOW), NOW)]
    assert (
        "  drop: loaded in part (1,234 rows), last loaded whole never. "
        "visits-2.csv could not be read." in told
    )
    assert "  crm: failed, last loaded never. The token was refused." in told
    rows = {each["source"]: each["rows_loaded"] for each in status.look(clinic, NOW).sources}
    assert rows == {"ads": 1, "crm": 0, "drop": 1_234}


def test_a_refresh_says_at_its_end_what_failed_and_what_was_rejected():
    failed = {"crm": "The token was refused.", "drop": "visits-2.csv could not be read."}
    outcome = Outcome("run", 7, failed, {"crm": 0, "drop": 1_234}, {"emr": 5, "drop": 1_020})
    assert [*refresh_words.sentences(outcome)] == [
        "crm was not loaded: The token was refused.",
        "drop was loaded in part (1,234 rows): visits-2.csv could not be read.",
        "1,025 rows were rejected (drop 1,020, emr 5); the page Data health says which and why.",
    ]
    assert [*refresh_words.sentences(Outcome("run", 7, {}, {"ads": 3}))] == []


def test_the_same_is_told_to_programs(clinic, monkeypatch, capsys):
    monkeypatch.setenv("CARETRACE_HOME", str(clinic.folder))
    assert main(["status", "--json"]) == 1  # crm failed
    told = json.loads(capsys.readouterr().out)
    assert (told["generation"], told["well"], told["schedule"]["life"]) == (1, False, "never ran")
    assert {each["source"]: each["state"] for each in told["sources"]} == {
        "ads": "fresh", "crm": "failed",
    }  # fmt: skip
    assert told["engine"] == "DuckDB, in the home folder"
    found = status.look(clinic, NOW)
    assert "Engine: DuckDB, in the home folder." in status.sentences(found, NOW)
    assert (found.refresh or {})["state"] == "partial"
    pages = [*status.sentences(replace(found, pages_only=True), NOW)]
    assert "Pulled from DuckDB, in the home folder; this host only serves pages." in pages
    assert not [each for each in pages if each.startswith("Schedule")]
    # Where none ever ran, mistakes are told by those who use the settings.
    clinic.config.write_text("[schedule]\nday = 'sonntag'\n")
    assert status.look(clinic, NOW).schedule is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("[schedule]\nday = 'sonntag'\n", "[schedule] day must be one of"),
        ("[sources.crm]\nkind = 'hubspots'\n", "[sources.crm] needs a kind"),
    ],
)
def test_a_mistake_of_the_settings_is_named_where_a_schedule_was_in_use(
    clinic, monkeypatch, capsys, wrong, said
):
    with Books(clinic) as books:
        books.beat("looked", NOW)
    with Ledger(clinic) as ledger:
        ledger.source_done("crm", "scripted", "crm", 1, None)
    assert "caretrace_schedule_alive 1.0" in telemetry.measured(clinic, NOW).decode()
    clinic.config.write_text(f"{CONFIG}{wrong}")
    found = stands(clinic)
    assert (found.life, found.alive, found.well) == ("looks now and then", False, False)
    (sentence,) = found.wrong
    assert "Nothing is refreshed or sent" in sentence
    assert said in sentence
    assert "caretrace_schedule_alive 0.0" in telemetry.measured(clinic, NOW).decode()
    monkeypatch.setenv("CARETRACE_HOME", str(clinic.folder))
    assert main(["status"]) == 1
    assert said in capsys.readouterr().out
    clinic.config.unlink()
    assert "There is no caretrace.toml" in stands(clinic).wrong[0]


def test_a_secret_that_only_the_schedule_is_given_is_no_mistake(clinic):
    """Who asks for the status at a terminal has not the environment of a service."""
    with Books(clinic) as books:
        books.beat("looked", NOW)
    reader = "issuer = 'https://a.example'\nclient_id = 'c'\naddress = 'https://b.example'"
    settled = f"[sources.my-crm]\nkind = 'hubspot'\n[sign_in]\n{reader}\nroles.admin = ['it']\n"
    clinic.config.write_text(f"{CONFIG}{settled}")
    with pytest.raises(SettingsError) as caught:
        load(clinic)
    assert str(caught.value).count(" is missing: ") == 2
    found = stands(clinic)
    assert (found.alive, found.wrong) == (True, ())
