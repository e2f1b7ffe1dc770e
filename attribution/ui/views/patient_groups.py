"""Cohorts: who has some things in common, how they came, and what sets them apart from others."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import pandas as pd

from attribution import group_queries, queries
from attribution.group_queries import DIMENSIONS, Group
from attribution.metrics import definition
from attribution.paths import Home
from attribution.queries import Marts
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, View, records, table_of
from attribution.ui.views.group_numbers import NUMBERS, nps_said, numbers
from attribution.ui.views.group_shares import conditions_of, shares_of
from attribution.ui.views.group_words import MEASURES, TITLES, UNKNOWN, in_words, value_title

QUESTION = "Who are these patients, how did they come, and what sets them apart?"
COHORT, OTHERS, SECOND, EVERYONE = "Cohort", "Everyone else", "Second cohort", "All patients"
MAX_ITEMS = 12
# Drawn as figures; every dimension has a table.
DRAWN = ("first_channel", "last_channel", "age_band", "response", "lapse", "days")


@lru_cache(maxsize=128)
def patient_groups(
    home: Home, generation: int, group: Group, other: Group | None, *, protected: bool
) -> View:
    """The page's view of one generation; built once for each pair of groups."""
    return build(queries.marts(home, generation, protected=protected), group, other)


def build(marts: Marts, group: Group, other: Group | None = None) -> View:
    """A group beside another one, or beside everyone who is not in it where `other` is None."""
    currency = queries.about(marts).currency
    counts, ways = group_queries.counted(marts, group), group_queries.journeys(marts, group)
    people = _people(counts)
    if not people:
        return View(QUESTION, currency=currency, empty=_nobody(group))
    mine = group_queries.sums(marts, group)
    name, beside, ways_beside, others = _others(marts, group, other, counts, ways, mine)
    people_beside = _people(beside)
    ours, theirs = numbers(mine, people), numbers(others, people_beside)
    shares = {
        **{key: shares_of(counts, beside, "dimension", "value", key) for key in DIMENSIONS},
        **{key: shares_of(ways, ways_beside, "measure", "item", key) for key in MEASURES},
    }
    shares = {key: frame for key, frame in shares.items() if not frame.empty}
    if _has_conditions(marts, group) and (other is None or _has_conditions(marts, other)):
        shares["condition"] = conditions_of(marts, group, other, people, people_beside)
    tables = {key: _table(key, frame, name) for key, frame in shares.items()}
    tables["numbers"] = _side_by_side(ours, theirs, name, currency)
    if other is None and not people_beside:
        tables = {key: _alone(table) for key, table in tables.items()}
    tables["report"] = _report(ours, theirs, shares, name)
    return View(
        QUESTION,
        metrics=_metrics(mine, ours, theirs),
        figures={
            key: _figure(key, shares[key], name) for key in DRAWN if _says(shares, key, group)
        },
        tables=tables,
        remark=_remark(group, other, name, people, people_beside),
        notes=_notes(marts, group, other, people - mine["people"]),
        currency=currency,
    )


