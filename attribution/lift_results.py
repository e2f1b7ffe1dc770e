"""What finished lift tests brought, by the plan that was registered before they began."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import sqrt

import numpy as np

from attribution import lift_queries
from attribution.errors import BadInput
from attribution.lift_apart import Busy, usual_weeks
from attribution.lift_plans import Plan, named, told_course
from attribution.lift_queries import Money
from attribution.models import switchback
from attribution.models.arm_lift import LEVEL
from attribution.models.incremental_design import Floats
from attribution.models.incremental_evidence import HALF, OFF
from attribution.models.lift_beside import beside, why_no_cuped
from attribution.models.lift_effect import course_of, method_of
from attribution.models.lift_panel import Cohort, Layout, Market, Panel
from attribution.models.lift_placebo import placebos
from attribution.models.quantiles import normal, student_above
from attribution.queries import Marts

_BEFORE = 8  # weeks that say what was spent before
# Of the usual money: above it a channel was not quite off; how far other money may move.
_STILL_ON, _MOVED = 0.1, 0.3
_NORMAL = normal(0.5 + LEVEL / 2)


@dataclass(frozen=True, slots=True)
class Result:
    """What the channel brought in the weeks that count, where it was tested, and how sure that is.

    `low` and `high` are the ends of the 90% interval; `standard_error` is that of a normal with the
    same interval. `share` is the part of what would be counted with the channel on. `chance` is how
    likely so large a result is where the channel does nothing. `weeks`, `observed` and `without`
    are of what the treated counted, and would have counted without the test, with `reach` of a
    week's 90% interval as a part; `effects` are by week that counts. `placebos` are the results of
    the same test where nothing was done, as parts. `beside` are other ways to tell it. `money` was
    not spent (or spent) in the weeks that count. `parts` are the places and days that count.
    `spoilt` says why the test is no evidence of what the channel brings.
    """

    increment: float
    low: float
    high: float
    standard_error: float
    share: float
    share_low: float
    share_high: float
    chance: float
    counted: float
    expected: float
    weeks: tuple[str, ...]
    observed: tuple[float, ...]
    without: tuple[float, ...]
    reach: float
    effects: tuple[tuple[str, float], ...]
    placebos: tuple[float, ...]
    beside: tuple[tuple[str, float, float, float], ...]
    money: float
    parts: tuple[tuple[str, str, str, str], ...]  # location, service line, first and last day
    warnings: tuple[str, ...]
    spoilt: str = ""  # why it is no evidence of the channel, whatever it says
    unlike: str = ""  # why one of the other ways is not beside it

    @property
    def told(self) -> bool:
        """Whether the interval leaves nothing out of question."""
        return self.low > 0 or self.high < 0


def analysed(marts: Marts, plan: Plan, busy: tuple[Busy, ...] = ()) -> Result:
    """What a test that has ended brought; raises BadInput while it runs.

    `busy` is what other tests did: their weeks do not tell what is usual.
    """
    told = lift_queries.panel(marts, plan.kind, by_line=plan.by_line)
    for market in (*plan.treated, *plan.controls):
        if market not in told.markets:
            raise BadInput(
                f"Nothing is counted of the market {named(market)} any more, so the test cannot be "
                "told as it was planned. Withdraw it."
            )
    known = told.weeks[-1].astype(object) + timedelta(days=6)
    if plan.last_day > known:
        raise BadInput(
            f"The test counts until {plan.last_day}, and the data reach {known}. Analyse it after "
            "the refresh that loads its last week."
        )
    markets = (*plan.treated, *plan.controls)
    told, said = usual_weeks(told, markets, busy, plan.first_day)
    found = told_by(told, lift_queries.money(marts, plan.channel, told), plan)
    return replace(found, warnings=(*found.warnings, *said))


def told_by(told: Panel, spent: Money, plan: Plan) -> Result:
    """The same, of what was counted and spent in each market."""
    return _switched(told, spent, plan) if plan.blocks else _placed(told, spent, plan)


def layout_of(told: Panel, plan: Plan) -> Layout:
    """The plan's markets and days as rows and weeks of a panel."""
    by_start: dict[str, list[Market]] = {}
    for market, start in zip(plan.treated, plan.starts, strict=True):
        by_start.setdefault(start, []).append(market)
    cohorts = tuple(
        Cohort(tuple(told.places(by_start[start]).tolist()), told.at(start))
        for start in sorted(by_start)
    )
    end = told.at(plan.first_day.isoformat()) + plan.washout + plan.weeks
    controls = tuple(told.places(plan.controls).tolist())
    return Layout(cohorts, controls, plan.washout, end)


