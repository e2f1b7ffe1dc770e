"""Members of a Salesforce campaign, and tasks, through simple-salesforce.

What is there is asked first, deleted records among it: somebody whom a person took out of a
campaign is not put back. A campaign takes a contact once; a task is made under a key of ours, in a
field that Salesforce holds unique. So handing over again makes nothing twice.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from attribution.outreach_settings import Outreach
from attribution.outreach_ways import SALESFORCE_TASK, Salesforce
from connectors.errors import SourceError
from connectors.salesforce_query import Asked, Queries
from connectors.salesforce_session import Session
from outreach.letters import Letter
from outreach.outbox import Outbox
from outreach.ways import PATIENCE, CannotSend, Doubt, Fate, Given, Write, cannot

_LEAD = "00Q"  # how the ids of leads begin
_PASSING = frozenset({"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
_THERE = frozenset({"DUPLICATE_VALUE", "DUPLICATE_EXTERNAL_ID"})
_GONE = frozenset({"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND"})
_SUBJECT = 255  # letters that a task's subject takes
_GRANT = (
    "give its user 'API Enabled', Read on leads and contacts, Edit on campaigns or tasks, and the "
    "key field; check the log-in as docs/sources-crm.md says."
)
Record = dict[str, Any]


class People:
    """What campaigns and tasks have in common."""

    at_once = 200  # what a collection takes

    def __init__(self, settings: Outreach) -> None:
        told = settings.salesforce
        if told is None:
            raise CannotSend("Salesforce cannot be used: [outreach.salesforce] must be set.")
        names = ("consumer_key", "username", "private_key_file", "private_key", "consumer_secret",
                 "domain", "api_version")  # fmt: skip
        options = {name: getattr(told, name) or None for name in names}
        try:
            self._session = Session(
                "outreach", options | {"endpoint": told.endpoint or None}, PATIENCE
            )
        except SourceError as error:
            raise cannot("Salesforce", "salesforce", _GRANT, error) from None
        except ImportError:
            raise CannotSend(
                "It needs Salesforce's library: pip install 'caretrace[salesforce]'."
            ) from None
        self._queries = Queries(self._session, 20_000)
        self._told: Salesforce = told

    def ready(self) -> None:
        """Nothing is held open."""

    def lay_out(self, letters: Sequence[Letter]) -> None:
        """Nothing is prepared."""

    def close(self) -> None:
        """Its connections end with it."""

    def _asked(self, question: Callable[[], Any]) -> Any:
        try:
            answer = question()
            return list(answer) if isinstance(answer, Iterator) else answer
        except SourceError as error:
            raise cannot("Salesforce", "salesforce", _GRANT, error) from None

    def _changed(self, method: str, records: Sequence[Record]) -> set[str]:
        """Change or delete some records by their ids; those that are as they should be."""
        if not records:
            return set()
        if method == "DELETE":
            path = "composite/sobjects"
            params = {"ids": ",".join(one["id"] for one in records), "allOrNone": "false"}
            answer = self._asked(
                lambda: self._session.ask(
                    lambda client: _whole(
                        client.restful(path, params=params, method="DELETE"), len(records)
                    )
                )
            )
            fates = [_fate(one) for one in answer]
        else:
            fates = self._written(method, "composite/sobjects", records)
        return {
            one["id"]
            for one, fate in zip(records, fates, strict=True)
            if fate.state == "sent" or fate.reason.removeprefix("Salesforce ") in _GONE
        }

    def _written(self, method: str, path: str, records: Sequence[Record]) -> list[Fate]:
        body = {"allOrNone": False, "records": list(records)}
        write = Write(self._session.failures.explain)

        def once(client: Any) -> list[Record]:
            return write.once(
                lambda: _whole(client.restful(path, method=method, json=body), len(records))
            )

        try:
            answer = self._asked(lambda: self._session.ask(once))
        except CannotSend as error:
            raise write.failed(error) from None
        return [_fate(one) for one in answer]


class CampaignMembers(People):
    """The campaign that a flow fills."""

    def __init__(self, settings: Outreach, flow: str) -> None:
        super().__init__(settings)
        self._campaigns = {name: str(given) for name, given in self._told.campaigns.items()}
        self._campaign = self._campaigns.get(flow, "")

    def hand_over(self, letters: Sequence[Letter]) -> list[Fate]:
        ids = [letter.record for letter in letters]
        there = self._members(ids)
        new = [one for one in dict.fromkeys(ids) if one not in there]
        fates = {one: Fate("sent", "was a member already") for one in there}
        if new:
            made = self._written("POST", "composite/sobjects", [self._member(one) for one in new])
            fates |= dict(zip(new, made, strict=True))
        return [fates[one] for one in ids]

    def settled(self, doubts: Sequence[Doubt], _outbox: Outbox) -> dict[str, Fate]:
        there = self._members([doubt.record for doubt in doubts if doubt.record])
        return {
            doubt.key: Fate("sent") if doubt.record in there else Fate("deferred")
            for doubt in doubts
            if doubt.record
        }

    def take_back(self, given: Sequence[Given]) -> list[str]:
        """Out of the campaign; or into the status that is set for those who refuse."""
        ids = [one.record for one in given if one.record]
        there = {
            str(row["Id"]): who for row, who in self._rows(ids) if row.get("IsDeleted") is not True
        }
        status = self._told.refused_status
        changed = self._changed(
            "PATCH" if status else "DELETE",
            [
                {"attributes": {"type": "CampaignMember"}, "id": number}
                | ({"Status": status} if status else {})
                for number in there
            ],
        )
        stay = {who for number, who in there.items() if number not in changed}
        return [one.key for one in given if one.record and one.record not in stay]

    def probe(self) -> str:
        names = self._asked(lambda: self._queries.fields("CampaignMember"))
        if "CampaignId" not in names:
            raise CannotSend(f"Salesforce shows no members of campaigns: {_GRANT}")
        asked = Asked("Campaign", ("Id",))
        ids = sorted(set(self._campaigns.values()))
        found = {str(of["Id"])[:15] for of in self._asked(
            lambda: self._queries.related(asked, "Id", ids)
        )}  # fmt: skip
        if missing := [one for one in ids if one[:15] not in found]:
            raise CannotSend(f"Salesforce has no campaign {missing[0]} that we may see.")
        return f"Salesforce answers; {len(ids):,} campaigns may be filled."

    def _members(self, ids: Sequence[str]) -> set[str]:
        """Those who are, or were, members."""
        return {who for _row, who in self._rows(ids)}

    def _rows(self, ids: Sequence[str]) -> list[tuple[Record, str]]:
        """What the campaign knows of some people, deleted or not, and of whom."""
        found: list[tuple[Record, str]] = []
        for column in ("ContactId", "LeadId"):
            mine = [one for one in ids if one.startswith(_LEAD) == (column == "LeadId")]
            asked = Asked(
                "CampaignMember", ("Id", column, "IsDeleted"), f"CampaignId = '{self._campaign}'"
            )
            question = partial(self._queries.related, asked, column, mine)
            found += [(of, str(of[column])) for of in self._asked(question)]
        return found

    def _member(self, number: str) -> Record:
        who = "LeadId" if number.startswith(_LEAD) else "ContactId"
        made = {"attributes": {"type": "CampaignMember"}, "CampaignId": self._campaign, who: number}
        return made | ({"Status": self._told.member_status} if self._told.member_status else {})


class Tasks(People):
    """Tasks about people, each under a key of ours."""

    def __init__(self, settings: Outreach, _flow: str) -> None:
        super().__init__(settings)
        if not self._told.task_key_field:
            raise CannotSend(
                "Tasks need a key: make a unique text field of tasks that is an external id, and "
                "name it task_key_field under [outreach.salesforce]."
            )
        self._field = self._told.task_key_field

    def hand_over(self, letters: Sequence[Letter]) -> list[Fate]:
        there = self._known([letter.key for letter in letters])
        new = [letter for letter in letters if letter.key not in there]
        fates = {key: Fate("sent") for key in there}
        if new:
            path = f"composite/sobjects/Task/{self._field}"
            made = self._written("PATCH", path, [self._task(letter) for letter in new])
            fates |= {letter.key: fate for letter, fate in zip(new, made, strict=True)}
        return [fates[letter.key] for letter in letters]

    def settled(self, doubts: Sequence[Doubt], _outbox: Outbox) -> dict[str, Fate]:
        there = self._known([doubt.key for doubt in doubts])
        return {one.key: Fate("sent") if one.key in there else Fate("deferred") for one in doubts}

    def take_back(self, given: Sequence[Given]) -> list[str]:
        """The tasks are closed: nobody is to do them."""
        asked = Asked("Task", ("Id", self._field, "IsClosed", "IsDeleted"))
        keys = [one.key for one in given]
        rows = self._asked(lambda: self._queries.related(asked, self._field, keys))
        still = {
            str(row["Id"]): str(row[self._field])
            for row in rows
            if row.get("IsDeleted") is not True and row.get("IsClosed") is not True
        }
        status = self._told.task_closed_status
        changed = self._changed(
            "PATCH",
            [{"attributes": {"type": "Task"}, "id": one, "Status": status} for one in still],
        )
        stay = {key for number, key in still.items() if number not in changed}
        return [key for key in keys if key not in stay]

    def probe(self) -> str:
        if self._field not in self._asked(lambda: self._queries.fields("Task")):
            raise CannotSend(
                f"Salesforce shows no field {self._field} of tasks: make it, as a unique text "
                "field that is an external id, and give the user Edit on it."
            )
        return "Salesforce answers; tasks may be made."

    def _known(self, keys: Sequence[str]) -> set[str]:
        """The keys that have a task, or had one."""
        asked = Asked("Task", ("Id", self._field))
        rows = self._asked(lambda: self._queries.related(asked, self._field, keys))
        return {str(of[self._field]) for of in rows}

    def _task(self, letter: Letter) -> Record:
        made = {
            "attributes": {"type": "Task"},
            self._field: letter.key,
            "WhoId": letter.record,
            "Subject": letter.subject[:_SUBJECT],
            "Description": letter.text,
            "ActivityDate": datetime.now(UTC).date().isoformat(),
        }
        return made | ({"OwnerId": self._told.task_owner} if self._told.task_owner else {})


def way(settings: Outreach, flow: str, name: str) -> CampaignMembers | Tasks:
    """Campaign members or tasks."""
    return Tasks(settings, flow) if name == SALESFORCE_TASK else CampaignMembers(settings, flow)


def _whole(answer: Any, count: int) -> list[Record]:
    """One result for each record; a ValueError, so that it is asked again, where there is not."""
    results = answer if isinstance(answer, list) else []
    if len(results) != count or not all(isinstance(one, dict) for one in results):
        raise ValueError
    return results


def _fate(result: Mapping[str, Any]) -> Fate:
    if result.get("success") is True:
        return Fate("sent", receipt=str(result.get("id") or ""))
    errors = result.get("errors") or [{}]
    code = str(errors[0].get("statusCode") or "")
    if code in _THERE:
        return Fate("sent", "was there already")
    said = code if re.fullmatch("[A-Z_]{3,60}", code) else "no reason given"
    return Fate("deferred" if code in _PASSING else "failed", f"Salesforce {said}")
