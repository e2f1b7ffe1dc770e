"""A loopback CallRail: accounts, companies, calls with relative pages, and form submissions.

    with CallRailServer(calls=[call(1)], today=TODAY) as server:
        options = {"endpoint": server.url, "account_id": server.account, "api_key": server.key}

As the real one it sends names whatever is asked, some fields only when they are listed, calls
newest first, and refuses days that are older than 25 months. `server.calls["CAL1"]` may be edited.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from servers.loopback import Loopback, Reply, Request, as_json

ZONE = ZoneInfo("America/New_York")
DEFAULT_CALL = {
    "answered", "business_phone_number", "customer_city", "customer_country", "customer_name",
    "customer_phone_number", "customer_state", "direction", "duration", "id", "recording",
    "recording_duration", "recording_player", "start_time", "tracking_phone_number", "voicemail",
}  # fmt: skip
DEFAULT_TEXT = {
    "id", "initial_tracker_id", "current_tracker_id", "customer_name", "customer_phone_number",
    "initial_tracking_number", "current_tracking_number", "last_message_at", "state",
}  # fmt: skip
TEXT_FIELDS = DEFAULT_TEXT | {
    "company_id", "company_name", "company_time_zone", "lead_status", "recent_messages", "source",
    "tracker_name",
}  # fmt: skip
DEFAULT_FORM = {
    "id", "form_data", "form_url", "landing_page_url", "referrer", "submitted_at",
    "first_form", "customer_name", "customer_email", "customer_phone_number",
}  # fmt: skip


def call(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A call as CallRail tells it, with everything that may be asked for."""
    said = {
        "id": f"CAL{number}",
        "answered": True,
        "business_phone_number": "+12125550199",
        "customer_city": "Albany",
        "customer_country": "US",
        "customer_name": f"SECRET NAME {number}",
        "customer_phone_number": f"+1212555{number:04d}",
        "customer_state": "NY",
        "direction": "inbound",
        "duration": 125,
        "recording": "https://example.org/recording",
        "start_time": "2026-11-10T09:30:00.236-05:00",
        "tracking_phone_number": "+12125550100",
        "voicemail": False,
        "call_type": "inbound",
        "campaign": "knee-pain-search",
        "company_id": "COM1",
        "first_call": True,
        "gclid": None,
        "keywords": "knee pain doctor",
        "landing_page_url": "https://example.org/knee?name=jane",
        "lead_status": None,
        "medium": "PPC",
        "milestones": None,
        "note": "SECRET NOTE",
        "person_id": f"PER{number}",
        "source": "Google Ads",
        "spam": False,
        "tags": [],
        "utm_campaign": None,
        "utm_medium": None,
        "utm_source": None,
        "value": None,
        "zip_code": "12207",
    }
    return said | changes


def milestone(event_date: str, source: str = "Google Organic", **changes: Any) -> dict[str, Any]:
    """A moment of a caller before the call."""
    said = {
        "event_date": event_date,
        "source": source,
        "medium": "organic",
        "campaign": None,
        "keywords": "knee pain",
        "landing": "https://example.org/knee",
        "landing_page_url_params": {},
        "url_utm_params": {},
    }
    return said | changes


