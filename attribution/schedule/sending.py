"""Sending reports: what is due waits for the gate, is made once, and goes to each place once.

A file is made and kept before anything leaves, so that all get the same bytes, also those who get
theirs after a kill. Only one process sends at a time; what another had begun is known by its state.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson

from attribution.at_rest import write_whole
from attribution.errors import told
from attribution.lock import alone
from attribution.paths import Home
from attribution.reports import catalog
from attribution.reports.catalog import Rendered
from attribution.roles import Reader
from attribution.schedule.books import Books
from attribution.schedule.checking import wrong_with
from attribution.schedule.delivery import Deliveries
from attribution.schedule.facts import facts
from attribution.schedule.gate import Facts, judge
from attribution.schedule.known import unread_plans
from attribution.schedule.plans import Plan, Week, folder_of
from attribution.schedule.tables import Send

# Nobody can tell what role reads an e-mail: what everybody may see, who may see pages.
RECIPIENT = Reader("schedule", frozenset({"viewer"}))
Render = Callable[..., Rendered]
Check = Callable[[Home, int, Rendered], str]
MISSED_AT_MOST = 60  # periods of one report that are written down when the schedule comes back
_PATIENCE = timedelta(hours=24)  # how long a mail server may be away, whatever the deadline


@contextmanager
def only_sender(home: Home) -> Iterator[None]:
    """Hold the lock of sending reports; raises Busy where another process has it."""
    busy = "Reports are being sent just now. Try again in a minute."
    with alone(home.folder / "reports.lock", busy):
        yield


class Sender:
    """All that is to be sent of one home folder, looked at once."""

    def __init__(
        self,
        home: Home,
        week: Week,
        plans: Mapping[str, tuple[Plan, datetime, str]],
        books: Books,
        deliveries: Deliveries,
        *,
        render: Render = catalog.render,
        check: Check = wrong_with,
    ) -> None:
        """`plans` has each plan, since when it is known, and who holds it."""
        self._home, self._week, self._plans, self._books = home, week, plans, books
        self._deliveries, self._render, self._check = deliveries, render, check

    def look(self, now: datetime) -> None:
        """Do whatever can be done now: note what is due, skip what is replaced, send what may go.

        Within `only_sender`.
        """
        self._books.doubt(now)
        self._books.forget_to_come(now)
        for plan, since, _ in self._plans.values():
            self._note_due(plan, since, now)
        # A day that is yet to come takes the place of nothing before it is.
        waiting = [send for send in self._books.open_sends() if send.due <= now]
        newest = {send.name: send for send in waiting}
        held = [send for send in waiting if send.state == "held"]
        if stopped := self._books.sends_held():
            for send in held:
                self._books.move(send.key, "held", now, of=("held",), reason=stopped)
            return
        known = facts(self._home, self._books, now) if held else Facts()
        for send in held:
            self._held(send, newest[send.name], known, now)
        for send in self._books.open_sends():
            if send.state == "sending":
                self._deliver(send, now)

    def only(self, key: str, now: datetime) -> None:
        """Send one, and no other; within `only_sender`."""
        self._books.doubt(now)
        send = self._books.send(key)
        if send is not None and send.state == "held":
            self._held(send, send, facts(self._home, self._books, now), now)
        send = self._books.send(key)
        if send is not None and send.state == "sending":
            self._deliver(send, now)

    def _note_due(self, plan: Plan, since: datetime, now: datetime) -> None:
        """Write down the newest period that is due; older ones that were missed are skipped."""
        zone = self._week.zone
        slots = plan.slots(zone)
        after = max(self._books.newest_due(plan.name, now) or since, since)
        missed = slots.since(after, now, MISSED_AT_MOST)
        for slot in missed:
            self._books.due(self._key(plan.name, slot), plan.name, slot, now)
        for slot in missed[:-1]:
            self._skip(self._key(plan.name, slot), missed[-1], now)

    def _key(self, name: str, slot: datetime) -> str:
        """What the send of a day is known by: another one after each that left before the day."""
        key = send_key(name, slot, self._week.zone)
        while self._books.was_ahead(key):
            key = f"{key}-again"
        return key

    def _skip(self, key: str, newer: datetime, now: datetime) -> None:
        day = newer.astimezone(self._week.zone).date()
        reason = f"The report of {day} took its place."
        self._books.move(key, "skipped", now, of=("held",), reason=reason)

    def _held(self, send: Send, newest: Send, known: Facts, now: datetime) -> None:
        if send.key != newest.key:
            self._skip(send.key, newest.due, now)
            return
        if send.name not in self._plans:
            if wrong := unread_plans(self._books).get(send.name):
                self._books.move(send.key, "held", now, of=("held",), reason=wrong)
                return
            reason = "Nobody plans it any more."
            self._books.move(send.key, "skipped", now, of=("held",), reason=reason)
            self._books.close_incident(f"held {send.name}", now)
            return
        plan, _, held_by = self._plans[send.name]
        if held_by and not send.forced_by:
            self._books.move(send.key, "held", now, of=("held",), reason=f"{held_by} holds it.")
            return
        deadline = now if send.forced_by else send.due + plan.deadline
        asked = self._week.slots.last(send.due)
        ages = {source: timedelta(days=age) for source, age in plan.max_age_days.items()}
        verdict = judge(known, asked, now, deadline, ages)
        if verdict.says == "send":
            assert known.generation is not None  # noqa: S101  the gate lets nothing else pass
            banner = verdict.banner(by_hand=bool(send.forced_by))
            wrong = self._make(plan, send, known.generation, banner, now)
            if not wrong:
                return
            verdict = replace(verdict, says="fail" if now >= deadline else "hold", reason=wrong)
        # What was due by plan, and somebody sent by hand and could not, waits on as it would have.
        waits = send.actor == "schedule"
        if verdict.says == "fail" and not (waits and now < send.due + plan.deadline):
            self._fail(send, plan.owner, verdict.reason, now)
        else:
            held: dict[str, object] = {"reason": verdict.reason, "forced_by": ""}
            self._books.move(send.key, "held", now, of=("held",), **held)
            if not known.running:  # what a refresh is about to bring is nobody's trouble
                sentence = f"{self._of(send)} is held: {verdict.reason}"
                self._books.open_incident(f"held {send.name}", sentence, now, plan.owner)

    def _make(self, plan: Plan, send: Send, generation: int, banner: str, now: datetime) -> str:
        """Make the file and begin to send it; returns why not, "" where it was done."""
        before = self._books.last_sent(plan.name)
        try:
            made = self._render(
                self._home,
                generation,
                plan.report,
                plan.format,
                said=plan.filters,
                small_cells=False,
                since_generation=before.generation if before else None,
                banner=banner,
                reader=RECIPIENT,
            )
            if wrong := self._check(self._home, generation, made):
                return wrong
            path = file_of(self._home, send.key, made.file_name)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, made.content)
        except OSError as error:
            return f"Its file cannot be written ({type(error).__name__})."
        except Exception as error:
            # Whatever a report trips over must not keep the others from being sent.
            return told(error)
        places = [("email", address) for address in plan.recipients]
        if plan.folder:
            places.append(("folder", str(folder_of(self._home, plan))))
        self._books.begin(
            send.key,
            places,
            now,
            reason=banner,
            generation=generation,
            file_name=made.file_name,
            sha256=made.sha256,
            manifest=orjson.dumps(made.manifest, default=str).decode(),
            told=orjson.dumps(plan.told(), default=str).decode(),
        )
        return ""

    def _deliver(self, send: Send, now: datetime) -> None:
        told_of = send.told
        deadline = send.due + timedelta(hours=float(told_of.get("deadline_hours", 0)))
        last = max(deadline, (send.begun or now) + _PATIENCE)
        ended = self._deliveries.go_on(self._books, send, now, over=now >= last)
        if ended is None:
            return
        if ended:
            self._fail(send, str(told_of.get("owner", "")), ended, now)
            return
        # First what others hear of: whoever dies in between comes here again.
        self._books.close_incident(f"held {send.name}", now)
        self._books.close_incident(f"failed {send.name}", now)
        self._books.move(send.key, "sent", now, of=("sending",))

    def _fail(self, send: Send, owner: str, reason: str, now: datetime) -> None:
        for kind in ("held", "folder"):
            self._books.close_incident(f"{kind} {send.name}", now, silent=True)
        sentence = f"{self._of(send)} failed: {reason}"
        self._books.open_incident(f"failed {send.name}", sentence, now, owner)
        self._books.move(send.key, "failed", now, reason=reason)

    def _of(self, send: Send) -> str:
        return f"Report {send.name} of {send.due.astimezone(self._week.zone):%-d %B %Y}"


def send_key(name: str, due: datetime, zone: ZoneInfo) -> str:
    """What a send of a plan is known by: it has one for each day that it is due."""
    return f"{name}/{due.astimezone(zone).date()}"


def folder_of_send(home: Home, key: str) -> Path:
    """The folder of a send, which holds its file."""
    return home.folder / "reports" / key


def file_of(home: Home, key: str, file_name: str) -> Path:
    """Where the file of a send is kept."""
    return folder_of_send(home, key) / file_name
