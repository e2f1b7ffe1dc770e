"""What a design of a lift test could tell: its markets, its power, how well courses fitted."""

from functools import lru_cache

import pandas as pd

from attribution import lift_designs, lift_records, queries
from attribution.errors import BadInput
from attribution.lift_apart import Busy
from attribution.lift_plans import Plan, Proposal, Request
from attribution.metrics import definition
from attribution.models.lift_beside import title_of
from attribution.models.lift_design import weeks_needed
from attribution.models.lift_effect import method_of
from attribution.paths import Home
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, View, measured
from attribution.ui.views.lift import COUNTS, place

QUESTION = "What could this test tell?"


def design(home: Home, generation: int, request: Request) -> View:
    """The view of one design, beside the tests that are registered."""
    return _designed(home, generation, request, lift_records.busy(home))


@lru_cache(maxsize=16)
def _designed(home: Home, generation: int, request: Request, busy: tuple[Busy, ...]) -> View:
    """The same; built once for each request."""
    marts = queries.marts(home, generation, protected=False)
    currency = queries.about(marts).currency
    try:
        made = lift_designs.proposed(marts, request, busy)
    except BadInput as error:
        return View(QUESTION, currency=currency, empty=str(error))
    return View(
        QUESTION,
        metrics=_metrics(made),
        figures={"power": _power(made), "fit": _fit(made)},
        tables={"arms": arms_table(made.plan, made.markets), "lengths": _lengths(made)},
        remark=said_of(made),
        warnings=made.warnings,
        notes=_notes(made),
        currency=currency,
    )


def said_of(made: Proposal) -> str:
    """The design in two sentences."""
    plan = made.plan
    what = COUNTS[plan.kind].lower()
    if plan.design == "switchback":
        how = (
            f"{formats.title(plan.channel)} goes off and on by turns, in {len(plan.blocks)} blocks "
            f"of {plan.block} weeks from {formats.day(plan.first_day)}"
        )
    else:
        several = f"{len(plan.treated)} of {len(plan.treated) + len(plan.controls)} markets"
        how = (
            f"{formats.title(plan.channel)} goes {plan.action} in {several} from "
            f"{formats.day(plan.first_day)}, for {plan.washout} weeks of wash-out and {plan.weeks} "
            "that count"
        )
    sentence = (
        f"{how}. It tells an effect of {formats.rate(plan.detectable)} of {what} four times in "
        f"five, and one of {formats.rate(plan.wanted)} in {formats.rate(plan.power)} of tests."
    )
    if made.believed is not None:
        middle, low, high = (formats.rate(part) for part in made.believed)
        sentence += f" The mix model believes in {middle} ({low} to {high})."
    return sentence


def arms_table(plan: Plan, markets: tuple[tuple[tuple[str, str], str, float, float], ...]) -> Table:
    """Who is treated from when, and who tells what would have been."""
    columns = (
        Column("market", "Market"),
        Column("arm", "Arm"),
        Column("begins", "Begins", "day"),
        measured("lift_counted_weekly"),
        measured("lift_spent_weekly"),
    )
    starts = dict(zip(plan.treated, plan.starts, strict=True))
    frame = pd.DataFrame(
        [
            {
                "market": place(market),
                "arm": "Treated" if arm == "treated" else "Compared with",
                "begins": pd.Timestamp(starts[market]) if market in starts else pd.NaT,
                "lift_counted_weekly": counted,
                "lift_spent_weekly": paid,
            }
            for market, arm, counted, paid in markets
        ],
        columns=[column.name for column in columns],
    )
    return Table("Markets", columns, frame)


def _lengths(made: Proposal) -> Table:
    columns = (
        Column("weeks", "Weeks that count", "count"),
        measured("lift_detectable"),
    )
    if made.plan.design == "switchback":
        columns = (Column("weeks", "Weeks in all", "count"), columns[1])
    frame = pd.DataFrame(list(made.lengths), columns=["weeks", "lift_detectable"])
    return Table("How long it takes", columns, frame, empty="Too few weeks to try lengths out on.")


def _metrics(made: Proposal) -> tuple[Metric, ...]:
    plan = made.plan
    needed = weeks_needed(made.lengths, plan.wanted)
    values = {
        "lift_detectable": plan.detectable,
        "lift_power": plan.power,
        "lift_weeks": None if needed is None else float(needed),
        "lift_money": plan.money,
    }
    return tuple(
        Metric(name, each.title, value, None, each.format, each.help, each.better)
        for name, value in values.items()
        for each in (definition(name),)
    )


def _power(made: Proposal) -> Figure:
    plan = made.plan
    return Figure(
        "What the test can tell",
        charts.power(made.effects, made.powers, plan.wanted, plan.detectable),
        f"An effect of {formats.rate(plan.wanted)} is told in {formats.rate(plan.power)} of tests; "
        f"one of {formats.rate(plan.detectable)} in four of five.",
        "The test is tried out on the weeks before, where nothing was done, with each effect added "
        "to what it finds there.",
        "lengths",
    )


def _fit(made: Proposal) -> Figure:
    weeks, counted, told = made.fit
    if not told:
        return Figure(
            "What is counted a week",
            charts.against(weeks, counted, (), 0.0, ()),
            "What the markets that go off and on counted in the last year.",
        )
    half = slice(-(len(weeks) // 2), None)
    off = sum(counted[half]) / max(sum(told[half]), 1e-9) - 1
    more = "more" if off > 0 else "less"
    return Figure(
        "How well the others tell the treated, before",
        charts.against(weeks, counted, told, 0.0, (), ("Treated", "Told by the others")),
        f"In the last weeks the treated counted {formats.rate(abs(off))} {more} than the others "
        "tell of them, though nothing was done.",
        "Both lines should run together: the closer, the smaller the effect that can be told. The "
        "last half year is told from the weeks before it.",
        "arms",
    )


def _notes(made: Proposal) -> tuple[str, ...]:
    plan = made.plan
    if plan.design == "switchback":
        return (
            (
                f"Of each pair of blocks chance picked the one that is off (seed {plan.seed}). The "
                f"first {plan.washout} weeks of a block do not count."
            ),
        )
    return (
        (
            f"How it will be told: {title_of(method_of(plan.method)).lower()}; of six ways the one "
            "that was off least where nothing was done. Registered with the plan, it is not chosen "
            "again."
        ),
        (
            f"The treated markets were drawn with seed {plan.seed} from the tenth of sets that "
            "kept the steadiest share of all conversions."
        ),
    )
