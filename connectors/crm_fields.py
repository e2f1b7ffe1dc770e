"""What a CRM says in its fields, as contract fields hold it: texts, flags, instants, amounts.

Shared by all CRMs. A value that no contract field can hold raises `BadValue`, which keeps that one
row out; `rejected` says so without giving the value away.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.columns import MOST_MONEY
from connectors.contract import Call, Touchpoint
from connectors.shapes import BadValue
from connectors.source import Rejected

_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


@dataclass(frozen=True, slots=True)
class Names:
    """The CRM's own fields that hold what it has no field for."""

    patient_id: str | None = None
    service_line: str | None = None
    location: str | None = None
    preferred_channel: str | None = None
    lifecycle: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    click_id: str | None = None

    def asked(self) -> tuple[str, ...]:
        """Those that are set."""
        names = (getattr(self, field.name) for field in fields(self))
        return tuple(dict.fromkeys(name for name in names if name))


def names(chosen: Mapping[str, Any]) -> Names:
    """From a source's options: `patient_id_field` and so on, where it has them."""
    return Names(**{f.name: chosen.get(f"{f.name}_field") or None for f in fields(Names)})


def rejected(
    bad: BadValue, file: str, row_number: int, table: str, record: str | None = None
) -> Rejected:
    """What is said about the row that a bad value keeps out."""
    return Rejected(
        file=file,
        row_number=row_number,
        column=bad.column,
        shape=bad.shape,
        reason=bad.reason,
        table=table,
        record=record,
    )


def text(of: Mapping[str, Any], name: str | None) -> str | None:
    """A field without surrounding space; None where it is empty, absent or not asked for."""
    value = of.get(name) if name else None
    if value is None:
        return None
    return (value if isinstance(value, str) else str(value)).strip() or None


def lower(value: str | None) -> str | None:
    """In lower case, as the channel rules compare; None where nothing is left."""
    return value.lower() or None if value else None


def birth_year(of: Mapping[str, Any], name: str) -> int | None:
    """The year in a date of birth, however the CRM writes it; None where there is none."""
    years = {int(year) for year in _YEAR.findall(text(of, name) or "")}
    return years.pop() if len(years) == 1 else None


def flag(of: Mapping[str, Any], name: str) -> bool:
    """Whether a field says true; an empty one does not."""
    return (text(of, name) or "").lower() == "true"


def instant(of: Mapping[str, Any], name: str) -> datetime | None:
    """ISO 8601, UTC where no zone is named; also milliseconds, and days (their first moment)."""
    value = text(of, name)
    if value is None:
        return None
    try:
        if value.isascii() and value.isdigit():
            return datetime.fromtimestamp(int(value) / 1000, UTC)
        at = datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError):
        pass
    else:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    raise BadValue(name, value, "this is not an instant")


def needed(of: Mapping[str, Any], name: str) -> datetime:
    """An instant that a row cannot be without."""
    value = instant(of, name)
    if value is None:
        raise BadValue(name, "", "this instant is required")
    return value


def amount(of: Mapping[str, Any], name: str) -> Decimal | None:
    """Money, to the last digit."""
    value = text(of, name)
    if value is None:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number) > MOST_MONEY:
        raise BadValue(name, value, "this is not an amount")
    return number


def first_times(reached: Iterable[tuple[str | None, datetime | None]]) -> dict[str, datetime]:
    """When each stage was reached first."""
    times: dict[str, datetime] = {}
    for stage, at in reached:
        if stage and at:
            times[stage] = min(at, times.get(stage, at))
    return times


def as_json(times: Mapping[str, datetime]) -> str | None:
    """Stages in the order they were reached, for `stage_dates` and `lifecycle_dates`."""
    if not times:
        return None
    ordered = sorted(times.items(), key=lambda item: (item[1], item[0]))
    return json.dumps({stage: at.isoformat() for stage, at in ordered})


def no_call(call_id: str, at: datetime, updated_at: datetime) -> Call:
    """In place of a call that is gone, or is none any more: of nobody, and, as spam does, it counts
    nowhere.
    """
    return Call(call_id, at, seconds=0, answered=False, updated_at=updated_at, outcome="spam")


def no_touch(touch_id: str, at: datetime, updated_at: datetime) -> Touchpoint:
    """In place of a touch that is gone, or none any more: the contract takes no row away."""
    return Touchpoint(touch_id=touch_id, at=at, kind="impression", updated_at=updated_at)
