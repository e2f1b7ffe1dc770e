"""Why a channel gets its credit: where in journeys it stood, and beside whom; of marts only."""

from functools import lru_cache
from typing import Any

import pandas as pd

from attribution import path_queries, queries
from attribution.date_basis import OWN
from attribution.metrics import KINDS, definition, ratio
from attribution.models import MODELS
from attribution.models.journey_credit import shared
from attribution.models.positions import PLACES
from attribution.narrowing import first_of_quarter
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, View, measured, records, table_of

QUESTION = "Why did this channel get this credit?"
LEAST = 11  # journeys: fewer are told together with others, or not at all
MAX_COMPANIONS = 12
PROTECTED = (
    "Where in journeys a channel stood, and beside whom, is of few people at most places, so it is "
    "for readers who have the role analyst."
)
OTHER, ALONE = "other", "alone"
_STOOD = {
    "alone": "Alone",
    "first": "First of several",
    "middle": "Between others",
    "last": "Last of several",
    "both": "First and last",
    OTHER: "Other positions",
}


@lru_cache(maxsize=128)
def why(home: Home, generation: int, scope: Scope, channel: str, *, protected: bool) -> View:
    """The section's view of one generation; built once for each scope and channel."""
    return build(queries.marts(home, generation, protected=protected), scope, channel)


def build(marts: Marts, scope: Scope, channel: str) -> View:
    """The section's view: figure `why_positions`, tables `why_positions` and `why_companions`."""
    currency = queries.about(marts).currency
    positions = path_queries.positions(marts, scope, channel, currency)
    total = int(positions["journeys"].sum())
    if marts.protected:
        return View(QUESTION, currency=currency, empty=PROTECTED)
    if total < LEAST:
        return View(QUESTION, currency=currency, empty=_too_few(channel))
    pairs = path_queries.companions(marts, scope, channel, currency)
    folded = _folded(positions, "place", spared=ALONE)
    order = {name: place for place, name in enumerate((*PLACES, OTHER))}
    folded = folded.sort_values("place", key=lambda names: names.map(order), ignore_index=True)
    return View(
        QUESTION,
        metrics=_metrics(positions, scope.model),
        figures={"why_positions": _stood(folded, scope, channel, currency)},
        tables={
            "why_positions": _position_table(folded, scope),
            "why_companions": _companion_table(pairs, scope, channel),
        },
        notes=(
            _summary(folded, scope, channel, total),
            f"{_short(scope.model)}. {MODELS[scope.model].help}",
            _counted(scope),
        ),
        currency=currency,
    )


def _folded(frame: pd.DataFrame, name: str, spared: str = "") -> pd.DataFrame:
    """Rows by journeys, most first, with small ones as one that is not small either.

    The sum of all is known, so one row left out could be told from the rest. The `spared` one,
    which is told elsewhere too, is first unless it is small: others are folded before it.
    """
    rows = frame.sort_values(["journeys", name], ascending=[False, True], ignore_index=True)
    front = (rows[name] == spared) & (rows["journeys"] >= LEAST)
    rows = pd.concat([rows[front], rows[~front]], ignore_index=True)
    small = int((rows["journeys"] < LEAST).sum())
    while 0 < small < len(rows) and rows["journeys"].tail(small).sum() < LEAST:
        small += 1
    if not small:
        return rows
    rest = rows.tail(small).drop(columns=name).sum().to_frame().T.assign(**{name: OTHER})
    kept = rows.head(len(rows) - small)
    if rest["journeys"].iloc[0] < LEAST:
        return kept.iloc[:0]
    return pd.concat([kept, rest], ignore_index=True).astype(dict(frame.dtypes))


def _metrics(positions: pd.DataFrame, model: str) -> tuple[Metric, ...]:
    beside = positions[positions["place"] != ALONE]
    journeys = float(positions["journeys"].sum())
    alone = journeys - float(beside["journeys"].sum())
    # A number of 1 to 10 could be told from a share and its whole.
    hidden = 0 < alone < LEAST or 0 < journeys - alone < LEAST
    values = {
        "part_of": journeys,
        "alone_rate": None if hidden else ratio(alone, journeys),
        "mean_share": _share(positions, model),
        "shared_share": None if hidden else _share(beside, model),
    }
    return tuple(
        Metric(name, each.title, value, None, each.format, each.help, each.better)
        for name, value in values.items()
        for each in (definition(name),)
    )


def _share(rows: pd.DataFrame, model: str) -> float | None:
    return ratio(float(rows[model].sum()), float(rows["whole"].sum()))


