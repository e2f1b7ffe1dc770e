"""What experiments say, as terms of the fit: held-out people and lift tests.

A holdout compares people whom chance kept from a campaign with those who were treated. A lift test
is the user's own: a channel off, or on, in some places for some days, and what that came to.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from attribution.errors import BadInput
from attribution.models.incremental_design import (
    UNASSIGNED,
    WEEK,
    Cells,
    Floats,
    Ints,
    Media,
    counts_of,
)
from attribution.models.incremental_fit import Term

_FEWEST = 20  # people in an arm
OFF = 0.05  # of a channel's usual pressure: below it the channel was off
HALF = 0.5  # of its pressure before a test: below it the test is of what was missing
_NEAR = 26  # weeks before a test, beside as many as its own: what was on earlier is not usual
# What visits lead to comes later, so it is told from the visits that the campaign brought.
FOLLOWS_A_VISIT = frozenset(("booked", "kept", "collected"))


def terms_of(
    kind: str,
    cells: Cells,
    media: list[Media],
    holdouts: pd.DataFrame,
    tests: pd.DataFrame,
    conversions: pd.DataFrame,
) -> list[Term]:
    """Every experiment on a channel of `media` that counted this kind.

    `conversions` are of every kind: they say what share of them a test found.
    """
    at = {one.channel: number for number, one in enumerate(media)}
    terms = []
    for channel, increment, error in holdout_increments(holdouts[holdouts["kind"] == kind]):
        if channel in at:
            everywhere = np.ones((len(cells.lines), len(cells.weeks)))
            terms.append(Term(at[channel], everywhere, increment, error, by_person=True))
    mine = tests[(tests["kind"] == kind) & tests["channel"].isin(list(at))]
    if len(mine):
        counts = counts_of(conversions[conversions["kind"] == kind], cells)
        for parts in whole_tests(mine):
            number = at[parts[0]["channel"]]
            weight = np.minimum(sum(_weeks_of(cells, part) for part in parts), 1.0)
            term = Term(
                number, weight, float(parts[0]["increment"]), float(parts[0]["standard_error"])
            )
            if weight.any():
                terms += while_on(term, media[number].pressure, counts)
    return terms


def whole_tests(tests: pd.DataFrame) -> Iterator[list[Mapping[str, Any]]]:
    """The rows of each test: those that name the same one are parts of it."""
    rows: list[Mapping[str, Any]] = [
        {str(name): value for name, value in row.items()} for row in tests.to_dict("records")
    ]
    named: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("test"):
            named.setdefault(str(row["test"]), []).append(row)
        else:
            yield [row]
    yield from named.values()


def _weeks_of(cells: Cells, row: Mapping[str, Any]) -> Floats:
    line = str(row.get("service_line", ""))
    return weeks_tested(cells, str(row["location"]), row["first_day"], row["last_day"], line)


def while_on(term: Term, pressure: Floats, counts: Floats) -> list[Term]:
    """A test of a channel that was off, by what it brings while it is on; itself where it was on.

    What was missing is what the channel usually brings, less what it still brought in the weeks of
    the test. So the term is the share of conversions that it brought in as many weeks right before,
    in the same cells, less the share that it brought in the test. With half of its pressure or
    more, or where it fell as far elsewhere, it was on, and the test is of all that it brought. None
    where there are no weeks before, or nothing was counted.
    """
    tested = term.weight.any(axis=1)
    usual = float(pressure[tested].mean())
    during = float((pressure * term.weight).sum() / term.weight.sum())
    weight, around = np.zeros_like(term.weight), np.zeros_like(term.weight)
    for cell in np.flatnonzero(tested):
        last = weeks_before(pressure[cell], term.weight[cell], OFF * usual)
        weight[cell, last] = 1.0
        around[cell, span_of_weeks(last)] = 1.0
    left = fell(pressure[~tested].sum(axis=0), term.weight.max(axis=0), around.max(axis=0))
    if not is_off(during, usual, left * pressure[around > 0]):
        return [term]
    # Where it never was on it brought nothing, with the test or without it.
    seen = np.where(weight.any(axis=1, keepdims=True), term.weight, 0.0)
    counted, before = float((counts * seen).sum()), float((counts * weight).sum())
    if counted + term.increment <= 0 or before <= 0:
        return []
    scale = before / (counted + term.increment)
    error = term.standard_error * scale
    return [Term(term.channel, weight - scale * seen, term.increment * scale, error)]


def weeks_before(pressure: Floats, seen: Floats, least: float) -> Ints:
    """As many weeks before those of a test as it saw, in which a channel pressed so much."""
    first, many = int(np.flatnonzero(seen)[0]), int(np.ceil(seen.sum()))
    near = slice(max(first - many - _NEAR, 0), first)
    return near.start + np.flatnonzero(pressure[near] >= max(least, 1e-12))[-many:]


def span_of_weeks(weeks: Ints) -> slice:
    """All weeks from the first of some to the last: what was pressed in flights is their mean."""
    return slice(int(weeks[0]), int(weeks[-1]) + 1) if len(weeks) else slice(0, 0)


def fell(elsewhere: Floats, seen: Floats, before: Floats) -> float:
    """To which part a channel's pressure went where it was not tested; 1 where it did not fall.

    A budget that was cut everywhere is no test. The last two say which part of each week is meant.
    """
    usual = float(elsewhere @ before / max(before.sum(), 1e-12))
    then = float(elsewhere @ seen / seen.sum())
    return min(then / usual, 1.0) if usual > 0 else 1.0


def is_off(during: float, usual: float, before: Floats) -> bool:
    """Whether a channel was off during a test, by its pressure then, usually and in weeks before.

    Where a share of pressure brings the same share of conversions, half of it is missing as much as
    it still brings: there both readings of a test say the same.
    """
    return during < max(HALF * float(before.mean()) if before.size else 0.0, OFF * usual)


def covered(conversions: pd.DataFrame, media: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """The tests of places and days that the data know.

    A row of lift_tests.csv of others would never be heard: it is refused. A test that was recorded
    was of places and days that were known, and is left out, whole, when they are known no more. So
    is one, wherever it stands, whose last days are not loaded yet.
    """
    for _, row, why, is_late in uncovered(conversions, media, tests):
        if not is_late and not row.get("is_recorded"):
            test = f"lift_tests.csv: the test of {row['channel']} ({row['kind']})"
            if row.get("test"):
                test = f"lift_tests.csv: the test {str(row['test'])!r}"
            raise BadInput(f"{test} {why}; correct it there, or load what is missing.")
    return known_whole(conversions, media, tests)


def known_whole(
    conversions: pd.DataFrame, media: pd.DataFrame, tests: pd.DataFrame
) -> pd.DataFrame:
    """The tests all of whose places and days the data know."""
    out = pd.Series(False, index=tests.index)
    for at, row, _, _ in uncovered(conversions, media, tests):
        out |= (tests["test"] == row["test"]) if row.get("test") else (tests.index == at)
    return tests[~out] if out.any() else tests


def uncovered(
    conversions: pd.DataFrame, media: pd.DataFrame, tests: pd.DataFrame
) -> Iterator[tuple[Hashable, Mapping[str, Any], str, bool]]:
    """Rows of a place or of days that the data do not know: label, row, why, whether just not yet.

    None before there are places, or media, to know it by. What a test brought is that of all its
    days, so all of them must be known.
    """
    places = {
        name: (set(conversions[name]) | set(media[name])) - {"", UNASSIGNED}
        for name in ("location", "service_line")
    }
    for at, each in zip(tests.index, tests.to_dict("records"), strict=True):
        row: Mapping[str, Any] = {str(name): value for name, value in each.items()}
        named = {name: str(row.get(name, "")) for name in places}
        unknown = [
            name
            for name, known in places.items()
            if known and named[name] not in known | {"", UNASSIGNED}
        ]
        if unknown:
            what, known = unknown[0], ", ".join(sorted(places[unknown[0]]))
            why = f"is of the {what.replace('_', ' ')} {named[what]!r}, which is none of {known}"
            yield at, row, why, False
        elif len(media):
            first = np.datetime64(str(media["week"].min())[:10], "D")
            end = np.datetime64(str(media["week"].max())[:10], "D") + WEEK
            begins, ends = (
                np.datetime64(str(row[name])[:10], "D") for name in ("first_day", "last_day")
            )
            if begins < first or ends >= end:
                weeks = f"{first} to {end - np.timedelta64(1, 'D')}"
                why = f"is of {begins} to {ends}, outside the weeks of media, {weeks}"
                yield at, row, why, bool(first <= begins < end)


def weeks_tested(
    cells: Cells, location: str, first_day: object, last_day: object, line: str = ""
) -> Floats:
    """Which part of each cell's week a test saw: cell x week."""
    day = np.timedelta64(1, "D")
    first, last = np.datetime64(str(first_day)[:10], "D"), np.datetime64(str(last_day)[:10], "D")
    begins = np.maximum(cells.weeks, first)
    ends = np.minimum(cells.weeks + 7 * day, last + day)
    part = np.clip((ends - begins) / day, 0, 7) / 7
    weight: Floats = cells.at(line, location)[:, None] * part[None, :]
    return weight


