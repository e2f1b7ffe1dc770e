"""The page of one person: who they are in numbers, what comes next, and all that happened."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import pandas as pd

from attribution import patient, patient_search, queries
from attribution.metrics import definition
from attribution.models.journey_credit import shared
from attribution.paths import Home
from attribution.patient import Profile
from attribution.patient_search import Opening
from attribution.ui import access, charts, formats
from attribution.ui.charts.timeline import Mark, timeline
from attribution.ui.scope import DEFAULT_MODEL
from attribution.ui.view import Column, Figure, Table, View, records
from attribution.ui.views.examples import ENDS
from attribution.ui.views.patient_entries import LANES, NOWHERE, Entry, Row, entries, local
from attribution.ui.views.patient_next import Standing, standing

QUESTION = "What has happened with this person, and what comes next?"
SPANS = {"all": None, "5y": 1826, "2y": 730, "1y": 365, "3m": 91}
_PAUSE = timedelta(days=60)  # a longer one begins another episode
_LANGUAGES = {"en": "English", "es": "Spanish", "fr": "French", "de": "German", "zh": "Chinese"}
_SHORT = {"messages": "Messages", "care": "Care"}  # beside a figure, also on a phone
_COLOURS = {
    "calls": 7,
    "leads": 9,
    "messages": 5,
    "visits": 1,
    "care": 3,
    "money": 4,
    "feedback": 6,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a journey is to be shown; nothing chosen means all."""

    lanes: tuple[str, ...] = ()
    span: str = "all"
    service_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing about the person, as written, and what it means."""

    title: str
    value: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of time without a long pause, oldest month and line first."""

    title: str
    months: tuple[tuple[str, tuple[Entry, ...]], ...]


@dataclass(frozen=True, slots=True)
class Given:
    """A channel before a conversion, how many days before, and its share of it."""

    channel: str
    campaign: str
    days_before: float
    share: float
    amount: str  # what the share is of the money, as written; empty where it is no money


@dataclass(frozen=True, slots=True)
class Credited:
    """A conversion and the marketing before it."""

    at: datetime
    title: str
    about: str
    given: tuple[Given, ...]


@dataclass(frozen=True, slots=True)
class Journey:
    """Everything the page shows of one person."""

    opening: Opening
    view: View
    facts: tuple[Fact, ...]
    standing: Standing
    episodes: tuple[Episode, ...]
    credited: tuple[Credited, ...]
    uncredited: int  # conversions with no known touch before them
    model: str
    lanes: tuple[str, ...]  # what there is to choose from
    service_lines: tuple[str, ...]
    keeps_credit: bool = True  # of single people; without it nobody knows what came before


def journey(
    home: Home, generation: int, opening: Opening, asked: Asked, model: str, now: datetime
) -> Journey | None:
    """The journey of a person who was opened; None where nobody has the number any more.

    Raises NotAllowed where the reader may not see people. Nothing of it is kept for another run.
    """
    at, still = patient_search.looked_at(home, generation, access.permit(home), opening)
    profile = patient.profile(at, still.person) if still else None
    if still is None or profile is None:
        return None
    events = patient.events(at, still.person)
    about = queries.about(queries.marts(home, generation, protected=False))
    zone, currency = ZoneInfo(about.timezone), about.currency
    model = model if model in shared() else DEFAULT_MODEL
    conversions = events[events["kind"] == "conversion"]
    touches = patient.credited(at, conversions["conversion_id"].tolist(), model)
    told = build(still, profile, events, touches, asked, model, zone, currency, now)
    return replace(told, keeps_credit=not touches.empty or patient.keeps_credit(at))


def build(
    opening: Opening,
    profile: Profile,
    events: pd.DataFrame,
    touches: pd.DataFrame,
    asked: Asked,
    model: str,
    zone: ZoneInfo,
    currency: str,
    now: datetime,
) -> Journey:
    """The page from what the tables say."""
    now = now.astimezone(zone)
    rows = records(events)
    stands = standing(rows, profile, zone, now, currency)
    lines = tuple(sorted({str(row["service_line"]) for row in rows} - set(NOWHERE)))
    chosen = _within(rows, asked, now)
    every = entries(rows, zone, now)
    found = every if len(chosen) == len(rows) else entries(chosen, zone, now)
    shown = [each for each in found if not asked.lanes or each.lane in asked.lanes]
    credited, uncredited = _credited(chosen, touches, zone)
    return Journey(
        opening,
        _view(shown, asked, currency, now),
        _facts(profile, every, stands, now),
        stands,
        _episodes(shown),
        credited,
        uncredited,
        model,
        tuple(lane for lane in LANES if any(each.lane == lane for each in every)),
        lines,
    )


def _within(rows: Sequence[Row], asked: Asked, now: datetime) -> Sequence[Row]:
    days = SPANS.get(asked.span)
    if days is not None:
        rows = [row for row in rows if row["happened_at"] >= now - timedelta(days=days)]
    if asked.service_lines:
        rows = [row for row in rows if row["service_line"] in asked.service_lines]
    return rows


def _facts(
    profile: Profile, every: Sequence[Entry], stands: Standing, now: datetime
) -> tuple[Fact, ...]:
    past = [each.at for each in every if each.at <= now]
    owed = formats.UNDEFINED
    if stands.balance is not None:
        owed = formats.money(stands.balance, stands.currency)
    words = formats.UNDEFINED
    return (
        _fact("person_state", stands.state),
        Fact("Age", _age(profile, now), "From the year of birth; nobody's day of birth is kept."),
        Fact("Sex", formats.title(profile.sex) or words, "As the record says it."),
        Fact("Area", f"ZIP {profile.zip3}…" if profile.zip3 else words, "First three digits."),
        Fact("Language", _LANGUAGES.get(profile.language, profile.language) or words),
        _fact("first_seen", formats.day(min(past, default=None))),
        _fact("last_seen", formats.day(max(past, default=None))),
        _fact("kept_visits", formats.count(stands.kept_visits)),
        _fact("open_balance", owed),
        Fact(
            "Known to",
            formats.several(profile.sources) or words,
            "The sources with a record of this person. People are joined by hashed identifiers.",
        ),
    )


