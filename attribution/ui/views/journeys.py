"""Journeys: how do patients reach us, and how long does it take?"""

from functools import lru_cache
from itertools import pairwise

import pandas as pd

from attribution import path_queries, queries
from attribution.metrics import definition, ratio
from attribution.narrowing import first_of_quarter
from attribution.path_queries import PERCENTILES, STEPS
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, View, measured, records, table_of
from attribution.ui.views.cohorts import became, thin_note
from attribution.viewer_paths import ABOUT, EVERY

QUESTION = "How do patients reach us, and how long does it take?"
FOLLOWED = ("lead", "booked", "new_patient")
LOST = "Lost"
OTHER = "other"
MAX_CHANNELS = 5
LEAST_SHARE = 0.05  # of the journeys of one outcome: a thinner flow is drawn with the others
MAX_PATHS = 50
PROTECTED = (
    "No quarter that is over has enough journeys in this period to tell of them. Choose a longer "
    "period, or ask somebody who has the role analyst."
)
VAGUE = (
    f"Numbers of journeys are told to the nearest {ABOUT}, of all service lines together and of "
    "quarters that are over, so that nobody can be singled out by the way they came. Rates and "
    "sums are made of these numbers. Cohorts are for readers who have the role analyst."
)
_ENDS = {"lead": "Lead", "booked": "Booked", "new_patient": "New patient"}
_AT = {"p10": "10%", "p25": "25%", "p50": "Median", "p75": "75%", "p90": "90%"}


@lru_cache(maxsize=128)
def journeys(home: Home, generation: int, scope: Scope, *, protected: bool) -> View:
    """The page's view of one generation; built once for each scope."""
    return build(queries.marts(home, generation, protected=protected), scope)


def build(marts: Marts, scope: Scope) -> View:
    """The page's view: figures `flows`, `lags` and `cohorts`, tables of the same names and `paths`.

    Where the chosen kind is one to which no journeys are followed, only `cohorts`.
    """
    figures: dict[str, Figure] = {}
    tables: dict[str, Table] = {}
    metrics: tuple[Metric, ...] = ()
    followed = scope.kind in FOLLOWED
    every = path_queries.paths(marts, scope) if followed else pd.DataFrame()
    if not every.empty:
        lags = path_queries.path_lags(marts, scope)
        days = pooled(lags[lags["measure"] == "days"], ["service_line"])
        moves = _flows(every, _ENDS[scope.kind])
        metrics = _metrics(every, lags)
        figures = {"flows": _drawn_flows(moves, every), "lags": _drawn_lags(days)}
        tables = {"paths": _paths(every), "flows": _flow_table(moves), "lags": _lag_table(days)}
    found = became(marts, scope)
    if found:
        figures["cohorts"], tables["cohorts"] = found
    if not figures:
        said = PROTECTED if marts.protected else _nothing(scope)
        said = said if followed else _not_followed(scope)
        return View(QUESTION, empty=" ".join((said, *thin_note(marts, scope))))
    notes: tuple[str, ...] = () if followed else (_not_followed(scope),)
    if metrics:
        notes = _notes(scope, protected=marts.protected)
    notes += thin_note(marts, scope)
    return View(
        QUESTION, metrics, figures, tables, notes=notes, currency=queries.about(marts).currency
    )


def pooled(lags: pd.DataFrame, grain: list[str]) -> pd.DataFrame:
    """Percentiles of several cells as one: their mean, weighted by journeys.

    Cells too small to have percentiles are left out; no row where none has any.
    """
    known = lags.dropna(subset=list(PERCENTILES))
    weights = known["journeys"].astype("float64")
    weighed = known[grain].assign(
        journeys=weights, **{name: known[name] * weights for name in PERCENTILES}
    )
    sums = weighed.groupby(grain, as_index=False)[["journeys", *PERCENTILES]].sum()
    return sums.assign(**{name: sums[name] / sums["journeys"] for name in PERCENTILES})


def _metrics(every: pd.DataFrame, lags: pd.DataFrame) -> tuple[Metric, ...]:
    medians = pooled(lags, ["measure"]).set_index("measure")["p50"]
    touches = lags[lags["measure"] == "touches"]
    values = {
        "journeys": float(every["journeys"].sum()),
        "journey_touches": medians.get("touches"),
        "journey_days": medians.get("days"),
        "one_touch": ratio(
            float(touches["short_journeys"].sum()), float(touches["journeys"].sum())
        ),
    }
    return tuple(
        Metric(name, each.title, value, None, each.format, each.help, each.better)
        for name, value in values.items()
        for each in (definition(name),)
    )