def _placed(told: Panel, spent: Money, plan: Plan) -> Result:
    layout, method = layout_of(told, plan), method_of(plan.method)
    counts = told.counts[:, : layout.end]
    errors = placebos(counts, layout, method, plan.seed)
    if errors is None:
        raise BadInput(
            "Too few weeks are known from before this test to say how far it is off by chance. "
            "Load older weeks, and analyse it again."
        )
    course = course_of(counts, layout, method)
    sign = -1.0 if plan.action == "off" else 1.0
    found = sign * (course.counted - course.expected)
    reach = errors.reach() * errors.spread * course.expected
    with_it = course.expected if plan.action == "off" else course.counted
    relative = abs(course.counted / course.expected - 1) if course.expected > 0 else 0.0
    first = layout.start + layout.washout
    days = told.weeks[course.first : layout.end]
    gone = sign * (course.observed - course.without)[first - course.first :]
    others = tuple(
        (title, sign * effect, min(sign * low, sign * high), max(sign * low, sign * high))
        for title, effect, low, high in beside(counts, layout, method, plan.seed)
    )
    shares = [value / max(with_it, 1e-9) for value in (found, found - reach, found + reach)]
    return Result(
        found, found - reach, found + reach, reach / _NORMAL, shares[0], shares[1], shares[2],
        2 * student_above(relative / max(errors.spread, 1e-12), errors.freedom),
        course.counted, course.expected,
        tuple(str(day) for day in days),
        tuple(course.observed.round(3).tolist()),
        tuple(course.without.round(3).tolist()),
        errors.reach() * errors.weekly,
        tuple(
            (str(day), round(float(effect), 3))
            for day, effect in zip(told.weeks[first : layout.end], gone, strict=True)
        ),
        tuple(np.sort(sign * errors.errors).round(4).tolist()),
        others,
        _money(spent, layout, plan),
        tuple(
            _part(market, date.fromisoformat(start) + timedelta(weeks=plan.washout), plan.last_day)
            for market, start in zip(plan.treated, plan.starts, strict=True)
        ),
        _looked(spent, layout, plan),
        _spoilt(plan, *_means(spent.own, layout, layout.treated)),
        why_no_cuped(counts, layout),
    )  # fmt: skip


def _part(market: Market, first: date, last: date) -> tuple[str, str, str, str]:
    return (*market, first.isoformat(), last.isoformat())


def _money(spent: Money, layout: Layout, plan: Plan) -> float:
    """Money that the treated were not given beside the weeks before, or were given more.

    Of the weeks that count: what the wash-out saved is beside no conversions.
    """
    moved = 0.0
    for cohort in layout.cohorts:
        rows = spent.own[list(cohort.markets)]
        usual = rows[:, max(cohort.start - _BEFORE, 0) : cohort.start].sum(axis=0).mean()
        during = rows[:, cohort.start + layout.washout : layout.end]
        moved += float(usual) * during.shape[1] - float(during.sum())
    return moved if plan.action == "off" else -moved


def _looked(spent: Money, layout: Layout, plan: Plan) -> tuple[str, ...]:
    """What went otherwise than planned, by the money: the channel, and the others."""
    said = []
    usual, during = _means(spent.own, layout, layout.treated)
    if plan.action == "off" and usual > 0 and during > _STILL_ON * usual:
        said.append(
            f"The channel was not off: the treated markets still had {during / usual:.0%} of its "
            "usual money, so the test tells less than what it brings. Models hear it as what the "
            "rest brings."
        )
    if usual == during == 0:
        said.append(
            "No money of this channel is known for the treated markets, so nobody can see whether "
            f"it went {plan.action}."
        )
    before, then = _means(spent.own, layout, layout.controls)
    if before > 0 and abs(then / before - 1) > _MOVED:
        said.append(
            f"The channel's money in the other markets became {then / before:.0%} of what it was, "
            "so they tell less well what would have been."
        )
    ratio = []
    for places in (layout.treated, layout.controls):
        old, new = _means(spent.others, layout, places)
        ratio.append(new / old if old > 0 else 1.0)
    if abs(ratio[0] / max(ratio[1], 1e-9) - 1) > _MOVED:
        said.append(
            "Money of other channels moved otherwise in the treated markets than in the rest "
            f"(to {ratio[0]:.0%} and {ratio[1]:.0%} of what it was), and what that did is in the "
            "result."
        )
    if spent.shared > 0.1:
        said.append(
            f"{spent.shared:.0%} of the channel's money speaks for more than one market: the rest "
            "was reached too, and the result is of what is left."
        )
    return tuple(said)


