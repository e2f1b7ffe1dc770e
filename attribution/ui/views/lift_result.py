"""What a finished lift test brought: with and without it, week by week, and what chance does."""

from functools import lru_cache

import pandas as pd

from attribution import queries
from attribution.lift_apart import Busy
from attribution.lift_plans import Plan
from attribution.lift_records import Test
from attribution.lift_results import Result, analysed
from attribution.metrics import definition, ratio
from attribution.paths import Home
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, View, measured
from attribution.ui.views.lift import COUNTS, place

QUESTION = "What did the test find?"
_BEFORE = 26  # weeks before the test that are drawn


@lru_cache(maxsize=32)
def found_of(home: Home, generation: int, plan: Plan, busy: tuple[Busy, ...]) -> Result:
    """What a test that is not recorded yet brought; raises BadInput where it cannot be told."""
    return analysed(queries.marts(home, generation, protected=False), plan, busy)


def result(test: Test, found: Result, currency: str) -> View:
    """The view of one result."""
    warnings = list(found.warnings)
    if not test.ahead:
        warnings.insert(
            0,
            f"The plan was registered on {formats.day(test.at[:10])}, after the test began: "
            "whoever had seen the first weeks could have chosen by them.",
        )
    figures = {"course": _course(test, found), "weeks": _weeks(test, found)}
    if found.placebos:
        figures["placebos"] = _placebos(test, found)
    return View(
        QUESTION,
        metrics=_metrics(found, currency),
        figures=figures,
        tables={
            "course": _counted(found),
            "effects": _effects(test, found),
            "beside": _beside(found),
        },
        remark=said_of(test, found),
        warnings=tuple(warnings),
        notes=_notes(test, found),
        currency=currency,
    )


def said_of(test: Test, found: Result) -> str:
    """The result in a sentence or two."""
    what = COUNTS[test.plan.kind].lower()
    channel = formats.title(test.plan.channel)
    ends = f"{formats.number(found.low)} to {formats.number(found.high)}"
    if found.told and found.increment > 0:
        return (
            f"{channel} brought {formats.number(found.increment)} {what} ({ends} at 90%), "
            f"{formats.rate(found.share)} of what is counted with it on."
        )
    if found.told:
        return (
            f"With {channel} on there were fewer {what}: {formats.number(found.increment)} "
            f"({ends} at 90%). Look for what else happened in these places."
        )
    return (
        f"The test cannot tell what {channel} brought from nothing: "
        f"{formats.number(found.increment)} {what}, {ends} at 90%. It rules out more than "
        f"{formats.rate(max(found.share_high, 0.0))} of what is counted."
    )


def numbers_table(test: Test, found: Result) -> Table:
    """The result as one row, for files."""
    plan = test.plan
    row = {
        "name": test.name, "channel": plan.channel, "kind": plan.kind, "design": plan.design,
        "first_day": pd.Timestamp(plan.first_day), "last_day": pd.Timestamp(plan.last_day),
        "increment": found.increment, "low": found.low, "high": found.high,
        "standard_error": found.standard_error, "share": found.share, "chance": found.chance,
        "counted": found.counted, "expected": found.expected, "money": found.money,
        "method": plan.method, "digest": test.digest,
    }  # fmt: skip
    formats_of = {"first_day": "day", "last_day": "day", "share": "rate", "chance": "rate"}
    texts = ("name", "channel", "kind", "design", "method", "digest")
    columns = tuple(
        Column(n, n, formats_of.get(n, "text" if n in texts else "number"))  # type: ignore[arg-type]
        for n in row
    )
    return Table("Result", columns, pd.DataFrame([row]))


def _metrics(found: Result, currency: str) -> tuple[Metric, ...]:
    share = f"{formats.rate(found.share_low)} to {formats.rate(found.share_high)}"
    ends = f"{formats.number(found.low)} to {formats.number(found.high)}"
    cost, between = None, "cannot be told"
    if found.low > 0 and found.money > 0:
        cost = ratio(found.money, found.increment)
        dear, cheap = (
            formats.money(found.money / end, currency) for end in (found.low, found.high)
        )
        between = f"{cheap} to {dear}"
    cards = (
        ("lift_increment", found.increment, ends),
        ("lift_share", found.share, share),
        ("lift_cost", cost, between),
        ("lift_chance", found.chance, ""),
    )
    return tuple(
        Metric(name, each.title, value, None, each.format, each.help, each.better, interval=words)
        for name, value, words in cards
        for each in (definition(name),)
    )


