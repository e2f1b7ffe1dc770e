"""Attribution: does the choice of credit model change the answer, and how sure is it?"""

import math
from functools import lru_cache

import pandas as pd

from attribution import credit_queries, queries
from attribution.credit_queries import NO_CHANNEL
from attribution.metrics import KINDS, definition, ratio
from attribution.models import BASELINE, MODELS
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table, View, table_of
from attribution.ui.views import evidence, intervals, moves, ranking
from attribution.ui.views.notes import counted_by, other_dates

QUESTION = "Does the choice of credit model change the answer, and how sure is it?"
PROTECTED = (
    "How sure most models are, what is lost without most channels and what follows what is of few "
    "people, so it is for readers who have the role analyst."
)
MAX_ROWS = 16
_NAMED = 3  # channels that a sentence names


@lru_cache(maxsize=128)
def attribution(home: Home, generation: int, scope: Scope, *, protected: bool) -> View:
    """The page's view of one generation; built once for each scope."""
    return build(queries.marts(home, generation, protected=protected), scope)


def build(marts: Marts, scope: Scope) -> View:
    """The page's view: `figures` ranges and, where known, effects, stability and moves.

    Tables: `credit`, `ranks`, `intervals` where they are known, and those of the figures.
    """
    about = queries.about(marts)
    known = credit_queries.spreads(marts, scope, about.currency)
    found = credit_queries.credit_with_intervals(marts, scope, about.currency, known)
    inside = credit_queries.incremental_resting_on(
        marts, scope.kind, credit_queries.INSIDE_BASELINE
    )
    # Their credit is part of Baseline: not nought, but unknown.
    untold = found["model"].eq(credit_queries.INCREMENTAL) & found["channel"].isin(inside)
    found = found[~untold]
    credit = _credit(found, inside)
    if credit.empty:
        span = formats.weeks(scope.since, scope.until, scope.weeks)
        hint = "Choose a longer period or fewer filters."
        empty = f"No channel is credited with anything under these filters in {span}. {hint}"
        return View(QUESTION, currency=about.currency, empty=empty)
    meaning = definition(KINDS[scope.kind])
    effects, lost = moves.effects(credit_queries.removal_effects(marts, scope.kind), meaning.title)
    figures = {"ranges": _ranges(credit, found, scope, about.currency)}
    tables = {"credit": _credit_table(credit, scope), "ranks": _rank_table(credit)}
    # Where small cells are folded there is none of it, and the page says for whom there is.
    if not (marts.protected and lost.frame.empty):
        figures["effects"], tables["effects"] = effects, lost
    sure = intervals.table(found, scope)
    if not (marts.protected and sure.frame.empty):
        tables["intervals"] = sure
    rests = credit_queries.incremental_evidence(marts, scope.kind)
    if not rests.empty:
        tables["evidence"] = evidence.table(rests, scope)
    beats = credit_queries.rank_stability(marts, scope, about.currency, known)
    if scope.model == credit_queries.INCREMENTAL:
        left = [name for name in beats.index if name not in inside]
        beats = beats.loc[left, left]
    if not beats.empty:
        figures["stability"], tables["stability"] = ranking.stability(beats, scope)
    steps = credit_queries.transitions(marts, scope.kind)
    if not steps.empty:
        figures["moves"], tables["moves"] = moves.followed(steps, meaning.title)
    return View(
        QUESTION,
        figures=figures,
        tables=tables,
        remark=" ".join(
            [*filter(None, [counted_by(marts, scope)]), *([PROTECTED] if marts.protected else [])]
        ),
        notes=(
            *_notes(_models(found), rests, beats, steps, scope, protected=marts.protected),
            *other_dates(marts, scope),
        ),
        currency=about.currency,
    )