def _stood(positions: pd.DataFrame, scope: Scope, channel: str, currency: str) -> Figure:
    rows = records(positions)
    credit = float(positions[scope.model].sum())
    names = [_STOOD[row["place"]] for row in rows]
    parts = [ratio(row[scope.model], credit) or 0.0 for row in rows]
    hovers = [
        f"<b>{name}</b><br>{formats.count(row['journeys'])} journeys<br>"
        f"{_amount(row[scope.model], scope, currency)} credited, {formats.rate(part)} of its credit"
        f"<br>{formats.rate(ratio(row[scope.model], row['whole']))} of a journey on average"
        for name, row, part in zip(names, rows, parts, strict=True)
    ]
    return Figure(
        "Where its credit comes from",
        charts.bars(
            names,
            parts,
            [formats.rate(part) for part in parts],
            [charts.channel_colour(channel)] * len(rows),
            hovers,
        ),
        _most(rows, parts, scope.model),
        "Alone: no other channel touched. First and last: the journey began and ended with the "
        "channel, with others between. Each journey is in one row.",
        "why_positions",
    )


def _most(rows: list[dict[str, Any]], parts: list[float], model: str) -> str:
    """Where most of the credit comes from, in words."""
    if not rows:
        return "Too few journeys of any one position to tell."
    part, row = max(zip(parts, rows, strict=True), key=lambda each: each[0])
    share = formats.rate(ratio(row[model], row["whole"]))
    there = (
        "and every model that shares out journeys gives it all"
        if row["place"] == ALONE
        else f"where it gets {share} of a journey on average"
    )
    return (
        f"{formats.rate(part)} of its credit under {_short(model)} comes from journeys in which "
        f"it was {_stands(row['place'])}, {there}."
    )


def _position_table(positions: pd.DataFrame, scope: Scope) -> Table:
    money = scope.kind == "collected"
    frame = positions.assign(
        credit=positions[scope.model],
        place=positions["place"].map(_STOOD),
        **{name: _rates(positions[name], positions["whole"]) for name in shared()},
    )
    columns = (
        Column("place", "Position", "text", "Where in its journeys the channel stood."),
        measured("part_of", "Journeys"),
        Column("credit", "Credit", "money" if money else "number", "Under the chosen model."),
        *(Column(name, _short(name), "rate", MODELS[name].help) for name in shared()),
    )
    frame = frame.rename(columns={"journeys": "part_of"})
    return table_of("Average share by position and model", columns, frame)


def _companion_table(pairs: pd.DataFrame, scope: Scope, channel: str) -> Table:
    own = pairs[pairs["channel"] == channel]
    theirs = pairs[pairs["companion"] == channel].set_index("channel")[scope.model]
    rows = pd.DataFrame(
        {
            "companion": own["companion"],
            "journeys": own["journeys"],
            "whole": own["whole"],
            "given": own[scope.model],
            "taken": own["companion"].map(theirs).fillna(0.0).astype("float64"),
        }
    )
    rows = _folded(rows, "companion")
    rows = pd.concat([rows[rows["companion"] != OTHER], rows[rows["companion"] == OTHER]])
    frame = rows.assign(
        companion=rows["companion"].map(formats.title),
        given=_rates(rows["given"], rows["whole"]),
        taken=_rates(rows["taken"], rows["whole"]),
    )
    name = formats.title(channel)
    columns = (
        Column("companion", "Together with"),
        Column("journeys", "Journeys", "count", f"Journeys that {name} and the other shared."),
        Column("given", "Its share", "rate", f"What {name} gets of them under the chosen model."),
        Column("taken", "The other's", "rate", "What the other channel gets of them."),
    )
    shown = frame[[column.name for column in columns]].head(MAX_COMPANIONS)
    return Table("In company", columns, shown.reset_index(drop=True))


def _rates(over: pd.Series, under: pd.Series) -> pd.Series:
    return over / under.where(under > 0)


def _summary(positions: pd.DataFrame, scope: Scope, channel: str, total: int) -> str:
    parts = [
        f"{formats.rate(row['journeys'] / total)} {_stands(row['place'])}"
        for row in records(positions)
    ]
    end = definition(KINDS[scope.kind]).title.lower()
    return (
        f"{formats.title(channel)} was part of {formats.count(total)} converted journeys "
        f"({end}): {formats.several(parts)}."
    )


def _counted(scope: Scope) -> str:
    since = formats.day(first_of_quarter(scope.since))
    # The marts know no other day, whichever the figures above are counted by.
    day = "" if scope.basis == OWN else " in which the conversion happened"
    return (
        f"Counted by whole quarter{day}: those that the period touches, from {since}. Rows of "
        f"fewer than {LEAST} journeys are told together."
    )


def _stands(place: str) -> str:
    """A position as part of a sentence."""
    return "in other positions" if place == OTHER else _STOOD[place].lower()


def _too_few(channel: str) -> str:
    return (
        f"{formats.title(channel)} was part of fewer than {LEAST} journeys under these filters, "
        "too few to tell why without telling of single people. Choose a longer period or fewer "
        "filters."
    )


def _amount(value: float, scope: Scope, currency: str) -> str:
    return formats.money(value, currency) if scope.kind == "collected" else formats.count(value)


def _short(model: str) -> str:
    return MODELS[model].title
