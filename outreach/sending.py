"""Sending: approved messages of one flow, as far as consent, hours, days and the way out allow.

Consent is asked for every batch, of what is published by then and of refusals that reached us
since, and what is left of a batch is read and asked about again whenever either has changed. A
message begins in the same transaction that looks for such changes: a refusal, an appointment that
was moved and a person who was forgotten before it begins are honoured.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from attribution.contacts import Contacts
from attribution.errors import BadInput, Busy
from attribution.holding import sends_held
from attribution.outreach_settings import Outreach
from attribution.paths import Home
from outreach import consent, marks
from outreach.audience import Published, people_by_now
from outreach.caps import capped
from outreach.doubts import Settled, after_a_kill, doubtful, settle
from outreach.flow import Flow
from outreach.hearing import Ear
from outreach.letters import Letter, letters
from outreach.opening import in_use, only_here, opened
from outreach.outbox import Change, Outbox, Stop, only_sender
from outreach.rules import check, not_yet, quiet, zone_of
from outreach.taking_back import Taken, take_back
from outreach.ways import CannotSend, Fate, Throttled, Unanswered, Way
from outreach.zones import is_quiet

BATCH = 200
_FIRST_RETRY = timedelta(minutes=5)
_PATIENT = 6  # times that a way may ask to be left alone, in a row
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds
Clock = Callable[[], datetime]
Who = tuple[int, str, str]


@dataclass(slots=True)
class Result:
    """What one sending did: messages by state, by reason, and why it stopped early if it did."""

    states: dict[str, int] = field(default_factory=dict)
    settled: Settled = field(default_factory=Settled)
    heard: int = 0  # refusals and bounces that we had not known
    taken: Taken = field(default_factory=Taken)  # off lists, campaigns and tasks
    quiet: int = 0
    unwritten: int = 0  # whose template says what is known of others alone
    stopped: str = ""


def send(
    home: Home,
    flow: Flow,
    settings: Outreach,
    contacts: Contacts,
    outbox: Outbox,
    *,
    demo: bool = False,
    now: datetime | None = None,
) -> Result:
    """Send what an approved version of a flow has waiting.

    Raises BadInput where this version is not approved, ended, or has not begun; Busy where another
    sender is at work.
    """
    started = time.monotonic()

    def clock() -> datetime:
        # It goes on: a sending may go on until it is night somewhere.
        if now is None:
            return datetime.now(UTC)
        return now + timedelta(seconds=time.monotonic() - started)

    zone = zone_of(home)
    today = clock().astimezone(zone).date()
    check(flow, settings, today)
    if soon := not_yet(flow, today):
        raise BadInput(soon)
    if not outbox.approved(flow.name, flow.version):
        raise BadInput(
            f"This version of {flow.name} ({flow.version}) is not approved. Look at it with "
            f"`caretrace outreach preview {flow.name}`, then approve it."
        )
    if demo:
        for name in in_use(settings):
            only_here(settings, name)
    with only_sender(home) as mine:
        if not mine:
            raise Busy("Another process is sending. Wait for it, or stop it.")
        return _Sending(home, flow, settings, contacts, outbox, clock, zone).run()


class _Sending:
    """One sending of one flow."""

    def __init__(
        self,
        home: Home,
        flow: Flow,
        settings: Outreach,
        contacts: Contacts,
        outbox: Outbox,
        clock: Clock,
        zone: ZoneInfo,
    ) -> None:
        self._home, self._flow, self._settings = home, flow, settings
        self._contacts, self._outbox, self._clock = contacts, outbox, clock
        self._zone = zone
        self._hours = quiet(flow, settings)
        self._mark_key = marks.mark_key(home)
        self._ways: dict[str, Way] = {}
        self._ear = Ear(home, settings, outbox)
        self._seen: tuple[Any, ...] = ()
        self._result = Result()

    def run(self) -> Result:
        """Settle what is in doubt, then send what waits."""
        after_a_kill(self._flow, self._outbox)
        result = self._result
        try:
            self._settle()
            result.heard += self._ear.listen()
            self._outbox.release(self._flow.name, self._flow.version)
            with Published(self._home) as ask:
                result.taken = take_back(
                    self._home, self._settings, self._contacts, self._outbox, ask.driver(),
                    flow=self._flow.name, now=self._clock(),
                )  # fmt: skip
                self._send_all(ask)
        except CannotSend as error:
            result.stopped = str(error)
        finally:
            for way in self._ways.values():
                way.close()
        result.states = dict(self._outbox.counts(self._flow.name))
        return result

    def _settle(self) -> None:
        rows = doubtful(self._flow, self._settings, self._outbox)
        self._result.settled = Settled(open=sum(len(mine) for mine in rows.values()))
        ways = {name: way for name in rows if (way := self._opened(name)) is not None}
        self._result.settled = settle(ways, rows, self._contacts, self._outbox)

    def _opened(self, name: str) -> Way | None:
        """A way that may be told of no more: then its doubts wait for a person."""
        try:
            return self._way(name)
        except CannotSend:
            return None

    def _way(self, name: str) -> Way:
        if name not in self._ways:
            self._ways[name] = opened(self._home, self._flow.name, self._settings, name)
        return self._ways[name]

    def _send_all(self, ask: Published) -> None:
        flow, box = self._flow, self._outbox
        # What was settled a moment ago may leave at once.
        until = max(self._clock(), datetime.now(UTC)).astimezone(UTC)
        while True:
            # Before the hold is asked for: a rollback holds sends before it publishes.
            self._seen = (self._outbox.written(), ask.number())
            if (reason := sends_held(self._home)) is not None:
                raise CannotSend(f"Sends are held: {reason} `caretrace release` lets them go out.")
            if self._clock().astimezone(self._zone).date() > flow.ends:
                raise CannotSend(f"{flow.name} ended on {flow.ends}; what was left stays unsent.")
            every = box.rows(
                "select zone, count(*) as messages from message where flow = ? and version = ? "
                "and state = 'approved' group by zone",
                (flow.name, flow.version),
            )
            awake = [row["zone"] for row in every if not self._quiet_in(row["zone"])]
            self._result.quiet = sum(r["messages"] for r in every if r["zone"] not in awake)
            at = until.isoformat(timespec="milliseconds")
            rows = box.waiting(flow.name, flow.version, awake, at, BATCH)
            if not rows:
                return
            self._send_batch(ask, rows)

    def _quiet_in(self, zone: str) -> bool:
        return is_quiet(zone, self._clock(), self._hours)

    def _send_batch(self, ask: Published, rows: Sequence[dict[str, Any]]) -> None:
        kept = self._willing(ask, rows)
        made, failed = letters(self._flow, kept, self._settings, self._contacts)
        if failed:
            self._outbox.move(Change(*each) for each in failed)
            self._result.unwritten += sum(reason == "template" for _key, _state, reason in failed)
        of = {row["key"]: row for row in kept}
        by_way: dict[str, deque[Letter]] = {}
        for letter in made:
            name = self._settings.way(self._flow.name, letter.channel)
            by_way.setdefault(name, deque()).append(letter)
        for name, waiting in by_way.items():
            self._send_by(name, waiting, ask, of)

    def _willing(self, ask: Published, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those who may still be written to; others are refused, until they are planned anew."""
        rows = people_by_now(ask.driver(), rows)
        refusals = self._refusals(ask, rows)
        reasons = {row["key"]: refusals[_who(row)] for row in rows if _who(row) in refusals}
        left = [row for row in rows if row["key"] not in reasons]
        at = self._clock().astimezone(UTC)
        many = capped(ask.driver(), self._outbox, self._settings, left, at) if left else set()
        reasons |= dict.fromkeys(many, "capped")
        if reasons:
            self._outbox.move(Change(key, "refused", reason) for key, reason in reasons.items())
        if many:
            self._outbox.set_aside(
                self._flow.name, at.isoformat(timespec="milliseconds"),
                [(row["person_id"], row["identifier"], row["owner"], row["channel"])
                 for row in left if row["key"] in many],
            )  # fmt: skip
        return [row for row in rows if row["key"] not in reasons]

    def _send_by(
        self, name: str, waiting: deque[Letter], ask: Published, of: dict[str, dict[str, Any]]
    ) -> None:
        """Hand letters over by one way, chunk by chunk, as long as nothing speaks against it.

        What is left when anything else was written, or published, is read and asked about anew.
        """
        way, done, busy = self._way(name), list[Change](), 0
        try:
            while waiting:
                way.ready()
                self._result.heard += self._ear.now_and_then()
                if self._seen != (self._outbox.written(), ask.number()):
                    return  # somebody refused, was forgotten, or is told something else by now
                chunk = self._chunk(way, waiting, of)
                if not chunk:
                    return
                way.lay_out(chunk)
                marked = [(one.key, marks.mark(self._mark_key, one.to, one.text)) for one in chunk]
                # Before the first byte leaves it is written down, durably, that it may have.
                begun = self._outbox.begin(marked, name, done, seen=self._seen[0])
                done = []
                if not begun:
                    way.lay_out(())
                    return
                try:
                    fates = way.hand_over(chunk)
                except Throttled as throttled:
                    self._outbox.move(_taken_back(chunk))
                    waiting.extendleft(reversed(chunk))
                    busy = self._wait(busy, throttled)
                    continue
                except Unanswered:
                    done = [Change(one.key, "in_doubt", "no answer") for one in chunk]
                    raise
                except CannotSend:
                    done = _taken_back(chunk)
                    raise
                busy = 0
                for letter, fate in zip(chunk, fates, strict=True):
                    done.append(self._outcome(letter, fate))
        finally:
            if done:
                self._outbox.move(done)

    def _chunk(
        self, way: Way, waiting: deque[Letter], of: dict[str, dict[str, Any]]
    ) -> list[Letter]:
        """The next letters that may leave at this hour; those that may not wait for another."""
        chunk: list[Letter] = []
        while waiting and len(chunk) < way.at_once:
            letter = waiting.popleft()
            if not self._quiet_in(of[letter.key]["zone"]):
                chunk.append(letter)
        return chunk

    def _wait(self, busy: int, throttled: Throttled) -> int:
        """Leave a way alone for as long as it asks; how often that was in a row."""
        seconds = _FIRST_WAIT * 2**busy if throttled.after is None else throttled.after
        if busy + 1 >= _PATIENT or seconds > _LONGEST_WAIT:
            raise CannotSend(
                "The other side asks to be left alone. What waits stays in the outbox; send again "
                "later."
            )
        time.sleep(seconds)
        return busy + 1

    def _refusals(self, ask: Published, rows: Sequence[dict[str, Any]]) -> dict[Who, str]:
        candidates = pa.table(
            {
                "person_id": pa.array([row["person_id"] for row in rows], pa.int64()),
                "channel": pa.array([row["channel"] for row in rows], pa.string()),
                "identifier": pa.array([row["identifier"] for row in rows], pa.string()),
            }
        )
        third_party = self._flow.paid_by_third_party
        sql = consent.verdicts_sql(
            self._flow.purpose, self._settings, third_party=third_party, now=self._clock()
        )
        return consent.refused(ask.driver(), candidates, self._outbox.stopped(), sql)

    def _outcome(self, letter: Letter, fate: Fate) -> Change:
        if fate.suppress:
            hard = fate.suppress == "bounced"
            stop = Stop(letter.identifier, letter.channel, hard=hard, how=fate.reason)
            self._outbox.stop([stop])
        if fate.state != "deferred":
            return Change(letter.key, fate.state, fate.reason, receipt=fate.receipt)
        tries = self._outbox.rows("select tries from message where key = ?", (letter.key,))
        count = int(tries[0]["tries"])
        if count >= self._settings.attempts:
            return Change(letter.key, "failed", fate.reason)
        later = datetime.now(UTC) + _FIRST_RETRY * 2 ** (count - 1)
        at = later.isoformat(timespec="milliseconds")
        return Change(letter.key, "approved", fate.reason, retry_at=at)


def _who(row: dict[str, Any]) -> Who:
    return row["person_id"], row["channel"], row["identifier"]


def _taken_back(chunk: Iterable[Letter]) -> list[Change]:
    return [Change(one.key, "approved", untried=True) for one in chunk]
