"""Questions about credit and how sure it is: intervals, ranks, removal effects, transitions.

Amounts are those of the scope's kind: money where money is collected, else conversions. What a
generation of an earlier version has no marts for is unknown, not an error.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
import pandas as pd
import sqlalchemy as sa

from attribution import amount_queries, date_basis
from attribution.models import BASELINE, MODELS
from attribution.models.credit import GROUPS
from attribution.models.estimate import Interval
from attribution.models.paths import Floats
from attribution.models.spread import (
    Spread,
    drawn_beats,
    drawn_interval,
    moved_by_learning,
    spread,
)
from attribution.narrowing import MICROS
from attribution.queries import Marts, Scope, declared

INCREMENTAL = "incremental"
# Not channels: what no touch is known of, and what would have come without any marketing.
NO_CHANNEL = ("unattributed", BASELINE)
# What the mart `incremental` says of channels it credits nothing, and of those it knows too little.
INSIDE_BASELINE, NOT_IDENTIFIED = "inside baseline", "not identified"
_SLICE = ("kind", "service_line", "location", "week", "currency")


def credit_with_intervals(
    at: Marts, scope: Scope, currency: str, known: Mapping[str, Spread]
) -> pd.DataFrame:
    """What each model credits to each channel, and between what and what it lies at 90%.

    Columns: model, channel, amount, low, high, few. Unknown ends are NaN; `few` says that fewer
    than about thirty people stand behind a channel. Unattributed and baseline are rows. `known` is
    what `spreads` answers.
    """
    frame = _credited(at, scope, currency)
    ends = intervals(at, scope, known, frame)
    # A channel that one model credits with nothing may still be one that another credits.
    frame = frame.merge(ends, on=["model", "channel"], how="outer", sort=True)
    return frame.assign(amount=frame["amount"].fillna(0.0), few=frame["few"].eq(other=True))


def intervals(
    at: Marts, scope: Scope, known: Mapping[str, Spread], credited: pd.DataFrame
) -> pd.DataFrame:
    """The 90% interval of what is credited. Columns: model, channel, low, high, few.

    `credited` has the columns model, channel and amount; what no interval is known of has no row.
    """
    ends = [
        _ends(name, each.channels, each.interval()).assign(few=each.few)
        for name, each in known.items()
    ]
    draws = _drawn(at, scope, credited) if INCREMENTAL in set(credited["model"]) else None
    if draws is not None:
        ends.append(_ends(INCREMENTAL, draws[0], drawn_interval(*draws[1:])).assign(few=False))
    ends = [each for each in ends if len(each)]
    if ends:
        return pd.concat(ends, ignore_index=True)
    nobody = pd.DataFrame(columns=["model", "channel", "low", "high", "few"])
    return nobody.astype({"low": "float64", "high": "float64"})


def rank_stability(
    at: Marts, scope: Scope, currency: str, known: Mapping[str, Spread]
) -> pd.DataFrame:
    """How often the row's channel earns more than the column's under the scope's model.

    Rows and columns are channels, most credit first; no rows where it is not known. `known` is what
    `spreads` answers.
    """
    if scope.model == INCREMENTAL:
        draws = _drawn(at, scope, _credited(at, scope, currency))
        if draws is None:
            return pd.DataFrame()
        channels, total, drawn = draws
        beats = drawn_beats(drawn)
    else:
        each = known.get(scope.model)
        if each is None:
            return pd.DataFrame()
        channels, total, beats = each.channels, each.total, each.beats()
    order = [
        place
        for place in np.lexsort((np.array(channels), -total))
        if channels[place] not in NO_CHANNEL
    ]
    names = pd.Index([channels[place] for place in order], name="channel")
    return pd.DataFrame(beats[np.ix_(order, order)], index=names, columns=names)


def removal_effects(at: Marts, kind: str) -> pd.DataFrame:
    """What would be lost without each channel, most first.

    Columns: channel, removal_effect, low, high, markov_order; the last three may be unknown.
    """
    known = _columns(at, "removal_effect")
    mart = declared(
        "removal_effect", "kind", "channel", "removal_effect", "low", "high", "markov_order"
    )
    ends = [
        mart.c[name] if name in known else sa.null().label(name)
        for name in ("low", "high", "markov_order")
    ]
    statement = (
        sa.select(mart.c.channel, mart.c.removal_effect, *ends)
        .where(mart.c.kind == kind)
        .order_by(mart.c.removal_effect.desc(), mart.c.channel)
    )
    return at.ask(statement).astype({"low": "float64", "high": "float64"})


def incremental_evidence(at: Marts, kind: str) -> pd.DataFrame:
    """What incremental credit rests on, a row for each channel over the whole span.

    Columns: channel, amount, low, high, evidence, method, weeks, places, known; no row where the
    model has learned nothing of the kind.
    """
    mart = declared(
        "incremental", "kind", "channel", "conversions", "low", "high", "evidence", "method",
        "weeks", "places", "known",
    )  # fmt: skip
    statement = (
        sa.select(
            mart.c.channel, mart.c.conversions.label("amount"), mart.c.low, mart.c.high,
            mart.c.evidence, mart.c.method, mart.c.weeks, mart.c.places, mart.c.known,
        )
        .where(mart.c.kind == kind)
        .order_by(mart.c.channel)
    )  # fmt: skip
    return at.ask(statement).astype(dict.fromkeys(("amount", "low", "high", "known"), "float64"))


def incremental_resting_on(at: Marts, kind: str, evidence: str) -> frozenset[str]:
    """The channels whose incremental credit of a kind rests on that evidence; Baseline is none."""
    rows = incremental_evidence(at, kind)
    return frozenset(rows.loc[rows["evidence"] == evidence, "channel"]) - {*NO_CHANNEL}


def transitions(at: Marts, kind: str) -> pd.DataFrame:
    """How often journeys moved between channels. Columns: from_channel, to_channel, moves."""
    mart = declared("transitions", "kind", "from_channel", "to_channel", "moves")
    statement = (
        sa.select(mart.c.from_channel, mart.c.to_channel, mart.c.moves)
        .where(mart.c.kind == kind)
        .order_by(mart.c.from_channel, mart.c.to_channel)
    )
    return at.ask(statement)


def spreads(
    at: Marts, scope: Scope, currency: str, models: Iterable[str] = tuple(MODELS)
) -> dict[str, Spread]:
    """The spread of credit of each model that people's groups are known of.

    Groups are known by the day things happened only.
    """
    if date_basis.moved(scope, protected=at.protected):
        return {}
    money = scope.kind == "collected"
    suffix = "value" if money else "conversions"
    known = _columns(at, "credit_groups")
    leaning = _columns(at, "credit_leans") if _columns(at, "learned_groups") else frozenset()
    names = [
        name
        for name in models
        if f"{name}_{suffix}" in known
        and (f"{name}_{suffix}" in leaning or not MODELS[name].learned)
    ]
    if not names:
        return {}
    groups = _summed(at, "credit_groups", ("channel", "person_group"), names, scope, currency)
    if at.protected:  # a hundredth of the people are few in most cells
        return {}
    channels = tuple(sorted(groups["channel"].unique()))
    place = groups["channel"].map({name: place for place, name in enumerate(channels)})
    learned = [name for name in names if MODELS[name].learned]
    moved = _moved(at, scope, currency, channels, learned) if learned else {}
    unit = _unit(at, scope, currency) if money else 1.0
    found = {}
    for name in names:
        credit = np.zeros((GROUPS, len(channels)))
        credit[groups["person_group"], place] = groups[name]
        found[name] = spread(
            channels, credit, moved=moved.get(name), unit=unit, signed=bool((credit < 0).any())
        )
    return found


def _moved(
    at: Marts, scope: Scope, currency: str, channels: tuple[str, ...], names: list[str]
) -> dict[str, Floats]:
    """What learning without each group would move, for each learned model."""
    place = {name: place for place, name in enumerate(channels)}
    pairs = _summed(at, "credit_leans", ("channel", "rival"), names, scope, currency)
    pairs = pairs[pairs["channel"].isin(place) & pairs["rival"].isin(place)]
    changes = _log_changes(at, scope.kind)
    changes = changes[changes["channel"].isin(place)]
    found = {}
    for name in names:
        leans = np.zeros((len(channels), len(channels)))
        leans[pairs["channel"].map(place), pairs["rival"].map(place)] = pairs[name]
        learned = changes[changes["model"] == name]
        change = np.zeros((GROUPS, len(channels)))
        change[learned["person_group"], learned["channel"].map(place)] = learned["log_change"]
        found[name] = moved_by_learning(leans + leans.T, change)
    return found


def _summed(
    at: Marts, mart: str, grain: tuple[str, ...], models: list[str], scope: Scope, currency: str
) -> pd.DataFrame:
    """The amounts of each model by `grain` within the scope; a column named as each model."""
    money = scope.kind == "collected"
    columns = [f"{name}_{'value' if money else 'conversions'}" for name in models]
    source = declared(mart, *_SLICE, *grain, *columns)
    by = [source.c[name] for name in grain]
    chosen = _within(source, scope)
    if money:  # Counts add up over currencies, money does not.
        chosen.append(source.c.currency == currency)
    totals = [sa.cast(sa.func.sum(source.c[name]), sa.Double).label(name) for name in columns]
    frame = at.ask(sa.select(*by, *totals).where(*chosen).group_by(*by).order_by(*by))
    frame[columns] = frame[columns].astype("float64") / (MICROS if money else 1)
    return frame.set_axis([*grain, *models], axis=1)


def _within(mart: sa.TableClause, scope: Scope) -> list[sa.ColumnElement[bool]]:
    chosen = ((mart.c.service_line, scope.service_lines), (mart.c.location, scope.locations))
    return [
        mart.c.kind == scope.kind,
        mart.c.week.between(scope.since, scope.until),
        *(column.in_(values) for column, values in chosen if values),
    ]


def _log_changes(at: Marts, kind: str) -> pd.DataFrame:
    mart = declared("learned_groups", "model", "kind", "channel", "person_group", "log_change")
    columns = (mart.c.model, mart.c.channel, mart.c.person_group, mart.c.log_change)
    return at.ask(sa.select(*columns).where(mart.c.kind == kind).order_by(*columns[:3]))


def _unit(at: Marts, scope: Scope, currency: str) -> float:
    """What one conversion of the scope brings."""
    observed = amount_queries.conversions_by_service_line(at, scope, currency)
    observed = observed[observed["kind"] == scope.kind]
    return float(observed["value"].sum()) / max(float(observed["conversions"].sum()), 1.0)


def _credited(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    found = amount_queries.credit_by_model(at, scope, currency)
    amount = "value" if scope.kind == "collected" else "conversions"
    return found[["model", "channel"]].assign(amount=found[amount].astype("float64"))


def _drawn(
    at: Marts, scope: Scope, credited: pd.DataFrame
) -> tuple[tuple[str, ...], Floats, Floats] | None:
    """Channels, their increments, and draws of these (draw x channel); None where there are none.

    What channels bring less in a draw, Baseline brings more: in a slice that few of them speak for
    it is surer than in all.
    """
    if not _columns(at, "incremental_draws"):
        return None
    mart = declared("incremental_draws", "kind", "channel", "draw", "multiplier")
    columns = (mart.c.channel, mart.c.draw, mart.c.multiplier)
    drawn = at.ask(sa.select(*columns).where(mart.c.kind == scope.kind).order_by(*columns[:2]))
    amounts = credited[credited["model"] == INCREMENTAL].set_index("channel")["amount"]
    drawn = drawn[drawn["channel"].isin(amounts.index)]
    channels = tuple(drawn["channel"].unique())
    if not channels:
        return None
    # In order of channel and draw, as many draws for each channel.
    multipliers = drawn["multiplier"].to_numpy(dtype="float64").reshape(len(channels), -1).T
    total = amounts[list(channels)].to_numpy(dtype="float64")
    draws = total * multipliers
    baseline = np.array([channel == BASELINE for channel in channels])
    draws[:, baseline] = total[baseline] + (total - draws)[:, ~baseline].sum(axis=1)[:, None]
    return channels, total, draws


def _ends(model: str, channels: tuple[str, ...], interval: Interval) -> pd.DataFrame:
    return pd.DataFrame(
        {"model": model, "channel": channels, "low": interval.low, "high": interval.high}
    )


@lru_cache(maxsize=64)
def _columns(at: Marts, mart: str) -> frozenset[str]:
    """The columns that a mart of this generation has; none where there is no such mart."""
    known = sa.table(
        "columns", sa.column("table_name"), sa.column("column_name"), schema="information_schema"
    )
    statement = sa.select(known.c.column_name).where(known.c.table_name == mart)
    return frozenset(at.ask(statement)["column_name"])
