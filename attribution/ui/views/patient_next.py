"""How one person stands with us, and what comes next: said only where the record says it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import pandas as pd

from attribution.models.parameters import LAPSED_DAYS
from attribution.patient import Profile
from attribution.ui import formats
from attribution.ui.views.patient_entries import KEPT, Row, clock, local, placed

Tone = Literal["do", "know", "stop"]
_ASKED_DAYS = 60  # an inquiry that did not lead to a booking is worth a call for so long
_PROPOSED_DAYS = 365  # a visit that was proposed and never booked is due for so long


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is to be done, known or left."""

    tone: Tone
    title: str
    words: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person stands on the day of `now`; days are local."""

    state: str
    kept_visits: int
    last_kept: date | None
    balance: float | None
    currency: str
    due_on: date | None
    steps: tuple[Step, ...]


def standing(
    events: Iterable[Row], profile: Profile, zone: ZoneInfo, now: datetime, currency: str
) -> Standing:
    """How a person stands, from all events: no filter hides what is due."""
    rows = list(events)
    visits = [
        {**row, "at": local(row["happened_at"], zone)} for row in rows if row["kind"] == "visit"
    ]
    kept = [row["at"] for row in visits if row["what"] in KEPT] + [
        local(row["happened_at"], zone)
        for row in rows
        if row["kind"] == "encounter" and row["what"] == "visit"
    ]
    ahead = sorted(
        (row for row in visits if row["what"] == "booked" and row["at"] > now),
        key=lambda row: row["at"],
    )
    last = max(kept, default=None)
    lapsed = last is not None and not ahead and now - last > timedelta(days=LAPSED_DAYS)
    asked = [
        row["happened_at"] for row in rows if row["kind"] == "conversion" and row["what"] == "lead"
    ]
    balance, currency, due = _balance(rows, currency)
    steps = (
        [Step("stop", "Recorded as deceased", "Nothing is to be sent, asked or booked.")]
        if profile.deceased
        else [
            *_ahead(ahead),
            *_proposed(visits, now),
            *_missed(visits, kept, now),
            *_asked(asked, rows, zone, now),
            *_owed(balance, currency, due, now.date()),
            *([_lapsed(last)] if lapsed and last else []),
            *_refused(rows),
        ]
    )
    return Standing(
        _state(profile, lapsed=lapsed, kept=bool(kept), ahead=bool(ahead), asked=bool(asked)),
        len(kept),
        last.date() if last else None,
        balance,
        currency,
        due,
        tuple(steps),
    )


def _state(profile: Profile, *, lapsed: bool, kept: bool, ahead: bool, asked: bool) -> str:
    if profile.deceased:
        return "Deceased"
    if lapsed:
        return "Lapsed"
    if kept:
        return "Patient"
    return "Booked" if ahead else "Lead" if asked else "Known"


def _balance(rows: Sequence[Row], currency: str) -> tuple[float | None, str, date | None]:
    """The last balance of each billing system, added up, and the earliest day it is due."""
    last = {row["source"]: row for row in rows if row["kind"] == "balance"}
    if not last:
        return None, currency, None
    told = [row for row in last.values() if row["currency"] == currency] or list(last.values())[:1]
    dues = [date.fromisoformat(row["detail"]) for row in told if row["detail"] and row["amount"]]
    return sum(row["amount"] for row in told), str(told[0]["currency"]), min(dues, default=None)


def _ahead(ahead: Sequence[Row]) -> list[Step]:
    if not ahead:
        return []
    more = f" and {len(ahead) - 1} more after it" if len(ahead) > 1 else ""
    words = " · ".join([clock(ahead[0]["at"]), *placed(ahead[0])])
    return [Step("know", "Next visit is booked", f"{words}{more}.")]


def _proposed(visits: Sequence[Row], now: datetime) -> list[Step]:
    """Follow-ups that the record proposes and nobody booked."""
    steps = []
    for row in (each for each in visits if each["what"] == "proposed"):
        taken = any(
            each["service_line"] == row["service_line"]
            and each["what"] != "proposed"
            and each["other_at"] >= row["other_at"]
            for each in visits
        )
        if not taken and row["at"] > now - timedelta(days=_PROPOSED_DAYS):
            due = "is due" if row["at"] > now else "was due"
            words = " · ".join([f"{due} {formats.day(row['at'])}", *placed(row), "not booked yet"])
            steps.append(Step("do", "Follow-up", f"{words}."))
    return steps


def _missed(visits: Sequence[Row], kept: list[datetime], now: datetime) -> list[Step]:
    """The last visit, where it was missed or cancelled and nothing was booked since.

    One that is cancelled before its day has come is no less to be booked again.
    """
    off = [
        row
        for row in visits
        if row["what"] == "cancelled" or (row["what"] == "noshow" and row["at"] <= now)
    ]
    if not off:
        return []
    last = max(off, key=lambda row: row["at"])
    again = any(row["what"] != "proposed" and row["other_at"] > last["other_at"] for row in visits)
    if again or any(at > last["at"] for at in kept):
        return []
    how = "was missed" if last["what"] == "noshow" else "was cancelled"
    words = " · ".join([f"the one of {formats.day(last['at'])} {how}", *placed(last)])
    return [Step("do", "Visit to book again", f"{words}.")]


def _asked(
    asked: list[pd.Timestamp], rows: Sequence[Row], zone: ZoneInfo, now: datetime
) -> list[Step]:
    if not asked:
        return []
    last = max(asked)
    booked = any(
        row["kind"] == "booking" and row["what"] == "booked" and row["happened_at"] >= last
        for row in rows
    )
    at = local(last, zone)
    if booked or now - at > timedelta(days=_ASKED_DAYS):
        return []
    return [Step("do", "Inquiry without a booking", f"asked on {formats.day(at)}.")]


def _owed(balance: float | None, currency: str, due: date | None, today: date) -> list[Step]:
    if not balance or balance <= 0:
        return []
    when = ""
    if due is not None:
        late = (today - due).days
        overdue = f"{late} day{'' if late == 1 else 's'} overdue"
        when = f", {overdue if late > 0 else f'due {formats.day(due)}'}"
    return [Step("do", "Open balance", f"{formats.money(balance, currency)}{when}.")]


def _lapsed(last: datetime) -> Step:
    since = last.date() + timedelta(days=LAPSED_DAYS)
    words = f"since {formats.day(since)}; the last kept visit was on {formats.day(last)}."
    return Step("do", "Lapsed", words)


def _refused(rows: Sequence[Row]) -> list[Step]:
    refused = [
        f"{row['what']} by {formats.title(str(row['channel'])).replace('Email', 'e-mail')}"
        for row in rows
        if row["kind"] == "preference" and row["number"] == 0
    ]
    return [Step("stop", "Does not want", f"{formats.several(refused)}.")] if refused else []
