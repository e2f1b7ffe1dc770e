"""Text messages by Twilio, through its own client.

Twilio takes no key of ours, so a request without an answer is in doubt: the message may have been
made or not. Its list of messages to that number settles it. A message there with our text, which
is none that we know to be ours, is the doubtful one; if there is none, long enough after, it was
never made.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from attribution.outreach_settings import Outreach
from attribution.outreach_ways import Twilio
from connectors.message_formats import STOPPED, TWILIO_GONE
from connectors.patience import retry_after
from outreach import marks
from outreach.letters import Letter
from outreach.outbox import Outbox
from outreach.ways import PATIENCE, CannotSend, Doubt, Fate, Pace, Throttled

ADDRESS = "https://api.twilio.com"
# What is wrong with the sender, not with the person.
_OURS = frozenset({"20003", "20005", "21212", "21603", "21606", "21659", "21660", "21703", "21704"})
_FULL = frozenset({"20429", "21611", "30001"})  # too many requests, or too many in the queue
_LOST = frozenset({"failed", "undelivered", "canceled"})
_ARRIVED = frozenset({"delivered", "read"})
FOLLOWED = timedelta(days=3)  # carriers report until then
_SKEW = timedelta(minutes=10)  # between its clock and ours
_PAGE = 1000
_GRANT = "check account_sid, auth_token or api_key, and the sender."
_TRIAL = marks.plain("Sent from your Twilio trial account - ")


class TextMessages:
    """The messages of one account."""

    at_once = 1

    def __init__(self, settings: Outreach, key: bytes) -> None:
        told = settings.twilio
        if told is None or not told.auth_token:
            raise CannotSend(
                "Text messages cannot be sent: [outreach.twilio] and the secret auth_token "
                "(CARETRACE_OUTREACH_TWILIO_AUTH_TOKEN) must be set."
            )
        self._told: Twilio = told
        self._key = key
        self._pace = Pace(told.per_second)
        self._client = _client(told)
        self._home = f"/2010-04-01/Accounts/{told.account_sid}"

    def ready(self) -> None:
        self._pace.wait()

    def lay_out(self, letters: Sequence[Letter]) -> None:
        """Nothing is prepared."""

    def close(self) -> None:
        """Its connections end with it."""

    def hand_over(self, letters: Sequence[Letter]) -> list[Fate]:
        return [self._send(letter) for letter in letters]

    def settled(self, doubts: Sequence[Doubt], outbox: Outbox) -> dict[str, Fate]:
        known = {row["receipt"] for row in outbox.rows(
            "select receipt from message where way = 'twilio' and receipt <> ''"
        )}  # fmt: skip
        ripe = datetime.now(UTC) - timedelta(seconds=self._told.settle_seconds)
        fates: dict[str, Fate] = {}
        for doubt in sorted(doubts, key=lambda one: (one.at, one.key)):
            if not marks.same_address(self._key, doubt.mark, doubt.to):
                continue  # the number is another by now: a person decides
            found = self._listed(doubt, known)
            if found:
                known.add(found)
                fates[doubt.key] = Fate("sent", receipt=found)
            elif found is not None and doubt.at <= ripe:
                fates[doubt.key] = Fate("deferred")
        return fates

    def probe(self) -> str:
        said = self._get(f"{self._home}.json", {})
        if said.get("status") != "active":
            raise CannotSend("Twilio's account is not active, so no text message would leave.")
        self._get(f"{self._home}/Messages.json", {"PageSize": 1})
        if self._told.messaging_service:
            self._service()
        return "Twilio answers; text messages may be sent and listed."

    def states(self, since: date) -> dict[str, Fate]:
        """What became of messages that were sent since a day, by Twilio's name for them.

        Those that neither arrived nor were lost yet are left out.
        """
        fates: dict[str, Fate] = {}
        for said in self._messages({"DateSent>": since.isoformat()}):
            status, code = str(said.get("status")), str(said.get("error_code") or "")
            if status in _LOST:
                fates[str(said["sid"])] = _lost(code or status)
            elif status in _ARRIVED:
                fates[str(said["sid"])] = Fate("sent", "delivered")
        return fates

    def _send(self, letter: Letter) -> Fate:
        told = self._told
        sender = (
            {"MessagingServiceSid": told.messaging_service}
            if told.messaging_service
            else {"From": told.from_number}
        )
        try:
            answer = self._client.request(
                "POST",
                f"{told.endpoint or ADDRESS}{self._home}/Messages.json",
                data={"To": letter.to, "Body": letter.text, **sender},
                timeout=PATIENCE.socket_seconds,
            )
        except Exception as failure:
            # Never the text: it holds the address, and the number in it.
            if _never_left(failure):
                raise CannotSend(
                    "Twilio cannot be reached. What waits stays in the outbox; send again later."
                ) from None
            return Fate("in_doubt", "no answer from Twilio")
        return self._fate(int(answer.status_code), answer)

    def _fate(self, status: int, answer: Any) -> Fate:
        said = _object(answer.text)
        code = str(said.get("code") or said.get("error_code") or "")
        if status in (200, 201):
            if not said.get("sid"):
                return Fate("in_doubt", "no whole answer from Twilio")
            if str(said.get("status")) in _LOST:
                return _lost(code or str(said["status"]))
            return Fate("sent", receipt=str(said["sid"]))
        if status == 429 or code in _FULL:
            # Of a 429 Twilio says that it was not processed.
            raise Throttled(retry_after(answer.headers or {}))
        if status in (401, 403, 404) or code in _OURS:
            raise CannotSend(f"Twilio refuses [outreach.twilio]: {_GRANT} Nothing was lost.")
        if status >= 500 or status < 400:
            return Fate("in_doubt", f"status {status} from Twilio")
        return _lost(code or f"status {status}")

    def _listed(self, doubt: Doubt, known: set[str]) -> str | None:
        """Twilio's name for the message that was in doubt; "" where it lists none, and None where
        it lists one whose text it has blotted out.
        """
        blotted = False
        for said in self._messages({"To": doubt.to}):
            made, sid = _instant(said.get("date_created")), str(said.get("sid"))
            if made is None or made < doubt.at - _SKEW or sid in known:
                continue
            if not str(said.get("direction")).startswith("outbound"):
                continue
            text = str(said.get("body") or "")
            if doubt.mark in (self._mark(doubt, text), self._mark(doubt, _untried(text))):
                return sid
            blotted = blotted or not text
        return None if blotted else ""

    def _mark(self, doubt: Doubt, text: str) -> str:
        return marks.mark(self._key, doubt.to, text)

    def _messages(self, asked: Mapping[str, object]) -> Any:
        page = self._get(f"{self._home}/Messages.json", {**asked, "PageSize": _PAGE})
        while True:
            yield from page.get("messages") or ()
            beyond = str(page.get("next_page_uri") or "")
            if not beyond.startswith(f"{self._home}/"):
                return
            page = self._get(beyond, {})

    def _service(self) -> None:
        # Services live at another host of Twilio's; an endpoint of one's own stands for both.
        base = self._told.endpoint or "https://messaging.twilio.com"
        self._get(f"/v1/Services/{self._told.messaging_service}", {}, base)

    def _get(self, path: str, params: Mapping[str, object], base: str = "") -> dict[str, Any]:
        """What is at a path; a question may be asked again, so any failure is CannotSend."""
        try:
            answer = self._client.request(
                "GET",
                f"{base or self._told.endpoint or ADDRESS}{path}",
                params=dict(params) or None,
                timeout=PATIENCE.socket_seconds,
            )
            said = _object(answer.text)
        except Exception:
            raise CannotSend("Twilio did not answer. Nothing was lost; try again later.") from None
        if answer.status_code != 200:
            refused = answer.status_code in (401, 403, 404)
            what = f"refuses [outreach.twilio]: {_GRANT}" if refused else "does not answer now."
            raise CannotSend(f"Twilio {what} Nothing was lost.")
        return said


def _client(told: Twilio) -> Any:
    try:
        from twilio.http.http_client import TwilioHttpClient
        from twilio.rest import Client
    except ImportError:
        raise CannotSend(
            "Text messages need Twilio's library: pip install 'caretrace[twilio]'."
        ) from None
    return Client(
        told.api_key or told.account_sid,
        told.auth_token,
        told.account_sid,
        http_client=TwilioHttpClient(timeout=PATIENCE.socket_seconds),
        # Not our environment's, which could send the token to another address.
        environment={"TWILIO_REGION": "", "TWILIO_EDGE": ""},
    )


def _lost(code: str) -> Fate:
    suppress = "opted_out" if code == STOPPED else "bounced" if code in TWILIO_GONE else ""
    return Fate("failed", f"Twilio {code}", suppress)


def _never_left(failure: Exception) -> bool:
    """Whether there was not even a connection."""
    import requests
    from urllib3.exceptions import NewConnectionError

    if isinstance(failure, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(failure.args[0], "reason", None) if failure.args else None
    return isinstance(failure, requests.exceptions.ConnectionError) and isinstance(
        reason, NewConnectionError
    )


def _object(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _instant(value: object) -> datetime | None:
    """Twilio writes instants as e-mails do."""
    try:
        return parsedate_to_datetime(str(value)).astimezone(UTC)
    except ValueError:
        return None


def _untried(text: str) -> str:
    """A text without what Twilio puts before it in an account that is on trial."""
    return marks.plain(text).removeprefix(_TRIAL)
