"""What happened to one person, as lines that read well: one entry for what belongs together."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pandas as pd

from attribution.ui import formats

Row = Mapping[str, Any]
Mark = Literal["done", "ahead", "missed", "plain"]
LANES = {
    "marketing": "Marketing",
    "calls": "Calls",
    "leads": "Leads",
    "messages": "Messages and consent",
    "visits": "Visits",
    "care": "Diagnoses and treatments",
    "money": "Payments",
    "feedback": "Feedback",
}
_LANE_OF = {
    "touch": "marketing",
    "shown": "marketing",
    "call": "calls",
    "lead": "leads",
    "deal": "leads",
    "stage": "leads",
    "message": "messages",
    "preference": "messages",
    "booking": "visits",
    "visit": "visits",
    "encounter": "visits",
    "diagnosis": "care",
    "procedure": "care",
    "payment": "money",
    "balance": "money",
    "feedback": "feedback",
}
_TOUCHES = {
    "impression": "Advert shown",
    "click": "Click",
    "session": "Web visit",
    "form": "Form sent",
    "call": "Call",
    "email_open": "E-mail opened",
    "email_click": "Click in an e-mail",
    "sms": "Text message",
    "chat": "Chat",
    "referral": "Referral",
    "direct_mail": "Letter",
    "event": "Event",
    "contact": "First touch that the CRM knows",
}
_VISITS: dict[str, tuple[str, Mark]] = {
    "proposed": ("Visit proposed", "ahead"),
    "booked": ("Visit booked", "ahead"),
    "arrived": ("Checked in", "done"),
    "fulfilled": ("Kept visit", "done"),
    "cancelled": ("Cancelled visit", "missed"),
    "noshow": ("No-show", "missed"),
}
_BECAME = {
    "contact": "Became a contact of the CRM",
    "lead": "Became a lead",
    "customer": "Became a customer in the CRM",
}
NOWHERE = ("", "unassigned")
KEPT = ("arrived", "fulfilled")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline: when (local time), in which lane, and the words."""

    at: datetime
    lane: str
    title: str
    words: tuple[str, ...] = ()  # what else is to say, in order
    service_line: str = ""
    channel: str = ""
    mark: Mark = "plain"
    times: int = 1

    @property
    def text(self) -> str:
        """The whole line without its time."""
        again = f" ×{self.times}" if self.times > 1 else ""
        return " · ".join([f"{self.title}{again}", *self.words])


def entries(events: Iterable[Row], zone: ZoneInfo, now: datetime) -> tuple[Entry, ...]:
    """The lines of a person's events, oldest first; conversions are told elsewhere."""
    every = list(events)
    began = frozenset(
        row["happened_at"] for row in every if row["kind"] == "deal" or row["what"] == "contact"
    )
    rows = [row for row in every if not _twice(row, began)]
    lines = [*_messages(rows, zone), *(_told(row, zone, now) for row in rows)]
    found = sorted((line for line in lines if line is not None), key=_order)
    return tuple(_repeated(found))


def _twice(row: Row, began: frozenset[pd.Timestamp]) -> bool:
    """Whether it only says again that a contact or an inquiry began."""
    later = row["kind"] == "stage" or (row["kind"] == "lead" and row["what"] != "contact")
    return later and row["happened_at"] in began


def _order(line: Entry) -> tuple[datetime, int]:
    return line.at, list(LANES).index(line.lane)


def placed(row: Row) -> list[str]:
    """The service line and the place of a row, where it has them."""
    return [
        formats.title(str(row[name]))
        for name in ("service_line", "location")
        if row[name] not in NOWHERE
    ]


def local(moment: object, zone: ZoneInfo) -> datetime:
    """An instant as the installation's clocks showed it."""
    told: datetime = pd.Timestamp(moment).tz_convert(zone).to_pydatetime(warn=False)  # type: ignore[arg-type]
    return told


def clock(at: datetime) -> str:
    """A local moment in words: 4 May 2025, 14:30."""
    return f"{formats.day(at)}, {at:%H:%M}"


