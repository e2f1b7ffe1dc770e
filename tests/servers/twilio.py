"""A loopback Twilio: the messages of one account by day of sending, newest first, in pages.

    with TwilioServer(sample(today)) as server:
        options = {"endpoint": server.url, "account_sid": server.account, ...}  # server.token

As the real one it filters by whole days of GMT and by number, pages by `next_page_uri` and hands
out the text of each message, which nobody may store. What it is given to send it queues: that has
no day of sending yet. `server.stopped` are numbers that answered STOP, `server.unknown` none.
"""

import base64
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from servers.loopback import Loopback, Reply, Request, as_json

PRIVATE = "See you about your knee, Jane"


def refusal(status: int, code: int, words: str) -> Reply:
    """Twilio's error."""
    return as_json({"code": code, "message": words, "more_info": "", "status": status}, status)


def message(
    number: int,
    at: datetime,
    status: str = "delivered",
    *,
    person: str = "+12125550100",
    updated: datetime | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A message as Twilio tells of it."""
    said = {
        "sid": f"SM{number:032x}",
        "account_sid": "AC" + "a" * 32,
        "messaging_service_sid": "MG" + "1" * 32,
        "direction": "outbound-api",
        "from": "+12125550199",
        "to": person,
        "body": PRIVATE,
        "status": status,
        "date_created": format_datetime(at),
        "date_sent": format_datetime(at),
        "date_updated": format_datetime(updated or at + timedelta(minutes=1)),
        "price": "-0.00790",
        "price_unit": "USD",
        "error_code": None,
        "error_message": None,
        "num_segments": "1",
    }
    return said | more


def incoming(number: int, at: datetime, body: str, *, person: str = "+12125550100") -> Any:
    """A message that a person wrote."""
    return message(
        number, at, "received", direction="inbound", body=body, to="+12125550199",
        **{"from": person}, messaging_service_sid=None,
    )  # fmt: skip


def sample(today: date) -> list[dict[str, Any]]:
    """Two texts, an answer and an opt-out, all of yesterday."""
    noon = datetime.combine(today - timedelta(days=1), time(12), UTC)
    hour = timedelta(hours=1)
    return [
        message(1, noon),
        message(2, noon + hour, "undelivered", person="+12125550101", error_code=30005),
        incoming(3, noon + 2 * hour, "Yes, I will come"),
        incoming(4, noon + 3 * hour, "Stop", person="+12125550101"),
    ]


class TwilioServer(Loopback):
    """One account."""

    def __init__(self, messages: Iterable[dict[str, Any]] = (), *, most: int = 1000) -> None:
        super().__init__()
        self.account = "AC" + "a" * 32
        self.token = "loopback-twilio-token"
        self.user = self.account
        self.most = most
        self.messages = list(messages)
        self.stopped: set[str] = set()
        self.unknown: set[str] = set()
        self.service = "MG" + "1" * 32

    def become(self, place: int, status: str, code: int | None = None) -> None:
        """Let a message that was queued come to an end."""
        at = format_datetime(datetime.now(UTC))
        self.messages[place] |= {"status": status, "error_code": code, "date_sent": at}

    def answer(self, request: Request) -> Reply:
        given = base64.b64encode(f"{self.user}:{self.token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {given}":
            return refusal(401, 20003, "Authenticate")
        home = f"/2010-04-01/Accounts/{self.account}"
        if request.path == f"{home}.json":
            return as_json({"sid": self.account, "friendly_name": "Clinic", "status": "active"})
        if request.path == f"{home}/Messages.json" and request.method == "POST":
            return self._take(request.form())
        if request.path == f"{home}/Messages.json":
            return self._page(request.query, home)
        if request.path == f"/v1/Services/{self.service}":
            return as_json({"sid": self.service, "friendly_name": "Reminders"})
        return refusal(404, 20404, "The requested resource was not found")

    def _take(self, form: dict[str, str]) -> Reply:
        to = form["To"]
        if to in self.stopped:
            return refusal(400, 21610, "Attempt to send to unsubscribed recipient")
        if to in self.unknown:
            return refusal(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if "MessagingServiceSid" not in form and "From" not in form:
            return refusal(400, 21603, "A 'From' phone number is required")
        made = message(
            1000 + len(self.messages), datetime.now(UTC), "queued", person=to, body=form["Body"],
            date_sent=None, **{"from": form.get("From")},
            messaging_service_sid=form.get("MessagingServiceSid"),
        )  # fmt: skip
        self.messages.append(made)
        return as_json(made, 201)

    def _page(self, query: dict[str, str], home: str) -> Reply:
        size = min(int(query.get("PageSize", 50)), self.most)
        since, until = query.get("DateSent>", ""), query.get("DateSent<", "9999-12-31")
        found = [said for said in self.messages if query.get("To", said["to"]) == said["to"]]
        if since:  # what was not sent yet has no day of sending
            sent = [said for said in found if said["date_sent"] is not None]
            found = [said for said in sent if since <= _sent(said).date().isoformat() <= until]
        found.sort(key=lambda said: _instant(said["date_created"]), reverse=True)
        number = int(query.get("Page", 0))
        part = found[number * size : (number + 1) * size]
        more = len(found) > (number + 1) * size
        beyond = {**query, "PageSize": size, "Page": number + 1, "PageToken": f"PT{number}"}
        following = f"{home}/Messages.json?{urlencode(beyond)}"
        return as_json(
            {
                "messages": part, "page": number, "page_size": size,
                "next_page_uri": following if more else None, "uri": f"{home}/Messages.json",
            }
        )  # fmt: skip


def _sent(said: dict[str, Any]) -> datetime:
    return _instant(said["date_sent"])


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%a, %d %b %Y %H:%M:%S %z").astimezone(UTC)