def form(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A form submission, with what was typed into it."""
    said = {
        "id": f"FRM{number}",
        "form_data": {"Message": "SECRET TEXT"},
        "form_url": "https://example.org/book",
        "landing_page_url": "https://example.org/?q=secret",
        "referrer": "google.com",
        "submitted_at": "2026-11-11T20:00:00-05:00",
        "first_form": True,
        "customer_name": f"SECRET NAME {number}",
        "customer_email": f"person{number}@example.org",
        "customer_phone_number": f"+1212555{number:04d}",
        "campaign": "recall",
        "company_id": "COM1",
        "medium": "email",
        "person_id": f"PER{number}",
        "source": "Newsletter",
        "utm_campaign": None,
        "utm_medium": None,
        "utm_source": None,
    }
    return said | changes


def conversation(
    number: int = 1, *messages: tuple[str, str, str], **changes: Any
) -> dict[str, Any]:
    """A conversation; each message is when it was written, its direction and its text."""
    said = {
        "id": f"k8m{number}",
        "initial_tracker_id": "TRK1",
        "current_tracker_id": "TRK1",
        "customer_name": f"SECRET NAME {number}",
        "customer_phone_number": f"+1212555{number:04d}",
        "initial_tracking_number": "+12125550100",
        "current_tracking_number": "+12125550100",
        "last_message_at": max((at for at, _, _ in messages), default=None),
        "state": "active",
        "company_id": "COM1",
        "company_time_zone": "America/New_York",
        "lead_status": None,
        "source": "Google Ads",
        "messages": [
            {"direction": direction, "content": text, "created_at": at, "type": "sms",
             "media_urls": [], "sms_thread": {"id": "SMT1", "notes": None, "tags": []}}
            for at, direction, text in sorted(messages)
        ],
    }  # fmt: skip
    return said | changes


def sample(today: date) -> dict[str, list[dict[str, Any]]]:
    """A few days of calls and a form, up to `today`."""

    def at(days: int, hour: int) -> str:
        return datetime.combine(today - timedelta(days=days), time(hour), ZONE).isoformat()

    first = {
        "first_touch": milestone(at(9, 20)),
        "lead_created": milestone(at(3, 9)),
        "last_touch": milestone(at(3, 9)),
    }
    return {
        "calls": [
            call(1, start_time=at(3, 9), milestones=first, gclid="click-1"),
            call(2, start_time=at(2, 10), answered=False, voicemail=True, duration=40),
            call(3, start_time=at(1, 11), answered=False, duration=6, first_call=False),
        ],
        "forms": [form(4, submitted_at=at(1, 12))],
        "texts": [conversation(5, (at(3, 8), "incoming", "Hi"), (at(2, 8), "incoming", "STOP"))],
    }


class CallRailServer(Loopback):
    """One account of two companies."""

    def __init__(
        self,
        calls: Iterable[dict[str, Any]] | None = None,
        forms: Iterable[dict[str, Any]] | None = None,
        *,
        today: date | None = None,
    ) -> None:
        super().__init__()
        self.today = today or datetime.now(UTC).date()
        default = sample(self.today)
        self.key = "loopback-callrail-key"
        self.account = "ACC1"
        self.hipaa = False
        self.calls = {said["id"]: said for said in default["calls"] if calls is None}
        self.calls |= {said["id"]: said for said in calls or ()}
        self.forms = {said["id"]: said for said in default["forms"] if forms is None}
        self.forms |= {said["id"]: said for said in forms or ()}
        self.texts = {said["id"]: said for said in default["texts"]}
        self.companies = [
            {"id": "COM1", "name": "North Clinic", "time_zone": "America/New_York"},
            {"id": "COM2", "name": "West Clinic", "time_zone": "America/Los_Angeles"},
        ]

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f'Token token="{self.key}"':
            return as_json({"error": "HTTP Token: Access denied."}, 401)
        root = f"/v3/a/{self.account}"
        if not request.path.startswith(root):
            return as_json({"error": "Not found"}, 404)
        match request.path.removeprefix(root):
            case ".json":
                return as_json(
                    {"id": self.account, "name": "Acme Health", "hipaa_account": self.hipaa}
                )
            case "/companies.json":
                return self._numbered(request, "companies", self.companies)
            case "/calls.json":
                return self._calls(request)
            case "/form_submissions.json":
                found = self._within(request, list(self.forms.values()), "submitted_at")
                return self._numbered(request, "form_submissions", found, DEFAULT_FORM)
            case "/text-messages.json":
                return self._texts(request)
            case path if path.startswith("/text-messages/"):
                return self._conversation(request, path.split("/")[-1].removesuffix(".json"))
        return as_json({"error": "Not found"}, 404)

    def _texts(self, request: Request) -> Reply:
        """Conversations, each with its two latest messages."""
        asked = set(request.query.get("fields", "").split(",")) - {""}
        if unknown := asked - TEXT_FIELDS:
            return as_json({"error": f"Invalid fields: {', '.join(sorted(unknown))}"}, 400)
        rows = [
            {**said, "recent_messages": list(reversed(said["messages"][-2:]))}
            for said in self._within(request, list(self.texts.values()), "last_message_at")
        ]
        return self._numbered(request, "conversations", rows, DEFAULT_TEXT)

    def _conversation(self, request: Request, number: str) -> Reply:
        if number not in self.texts:
            return as_json({"error": "Not found"}, 404)
        if "recent_messages" in request.query.get("fields", ""):
            return as_json({"error": "Invalid fields: recent_messages"}, 400)
        (said,) = self._shown(request, [self.texts[number]], DEFAULT_TEXT)
        return as_json(said)

    def _calls(self, request: Request) -> Reply:
        since = date.fromisoformat(request.query["start_date"])
        if since < self.today - timedelta(days=760):
            return as_json({"error": "Please revise the date range: 25 months are kept."}, 400)
        found = self._within(request, list(self.calls.values()), "start_time")
        if request.query.get("relative_pagination") != "true":
            return self._numbered(request, "calls", found, DEFAULT_CALL)
        size, offset = int(request.query["per_page"]), int(request.query.get("offset", 0))
        if size > 250:
            return as_json({"error": "per_page"}, 400)
        more = offset + size < len(found)
        asked = urlencode({**request.query, "offset": str(offset + size)})
        page = {
            "calls": self._shown(request, found[offset : offset + size], DEFAULT_CALL),
            "has_next_page": more,
            # The vendor's own address, whatever the client was told.
            "next_page": f"https://api.callrail.com{request.path}?{asked}" if more else None,
            "per_page": size,
            "some_new_field": {"of": "no interest"},
        }
        return as_json(page)

    def _within(
        self, request: Request, rows: list[dict[str, Any]], name: str
    ) -> list[dict[str, Any]]:
        since = date.fromisoformat(request.query["start_date"])
        until = date.fromisoformat(request.query["end_date"])
        company = request.query.get("company_id")
        found = [
            said
            for said in rows
            if since <= datetime.fromisoformat(str(said[name])[:10]).date() <= until
            and company in (None, said["company_id"])
        ]
        return sorted(found, key=lambda said: (str(said[name]), said["id"]), reverse=True)

    def _numbered(
        self,
        request: Request,
        name: str,
        rows: list[dict[str, Any]],
        default: set[str] | None = None,
    ) -> Reply:
        size, number = int(request.query.get("per_page", 100)), int(request.query.get("page", 1))
        shown = rows[(number - 1) * size : number * size]
        return as_json(
            {
                "page": number,
                "per_page": size,
                "total_pages": max(1, -(-len(rows) // size)),
                "total_records": len(rows),
                name: self._shown(request, shown, default) if default else shown,
            }
        )

    def _shown(
        self, request: Request, rows: list[dict[str, Any]], default: set[str]
    ) -> list[dict[str, Any]]:
        names = default | set(request.query.get("fields", "").split(","))
        return [{name: value for name, value in said.items() if name in names} for said in rows]