def _credit(found: pd.DataFrame, inside: frozenset[str] = frozenset()) -> pd.DataFrame:
    """A row for each channel, widest spread first: each model's credit and the spread of shares.

    What incremental credit cannot tell of the channels `inside` Baseline is missing.
    """
    wide = found.pivot_table(index="channel", columns="model", values="amount", aggfunc="sum")
    wide = wide.reindex(columns=_models(found)).fillna(0.0).astype("float64")
    total = float(wide.sum().max()) if len(wide) else 0.0
    wide = wide.drop(index=[name for name in NO_CHANNEL if name in wide.index])
    if credit_queries.INCREMENTAL in wide:
        told = ~wide.index.isin(inside)
        wide[credit_queries.INCREMENTAL] = wide[credit_queries.INCREMENTAL].where(told)
    wide = wide[(wide > 0).any(axis=1)]
    if wide.empty or total <= 0:
        return wide.iloc[:0]
    reach = (wide.max(axis=1) - wide.min(axis=1)) / total
    wide = wide.assign(spread=reach, total=total)
    return wide.reset_index().sort_values(
        ["spread", "channel"], ascending=[False, True], ignore_index=True
    )


def _models(credit: pd.DataFrame) -> list[str]:
    """The models that credit anything, in the order of the page's choice."""
    known = set(credit.columns) | set(credit.get("model", ()))
    return [name for name in MODELS if name in known]


def _ranks(credit: pd.DataFrame) -> pd.DataFrame:
    """Each channel's place under each model, 1 for most credit; missing where its credit is."""
    return credit[_models(credit)].rank(ascending=False, method="min").astype("Int64")


def _ranges(credit: pd.DataFrame, found: pd.DataFrame, scope: Scope, currency: str) -> Figure:
    drawn = credit.head(MAX_ROWS)
    names = [formats.title(name) for name in drawn["channel"]]
    ends = intervals.by_pair(found)
    courses, hovers = {}, {}
    for model in _models(credit):
        each = MODELS[model]
        shares = _known(drawn[model] / drawn["total"])
        amounts = [
            formats.money(value, currency) if scope.kind == "collected" else formats.number(value)
            for value in drawn[model]
        ]
        courses[each.title] = shares
        spans = [
            intervals.in_words(ends, model, str(name), scope.kind, currency)
            for name in drawn["channel"]
        ]
        hovers[each.title] = [
            f"{amount}, {formats.rate(share)} of all{span}"
            for amount, share, span in zip(amounts, shares, spans, strict=True)
        ]
    meaning = definition(KINDS[scope.kind])
    return Figure(
        f"Share of {meaning.title.lower()} under each model",
        charts.ranges(
            [formats.short_label(name) for name in names],
            courses,
            hovers,
            MODELS[scope.model].title,
            intervals.of_shares(drawn, ends, scope.model),
        ),
        f"{_widest(drawn, names)} {_dependent(credit)}{_in_no_row(found)}",
        "The share of all conversions of the chosen kind, or of money collected, that each model "
        "credits to a channel. The large dot is the chosen model, with a thin bar over its 90% "
        "interval. The grey bar reaches from the lowest model to the highest; the channels on "
        f"which models differ most come first. {meaning.sentence}",
        "credit",
    )


def _known(shares: pd.Series) -> list[float | None]:
    return [None if math.isnan(share) else share for share in shares.astype("float64").tolist()]


def _widest(drawn: pd.DataFrame, names: list[str]) -> str:
    first = drawn.iloc[0]
    shares = first[_models(drawn)].astype("float64").dropna() / float(first["total"])
    return (
        f"Models differ most on {names[0]}: from {formats.rate(float(shares.min()))} "
        f"({MODELS[str(shares.idxmin())].title}) to {formats.rate(float(shares.max()))} "
        f"({MODELS[str(shares.idxmax())].title})."
    )


