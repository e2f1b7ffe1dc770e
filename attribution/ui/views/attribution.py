"""Attribution: does the choice of credit model change the answer?"""

from functools import lru_cache

import pandas as pd

from attribution import queries
from attribution.metrics import KINDS, definition
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table, View

QUESTION = "Does the choice of credit model change the answer?"
NOBODY = "unattributed"
MAX_ROWS = 16
_NAMED = 3  # channels that a sentence names


@lru_cache(maxsize=128)
def attribution(home: Home, generation: int, scope: Scope) -> View:
    """The page's view of one generation; built once for each scope."""
    return build(queries.marts(home, generation), scope)


def build(marts: Marts, scope: Scope) -> View:
    """The page's view: figures `ranges` and `effects`, tables `credit`, `ranks`, `effects`."""
    about = queries.about(marts)
    credit = _credit(marts, scope, about.currency)
    if credit.empty:
        span = formats.weeks(scope.since, scope.until, scope.weeks)
        hint = "Choose a longer period or fewer filters."
        empty = f"No channel is credited with anything under these filters in {span}. {hint}"
        return View(QUESTION, currency=about.currency, empty=empty)
    effects = queries.removal_effects(marts, scope.kind)
    meaning = definition(KINDS[scope.kind])
    return View(
        QUESTION,
        figures={
            "ranges": _ranges(credit, scope, about.currency),
            "effects": _effects(effects, meaning.title),
        },
        tables={
            "credit": _credit_table(credit, scope),
            "ranks": _rank_table(credit),
            "effects": _effects_table(effects),
        },
        notes=_notes(),
        currency=about.currency,
    )


def _credit(marts: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """A row for each channel, widest spread first: each model's credit and the spread of shares."""
    amount = "value" if scope.kind == "collected" else "conversions"
    found = queries.credit_by_model(marts, scope, currency)
    wide = found.pivot_table(index="channel", columns="model", values=amount, aggfunc="sum")
    wide = wide.reindex(columns=list(MODELS)).fillna(0.0).astype("float64")
    total = float(wide.sum().max())
    wide = wide.drop(index=NOBODY, errors="ignore")
    wide = wide[(wide > 0).any(axis=1)]
    if wide.empty or total <= 0:
        return wide.iloc[:0]
    reach = (wide.max(axis=1) - wide.min(axis=1)) / total
    wide = wide.assign(spread=reach, total=total)
    return wide.reset_index().sort_values(
        ["spread", "channel"], ascending=[False, True], ignore_index=True
    )


def _ranks(credit: pd.DataFrame) -> pd.DataFrame:
    """Each channel's place under each model, 1 for most credit, as in the rows of `credit`."""
    return credit[list(MODELS)].rank(ascending=False, method="min").astype("int64")


def _ranges(credit: pd.DataFrame, scope: Scope, currency: str) -> Figure:
    drawn = credit.head(MAX_ROWS)
    names = [formats.title(name) for name in drawn["channel"]]
    courses, hovers = {}, {}
    for model, each in MODELS.items():
        shares = [float(share) for share in drawn[model] / drawn["total"]]
        amounts = [
            formats.money(value, currency) if scope.kind == "collected" else formats.count(value)
            for value in drawn[model]
        ]
        courses[each.title] = shares
        hovers[each.title] = [
            f"<b>{formats.label(name)}</b><br>{each.title}: {amount}, {formats.rate(share)} of all"
            for name, amount, share in zip(names, amounts, shares, strict=True)
        ]
    meaning = definition(KINDS[scope.kind])
    return Figure(
        f"Share of {meaning.title.lower()} under each model",
        charts.ranges([formats.short_label(name) for name in names], courses, hovers),
        f"{_widest(drawn, names)} {_dependent(credit)}",
        "The share of all conversions of the chosen kind, or of money collected, that each model "
        "credits to a channel. The grey bar reaches from the lowest to the highest; the channels "
        f"on which models differ most come first. {meaning.sentence}",
        "credit",
    )


def _widest(drawn: pd.DataFrame, names: list[str]) -> str:
    first = drawn.iloc[0]
    shares = first[list(MODELS)].astype("float64") / float(first["total"])
    return (
        f"Models differ most on {names[0]}: from {formats.rate(float(shares.min()))} "
        f"({MODELS[str(shares.idxmin())].title}) to {formats.rate(float(shares.max()))} "
        f"({MODELS[str(shares.idxmax())].title})."
    )


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


def _effects(effects: pd.DataFrame, kind: str) -> Figure:
    drawn = effects.head(MAX_ROWS)
    names = [formats.title(name) for name in drawn["channel"]]
    values = [float(value) for value in drawn["removal_effect"]]
    texts = [formats.rate(value) for value in values]
    said = f"Without {names[0]}, {texts[0]} would be lost, most of all." if names else "None."
    return Figure(
        f"Removal effects on {kind.lower()}",
        charts.bars(
            [formats.short_label(name) for name in names],
            values,
            texts,
            [charts.channel_colour(name) for name in drawn["channel"]],
            [
                f"<b>{formats.label(name)}</b><br>{text} would be lost"
                for name, text in zip(names, texts, strict=True)
            ],
        ),
        f"{said} All weeks, service lines and locations.",
        "The share of conversions that a Markov chain of all journeys loses where a channel leads "
        "to nothing. Learned from the whole span, so no filter but the conversion changes it. "
        "Effects overlap and do not add up to 100%.",
        "effects",
    )


def _credit_table(credit: pd.DataFrame, scope: Scope) -> Table:
    money = scope.kind == "collected"
    columns = (
        Column("channel", "Channel"),
        Column("spread", "Spread", "points", "Highest less lowest share of all under any model."),
        *(
            Column(name, each.title, "money" if money else "number", each.help)
            for name, each in MODELS.items()
        ),
    )
    return Table("Credit by channel and model", columns, credit[[c.name for c in columns]])


def _rank_table(credit: pd.DataFrame) -> Table:
    ranks = _ranks(credit)
    frame = ranks.assign(
        channel=credit["channel"], places=ranks.max(axis=1) - ranks.min(axis=1)
    ).sort_values(["places", "linear"], ascending=[False, True], ignore_index=True)
    columns = (
        Column("channel", "Channel"),
        Column("places", "Places apart", "count", "Worst less best rank under any model."),
        *(Column(name, each.title, "count", each.help) for name, each in MODELS.items()),
    )
    return Table("Rank by channel and model", columns, frame[[c.name for c in columns]])


def _effects_table(effects: pd.DataFrame) -> Table:
    columns = (
        Column("channel", "Channel"),
        Column(
            "removal_effect", "Removal effect", "rate", "Share lost if the channel led to nothing."
        ),
    )
    return Table("Removal effects", columns, effects[[c.name for c in columns]])


def _notes() -> tuple[str, ...]:
    return (
        (
            "Models share out what happened; none of them knows what would have happened without "
            "a channel. Where they agree, the choice of model does not matter; where they do not, "
            "trust a holdout more than any of them."
        ),
        (
            "Conversions with no known touch before them are in every share's whole, and in no "
            "row: all models agree on them."
        ),
    )
