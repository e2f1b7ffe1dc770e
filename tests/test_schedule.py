"""The schedule: slots whatever the clocks do, the gate, and weeks in which things go wrong."""

import os
import signal
import sys
from datetime import UTC, date, datetime, time, timedelta
from threading import Event, Timer
from time import monotonic
from zoneinfo import ZoneInfo

import lived_weeks as weeks
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.cli import main
from attribution.errors import Busy, SettingsError
from attribution.schedule import running, units
from attribution.schedule.alerts import alerts
from attribution.schedule.facts import Runs
from attribution.schedule.gate import Facts, judge
from attribution.schedule.plans import planned
from attribution.schedule.slots import DAYS, Slots
from attribution.schedule.week import Stopped
from attribution.settings import load

CHICAGO = ZoneInfo("America/Chicago")
ZONES = ("America/Chicago", "Europe/London", "Australia/Lord_Howe", "UTC")
WEEK = timedelta(days=7)
MONDAY = datetime(2026, 11, 23, 11, tzinfo=UTC)  # 5:00 in Chicago


@given(
    st.sampled_from(ZONES),
    st.sampled_from(DAYS),
    st.times(),
    st.datetimes(*(datetime.fromisoformat(f"{year}-01-01") for year in (2026, 2030))),
)
def test_a_slot_comes_once_a_week_whatever_the_clocks_do(zone, day, at, now):
    slots = Slots(day, at.replace(second=0, microsecond=0), ZoneInfo(zone))
    now = now.replace(tzinfo=UTC)
    last, following = slots.last(now), slots.next(now)
    assert last <= now < following
    assert slots.local(following) - slots.local(last) == WEEK
    assert slots.since(last - WEEK * 3, now, 60)[-1] == last
    assert DAYS[slots.local(last).weekday()] == day


def test_a_time_that_is_jumped_over_or_comes_twice_is_one_slot():
    spring = Slots("sunday", time(2, 30), CHICAGO).on(date(2027, 3, 14))
    autumn = Slots("sunday", time(1, 30), CHICAGO).on(date(2026, 11, 1))
    assert spring == datetime(2027, 3, 14, 8, 30, tzinfo=UTC)  # 3:30 by the clock
    assert autumn == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)  # the first of the two
    monthly = Slots(28, time(6), CHICAGO)
    found = monthly.since(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC), 60)
    assert [monthly.local(slot).month for slot in found] == list(range(1, 13))


INSTANTS = st.none() | st.integers(-500, 200).map(lambda hours: MONDAY + timedelta(hours=hours))
KNOWN = st.builds(
    Facts,
    generation=st.none() | st.just(3),
    published_at=st.just(MONDAY),
    loaded=st.dictionaries(st.sampled_from(["ads", "crm", "emr"]), INSTANTS, min_size=1),
    refresh=st.sampled_from(["", "The last refresh failed."]),
    running=st.booleans(),
    fits=st.booleans(),
    rolled_back=st.booleans(),
)


@given(KNOWN, st.integers(0, 200), st.integers(0, 100), st.booleans())
def test_what_is_late_is_held_until_the_deadline_and_then_marked(known, hours, held, patient):
    now, deadline = MONDAY + timedelta(hours=hours), MONDAY + timedelta(hours=held)
    ages = {"crm": timedelta(days=5)} if patient else {}
    verdict = judge(known, MONDAY, now, deadline, ages)
    late = {
        name
        for name, at in known.loaded.items()
        if at is None or at < (now - ages[name] if name in ages else MONDAY)
    }
    usable = known.generation is not None and known.fits
    if not usable:
        assert verdict.says == ("fail" if now >= deadline else "hold")
    elif late or known.rolled_back:
        assert verdict.says == ("send" if now >= deadline else "hold")
        assert all(name in verdict.reason for name in late)
        assert verdict.reason in verdict.banner(by_hand=False)
    else:
        assert (verdict.says, verdict.banner(by_hand=True)) == ("send", "")
    assert verdict.reason or verdict.says == "send"


