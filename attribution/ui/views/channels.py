"""Channels: which channels and campaigns pay, under a chosen credit model?"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache

import pandas as pd

from attribution import amount_queries, credit_queries, queries
from attribution.metrics import KINDS, definition, ratio
from attribution.paths import Home
from attribution.queries import About, Marts, Scope
from attribution.ui import formats
from attribution.ui.view import Column, Metric, Table, View, measured, table_of
from attribution.ui.views import arriving, channel_figures, channel_words, returns
from attribution.ui.views.notes import UNASSIGNED, counted_by, other_dates

QUESTION = "Which channels and campaigns bring patients at a price that pays?"
UNKNOWN = ("unattributed", "unmapped", "baseline")
SHOWN = (
    *("spend", "sessions", "leads", "cpl", "booked", "kept", "new_patients", "cac"),
    *("collected", "roas", "roi"),
)
MORE = ("sessions", "cpl")  # on demand, beside the ends of intervals
ENDS = ("credit_low", "credit_high")
RATED = ("leads", "new_patients", "collected")  # what ratios set spend against


@lru_cache(maxsize=128)
def channels(home: Home, generation: int, scope: Scope, *, protected: bool) -> View:
    """The page's view of one generation; built once for each scope."""
    return build(queries.marts(home, generation, protected=protected), scope)


def build(marts: Marts, scope: Scope) -> View:
    """The page's view: tables `channels` and `campaigns`, figures `return` and `credited`.

    Both tables hold the channel's own name in `channel`; unattributed, unmapped and what would
    have come anyway (baseline) are rows.
    """
    about = queries.about(marts)
    ends = arriving.unreported(marts, scope)
    campaigns = _campaigns(marts, scope, about, ends)
    if campaigns.empty:
        span = formats.weeks(scope.since, scope.until, scope.weeks)
        hint = "Choose a longer period or fewer filters."
        empty = f"No spend and no conversions match these filters in {span}. {hint}"
        return View(QUESTION, currency=about.currency, empty=empty)
    whole = _with_ends(marts, scope, about.currency, _with_ratios(_summed(campaigns, ["channel"])))
    parts = _with_ratios(campaigns)
    beside = returns.table(marts, scope, about, whole[whole["known"]], parts, ends)
    return View(
        QUESTION,
        metrics=_metrics(whole, scope),
        figures={
            "return": channel_figures.return_figure(
                whole, about.currency, channel_words.unsure_of(marts, scope, "collected")
            ),
            "credited": channel_figures.credited_figure(whole, scope, about.currency),
        },
        tables={
            "channels": _table("Channels", whole, ("channel",), _ends(scope)),
            "campaigns": _table("Campaigns", parts, ("channel", "campaign")),
            "returns": beside,
        },
        remark=counted_by(marts, scope),
        warnings=channel_words.left_out(campaigns, scope, about),
        notes=(
            *channel_words.untold(marts, scope, whole, about),
            *channel_words.notes_on(marts, scope, about, ends),
            *other_dates(marts, scope),
        ),
        currency=about.currency,
    )


def _campaigns(marts: Marts, scope: Scope, about: About, ends: Mapping[str, date]) -> pd.DataFrame:
    """Every channel and campaign that spent, brought sessions or was credited."""
    frame = _amounts(marts, scope, about)
    return _rated(marts, scope, about, ends, frame).reset_index()


def _amounts(marts: Marts, scope: Scope, about: About) -> pd.DataFrame:
    """What each of them spent and brought in the weeks of a scope."""
    grain = ["channel", "campaign"]
    credit = amount_queries.credit_by_campaign(marts, scope, about.currency)
    amount = credit["conversions"].where(credit["kind"] != "collected", credit["value"])
    wide = credit.assign(amount=amount, name=credit["kind"].map(KINDS)).pivot_table(
        index=grain, columns="name", values="amount", aggfunc="sum"
    )
    chosen = credit[credit["kind"] == scope.kind].set_index(grain)["conversions"]
    spend = _spend(marts, scope, about)
    columns = {"conversions": chosen, "spend": spend}
    counted = ["spend"]
    # Where small cells are folded, what has no row is not known to be nought.
    if not marts.protected:
        counted += [*KINDS.values(), "conversions"]
    if not channel_words.narrowed(scope):
        columns["sessions"] = amount_queries.sessions_by_campaign(marts, scope).set_index(grain)[
            "sessions"
        ]
        counted.append("sessions")
    frame = pd.concat([wide, *(s.rename(name) for name, s in columns.items())], axis=1)
    frame = frame.reindex(columns=[*KINDS.values(), "conversions", "spend", "sessions"])
    frame = frame.astype("float64")
    frame[counted] = frame[counted].fillna(0)
    frame.index = frame.index.set_names(grain)
    return _untracked(marts, scope, frame)


def _untracked(marts: Marts, scope: Scope, frame: pd.DataFrame) -> pd.DataFrame:
    """Nothing is known, instead of nought, of what a channel that leaves no touch brought.

    Unless the model needs no touch to tell; that one cannot tell of channels inside Baseline.
    """
    channel = frame.index.get_level_values("channel")
    credit = [*KINDS.values(), "conversions"]
    untouched = (frame["spend"] > 0) & ~channel.isin(amount_queries.credited_channels(marts))
    if scope.model != credit_queries.INCREMENTAL:
        frame[credit] = frame[credit].mask(untouched)
    else:
        for kind, name in KINDS.items():
            inside = channel.isin(
                credit_queries.incremental_resting_on(marts, kind, credit_queries.INSIDE_BASELINE)
            )
            columns = [name, "conversions"] if kind == scope.kind else [name]
            frame.loc[inside, columns] = float("nan")
    frame["sessions"] = frame["sessions"].where(
        channel.isin(amount_queries.visited_channels(marts))
    )
    return frame


