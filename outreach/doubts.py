"""Doubts: messages that were on their way when the sender died, and what becomes of them.

A message is settled by evidence that its way finds: a file, a mail log, a list of messages, the
tasks of a person, the members of a list. What no evidence settles waits for a person; nothing is
ever sent again on a guess.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from attribution.contacts import Contacts
from attribution.outreach_settings import Outreach
from outreach.flow import Flow
from outreach.letters import revealed
from outreach.outbox import Change, Outbox
from outreach.ways import Doubt, Fate, Way


@dataclass(frozen=True, slots=True)
class Settled:
    """How many doubtful messages turned out to have gone, or not, and how many stay."""

    gone: int = 0
    back: int = 0
    open: int = 0


def after_a_kill(flow: Flow, outbox: Outbox) -> None:
    """Doubt what was being sent when the last sender ended without a word."""
    left = outbox.rows("select key from message where flow = ? and state = 'sending'", (flow.name,))
    outbox.move([Change(row["key"], "in_doubt", "the sender ended") for row in left])


def doubtful(flow: Flow, settings: Outreach, outbox: Outbox) -> dict[str, list[dict[str, Any]]]:
    """The messages of a flow that are in doubt, by the way that they were going."""
    found = defaultdict(list)
    for row in outbox.rows(
        "select * from message where flow = ? and state = 'in_doubt' order by key", (flow.name,)
    ):
        found[row["way"] or settings.way(flow.name, row["channel"])].append(row)
    return found


def settle(
    ways: Mapping[str, Way],
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    contacts: Contacts,
    outbox: Outbox,
) -> Settled:
    """Settle by evidence what can be settled by it; ways that are closed by now settle nothing."""
    changes: list[Change] = []
    count = 0
    for name, mine in rows.items():
        count += len(mine)
        if name not in ways:
            continue
        known = revealed(mine, contacts)
        doubts = [
            Doubt(row["key"], datetime.fromisoformat(row["at"]), row["mark"], *known[row["key"]])
            for row in mine
        ]
        fates = ways[name].settled(doubts, outbox)
        changes += [_change(key, fate) for key, fate in fates.items()]
    if changes:
        outbox.move(changes)
    states = [change.state for change in changes]
    return Settled(states.count("sent"), states.count("approved"), count - len(states))


def decide(flow: str, outbox: Outbox, *, gone: bool) -> int:
    """What a person found out about all messages of a flow that are in doubt."""
    rows = outbox.rows("select key from message where flow = ? and state = 'in_doubt'", (flow,))
    state = "sent" if gone else "approved"
    outbox.move([Change(row["key"], state, "settled by hand") for row in rows])
    return len(rows)


def _change(key: str, fate: Fate) -> Change:
    if fate.state == "sent":
        return Change(key, "sent", receipt=fate.receipt)
    return Change(key, "approved", untried=True)
