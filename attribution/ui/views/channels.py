"""Channels: which channels and campaigns pay, under a chosen credit model?"""

from dataclasses import replace
from functools import lru_cache, partial

import pandas as pd

from attribution import amount_queries, credit_queries, queries
from attribution.metrics import KINDS, definition, ratio
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import About, Marts, Scope
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, View, measured, records
from attribution.ui.views import arriving, returns
from attribution.ui.views.notes import UNASSIGNED, counted_by, other_currencies, other_dates

QUESTION = "Which channels and campaigns bring patients at a price that pays?"
UNKNOWN = ("unattributed", "unmapped", "baseline")
SHOWN = (
    *("spend", "sessions", "leads", "cpl", "booked", "kept", "new_patients", "cac"),
    *("collected", "roas", "roi"),
)
ENDS = ("credit_low", "credit_high")
RATED = ("spend", "leads", "new_patients", "collected")  # what ratios are made of
LEAST_SIZE = 0.2  # of the largest dot: where nothing is known of how many
LEAST_SHARE = 0.01  # of all spend, to be called the best or the worst
MAX_BUBBLES = 24
MAX_BARS = 16


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
    campaigns = _campaigns(marts, scope, about)
    if campaigns.empty:
        span = formats.weeks(scope.since, scope.until, scope.weeks)
        hint = "Choose a longer period or fewer filters."
        empty = f"No spend and no conversions match these filters in {span}. {hint}"
        return View(QUESTION, currency=about.currency, empty=empty)
    whole = _with_ends(marts, scope, about.currency, _with_ratios(_summed(campaigns, ["channel"])))
    parts = _with_ratios(campaigns)
    beside = returns.table(marts, scope, about.currency, whole[whole["known"]])
    return View(
        QUESTION,
        metrics=_metrics(whole, scope),
        figures={
            "return": _return(whole, about.currency, _unsure(marts, scope, "collected")),
            "credited": _credited(whole, scope, about.currency),
        },
        tables={
            "channels": _table("Channels", whole, ("channel",), _ends(scope)),
            "campaigns": _table("Campaigns", parts, ("channel", "campaign")),
            "returns": beside,
        },
        remark=counted_by(marts, scope),
        warnings=_warnings(campaigns, scope, about),
        notes=(
            *_untold(marts, scope, whole, about),
            *_notes(marts, scope, about),
            *other_dates(marts, scope),
        ),
        currency=about.currency,
    )


def _campaigns(marts: Marts, scope: Scope, about: About) -> pd.DataFrame:
    """Every channel and campaign that spent, brought sessions or was credited."""
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
    if (
        not marts.protected
    ):  # where small cells are folded, what has no row is not known to be nought
        counted += [*KINDS.values(), "conversions"]
    if not _filtered(scope):
        columns["sessions"] = amount_queries.sessions_by_campaign(marts, scope).set_index(grain)[
            "sessions"
        ]
        counted.append("sessions")
    frame = pd.concat([wide, *(s.rename(name) for name, s in columns.items())], axis=1)
    frame = frame.reindex(columns=[*KINDS.values(), "conversions", "spend", "sessions"])
    frame = frame.astype("float64")
    frame[counted] = frame[counted].fillna(0)
    frame.index = frame.index.set_names(grain)
    return _rated(marts, scope, about, _untracked(marts, scope, frame)).reset_index()


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


def _filtered(scope: Scope) -> bool:
    return bool(scope.service_lines or scope.locations)


def _spend(marts: Marts, scope: Scope, about: About) -> pd.Series:
    grain = ["channel", "campaign"]
    return amount_queries.spend_by_campaign(marts, scope, about.currency).set_index(grain)["spend"]