def _paths(every: pd.DataFrame) -> Table:
    """The paths of most journeys, a row each over all quarters and service lines."""
    converted = every["outcome"] == "converted"
    gone = every.assign(
        path=_words(every),
        converted=every["journeys"].where(converted, 0),
        days=(every["median_days"] * every["journeys"]).where(converted, 0.0),
    )
    numbers = ["journeys", "converted", "touches", "days"]
    frame = gone.groupby("path", as_index=False)[numbers].sum()
    # What is left of all the small ones is no path: it stands below those that are.
    frame = frame.assign(rest=frame["path"] == formats.title(OTHER)).sort_values(
        ["rest", "converted", "journeys", "path"], ascending=[True, False, False, True]
    )
    frame = frame.assign(
        path_rate=frame["converted"] / frame["journeys"],
        mean_touches=frame["touches"] / frame["journeys"],
        journey_days=frame["days"] / frame["converted"].where(frame["converted"] > 0),
    )
    columns = (
        Column("path", "Path", "text", "Channels in order; touches of one in a row are one step."),
        measured("journeys"),
        measured("converted"),
        measured("path_rate"),
        measured("journey_days"),
        Column("mean_touches", "Touches", "number", "Mean number of touches of a journey."),
    )
    shown = frame[[column.name for column in columns]].head(MAX_PATHS).reset_index(drop=True)
    note = ""
    if len(frame) > MAX_PATHS:
        note = f"The {MAX_PATHS} paths with most conversions of {len(frame):,}."
    return Table("Top paths", columns, shown, note)


def _words(every: pd.DataFrame) -> pd.Series:
    titles = {name: formats.title(name) for step in STEPS for name in every[step].unique()}
    path = every[STEPS[0]].map(titles)
    for step in STEPS[1:]:
        path += (" → " + every[step].map(titles)).where(every[step] != "", "")
    return path


def _flows(every: pd.DataFrame, end: str) -> pd.DataFrame:
    """Journeys by first channel, last channel and end, small ones as other.

    Columns: first, last ('' where the first is the last), end, journeys.
    """
    last = every[STEPS[0]]
    for step in STEPS[1:]:
        last = every[step].where(every[step] != "", last)
    long = every[STEPS[1]] != ""
    both = pd.concat([every[STEPS[0]], last[long]])
    weights = pd.concat([every["journeys"], every["journeys"][long]])
    sizes = weights.groupby(both).sum().drop(OTHER, errors="ignore")
    top = set(sizes.sort_values(ascending=False, kind="stable").head(MAX_CHANNELS).index)
    ends = every["outcome"].map({"converted": end}).fillna(LOST)
    frame = pd.DataFrame(
        {
            "first": every[STEPS[0]].where(every[STEPS[0]].isin(top), OTHER),
            "last": last.where(last.isin(top), OTHER).where(long, ""),
            "end": ends,
            "journeys": every["journeys"],
        }
    )
    grain = ["first", "last", "end"]
    frame = _folded(frame, grain, last=frame["last"].where(frame["last"] == "", OTHER))
    return _folded(frame, grain, first=OTHER, last="")


def _folded(frame: pd.DataFrame, grain: list[str], **others: object) -> pd.DataFrame:
    """Journeys by `grain`, with flows that are thin beside others of their end renamed."""
    sums = frame.groupby(grain)["journeys"].transform("sum")
    thin = sums < LEAST_SHARE * frame.groupby("end")["journeys"].transform("sum")
    named = {name: frame[name].where(~thin, other) for name, other in others.items()}
    return frame.assign(**named).groupby(grain)["journeys"].sum().reset_index()


def _drawn_flows(moves: pd.DataFrame, every: pd.DataFrame) -> Figure:
    links: dict[tuple[tuple[str, int], tuple[str, int]], float] = {}
    for row in records(moves):
        stops = [(row["first"], 0), *([(row["last"], 1)] if row["last"] else []), (row["end"], 2)]
        for link in pairwise(stops):
            links[link] = links.get(link, 0) + row["journeys"]
    nodes = sorted({node for link in links for node in link}, key=lambda node: (node[1], node[0]))
    number = {node: place for place, node in enumerate(nodes)}
    total = float(moves["journeys"].sum())
    converted = float(every.loc[every["outcome"] == "converted", "journeys"].sum())
    first = moves.groupby("first")["journeys"].sum().drop(OTHER, errors="ignore")
    words = f"{formats.rate(ratio(converted, total))} of {formats.count(total)} journeys converted."
    if len(first):
        share = formats.rate(ratio(float(first.max()), total))
        named = formats.title(str(first.idxmax()))
        words += f" Of named channels, {named} begins the most ({share})."
    return Figure(
        "From first to last channel",
        charts.flows(
            [(_node(*node), _shade(*node), node[1]) for node in nodes],
            [
                (number[source], number[target], size, _hover(source, target, size, total))
                for (source, target), size in links.items()
            ],
        ),
        words,
        "Journeys from their first channel by their last one to their end. A journey through one "
        "channel goes to its end at once. The five channels with most journeys; all else, and "
        "flows below 5% of their end, are other.",
        "flows",
    )


