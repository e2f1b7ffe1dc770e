"""A loopback Google Business Profile: places with reviews, and the tokens that let one in.

    with GoogleReviewsServer(today=TODAY) as server:
        options = {"endpoint": server.url, "token_endpoint": server.url, **server.secrets, ...}

It pages by fifty with tokens, sends only the fields that are asked for, and can lose reviews from
the second page on (`server.lost`), as the real one is known to.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from servers.loopback import Loopback, Reply, Request, as_json

NORTH, WEST = "accounts/1/locations/11", "accounts/1/locations/12"
STARS = {"ONE": 1, "TWO": 2, "THREE": 3, "FOUR": 4, "FIVE": 5}


def review(
    number: int, stars: str = "FIVE", at: str = "2026-11-10T09:30:00Z", **changes: Any
) -> Any:
    """A review as Google holds it."""
    said = {
        "reviewId": f"R{number}",
        "reviewer": {"displayName": f"SECRET NAME {number}", "isAnonymous": False},
        "starRating": stars,
        "comment": f"SECRET COMMENT {number}",
        "createTime": at,
        "updateTime": at,
        "reviewReply": {"comment": "SECRET REPLY"},
    }
    return said | changes


def sample(today: date) -> dict[str, list[Any]]:
    """A few reviews of two places."""
    days = [datetime.combine(today - timedelta(days=n), time(9), UTC) for n in (2, 5, 40)]
    times = [day.isoformat().replace("+00:00", "Z") for day in days]
    words = ("FIVE", "FOUR", "TWO")
    return {
        NORTH: [review(n, w, at) for n, (w, at) in enumerate(zip(words, times, strict=True))],
        WEST: [review(9, "THREE", times[0])],
    }


def refusal(status: int, word: str, message: str, reason: str = "") -> Reply:
    """Google's error."""
    error: dict[str, Any] = {"code": status, "message": message, "status": word}
    if reason:
        error["details"] = [{"reason": reason, "metadata": {"quota_limit_value": "0"}}]
    return as_json({"error": error}, status)


class GoogleReviewsServer(Loopback):
    """One user's places; also the address that makes access tokens."""

    def __init__(
        self, places: dict[str, Iterable[Any]] | None = None, *, today: date | None = None
    ) -> None:
        super().__init__()
        found = sample(today or datetime.now(UTC).date()) if places is None else places
        self.places = {name: list(reviews) for name, reviews in found.items()}
        self.lost: set[str] = set()
        self.granted = 0
        self.secrets = {
            "client_id": "client-1",
            "client_secret": "loopback-google-secret",
            "refresh_token": "loopback-google-refresh",
        }

    @property
    def token(self) -> str:
        """The access token that is good now."""
        return f"loopback-google-access-{self.granted}"

    def answer(self, request: Request) -> Reply:
        if request.path == "/token":
            return self._grant(request.form())
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return refusal(401, "UNAUTHENTICATED", "Invalid credentials.")
        place = request.path.removeprefix("/v4/").removesuffix("/reviews")
        if place not in self.places:
            return refusal(404, "NOT_FOUND", "Requested entity was not found.")
        return self._reviews(request, self.places[place])

    def _grant(self, form: dict[str, str]) -> Reply:
        if form != {"grant_type": "refresh_token", **self.secrets}:
            return as_json({"error": "invalid_grant", "error_description": "Bad Request"}, 400)
        self.granted += 1
        return as_json({"access_token": self.token, "expires_in": 3599, "token_type": "Bearer"})

    def _reviews(self, request: Request, reviews: list[Any]) -> Reply:
        if request.query.get("orderBy", "updateTime desc") != "updateTime desc":
            return refusal(400, "INVALID_ARGUMENT", "orderBy")
        size, start = int(request.query["pageSize"]), int(request.query.get("pageToken", 0))
        if size > 50 or not reviews:
            return as_json({}) if not reviews else refusal(400, "INVALID_ARGUMENT", "pageSize")
        ordered = sorted(reviews, key=lambda said: said["updateTime"], reverse=True)
        page = ordered[start : start + size]
        if start:
            page = [said for said in page if said["reviewId"] not in self.lost]
        rated = [STARS[said["starRating"]] for said in reviews if said["starRating"] in STARS]
        whole: dict[str, Any] = {
            "averageRating": sum(rated) / len(rated),
            "totalReviewCount": len(reviews),
        }
        asked = request.query["fields"]
        if "reviews(" in asked:
            names = asked.partition("reviews(")[2].partition(")")[0].split(",")
            whole["reviews"] = [{n: said[n] for n in names if n in said} for said in page]
            if start + size < len(ordered):
                whole["nextPageToken"] = str(start + size)
        return as_json(whole | {"someNewField": 1})