def _others(
    marts: Marts,
    group: Group,
    other: Group | None,
    counts: pd.DataFrame,
    ways: pd.DataFrame,
    mine: Mapping[str, float],
) -> tuple[str, pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """What the cohort is compared with: its name, people, ways and sums."""
    # Channels are kept of everyone without the two dimensions, and none of a cohort with them.
    if other is not None:
        asked, of_ways, name = other, other, SECOND
    else:
        asked, of_ways, name = Group(), Group() if group.has_ways else group, OTHERS
    beside, ways_beside = (
        group_queries.counted(marts, asked),
        group_queries.journeys(marts, of_ways),
    )
    sums = group_queries.sums(marts, asked)
    if other is not None:
        return name, beside, ways_beside, sums
    if marts.protected and group.condition:
        # Who has a condition is told in larger cells than everyone, which cannot be taken apart.
        return EVERYONE, beside, ways_beside, sums
    return (
        name,
        group_queries.without(beside, counts, ["dimension", "value"]),
        group_queries.without(ways_beside, ways, ["measure", "item"]),
        {key: sums[key] - mine[key] for key in sums},
    )


def _has_conditions(marts: Marts, group: Group) -> bool:
    """Whether it can be told how many of the group have each condition."""
    return not group.condition and not (marts.protected and group.wanted)


def _people(counts: pd.DataFrame) -> float:
    return float(counts.loc[counts["dimension"] == DIMENSIONS[0], "people"].sum())


def _remark(
    group: Group, other: Group | None, name: str, people: float, people_beside: float
) -> str:
    """Who is looked at, and beside whom."""
    said = f"{in_words(group)}: {formats.count(people)} patients."
    if not people_beside:
        return f"{said} Choose what a cohort has in common to set it beside everyone else."
    return f"{said} Beside them: {_beside(other, name)}, {formats.count(people_beside)} patients."


def _beside(other: Group | None, name: str) -> str:
    said = name if other is None else in_words(other)
    return said[:1].lower() + said[1:]


def _nobody(group: Group) -> str:
    return f"{in_words(group)}: there is nobody. Choose fewer things that they must have in common."


def _metrics(
    sums: Mapping[str, float], ours: dict[str, float | None], theirs: dict[str, float | None]
) -> tuple[Metric, ...]:
    found = []
    for name in NUMBERS:
        meaning = definition(name)
        if name == "touch_known":
            continue  # in the table: the cards are two rows of four
        interval = nps_said(sums) if name == "nps" else ""
        # That a group is smaller than all others is no change.
        before = None if name in ("nps", "group_people") else theirs[name]
        found.append(
            Metric(
                name,
                meaning.title,
                ours[name],
                before,
                meaning.format,
                meaning.help,
                meaning.better,
                interval=interval,
            )
        )
    return tuple(found)


def _title(key: str) -> str:
    return TITLES.get(key) or MEASURES[key]


def _table(key: str, frame: pd.DataFrame, name: str) -> Table:
    share = definition("group_share")
    people = definition("group_people")
    columns = (
        Column("value", "Way" if key == "way" else _title(key)),
        Column("people", COHORT, "count", people.help),
        Column("share", "Share", "rate", share.help),
        Column("others", name, "count", people.help),
        Column("others_share", f"Share, {name.lower()}", "rate", share.help),
    )
    rows = frame.assign(value=[value_title(key, value) for value in frame["value"]])
    note = ""
    if key == "condition":
        note = "Share of all patients. Who has several is in several rows, so they do not add up."
    elif UNKNOWN in set(rows["value"]):
        note = "Shares are of those of whom it is known."
    return table_of(_title(key), columns, rows, note)


def _side_by_side(
    ours: dict[str, float | None], theirs: dict[str, float | None], name: str, currency: str
) -> Table:
    rows = []
    for each in NUMBERS:
        meaning = definition(each)
        texts = [formats.written(side[each], meaning.format, currency) for side in (ours, theirs)]
        rows.append((meaning.title, *texts, meaning.help))
    columns = (
        Column("number", "Number"),
        Column("cohort", COHORT),
        Column("others", name),
        Column("meaning", "What it is", more=True),
    )
    return Table("Side by side", columns, pd.DataFrame(rows, columns=[c.name for c in columns]))


def _alone(table: Table) -> Table:
    """The same where nobody is beside the cohort: columns of noughts say nothing."""
    columns = tuple(c for c in table.columns if c.name not in ("others", "others_share"))
    return replace(table, columns=columns, frame=table.frame[[c.name for c in columns]])


def _report(
    ours: dict[str, float | None],
    theirs: dict[str, float | None],
    shares: dict[str, pd.DataFrame],
    name: str,
) -> Table:
    """Everything the page shows as plain numbers, a row for each: what the export writes."""
    rows: list[tuple[str, str, str, float | None, float | None]] = [
        ("numbers", each, "", ours[each], theirs[each]) for each in NUMBERS
    ]
    for key, frame in shares.items():
        for row in records(frame):
            value = row["value"] or UNKNOWN
            rows.append((key, value, "people", row["people"], row["others"]))
            rows.append((key, value, "share", row["share"], row["others_share"]))
    columns = (
        Column("part", "Part"),
        Column("item", "Item"),
        Column("unit", "Unit"),
        Column("cohort", COHORT, "number"),
        Column("compared", name, "number"),
    )
    frame = pd.DataFrame(rows, columns=[c.name for c in columns])
    return Table("Cohort report", columns, frame)


def _says(shares: dict[str, pd.DataFrame], key: str, group: Group) -> bool:
    """Whether there is anything to see: of a single chosen value all are."""
    single = len(group.wanted.get(key, ())) == 1
    return key in shares and not single and bool((shares[key]["value"] != "").any())


def _figure(key: str, frame: pd.DataFrame, name: str) -> Figure:
    drawn = frame[frame["value"] != ""].head(MAX_ITEMS)
    labels = [formats.label(value_title(key, value)) for value in drawn["value"]]
    courses, hovers = {}, {}
    for side, people, share in ((name, "others", "others_share"), (COHORT, "people", "share")):
        if side == name and not drawn[people].any():
            continue
        courses[side] = [None if pd.isna(part) else float(part) for part in drawn[share]]
        hovers[side] = [
            f"{formats.rate(part)} ({formats.count(number)} patients)"
            for part, number in zip(drawn[share], drawn[people], strict=True)
        ]
    return Figure(
        _title(key),
        charts.ranges(labels, courses, hovers, COHORT),
        _apart(key, drawn, name),
        definition("group_share").help,
        key,
    )


def _apart(key: str, drawn: pd.DataFrame, name: str) -> str:
    """Where the two differ most, in words."""
    gap = drawn["share"].fillna(0) - drawn["others_share"].fillna(0)
    if gap.empty or drawn["others_share"].isna().all() or drawn["share"].isna().all():
        return f"Share of the cohort's patients by {_title(key).lower()}."
    row = records(drawn.assign(gap=gap.abs()).sort_values("gap", ascending=False).head(1))[0]
    value, mine, theirs = (row[each] for each in ("value", "share", "others_share"))
    return (
        f"{value_title(key, value)} is furthest apart: {formats.rate(mine)} of the "
        f"cohort, {formats.rate(theirs)} of {_whom(name)}."
    )


def _whom(name: str) -> str:
    return "the second cohort" if name == SECOND else name.lower()


def _notes(marts: Marts, group: Group, other: Group | None, untold: float) -> tuple[str, ...]:
    notes = [
        (
            "Each patient is counted once, with the service line, location and lapse of the latest "
            "kept visit. Visits, money and answers are of all data."
        )
    ]
    if marts.protected:
        notes.append(
            "Who is told only together with others, as Other, is in no narrower cohort; numbers "
            "change when eleven patients or more have."
        )
    if marts.protected and group.condition:
        notes.append("By condition you are told how many there are, and no more.")
    elif untold > 0:
        notes.append(
            f"What the journeys came to is not told of {formats.count(untold)} of the cohort's "
            "patients: too few are alike."
        )
    if group.has_ways and (other is None or other.has_ways):
        return tuple(notes)
    notes.append(
        "Channels, days and ways are not kept by ZIP3 or months of silence. Take these away to "
        "see them."
    )
    return tuple(notes)