def _spend(marts: Marts, scope: Scope, about: About) -> pd.Series:
    grain = ["channel", "campaign"]
    return amount_queries.spend_by_campaign(marts, scope, about.currency).set_index(grain)["spend"]


def _rated(
    marts: Marts, scope: Scope, about: About, ends: Mapping[str, date], frame: pd.DataFrame
) -> pd.DataFrame:
    """Beside each amount, what of it and of spend their ratio may count.

    Both count the weeks in which both are known: a source may end early (`ends`). Credit knows its
    service line and location, much spend does not. Under such a filter a ratio would set credit
    against spend of nothing, so it counts campaigns with spend in the filter only.
    """
    narrowed = channel_words.narrowed(scope)
    known = {scope.until: frame}
    rated: dict[str, pd.Series] = {}
    for name in RATED:
        end = arriving.known_to(scope, ends, "spend", name)
        if end not in known:
            cut = _amounts(marts, replace(scope, until=end), about)
            known[end] = cut.reindex(frame.index)
        both = known[end][["spend", name]]
        if narrowed:
            both = both.where(both["spend"] > 0)
        rated |= {f"rated_{name}": both[name], f"{name}_spend": both["spend"]}
    paid = frame["collected"]
    unplaced = pd.Series(0.0, index=frame.index)
    if narrowed:
        paid = paid.where(frame["spend"] > 0)
        wide = replace(
            scope,
            service_lines=tuple({*scope.service_lines, UNASSIGNED} if scope.service_lines else ()),
            locations=tuple({*scope.locations, UNASSIGNED} if scope.locations else ()),
        )
        every = _spend(marts, wide, about).reindex(frame.index, fill_value=0)
        unplaced = (every - frame["spend"]).round(6)
        unknown = (frame["spend"] <= 0) & (unplaced > 0)
        frame = frame.assign(spend=frame["spend"].mask(unknown))
    return frame.assign(unplaced=unplaced, paid_collected=paid, **rated)


def _summed(frame: pd.DataFrame, grain: list[str]) -> pd.DataFrame:
    numbers = frame.drop(columns=["channel", "campaign"]).columns
    return frame.groupby(grain, as_index=False)[list(numbers)].sum(min_count=1)


def _with_ratios(frame: pd.DataFrame) -> pd.DataFrame:
    spent = {name: frame[f"{name}_spend"].where(frame[f"{name}_spend"] > 0) for name in RATED}
    leads, people = frame["rated_leads"], frame["rated_new_patients"]
    roas = frame["rated_collected"] / spent["collected"]
    frame = frame.assign(
        cpl=spent["leads"] / leads.where(leads > 0),
        cac=spent["new_patients"] / people.where(people > 0),
        roas=roas,
        roi=roas - 1,
    )
    known = ~frame["channel"].isin(UNKNOWN)
    order = ["known", "spend", "collected", "channel"]
    order += ["campaign"] if "campaign" in frame else []
    rising = [False, False, False, True, True][: len(order)]
    return frame.assign(known=known).sort_values(order, ascending=rising).reset_index(drop=True)


def _with_ends(marts: Marts, scope: Scope, currency: str, whole: pd.DataFrame) -> pd.DataFrame:
    """Beside each channel between what and what its credit lies; campaigns have no intervals."""
    amount = whole["collected" if scope.kind == "collected" else "conversions"]
    credited = whole[["channel"]].assign(model=scope.model, amount=amount)
    known = credit_queries.spreads(marts, scope, currency, (scope.model,))
    found = credit_queries.intervals(marts, scope, known, credited.dropna())
    ends = found.set_index("channel").reindex(whole["channel"])[["low", "high"]]
    ends = ends.set_axis(whole.index).where(amount.notna())
    return whole.assign(credit_low=ends["low"], credit_high=ends["high"])


def _ends(scope: Scope) -> tuple[Column, ...]:
    kind = definition(KINDS[scope.kind])
    return tuple(
        Column(
            name,
            f"{kind.title}, {word}",
            "money" if kind.format == "money" else "number",
            definition(name).help,
            more=True,
        )
        for name, word in zip(ENDS, ("low", "high"), strict=True)
    )


def _table(
    title: str, frame: pd.DataFrame, names: tuple[str, ...], more: tuple[Column, ...] = ()
) -> Table:
    titles = {"channel": "Channel", "campaign": "Campaign"}
    numbers = (measured(name, more=name in MORE) for name in SHOWN)
    columns = (*(Column(name, titles[name]) for name in names), *numbers, *more)
    return table_of(title, columns, frame)


def _metrics(whole: pd.DataFrame, scope: Scope) -> tuple[Metric, ...]:
    amount = whole["collected" if scope.kind == "collected" else "conversions"]
    every = float(amount.sum())
    known = float(amount[~whole["channel"].isin(UNKNOWN)].sum())
    paid, rated = whole[whole["spend"] > 0], whole[whole["collected_spend"] > 0]
    unknown = paid.empty and bool((whole["unplaced"] > 0).any())
    values = {
        "spend": None if unknown else float(whole["spend"].sum()),
        "attributed": ratio(known, every),
        "paid_collected": None if unknown else float(paid["paid_collected"].sum()),
        "paid_roas": ratio(
            float(rated["rated_collected"].sum()), float(rated["collected_spend"].sum())
        ),
    }
    return tuple(
        Metric(name, each.title, value, None, each.format, each.help, each.better)
        for name, value in values.items()
        for each in (definition(name),)
    )
