"""Flights of spend sheets: each row checked, spread over its days, and added up.

Rows of one sheet that speak of the same flight and day add up. Where two sheets do, the one with
the later name counts: it is the corrected one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from connectors.columns import STORED, arrow_schema
from connectors.contract import AdSpend, Field, TrackingCode, contract_fields
from connectors.shapes import shape_of
from connectors.source import Columns, Item, Rejected
from connectors.spend_sheet_mapping import FIELDS, Rows
from connectors.spreading import Ints, each_day, spread

LONGEST_DAYS = 731
# What people call a medium, where the channel rules know it by another name.
_MEDIA = {
    "television": "tv", "cable": "tv", "fm": "radio", "out_of_home": "ooh",
    "billboards": "billboard", "posters": "outdoor", "press": "newspaper",
    "newspapers": "newspaper", "mail": "direct_mail", "mailing": "direct_mail",
    "postcards": "postcard", "events": "event", "seminars": "seminar",
}  # fmt: skip
# What a line of totals is called. There is the total knee too: what else begins with "total" is one
# only with what is added up, or over how long.
_TOTAL = re.compile(
    r"^((grand |sub[ -]?)totals?\b|(totals?|sum|summe)\W*$"
    r"|totals?\W+(\d[\d\W]*$|(\d[\d\W]*)?(of|for|all|spend|spent|costs?|net|gross|amount|budget|media"
    r"|paid|digital|planned|actuals?|to date|ytd|fy\d*|week|month|quarter|year|q[1-4]|jan(uary)?"
    r"|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?"
    r"|sept?(ember)?|oct(ober)?|nov(ember)?|dec(ember)?)\b))",
    re.IGNORECASE,
)
_TOTAL_OF = re.compile(r"^totals?\W+(?=\w)", re.IGNORECASE)
_EPOCH = date(1970, 1, 1)
_FIELD = {each.name: each for each in FIELDS}


@dataclass(frozen=True, slots=True)
class Flight:
    """What may not be added up with anything else: one campaign of one medium in one market."""

    campaign_id: str
    campaign: str
    network: str
    medium: str
    market: str
    currency: str
    service_line: str | None
    location: str | None

    @property
    def group_id(self) -> str:
        """Tells the flights of a campaign apart, whatever they differ in but spelling."""
        parts = (self.medium, self.network, self.market, self.service_line, self.location)
        return "/".join(slug(part or "") for part in (*parts, self.currency))


@dataclass(slots=True)
class Flights:
    """All flights of a folder of sheets, as they are read."""

    timezone: str
    region: str
    rows: int = 0
    _sheet: int = 0
    _parts: set[str] = field(default_factory=set)  # what a line of the sheet may add up
    _flights: list[Flight] = field(default_factory=list)
    _known: dict[tuple[str, str], int] = field(default_factory=dict)
    _codes: dict[tuple[str, str, str, date], dict[str, Any]] = field(default_factory=dict)
    _days: list[dict[str, Ints]] = field(default_factory=list)

    def next_sheet(self) -> None:
        """What is taken from now on is of another sheet."""
        self._sheet += 1
        self._parts = set()

    def take(self, name: str, rows: Rows) -> Iterator[Item]:
        """Take in some rows of a sheet; yields those that cannot be right."""
        for misfit in rows.misfits:
            yield Rejected(name, misfit.number, "", misfit.shape, misfit.reason, "ad_spend")
        wrong: dict[int, tuple[Field, str]] = {}
        for f, fault in rows.faults:
            for place in np.flatnonzero(fault.where).tolist():
                wrong.setdefault(place, (f, fault.reason))
        for part in ("medium", "vendor", "market"):
            said = rows.columns[part].unique().to_pylist()
            self._parts |= {_medium(text) for text in said if text}
        taken: list[tuple[int, int, int, int, int]] = []
        names = tuple(rows.columns)
        listed = zip(*(column.to_pylist() for column in rows.columns.values()), strict=True)
        for place, (number, values) in enumerate(zip(rows.numbers.tolist(), listed, strict=True)):
            row = dict(zip(names, values, strict=True))
            if row["spend"] is None and _is_blank(rows, place):
                continue
            found = _not_a_flight(row, self._parts) or wrong.get(place) or self._fault(row)
            if found is not None:
                f, reason = found
                shape = shape_of(_written(rows, f.name, place))
                yield Rejected(name, number, rows.headers[f.name], shape, reason, "ad_spend")
                continue
            taken.append(self._taken(row))
        if taken:
            self._spread(np.array(taken, dtype=np.int64))
        self.rows += len(taken)

    def columns(self) -> Iterator[Item]:
        """All spend day by day, and all numbers and codes."""
        if self._days:
            yield Columns(AdSpend, self._spend())
        if self._codes:
            yield Columns(TrackingCode, _table(TrackingCode, list(self._codes.values())))

    def _fault(self, row: dict[str, Any]) -> tuple[Field, str] | None:
        """The first thing about a row that none of its values shows alone."""
        first, last = _span(row)
        if row["week"] is not None and row["start"] is not None:
            return _FIELD["week"], "stands beside a start: a row is of a week or of a flight"
        if first is None or last is None:
            return _FIELD["week"], "is empty, and so is the start of the flight"
        if last < first:
            return _FIELD["end"], "is before the start"
        if (last - first).days >= LONGEST_DAYS:
            return _FIELD["end"], "is more than two years after the start"
        if row["currency"] is None:
            return _FIELD["spend"], "is an amount without a currency"
        if row["impressions"] < 0:
            return _FIELD["impressions"], "is below nought"
        if any(number_of(each, self.region) is None for each in _several(row["number"])):
            return _FIELD["number"], f"is no phone number of {self.region}, nor one with a + code"
        return None

    def _taken(self, row: dict[str, Any]) -> tuple[int, int, int, int, int]:
        medium = _medium(row["medium"])
        flight = Flight(
            campaign_id=row["campaign_id"] or f"{medium}/{slug(row['campaign'])}",
            campaign=row["campaign"],
            network=slug(row["vendor"]) if row["vendor"] else medium,
            medium=medium,
            market=row["market"] or "",
            currency=row["currency"],
            service_line=row["service_line"],
            location=row["location"],
        )
        first, last = _span(row)
        assert first is not None and last is not None  # noqa: S101, PT018 - proved before
        self._note_codes(row, flight, first)
        key = (flight.campaign_id, flight.group_id)
        number = self._known.setdefault(key, len(self._known))
        if number == len(self._flights):
            self._flights.append(flight)
        return number, _ordinal(first), _ordinal(last), row["spend"], row["impressions"]

    def _note_codes(self, row: dict[str, Any], flight: Flight, first: date) -> None:
        numbers = [("number", number_of(each, self.region)) for each in _several(row["number"])]
        codes = [("code", each.lower()) for each in _several(row["code"])]
        for kind, code in (*numbers, *codes):
            key = (kind, str(code), flight.campaign_id, first)
            self._codes[key] = {
                "kind": kind,
                "code": code,
                "valid_from": first,
                "campaign_id": flight.campaign_id,
                "campaign": flight.campaign,
                "network": flight.network,
                "medium": flight.medium,
                "valid_until": row["code_until"],
                "service_line": flight.service_line,
                "location": flight.location,
            }

    def _spread(self, taken: Ints) -> None:
        flight, first, last, spend, impressions = taken.T
        span, day, place = each_day(first, last)
        lengths = last - first + 1
        days = {
            "flight": flight[span],
            "day": day,
            "sheet": np.full(len(span), self._sheet, dtype=np.int64),
            "spend": spread(spend, lengths, span, place),
            "impressions": spread(impressions, lengths, span, place),
        }
        self._days.append(_added_up(days))

    def _spend(self) -> pa.Table:
        every = {name: np.concatenate([d[name] for d in self._days]) for name in self._days[0]}
        every = _added_up(every)
        flight, day = every["flight"], every["day"]
        # Of each flight and day the last sheet's sum.
        ends = np.append(_changes(flight, day)[1:], len(flight)) - 1
        flight, day = flight[ends], day[ends]
        said = {
            name: [getattr(each, name) for each in self._flights]
            for name in ("campaign_id", "campaign", "network", "medium", "currency",
                         "service_line", "location")
        }  # fmt: skip
        said["ad_group"] = [each.market for each in self._flights]
        said["ad_group_id"] = [each.group_id for each in self._flights]
        columns = {n: pa.array(texts, pa.string()).take(flight) for n, texts in said.items()}
        columns["timezone"] = pa.repeat(self.timezone, len(flight))
        columns["day"] = pa.array(day.astype("datetime64[D]"))
        columns["spend_micros"] = pa.array(every["spend"][ends])
        columns["impressions"] = pa.array(every["impressions"][ends])
        columns["clicks"] = pa.repeat(pa.scalar(0, pa.int64()), len(flight))
        schema = arrow_schema(AdSpend)
        empty = {f.name: pa.nulls(len(flight), f.type) for f in schema if f.name not in columns}
        return pa.table(columns | empty).select(schema.names).cast(schema)


@lru_cache(maxsize=4096)
def slug(text: str) -> str:
    """A name as one lower-case word: what people write in two ways is one thing."""
    return re.sub(r"[^\w.]+", "_", text.strip().lower()).strip("_")


@lru_cache(maxsize=4096)
def number_of(text: str, region: str) -> str | None:
    """E.164 of a number that may be written in letters; None where it cannot be one."""
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _medium(text: str) -> str:
    return _MEDIA.get(slug(text), slug(text))


def _not_a_flight(row: dict[str, Any], parts: set[str]) -> tuple[Field, str] | None:
    """A line of totals would count everything above it twice.

    `parts` are the mediums, vendors and markets of its sheet.
    """
    for name in ("medium", "campaign"):
        text = row[name] or ""
        of, told = _TOTAL_OF.subn("", text)
        if _TOTAL.match(text) or (told and _medium(of) in parts):
            return _FIELD[name], "is a total of other rows, not a flight"
    return None


def _is_blank(rows: Rows, place: int) -> bool:
    return all(_written(rows, name, place) == "" for name in rows.headers)


def _written(rows: Rows, name: str, place: int) -> str:
    parts = rows.raw.columns.get(rows.headers[name], [])
    values = (part[place].as_py() for part in parts)
    return next((str(value) for value in values if value is not None), "").strip()


def _span(row: dict[str, Any]) -> tuple[date | None, date | None]:
    """The days of a row: seven from its week's day, or a flight's; a start alone is one day."""
    if row["week"] is not None:
        return row["week"], date.fromordinal(row["week"].toordinal() + 6)
    return row["start"], row["end"] or row["start"]


def _several(text: str | None) -> list[str]:
    if not text:
        return []
    return [part.strip() for part in re.split(r"[|;]", text) if part.strip()]


def _ordinal(day: date) -> int:
    return (day - _EPOCH).days


def _added_up(days: dict[str, Ints]) -> dict[str, Ints]:
    """Amounts of the same flight, day and sheet as one, in that order."""
    order = np.lexsort((days["sheet"], days["day"], days["flight"]))
    days = {name: column[order] for name, column in days.items()}
    starts = _changes(days["flight"], days["day"], days["sheet"])
    keys = {name: days[name][starts] for name in ("flight", "day", "sheet")}
    return keys | {n: np.add.reduceat(days[n], starts) for n in ("spend", "impressions")}


def _changes(*columns: Ints) -> Ints:
    """Where in sorted columns a new combination begins."""
    new = np.zeros(len(columns[0]), dtype=bool)
    new[0] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)


def _table(row: type[TrackingCode], records: list[dict[str, Any]]) -> pa.Table:
    arrays = [
        pa.array([record[f.name] for record in records], STORED[f.kind])
        for f in contract_fields(row)
    ]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(row))
