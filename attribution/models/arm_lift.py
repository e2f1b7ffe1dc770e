"""Two arms compared from sums over their people: treated less held out, and how sure that is.

The same estimate as that of outreach's results (`outreach.lift`), of sums instead of people: what
is known of everybody from before is taken out (CUPED: Deng, Xu, Kohavi and Walker 2013), the
interval is Welch's, and a wider one holds however often it is looked at.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log, sqrt
from typing import Any

import pandas as pd

from attribution.errors import BadInput
from attribution.models.gain import FEWEST, of_one
from attribution.models.quantiles import student

# The size at which the interval for peeking is tightest; chosen before any data, as it must be.
TUNED_FOR = 5_000
LEVEL = 0.9
SHARES = ("returned", "booked")  # outcomes that a person has or not
# A share of fewer is no aggregate: it could be told from one person's doing.
LEAST_IN_ARM, LEAST_EITHER_WAY = 50, 11


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the people of an arm: of an outcome y, of x from before, and of their products."""

    people: int
    y: float
    yy: float
    x: float
    xx: float
    xy: float

    @property
    def mean(self) -> float:
        return self.y / self.people

    def centred(self) -> tuple[float, float, float]:
        """Sums of squares and products about the means: of y, of x, of both."""
        n = self.people
        return (
            self.yy - self.y * self.y / n,
            self.xx - self.x * self.x / n,
            self.xy - self.x * self.y / n,
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """What treating brought, a person; `low` and `high` hold once, the others at any time."""

    effect: float
    low: float
    high: float
    anytime_low: float
    anytime_high: float


def difference(
    treated: Sums, held_out: Sums, *, level: float = LEVEL, of_markets: bool = False
) -> Difference | None:
    """The adjusted difference of two arms; None where an arm has fewer than FEWEST people.

    No arm is surer than one person more or less would make it: one in which nobody did what is
    counted has no variance, and does not know that nobody would. `of_markets` is of arms of places,
    each of which counts many: two are enough.
    """
    arms = (treated, held_out)
    if min(arm.people for arm in arms) < (2 if of_markets else FEWEST):
        return None
    squares = [arm.centred() for arm in arms]
    across = sum(x for _y, x, _both in squares)
    theta = sum(both for _y, _x, both in squares) / across if across > 0 else 0.0
    everyone = sum(arm.people for arm in arms)
    middle = sum(arm.x for arm in arms) / everyone
    one, other = (arm.mean - theta * (arm.x / arm.people - middle) for arm in arms)
    one_more = 0.0 if of_markets else of_one(sum(a.y for a in arms), sum(a.yy for a in arms))
    parts = [
        least(_unexplained(centred, theta) / (arm.people - 1), one_more, arm.people) / arm.people
        for arm, centred in zip(arms, squares, strict=True)
    ]
    error = sqrt(sum(parts))
    # Welch and Satterthwaite: few are held out, and arms vary differently.
    spread = sum(p * p / (arm.people - 1) for p, arm in zip(parts, arms, strict=True))
    freedom = error**4 / spread if spread > 0 else float("inf")
    once = error * student(0.5 + level / 2, freedom)
    always = error * peeking(everyone, level)
    effect = one - other
    return Difference(effect, effect - once, effect + once, effect - always, effect + always)


def _unexplained(centred: tuple[float, float, float], theta: float) -> float:
    """The sum of squares that the time before leaves; what only rounding leaves is nought."""
    y, x, both = centred
    left = y - 2 * theta * both + theta * theta * x
    return left if left > 1e-13 * y else 0.0


def least(variance: float, one_more: float, people: int) -> float:
    """The variance of an arm, or that of one in which a single person did it."""
    return max(variance, one_more * one_more / people)


def sums(row: Mapping[str, float], outcome: str) -> Sums:
    """The sums of a row of `flow_effects`: of a booking or return, of kept visits, or of money."""
    people = int(row["people"])
    if outcome == "money":
        hundred = 100.0
        return Sums(
            people,
            row["cents"] / hundred,
            row["cents_squared"] / hundred**2,
            row["before_cents"] / hundred,
            row["before_cents_squared"] / hundred**2,
            row["cents_both"] / hundred**2,
        )
    # Of a thing that a person does or not, the square is the thing itself.
    squared = row["kept_squared"] if outcome == "kept" else row[outcome]
    before = row["before_kept"], row["before_kept_squared"]
    return Sums(people, row[outcome], squared, *before, row[f"{outcome}_both"])


def lifts_of(effects: pd.DataFrame) -> pd.DataFrame:
    """The lifts in shares of each flow with a holdout, from rows of `flow_effects`.

    Columns: flow, outcome, effect, low, high, anytime_low, anytime_high, to four decimals.
    """
    rows: list[dict[str, object]] = []
    for flow, arms in effects.groupby("flow", sort=True):
        of = {row["arm"]: _numbers(row) for row in arms.to_dict("records")}
        for outcome in SHARES:
            told = [sums(row, outcome) for row in of.values()]
            if len(of) < 2 or any(_few(arm) for arm in told):
                continue
            found = difference(sums(of["treated"], outcome), sums(of["holdout"], outcome))
            if found is not None:
                told_ends = {name: round(value, 4) for name, value in asdict(found).items()}
                rows.append({"flow": str(flow), "outcome": outcome, **told_ends})
    ends = ("effect", "low", "high", "anytime_low", "anytime_high")
    frame = pd.DataFrame(rows, columns=["flow", "outcome", *ends])
    return frame.astype(dict.fromkeys(ends, "float64") | {"flow": "str", "outcome": "str"})


def _numbers(row: Mapping[Any, Any]) -> dict[str, float]:
    return {str(name): float(v) for name, v in row.items() if not isinstance(v, str)}


def _few(arm: Sums) -> bool:
    return arm.people < LEAST_IN_ARM or min(arm.y, arm.people - arm.y) < LEAST_EITHER_WAY


def prove_level(level: float) -> None:
    """Raise BadInput for what is no level of an interval, such as one in percent.

    Below a half an interval holds less often than not, and one that holds at every look has no
    width.
    """
    if not 0.5 <= level < 1:
        raise BadInput(
            f"{level:g} is no level of an interval: give 0.5 or more and less than 1, as 0.9 for "
            "nine in ten."
        )


def peeking(people: int, level: float) -> float:
    """How many standard errors wide, each way, an interval is that holds at every look.

    The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas
    (arXiv 2103.06476, theorem 2.2), with the tuning that makes it tightest at TUNED_FOR (their
    appendix B).
    """
    alpha = 1 - level
    rho2 = (-2 * log(alpha) + log(-2 * log(alpha)) + 1) / TUNED_FOR
    grown = people * rho2 + 1
    return sqrt(2 * grown / (people * rho2) * log(sqrt(grown) / alpha))