def _rated(marts: Marts, scope: Scope, about: About, frame: pd.DataFrame) -> pd.DataFrame:
    """Beside each amount, what of it a ratio may count.

    Credit knows its service line and location, much spend does not. Under such a filter a ratio
    would set credit against spend of nothing, so it counts campaigns with spend in the filter only.
    """
    unplaced = pd.Series(0.0, index=frame.index)
    rated = frame[list(RATED)]
    if _filtered(scope):
        wide = replace(
            scope,
            service_lines=tuple({*scope.service_lines, UNASSIGNED} if scope.service_lines else ()),
            locations=tuple({*scope.locations, UNASSIGNED} if scope.locations else ()),
        )
        every = _spend(marts, wide, about).reindex(frame.index, fill_value=0)
        unplaced = (every - frame["spend"]).round(6)
        rated = rated.where(frame["spend"] > 0)
        frame["spend"] = frame["spend"].mask((frame["spend"] <= 0) & (unplaced > 0))
    return frame.assign(unplaced=unplaced).join(rated.add_prefix("rated_"))


def _summed(frame: pd.DataFrame, grain: list[str]) -> pd.DataFrame:
    numbers = frame.drop(columns=["channel", "campaign"]).columns
    return frame.groupby(grain, as_index=False)[list(numbers)].sum(min_count=1)


def _with_ratios(frame: pd.DataFrame) -> pd.DataFrame:
    spent = frame["rated_spend"].where(frame["rated_spend"] > 0)
    leads, people = frame["rated_leads"], frame["rated_new_patients"]
    frame = frame.assign(
        cpl=spent / leads.where(leads > 0),
        cac=spent / people.where(people > 0),
        roas=frame["rated_collected"] / spent,
        roi=(frame["rated_collected"] - spent) / spent,
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
        )
        for name, word in zip(ENDS, ("low", "high"), strict=True)
    )


def _table(
    title: str, frame: pd.DataFrame, names: tuple[str, ...], more: tuple[Column, ...] = ()
) -> Table:
    titles = {"channel": "Channel", "campaign": "Campaign"}
    columns = (*(Column(name, titles[name]) for name in names), *map(measured, SHOWN), *more)
    return Table(title, columns, frame[[column.name for column in columns]])


def _metrics(whole: pd.DataFrame, scope: Scope) -> tuple[Metric, ...]:
    every = float(whole["conversions"].sum())
    known = float(whole.loc[~whole["channel"].isin(UNKNOWN), "conversions"].sum())
    paid = whole[whole["rated_spend"] > 0]
    spend = float(paid["rated_spend"].sum())
    collected = float(paid["rated_collected"].sum())
    unknown = paid.empty and bool((whole["unplaced"] > 0).any())
    values = {
        "spend": None if unknown else float(whole["spend"].sum()),
        "attributed": ratio(known, every),
        "paid_collected": None if unknown else collected,
        "paid_roas": ratio(collected, spend),
    }
    return tuple(
        Metric(name, each.title, value, None, each.format, each.help, each.better)
        for name, value in values.items()
        for each in (definition(name),)
    )


def _unsure(marts: Marts, scope: Scope, *kinds: str) -> frozenset[str]:
    """The channels of which the scope's model knows too little to tell whether they pay."""
    if scope.model != credit_queries.INCREMENTAL:
        return frozenset()
    rest = (
        credit_queries.incremental_resting_on(marts, kind, credit_queries.NOT_IDENTIFIED)
        for kind in kinds
    )
    return frozenset().union(*rest)


def _return(whole: pd.DataFrame, currency: str, unsure: frozenset[str]) -> Figure:
    amounts = whole.assign(spend=whole["rated_spend"], collected=whole["rated_collected"])
    drawn = amounts[(amounts["spend"] > 0) & (amounts["collected"] > 0)].head(MAX_BUBBLES)
    least = LEAST_SHARE * float(amounts["spend"].sum())
    biggest = float(drawn["conversions"].max()) if len(drawn) else 0
    points = [
        {
            "name": formats.title(row["channel"]),
            "spend": row["spend"],
            "value": row["collected"],
            "size": row["conversions"] / biggest
            if biggest and row["conversions"] >= 0
            else LEAST_SIZE,
            "colour": charts.channel_colour(row["channel"]),
            "hover": (
                f"<b>{formats.label(formats.title(row['channel']))}</b><br>"
                f"Spend {formats.money(row['spend'], currency)}<br>"
                f"Collected {formats.money(row['collected'], currency)}<br>"
                f"ROAS {formats.ratio(row['roas'])}"
            ),
        }
        for row in records(drawn)
    ]
    unpaid = amounts[(amounts["spend"] > 0) & (amounts["collected"] <= 0)]
    return Figure(
        "Spend against return",
        charts.spend_against_return(points, formats.symbol(currency), len(whole)),
        _return_in_words(drawn, list(unpaid["channel"]), least, unsure),
        "Money collected that the model credits to each channel, against what the channel cost. "
        "Above the dotted line a channel earns more than it costs. Both axes are logarithmic; "
        "the larger the dot, the more conversions of the chosen kind.",
        "channels",
    )


