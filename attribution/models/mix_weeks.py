"""What the mix model is fitted on: whole weeks of conversions and media, and experiments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from attribution.models.incremental_design import Bools, Cells, Floats, Media, counts_of, span_of
from attribution.models.incremental_fit import Term
from attribution.models.mix_design import Experiment

MONEY = "collected"  # the kind of which value is counted, not payments
FEWEST_WEEKS = 52  # with fewer a season cannot be told from a budget
FEWEST_CONVERSIONS = 500
WARM_UP = 8  # weeks whose carry-over begins before the data
_LEAST_PART = 0.1  # of what is believed of another kind
_LENDS = "lead"
# Of an increment that leads' tests lend: channels differ in how many leads become something else,
# and what follows a lead comes weeks later.
_LENT = 0.3
BY_PLACE = 0.1  # of a test's increment: how far a channel's part there may be from its money's
MICROS = 1e6


@dataclass(frozen=True, slots=True)
class Weekly:
    """What each channel pressed with in each week, and what one unit of it costs."""

    channels: tuple[str, ...]
    pressed: Floats  # channel x week, in its own unit
    price: Floats  # channel: money of reports for a unit; NaN where it has no such money
    size: Floats  # channel: money, for what is believed of it beforehand


def weekly_of(
    pressing: Sequence[Media], cells: Cells, media: pd.DataFrame, currency: str
) -> Weekly:
    """What each channel pressed with in each week; `currency` is that of reports."""
    pressed = np.stack([(one.pressure * cells.size[:, None]).sum(axis=0) for one in pressing])
    paid = media[media["spend_micros"] > 0]
    price, size = [], []
    for one, course in zip(pressing, pressed, strict=True):
        own = paid[paid["channel"] == one.channel]
        inside = own["week"].to_numpy("datetime64[D]") >= cells.weeks[0]
        spent = float(own["spend_micros"][inside].sum()) / MICROS
        known = spent > 0 and set(own["currency"]) == {currency}
        price.append(spent / float(course.sum()) if known else np.nan)
        # Messages are next to free, and do as much as other channels all the same.
        free = media.loc[media["channel"] == one.channel, "messages"].sum() > 0
        size.append(np.nan if free or not known else spent)
    sizes = np.array(size)
    paid = sizes[~np.isnan(sizes)]
    sizes[np.isnan(sizes)] = paid.mean() if len(paid) else 1.0
    return Weekly(tuple(one.channel for one in pressing), pressed, np.array(price), sizes)


def parts_of(kinds: Sequence[str], led: Mapping[str, float]) -> dict[str, float]:
    """How much of each kind channels may bring, beside the kind that they bring most of.

    Most visits are routine: what journeys say of all channels together is believed beforehand.
    """
    most = max((led.get(kind, 0.0) for kind in kinds), default=0.0)
    return {
        kind: max(led.get(kind, 0.0) / most, _LEAST_PART) if most > 0 else 1.0 for kind in kinds
    }


def counted_of(conversions: pd.DataFrame, cells: Cells) -> dict[str, Floats]:
    """What is counted of each kind in each week; money of the kind that is money.

    Few are few in the weeks of media: what came in years before them is not fitted.
    """
    counted = {}
    for kind in sorted(set(conversions["kind"])):
        rows = conversions[conversions["kind"] == kind]
        course = counts_of(rows, cells).sum(axis=0)
        if course.sum() < FEWEST_CONVERSIONS:
            continue
        if kind == MONEY:
            rows = rows.assign(conversions=rows["value_micros"] / MICROS)
            course = counts_of(rows, cells).sum(axis=0)
        if course.sum() > 0:
            counted[str(kind)] = course
    return counted


def fitted_weeks(course: Floats) -> slice:
    """The weeks that a kind is fitted on: of those that it was reported over, whole ones.

    The first and the last week are hardly ever whole, and before the first few weeks of media
    nobody knows what was on.
    """
    span = span_of(course[None])
    return slice(max(span.start + 1, WARM_UP), max(span.stop - 1, 0))


def alike(counted: dict[str, Floats]) -> list[tuple[list[str], Bools]]:
    """Kinds that were reported over the same weeks, and these weeks: they are fitted together."""
    found: dict[tuple[int, int], list[str]] = {}
    for kind, course in counted.items():
        span = fitted_weeks(course)
        if span.stop - span.start >= FEWEST_WEEKS:
            found.setdefault((span.start, span.stop), []).append(kind)
    weeks = len(next(iter(counted.values()))) if counted else 0
    at = np.arange(weeks)
    return [(kinds, (at >= first) & (at < end)) for (first, end), kinds in sorted(found.items())]


def worth_of(conversions: pd.DataFrame) -> float:
    """Money of a payment: experiments count payments."""
    rows = conversions[conversions["kind"] == MONEY]
    return float(rows["value_micros"].sum()) / MICROS / max(float(rows["conversions"].sum()), 1.0)


def tests_of(
    terms: Sequence[Term], pressing: Sequence[Media], cells: Cells, worth: float
) -> list[Experiment]:
    """Experiments on cells, as ones that saw part of what the channel pressed with in a week.

    `worth` is what one conversion counts.
    """
    found = []
    for term in terms:
        money = pressing[term.channel].pressure * cells.size[:, None]
        whole = money.sum(axis=0)
        by_heads = (term.weight * cells.size[:, None]).sum(axis=0) / cells.size.sum()
        share = (term.weight * money).sum(axis=0) / np.where(whole > 0, whole, 1.0)
        weight = np.where(whole > 0, share, by_heads)
        error = term.standard_error
        if not (term.weight[:, term.weight.any(axis=0)] != 0).all():
            error = float(np.hypot(error, BY_PLACE * term.increment))
        found.append(
            Experiment(term.channel, weight, worth * term.increment, worth * error, term.by_person)
        )
    return found


def lent(
    heard: Mapping[str, Sequence[Experiment]],
    counted: Mapping[str, Floats],
    parts: Mapping[str, float],
) -> dict[str, list[Experiment]]:
    """The experiments of each kind, with those of leads where a channel has none of the kind.

    What a lead of a channel becomes is not known by channel: what media are believed to bring of
    the kind (`parts_of`), beside what they are of leads, stands for all, and the error says so.
    Both are of the weeks in which both kinds were reported: one may be known for years longer.
    """
    found = {kind: list(tests) for kind, tests in heard.items()}
    if not heard.get(_LENDS):
        return found
    for kind, tests in found.items():
        both = _reported(counted[_LENDS], counted[kind])
        leads, mine = (parts[each] * float(counted[each][both].sum()) for each in (_LENDS, kind))
        if kind == _LENDS or min(leads, mine) <= 0:
            continue
        own, ratio = {test.channel for test in tests}, mine / leads
        for test in heard[_LENDS]:
            if test.channel not in own:
                increment = ratio * test.increment
                error = float(np.hypot(ratio * test.standard_error, _LENT * increment))
                tests.append(replace(test, increment=increment, standard_error=error, lent=True))
    return found


def _reported(one: Floats, other: Floats) -> slice:
    """The weeks over which both courses were reported."""
    spans = [span_of(course[None]) for course in (one, other)]
    return slice(max(span.start for span in spans), min(span.stop for span in spans))
