"""Lift tests that spoil each other: in the same markets, in the same weeks or those before."""

from collections.abc import Iterable

from attribution.errors import BadInput
from attribution.lift_plans import Plan, named
from attribution.models.lift_panel import Market


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
