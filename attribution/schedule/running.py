"""Running: waits for the next thing that is due, does it, and stops when it is told to.

A refresh runs in a process of its own: its memory goes with it, and what kills it is seen from
here. APScheduler waits; what is due is asked of the books (`week`), so that whatever it missed
while the computer was off, or asleep, is caught up once.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from attribution.at_rest import owner_only
from attribution.errors import CaretraceError, SettingsError, told
from attribution.lock import alone
from attribution.paths import Home
from attribution.schedule.books import Books
from attribution.schedule.plans import planned
from attribution.schedule.week import Runner, Say, Stopped, tell_mistake

EVERY = timedelta(minutes=5)  # a held report leaves at most so long after it may
_REFRESH = (sys.executable, "-m", "attribution.cli", "refresh")
_LOOK = 0.5  # seconds between two looks whether it was told to stop while a refresh runs
_LAST_WORDS = 60  # seconds that a refresh has to end in when it is told to


@contextmanager
def only_schedule(home: Home) -> Iterator[None]:
    """Hold the lock of schedules; raises Busy where one runs."""
    home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    busy = "Another schedule runs for this home folder. Stop it first."
    with alone(home.folder / "schedule.lock", busy):
        yield


class Child:
    """The refresh as a process of its own, which is told to end when `stop` is set."""

    def __init__(self, home: Home, stop: Event, command: Sequence[str] = _REFRESH) -> None:
        self._home, self._stop, self._command = home, stop, command

    def run(self) -> int:
        """Refresh and return the exit code; raises Stopped where it was told to end."""
        if self._stop.is_set():
            raise Stopped
        environment = os.environ | {"CARETRACE_HOME": str(self._home.folder)}
        with subprocess.Popen(self._command, env=environment) as running:
            # In short waits: one without an end would keep its lock from whoever is told to stop.
            while not self._stop.is_set() and running.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    running.wait(_LOOK)
            if running.poll() is None:
                _end(running)
            code = running.wait()
        if self._stop.is_set() and code != 0:
            raise Stopped
        return code


def _end(running: "subprocess.Popen[bytes]") -> None:
    """Tell a running refresh to end; what it was about to publish is not published."""
    # As a person would at the keyboard: it writes down that it was stopped.
    running.send_signal(signal.SIGINT)
    try:
        running.wait(_LAST_WORDS)
    except subprocess.TimeoutExpired:
        running.kill()


class Moments(BaseTrigger):  # type: ignore[misc]
    """Every few minutes, and exactly when a refresh or a report is due."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """The next moment; the settings are read anew each time."""
        due = [now + EVERY]
        with suppress(SettingsError):
            every = planned(self._home)
            due.append(every.week.slots.next(now))
            due += [plan.slots(every.week.zone).next(now) for plan in every.plans]
        return min(due)


def once(home: Home, say: Say) -> bool:
    """Do what is due now and return whether all is well; for those who have a scheduler.

    Raises KeyboardInterrupt where it was told to stop while a refresh ran.
    """
    with only_schedule(home), owner_only(), _told_to_stop() as stop:
        try:
            return _runner(home, Child(home, stop), say).tick()
        except Stopped:
            raise KeyboardInterrupt from None


def forever(home: Home, say: Say) -> None:
    """Do what is due whenever it is, until SIGTERM or SIGINT."""
    with only_schedule(home), owner_only(), _told_to_stop() as stop:
        runner = _runner(home, Child(home, stop), say)
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )

        def tick() -> None:
            try:
                runner.tick()
            except Stopped:
                return
            except Exception as error:
                # What went wrong this time may be right the next: a full disk, a locked ledger.
                say(f"The schedule tripped over something and goes on. {told(error)}")

        scheduler.add_job(tick, Moments(home), next_run_time=datetime.now(UTC))
        scheduler.start()
        week = planned(home).week
        say(f"The next refresh is due on {week.slots.words} ({week.timezone}).")
        stop.wait()
        scheduler.shutdown(wait=True)
        say("The schedule has stopped.")


def mistaken(home: Home, error: SettingsError) -> None:
    """Tell of a mistake of the settings that nothing starts with, where a schedule was in use."""
    if not home.ledger.is_file():
        return  # no schedule was ever here, and a folder that is away is not to be made
    with suppress(CaretraceError, OSError), only_schedule(home), owner_only(), Books(home) as books:
        if "looked" in books.beats():
            tell_mistake(books, error, datetime.now(UTC))


def _runner(home: Home, child: Child, say: Say) -> Runner:
    return Runner(home, clock=lambda: datetime.now(UTC), refresh=child.run, say=say)


@contextmanager
def _told_to_stop() -> Iterator[Event]:
    """An event that is set when this process is told to end."""
    stop = Event()

    def tell(*_: Any) -> None:
        stop.set()

    before = {each: signal.signal(each, tell) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
