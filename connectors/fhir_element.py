"""Parts of a FHIR resource, read by name and checked as they are read: only what a row needs.

The library's own models check every element of a resource, which takes ten times as long as
reading the few that become a row; a server's resources are therefore read through this.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, TypeVar

from connectors.moments import YEARS

_INVALID = "is not valid FHIR R4"
T = TypeVar("T")


class Unmappable(Exception):
    """A resource that lacks what its row needs: the element, and why."""

    def __init__(self, element: str, reason: str) -> None:
        super().__init__(f"{element} {reason}")
        self.element, self.reason = element, reason


class Element:
    """One part of a resource; what it does not have is an empty part, no text, no amount."""

    __slots__ = ("path", "said")

    def __init__(self, said: dict[str, Any], path: str) -> None:
        self.said, self.path = said, path

    def __bool__(self) -> bool:
        return bool(self.said)

    def text(self, name: str) -> str | None:
        """A text, code, id, address or date."""
        value = self.said.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise Unmappable(f"{self.path}.{name}", f"{_INVALID} (no text)")
        return value

    def texts(self, name: str) -> list[str]:
        """Every text under a name that may come several times; what is no text is passed over."""
        value = self.said.get(name)
        values = value if isinstance(value, list) else []
        return [text for text in values if isinstance(text, str) and text]

    def flag(self, name: str) -> bool:
        """Whether it is said, and true."""
        return self.said.get(name) is True

    def amount(self, name: str) -> Decimal | None:
        """A number, exact."""
        value = self.said.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise Unmappable(f"{self.path}.{name}", f"{_INVALID} (no number)")
        return Decimal(value)

    def part(self, name: str) -> "Element":
        """A part with parts of its own; empty where there is none."""
        value = self.said.get(name)
        if value is None:
            return Element({}, f"{self.path}.{name}")
        if not isinstance(value, dict):
            raise Unmappable(f"{self.path}.{name}", f"{_INVALID} (no part with parts)")
        return Element(value, f"{self.path}.{name}")

    def parts(self, name: str) -> "list[Element]":
        """Every part under a name that may come several times."""
        value = self.said.get(name)
        if value is None:
            return []
        path = f"{self.path}.{name}"
        if not isinstance(value, list):
            raise Unmappable(path, f"{_INVALID} (no list)")
        if not all(isinstance(part, dict) for part in value):
            raise Unmappable(path, f"{_INVALID} (no part with parts)")
        return [Element(part, path) for part in value]

    def instant(self, name: str, zone: tzinfo) -> datetime | None:
        """A date or a moment; a day without a time begins in `zone`.

        None also for a year that no record is of: systems write 0001-01-01 for what was never
        entered, and 9999-12-31 for what has no end.
        """
        value = self.text(name)
        at = None if value is None else _moment(value, f"{self.path}.{name}", zone)
        return at if at is not None and YEARS[0] <= at.year <= YEARS[1] else None

    def span(self, zone: tzinfo) -> tuple[datetime | None, datetime | None]:
        """When a period begins and when it is over; of a day, month or year all is meant.

        Of years that no record is of there is no end and no beginning, as in `instant`.
        """
        start, end = self.text("start"), self.text("end")
        return (
            _edges(start, f"{self.path}.start", zone)[0] if start and start > "1900" else None,
            _edges(end, f"{self.path}.end", zone)[1] if end and end < "9000" else None,
        )

    def needed_instant(self, name: str, zone: tzinfo) -> datetime:
        """A moment that the row cannot do without."""
        at = self.instant(name, zone)
        if at is None and self.text(name) is not None:
            raise Unmappable(f"{self.path}.{name}", f"is outside the years {YEARS[0]}-{YEARS[1]}")
        return needed(f"{self.path}.{name}", at)

    def needed_text(self, name: str) -> str:
        """A text that the row cannot do without."""
        return needed(f"{self.path}.{name}", self.text(name))

    @property
    def kind(self) -> str:
        """The type of a resource."""
        return self.text("resourceType") or ""

    @property
    def own(self) -> str | None:
        """The id of a resource."""
        return self.text("id")


def resource(said: dict[str, Any]) -> Element:
    """A whole resource; its path begins with its type."""
    kind = said.get("resourceType")
    return Element(said, kind if isinstance(kind, str) else "")


def needed(element: str, value: T | None) -> T:
    """The value, or the reason why there can be no row."""
    if value is None:
        raise Unmappable(element, "is missing")
    return value


def codes(concepts: "list[Element]") -> Iterator[tuple[str, str]]:
    """Every coding of concepts, as (system, code)."""
    for concept in concepts:
        for coding in concept.parts("coding"):
            if code := coding.text("code"):
                yield coding.text("system") or "", code


def _edges(value: str, element: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """The first moment of what is written and the first after it."""
    if len(value) > 10:
        at = _moment(value, element, zone)
        return at, at
    first = _moment(f"{value}-01-01"[:10] if len(value) in (4, 7) else value, element, zone)
    days = {4: 366, 7: 31}.get(len(value), 1)
    after = first + timedelta(days=days)
    if len(value) in (4, 7):
        after = after.replace(day=1) if len(value) == 7 else after.replace(month=1, day=1)
    return first, after


def _moment(value: str, element: str, zone: tzinfo) -> datetime:
    try:
        if len(value) <= 10:
            if len(value) in (4, 7) and value.replace("-", "").isdigit():
                raise Unmappable(element, "is not a whole date")
            day = date.fromisoformat(value)
            return datetime(day.year, day.month, day.day, tzinfo=zone)
        # FHIR lets a leap second be written, which Python does not know.
        moment = datetime.fromisoformat(value.replace(":60", ":59") if ":60" in value else value)
    except ValueError:
        raise Unmappable(element, f"{_INVALID} (no date)") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