def _fact(name: str, value: str) -> Fact:
    meaning = definition(name)
    return Fact(meaning.title, value, meaning.help)


def _age(profile: Profile, now: datetime) -> str:
    """The band of five years; above 89 all are one."""
    if profile.birth_year is None:
        return formats.UNDEFINED
    age = now.year - profile.birth_year
    if age > 89:
        return "90 or older"
    low = max(age, 0) // 5 * 5
    return f"{low} to {low + 4}"


def _view(shown: Sequence[Entry], asked: Asked, currency: str, now: datetime) -> View:
    if not shown:
        return View(QUESTION, currency=currency)
    lanes = [lane for lane in LANES if any(each.lane == lane for each in shown)]
    marks = [
        Mark(
            f"{each.at:%Y-%m-%dT%H:%M}",
            lanes.index(each.lane),
            _colour(each),
            each.mark,
            f"{formats.day(each.at)}, {each.at:%H:%M}<br>{formats.short_label(each.text, 48)}",
        )
        for each in shown
    ]
    table = Table(
        "All that is shown",
        (
            Column("day", "Day", "day"),
            Column("time", "Time"),
            Column("lane", "Kind"),
            Column("what", "What happened"),
        ),
        pd.DataFrame(
            [(e.at.date(), f"{e.at:%H:%M}", LANES[e.lane], e.text) for e in shown],
            columns=["day", "time", "lane", "what"],
        ),
    )
    spec = timeline(
        [_SHORT.get(lane, LANES[lane]) for lane in lanes], marks, f"{now:%Y-%m-%dT%H:%M}"
    )
    counts = Counter(LANES[each.lane].lower() for each in shown)
    told = ", ".join(f"{lane} {number:,}" for lane, number in counts.most_common())
    first, last = formats.day(shown[0].at), formats.day(shown[-1].at)
    drawn = Figure(
        "From the first contact to the last",
        spec,
        f"{first} to {last}: {told}. Filled circles went well, crosses were missed or refused, "
        "open circles are ahead, diamonds are all else.",
        "Marketing has its channel's colour. Times are local.",
        "entries",
    )
    notes = (
        ("Things that name no service line are left out while one is chosen.",)
        if asked.service_lines
        else ()
    )
    return View(
        QUESTION, figures={"timeline": drawn}, tables={"entries": table}, notes=notes,
        currency=currency,
    )  # fmt: skip


def _colour(entry: Entry) -> str:
    if entry.lane == "marketing":
        return charts.channel_colour(entry.channel)
    return charts.colour(_COLOURS[entry.lane])


def _episodes(shown: Sequence[Entry]) -> tuple[Episode, ...]:
    """The newest first; inside, as it happened."""
    runs: list[list[Entry]] = []
    for each in shown:
        if runs and each.at - runs[-1][-1].at <= _PAUSE:
            runs[-1].append(each)
        else:
            runs.append([each])
    return tuple(Episode(_episode_title(run), tuple(_months(run))) for run in reversed(runs))


def _episode_title(run: Sequence[Entry]) -> str:
    lines = Counter(each.service_line for each in run if each.service_line)
    about = formats.title(lines.most_common(1)[0][0]) if lines else "Contacts"
    visits = sum(each.lane == "visits" and each.mark == "done" for each in run)
    seen = f" · {visits} visit{'' if visits == 1 else 's'}" if visits else ""
    things = f"{len(run)} entr{'y' if len(run) == 1 else 'ies'}"
    return f"{about} · {_span(run[0].at.date(), run[-1].at.date())}{seen} · {things}"


def _span(first: date, last: date) -> str:
    return formats.day(first) if first == last else f"{formats.day(first)} – {formats.day(last)}"


def _months(run: Iterable[Entry]) -> Iterator[tuple[str, tuple[Entry, ...]]]:
    for month, group in groupby(run, key=lambda each: f"{each.at:%B %Y}"):
        yield month, tuple(group)


def _credited(
    chosen: Sequence[Row], touches: pd.DataFrame, zone: ZoneInfo
) -> tuple[tuple[Credited, ...], int]:
    """Every conversion with marketing before it, the newest first, and how many had none."""
    before = {
        number: list(steps)
        for number, steps in groupby(records(touches), key=lambda row: row["conversion_id"])
    }
    told, none = [], 0
    rows = [row for row in chosen if row["kind"] == "conversion"]
    for row in sorted(rows, key=lambda each: each["happened_at"], reverse=True):
        steps = before.get(row["conversion_id"])
        if not steps:
            none += 1
            continue
        money = row["what"] == "collected"
        words = [] if row["service_line"] in NOWHERE else [formats.title(row["service_line"])]
        words += [formats.money(row["amount"], row["currency"])] if money else []
        given = tuple(
            Given(
                step["channel"],
                step["campaign"],
                step["days_before"],
                step["share"],
                formats.money(step["share"] * row["amount"], row["currency"]) if money else "",
            )
            for step in steps
        )
        at = local(row["happened_at"], zone)
        told.append(Credited(at, ENDS[str(row["what"])], " · ".join(words), given))
    return tuple(told), none
