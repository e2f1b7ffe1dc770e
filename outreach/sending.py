"""Sending: approved messages of one flow, as far as consent, quiet hours and the server allow.

Consent is asked again for every batch, of what is published by then and of refusals that reached
us since; who refused in between is refused here.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pyarrow as pa

from attribution.contacts import Contacts
from attribution.errors import BadInput, Busy
from attribution.outreach_settings import Outreach
from attribution.paths import Home
from outreach import audience, consent, handoff
from outreach.doubts import Settled, after_a_kill, settle
from outreach.flow import Flow
from outreach.letters import Letter, letters
from outreach.outbox import Outbox
from outreach.rules import check, quiet
from outreach.smtp import CannotSend, Fate, Mailer, Refused
from outreach.zones import is_quiet

BATCH = 200
_FIRST_RETRY = timedelta(minutes=5)
# Of some zones those where it is not quiet at this moment.
_Awake = Callable[[Iterable[str]], list[str]]


@dataclass(slots=True)
class Result:
    """What one sending did: messages by state, by reason, and why it stopped early if it did."""

    states: dict[str, int] = field(default_factory=dict)
    settled: Settled = field(default_factory=Settled)
    quiet: int = 0
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

    Raises BadInput where this version is not approved, Busy where another sender is at work.
    """
    began = now or datetime.now(UTC)
    check(flow, settings, began.date())
    if not outbox.approved(flow.name, flow.version):
        raise BadInput(
            f"This version of {flow.name} ({flow.version}) is not approved. Look at it with "
            f"`caretrace outreach preview {flow.name}`, then approve it."
        )
    _only_here(settings, demo=demo)
    with outbox.only_one() as mine:
        if not mine:
            raise Busy("Another process is sending. Wait for it, or stop it.")
        after_a_kill(home, flow, settings, outbox)
        result = Result(settled=settle(flow, settings, outbox))
        outbox.release(flow.name, flow.version)
        try:
            _send_all(home, flow, settings, contacts, outbox, result, began)
        except CannotSend as error:
            result.stopped = str(error)
    result.states = dict(outbox.counts(flow.name))
    return result


def _only_here(settings: Outreach, *, demo: bool) -> None:
    """Simulated people's addresses may be somebody's: they are sent to on this computer only."""
    if not demo or settings.smtp is None or "smtp" not in settings.delivery.values():
        return
    try:
        loopback = ip_address(settings.smtp.host).is_loopback
    except ValueError:
        loopback = settings.smtp.host == "localhost"
    if not loopback:
        raise BadInput("This is a simulated health system: its mail server must be on 127.0.0.1.")


