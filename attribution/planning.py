"""Plans for the budget: what is asked for, what the model suggests, scenarios that are kept.

The page and the command line ask here, so a scenario is the same wherever it was made.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from math import inf, isfinite
from typing import Any, Literal

import numpy as np

from attribution import audit, mix_queries, queries
from attribution.errors import BadInput, NotAllowed
from attribution.ledger import Ledger
from attribution.ledger_tables import SCENARIO
from attribution.mix_queries import Response
from attribution.models import budget
from attribution.models.estimate import ends_of_draws
from attribution.models.incremental_design import Floats
from attribution.models.response import Curves
from attribution.paths import Home
from attribution.queries import Marts
from attribution.roles import SMALL_CELLS, Reader

Objective = Literal["kept", "new_patient", "booked", "lead", "margin"]
OBJECTIVES: tuple[Objective, ...] = ("kept", "new_patient", "booked", "lead", "margin")
MONEY = "collected"
_SAME = 0.0005  # of the money: what a plan moves less, pages write as nothing
NOT_ALLOWED = "Plans for the budget are for readers who have the role analyst."
TOO_LITTLE = (
    "There are no response curves yet: they need a year of weeks with spend, and 500 conversions "
    "of the kind."
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a plan must do. Money a week, in the currency of reports.

    `total` is today's where it is None. `bounds` are a channel's least and most; who has none keeps
    within what a month was ever given (down to nothing where a test was heard). `change` is the
    largest part of today's money by which any channel may move. `room` is how many more kept visits
    a week a service line can take. `margin` is what is left of a unit collected.
    """

    objective: Objective = "kept"
    total: float | None = None
    locked: tuple[str, ...] = ()
    bounds: tuple[tuple[str, float, float], ...] = ()
    change: float | None = None
    room: tuple[tuple[str, float], ...] = ()
    careful: bool = False
    margin: float = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """One channel of a plan, a week: money, what it brings, and what one more costs."""

    channel: str
    now: float
    least: float
    most: float
    suggested: float
    brings_now: float
    brings: float
    one_more_now: float  # money for one more at today's spend
    one_more: float
    tested: bool


@dataclass(frozen=True, slots=True)
class Scenario:
    """A plan, what it gains over today's with the ends of a 90% interval, and how sure that is."""

    request: Request
    lines: tuple[Line, ...]
    total_now: float
    total: float
    gain: float
    low: float
    high: float
    sure: float
    name: str = ""
    at: str = ""
    actor: str = ""
    generation: int = 0
    beyond: tuple[str, ...] = field(default=())  # channels given what they never were

    @property
    def moved(self) -> float:
        """Money a week that another channel is given than today's, half of all changes."""
        return sum(abs(line.suggested - line.now) for line in self.lines) / 2

    @property
    def moves(self) -> bool:
        """Whether it is another plan than today's; less than the 2,000th part is rounding."""
        return self.moved > _SAME * max(self.total_now, self.total)

    @property
    def surely(self) -> float | None:
        """How sure it beats today's; nothing of a plan that is today's."""
        return self.sure if self.moves else None


def kind_of(objective: Objective) -> str:
    """The kind of conversion that an objective counts."""
    return MONEY if objective == "margin" else objective


@lru_cache(maxsize=32)
def scenario(marts: Marts, request: Request) -> Scenario:
    """The best plan of one generation; raises BadInput where it cannot be made."""
    found = mix_queries.response(marts, kind_of(request.objective))
    if found is None:
        raise BadInput(TOO_LITTLE)
    _known(request, found)
    low, high = _bounds(request, found)
    total = float(found.now.sum()) if request.total is None else request.total
    worth = request.margin if request.objective == "margin" else 1.0
    curves = Curves(found.curves.top * worth, found.curves.half)
    shares, room, load = _capacity(marts, request, found)
    limits = budget.limits_of(total, low, high, found.channels, shares, room, load)
    plan = budget.plan(curves, found.now, limits, careful=request.careful)
    return _told(request, found, curves, plan, low, high)


def _known(request: Request, found: Response) -> None:
    if request.change is not None and not 0 < request.change <= 1:
        raise BadInput(
            f"{request.change:g} is no share that a channel may move by: give more than 0 and at "
            "most 1, as 0.5 for half of today's money."
        )
    if not 0 < request.margin <= 1:
        raise BadInput(
            f"{request.margin:g} is no part of money that is left: give more than 0 and at most 1, "
            "as 0.4 for 40%."
        )
    for name, *ends in request.bounds:
        if not all(0 <= end < inf for end in ends):
            raise BadInput(
                f"{ends[0]:g} to {ends[1]:g} are no bounds of {name}: give amounts of money a "
                "week, from 0 on."
            )
    for line, room in request.room:
        if not isfinite(room):
            raise BadInput(f"{room:g} is no room of {line}: give a number of visits a week.")
    named = [*request.locked, *(name for name, _, _ in request.bounds)]
    for name in named:
        if name not in found.channels:
            raise BadInput(
                f"There is no curve of a channel {name!r}. Choose from: "
                f"{', '.join(found.channels)}."
            )


