"""Lift tests that spoil each other: in the same markets, in the same weeks or those before."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from attribution.errors import BadInput
from attribution.lift_plans import Plan, named
from attribution.models.lift_panel import Market, Panel


@dataclass(frozen=True, slots=True)
class Busy:
    """Markets of a test, and the days on which they were not as usual because of it."""

    markets: tuple[Market, ...]
    first: date
    last: date


def busy_of(plan: Plan, called_off: date | None = None) -> Busy:
    """What a test kept busy: after it, what was switched takes its wash-out to work as before."""
    last = plan.last_day if called_off is None else min(plan.last_day, called_off)
    return Busy(plan.treated, plan.first_day, last + timedelta(weeks=plan.washout))


def usual_weeks(
    told: Panel, markets: Iterable[Market], busy: Iterable[Busy], before: date
) -> tuple[Panel, tuple[str, ...]]:
    """A panel without weeks `before` a test in which its markets were in others, and a warning.

    What is usual, and how far a test is off by chance, is told by the weeks that are left; raises
    BadInput where none are.
    """
    own, day = list(markets), np.timedelta64(1, "D")
    kept = np.ones(len(told.weeks), dtype=bool)
    for each in busy:
        if meeting(own, each.markets):
            outside = told.weeks + 6 * day < np.datetime64(each.first, "D")
            outside |= told.weeks > np.datetime64(each.last, "D")
            kept &= outside | (told.weeks >= np.datetime64(before, "D"))
    if kept.all():
        return told, ()
    left = Panel(told.markets, told.weeks[kept], told.counts[:, kept])
    known = left.weeks[left.weeks < np.datetime64(before, "D")]
    if not len(known):
        raise BadInput(
            "In every week that is known before this test its markets were in another one, so "
            "nothing says what is usual there. Test other markets, or load older weeks."
        )
    gone, last = int((~kept).sum()), (known[-1] + 6 * day).astype(date)
    said = (
        f"{gone} {'week before it is' if gone == 1 else 'weeks before it are'} left out, since "
        "markets of this test were in another one then. What is usual is told by the other weeks, "
        f"until {last.day} {last:%b %Y}."
    )
    return left, (said,)


def prove_apart(plan: Plan, name: str, other: Plan) -> None:
    """Raise BadInput where a plan could not be told from another test, `name`, or the reverse."""
    if not (other.first_day <= plan.last_day and plan.first_day <= other.last_day):
        return
    if meeting(plan.treated, (*other.treated, *other.controls)):
        raise BadInput(
            f"The test {name!r} is in the same markets until {other.last_day}, and "
            "neither could be told from the other. Begin after it, or call it off."
        )
    if spoilt := meeting(plan.controls, other.treated):
        raise BadInput(
            f"The test {name!r} treats {', '.join(map(named, spoilt))} until {other.last_day}, "
            "and this one would be compared with what is counted there. Leave out these markets, "
            "or begin after it."
        )


def meeting(some: Iterable[Market], others: Iterable[Market]) -> list[Market]:
    """Those of some markets in which people of others are: north is north/dental too."""
    others = list(others)
    return [one for one in some if any(_meet(one, other) for other in others)]


def _meet(one: Market, other: Market) -> bool:
    return all(mine == its or not mine or not its for mine, its in zip(one, other, strict=True))
