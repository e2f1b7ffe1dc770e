"""By which day a conversion counts: that on which it happened, of the touch, booking or visit.

`credit` and `conversions` date what happened by the day it did. `credit_dates` holds the same
credit by the other days, for readers who may see small cells: two ways to cut the same people into
weeks, told to one reader, could be subtracted from one another (docs/small-cells.md).
"""

from typing import Any, Protocol

import sqlalchemy as sa

from attribution.models import WEIGHED
from attribution.models.credit_dates import BOOKING, TOUCH, VISIT

OWN = "own"
BASES = {
    OWN: "The day it happened",
    TOUCH: "The day of the touch",
    BOOKING: "The day of booking",
    VISIT: "The day of the visit",
}
# Of conversions as such, where the chosen model shares no journeys.
_OTHERWISE = "position"
_CELL = ("kind", "channel", "campaign", "service_line", "location", "week", "currency")
CREDIT_DATES = sa.table(
    "credit_dates",
    *(sa.column(name) for name in ("basis", *_CELL, "is_dated")),
    *(sa.column(f"{name}_{what}") for name in WEIGHED for what in ("conversions", "value")),
)


class Chosen(Protocol):
    """What a scope says of dates."""

    @property
    def basis(self) -> str: ...

    @property
    def model(self) -> str: ...


def moved(scope: Chosen, *, protected: bool) -> bool:
    """Whether the scope asks for another day than that on which things happened, and may."""
    return scope.basis != OWN and scope.basis in BASES and not protected


def model_of(scope: Chosen) -> str:
    """The model whose touches date a conversion, where the scope's own shares no journeys."""
    return scope.model if scope.model in WEIGHED else _OTHERWISE


def credited(scope: Chosen, model: str) -> sa.Subquery:
    """The rows of `credit_dates` under a basis, in the shape of the mart `credit`."""
    mart: Any = CREDIT_DATES.c
    return (
        sa.select(
            sa.literal(model).label("model"),
            *(mart[name] for name in _CELL),
            mart[f"{model}_conversions"].label("conversions"),
            mart[f"{model}_value"].label("value_micros"),
        )
        .where(mart.basis == scope.basis)
        .subquery("dated")
    )