def _send_all(
    home: Home,
    flow: Flow,
    settings: Outreach,
    contacts: Contacts,
    outbox: Outbox,
    result: Result,
    now: datetime,
) -> None:
    begins, ends = quiet(flow, settings)
    every = outbox.rows(
        "select distinct zone from message where flow = ? and version = ? and state = 'approved'",
        (flow.name, flow.version),
    )
    started = time.monotonic()

    def awake(letter_zones: Iterable[str]) -> list[str]:
        """Zones where it is not quiet now: a sending may go on until it is night somewhere."""
        at = now + timedelta(seconds=time.monotonic() - started)
        return [zone for zone in letter_zones if not is_quiet(zone, at, begins, ends)]

    zones = [row["zone"] for row in every]
    # What was settled a moment ago may leave at once.
    until = max(now, datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds")
    with _Consent(home) as ask, _Ways(home, flow, settings, outbox, awake) as ways:
        while rows := outbox.waiting(flow.name, flow.version, awake(zones), until, BATCH):
            refusals = _refusals(ask, flow, settings, outbox, rows)
            changes = [(row["key"], "refused", refusals[_who(row)])
                       for row in rows if _who(row) in refusals]  # fmt: skip
            kept = [row for row in rows if _who(row) not in refusals]
            made, failed = letters(flow, kept, settings, contacts)
            if changes or failed:
                outbox.move([*changes, *failed])
            ways.take(made, {row["key"]: row["zone"] for row in kept})
    left = outbox.rows(
        "select zone, count(*) as messages from message where flow = ? and version = ? "
        "and state = 'approved' group by zone",
        (flow.name, flow.version),
    )
    asleep = {row["zone"] for row in left} - set(awake(row["zone"] for row in left))
    result.quiet = sum(row["messages"] for row in left if row["zone"] in asleep)


class _Consent:
    """Answers consent from whatever generation is published when it is asked."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._number: int | None = None
        self._open: Any = None

    def __enter__(self) -> "_Consent":
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def driver(self) -> Any:
        """The private store that is published now."""
        number = audience.generation_of(self._home)
        if number != self._number:
            self._let_go()
            self._open = audience.private_store(self._home, number)
            self._driver = self._open.__enter__()
            self._number = number
        return self._driver

    def _let_go(self) -> None:
        if self._open is not None:
            self._open.__exit__(None, None, None)
            self._open = None


def _refusals(
    ask: _Consent,
    flow: Flow,
    settings: Outreach,
    outbox: Outbox,
    rows: Sequence[dict[str, Any]],
) -> dict[tuple[int, str, str], str]:
    candidates = pa.table(
        {
            "person_id": pa.array([row["person_id"] for row in rows], pa.int64()),
            "channel": [row["channel"] for row in rows],
            "identifier": [row["identifier"] for row in rows],
        }
    )
    sql = consent.verdicts_sql(flow.purpose, settings, third_party=flow.paid_by_third_party)
    return consent.refused(ask.driver(), candidates, outbox.stopped(), sql)


def _who(row: dict[str, Any]) -> tuple[int, str, str]:
    return row["person_id"], row["channel"], row["identifier"]


class _Ways:
    """The ways out: each letter goes the way that its channel is told to go."""

    def __init__(
        self, home: Home, flow: Flow, settings: Outreach, outbox: Outbox, awake: _Awake
    ) -> None:
        self._home, self._flow, self._settings, self._outbox = home, flow, settings, outbox
        self._awake = awake
        self._mailer: Mailer | None = None

    def __enter__(self) -> "_Ways":
        return self

    def __exit__(self, *_: object) -> None:
        if self._mailer is not None:
            self._mailer.__exit__()

    def take(self, made: Sequence[Letter], zones: Mapping[str, str]) -> None:
        """Hand over some letters; `zones` has where each lives, by its key."""
        by_mail = [one for one in made if self._settings.delivery.get(one.channel) == "smtp"]
        in_file = [one for one in made if self._settings.delivery.get(one.channel) != "smtp"]
        begun = [one for one in in_file if self._outbox.begin(one.key)]
        if begun:
            handoff.hand_over(self._home, self._flow.name, begun)
            self._outbox.move([(one.key, "sent", "") for one in begun])
        if by_mail:
            self._mail(by_mail, zones)

    def _mail(self, made: Sequence[Letter], zones: Mapping[str, str]) -> None:
        self._mailer = self._mailer or Mailer(self._settings)
        done: list[tuple[str, str, str]] = []
        retry_at: str | None = None
        try:
            for letter in made:
                self._mailer.ready()
                if not self._awake([zones[letter.key]]):
                    continue
                # Before the first byte leaves it is written down, durably, that it may have.
                begun = self._outbox.begin(letter.key, done, retry_at=retry_at)
                done, retry_at = [], None
                if not begun:
                    continue
                try:
                    fate = self._mailer.hand_over(letter)
                except Refused:
                    done = [(letter.key, "approved", "")]  # nothing of it left
                    raise
                done, retry_at = self._outcome(letter, fate)
        finally:
            self._outbox.move(done, retry_at=retry_at)

    def _outcome(self, letter: Letter, fate: Fate) -> tuple[list[tuple[str, str, str]], str | None]:
        if fate.hard:
            self._outbox.stop([(None, letter.identifier, letter.channel, "", True, fate.reason)])
        if fate.state != "deferred":
            return [(letter.key, fate.state, fate.reason)], None
        tries = self._outbox.rows("select tries from message where key = ?", (letter.key,))
        count = int(tries[0]["tries"])
        if count >= self._settings.attempts:
            return [(letter.key, "failed", fate.reason)], None
        later = datetime.now(UTC) + _FIRST_RETRY * 2 ** (count - 1)
        return [(letter.key, "approved", fate.reason)], later.isoformat(timespec="milliseconds")
