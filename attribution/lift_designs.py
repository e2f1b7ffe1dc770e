"""Designs of lift tests: the plan that answers a request, before it begins.

The page and the command line ask here, so a plan is the same wherever it was made.
"""

from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from attribution import lift_queries, mix_queries
from attribution.errors import BadInput
from attribution.lift_apart import Busy, usual_weeks
from attribution.lift_plans import (
    COUNTED,
    Plan,
    Proposal,
    Request,
    monday_after,
    named,
    told_course,
)
from attribution.lift_queries import Money
from attribution.models import lift_design, switchback
from attribution.models.lift_design import Tried
from attribution.models.lift_effect import course_of
from attribution.models.lift_panel import Cohort, Layout, Market, Panel
from attribution.queries import Marts

FEWEST_MARKETS = 6  # below it an interval stands on drift of too few places
_YEAR, _QUARTER, _HALF_YEAR = 52, 13, 26
_SPILLS = 0.1  # of a channel's money: what may speak for more than one market
_HARDLY = 0.02


@lru_cache(maxsize=16)
def proposed(marts: Marts, request: Request, busy: tuple[Busy, ...] = ()) -> Proposal:
    """The design that answers a request; raises BadInput where none can.

    `busy` is what other tests did: nothing is tried out on their weeks.
    """
    if request.kind not in COUNTED:
        raise BadInput(f"A test counts one of {', '.join(COUNTED)}; it cannot count money.")
    if not (request.weeks >= 1 and request.washout >= 0 and 0 < request.wanted < 1):
        raise BadInput(
            "A test counts at least one week, washes none or more out, and wants an effect between "
            "0% and 100%. Correct what is asked for."
        )
    if request.seed < 0:
        raise BadInput(f"{request.seed} is no seed: give a whole number from 0 on.")
    if not 0 <= request.later < request.weeks:
        raise BadInput(
            f"Half of the markets cannot begin {request.later} weeks later in a test of "
            f"{request.weeks}: some week of theirs must count. Begin earlier, or count longer."
        )
    channels = lift_queries.paid_channels(marts)
    if request.channel not in channels:
        raise BadInput(
            f"No money goes into a channel {request.channel!r}. Choose from: {', '.join(channels)}."
        )
    told = _asked_of(lift_queries.panel(marts, request.kind, by_line=request.by_line), request)
    said: tuple[str, ...] = ()
    if told.markets:
        request = replace(request, first_day=(first := _first(request, told)))
        told, said = usual_weeks(told, told.markets, busy, first)
    spent = lift_queries.money(marts, request.channel, told)
    made = _switchback(told, spent, request) if request.design == "switchback" else None
    made = made or _markets(told, spent, request)
    return Proposal(
        *made[:-1], _warnings(made[0], told, spent) + made[-1] + said, _believed(marts, request)
    )


def plan_of(told: Panel, spent: Money, request: Request) -> Plan:
    """The plan for markets alone, of what was counted and spent in them before it begins."""
    return _markets(_asked_of(told, request), spent, request)[0]


_Made = tuple[
    Plan, tuple[float, ...], tuple[float, ...], tuple[tuple[int, float], ...],
    tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]],
    tuple[tuple[Market, str, float, float], ...], tuple[str, ...],
]  # fmt: skip


def _asked_of(told: Panel, request: Request) -> Panel:
    for market in (*request.chosen, *request.left_out):
        if market not in told.markets:
            known = ", ".join(named(each) for each in told.markets) or "none"
            raise BadInput(f"There is no market {named(market)}. Choose from: {known}.")
    if both := [named(market) for market in request.chosen if market in request.left_out]:
        raise BadInput(
            f"{', '.join(both)} cannot be treated and left out. Take it out of one of the two."
        )
    kept = [market for market in told.markets if market not in request.left_out]
    rows = told.places(kept)
    return Panel(tuple(kept), told.weeks, told.counts[rows])


