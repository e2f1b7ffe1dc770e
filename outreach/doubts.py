"""Doubts: messages that were on their way when the sender died, and what the server says of them.

A message is settled by evidence. That it went is shown by its Message-ID in the server's log. That
it did not is shown by its absence, where the log begins before it, and once it has a message that
we sent long enough after it: a log is written in order, and what is old is thrown away. Without a
log a person decides; nothing is ever sent again on a guess.
"""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attribution.outreach_settings import Outreach, Smtp
from attribution.paths import Home
from connectors import postfix
from outreach.flow import Flow
from outreach.handoff import handed_over
from outreach.outbox import Outbox
from outreach.smtp import message_id


@dataclass(frozen=True, slots=True)
class Settled:
    """How many doubtful messages turned out to have gone, or not, and how many stay."""

    gone: int = 0
    back: int = 0
    open: int = 0


def after_a_kill(home: Home, flow: Flow, settings: Outreach, outbox: Outbox) -> None:
    """Sort out what was being sent when the last sender ended without a word."""
    left = outbox.rows(
        "select key, channel from message where flow = ? and state = 'sending'", (flow.name,)
    )
    if not left:
        return
    in_files = handed_over(home, flow.name)
    changes = []
    for row in left:
        if row["key"] in in_files:
            changes.append((row["key"], "sent", ""))
        elif settings.delivery.get(row["channel"], "file") == "smtp":
            changes.append((row["key"], "in_doubt", "the sender ended"))
        else:
            changes.append((row["key"], "approved", ""))
    _move(outbox, changes)


def settle(flow: Flow, settings: Outreach, outbox: Outbox) -> Settled:
    """Settle by the server's log what can be settled by it."""
    doubts = outbox.rows(
        "select key, at from message where flow = ? and state = 'in_doubt'", (flow.name,)
    )
    smtp = settings.smtp
    if not doubts or smtp is None or not smtp.log:
        return Settled(open=len(doubts))
    logged = dict(accepted(Path(smtp.log)))
    since = min(logged.values(), default=None)
    sent = outbox.rows(
        "select key, at from message where state = 'sent' and channel = 'email' and at >= ?",
        (min(row["at"] for row in doubts),),
    )
    barrier = max((row["at"] for row in sent if message_id(row["key"], smtp) in logged), default="")
    changes = [(row["key"], _verdict(row, smtp, logged, since, barrier)) for row in doubts]
    _move(outbox, [(key, state, "") for key, state in changes if state])
    states = [state for _key, state in changes]
    return Settled(states.count("sent"), states.count("approved"), states.count(""))


def decide(flow: str, outbox: Outbox, *, gone: bool) -> int:
    """What a person found out about all messages of a flow that are in doubt."""
    rows = outbox.rows("select key from message where flow = ? and state = 'in_doubt'", (flow,))
    state = "sent" if gone else "approved"
    _move(outbox, [(row["key"], state, "settled by hand") for row in rows])
    return len(rows)


def accepted(folder: Path) -> Iterator[tuple[str, datetime]]:
    """The Message-IDs that the logs of a folder, in Postfix's format, show to be queued, and when.

    Times without a zone are of this computer's.
    """
    here = datetime.now().astimezone().tzinfo
    clock = postfix.Clock(here, datetime.now(UTC) + timedelta(days=1))
    for path in sorted(folder.glob("*")):
        if not path.is_file():
            continue
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
            for _key, queued in postfix.queued(lines, clock):
                # Named before it is whole; queued once it has a sender.
                if queued.message_id and queued.sender is not None:
                    yield queued.message_id, queued.at


def _verdict(
    row: dict[str, str],
    smtp: Smtp,
    logged: Mapping[str, datetime],
    since: datetime | None,
    barrier: str,
) -> str:
    if message_id(row["key"], smtp) in logged:
        return "sent"
    began = datetime.fromisoformat(row["at"])
    if since is None or since > began:
        return ""  # the part of the log that would have it is gone
    long_enough = began + timedelta(seconds=smtp.settle_seconds)
    if barrier and datetime.fromisoformat(barrier) >= long_enough:
        return "approved"
    return ""


def _move(outbox: Outbox, changes: list[tuple[str, str, str]]) -> None:
    if changes:
        outbox.move(changes)
