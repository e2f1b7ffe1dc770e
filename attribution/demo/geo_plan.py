"""Registers the demo's lift test, by the weeks before it.

It is registered as if its time had been then: only a simulation may do that.
"""

import json
from datetime import UTC, date, datetime, time, timedelta

from attribution import lift_queries, lift_records, queries
from attribution.demo.geo_test import CHANNEL, KIND, NAME, PLACE, WASHOUT, WEEKS
from attribution.demo.market import LOCATIONS
from attribution.demo.simulation import GEO_TEST, TRUTH
from attribution.errors import BadInput
from attribution.lift_designs import plan_of
from attribution.lift_plans import Request
from attribution.lift_queries import Money
from attribution.paths import Home
from attribution.roles import ROLES, Reader
from attribution.warehouse import current_generation

_REGISTERED = timedelta(days=10)  # before it began


def request_of(first: date) -> Request:
    """What the demo's test asks."""
    return Request(
        CHANNEL, KIND, chosen=((LOCATIONS[PLACE], ""),), weeks=WEEKS, washout=WASHOUT,
        first_day=first,
    )  # fmt: skip


def register(home: Home) -> None:
    """Register the demo's test in a refreshed home, unless it is; nothing where there was none."""
    generation = current_generation(home)
    told = home.folder / TRUTH
    truth = json.loads(told.read_text(encoding="utf-8")).get(GEO_TEST) if told.is_file() else None
    if generation is None or not truth:
        return
    reader = Reader("demo", frozenset(ROLES))
    if any(test.name == NAME for test in lift_records.tests(home, reader)):
        return
    marts = queries.marts(home, generation, protected=False)
    first = date.fromisoformat(truth["first_day"])
    panel = lift_queries.panel(marts, KIND, by_line=False)
    start = panel.at(first.isoformat())
    spent = lift_queries.money(marts, CHANNEL, panel)
    before = Money(spent.own[:, :start], spent.others[:, :start], spent.shared, spent.recent)
    try:
        plan = plan_of(panel.before(start), before, request_of(first))
    except BadInput:
        return  # a small demo counts too little to plan a test
    at = datetime.combine(first - _REGISTERED, time(9), UTC).isoformat(timespec="milliseconds")
    lift_records.keep(home, "demo", generation, NAME, plan, at=at)