def _node(name: str, column: int) -> str:
    return formats.label(name if column == 2 else formats.title(name))


def _shade(name: str, column: int) -> str:
    if column == 2:
        return charts.GREY if name == LOST else charts.colour(1)
    return charts.channel_colour(name)


def _hover(source: tuple[str, int], target: tuple[str, int], size: float, total: float) -> str:
    share = formats.rate(ratio(size, total))
    return f"{_node(*source)} → {_node(*target)}<br>{formats.count(size)} journeys, {share} of all"


def _flow_table(moves: pd.DataFrame) -> Table:
    columns = (
        Column("first", "First channel"),
        Column("last", "Last channel"),
        Column("end", "End"),
        measured("journeys"),
    )
    frame = moves.assign(first=moves["first"].map(formats.title), last=moves["last"].map(_named))
    frame = frame.sort_values(["journeys", "first", "last"], ascending=[False, True, True])
    return Table("From first to last channel", columns, frame.reset_index(drop=True))


def _named(channel: str) -> str:
    return formats.title(channel) if channel else "The same"


def _drawn_lags(days: pd.DataFrame) -> Figure:
    rows = records(days)
    names = [_line(row["service_line"]) for row in rows]
    spans = [[float(row[name]) for name in PERCENTILES] for row in rows]
    hovers = [
        f"<b>{formats.label(name)}</b><br>Median {_days(span[2])}<br>"
        f"Half take {_days(span[1])} to {_days(span[3])}<br>"
        f"8 of 10 take {_days(span[0])} to {_days(span[4])}<br>"
        f"{formats.count(row['journeys'])} journeys"
        for name, span, row in zip(names, spans, rows, strict=True)
    ]
    words = "Too few journeys converted to say how long they took."
    if rows:
        words = _quickest(names, [span[2] for span in spans])
    return Figure(
        "Days from first touch to conversion",
        charts.percentiles([formats.short_label(name, 20) for name in names], spans, hovers),
        words,
        "The thin line holds 8 of 10 converted journeys, the bar the middle half, the dot is the "
        f"median. {definition('journey_days').formula}",
        "lags",
    )


def _line(name: str) -> str:
    return "All service lines" if name == EVERY else formats.title(name)


def _quickest(names: list[str], medians: list[float]) -> str:
    """Which lines take least and most time; those that read the same are told together."""
    texts = [_days(value) for value in medians]
    least, most = (texts[medians.index(end)] for end in (min(medians), max(medians)))
    if least == most:
        if names == [_line(EVERY)]:
            return f"It takes a median of {least} from the first touch to the conversion."
        if len(names) == 1:
            return f"{names[0]} takes a median of {least}."
        return f"All service lines take about as long: a median of {least}."
    first, last = (
        [name for name, text in zip(names, texts, strict=True) if text == end]
        for end in (least, most)
    )
    quick, slow = "is" if len(first) == 1 else "are", "takes" if len(last) == 1 else "take"
    return (
        f"{formats.several(first)} {quick} quickest with a median of {least}. "
        f"{formats.several(last)} {slow} longest ({most})."
    )


def _days(value: float) -> str:
    return f"{value:,.0f} days" if value >= 10 else f"{value:,.1f} days"


def _lag_table(days: pd.DataFrame) -> Table:
    columns = (
        Column("service_line", "Service line"),
        Column("journeys", "Converted", "count", definition("converted").help),
        *(Column(name, _AT[name], "number", "Days.") for name in PERCENTILES),
    )
    frame = days.assign(service_line=days["service_line"].map(_line))
    return table_of("Days to convert", columns, frame)


def _notes(scope: Scope, *, protected: bool) -> tuple[str, ...]:
    since = first_of_quarter(scope.since)
    small = (
        "Paths of fewer than 11 people in a quarter and service line (of whom did not convert, "
        "journeys) are shown as Other from the second step on, or altogether. Service lines with "
        "fewer than 11 people who converted in a quarter have no percentiles of their own."
    )
    return (
        (
            "Journeys are counted by whole quarter: these are the quarters that the period "
            f"touches, from {formats.day(since)}."
        ),
        (
            "A lost journey counts in the quarter in which the lookback after its last touch "
            "ended, so the newest quarters can be compared with older ones."
        ),
        VAGUE if protected else small,
    )


def _nothing(scope: Scope) -> str:
    span = formats.weeks(scope.since, scope.until, scope.weeks)
    return f"No journeys match these filters in {span}. Choose a longer period or fewer filters."


def _not_followed(scope: Scope) -> str:
    chosen = {"kept": "kept visits", "collected": "money collected"}[scope.kind]
    return (
        f"Paths are followed to leads, bookings and new patients, not to {chosen}. "
        "Choose one of these as the conversion to see them."
    )
