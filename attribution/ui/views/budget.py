"""Budget: what if we moved money between channels? A plan, its gain, and how sure that is."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from attribution import mix_queries, planning, queries
from attribution.errors import BadInput
from attribution.metrics import Format, definition
from attribution.mix_queries import Response
from attribution.models.estimate import ends_of_draws
from attribution.paths import Home
from attribution.planning import Line, Request, Scenario
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, View, measured

QUESTION = "What if money moved between channels?"
PROTECTED = (
    "Plans stand on numbers of single weeks, which are not told to viewers. Readers with the role "
    "analyst see this page."
)
TITLES = {
    "kept": "Kept visits",
    "new_patient": "New patients",
    "booked": "Bookings",
    "lead": "Leads",
    "margin": "Margin",
}
UNITS = {
    "kept": "kept visits",
    "new_patient": "new patients",
    "booked": "bookings",
    "lead": "leads",
    "margin": "of margin",
}
_POINTS = 41
_MONEY = ("now", "least", "most", "suggested")


@lru_cache(maxsize=64)
def budget(home: Home, generation: int, request: Request, *, protected: bool) -> View:
    """The page's view of one plan; built once for each request."""
    if protected:
        return View(QUESTION, empty=PROTECTED)
    marts = queries.marts(home, generation, protected=False)
    currency = queries.about(marts).currency
    found = mix_queries.response(marts, planning.kind_of(request.objective))
    if found is None:
        return View(QUESTION, currency=currency, empty=planning.TOO_LITTLE)
    try:
        made = planning.scenario(marts, request)
    except BadInput as error:
        return View(QUESTION, currency=currency, empty=str(error))
    return View(
        QUESTION,
        metrics=_metrics(made, currency),
        figures={
            f"curve_{line.channel}": _curve(found, line, request, currency)
            for line in by_spend(made)
        },
        tables={"plan": plan_table(made)},
        warnings=_warnings(made, marts, request),
        notes=(*_notes(made), *_left_out(made, marts, currency)),
        currency=currency,
    )


def by_spend(made: Scenario) -> list[Line]:
    """Its channels, most money first."""
    return sorted(made.lines, key=lambda line: (-line.now, line.channel))


def plan_table(made: Scenario) -> Table:
    """The plan, a row for each channel: what page, export and command line show."""
    rows = [
        {
            "channel": line.channel,
            "spend_now": line.now,
            "spend_suggested": line.suggested,
            "spend_change": line.suggested - line.now,
            "brings_now": line.brings_now,
            "brings_then": line.brings,
            "one_more_now": line.one_more_now,
            "one_more": line.one_more,
            "spend_least": line.least,
            "spend_most": line.most,
        }
        for line in by_spend(made)
    ]
    names = list(rows[0]) if rows else ["channel"]
    columns = (Column("channel", "Channel"), *(measured(name) for name in names[1:]))
    what = TITLES[made.request.objective].lower()
    return Table("The plan, a week", columns, pd.DataFrame(rows), note=f"It counts {what}.")


def compared(scenarios: Sequence[Scenario]) -> Table:
    """Scenarios side by side, a row for each: what it counts, spends, gains, and how sure."""
    columns = (
        Column("name", "Scenario"),
        Column("counts", "Counts"),
        measured("plan_total"),
        measured("plan_gain"),
        Column("low", "Low", "number", "Lower end of the 90% interval of the gain."),
        Column("high", "High", "number", "Upper end of the 90% interval of the gain."),
        measured("plan_sure"),
        Column("at", "Saved", "instant"),
        Column("actor", "By"),
    )
    frame = pd.DataFrame(
        [
            {
                "name": one.name,
                "counts": TITLES[one.request.objective],
                "plan_total": one.total,
                "plan_gain": one.gain,
                "low": one.low,
                "high": one.high,
                "plan_sure": one.surely,
                "at": pd.Timestamp(one.at) if one.at else pd.NaT,
                "actor": one.actor,
            }
            for one in scenarios
        ],
        columns=[column.name for column in columns],
    )
    return Table("Scenarios", columns, frame, empty="No scenario is saved yet.")


def money_of(scenarios: Sequence[Scenario]) -> Table:
    """What each scenario gives each channel, a column for each scenario."""
    names = sorted({line.channel for one in scenarios for line in one.lines})
    columns = [Column("channel", "Channel")]
    frame = pd.DataFrame({"channel": names})
    for number, one in enumerate(scenarios):
        given = {line.channel: line.suggested for line in one.lines}
        frame[f"scenario_{number}"] = [given.get(name) for name in names]
        columns.append(Column(f"scenario_{number}", one.name, "money", "Money a week."))
    return Table("Spend a week in each", tuple(columns), frame)