def holdout_increments(arms: pd.DataFrame) -> Iterable[tuple[str, float, float]]:
    """Each channel's conversions that its campaigns brought, with the standard error.

    Campaigns without a holdout are taken to do as well per treated person as those with one, and so
    are those whom a campaign treated before it held anybody out (`untested`).
    """
    for channel, of_channel in arms.groupby("channel", sort=True):
        increments, variances, treated, reached = [], [], 0.0, 0.0
        for _, campaign in of_channel.groupby("campaign", sort=True):
            people = campaign.groupby("arm")["people"].sum()
            reached += float(people.get("treated", 0) + people.get("untested", 0))
            if min(people.get("treated", 0), people.get("holdout", 0)) < _FEWEST:
                continue
            increment, variance = _difference(campaign[campaign["arm"] != "untested"])
            treated += float(people["treated"])
            increments.append(increment)
            variances.append(variance)
        if treated:
            scale = reached / treated
            error = scale * float(np.sqrt(sum(variances)))
            yield str(channel), scale * sum(increments), max(error, 1e-6)


def _difference(arms: pd.DataFrame) -> tuple[float, float]:
    """One campaign's increment and its variance.

    The difference of the arms within the time that is counted, times what a visit within that time
    comes with until today, over what it comes with within that time: those who came because they
    were asked are taken to go on as those who came unasked.
    """
    totals = arms.groupby("arm")[["people", "counted", "squares"]].sum()
    people, counted = totals["people"], totals["counted"]
    mean = counted / people
    # No arm is surer than one person more or less would make it.
    spread = ((totals["squares"] / people - mean**2) / people).clip(lower=1 / people**2)
    longer = 1.0
    if arms["kind"].iloc[0] in FOLLOWS_A_VISIT:
        longer = _longer(arms)
    treated = float(people["treated"])
    increment = treated * float(mean["treated"] - mean["holdout"]) * longer
    return increment, (treated * longer) ** 2 * float(spread["treated"] + spread["holdout"])


def _longer(arms: pd.DataFrame) -> float:
    """How many conversions until today stand behind one within the time that is counted."""
    by = arms.groupby("returned")[["people", "counted", "afterwards"]].sum()
    if not {0, 1} <= set(by.index) or by["people"].min() < _FEWEST:
        return 1.0
    soon = by["counted"] / by["people"]
    ever = soon + by["afterwards"] / by["people"]
    gained = float(soon[1] - soon[0])
    return max(float(ever[1] - ever[0]) / gained, 1.0) if gained > 0 else 1.0