def test_weeks_with_faults_end_each_report_once_and_nothing_stale_leaves_unmarked(tmp_path):
    """`benchmarks/weeks.py` lives through many more, with real refreshes."""
    start = weeks.SPRING + timedelta(weeks=3)  # the clocks change in the second week
    lived = weeks.live(tmp_path / "home", 5, 5, start, every=timedelta(days=4))
    assert lived.problems() == []
    # Otherwise the weeks were too good to show anything.
    assert lived.deaths > 2
    assert lived.server.taken


def test_what_was_missed_while_the_computer_was_off_is_caught_up_once(tmp_path):
    faults = weeks.Faults(0, 0, weeks.AUTUMN)
    home = weeks.Home(tmp_path / "home")
    home.folder.mkdir(mode=0o700)
    faults.fate = lambda: "well"
    with weeks.SmtpServer() as server:
        lived = weeks.Weeks(home, server, faults)
        lived.at([weeks.AUTUMN, weeks.AUTUMN + timedelta(days=29)])
    with weeks.Books(home) as books:
        history, incidents = books.history(), books.incidents()
    assert lived.refreshes == 2
    states = history.groupby("name")["state"].agg(list).to_dict()
    assert states == {"early": ["sent", *["skipped"] * 4], "monday": ["sent", *["skipped"] * 3]}
    assert {"schedule"} == {one["subject"] for one in incidents}
    assert len(server.ids) == 3 + 2  # reports, and that it was missed and is over


def test_a_week_is_refreshed_when_every_source_was_read_and_published(home):
    """By one refresh or several; what was read by one that then failed counts for nothing."""
    clock = weeks.Clock(MONDAY)

    def refreshed(state: str, *sources: str) -> None:
        with weeks.Ledger(home) as books:
            run = books.start([f"load {name}" for name in sources])
            for name in sources:
                with books.step(run, f"load {name}"):
                    pass
                books.source_done(name, "scripted", name, 1, None)
            if state == "published":
                books.published(int(clock().microsecond), run, {}, "refresh")
            books.finish(run, state, None, "")

    def brought(since: datetime) -> bool:
        with Runs(home) as books:
            return books.brought(since, clock())

    with weeks.told_by(clock):
        assert not brought(MONDAY)
        refreshed("published", "ads", "crm")
        assert brought(MONDAY)
        later = clock()
        assert not brought(later)
        refreshed("failed", "ads", "crm")
        assert not brought(later)
        refreshed("published", "ads")
        assert not brought(later)
        refreshed("published", "crm")
        assert brought(later)
        assert brought(MONDAY)
        clock.now += timedelta(days=3650)  # a clock that runs ahead, and is set right
        refreshed("published", "ads", "crm")
        clock.now -= timedelta(days=3643)
        assert brought(later)
        assert not brought(clock())


def test_every_mistake_of_the_settings_is_told_at_once(home):
    home.config.write_text(
        """
[schedule]
day = "sonntag"
time = "5 o'clock"
timezone = "Chicago"
[alerts]
urls = ["jsons://secret"]
to = ["nobody"]
[reports.one]
report = "channel"
[reports.two]
report = "channels"
format = "docx"
name = "three"
filters = { location = "main" }
recipients = ["nobody", "a@b.example"]
time = "7"
deadline_hours = -1
max_age_days = { crm = "old" }
"""
    )
    with pytest.raises(SettingsError) as refused:
        load(home)
    said = str(refused.value)
    for part in (
        *("[schedule] day must", "[schedule] time must", "[schedule] timezone is no name"),
        *("[reports.one] report must be one of", "[reports.two] format must be one of"),
        *("[reports.two] name is not a setting", "[reports.two] filters.location is no filter"),
        *("recipients must be e-mail addresses: number 1", "[reports.two] time must be"),
        *("deadline_hours must be", "max_age_days must give", "[alerts] urls are secrets"),
        "[alerts] to must be e-mail addresses: number 1",
    ):
        assert part in said, part
    assert "jsons://secret" not in said


