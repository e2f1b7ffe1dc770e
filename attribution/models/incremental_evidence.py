"""What experiments say, as terms of the fit: held-out people and lift tests.

A holdout compares people whom chance kept from a campaign with those who were treated. A lift test
is the user's own: a channel off, or on, in some places for some days, and what that came to.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from attribution.errors import BadInput
from attribution.models.incremental_design import UNASSIGNED, WEEK, Cells, Floats, Media
from attribution.models.incremental_fit import Term

_FEWEST = 20  # people in an arm
# What visits lead to comes later, so it is told from the visits that the campaign brought.
FOLLOWS_A_VISIT = frozenset(("booked", "kept", "collected"))


def terms_of(
    kind: str, cells: Cells, media: list[Media], holdouts: pd.DataFrame, tests: pd.DataFrame
) -> list[Term]:
    """Every experiment on a channel of `media` that counted this kind."""
    at = {one.channel: number for number, one in enumerate(media)}
    terms = []
    for channel, increment, error in holdout_increments(holdouts[holdouts["kind"] == kind]):
        if channel in at:
            everywhere = np.ones((len(cells.lines), len(cells.weeks)))
            terms.append(Term(at[channel], everywhere, increment, error, by_person=True))
    for row in tests[tests["kind"] == kind].to_dict("records"):
        if row["channel"] in at:
            weight = weeks_tested(cells, str(row["location"]), row["first_day"], row["last_day"])
            if weight.any():
                error = float(row["standard_error"])
                terms.append(Term(at[row["channel"]], weight, float(row["increment"]), error))
    return terms


def prove_tests(conversions: pd.DataFrame, media: pd.DataFrame, tests: pd.DataFrame) -> None:
    """A test of a place or of days that the data do not know would never be heard: it is refused.

    Nothing is refused before there are places, or media, to know it by.
    """
    places = set(conversions["location"]) | set(media["location"])
    places -= {"", UNASSIGNED}
    for row in tests.to_dict("records"):
        location = str(row["location"])
        test = f"lift_tests.csv: the test of {row['channel']} ({row['kind']})"
        if places and location not in places | {"", UNASSIGNED}:
            raise BadInput(
                f"{test} is of the location {location!r}, which is none of "
                f"{', '.join(sorted(places))}; correct it there."
            )
        if len(media):
            first = np.datetime64(str(media["week"].min())[:10], "D")
            end = np.datetime64(str(media["week"].max())[:10], "D") + WEEK
            begins, ends = (
                np.datetime64(str(row[name])[:10], "D") for name in ("first_day", "last_day")
            )
            if ends < first or begins >= end:
                raise BadInput(
                    f"{test} from {begins} to {ends} lies outside the weeks of media, {first} to "
                    f"{end - np.timedelta64(1, 'D')}; correct its days, or load those weeks."
                )


def weeks_tested(cells: Cells, location: str, first_day: object, last_day: object) -> Floats:
    """Which part of each cell's week a test saw: cell x week."""
    day = np.timedelta64(1, "D")
    first, last = np.datetime64(str(first_day)[:10], "D"), np.datetime64(str(last_day)[:10], "D")
    begins = np.maximum(cells.weeks, first)
    ends = np.minimum(cells.weeks + 7 * day, last + day)
    part = np.clip((ends - begins) / day, 0, 7) / 7
    weight: Floats = cells.at("", location)[:, None] * part[None, :]
    return weight


def holdout_increments(arms: pd.DataFrame) -> Iterable[tuple[str, float, float]]:
    """Each channel's conversions that its campaigns brought, with the standard error.

    Campaigns without a holdout are taken to do as well per treated person as those with one.
    """
    for channel, of_channel in arms.groupby("channel", sort=True):
        increments, variances, treated, reached = [], [], 0.0, 0.0
        for _, campaign in of_channel.groupby("campaign", sort=True):
            people = campaign.groupby("arm")["people"].sum()
            reached += float(people.get("treated", 0))
            if min(people.get("treated", 0), people.get("holdout", 0)) < _FEWEST:
                continue
            increment, variance = _difference(campaign)
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
