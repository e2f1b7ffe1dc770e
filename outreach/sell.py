"""Tasks in Zendesk Sell (once Base), for those who leave it.

Sell takes no key of ours, so a task carries a short one in its text. A request without an answer is
in doubt, and the tasks of that person settle it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from attribution.outreach_settings import Outreach
from attribution.outreach_ways import Sell as Told
from connectors.errors import SourceBusy, SourceChanged, SourceError, SourceUnreachable
from connectors.zendesk_sell_api import Record, Sell
from outreach.letters import Letter
from outreach.outbox import Outbox
from outreach.ways import PATIENCE, CannotSend, Doubt, Fate, Given, Pace, Throttled, cannot

_LEAD = "lead-"  # how the loader writes the numbers of leads
_TAG = 12  # signs of a key that a task carries
_GRANT = "make an access token with Read and Write for a user who sees all records."


class SellTasks:
    """The tasks of one account."""

    at_once = 1

    def __init__(self, settings: Outreach) -> None:
        told = settings.sell
        if told is None or not told.access_token:
            raise CannotSend(
                "No task can be made in Zendesk Sell: [outreach.sell] and the secret access_token "
                "(CARETRACE_OUTREACH_SELL_ACCESS_TOKEN) must be set."
            )
        self._told: Told = told
        endpoint = told.endpoint or None
        self._questions = Sell("outreach", told.access_token, endpoint, PATIENCE)
        # What makes something is asked once: a second time it might make it again.
        self._orders = _Orders(
            "outreach", told.access_token, endpoint, replace(PATIENCE, attempts=1)
        )
        self._pace = Pace(told.per_second)

    def ready(self) -> None:
        self._pace.wait()

    def lay_out(self, letters: Sequence[Letter]) -> None:
        """Nothing is prepared."""

    def close(self) -> None:
        """Its connections end with it."""

    def hand_over(self, letters: Sequence[Letter]) -> list[Fate]:
        return [self._make(letter) for letter in letters]

    def settled(self, doubts: Sequence[Doubt], _outbox: Outbox) -> dict[str, Fate]:
        ripe = datetime.now(UTC) - timedelta(seconds=self._told.settle_seconds)
        fates: dict[str, Fate] = {}
        try:
            for doubt in (one for one in doubts if one.record):
                if found := self._task_of(doubt):
                    fates[doubt.key] = Fate("sent", receipt=found)
                elif doubt.at <= ripe:
                    fates[doubt.key] = Fate("deferred")
        except SourceError as error:
            raise cannot("Zendesk Sell", "sell", _GRANT, error) from None
        return fates

    def take_back(self, given: Sequence[Given]) -> list[str]:
        """The tasks are marked as completed: nobody is to do them."""
        try:
            for one in given:
                self._pace.wait()
                if number := one.receipt or self._task_of(one):
                    self._orders.complete(number)
        except SourceError as error:
            raise cannot("Zendesk Sell", "sell", _GRANT, error) from None
        return [one.key for one in given if one.receipt or one.record]

    def probe(self) -> str:
        try:
            self._questions.account()
            next(iter(self._questions.listed("tasks")), None)
        except SourceError as error:
            raise cannot("Zendesk Sell", "sell", _GRANT, error) from None
        return "Zendesk Sell answers; its tasks may be read. Zendesk ends Sell on 31 August 2027."

    def _task_of(self, one: Doubt | Given) -> str:
        """The number of the task that was made for somebody; "" where there is none."""
        if not one.record:
            return ""
        kind, number = _of(one.record)
        found = self._questions.listed("tasks", resource_type=kind, resource_id=number)
        return next(
            (str(of.get("id")) for of in found if _tag(one.key) in str(of.get("content"))), ""
        )

    def _make(self, letter: Letter) -> Fate:
        kind, number = _of(letter.record)
        task: dict[str, Any] = {
            "content": f"{letter.subject}: {letter.text} {_tag(letter.key)}",
            "due_date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "resource_type": kind,
            "resource_id": int(number) if number.isdigit() else number,
        }
        try:
            made = self._orders.task(
                task | ({"owner_id": self._told.owner} if self._told.owner else {})
            )
        except SourceUnreachable:
            return Fate("in_doubt", "no answer from Zendesk Sell")
        except SourceBusy:
            raise Throttled(None) from None
        except SourceChanged:
            return Fate("failed", "Zendesk Sell took no such task")
        except SourceError as error:
            raise cannot("Zendesk Sell", "sell", _GRANT, error) from None
        return Fate("sent", receipt=str(made.get("id") or ""))


class _Orders(Sell):
    """What makes something in an account."""

    def task(self, task: Record) -> Record:
        """Make a task."""
        said = self._rest.ask(
            "POST", "v2/tasks", body={"data": task}, expected=(200, 201), read=lambda a: a.object()
        )
        made = said.get("data")
        return made if isinstance(made, dict) else {}

    def complete(self, number: str) -> None:
        """Mark a task as done; one that somebody deleted is done too."""
        self._rest.ask(
            "PUT", f"v2/tasks/{number}", body={"data": {"completed": True}}, expected=(200, 404),
            read=lambda _answer: None,
        )  # fmt: skip


def _of(record: str) -> tuple[str, str]:
    """The kind and number of a record, by its number in our store."""
    kind = "lead" if record.startswith(_LEAD) else "contact"
    return kind, record.removeprefix(_LEAD)


def _tag(key: str) -> str:
    return f"[{key[:_TAG]}]"
