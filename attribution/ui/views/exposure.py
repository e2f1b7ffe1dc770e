"""Visits beside pollen and air quality: means by band, and correlations over the weeks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from attribution.metrics import definition
from attribution.models.exposure import benjamini_hochberg, mean_interval, rank_correlation
from attribution.research.rules import K
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table, measured, records

EXPOSURES = {"pollen": "Pollen", "air": "Air quality index"}
BANDS = ("Lowest quarter", "Second quarter", "Third quarter", "Highest quarter")
FEWEST = 12  # periods: fewer tell nothing of how they go together
_SPANS = {1: "week", 4: "four weeks"}
SURE = 0.05


@dataclass(frozen=True, slots=True)
class Exposed:
    """What is shown of visits beside pollen and air."""

    figures: Mapping[str, Figure] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def build(periods: pd.DataFrame, conditions: tuple[str, ...], location: str) -> Exposed:
    """Means by band of all that can be told, and every correlation; `location` '' is all places.

    `periods` as `attribution.research_queries.periods` answers.
    """
    series = told_series(periods)
    left_out = periods.groupby(["kind", "name"]).ngroups - len(series)
    table = _correlations(series)
    if table.empty:
        words = "Pollen and air are not measured, or too few visits were kept, to say how they go."
        return Exposed(notes=(words,))
    figures = {}
    chosen = _shown(series, conditions)
    bands = {}
    for exposure in EXPOSURES:
        frame = _bands(series[chosen], exposure)
        if frame is not None:
            bands[exposure] = _bands_table(frame, exposure)
            figures[exposure] = _figure(frame, exposure, chosen, series[chosen])
    where = formats.title(location) if location else "all places together"
    return Exposed(
        figures,
        {**bands, "correlations": _table(table, _in_words(table, where, left_out))},
        (f"Visits over time are those of {where}, of all ages, sexes and service lines.",),
    )


def told_series(periods: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """By kind and name, the finest periods none of which is of 1 to 10 people.

    A period in which nobody came counts as nought. The first and the last are left out: they may
    be parts.
    """
    found = {}
    every = periods[periods["kind"] == "all"]
    for key, own in periods.groupby(["kind", "name"]):
        for weeks in _SPANS:
            whole = every[every["weeks"] == weeks].set_index("begins")[list(EXPOSURES)].sort_index()
            counts = own[own["weeks"] == weeks].set_index("begins")[["visits", "people"]]
            frame = whole.iloc[1:-1].join(counts).fillna({"visits": 0, "people": 0})
            people = frame["people"]
            if len(frame) >= FEWEST and not ((people > 0) & (people < K)).any():
                found[key] = frame.assign(weeks=weeks)
                break
    return found  # type: ignore[return-value]


def _shown(
    series: Mapping[tuple[str, str], pd.DataFrame], conditions: tuple[str, ...]
) -> tuple[str, str]:
    """The chosen condition where it alone was chosen and can be told, else all visits."""
    wanted = ("condition", conditions[0]) if len(conditions) == 1 else ("all", "")
    return wanted if wanted in series else next(iter(series))


def _bands(series: pd.DataFrame, exposure: str) -> pd.DataFrame | None:
    """Mean visits by quarter of the periods. Columns: band, periods, visits, low, high."""
    known = series.dropna(subset=[exposure])
    if len(known) < FEWEST or known[exposure].nunique() < len(BANDS):
        return None
    quarter = (known[exposure].rank(method="first", pct=True) * 4).clip(upper=4 - 1e-9)
    rows = []
    for number, band in enumerate(BANDS):
        inside = (quarter.astype("int64") == number).tolist()
        mean, low, high = mean_interval(known["visits"].tolist(), inside)
        rows.append((band, float(sum(inside)), mean, low, high))
    return pd.DataFrame(rows, columns=["band", "periods", "visits", "low", "high"])


def _bands_table(frame: pd.DataFrame, exposure: str) -> Table:
    columns = (
        Column("band", EXPOSURES[exposure]),
        Column("periods", "Periods", "count", "Weeks, or blocks of four weeks, of the band."),
        measured("visits_a_period"),
        Column("low", "95%, low", "number", "One end of the interval of the mean."),
        Column("high", "95%, high", "number", "The other end of the interval."),
    )
    told = frame.rename(columns={"visits": "visits_a_period"})
    return Table(f"Visits by {EXPOSURES[exposure].lower()}", columns, told)


def _figure(
    frame: pd.DataFrame, exposure: str, chosen: tuple[str, str], series: pd.DataFrame
) -> Figure:
    rows = records(frame)
    span = _SPANS[int(series["weeks"].iloc[0])]
    spec = charts.estimates(
        [row["band"] for row in rows],
        frame["visits"].tolist(),
        (frame["low"].tolist(), frame["high"].tolist()),
        [f"{row['visits']:,.1f}" for row in rows],
        [charts.colour(1)] * len(rows),
        [
            f"{row['periods']:,.0f} periods<br>95%: {row['low']:,.1f} to {row['high']:,.1f}"
            for row in rows
        ],
        "95% interval",
    )
    first, last = rows[0], rows[-1]
    what = _named(*chosen)
    apart = first["low"] > last["high"] or last["low"] > first["high"]
    verdict = (
        "The intervals of the lowest and the highest quarter do not meet."
        if apart
        else "The intervals overlap: this may be chance."
    )
    return Figure(
        f"{what} by {EXPOSURES[exposure].lower()}",
        spec,
        f"Visits a {span}: {first['visits']:,.1f} in the lowest quarter of periods, "
        f"{last['visits']:,.1f} in the highest. {verdict}",
        definition("visits_a_period").help,
        exposure,
    )


def _correlations(series: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    rows = []
    for (kind, name), frame in series.items():
        for exposure, title in EXPOSURES.items():
            known = frame.dropna(subset=[exposure])
            if len(known) < FEWEST:
                continue
            found = rank_correlation(known["visits"].tolist(), known[exposure].tolist())
            if found is not None:
                told = (found.rho, found.low, found.high, found.p)
                span = _SPANS[int(frame["weeks"].iloc[0])]
                rows.append((_named(kind, name), title, *told, float(len(known)), span))
    columns = ["what", "exposure", "rho", "low", "high", "p", "periods", "span"]
    table = pd.DataFrame(rows, columns=columns)
    table["adjusted"] = benjamini_hochberg(table["p"].tolist()) if rows else []
    return table.sort_values(["adjusted", "p", "what", "exposure"], ignore_index=True)


def _named(kind: str, name: str) -> str:
    return "All visits" if kind == "all" else formats.title(name)


def _table(table: pd.DataFrame, note: str) -> Table:
    meaning, adjusted = definition("rank_correlation"), definition("adjusted_p")
    columns = (
        Column("what", "Visits"),
        Column("exposure", "Beside"),
        Column("rho", meaning.title, "coefficient", meaning.help),
        Column("low", "95%, low", "coefficient", "One end of its interval."),
        Column("high", "95%, high", "coefficient", "The other end of its interval."),
        Column("adjusted", adjusted.title, "coefficient", adjusted.help),
        Column("periods", "Periods", "count", "How many are compared."),
        Column("span", "Period", "text", "The shortest of which no count is small."),
    )
    frame = table[[c.name for c in columns]]
    return Table("Do visits go with pollen and air?", columns, frame, note)


def _in_words(table: pd.DataFrame, where: str, left_out: int) -> str:
    sure = table[table["adjusted"] < SURE]
    pairs = [
        f"{row['what']} with {row['exposure'].lower()} ({row['rho']:+.2f})".replace("-", "−")
        for row in records(sure.head(3))
    ]
    many = f"{len(table)} correlations were looked at, for {where}"
    found = (
        f"{len(sure)} {'stands' if len(sure) == 1 else 'stand'} out after allowing for so many "
        f"looks: {formats.several(pairs)}{' first' if len(sure) > 3 else ''}."
        if len(sure)
        else "none stands out after allowing for so many looks."
    )
    short = f" {left_out} more are of too few visits to be told." if left_out else ""
    return (
        f"{many}; {found} Where visits and pollen both follow the season, they go together without "
        f"one causing the other.{short}"
    )
