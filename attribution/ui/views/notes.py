"""What a page must say beside its numbers: money that no total could include."""

from dataclasses import replace

from attribution import amount_queries
from attribution.date_basis import OWN, model_of
from attribution.metrics import KINDS, definition, ratio
from attribution.models import MODELS, WEIGHED
from attribution.models.credit_dates import BOOKING, TOUCH, VISIT
from attribution.queries import About, Marts, Scope
from attribution.ui import formats
from attribution.ui.view import records

UNASSIGNED = "unassigned"
_WORTH_TELLING, _WORTH_COUNTING = 0.001, 0.5
_MISSING = {TOUCH: "a known touch", BOOKING: "a booking", VISIT: "a visit"}


def money_left_out(marts: Marts, scope: Scope, about: About) -> tuple[str, ...]:
    """Sentences about spend in other currencies and spend that the filters cannot place."""
    return (
        *other_currencies(marts, scope, about),
        *_unplaced(marts, scope, about),
    )


def other_currencies(marts: Marts, scope: Scope, about: About) -> tuple[str, ...]:
    """A sentence each about spend and about money collected in other currencies, where any is."""
    elsewhere = {
        "Spend of {}": amount_queries.spend_elsewhere(marts, scope, about.currency),
        "{} collected": amount_queries.collected_elsewhere(marts, scope, about.currency),
    }
    said = []
    for words, frame in elsewhere.items():
        amounts = formats.several(
            formats.money(amount, currency) for currency, amount in frame.itertuples(index=False)
        )
        if amounts:
            which = f"is in other currencies than {about.currency} and in no total here."
            said.append(f"{words.format(amounts)} {which}")
    return tuple(said)


def _unplaced(marts: Marts, scope: Scope, about: About) -> tuple[str, ...]:
    filters = {
        "service line": (scope.service_lines, replace(scope, service_lines=(UNASSIGNED,))),
        "location": (scope.locations, replace(scope, locations=(UNASSIGNED,))),
    }
    sentences = []
    for words, (chosen, unplaced) in filters.items():
        if not chosen or UNASSIGNED in chosen:
            continue
        lost = float(amount_queries.spend_by_week(marts, unplaced, about.currency)["spend"].sum())
        if lost:
            sentences.append(
                f"Spend of {formats.money(lost, about.currency)} belongs to no {words} and is "
                f"left out while you filter by {words}."
            )
    return tuple(sentences)


def counted_by(marts: Marts, scope: Scope) -> str:
    """By which day conversions are counted, in words; nothing where it is the usual one."""
    if marts.protected:
        return "Counted by the day it happened; other days are for readers with the role analyst."
    if scope.basis == OWN:
        return ""
    said = {
        TOUCH: f"Counted by the day of the touch, shared by {MODELS[model_of(scope)].title}: the "
        "newest weeks are still filling.",
        BOOKING: "Counted by the day on which the visit was booked.",
        VISIT: "Counted by the day of the visit, of bookings the one that is planned.",
    }[scope.basis]
    return f"{said} Spend stays in the weeks in which it was spent."


def other_dates(marts: Marts, scope: Scope) -> tuple[str, ...]:
    """What has no such date as conversions are counted by, and what is yet to come."""
    frame = amount_queries.without_date(marts, scope)
    if frame.empty:
        return ()
    names = {
        kind: "payments" if kind == "collected" else definition(name).title.lower()
        for kind, name in KINDS.items()
    }
    shares = [(names[row["kind"]], ratio(row["undated"], row["whole"])) for row in records(frame)]
    parts = [f"{formats.rate(s)} of {name}" for name, s in shares if s and s >= _WORTH_TELLING]
    said = []
    if parts:
        said.append(
            f"Without {_MISSING[scope.basis]}, and counted by the day it happened: "
            f"{formats.several(parts)}."
        )
    ahead = [
        f"{formats.count(row['later'])} {names[row['kind']]}"
        for row in records(frame)
        if row["later"] >= _WORTH_COUNTING
    ]
    if ahead:
        said.append(f"In weeks yet to come, and so in no total here: {formats.several(ahead)}.")
    if scope.model not in WEIGHED:
        said.append(f"{MODELS[scope.model].title} shares weeks, not journeys: as they happened.")
    return tuple(said)
