"""Taking back: whom a CRM was told of, and who wants no more or is forgotten, is taken off there.

A list, a campaign or a task in another system goes on after it was handed over. So whoever refuses
later, for the purpose and channel of the flow, is taken off it, also where it is in doubt whether
they are on it; and whoever is forgotten, before anything of them is deleted here, as nobody could
say afterwards who it was. What has been taken back is written down, and taking back again changes
nothing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from attribution.contacts import Contacts
from attribution.errors import BadInput
from attribution.outreach_settings import Outreach
from attribution.outreach_ways import HANDED_ON
from attribution.paths import Home
from attribution.settings import load
from outreach import consent
from outreach.audience import people_by_now
from outreach.flow import Flow, flows
from outreach.letters import revealed
from outreach.opening import only_here, recalls
from outreach.outbox import Outbox
from outreach.ways import CannotSend, Given

TAKEN = "taken back"
_MOST = 500  # names in one question of SQLite's
_ROWS = (
    "select key, flow, person_id, identifier, owner, source, channel, way, receipt from message "
    f"where way in ({', '.join('?' * len(HANDED_ON))}) and reason not like '{TAKEN}%' and "
)
# What is said of an address that is gone says nothing of what its owner wants.
_NO_REFUSAL = frozenset({"bounced"})


@dataclass(frozen=True, slots=True)
class Taken:
    """How many were taken back, how many are still there, and why, in a sentence."""

    back: int = 0
    left: int = 0
    why: str = ""


def take_back(
    home: Home,
    settings: Outreach,
    contacts: Contacts,
    outbox: Outbox,
    driver: Any,
    *,
    flow: str | None = None,
    now: datetime | None = None,
) -> Taken:
    """Take off everybody who refuses by now, of one flow or of all; `driver` knows who does."""
    rows = outbox.rows(
        # Who may be there is taken off too: taking somebody off who is not does no harm.
        f"{_ROWS} state in ('sent', 'in_doubt')" + ("" if flow is None else " and flow = ?"),
        (*HANDED_ON, *(() if flow is None else (flow,))),
    )
    if not rows:
        return Taken()
    known, at = _known(home), now or datetime.now(UTC)
    refused: dict[str, str] = {}
    for name in sorted({row["flow"] for row in rows}):
        mine = [row for row in rows if row["flow"] == name]
        refused |= _refused(driver, settings, outbox, known.get(name), mine, at)
    theirs = [row for row in rows if row["key"] in refused]
    return _taken(home, settings, contacts, outbox, theirs, refused)


def take_back_the_forgotten(
    home: Home,
    settings: Outreach,
    people: Collection[int],
    identifiers: Collection[str],
) -> Taken:
    """Take off people who are about to be forgotten, wherever a CRM was told of them."""
    if not home.outreach.is_file():
        return Taken()
    with Contacts(home) as contacts, Outbox(home) as outbox:
        found: dict[str, dict[str, Any]] = {}
        for column, values in (
            ("person_id", sorted(people)), ("owner", sorted(identifiers)),
            ("identifier", sorted(identifiers)),
        ):  # fmt: skip
            for start in range(0, len(values), _MOST):
                some = values[start : start + _MOST]
                rows = outbox.rows(
                    f"{_ROWS} state in ('sent', 'sending', 'in_doubt') and {column} in "
                    f"({', '.join('?' * len(some))})",
                    (*HANDED_ON, *some),
                )
                found |= {row["key"]: row for row in rows}
        reasons = dict.fromkeys(found, "forgotten")
        return _taken(home, settings, contacts, outbox, [*found.values()], reasons)


def _known(home: Home) -> dict[str, Flow]:
    try:
        return dict(flows(home))
    except BadInput:
        return {}


def _refused(
    driver: Any,
    settings: Outreach,
    outbox: Outbox,
    flow: Flow | None,
    rows: Sequence[dict[str, Any]],
    at: datetime,
) -> dict[str, str]:
    """The keys of those who may not be reached any more, and why.

    A flow whose file is gone was marketing at worst. People are those that records mean by now.
    """
    purpose = flow.purpose if flow else "marketing"
    third_party = flow.paid_by_third_party if flow else False
    who = {
        row["key"]: (row["person_id"], row["channel"], row["identifier"])
        for row in people_by_now(driver, rows)
    }
    candidates = pa.table(
        {
            "person_id": pa.array([person for person, _, _ in who.values()], pa.int64()),
            "channel": pa.array([channel for _, channel, _ in who.values()], pa.string()),
            "identifier": pa.array([address for _, _, address in who.values()], pa.string()),
        }
    )
    sql = consent.verdicts_sql(purpose, settings, third_party=third_party, now=at)
    verdicts = consent.refused(driver, candidates, outbox.stopped(), sql)
    return {
        key: verdicts[each]
        for key, each in who.items()
        if verdicts.get(each, "bounced") not in _NO_REFUSAL
    }


def _taken(
    home: Home,
    settings: Outreach,
    contacts: Contacts,
    outbox: Outbox,
    rows: Sequence[dict[str, Any]],
    reasons: dict[str, str],
) -> Taken:
    by_way = defaultdict(list)
    for row in rows:
        by_way[row["way"], row["flow"]].append(row)
    back, why = 0, ""
    simulated = bool(rows) and load(home).demo
    for (name, flow), mine in sorted(by_way.items()):
        try:
            if simulated:
                only_here(settings, name)
            done = _asked(home, settings, contacts, name, flow, mine)
        except (CannotSend, BadInput) as error:
            why = str(error)
            continue
        outbox.taken_back((key, f"{TAKEN}: {reasons[key]}") for key in done)
        back += len(done)
    return Taken(back, len(rows) - back, why)


def _asked(
    home: Home,
    settings: Outreach,
    contacts: Contacts,
    name: str,
    flow: str,
    rows: Iterable[dict[str, Any]],
) -> list[str]:
    """Ask one system to take people off; the keys of those who are on nothing there any more."""
    mine = list(rows)
    known = revealed(mine, contacts)
    given = [Given(row["key"], known[row["key"]][1], row["receipt"]) for row in mine]
    way = recalls(home, flow, settings, name)
    try:
        done: list[str] = []
        for start in range(0, len(given), way.at_once):
            done += way.take_back(given[start : start + way.at_once])
        return done
    finally:
        way.close()
