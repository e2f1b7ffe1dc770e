"""A loopback Twilio: the messages of one account by day of sending, newest first, in pages.

    with TwilioServer(sample(today)) as server:
        options = {"endpoint": server.url, "account_sid": server.account, ...}  # server.token

As the real one it filters by whole days of GMT, pages by `next_page_uri` and hands out the text of
each message, which nobody may store.
"""

import base64
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from typing import Any

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
        message(2, noon + hour, "undelivered", person="+12125550101", error_code=30003),
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

    def answer(self, request: Request) -> Reply:
        given = base64.b64encode(f"{self.user}:{self.token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {given}":
            return refusal(401, 20003, "Authenticate")
        home = f"/2010-04-01/Accounts/{self.account}"
        if request.path == f"{home}.json":
            return as_json({"sid": self.account, "friendly_name": "Clinic", "status": "active"})
        if request.path == f"{home}/Messages.json":
            return self._page(request.query, home)
        return refusal(404, 20404, "The requested resource was not found")

    def _page(self, query: dict[str, str], home: str) -> Reply:
        size = min(int(query.get("PageSize", 50)), self.most)
        since = date.fromisoformat(query["DateSent>"])
        until = date.fromisoformat(query["DateSent<"])
        found = [said for said in self.messages if since <= _sent(said).date() <= until]
        found.sort(key=_sent, reverse=True)
        number = int(query.get("Page", 0))
        part = found[number * size : (number + 1) * size]
        more = len(found) > (number + 1) * size
        following = (
            f"{home}/Messages.json?DateSent%3E={since}&DateSent%3C={until}&PageSize={size}"
            f"&Page={number + 1}&PageToken=PT{number}"
        )
        return as_json(
            {
                "messages": part, "page": number, "page_size": size,
                "next_page_uri": following if more else None, "uri": f"{home}/Messages.json",
            }
        )  # fmt: skip


def _sent(said: dict[str, Any]) -> datetime:
    return datetime.strptime(said["date_sent"], "%a, %d %b %Y %H:%M:%S %z").astimezone(UTC)
