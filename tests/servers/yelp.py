"""A loopback Yelp: places with their rating, and a daily limit that it counts down.

with YelpServer() as server:
options = {"endpoint": server.url, "api_key": server.key, "businesses": server.locations}
"""

from datetime import date
from typing import Any
from urllib.parse import unquote

from servers.loopback import Loopback, Reply, Request, as_json


def place(rating: float = 4.5, reviews: int = 120, **changes: Any) -> dict[str, Any]:
    """A place as Yelp shows it."""
    said = {
        "name": "Lakeside Orthopedics",
        "rating": rating,
        "review_count": reviews,
        "is_closed": False,
        "phone": "+12125550199",
    }
    return said | changes


def refusal(status: int, code: str) -> Reply:
    """Yelp's error."""
    return as_json({"error": {"code": code, "description": "Words of Yelp."}}, status)


class YelpServer(Loopback):
    """What one app may ask."""

    def __init__(self, places: dict[str, Any] | None = None, *, today: date | None = None) -> None:
        super().__init__()
        self.key = "loopback-yelp-key"
        self.places = {"lake-north": place(), "lake-west": place(3.5, 8)}
        if places is not None:
            self.places = places
        self.left = 300
        self.reset = f"{today or date(2026, 11, 25)}T00:00:00+00:00"

    @property
    def locations(self) -> dict[str, str]:
        """The table `businesses` for the places."""
        return {name: name.removeprefix("lake-").title() for name in self.places}

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return refusal(401, "TOKEN_INVALID")
        if self.left <= 0:
            limits = {"ratelimit-resettime": self.reset, "ratelimit-remaining": "0"}
            error = {"error": {"code": "ACCESS_LIMIT_REACHED", "description": "Limit."}}
            return as_json(error, 429, limits)
        self.left -= 1
        name = unquote(request.path.removeprefix("/v3/businesses/"))
        said = self.places.get(name)
        if said is None:
            return refusal(404, "BUSINESS_NOT_FOUND")
        if isinstance(said, Reply):
            return said
        limits = {"ratelimit-remaining": f"{self.left}", "ratelimit-resettime": self.reset}
        return as_json({"id": name, **said}, 200, limits)
