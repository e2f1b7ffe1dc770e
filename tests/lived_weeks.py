"""Weeks in the life of a home folder, with its own clock and faults, and what must hold after.

The schedule, its books, the gate, the ledger and the mail server are the real ones. How a refresh
is done is said by whoever makes the weeks: `Books` only writes what a refresh writes down, for
tests; benchmarks/weeks.py runs real ones.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any, Protocol

import pytest
from servers.smtp import SmtpServer
from week_faults import SOURCES, Clock, Faults, told_by, within

from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.reports.catalog import Rendered
from attribution.schedule import sending
from attribution.schedule.books import Books
from attribution.schedule.incidents import Incidents
from attribution.schedule.known import every_plan
from attribution.schedule.letter import mail_key
from attribution.schedule.plans import planned
from attribution.schedule.tables import ENDED
from attribution.schedule.week import Runner

CONFIG = """
[schedule]
day = "sunday"
time = "02:30"
timezone = "America/Chicago"

[outreach.smtp]
host = "127.0.0.1"
port = {port}
sender = "Harbor Clinic <reports@harbor.example>"
security = "none"
per_second = 100000

[alerts]
to = ["ops@harbor.example"]

[reports.early]
report = "channels"
format = "csv"
recipients = ["cmo@harbor.example", "ceo@harbor.example"]
owner = "analyst@harbor.example"
day = "sunday"
time = "02:45"
deadline_hours = 60

