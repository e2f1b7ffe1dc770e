"""What leads of the newest weeks still owe: patients and money that have yet to arrive."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pandas as pd

from attribution.cohort_queries import MONEY, cohorts_by_week, reported_weeks, thin_lines
from attribution.metrics import KINDS, definition, ratio
from attribution.models.maturity import MATURE
from attribution.queries import WEEK, Marts, Scope, about
from attribution.ui import formats

_JUDGED = {"new_patient": "CAC", MONEY: "ROAS"}
_BOTH_KNOWN = (
    "Not every number is known to the end of the period. CAC and ROAS, as every ratio, count the "
    "weeks in which both of their numbers are."
)


def young_leads(marts: Marts, scope: Scope, *kinds: str) -> dict[str, pd.DataFrame]:
    """By kind, the weeks of the scope whose leads are too young to judge by what they brought."""
    frame = cohorts_by_week(marts, scope, "lead", *kinds)
    young = frame[frame["maturity"] < MATURE]
    return {kind: rows for kind in kinds if len(rows := young[young["kind_to"] == kind])}


def since(young: dict[str, pd.DataFrame], kind: str) -> date | None:
    """The first week of leads too young; None where there is none."""
    return pd.Timestamp(young[kind]["week"].iloc[0]).date() if kind in young else None


def note(young: dict[str, pd.DataFrame], last_week: date) -> tuple[str, ...]:
    """A sentence on how much of each kind is not in yet, and what that does to ratios."""
    owed = {kind: words for kind, rows in young.items() if (words := _owed(rows, kind, last_week))}
    if not owed:
        return ()
    said = f"Not all in yet: {formats.several(owed.values())}."
    judged = [name for kind, name in _JUDGED.items() if kind in owed]
    if judged:
        sets, looks = ("set", "they look") if len(judged) > 1 else ("sets", "it looks")
        said += (
            f" Until then {formats.several(judged)} {sets} the spend of these weeks against what "
            f"earlier leads bring, so {looks} worse than the truth where spend has just grown, "
            "and better where it was just cut."
        )
    return (said,)


def thin_note(marts: Marts, scope: Scope, last_week: date, *kinds: str) -> tuple[str, ...]:
    """Of chosen lines too small to estimate: that they are, and what all lines together owe."""
    thin = thin_lines(marts, scope, "lead")
    if not thin:
        return ()
    young = young_leads(marts, replace(scope, service_lines=()), *kinds)
    owed = [words for kind, rows in young.items() if (words := _owed(rows, kind, last_week))]
    if not owed:
        return ()
    return (
        (
            f"{too_few(thin, 'leads')} to estimate what is still to come. Of all service lines "
            f"together, not all is in yet: {formats.several(owed)}."
        ),
    )


def too_few(lines: tuple[str, ...], entered: str) -> str:
    """The beginning of a sentence on service lines whose weeks are part of others."""
    has = "have" if len(lines) > 1 else "has"
    named = formats.several(formats.title(line) for line in lines)
    return f"{named} {has} too few {entered} a week"


def unreported(marts: Marts, scope: Scope) -> dict[str, date]:
    """The last week reported of each number whose sources end before the scope does."""
    ends = {KINDS.get(kind, kind): day.date() for kind, day in reported_weeks(marts).items()}
    if together := about(marts).weeks_together if marts.protected else 0:
        # What was told with the first week of its block is known to the end of that.
        ends = {
            name: scope.until - WEEK * (together * ((scope.until - day).days // (7 * together)))
            for name, day in ends.items()
        }
    return {name: day for name, day in ends.items() if day < scope.until}


def known_to(scope: Scope, ends: Mapping[str, date], *names: str) -> date:
    """The last week of a scope in which all these numbers are known; perhaps before its first."""
    return min(ends.get(name, scope.until) for name in names)


def unreported_note(
    ends: Mapping[str, date], scope: Scope, *, protected: bool = False
) -> tuple[str, ...]:
    """A sentence for each number that stops early, so that nobody takes it for a fall.

    And one on what that does to ratios.
    """
    if not ends:
        return ()
    said = "nothing after the week of {} is reported in full yet."
    if protected:  # whether it is late or of too few people is not told either
        ends = {name: day for name, day in ends.items() if day >= scope.since}
        why = "of too few people to be told, or not reported yet"
        said = f"what came after the week of {{}} is {why}."
    each = (f"{definition(name).title}: {said.format(formats.day(d))}" for name, d in ends.items())
    return (*each, _BOTH_KNOWN)


def _owed(rows: pd.DataFrame, kind: str, last_week: date) -> str:
    come = ratio(float(rows["arrived"].sum()), float(rows["expected"].sum()))
    if come is None:
        return ""
    what = "money collected" if kind == MONEY else definition(KINDS[kind]).title.lower()
    return f"about {1 - come:.0%} of the {what} from {_leads(rows, last_week)}"


def _leads(rows: pd.DataFrame, last_week: date) -> str:
    first, last = (pd.Timestamp(rows["week"].iloc[place]).date() for place in (0, -1))
    number = (last - first) // WEEK + 1
    if number == 1:
        return f"leads of the week of {formats.day(first)}"
    which = "the last " if last == last_week else ""
    return f"leads of {which}{number} weeks (from {formats.day(first)})"