def _told(row: Row, zone: ZoneInfo, now: datetime) -> Entry | None:
    kind = str(row["kind"])
    if kind not in _LANE_OF or kind == "message":
        return None
    at = local(row["happened_at"], zone)
    title, words, mark = _WORDS[kind](row, zone, now)
    line = "" if row["service_line"] in NOWHERE else str(row["service_line"])
    return Entry(at, _LANE_OF[kind], title, tuple(words), line, str(row["channel"]), mark)


Told = tuple[str, list[str], Mark]


def _touch(row: Row, _zone: ZoneInfo, _now: datetime) -> Told:
    title = _TOUCHES.get(str(row["what"]), formats.title(str(row["what"])))
    return title, [*_came(row), *placed(row)], "plain"


def _call(row: Row, _zone: ZoneInfo, _now: datetime) -> Told:
    answered = row["what"] == "answered"
    title = "Call answered" if answered else f"Call: {row['what']}"
    long = [_seconds(row["number"])] if answered and row["number"] else []
    return title, [*long, *_came(row), *placed(row)], "done" if answered else "missed"


def _lead(row: Row, _zone: ZoneInfo, _now: datetime) -> Told:
    return _BECAME[str(row["what"])], [*placed(row), f"told by {row['source']}"], "plain"


def _deal(row: Row, zone: ZoneInfo, _now: datetime) -> Told:
    state = "still open" if row["what"] == "open" else str(row["what"])
    if state in ("won", "lost") and not _missing(row["other_at"]):
        state += f" on {formats.day(local(row['other_at'], zone))}"
    worth = [] if _missing(row["amount"]) else [_money(row)]
    return "Inquiry opened", [state, *worth, *placed(row)], "plain"


def _stage(row: Row, _zone: ZoneInfo, _now: datetime) -> Told:
    of = "inquiry" if row["detail"] == "deal" else "contact"
    return f"Stage of the {of}: {row['what']}", placed(row), "plain"


def _preference(row: Row, _zone: ZoneInfo, _now: datetime) -> Told:
    allowed = row["number"] == 1
    how = [f"by {row['detail']}"] if row["detail"] else []
    words = "allowed" if allowed else "refused"
    title = f"{formats.title(str(row['what']))} by {_by(row['channel'])} {words}"
    return title, how, "done" if allowed else "missed"


def _booking(row: Row, zone: ZoneInfo, _now: datetime) -> Told:
    when = clock(local(row["other_at"], zone))
    title = "Booked a visit" if row["what"] == "booked" else "A visit was proposed"
    return title, [f"for {when}", *placed(row)], "plain"


def _visit(row: Row, zone: ZoneInfo, now: datetime) -> Told:
    title, mark = _VISITS[str(row["what"])]
    at = local(row["happened_at"], zone)
    if row["what"] == "booked" and at <= now:
        title, mark = "Visit, outcome not loaded yet", "plain"
    words = placed(row)
    days = (at.date() - local(row["other_at"], zone).date()).days
    if days > 0:
        words.append(f"booked {days} day{'' if days == 1 else 's'} before")
    if not _missing(row["number"]):
        words.append(f"waited {row['number']:.0f} min")
    return title, words, mark


def _encounter(row: Row, _zone: ZoneInfo, _now: datetime) -> Told:
    title = "Kept visit" if row["what"] == "visit" else "Emergency or hospital stay"
    coded = [f"class {row['detail']}"] if row["detail"] else []
    return title, [*placed(row), "without a booking", *coded], "done"


def _codes(row: Row, _zone: ZoneInfo, _now: datetime) -> Told:
    groups = [group.strip() for group in str(row["detail"]).split("|") if group.strip()]
    of = "Diagnosis" if row["kind"] == "diagnosis" else "Treatment"
    named = f"{of} group{'' if len(groups) == 1 else 's'} {formats.several(groups)}"
    return named, placed(row), "plain"