[reports.monday]
report = "channels"
format = "xlsx"
recipients = ["board@harbor.example"]
day = "monday"
time = "07:00"
deadline_hours = 240
[reports.monday.max_age_days]
crm = 16
"""


class Killed(BaseException):
    """The process is gone, in the middle of what it was doing."""


class Refreshing(Protocol):
    """How a refresh is done: returns its exit code, and says what a generation holds."""

    def __call__(self, fate: str, dead: set[str], week: int) -> int: ...

    def held(self, generation: int) -> dict[str, int]:
        """The week that each source spoke of when a generation was made."""


class BooksOnly:
    """A refresh that writes down what a real one does, and keeps what sources said as JSON."""

    def __init__(self, home: Home, clock: Clock) -> None:
        self._home, self._clock = home, clock
        self._loaded: dict[str, int] = {}

    def __call__(self, fate: str, dead: set[str], week: int) -> int:
        if fate == "slow":
            self._clock.now += timedelta(hours=9)
        with Ledger(self._home) as books:
            run = books.start([f"load {name}" for name in SOURCES] + ["publish"])
            books.keep_sources(SOURCES)
            for name in SOURCES:
                with books.step(run, f"load {name}") as note:
                    note.failed = name in dead
                message = "It does not answer." if name in dead else None
                books.source_done(name, "scripted", name, 1, message)
                if name not in dead:
                    self._loaded[name] = week
            if fate == "killed":
                return -9
            if fate == "full":
                books.finish(run, "failed", None, "The disk is full.")
                return 2
            number = len(list(self._home.folder.glob("held-*"))) + 1
            held = self._home.folder / f"held-{number}"
            held.write_text(json.dumps(self._loaded))
            self._home.current.write_text(str(number))
            books.published(number, run, {}, "refresh")
            books.finish(run, "partial" if dead else "published", number, "")
        return 1 if dead else 0

    def held(self, generation: int) -> dict[str, int]:
        found = json.loads((self._home.folder / f"held-{generation}").read_text())
        return {name: found.get(name, -1) for name in SOURCES}


class Weeks:
    """So many weeks of one home folder from a start on; `run`, then `problems`."""

    def __init__(
        self,
        home: Home,
        server: SmtpServer,
        faults: Faults,
        make: Callable[[Home, Clock], Refreshing] = BooksOnly,
        *,
        config: str = "",
        every: timedelta = timedelta(days=1),
    ) -> None:
        """`every` is how long the schedule sleeps where nothing is due, or was an hour ago."""
        self.every = every
        self.home, self.server, self.faults = home, server, faults
        self.clock = Clock(faults.start)
        self.refreshing = make(home, self.clock)
        self.config = config
        self.deaths = self.refreshes = self.looks = 0
        self._rendered: dict[str, bytes] = {}  # by the hash of a file
        self._count = 0  # writes until this process dies; 0: it lives

    def run(self) -> None:
        """Live through the weeks; afterwards all is well for two days."""
        end = self.faults.start + timedelta(weeks=self.faults.weeks)
        with told_by(self.clock), self._mortal():
            self._settings(mail=True)
            for moment in self._moments(end):
                if moment < self.clock.now or within(moment, self.faults.off):
                    continue
                self.clock.now = moment
                self._settings(mail=not within(moment, self.faults.silent))
                # Death comes where there is most to do.
                if self.faults.rng.random() < (0.02 if moment.minute == 0 else 0.4):
                    self._count = self.faults.rng.randint(4, 16)
                if self.faults.rng.random() < 0.04:
                    self.server.fail("drop after", on="DATA")
                self._look()

    def at(self, moments: Sequence[datetime]) -> None:
        """Look at some moments, and at no other."""
        with told_by(self.clock):
            self._settings(mail=True)
            for self.clock.now in moments:
                self._look()

    def _moments(self, end: datetime) -> list[datetime]:
        told = planned(self.home)
        count = (end - self.faults.start) // self.every
        every = {self.faults.start + n * self.every for n in range(count)}
        for slots in (told.week.slots, *(plan.slots(told.week.zone) for plan in told.plans)):
            due = slots.since(self.faults.start, end, 1000)
            every |= {slot + timedelta(hours=later) for slot in due for later in (0, 1)}
        return sorted(every)

    def _settings(self, *, mail: bool) -> None:
        port = self.server.port if mail else 1
        self.home.config.write_text(self.config + CONFIG.format(port=port))

    def _look(self) -> None:
        self.looks += 1
        runner = Runner(
            self.home,
            clock=self.clock,
            refresh=self._refresh,
            say=lambda _sentence: None,
            sender=partial(sending.Sender, render=self._render),
        )
        try:
            runner.tick()
        except Killed:
            self.deaths += 1
        finally:
            self._count = 0

    def _refresh(self) -> int:
        self.refreshes += 1
        week = (self.clock.now - self.faults.start).days // 7
        return self.refreshing(self.faults.fate(), self.faults.dead_at(self.clock.now), week)

    def _render(
        self, _home: Home, generation: int, report: str, fmt: str, *, banner: str = "", **_: Any
    ) -> Rendered:
        if self.faults.rng.random() < 0.05:
            raise OSError(28, "No space left on device")
        said = {
            "generation": generation,
            "banner": banner,
            "held": self.refreshing.held(generation),
        }
        content = json.dumps(said).encode()
        digest = sha256(content).hexdigest()
        self._rendered[digest] = content
        manifest = {
            "title": "Channel report",
            "format": fmt,
            "rows": {"channels": 3},
            "generation": generation,
            "banner": banner,
            "sha256": digest,
            "freshness": "-",
        }
        return Rendered(f"{report}-{generation}.{fmt}", content, digest, manifest)

    @contextmanager
    def _mortal(self) -> Iterator[None]:
        """Die, where it is this process' turn, before or after one of the next writes."""
        write = Incidents._write

        @contextmanager
        def mortal(books: Incidents) -> Iterator[Any]:
            self._count -= self._count > 0
            if self._count == 1 and self.faults.rng.random() < 0.5:
                raise Killed
            with write(books) as connection:
                yield connection
            if self._count == 1:
                raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Incidents, "_write", mortal)
            yield

    def problems(self) -> list[str]:
        """What did not go as it must; the law of these weeks, read from outside."""
        with told_by(self.clock), Books(self.home) as books:
            told = planned(self.home)
            plans = every_plan(books, told, self.clock.now)
            history = books.history(10_000)
            incidents = books.incidents(limit=10_000)
        found = []
        by_key = {row["key"]: row for row in history.to_dict("records")}
        taken = Counter(self.server.ids)
        found += [f"{name} came {n} times" for name, n in taken.items() if n > 1]
        for name, (plan, since, _) in plans.items():
            slots = plan.slots(told.week.zone).since(since, self.clock.now, 1000)
            for slot in slots:
                row = by_key.pop(sending.send_key(name, slot, told.week.zone), None)
                if row is None:
                    found.append(f"{name} of {slot} is in no book")
                    continue
                found += self._one(row, plan, slot == slots[-1], taken, told)
            begun = history[(history["name"] == name) & history["begun_at"].notna()]
            if not begun.sort_values("due_at")["begun_at"].is_monotonic_increasing:
                found.append(f"{name} was sent after one that took its place")
            failures = history[(history["name"] == name) & (history["state"] == "failed")]
            alerted = [one for one in incidents if one["subject"] == f"failed {name}"]
            if len(failures) and not alerted:
                found.append(f"{name} failed and nobody was told")
        found += [f"{key} was due at no time" for key in by_key]
        return found + _untold(incidents)

    def _one(
        self, row: dict[str, Any], plan: Any, newest: bool, taken: Counter[str], told: Any
    ) -> list[str]:
        key, state = row["key"], row["state"]
        ids = [f"{mail_key(key, to)}@harbor.example" for to in plan.recipients]
        came = [taken[each] for each in ids]
        found = []
        if state not in ENDED and not newest:
            found.append(f"{key} is {state} though a newer one is due")
        if state == "sent" and not all(came):
            found.append(f"{key} is sent and came {came}")
        if state in ("held", "skipped") and any(came):
            found.append(f"{key} is {state} and came {came}")
        if state != "sent" and not row["reason"]:
            found.append(f"{key} is {state} without a reason")
        if any(came):
            found += self._marked(row, plan, told)
        return found

    def _marked(self, row: dict[str, Any], plan: Any, told: Any) -> list[str]:
        """Whether what went out was of the week that it was due in, or said that it was not."""
        said = json.loads(self._rendered[row["sha256"]])
        asked = told.week.slots.last(datetime.fromisoformat(row["due_at"]))
        # A refresh at that slot speaks of the week that the slot falls into.
        week = (asked - self.faults.start).days // 7
        allowed = {name: 16 // 7 + 1 if name in plan.max_age_days else 0 for name in SOURCES}
        late = [name for name, of in said["held"].items() if of < week - allowed[name]]
        if late and not said["banner"]:
            return [f"{row['key']} went out unmarked with {late} late"]
        return []


def _untold(incidents: list[dict[str, Any]]) -> list[str]:
    """Incidents that nobody heard of; the last may be too new."""
    return [
        f"nobody heard of {one['subject']}"
        for one in incidents
        if json.loads(one["told"]) == [] and one["closed_at"] is not None
    ]


def live(folder: Any, seed: int, weeks: int, start: datetime, **more: Any) -> Weeks:
    """Live through some weeks in a folder and return them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with SmtpServer() as server:
        lived = Weeks(Home(folder), server, Faults(seed, weeks, start), **more)
        lived.run()
    return lived


SPRING = datetime(2027, 2, 7, 6, tzinfo=UTC)  # twelve weeks over 14 March, when 2:30 never comes
AUTUMN = datetime(2026, 9, 6, 6, tzinfo=UTC)  # and over 1 November, when 1:30 comes twice
