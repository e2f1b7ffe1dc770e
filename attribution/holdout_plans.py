"""Holdouts of people that are registered: planned with their size before anybody is written to.

A flow of outreach holds people out by a keyed hash. A plan says beforehand which outcome counts,
how many people it takes, and what lift is worth knowing; it is kept with its hash, as plans of
tests on markets are. Until so many people were counted its lift is told by the interval that
holds however often it is looked at; then by the narrower one that holds once, and what was told
first stands: with more people at each refresh it would be looked at many times.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import sqrt
from typing import Any, Literal

import pandas as pd
import sqlalchemy as sa

from attribution import audit, engagement_queries, queries
from attribution.errors import BadInput
from attribution.ledger_tables import HOLDOUT_PLAN, HOLDOUT_RESULT
from attribution.lift_records import Books, allowed
from attribution.models.arm_lift import SHARES, difference, sums
from attribution.models.person_holdout import people_needed
from attribution.paths import Home
from attribution.queries import Marts
from attribution.roles import Reader
from outreach.outbox import Outbox

State = Literal["planned", "counting", "told"]
_ODD = 3.3  # standard errors: of a thousand plans one drifts as far by chance
_LONGEST = 80  # letters of a name
_TOLD = ("counted", "lift", "low", "high", "warning")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is registered: who is held out of which flow, what counts, and how many it takes.

    `share` of the people are held out; `base` is what these do anyway, `wanted` the lift worth
    knowing, both as shares of people within 90 days; `explained` is the part of the variance that
    what is known from before takes away.
    """

    flow: str
    outcome: str
    share: float
    base: float
    wanted: float
    explained: float
    people: int


@dataclass(frozen=True, slots=True)
class Holdout:
    """A registered plan, and what stands of it: people counted in both arms, and the lift."""

    name: str
    at: str
    actor: str
    plan: Plan
    state: State
    counted: int = 0
    lift: float | None = None
    low: float | None = None
    high: float | None = None
    warning: str = ""


def planned(
    flow: str, outcome: str, *, share: float, base: float, wanted: float, explained: float = 0.0
) -> Plan:
    """A plan with the people that it takes; raises BadInput where it cannot be so."""
    if outcome not in SHARES:
        raise BadInput(f"{outcome!r} is no outcome of a holdout; choose from {', '.join(SHARES)}.")
    if not flow.strip():
        raise BadInput("A holdout is of one flow. Name it, as outreach does.")
    people = people_needed(base, wanted, share, explained=explained)
    return Plan(flow.strip(), outcome, share, base, wanted, explained, people)


def register(home: Home, reader: Reader, generation: int, name: str, plan: Plan) -> Holdout:
    """Keep a plan under a name before its flow chooses anybody; raises NotAllowed, BadInput."""
    allowed(reader)
    name = " ".join(name.split())
    if not 0 < len(name) <= _LONGEST:
        raise BadInput(f"A holdout needs a name of 1 to {_LONGEST} letters. Give it one.")
    marts = queries.marts(home, generation, protected=False)
    if _begun(home, marts, plan.flow):
        raise BadInput(
            f"The flow {plan.flow!r} has begun already, and who has seen the first of its people "
            "could choose by them. Register a holdout before its flow begins."
        )
    with Books(home) as books:
        if name in {str(row["name"]) for row in books.rows(HOLDOUT_PLAN)}:
            raise BadInput(f"There is a holdout {name!r} already. Choose another name.")
        written = _written(plan)
        digest = _digest(written)
        audit.record(
            home, reader.name, audit.HOLDOUT_PLANNED, name, generation=generation, digest=digest,
            flow=plan.flow,
        )  # fmt: skip
        books.add(
            HOLDOUT_PLAN, name=name, actor=reader.name, generation=generation, plan=written,
            digest=digest,
        )  # fmt: skip
    return next(one for one in holdouts(home, reader, generation) if one.name == name)