def _spoilt(plan: Plan, usual: float, during: float) -> str:
    """Why it is of nothing that models hear, by the money; "" where they do, or none is known.

    A channel that was not quite off is heard as far as it was (`incremental_evidence.while_on`).
    """
    if plan.action == "off" and usual > 0 and during > HALF * usual:
        return (
            f"The channel was on during the test, with {during / usual:.0%} of its usual money. "
            "This is no evidence of what it brings: call the test off."
        )
    if plan.action == "on" and 0 < during <= usual:
        return (
            "The channel had no more money in the treated markets than before. This is no evidence "
            "of what it brings: call the test off."
        )
    if plan.action == "on" and usual > OFF * during:
        return (
            f"The channel had {usual / during:.0%} of this money in the treated markets before. So "
            "the test says what more money brings, and is no evidence of all that the channel "
            "brings."
        )
    return ""


def _means(paid: Floats, layout: Layout, places: tuple[int, ...]) -> tuple[float, float]:
    """Money a week before the test, and in the weeks when all of it was on."""
    rows = paid[list(places)].sum(axis=0)
    last = max(cohort.start for cohort in layout.cohorts)
    before = rows[max(layout.start - _BEFORE, 0) : layout.start]
    return float(before.mean()), float(rows[last : layout.end].mean())


def _switched(told: Panel, spent: Money, plan: Plan) -> Result:
    places = told.places(plan.treated).tolist()
    rest = told.places(plan.controls).tolist()
    start = told.at(plan.first_day.isoformat())
    end = start + len(plan.blocks) * plan.block
    course = told_course(told.counts[:, :end], places, rest)
    found = switchback.switched(course[start:], plan.blocks, plan.block, plan.washout)
    off = switchback.weeks_off(plan.blocks, plan.block)
    counts = switchback.counted_weeks(plan.blocks, plan.block, plan.washout)
    plain = told.counts[places, :end].sum(axis=0)
    gone = off & counts
    counted = float(plain[start:][gone].sum())
    # An off week is what an on week would be, less its part.
    parts = (found.effect, found.low, found.high)
    increment, low, high = (
        counted * part / max(1 - part, 0.05) for part in np.clip(parts, -20, 0.95).tolist()
    )
    without = plain.copy()
    without[start:][gone] = plain[start:][gone] / max(1 - found.effect, 0.05)
    errors = switchback.errors_before(
        course[:start], plan.blocks, plan.block, plan.washout, plan.seed
    )
    first = max(start - _BEFORE, 0)
    usual = float(spent.own[places, first:start].sum(axis=0).mean())
    during = spent.own[places, start:end].sum(axis=0)
    said = []
    if usual > 0 and float(during[gone].mean()) > _STILL_ON * usual:
        said.append(
            "The channel was not off in the weeks when it should have been: it still had "
            f"{float(during[gone].mean()) / usual:.0%} of its usual money."
        )
    return Result(
        increment, low, high, (high - low) / 2 / _NORMAL, found.effect, found.low, found.high,
        found.chance, counted, counted + increment,
        tuple(str(day) for day in told.weeks[first:end]),
        tuple(plain[first:end].round(3).tolist()),
        tuple(without[first:end].round(3).tolist()),
        (found.high - found.low) / 2 * sqrt(max(int(gone.sum()), 1)),
        tuple(
            (str(told.weeks[start + 2 * pair * plan.block]), round(float(effect), 4))
            for pair, effect in enumerate(found.pairs)
        ),
        tuple(np.sort(errors).round(4).tolist()),
        (),
        usual * float(gone.sum()) - float(during[gone].sum()),
        tuple(
            _part(market, *days)
            for market in plan.treated
            for days in _off_days(plan)
        ),
        tuple(said),
        _spoilt(plan, usual, float(during[gone].mean())),
    )  # fmt: skip


def _off_days(plan: Plan) -> list[tuple[date, date]]:
    """First and last day that count of each block that is off."""
    spans = []
    for number, off in enumerate(plan.blocks):
        begins = plan.first_day + timedelta(weeks=number * plan.block + plan.washout)
        length = timedelta(weeks=plan.block - plan.washout, days=-1)
        if off:
            spans.append((begins, begins + length))
    return spans