def test_recipients_need_a_mail_server(home):
    table = '[reports.one]\nreport = "channels"\nrecipients = ["a@b.example"]\n'
    home.config.write_text(table)
    with pytest.raises(SettingsError, match=r"outreach\.smtp"):
        planned(home)
    home.config.write_text(
        f'{table}[outreach.smtp]\nhost = "127.0.0.1"\nsender = "x@b.example"\nsecurity = "none"'
    )
    assert [plan.name for plan in planned(home).plans] == ["one"]
    assert alerts(home).urls == ()


def test_systemd_and_cron_are_told_where_and_what(home, capfd):
    home.config.write_text('[reports.one]\nreport = "channels"\nfolder = "."\n')
    for system, parts in (
        ("systemd", ("ExecStart=", " schedule\n", f'"CARETRACE_HOME={home.folder}"', "[Install]")),
        ("cron", ("*/10 * * * * ", f"CARETRACE_HOME={home.folder}", "schedule --once")),
    ):
        assert main(["schedule", "--print", system]) == 0
        said = capfd.readouterr().out
        assert all(part in said for part in parts), said
    odd = weeks.Home(home.folder / 'a "b" 100%')
    unit = units.unit(odd, [])
    assert 'a \\"b\\" 100%%' in unit
    # A file may be given to its folder's group: later lines add to a list, or take from it.
    asked = [line for line in unit.splitlines() if line.startswith("SystemCallFilter=")]
    assert asked[1:] == ["SystemCallFilter=~@privileged @resources", "SystemCallFilter=@chown"]
    assert r"100\%" in units.crontab(odd)


def test_the_schedule_looks_and_ends_when_it_is_told_to(home):
    home.config.write_text("[schedule]\nrefresh = false\n")
    home.current.write_text("1")

    def tell() -> None:
        for _ in range(200):
            with weeks.Books(home) as books:
                if "looked" in books.beats():
                    break
            Event().wait(0.02)
        with pytest.raises(Busy), running.only_schedule(home):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    Timer(0.01, tell).start()
    said: list[str] = []
    running.forever(home, said.append)
    assert said[-1] == "The schedule has stopped."
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def interruptible():
    """As the schedule has it: a child of a process that ignores SIGINT would ignore it too.

    Shells have what they start in the background ignore it, tests as well.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_refresh_that_runs_is_told_to_end_and_is_not_taken_for_a_failed_one(home):
    stop = Event()
    code = "import time; print('on', flush=True); time.sleep(60)"
    child = running.Child(home, stop, (sys.executable, "-S", "-c", code))

    Timer(0.3, stop.set).start()
    with pytest.raises(Stopped):
        child.run()
    killed = "import os; os.kill(os.getpid(), 9)"
    assert running.Child(home, Event(), (sys.executable, "-S", "-c", killed)).run() == -9


@pytest.mark.usefixtures("interruptible")
def test_a_refresh_that_is_told_to_end_while_it_is_started_ends(home, monkeypatch):
    stop = Event()
    child = running.Child(home, stop, (sys.executable, "-S", "-c", "import time; time.sleep(60)"))
    start = running.subprocess.Popen

    def told_meanwhile(*args, **options):
        started = start(*args, **options)
        stop.set()  # nobody waits for the process yet
        return started

    monkeypatch.setattr(running.subprocess, "Popen", told_meanwhile)
    with pytest.raises(Stopped):
        child.run()


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_one_look_that_is_told_to_stop_ends_with_its_refresh(home, monkeypatch, told):
    """Not a minute later, and without a traceback: it waited for a process that was gone."""
    code = "import os, time; os.kill(os.getppid(), int(os.sys.argv[1])); time.sleep(60)"
    command = (sys.executable, "-S", "-c", code, str(int(told)))
    monkeypatch.setattr(running.Child.__init__, "__defaults__", (command,))
    monkeypatch.setattr(running, "_LAST_WORDS", 20)
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    home.config.write_text("demo = true\n")
    began = monotonic()
    assert main(["schedule", "--once"]) == 130
    assert monotonic() - began < 15
    with running.Books(home) as books:
        assert "refresh" not in books.beats()  # the next look begins it again
