"""Where journeys go: how much runs through a channel, and what follows what."""

import math

import pandas as pd

from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table, records, table_of

MAX_ROWS = 16
MAX_CHANNELS = 8
START, CONVERSION, NOTHING, OTHER = "(start)", "(conversion)", "(null)", "other"
_ENDS = {START: "Start", CONVERSION: "Converted", NOTHING: "Lost", OTHER: "Other"}


def effects(frame: pd.DataFrame, kind: str) -> tuple[Figure, Table]:
    """Removal effects with their intervals, from a frame of `credit_queries.removal_effects`."""
    return _effects(frame, kind), _effects_table(frame)


def followed(frame: pd.DataFrame, kind: str) -> tuple[Figure, Table]:
    """What comes after what; `frame` as `credit_queries.transitions` gives it, not empty."""
    wide = _shares(frame)
    return (
        Figure(
            f"What follows a channel on the way to {kind.lower()}",
            _matrix(wide),
            f"{_in_words(wide)} All weeks, service lines and locations.",
            "Of all journeys that are at the row's channel, the share whose next step is the "
            "column's: another touch, the conversion, or nothing more. Each row adds up to 100%; "
            "a channel may follow itself. Journeys that led to nothing are counted too, and "
            "channels with fewer moves are one row, Other.",
            "moves",
        ),
        _moves_table(wide),
    )


def _effects(frame: pd.DataFrame, kind: str) -> Figure:
    drawn = frame.head(MAX_ROWS)
    names = [formats.title(name) for name in drawn["channel"]]
    values = [float(value) for value in drawn["removal_effect"]]
    texts = [formats.rate(value) for value in values]
    known = bool(drawn[["low", "high"]].notna().all(axis=None)) and len(drawn) > 0
    spans = [
        f", {formats.rate(low)} to {formats.rate(high)} at 90%" if known else ""
        for low, high in zip(drawn["low"], drawn["high"], strict=True)
    ]
    said = "None."
    if names:
        said = (
            f"{texts[0]} of conversions of the chain run through {names[0]}{spans[0]}; most of "
            "all. Not a lift: people find other ways."
        )
    return Figure(
        f"Removal effects on {kind.lower()}",
        charts.estimates(
            [formats.short_label(name) for name in names],
            values,
            (drawn["low"].tolist(), drawn["high"].tolist()) if known else None,
            texts,
            [charts.channel_colour(name) for name in drawn["channel"]],
            [f"{text} run through it{span}" for text, span in zip(texts, spans, strict=True)],
        ),
        f"{said}{_order(frame)} All weeks, service lines and locations.",
        "The share of conversions that a Markov chain of all journeys loses where a channel leads "
        "to nothing, with its 90% interval: not what would be lost without the channel. Learned "
        "from the whole span, so no filter but the conversion changes it. Effects overlap and "
        "do not add up to 100%.",
        "effects",
    )


def _order(frame: pd.DataFrame) -> str:
    orders = frame["markov_order"].dropna()
    if orders.empty:
        return ""
    order = int(orders.iloc[0])
    steps = "only the last step" if order == 1 else f"the last {order} steps"
    return f" The chain remembers {steps}."


def _effects_table(frame: pd.DataFrame) -> Table:
    columns = (
        Column("channel", "Channel"),
        Column(
            "removal_effect", "Removal effect", "rate", "Share lost if the channel led to nothing."
        ),
        Column("low", "Low", "rate", "Lower end of the 90% interval."),
        Column("high", "High", "rate", "Upper end of the 90% interval."),
    )
    return table_of("Removal effects", columns, frame)


def _shares(frame: pd.DataFrame) -> pd.DataFrame:
    """The share of each row's moves that go to each column; rare channels are folded into other."""
    inner = frame[~frame["from_channel"].isin(_ENDS)]
    busy = inner.groupby("from_channel")["moves"].sum().sort_values(ascending=False, kind="stable")
    kept = list(busy.index[:MAX_CHANNELS])
    known = {*kept, *_ENDS}
    folded = frame.assign(
        origin=frame["from_channel"].where(frame["from_channel"].isin(known), OTHER),
        target=frame["to_channel"].where(frame["to_channel"].isin(known), OTHER),
    )
    wide = folded.pivot_table(index="origin", columns="target", values="moves", aggfunc="sum")
    rows = [name for name in (START, *kept, OTHER) if name in wide.index]
    columns = [name for name in (*kept, OTHER, CONVERSION, NOTHING) if name in wide.columns]
    wide = wide.reindex(index=rows, columns=columns).astype("float64")
    return wide.div(wide.sum(axis=1), axis=0)


def _matrix(wide: pd.DataFrame) -> charts.Spec:
    rows, columns = ([_named(name) for name in names] for names in (wide.index, wide.columns))
    shares = [[None if math.isnan(share) else share for share in row] for row in wide.to_numpy()]
    return charts.matrix(
        [formats.short_label(name) for name in rows],
        [formats.short_label(name) for name in columns],
        # The root lets one see small shares beside those of journeys that end.
        [[None if share is None else math.sqrt(share) for share in row] for row in shares],
        [["" if share is None else _percent(share) for share in row] for row in shares],
        "<b>%{y}</b>, then <b>%{x}</b><br>%{text} of its next steps",
        "comes next",
    )


def _in_words(wide: pd.DataFrame) -> str:
    """Which channel ends well most often, and what leads from one channel to another."""
    inner = wide.drop(index=[START, OTHER], errors="ignore")
    if inner.empty or CONVERSION not in inner:
        return "No channel leads to a conversion."
    ending = inner[CONVERSION].fillna(0.0)
    best, worst = str(ending.idxmax()), str(ending.idxmin())
    said = f"A conversion follows {_named(best)} most often ({_percent(ending[best])} of its steps)"
    if worst != best:
        said += f", {_named(worst)} least ({_percent(ending[worst])})"
    onward = [
        (share, origin, str(target))
        for origin, row in zip(inner.index, records(inner), strict=True)
        for target, share in row.items()
        if target not in (CONVERSION, NOTHING, OTHER, origin) and not math.isnan(share)
    ]
    if not onward:
        return f"{said}."
    share, origin, target = max(onward)
    return (
        f"{said}. The most usual step to another channel leads from {_named(str(origin))} to "
        f"{_named(target)} ({_percent(share)})."
    )


def _moves_table(wide: pd.DataFrame) -> Table:
    frame = wide.fillna(0.0).add_prefix("to_").reset_index(names="origin")
    frame["origin"] = frame["origin"].map(_named)
    columns = (
        Column("origin", "After"),
        *(
            Column(
                f"to_{name}", _named(str(name)), "rate", "Share of the row's steps that lead here."
            )
            for name in wide.columns
        ),
    )
    return table_of("What follows what", columns, frame)


def _named(name: str) -> str:
    return _ENDS.get(name) or formats.title(name)


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.01 else f"{share:.0%}"