def _payment(row: Row, _zone: ZoneInfo, _now: datetime) -> Told:
    back = row["what"] == "refund"
    title = f"{'Given back' if back else 'Paid'} {_money(row, abs)}"
    payer = [formats.title(str(row["detail"]))] if row["detail"] else []
    return title, [*payer, *placed(row)], "missed" if back else "done"


def _balance(row: Row, _zone: ZoneInfo, _now: datetime) -> Told:
    due = [f"due {formats.day(date.fromisoformat(row['detail']))}"] if row["detail"] else []
    return f"Balance {_money(row)}", due, "plain"


def _feedback(row: Row, _zone: ZoneInfo, _now: datetime) -> Told:
    number, out_of = f"{row['number']:g}", f"{row['out_of']:g}"
    named = f" {row['detail']}" if row["detail"] else ""
    if row["what"] == "survey":
        return f"Survey{named}", [f"{number} of {out_of} answers the best", *placed(row)], "plain"
    title = "Would recommend (NPS)" if row["what"] == "nps" else f"Review{named}"
    return title, [f"{number} of {out_of}", *placed(row)], "plain"


_WORDS: dict[str, Callable[[Row, ZoneInfo, datetime], Told]] = {
    "touch": _touch,
    "shown": _touch,
    "call": _call,
    "lead": _lead,
    "deal": _deal,
    "stage": _stage,
    "preference": _preference,
    "booking": _booking,
    "visit": _visit,
    "encounter": _encounter,
    "diagnosis": _codes,
    "procedure": _codes,
    "payment": _payment,
    "balance": _balance,
    "feedback": _feedback,
}


def _messages(rows: Iterable[Row], zone: ZoneInfo) -> Iterator[Entry]:
    """One entry a message: when it was sent, and what became of it."""

    def one(row: Row) -> tuple[str, str, str, str]:
        return tuple(str(row[name]) for name in ("source", "campaign", "channel", "other_at"))  # type: ignore[return-value]

    every = sorted((row for row in rows if row["kind"] == "message"), key=one)
    for _message, group in groupby(every, key=one):
        steps = sorted(group, key=lambda row: row["happened_at"])
        first = steps[0]
        happened = [str(step["what"]) for step in steps]
        words = [f"by {_by(first['channel'])}", str(first["detail"])]
        if "held_out" in happened:
            words.append("held out: nothing was sent")
        else:
            words.append(", ".join(_since(first, step) for step in steps))
        bad = {"bounced", "unsubscribed"} & set(happened)
        good = {"opened", "clicked", "replied"} & set(happened)
        mark: Mark = "missed" if bad else "done" if good else "plain"
        at = local(first["happened_at"], zone)
        yield Entry(at, "messages", f"Message “{first['campaign']}”", tuple(words), mark=mark)


def _since(first: Row, step: Row) -> str:
    seconds = (step["happened_at"] - first["happened_at"]).total_seconds()
    return str(step["what"]) + (f" after {_seconds(seconds)}" if seconds >= 60 else "")


def _repeated(lines: Iterable[Entry]) -> Iterator[Entry]:
    """The same thing several times a day, with nothing between, is one line."""
    for _same, group in groupby(lines, key=lambda line: (line.at.date(), line.lane, line.text)):
        every = list(group)
        yield replace(every[0], times=len(every))


def _came(row: Row) -> list[str]:
    campaign = str(row["campaign"])
    named = [campaign] if campaign not in ("", "(none)") else []
    return [*([formats.title(str(row["channel"]))] if row["channel"] else []), *named]


def _missing(value: Any) -> bool:
    return bool(pd.isna(value))


def _by(channel: object) -> str:
    words = formats.title(str(channel))
    return words if words == "SMS" else words.lower().replace("email", "e-mail")


def _money(row: Row, as_: Callable[[float], float] = float) -> str:
    return formats.money(as_(float(row["amount"])), str(row["currency"]))


def _seconds(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = round(seconds / size)
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{seconds:.0f} seconds"