def _bounds(request: Request, found: Response) -> tuple[Floats, Floats]:
    tested = np.array(found.tested)
    low = np.minimum(np.where(tested, 0.0, found.least), found.now)
    high = np.maximum(found.most, found.now)
    if request.change is not None:
        low = np.maximum(low, found.now * (1 - request.change))
        high = np.minimum(high, found.now * (1 + request.change))
    for name, least, most in request.bounds:
        at = found.channels.index(name)
        low[at], high[at] = least, most
    for name in request.locked:
        at = found.channels.index(name)
        low[at] = high[at] = found.now[at]
    return low, high


def _capacity(
    marts: Marts, request: Request, found: Response
) -> tuple[Floats | None, Floats | None, Curves | None]:
    """Service lines' shares of what channels bring, their room, and the curves of kept visits."""
    if not request.room:
        return None, None, None
    kept = mix_queries.response(marts, "kept")
    if kept is None:
        raise BadInput(f"Room of service lines is counted in kept visits. {TOO_LITTLE}")
    shares = mix_queries.line_shares(marts, found.channels)
    unknown = [line for line, _ in request.room if line not in shares.index]
    if unknown:
        known = ", ".join(shares.index)
        raise BadInput(f"There is no service line {unknown[0]!r}. Choose from: {known}.")
    top = np.zeros_like(found.curves.top)
    half = np.ones_like(top)
    for at, name in enumerate(found.channels):
        if name in kept.channels:
            top[:, at] = kept.curves.top[:, kept.channels.index(name)]
            half[:, at] = kept.curves.half[:, kept.channels.index(name)]
    rows = shares.loc[[line for line, _ in request.room]].to_numpy("float64")
    return rows, np.array([room for _, room in request.room]), Curves(top, half)


def _told(
    request: Request, found: Response, curves: Curves, plan: budget.Plan, low: Floats, high: Floats
) -> Scenario:
    before, after = (curves.brings(spend).mean(axis=0) for spend in (plan.now, plan.spend))
    steep_now, steep = (curves.marginal(spend).mean(axis=0) for spend in (plan.now, plan.spend))
    # Money of the objective that is money costs what it costs.
    paid = float(plan.spend.sum() - plan.now.sum()) if request.objective == "margin" else 0.0
    gains = plan.gains - paid
    below, above = ends_of_draws(gains)
    lines = tuple(
        Line(
            name,
            float(plan.now[at]),
            float(low[at]),
            float(high[at]),
            float(plan.spend[at]),
            float(before[at]),
            float(after[at]),
            float(1 / max(steep_now[at], 1e-12)),
            float(1 / max(steep[at], 1e-12)),
            found.tested[at],
        )
        for at, name in enumerate(found.channels)
    )
    edge = 0.005 * np.maximum(found.most, 1.0)
    beyond = (plan.spend > np.maximum(found.most, found.now) + edge) | (
        plan.spend < np.where(found.tested, 0.0, np.minimum(found.least, found.now)) - edge
    )
    return Scenario(
        request,
        lines,
        float(plan.now.sum()),
        float(plan.spend.sum()),
        float(gains.mean()),
        float(below),
        float(above),
        float((gains > 0).mean()),
        beyond=tuple(name for name, far in zip(found.channels, beyond, strict=True) if far),
    )


def keep(home: Home, reader: Reader, generation: int, name: str, request: Request) -> Scenario:
    """Keep a scenario under a name, and write that down; raises NotAllowed and BadInput."""
    if not reader.may(SMALL_CELLS):
        raise NotAllowed(NOT_ALLOWED)
    name = " ".join(name.split())
    if not 0 < len(name) <= 80:
        raise BadInput("A scenario needs a name of 1 to 80 letters. Give it one, and save again.")
    marts = queries.marts(home, generation, protected=False)
    made = scenario(marts, request)
    with Ledger(home) as ledger:
        if name in {str(row["name"]) for row in ledger.rows(SCENARIO)}:
            raise BadInput(f"There is a scenario {name!r} already. Choose another name.")
        audit.record(
            home, reader.name, audit.SCENARIO_KEPT, name, generation=generation,
            request=asdict(request),
        )  # fmt: skip
        ledger.add(
            SCENARIO,
            name=name,
            actor=reader.name,
            generation=generation,
            request=json.dumps(asdict(request)),
            result=json.dumps(_result(made)),
        )
    return kept(home, reader)[-1]


def kept(home: Home, reader: Reader) -> list[Scenario]:
    """Every scenario that was kept, oldest first; raises NotAllowed."""
    if not reader.may(SMALL_CELLS):
        raise NotAllowed(NOT_ALLOWED)
    with Ledger(home) as ledger:
        return [_read(row) for row in ledger.rows(SCENARIO)]


def _result(made: Scenario) -> dict[str, Any]:
    said = asdict(made)
    return {name: said[name] for name in said if name not in ("request", *_STAMP)}


_STAMP = ("name", "at", "actor", "generation")


def _read(row: Mapping[str, Any]) -> Scenario:
    asked, said = json.loads(row["request"]), json.loads(row["result"])
    request = Request(
        **{
            **asked,
            "locked": tuple(asked["locked"]),
            "bounds": tuple((name, low, high) for name, low, high in asked["bounds"]),
            "room": tuple((line, room) for line, room in asked["room"]),
        }
    )
    lines = tuple(Line(**line) for line in said.pop("lines"))
    said["beyond"] = tuple(said["beyond"])
    return Scenario(request, lines, **said, **{name: row[name] for name in _STAMP})