def _markets(told: Panel, spent: Money, request: Request) -> _Made:
    if len(told.markets) < 3:
        raise BadInput(
            f"{len(told.markets)} markets are too few: one is treated, and at least two tell what "
            "would have been. Test service lines at locations, or a switchback."
        )
    half, most = max(1, len(told.markets) // 2), len(told.markets) - 2
    many = len(request.chosen) or (half if request.treated is None else request.treated)
    if not 1 <= many <= most:
        raise BadInput(
            f"{many} of {len(told.markets)} markets cannot be treated: at least two must tell what "
            f"would have been. Treat {f'1 to {most}' if most > 1 else 'one'}."
        )
    treated = (
        tuple(told.places(request.chosen).tolist())
        if request.chosen
        else lift_design.chosen(told, many, request.weeks, request.seed)
    )
    controls = [place for place in range(len(told.markets)) if place not in treated]
    # Chance says which half begins first.
    order = np.random.default_rng([request.seed, 53]).permutation(many).tolist()
    later = [request.later if place < many // 2 else 0 for place in order]
    layout = lift_design.layout_of(told, treated, controls, request.weeks, request.washout, later)
    found = lift_design.tried(told, layout, request.seed)
    if found is None:
        raise BadInput(
            f"{len(told.weeks)} weeks are too few to try a test of {request.weeks} out on; those "
            "of other tests do not count. Plan a shorter one, or wait until there are more."
        )
    effects, powers = lift_design.power_curve(found.placebos, request.wanted)
    first = _first(request, told)
    plan = Plan(
        "markets", request.channel, request.kind, request.action, request.by_line,
        tuple(told.markets[place] for place in treated),
        tuple((first + timedelta(weeks=weeks)).isoformat() for weeks in later),
        tuple(told.markets[place] for place in controls),
        request.weeks, request.washout, (), 0, found.method.name, request.wanted,
        round(found.placebos.detectable(), 4), round(found.placebos.power(request.wanted), 4),
        round(_at_stake(told, spent, treated, controls, later, request), 2), request.seed,
    )  # fmt: skip
    lengths = tuple(lift_design.by_length(told, found, request.seed))
    said = []
    if request.chosen:
        said.append("The treated markets were chosen, not drawn: what made them be chosen may tell")
        said[-1] += " in what they count."
    return (
        plan, tuple(effects), tuple(powers), lengths, _fit(told, found),
        _arms(told, spent, treated, controls), tuple(said),
    )  # fmt: skip


def _first(request: Request, told: Panel) -> date:
    known = told.weeks[-1].astype(object) + timedelta(weeks=1)
    first = request.first_day or monday_after(known)
    if first.weekday():
        raise BadInput(f"{first} is no Monday. A test begins with a week: {monday_after(first)}.")
    return first


def _at_stake(
    told: Panel,
    spent: Money,
    treated: tuple[int, ...],
    controls: list[int],
    later: list[int],
    request: Request,
) -> float:
    """Money of the test: what the treated usually get, or what they would get as the others do.

    All end together: whoever begins later is treated for as many weeks fewer.
    """
    weeks = request.weeks + request.washout - np.array(later)
    recent = slice(-_QUARTER, None)
    if request.action == "off":
        return float(spent.own[list(treated), recent].mean(axis=1) @ weeks)
    rate = spent.own[controls, recent].sum() / max(told.counts[controls, recent].sum(), 1.0)
    return float(rate * (told.counts[list(treated), recent].mean(axis=1) @ weeks))


def _fit(told: Panel, found: Tried) -> tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]]:
    """The last half year told from the weeks before it, as if the test had begun then."""
    back = min(_HALF_YEAR, found.layout.start - found.method.weeks)
    past = Layout(
        tuple(Cohort(c.markets, found.layout.start - back) for c in found.layout.cohorts),
        found.layout.controls, 0, found.layout.start,
    )  # fmt: skip
    course = course_of(told.counts, past, found.method)
    weeks = told.weeks[course.first : past.end]
    return (
        tuple(str(week) for week in weeks),
        tuple(course.observed.round(3).tolist()),
        tuple(course.without.round(3).tolist()),
    )


def _arms(
    told: Panel, spent: Money, treated: tuple[int, ...], controls: list[int]
) -> tuple[tuple[Market, str, float, float], ...]:
    rows = []
    for arm, places in (("treated", treated), ("control", controls)):
        for place in places:
            counted = float(told.counts[place, -_QUARTER:].mean())
            paid = float(spent.own[place, -_QUARTER:].mean())
            rows.append((told.markets[place], arm, round(counted, 2), round(paid, 2)))
    return tuple(rows)