def _course(test: Test, found: Result) -> Figure:
    plan = test.plan
    what = COUNTS[plan.kind].lower()
    first = plan.first_day.isoformat()
    shown = max(sum(week < first for week in found.weeks) - _BEFORE, 0)
    spans = [(first, found.weeks[-1])]
    return Figure(
        f"{COUNTS[plan.kind]} with the test, and without",
        charts.against(
            found.weeks[shown:], found.observed[shown:], found.without[shown:], found.reach, spans
        ),
        f"In the weeks that count {formats.number(found.counted)} {what} were counted; without the "
        f"test they would have been {formats.number(found.expected)}.",
        "What the treated markets counted, and what the others tell that they would have, with a "
        "90% band of a single week. Grey: the weeks of the test.",
        "course",
    )


def _weeks(test: Test, found: Result) -> Figure:
    weeks, values = [day for day, _ in found.effects], [value for _, value in found.effects]
    switched = bool(test.plan.blocks)
    usual = sum(found.without[-len(weeks) :]) / max(len(weeks), 1)
    edge = 0.0 if switched else found.reach * usual
    best = max(values, default=0.0)
    words = (
        f"By pairs of blocks from {formats.rate(min(values, default=0.0))} to {formats.rate(best)}."
        if switched
        else f"From {formats.number(min(values, default=0.0))} to {formats.number(best)} a week."
    )
    return Figure(
        "What each pair of blocks says" if switched else "What each week brought",
        charts.by_week(weeks, values, -edge, edge),
        words,
        "Grey: where nine in ten weeks lie if the channel does nothing." if not switched else "",
        "effects",
    )


def _placebos(test: Test, found: Result) -> Figure:
    sign = 1.0 if test.plan.blocks or not found.expected else 1 / found.expected
    at = found.share if test.plan.blocks else found.increment * sign
    beyond = sum(abs(value) >= abs(at) for value in found.placebos)
    return Figure(
        "The same test where nothing was done",
        charts.by_chance(found.placebos, at),
        f"{beyond} of {len(found.placebos)} tests on earlier weeks and other markets were as far "
        "from nought as this one. By chance goes by how wide they spread, for many share weeks.",
        "The interval is as wide as these results are: what the test is off by chance and drift.",
    )


def _counted(found: Result) -> Table:
    """What was counted in each week, and what would have been: newest first."""
    columns = (
        Column("week", "Week of", "day"),
        Column("counted", "Counted", "count", "By the treated markets."),
        Column("without", "Without the test", "number", "What the others tell of them."),
    )
    without = found.without or (float("nan"),) * len(found.weeks)
    rows = zip(map(pd.Timestamp, found.weeks), found.observed, without, strict=True)
    frame = pd.DataFrame(list(rows)[::-1], columns=[column.name for column in columns])
    return Table("Week by week, with the test and without", columns, frame)


def _effects(test: Test, found: Result) -> Table:
    title = "Part" if test.plan.blocks else "Brought"
    columns = (
        Column("week", "Week of", "day"),
        Column("brought", title, "rate" if test.plan.blocks else "number"),
    )
    frame = pd.DataFrame(
        [(pd.Timestamp(day), value) for day, value in found.effects], columns=["week", "brought"]
    )
    return Table("Week by week", columns, frame)


def _beside(found: Result) -> Table:
    columns = (
        Column("how", "How"),
        measured("lift_increment"),
        Column("low", "Low", "number", "Lower end of the 90% interval."),
        Column("high", "High", "number", "Upper end of the 90% interval."),
    )
    frame = pd.DataFrame(list(found.beside), columns=[column.name for column in columns])
    return Table(
        "Told in other ways",
        columns,
        frame,
        note=f"For comparison. The registered way is the one that counts. {found.unlike}".strip(),
        empty="There is no other way to tell it.",
    )


def _notes(test: Test, found: Result) -> tuple[str, ...]:
    plan = test.plan
    treated = formats.several(place(market) for market in plan.treated)
    notes = [
        (
            f"Treated: {treated}. Compared with: "
            f"{formats.several(place(market) for market in plan.controls) or 'themselves'}."
        ),
        f"Registered by {test.actor} on {formats.instant(test.at)}; plan {test.digest[:12]}.",
    ]
    if found.money > 0 and not plan.blocks:
        notes.append("The money is what the weeks before say would have been spent, less what was.")
    return tuple(notes)