def _metrics(made: Scenario, currency: str) -> tuple[Metric, ...]:
    money = made.request.objective == "margin"
    as_: Format = "money" if money else "number"
    written = [formats.written(value, as_, currency) for value in (made.low, made.high)]
    values = {
        "plan_gain": made.gain,
        "plan_sure": made.surely,
        "plan_total": made.total,
        "plan_moved": made.moved / made.total_now if made.total_now else None,
    }
    changed = abs(made.total - made.total_now) > 1
    found = []
    for name, value in values.items():
        each = definition(name)
        gain = name == "plan_gain"
        found.append(
            Metric(
                name,
                each.title,
                value,
                made.total_now if name == "plan_total" and changed else None,
                as_ if gain else each.format,
                each.help,
                each.better,
                interval=f"90%: {written[0]} to {written[1]}" if gain else "",
            )
        )
    return tuple(found)


def _curve(found: Response, line: Line, request: Request, currency: str) -> Figure:
    at = found.channels.index(line.channel)
    ever = (float(min(found.least[at], line.now)), float(max(found.most[at], line.now)))
    last = max(1.5 * ever[1], 1.05 * line.suggested, 1.0)
    spend = np.linspace(0, last, _POINTS)
    worth = request.margin if request.objective == "margin" else 1.0
    drawn = found.curves.along(at, spend) * worth
    low, high = ends_of_draws(drawn)
    sign, unit = formats.symbol(currency), UNITS[request.objective]
    points = [
        ("Today", line.now, line.brings_now, "circle"),
        ("Suggested", line.suggested, line.brings, "diamond"),
    ]
    name = formats.title(line.channel)
    amount: Format = "money" if request.objective == "margin" else "number"
    today, then = (
        formats.written(value, amount, currency) for value in (line.brings_now, line.brings)
    )
    return Figure(
        name,
        charts.response_curve(
            spend.round(2).tolist(),
            drawn.mean(axis=0).round(3).tolist(),
            low.round(3).tolist(),
            high.round(3).tolist(),
            points,
            ever,
            charts.channel_colour(line.channel),
            sign,
            unit,
        ),
        # The marks stay with their words where a line breaks.
        f"●\u00a0Today {formats.whole_money(line.now, currency)} a week brings {today} {unit}; "
        f"◆\u00a0suggested {formats.whole_money(line.suggested, currency)} brings {then}. "
        f"One more costs {formats.whole_money(line.one_more_now, currency)} today.",
        "What the channel brings in a week at steady spend, with a 90% band. Grey: never spent in "
        "any four weeks, so the curve there is a guess.",
    )


def _warnings(made: Scenario, marts: queries.Marts, request: Request) -> tuple[str, ...]:
    said = []
    if made.beyond:
        names = formats.several(map(formats.title, made.beyond))
        said.append(
            f"The plan gives {names} what was never spent in any four weeks and no test has tried."
        )
    told = mix_queries.mix_channels(marts, planning.kind_of(request.objective))
    vague = set(told.loc[told["evidence"] == mix_queries.NOT_IDENTIFIED, "channel"])
    unsure = [formats.title(line.channel) for line in made.lines if line.channel in vague]
    if unsure:
        said.append(
            f"{formats.several(unsure)}: the weeks tell hardly anything of what they bring. A lift "
            "test would; until then their curves are what is believed of such channels."
        )
    return tuple(said)


def _left_out(made: Scenario, marts: queries.Marts, currency: str) -> tuple[str, ...]:
    """A sentence on channels that money went into lately, and no plan has."""
    left = mix_queries.without_curve(marts, {line.channel for line in made.lines})
    if not left:
        return ()
    names = formats.several(map(formats.title, left))
    return (
        (
            f"In no plan, as there is no curve of them: {names}. A channel has one once it got "
            f"money in weeks that the mix model fits, all of it in {currency}."
        ),
    )


def _notes(made: Scenario) -> tuple[str, ...]:
    sure = formats.rate(made.sure)
    counted = UNITS[made.request.objective]
    how = "the mean of the worst fifth of draws" if made.request.careful else "the mean of draws"
    notes = [
        (
            f"How sure: in {sure} of the draws of the response curves the plan brings more "
            f"{counted} than today's. It makes {how} as large as it can."
            if made.moves
            else f"Nothing moves: within these bounds no other plan brings more {counted}, by "
            f"{how}. So there is no gain to be sure of."
        ),
        (
            "Within what was ever spent in any four weeks, unless bounds say otherwise. Gains are "
            "at steady spend, once carry-over has settled; they say nothing of a season."
        ),
    ]
    if made.request.objective == "margin":
        kept = formats.rate(made.request.margin)
        notes.append(f"Margin is {kept} of money collected, less what the plan spends more.")
    if made.request.room:
        said = [f"{formats.title(line)} {formats.number(room)}" for line, room in made.request.room]
        notes.append(f"Room for more kept visits a week: {formats.several(said)}.")
    return tuple(notes)