def _switchback(told: Panel, spent: Money, request: Request) -> _Made:
    """All markets, or those that were chosen, on and off together; the others tell the season."""
    if request.pairs < switchback.FEWEST_PAIRS or not 0 <= request.washout < request.block:
        raise BadInput(
            f"A switchback takes {switchback.FEWEST_PAIRS} pairs of blocks or more, and blocks "
            "longer than what is washed out of them. Make it longer."
        )
    places = told.places(request.chosen or told.markets).tolist()
    if not places:
        raise BadInput("There is no market with enough conversions of this kind to be counted.")
    rest = [place for place in range(len(told.markets)) if place not in places]
    course = told_course(told.counts, places, rest)
    blocks = switchback.drawn(request.pairs, request.seed)
    errors = switchback.errors_before(course, blocks, request.block, request.washout, request.seed)
    if len(errors) == 0:
        raise BadInput(
            f"{len(course)} weeks are too few to try {len(blocks)} blocks of {request.block} out "
            "on; those of other tests do not count. Plan fewer or shorter ones."
        )
    least = switchback.detectable(errors, request.pairs)
    effects = np.linspace(0, max(1.6 * request.wanted, 1.3 * least), 41)
    edge = switchback.detectable(errors, request.pairs, 0.5)
    powers = [float((np.abs(errors + effect) > edge).mean()) for effect in effects]
    told_so = float((np.abs(errors + request.wanted) > edge).mean())
    first = _first(request, told)
    weekly = float(spent.own[places, -_QUARTER:].sum(axis=0).mean())
    plan = Plan(
        "switchback", request.channel, request.kind, "off", request.by_line,
        tuple(told.markets[place] for place in places),
        (first.isoformat(),) * len(places),
        tuple(told.markets[place] for place in rest),
        request.pairs * (request.block - request.washout), request.washout,
        blocks, request.block, "pairs", request.wanted, round(least, 4), round(told_so, 4),
        round(weekly * request.pairs * request.block, 2), request.seed,
    )  # fmt: skip
    lengths = []
    for pairs in range(switchback.FEWEST_PAIRS, 14, 2):
        ways = switchback.drawn(pairs, request.seed)
        tried = switchback.errors_before(course, ways, request.block, request.washout, request.seed)
        if len(tried):
            lengths.append((2 * pairs * request.block, switchback.detectable(tried, pairs)))
    recent = tuple(str(week) for week in told.weeks[-_YEAR:])
    counted = told.counts[places, -_YEAR:].sum(axis=0)
    return (
        plan, tuple(effects.tolist()), tuple(powers), tuple(lengths),
        (recent, tuple(counted.tolist()), ()),
        _arms(told, spent, tuple(places), rest), (),
    )  # fmt: skip


def _warnings(plan: Plan, told: Panel, spent: Money) -> tuple[str, ...]:
    """What keeps the design from telling, in plain words."""
    said = []
    if plan.detectable > plan.wanted:
        said.append(
            f"This design cannot tell an effect of {plan.wanted:.0%}: the smallest that it tells "
            f"four times in five is {plan.detectable:.0%}. Test for longer, or in more markets."
        )
    if plan.design == "markets":
        if len(told.markets) < FEWEST_MARKETS:
            said.append(
                f"Only {len(told.markets)} markets: the interval stands on how few places drifted "
                "apart before, and one event in one of them spoils it."
            )
        if spent.shared > _SPILLS:
            said.append(
                f"{spent.shared:.0%} of this channel's money speaks for more than one market, so "
                "the other markets are reached by what is switched. Split those campaigns by "
                "market first, or plan a switchback."
            )
        said += _unpaid(plan, told, spent)
    return tuple(said)


def _unpaid(plan: Plan, told: Panel, spent: Money) -> list[str]:
    """Where money is for other places, nothing is switched."""
    places = told.places(plan.treated)
    usual = float(spent.own[places, -_HALF_YEAR:].sum())
    if plan.action == "off" and usual < _HARDLY * spent.recent:
        return ["Hardly any of this channel's money is for the markets that are treated."]
    if plan.action == "on" and usual > _HARDLY * spent.recent:
        said = "The markets that are treated have money of this channel already. Such a test says "
        return [said + "what more brings; models hear it only where there was next to none before."]
    return []


def _believed(marts: Marts, request: Request) -> tuple[float, float, float] | None:
    """The part of all that is counted, of no known place too, that the mix model says it brings."""
    found = mix_queries.mix_channels(marts, request.kind)
    mine = found[found["channel"] == request.channel]
    whole = float(mix_queries.weekly(marts, request.kind)[0]["counted"].iloc[-_YEAR:].sum())
    if mine.empty or whole <= 0:
        return None
    row = mine.iloc[0]
    return (
        float(row["brought"]) / whole, float(row["low"]) / whole, float(row["high"]) / whole,
    )  # fmt: skip