def _in_no_row(found: pd.DataFrame) -> str:
    """How much of the whole is credited to no channel."""
    whole = found.groupby("model")["amount"].sum()
    parts = []
    lost = found[found["channel"] == "unattributed"].set_index("model")["amount"]
    lost = (lost / whole.reindex(lost.index)).drop(credit_queries.INCREMENTAL, errors="ignore")
    if (lost > 0).any():  # models that share out journeys agree on it
        parts.append(f"{formats.rate(float(lost.max()))} with no known touch")
    anyway = found[found["channel"] == BASELINE].set_index("model")["amount"]
    share = ratio(
        float(anyway.get(credit_queries.INCREMENTAL, 0.0)),
        float(whole.get(credit_queries.INCREMENTAL, 0.0)),
    )
    if share:
        title = MODELS[credit_queries.INCREMENTAL].title
        parts.append(f"under {title} {formats.rate(share)} that would have come anyway")
    return f" In no row: {'; '.join(parts)}." if parts else ""


def _dependent(credit: pd.DataFrame) -> str:
    """Which channels stand higher under one model than under another."""
    ranks = _ranks(credit)
    best, worst = ranks.min(axis=1), ranks.max(axis=1)
    moving = (worst - best).sort_values(ascending=False, kind="stable")
    moving = moving[moving > 0]
    if moving.empty:
        return "The rank of no channel depends on the model."
    named = [
        f"{formats.title(credit['channel'][row])} ({best[row]} to {worst[row]})"
        for row in moving.index[:_NAMED]
    ]
    lead = "most of all " if len(moving) > _NAMED else ""
    return (
        f"The rank of {len(moving)} of {len(credit)} channels depends on the model: "
        f"{lead}{formats.several(named)}."
    )


def _credit_table(credit: pd.DataFrame, scope: Scope) -> Table:
    money = scope.kind == "collected"
    columns = (
        Column("channel", "Channel"),
        Column("spread", "Spread", "points", "Highest less lowest share of all under any model."),
        *(
            Column(name, MODELS[name].title, "money" if money else "number", MODELS[name].help)
            for name in _models(credit)
        ),
    )
    return table_of("Credit by channel and model", columns, credit)


def _rank_table(credit: pd.DataFrame) -> Table:
    ranks = _ranks(credit)
    frame = ranks.assign(
        channel=credit["channel"], places=ranks.max(axis=1) - ranks.min(axis=1)
    ).sort_values(["places", "linear"], ascending=[False, True], ignore_index=True)
    columns = (
        Column("channel", "Channel"),
        Column("places", "Places apart", "count", "Worst less best rank under any model."),
        *(Column(name, MODELS[name].title, "count", MODELS[name].help) for name in _models(credit)),
    )
    return table_of("Rank by channel and model", columns, frame)


def _notes(
    models: list[str],
    rests: pd.DataFrame,
    beats: pd.DataFrame,
    steps: pd.DataFrame,
    scope: Scope,
    *,
    protected: bool,
) -> tuple[str, ...]:
    asks = credit_queries.INCREMENTAL in models
    title = MODELS[credit_queries.INCREMENTAL].title
    others = f"All models but {title}" if asks else "Models"
    drawn = f" (under {title}, what it holds likely given what was seen)" if asks else ""
    notes = [
        (
            f"{others} share out what happened; none of them knows what would have happened "
            "without a channel. Where they agree, the choice of model does not matter; where they "
            "do not, trust a holdout more than any of them."
        ),
        (
            "Conversions with no known touch before them are in every share's whole, and in no "
            "row: all models that share out journeys agree on them."
        ),
        (
            f"An interval says how much credit would differ with other people like these{drawn}, "
            "not how wrong a model is: a sure answer to the wrong question stays wrong."
        ),
    ]
    if asks:
        said = f"Baseline is what would have come anyway, by {title}. It is no channel."
        notes.append(f"{said} {evidence.calibrated(rests)}".strip())
    if protected:
        return tuple(notes)
    if beats.empty:
        notes.append(f"How sure {MODELS[scope.model].title} is will be known after a refresh.")
    if steps.empty:
        notes.append("Steps of journeys are kept for leads, booked visits and new patients only.")
    return tuple(notes)
