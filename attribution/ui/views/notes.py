"""What a page must say beside its numbers: money that no total could include."""

from dataclasses import replace

from attribution import queries
from attribution.queries import About, Marts, Scope
from attribution.ui import formats

UNASSIGNED = "unassigned"


def money_left_out(marts: Marts, scope: Scope, about: About) -> tuple[str, ...]:
    """Sentences about spend in other currencies and spend that the filters cannot place."""
    return (
        *other_currencies(marts, scope, about),
        *_unplaced(marts, scope, about),
    )


def other_currencies(marts: Marts, scope: Scope, about: About) -> tuple[str, ...]:
    """A sentence about spend in other currencies, where there is any."""
    elsewhere = queries.spend_elsewhere(marts, scope, about.currency)
    if elsewhere.empty:
        return ()
    amounts = formats.several(
        formats.money(spend, currency) for currency, spend in elsewhere.itertuples(index=False)
    )
    return (
        f"Spend of {amounts} is in other currencies than {about.currency} and in no total here.",
    )


def _unplaced(marts: Marts, scope: Scope, about: About) -> tuple[str, ...]:
    filters = {
        "service line": (scope.service_lines, replace(scope, service_lines=(UNASSIGNED,))),
        "location": (scope.locations, replace(scope, locations=(UNASSIGNED,))),
    }
    sentences = []
    for words, (chosen, unplaced) in filters.items():
        if not chosen or UNASSIGNED in chosen:
            continue
        lost = float(queries.spend_by_week(marts, unplaced, about.currency)["spend"].sum())
        if lost:
            sentences.append(
                f"Spend of {formats.money(lost, about.currency)} belongs to no {words} and is "
                f"left out while you filter by {words}."
            )
    return tuple(sentences)