def _begun(home: Home, marts: Marts, flow: str) -> bool:
    """Whether a flow has chosen people, as far as the data or our own outbox know.

    A CRM tells late of messages that it was handed, and the outbox is told at the next refresh.
    """
    for mart in (engagement_queries.ENGAGEMENT, engagement_queries.EFFECTS):
        named = sa.func.lower(mart.c.flow) == flow.lower()
        if not marts.ask(sa.select(mart.c.flow).where(named).limit(1)).empty:
            return True
    if not home.outreach.is_file():
        return False
    with Outbox(home) as outbox:
        return outbox.begun(flow)


def holdouts(home: Home, reader: Reader, generation: int) -> list[Holdout]:
    """Every registered holdout and what stands of it, oldest first; raises NotAllowed, BadInput."""
    allowed(reader)
    with Books(home) as books:
        rows, first = books.rows(HOLDOUT_PLAN), _first(books)
    if not rows:
        return []
    marts = queries.marts(home, generation, protected=False)
    effects = engagement_queries.effects(marts, ())
    found = []
    for row in rows:
        if _digest(row["plan"]) != row["digest"]:
            raise BadInput(
                f"The plan of the holdout {row['name']!r} is not the one that was registered. "
                "Restore the ledger from a backup."
            )
        plan = Plan(**json.loads(row["plan"]))
        one = told(row["name"], row["at"], row["actor"], plan, effects)
        if one.state == "told" and row["number"] not in first and home.writable:
            first = _keep(home, generation, row["number"], one)
        if row["number"] in first:
            one = replace(one, state="told", **first[row["number"]])
        found.append(one)
    return found


def _keep(home: Home, generation: int, plan: int, one: Holdout) -> dict[int, dict[str, Any]]:
    """Write down what a plan came to, if nobody has; the first results of all plans."""
    result = json.dumps({name: getattr(one, name) for name in _TOLD}, sort_keys=True)
    with Books(home) as books:
        books.add_first(HOLDOUT_RESULT, plan=plan, generation=generation, result=result)
        return _first(books)


def _first(books: Books) -> dict[int, dict[str, Any]]:
    """What each plan that was counted to the end came to, by its number."""
    return {row["plan"]: json.loads(row["result"]) for row in books.rows(HOLDOUT_RESULT)}


def told(name: str, at: str, actor: str, plan: Plan, effects: pd.DataFrame) -> Holdout:
    """What stands of a plan, by rows of `flow_effects`."""
    of_flow = _of(plan.flow, effects)
    arms: dict[Any, Any] = of_flow.set_index("arm", drop=False).to_dict("index")
    if len(arms) < 2:
        return Holdout(name, at, actor, plan, "planned")
    treated, held = (sums(arms[arm], plan.outcome) for arm in ("treated", "holdout"))
    counted = treated.people + held.people
    between = difference(treated, held)
    warning = _drifted(held.people, counted, plan.share)
    if between is None:
        return Holdout(name, at, actor, plan, "counting", counted, warning=warning)
    if counted < plan.people:
        return Holdout(
            name, at, actor, plan, "counting", counted, between.effect, between.anytime_low,
            between.anytime_high, warning,
        )  # fmt: skip
    return Holdout(
        name, at, actor, plan, "told", counted, between.effect, between.low, between.high, warning
    )


def _of(flow: str, effects: pd.DataFrame) -> pd.DataFrame:
    """The rows of a flow, however its letters were written, unless several are called so."""
    exact = effects[effects["flow"] == flow]
    alike = effects[effects["flow"].str.lower() == flow.lower()]
    return alike if exact.empty and alike["flow"].nunique() == 1 else exact


def _drifted(held: int, counted: int, share: float) -> str:
    """A sentence where the arms are not as large as chance would make them."""
    off = (held - share * counted) / sqrt(max(counted * share * (1 - share), 1e-9))
    if abs(off) < _ODD:
        return ""
    return (
        f"{held / counted:.1%} were held out where {share:.1%} were planned: somebody was left out "
        "of an arm, so the lift is not to be trusted."
    )


def sentence(found: Sequence[Holdout]) -> str:
    """How many holdouts are registered, and how many are told."""
    done = sum(one.state == "told" for one in found)
    return f"{len(found)} registered, {done} counted to the end."


def _written(plan: Plan) -> str:
    return json.dumps(asdict(plan), sort_keys=True)


def _digest(written: str) -> str:
    return hashlib.sha256(written.encode("utf-8")).hexdigest()