def _return_in_words(
    drawn: pd.DataFrame, unpaid: list[str], least: float, unsure: frozenset[str] = frozenset()
) -> str:
    """The takeaway; a channel with hardly any spend is neither best nor worst.

    Those of which too little is known are not told of.
    """
    nothing = ""
    unpaid = [name for name in unpaid if name not in unsure]
    if unpaid:
        nothing = f" No money is credited to {formats.several(map(formats.title, unpaid))}."
    if drawn.empty:
        return f"No channel has both spend and money collected in this period.{nothing}"
    drawn = drawn[~drawn["channel"].isin(unsure)]
    if drawn.empty:
        return f"Of no channel with spend is enough known to tell what it returns.{nothing}"
    ranked = records(drawn[drawn["spend"] >= least].sort_values("roas", ascending=False))
    paying = int((drawn["roas"] >= 1).sum())
    which = "channels with spend and evidence" if unsure else "channels with spend"
    said = f"{paying} of {len(drawn)} {which} earn at least what they cost."
    if not ranked:
        return f"{said}{nothing}"
    best, worst = ranked[0], ranked[-1]
    share = formats.rate(LEAST_SHARE)
    return (
        f"{said} Of those with at least {share} of spend, "
        f"{formats.title(best['channel'])} returns most ({formats.ratio(best['roas'])}), "
        f"{formats.title(worst['channel'])} least ({formats.ratio(worst['roas'])}).{nothing}"
    )


def _credited(whole: pd.DataFrame, scope: Scope, currency: str) -> Figure:
    meaning = definition(KINDS[scope.kind])
    money = scope.kind == "collected"
    amount = "collected" if money else "conversions"
    order = ["known", amount]
    drawn = whole[whole[amount] > 0].sort_values(order, ascending=False).head(MAX_BARS)
    total = float(whole[amount].sum())
    values = [float(value) for value in drawn[amount]]
    written = partial(formats.money, currency=currency) if money else formats.count
    texts = [written(value) for value in values]
    names = [formats.title(name) for name in drawn["channel"]]
    shares = [formats.rate(ratio(value, total)) for value in values]
    spans = [
        "" if pd.isna(low) else f"<br>{written(low)} to {written(high)} at 90%"
        for low, high in zip(drawn["credit_low"], drawn["credit_high"], strict=True)
    ]
    leading = f"{names[0]} leads with {texts[0]}, {shares[0]} of all." if names else "None."
    unknown = whole[~whole["known"]]
    anyway = float(unknown.loc[unknown["channel"] == "baseline", amount].sum())
    lost = float(unknown[amount].sum()) - anyway
    if lost > 0:
        leading += f" {formats.rate(ratio(lost, total))} has no known channel."
    if anyway > 0:
        leading += f" {formats.rate(ratio(anyway, total))} would have come anyway."
    return Figure(
        f"{meaning.title} by channel",
        charts.bars(
            [formats.short_label(name) for name in names],
            values,
            texts,
            [charts.channel_colour(name) for name in drawn["channel"]],
            [
                f"<b>{formats.label(name)}</b><br>{text}, {share} of all{span}"
                for name, text, share, span in zip(names, texts, shares, spans, strict=True)
            ],
        ),
        f"{meaning.title} credited by {MODELS[scope.model].title}. {leading}",
        f"{definition('conversions').help} {meaning.sentence}",
        "channels",
    )


