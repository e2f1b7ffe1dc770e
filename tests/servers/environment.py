"""Loopback services for pollen and air: Google Pollen, AirNow and Open-Meteo.

    with PollenServer(today) as server:
        options = {"api_key": server.key, "endpoint": server.url, "places": PLACES}

Each holds a value for every place and day by a rule, so that any span may be asked for; what
`values` holds for a day is said instead.
"""

from datetime import date, timedelta
from typing import Any

from servers.loopback import Loopback, Reply, Request, as_json

PLACES = [["North clinic", 45.52, -122.68], ["South clinic", 44.05, -123.09]]
AT_SEA = ["Buoy", 0.0, -150.0]
_DAY = timedelta(days=1)


def index_of(latitude: float, day: date) -> int:
    """An index of the air that differs by place and day."""
    return 20 + (day.toordinal() * 7 + round(abs(latitude) * 100)) % 90


def _at_sea(latitude: float) -> bool:
    return latitude == AT_SEA[1]


class PollenServer(Loopback):
    """Five days of pollen from `today` on, for whoever has the key."""

    def __init__(self, today: date = date(2026, 11, 24)) -> None:
        super().__init__()
        self.today = today
        self.key = "pollen-key-0123456789"
        self.page_rows = 5
        self.blocked = False  # the key is for other APIs only
        self.values: dict[date, dict[str, int | None]] = {}

    def answer(self, request: Request) -> Reply:
        if request.headers.get("x-goog-api-key") != self.key:
            words = "API key not valid. Please pass a valid API key."
            return _google(400, "INVALID_ARGUMENT", words, "API_KEY_INVALID")
        if self.blocked:
            return _google(403, "PERMISSION_DENIED", "Blocked.", "API_KEY_SERVICE_BLOCKED")
        if request.path != "/v1/forecast:lookup":
            return Reply(404, b"<html>Not found</html>", {"content-type": "text/html"})
        if _at_sea(float(request.query["location.latitude"])):
            words = "Information is unavailable for this location. Please try a different location."
            return _google(400, "INVALID_ARGUMENT", words)
        since = int(request.query.get("pageToken", "0"))
        days = int(request.query["days"])
        until = min(days, since + self.page_rows)
        said: dict[str, Any] = {
            "regionCode": "US",
            "dailyInfo": [self._day(self.today + n * _DAY) for n in range(since, until)],
        }
        if until < days:
            said["nextPageToken"] = str(until)
        return as_json(said)

    def _day(self, day: date) -> dict[str, Any]:
        levels: dict[str, int | None] = {"GRASS": 0, "TREE": day.toordinal() % 6, "WEED": None}
        levels |= self.values.get(day, {})
        return {
            "date": {"year": day.year, "month": day.month, "day": day.day},
            "pollenTypeInfo": [_pollen(code, level) for code, level in levels.items()],
            "plantInfo": [{"code": "BIRCH", "displayName": "Birch"}],
        }


class AirNowServer(Loopback):
    """Daily indexes of a reporting area; one question is one day."""

    def __init__(self) -> None:
        super().__init__()
        self.key = "AIRNOW-KEY-0123"
        self.values: dict[date, int | None] = {}  # None: no monitor reported
        self.most = 500

    def answer(self, request: Request) -> Reply:
        if request.query.get("API_KEY") != self.key:
            return as_json({"WebServiceError": [{"Message": "Invalid API key"}]}, 401)
        if len(self.requests) > self.most:
            words = (
                "Web service request limit exceeded.  See web service documentation at "
                "www.airnowapi.org for details."
            )
            return as_json({"WebServiceError": [{"Message": words}]}, 429)
        day = date.fromisoformat(request.query["date"][:10])
        latitude = float(request.query["latitude"])
        index = self.values.get(day, index_of(latitude, day))
        if index is None or _at_sea(latitude):
            return as_json([])
        return as_json([_observed(day, "O3", index), _observed(day, "PM2.5", max(index - 9, -1))])


class OpenMeteoServer(Loopback):
    """Hourly indexes of any place; the day's highest is at three in the afternoon."""

    def __init__(self) -> None:
        super().__init__()
        self.key: str | None = "open-meteo-key"  # None: the free service
        self.values: dict[date, int] = {}
        self.missing_hours: dict[date, int] = {}

    def answer(self, request: Request) -> Reply:
        if request.query.get("apikey") != self.key:
            words = "The supplied API key is invalid."
            return as_json({"error": True, "reason": words}, 400)
        since, until = (date.fromisoformat(request.query[f"{e}_date"]) for e in ("start", "end"))
        if since < date(2013, 1, 1):
            words = "Parameter 'start_date' is out of allowed range from 2013-01-01."
            return as_json({"error": True, "reason": words}, 400)
        latitude = float(request.query["latitude"])
        times, indexes = [], []
        for number in range((until - since).days + 1):
            day = since + number * _DAY
            top = self.values.get(day, index_of(latitude, day))
            missing = self.missing_hours.get(day, 0)
            for hour in range(24):
                times.append(f"{day}T{hour:02d}:00")
                indexes.append(None if hour < missing else top - abs(15 - hour) % 15)
        hourly = {"time": times, "us_aqi": indexes}
        return as_json({"latitude": latitude, "timezone": "America/Los_Angeles", "hourly": hourly})


def _pollen(code: str, level: int | None) -> dict[str, Any]:
    if level is None:  # out of season
        return {"code": code, "displayName": code.title()}
    index: dict[str, Any] = {"code": "UPI", "category": "None" if level == 0 else "Some"}
    if level:
        index["value"] = level
    return {"code": code, "inSeason": True, "indexInfo": index}


def _observed(day: date, pollutant: str, index: int) -> dict[str, Any]:
    return {
        "DateObserved": f"{day} ",
        "HourObserved": 0,
        "LocalTimeZone": "PST",
        "ReportingArea": "Portland",
        "StateCode": "OR",
        "ParameterName": pollutant,
        "AQI": index,
        "Category": {"Number": 1, "Name": "Good"},
    }


def _google(status: int, name: str, words: str, reason: str = "") -> Reply:
    error: dict[str, Any] = {"code": status, "message": words, "status": name}
    if reason:
        error["details"] = [{"reason": reason, "domain": "googleapis.com"}]
    return as_json({"error": error}, status)
