"""Research: who has a condition, where, and how visits go with pollen and air quality.

A count of people from 1 to 10, or one that others of the same look give away, is not told; what
cannot be told for a week is told for four weeks, or left out. Whoever compares looks at different
cohorts can work out more: they may see people, and each look is in the audit log.
"""

from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

import pandas as pd

from attribution import audit, people, research_queries
from attribution.metrics import definition, ratio
from attribution.models.exposure import wilson
from attribution.paths import Home
from attribution.people import People, Permit
from attribution.research.cohort import Cohort
from attribution.research.export import EMPTY
from attribution.research.rules import K
from attribution.research_queries import Choices
from attribution.ui import access, charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, View, measured, records, table_of
from attribution.ui.views import exposure

QUESTION = "Who has a condition, where, and do visits go with pollen and air?"
_AGES = "Age"
HIDDEN = "hidden"


@lru_cache(maxsize=4)
def _choices(home: Home, generation: int, permit: Permit) -> Choices:
    at = people.people(home, generation, permit)
    research_queries.require(at)
    return research_queries.choices(at)


def choices(home: Home, generation: int) -> Choices:
    """What a cohort can be made of; raises NotAllowed where the reader may not see people."""
    return _choices(home, generation, replace(access.research_permit(home), reader=""))


def research(home: Home, generation: int, cohort: Cohort, conditions: tuple[str, ...]) -> View:
    """The page's view of a cohort; raises NotAllowed where the reader may not see people.

    Each look is written into the audit log, also where the numbers were made before.
    """
    permit = access.research_permit(home)
    view = _research(home, generation, cohort, conditions, replace(permit, reader=""))
    audit.record(
        home,
        permit.reader,
        audit.PEOPLE_SEEN,
        "a cohort on the page Research",
        reason=permit.reason,
        generation=generation,
        filters={name: value for name, value in asdict(cohort).items() if value},
        conditions=conditions,
    )
    return view


@lru_cache(maxsize=64)
def _research(
    home: Home, generation: int, cohort: Cohort, conditions: tuple[str, ...], permit: Permit
) -> View:
    return build(people.people(home, generation, permit), cohort, conditions)


def build(at: People, cohort: Cohort, conditions: tuple[str, ...]) -> View:
    """The page's view: prevalence by place and age, and visits by pollen and air."""
    places = research_queries.prevalence(at, cohort, conditions, "location")
    whole = places[["people", "cases"]].sum()
    if not whole["people"] and not research_queries.choices(at).people:
        return View(QUESTION, empty=EMPTY)
    if whole["people"] < K:
        return View(QUESTION, empty=f"Fewer than {K} people fit. Choose a wider cohort.")
    ages = research_queries.prevalence(at, cohort, conditions, "age")
    ages["name"] = ages["name"].map(lambda age: "90+" if age >= 90 else f"{age:.0f}–{age + 9:.0f}")
    told = {"places": ("Place", told_shares(places)), "ages": (_AGES, told_shares(ages))}
    tables = {name: _table(title, frame) for name, (title, frame) in told.items()}
    figures = {
        name: _figure(title, frame, name)
        for name, (title, frame) in told.items()
        if frame["prevalence"].notna().any()
    }
    location = cohort.locations[0] if len(cohort.locations) == 1 else ""
    series = research_queries.periods(at, location)
    exposed = exposure.build(series, conditions, location)
    return View(
        QUESTION,
        metrics=_metrics(int(whole["people"]), int(whole["cases"])),
        figures={**figures, **exposed.figures},
        tables={**tables, **exposed.tables},
        notes=(
            (
                "Counts from 1 to 10 are hidden, and with them as many others as it takes that "
                "sums do not give them back."
            ),
            *exposed.notes,
        ),
    )


def told_shares(frame: pd.DataFrame) -> pd.DataFrame:
    """Shares with intervals; hidden where people with or without are from 1 to 10.

    Columns: name, people, cases, prevalence, low, high. Hidden rows add up to nought or at least
    eleven with and without, so that the whole less the others does not tell them.
    """
    rest = frame["people"] - frame["cases"]
    hidden = _small(frame["cases"]) | _small(rest)
    while hidden.any() and (
        hidden.sum() == 1
        or _small(pd.Series([frame["cases"][hidden].sum(), rest[hidden].sum()])).any()
    ):
        left = frame.index[~hidden]
        if left.empty:
            break
        hidden[frame.loc[left, "people"].idxmin()] = True
    told = frame[["name", "people", "cases"]].astype({"people": "float64", "cases": "float64"})
    told.loc[hidden, ["people", "cases"]] = float("nan")
    known = told["people"] > 0
    ends = [
        wilson(row["cases"], row["people"]) if good else (float("nan"), float("nan"))
        for row, good in zip(records(told), known, strict=True)
    ]
    return told.assign(
        prevalence=told["cases"] / told["people"].where(known),
        low=[low for low, _ in ends],
        high=[high for _, high in ends],
    )


def _small(counts: "pd.Series[Any]") -> "pd.Series[bool]":
    return (counts > 0) & (counts < K)


def _table(title: str, frame: pd.DataFrame) -> Table:
    columns = (
        Column("name", title),
        measured("cohort_people"),
        measured("cases"),
        measured("prevalence"),
        Column("low", "95%, low", "rate", "One end of the interval of the prevalence."),
        Column("high", "95%, high", "rate", "The other end of the interval."),
    )
    told = frame.rename(columns={"people": "cohort_people"})
    told["name"] = told["name"].map(lambda name: formats.title(str(name)))
    return table_of(f"By {title.lower()}", columns, told)


def _figure(title: str, frame: pd.DataFrame, table: str) -> Figure:
    drawn = frame.dropna(subset=["prevalence"])
    names = [formats.label(formats.title(str(name))) for name in drawn["name"]]
    rows = records(drawn)
    texts = [formats.rate(row["prevalence"]) for row in rows]
    hovers = [
        f"{formats.count(row['cases'])} of {formats.count(row['people'])} people<br>"
        f"95%: {formats.rate(row['low'])} to {formats.rate(row['high'])}"
        for row in rows
    ]
    ends = (drawn["low"].tolist(), drawn["high"].tolist())
    spec = charts.estimates(
        names,
        drawn["prevalence"].tolist(),
        ends,
        texts,
        [charts.colour(1)] * len(rows),
        hovers,
        "95% interval",
    )
    best = max(rows, key=lambda row: row["prevalence"])
    hidden = len(frame) - len(drawn)
    words = f" {hidden} hidden: too few people." if hidden else ""
    which = "Highest" if len(rows) > 1 else "Only one is told"
    return Figure(
        f"Prevalence by {title.lower()}",
        spec,
        f"{which}: {formats.title(str(best['name']))} with {formats.rate(best['prevalence'])} "
        f"({formats.rate(best['low'])} to {formats.rate(best['high'])}).{words}",
        definition("prevalence").help,
        table,
    )


def _metrics(whole: int, cases: int) -> tuple[Metric, ...]:
    small = 0 < cases < K or 0 < whole - cases < K
    share = None if small else ratio(cases, whole)
    sure = ""
    if share is not None:
        low, high = wilson(cases, whole)
        sure = f"95%: {formats.rate(low)} to {formats.rate(high)}"
    values = {
        "cohort_people": (float(whole), ""),
        "cases": (None if small else float(cases), HIDDEN if small else ""),
        "prevalence": (share, sure or HIDDEN),
    }
    return tuple(
        Metric(name, each.title, value, None, each.format, each.help, each.better, interval=words)
        for name, (value, words) in values.items()
        for each in (definition(name),)
    )