def _notes(marts: Marts, scope: Scope, about: About) -> tuple[str, ...]:
    model = MODELS[scope.model]
    notes = [
        f"Credit model {model.title}: {model.help}",
        (
            "A channel without spend has no CPL, CAC, ROAS or net return: a return on nothing "
            "is not a number. Unattributed holds conversions with no known touch before them."
        ),
    ]
    if _filtered(scope):
        notes.append("Sessions are not known by service line or location, so none are shown.")
    kinds = dict.fromkeys((scope.kind, "new_patient", "collected"))
    kinds.pop("lead", None)  # a lead is there as soon as it is asked for
    young = arriving.note(arriving.young_leads(marts, scope, *kinds), about.last_week)
    thin = arriving.thin_note(marts, scope, about.last_week, *kinds)
    late = arriving.unreported_note(arriving.unreported(marts, scope))
    return (*notes, *young, *thin, *late, *other_currencies(marts, scope, about))


def _untold(marts: Marts, scope: Scope, whole: pd.DataFrame, about: About) -> tuple[str, ...]:
    """Of which channels the model cannot tell what they bring, and why."""
    if scope.model != credit_queries.INCREMENTAL:
        return _too_few(about) if marts.protected else _no_touch(whole)
    # Evidence is of a conversion: returns stand on money collected, intervals on the chosen kind.
    kinds = dict.fromkeys((scope.kind, "collected"))
    unsure = _unsure(marts, scope, *kinds)
    names = [formats.title(name) for name in whole["channel"] if name in unsure]
    where = "(see Attribution, What incremental credit rests on)"
    inside = credit_queries.incremental_resting_on(
        marts, scope.kind, credit_queries.INSIDE_BASELINE
    )
    hidden = [formats.title(name) for name in whole["channel"] if name in inside]
    within = f"{formats.several(hidden)}: nothing says how hard they press, so what they bring"
    few = f"{formats.several(names)}: too little is known to tell {where}."
    return (
        *([few] if names else []),
        *([f"{within} is inside Baseline (—)."] if hidden else []),
        (
            "Baseline is what would have come anyway. Campaigns share their channel's increment "
            "by money only: do not rank campaigns by it."
        ),
    )


def _too_few(about: About) -> tuple[str, ...]:
    return (
        (
            f"{about.folded:,} of {about.cells:,} cells are told together with others, so that "
            "none is of fewer than eleven people: they are in Other, together. A channel has — "
            "where too few people are known to have come by it."
        ),
    )


def _no_touch(whole: pd.DataFrame) -> tuple[str, ...]:
    names = whole.loc[whole["spend"].gt(0) & whole["collected"].isna(), "channel"]
    return tuple(
        f"{formats.title(name)} leaves no touch to credit: only a lift test or a mix model can "
        "tell what it brings. Its spend counts in Paid ROAS."
        for name in names
    )


def _warnings(campaigns: pd.DataFrame, scope: Scope, about: About) -> tuple[str, ...]:
    """How much spend and credit the ratios of a filtered page leave out."""
    if not (campaigns["unplaced"] > 0).any():
        return ()
    paying = campaigns.loc[campaigns["spend"].gt(0) | campaigns["unplaced"].gt(0), "channel"]
    rest = campaigns[~campaigns["spend"].gt(0) & campaigns["channel"].isin(paying)]
    chosen = {"service line": scope.service_lines, "location": scope.locations}
    words = " or ".join(word for word, values in chosen.items() if values)
    spend = formats.money(float(campaigns["unplaced"].sum()), about.currency)
    credit = formats.money(float(rest["collected"].sum()), about.currency)
    said = (
        f"Ratios here count only campaigns whose spend is known by {words}. Left out of them: "
        f"{spend} of spend that belongs to no {words}, and {credit} collected that is credited to "
        "campaigns of paid channels without spend here."
    )
    return (said,)
