"""How the schedule stands, for whoever asks from outside: is it alive, what is due, late, held.

Only reads: also where nothing may be written, and beside a schedule that runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from attribution import settings as configuration
from attribution.errors import SettingsError
from attribution.local_time import local
from attribution.lock import is_held
from attribution.paths import Home
from attribution.schedule.alerts import UNTOLD
from attribution.schedule.books import Books
from attribution.schedule.facts import facts
from attribution.schedule.gate import late_sources
from attribution.schedule.known import known_plans
from attribution.schedule.plans import Plan, Planned, planned
from attribution.schedule.tables import stamp
from attribution.schedule.week import MISSED_AFTER, mistake_of

# It looks every five minutes, one that cron starts every ten: three that were missed are no chance.
QUIET = timedelta(minutes=30)
_LAST = 200  # sends that are looked through for the last of each report

Life = Literal["never ran", "runs", "looks now and then", "hangs", "does not run"]


@dataclass(frozen=True, slots=True)
class Report:
    """One planned report: when it is next due, and what became of it last ("" nothing yet)."""

    name: str
    title: str
    next_due: str
    state: str
    due: str
    reason: str
    held_by: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How the schedule stands; instants are UTC, as the ledger writes them, "" where none is.

    `tries` are the refreshes that were begun for the week whose refresh was due at `last_due`;
    `missed` says that it did not run though the schedule was in use. `late` are the sources that it
    has not read since. `wrong` are the sentences of incidents that are open; `mistake` is that of
    the settings, with which nothing runs, and is the first of them. `untold` says whom alerts do
    not reach.
    """

    life: Life
    looked_at: str
    next_refresh: str
    last_due: str
    tries: int
    missed: bool
    sources: tuple[str, ...]
    late: tuple[str, ...]
    reports: tuple[Report, ...]
    wrong: tuple[str, ...]
    mistake: str = ""
    untold: str = ""

    @property
    def alive(self) -> bool:
        """Whether it does its work."""
        return self.life in ("runs", "looks now and then") and not self.mistake

    @property
    def well(self) -> bool:
        """Whether nobody needs to do anything."""
        trouble = self.missed or self.wrong or self.untold
        return self.life not in ("hangs", "does not run") and not trouble

    def sentences(self) -> Iterator[str]:
        """The same to a person."""
        yield f"Schedule: {_LIVES[self.life]}{_looked(self)}"
        if self.life == "never ran":
            return
        if self.next_refresh:
            yield f"  Next refresh: {local(self.next_refresh)}.{_week(self)}"
        for report in self.reports:
            yield f"  Report {report.name}: {_became(report)}next on {local(report.next_due)}."
        yield from (f"  Wrong: {sentence}" for sentence in self.wrong)
        if self.untold:
            yield f"  Alerts did not reach {self.untold}."


def standing(home: Home, now: datetime) -> Standing | None:
    """How the schedule of a home folder stands; None where nothing can be said of it.

    That is where it was made by a version without one, or its settings have a mistake and it never
    ran: those who use them say what is wrong.
    """
    with Books(home) as books:
        if not books.kept():
            return None
        try:
            configuration.load(home, secrets=False)
            return _standing(home, books, planned(home), now)
        except SettingsError as error:
            return _mistaken(home, books, mistake_of(error), now)


def _mistaken(home: Home, books: Books, mistake: str, now: datetime) -> Standing | None:
    looked = _looked_at(books)
    life = _life(home, looked, now, running=facts(home, books, now).running)
    if life == "never ran":
        return None
    opened = (one for one in books.incidents(opened=True) if one["subject"] != "settings")
    wrong = (mistake, *(str(one["sentence"]) for one in opened))
    at = stamp(looked) if looked else ""
    untold = _untold(books)
    return Standing(life, at, "", "", 0, False, (), (), (), wrong, mistake, untold)


def _untold(books: Books) -> str:
    return books.beats().get(UNTOLD, (None, ""))[1]


def _looked_at(books: Books) -> datetime | None:
    return books.beats().get("looked", (None, ""))[0]


def _standing(home: Home, books: Books, told: Planned, now: datetime) -> Standing:
    beats, looked = books.beats(), _looked_at(books)
    published = facts(home, books, now)
    slots = told.week.slots
    last = slots.last(now)
    tried = beats.get("refresh", (now, ""))[1]
    begun = tried.startswith(stamp(last))
    tries = int(tried.partition(" ")[2]) if begun else 0
    # A week that was over before the schedule was first used has missed nothing.
    due = told.week.refresh and looked is not None
    late = late_sources(published, last, now, {}) if due else ()
    return Standing(
        _life(home, looked, now, running=published.running),
        stamp(looked) if looked else "",
        stamp(slots.next(now)) if told.week.refresh else "",
        stamp(last) if told.week.refresh else "",
        tries,
        due and bool(late) and not begun and now - last > MISSED_AFTER,
        tuple(sorted(published.loaded)),
        late,
        tuple(_reports(books, told, now)),
        tuple(str(one["sentence"]) for one in books.incidents(opened=True)),
        untold=_untold(books),
    )


def _life(home: Home, looked: datetime | None, now: datetime, *, running: bool) -> Life:
    alive = is_held(home.folder / "schedule.lock")
    if alive:
        # While it waits for a refresh it looks at nothing else.
        quiet = looked is not None and now - looked > QUIET and not running
        return "hangs" if quiet else "runs"
    if looked is None:
        return "never ran"
    return "looks now and then" if now - looked <= QUIET else "does not run"


def _reports(books: Books, told: Planned, now: datetime) -> Iterator[Report]:
    history = books.history(_LAST)
    for name, (plan, _, held_by) in known_plans(books, told).items():
        mine = history[history["name"] == name].head(1).to_dict("records")
        last = mine[0] if mine else {"state": "", "due_at": "", "reason": ""}
        yield Report(
            name, plan.title, _next(plan, told, now), last["state"], last["due_at"],
            last["reason"], held_by,
        )  # fmt: skip


def _next(plan: Plan, told: Planned, now: datetime) -> str:
    return stamp(plan.slots(told.week.zone).next(now))


_LIVES = {
    "never ran": "it never ran here. `caretrace schedule` refreshes every week and sends reports.",
    "runs": "it runs",
    "looks now and then": "it is started now and then",
    "hangs": "IT HANGS: its process is there and does nothing. Start it again",
    "does not run": "IT DOES NOT RUN, so nothing is refreshed and sent. Start it",
}


def _looked(stands: Standing) -> str:
    if stands.life == "never ran":
        return ""
    return f"; it last looked {local(stands.looked_at)}." if stands.looked_at else "."


def _week(stands: Standing) -> str:
    if not stands.late:
        return ""
    tries = "time" if stands.tries == 1 else "times"
    tried = f"it was tried {stands.tries} {tries}" if stands.tries else "it was not begun"
    missed = " MISSED:" if stands.missed else ""
    return (
        f"{missed} That of {local(stands.last_due)} has not brought "
        f"{', '.join(stands.late)}; {tried}."
    )


def _became(report: Report) -> str:
    if report.held_by:
        return f"held by {report.held_by}; "
    if not report.state:
        return ""
    said = f"{report.state}, that of {local(report.due)}. {report.reason}".strip()
    return f"{said if said.endswith('.') else f'{said}.'} It is "
