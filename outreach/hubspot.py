"""People on a static list of HubSpot, through its own client: what follows is HubSpot's to do.

Who is on the list is asked first, so handing over again adds nobody twice; and a list takes each
contact once whoever asks. So there is no doubt that asking does not settle.
"""

from collections.abc import Mapping, Sequence

from attribution.outreach_settings import Outreach
from connectors.errors import SourceError
from connectors.hubspot_api import Api
from connectors.hubspot_failures import Failures
from outreach.letters import Letter
from outreach.outbox import Outbox
from outreach.ways import PATIENCE, CannotSend, Doubt, Fate, Given, Write, cannot

CONTACTS = "0-1"  # HubSpot's number of the kind of object
_TAKES = ("MANUAL", "SNAPSHOT")  # a list that rules fill takes nobody from us
_GRANT = (
    "give its private app crm.lists.read, crm.lists.write and crm.objects.contacts.read, and check "
    "the number of the list and api_version."
)


class Lists:
    """The list that a flow fills."""

    at_once = 100

    def __init__(self, settings: Outreach, flow: str) -> None:
        told = settings.hubspot
        if told is None or not told.access_token:
            raise CannotSend(
                "No list of HubSpot can be filled: [outreach.hubspot] and the secret access_token "
                "(CARETRACE_OUTREACH_HUBSPOT_ACCESS_TOKEN) must be set."
            )
        try:
            from hubspot_sdk import HubSpot
        except ImportError:
            raise CannotSend(
                "Lists need HubSpot's library: pip install 'caretrace[hubspot]'."
            ) from None
        client = HubSpot(
            access_token=told.access_token,
            # Given even when it is HubSpot's own, or the library would look into the environment.
            base_url=told.endpoint or "https://api.hubapi.com",
            timeout=PATIENCE.socket_seconds,
            max_retries=0,
        )
        self._failures = Failures("outreach", told.access_token, ["lists"])
        self._api = _ListApi(client, told.api_version, self._failures, PATIENCE)
        self._lists = {name: str(number) for name, number in told.lists.items()}
        self._list = self._lists.get(flow, "")

    def ready(self) -> None:
        """Nothing is held open."""

    def lay_out(self, letters: Sequence[Letter]) -> None:
        """Nothing is prepared."""

    def close(self) -> None:
        """Its connections end with it."""

    def hand_over(self, letters: Sequence[Letter]) -> list[Fate]:
        write = Write(self._failures.explain)
        try:
            ids = [letter.record for letter in letters]
            there = self._api.members_among(self._list, ids)
            wanted = [one for one in dict.fromkeys(ids) if one not in there]
            added = self._api.add(self._list, wanted, write) if wanted else set()
        except SourceError as error:
            raise write.failed(cannot("HubSpot", "hubspot", _GRANT, error)) from None
        return [
            Fate("sent", "was on the list already")
            if one in there
            else Fate("sent")
            if one in added
            else Fate("failed", "HubSpot has no such contact")
            for one in ids
        ]

    def settled(self, doubts: Sequence[Doubt], _outbox: Outbox) -> dict[str, Fate]:
        ids = [doubt.record for doubt in doubts if doubt.record]
        there: set[str] = set()
        try:
            for start in range(0, len(ids), self.at_once):
                there |= self._api.members_among(self._list, ids[start : start + self.at_once])
        except SourceError as error:
            raise cannot("HubSpot", "hubspot", _GRANT, error) from None
        return {
            doubt.key: Fate("sent") if doubt.record in there else Fate("deferred")
            for doubt in doubts
            if doubt.record
        }

    def take_back(self, given: Sequence[Given]) -> list[str]:
        """Off the list; who is not on it any more is off it."""
        ids = list(dict.fromkeys(one.record for one in given if one.record))
        try:
            if ids:
                self._api.remove(self._list, ids)
        except SourceError as error:
            raise cannot("HubSpot", "hubspot", _GRANT, error) from None
        return [one.key for one in given if one.record]

    def probe(self) -> str:
        try:
            for number in self._lists.values():
                if self._api.kind(number) not in _TAKES:
                    raise CannotSend(
                        f"HubSpot's list {number} is filled by rules: make a static one, and put "
                        "its number under [outreach.hubspot] lists."
                    )
        except SourceError as error:
            raise cannot("HubSpot", "hubspot", _GRANT, error) from None
        return f"HubSpot answers; {len(self._lists):,} static lists may be filled."


class _ListApi(Api):
    """What HubSpot's API does with the members of lists."""

    def kind(self, number: str) -> str:
        """How a list is filled."""
        said = self.get(f"/crm/lists/{self._version}/{number}")
        found = said.get("list", said)
        return str(found.get("processingType")) if isinstance(found, Mapping) else ""

    def members_among(self, number: str, ids: Sequence[str]) -> set[str]:
        """Which of some contacts are on a list."""
        body = {"inputs": [{"objectTypeId": CONTACTS, "recordId": one} for one in ids]}
        page = self._post(f"/crm/lists/{self._version}/records/memberships/batch/read", body)
        return {
            str(said["recordId"])
            for said in page["results"]
            if any(
                str(one.get("listId")) == number for one in said.get("recordListMemberships") or ()
            )
        }

    def remove(self, number: str, ids: Sequence[str]) -> None:
        """Take contacts off a list; HubSpot passes over those who are not on it."""
        path = f"/crm/lists/{self._version}/{number}/memberships/remove"
        self._ask(lambda raw: self._client.put(path, body=list(ids), **raw), lambda _answer: None)

    def add(self, number: str, ids: Sequence[str], write: Write) -> set[str]:
        """Put contacts on a list; those that HubSpot took, or had already. Adding again is safe."""
        path = f"/crm/lists/{self._version}/{number}/memberships/add"
        said = self._ask(
            lambda raw: write.once(lambda: self._client.put(path, body=list(ids), **raw)),
            lambda _answer: None,
        )
        missing = {str(one) for one in said.get("recordIdsMissing") or ()}
        return set(ids) - missing
