"""What changed a number against the period before: a bridge from the one to the other."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from attribution import queries
from attribution.metrics import KINDS, definition
from attribution.models import MODELS
from attribution.models.change import Change, change
from attribution.queries import About, Marts, Scope
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table

PARTS = ("change_restated", "change_spend", "change_mix", "change_rate", "change_unpaid")
PLACED = (
    "What changed a number is told of all service lines and locations together to readers of "
    "folded cells: credit knows neither there."
)


def changes(
    marts: Marts,
    told: Marts | None,
    scope: Scope,
    earlier: Scope | None,
    ends: Mapping[str, date],
    about: About,
) -> tuple[dict[str, Figure], dict[str, Table]]:
    """Figures and tables `change_<kind>`; none where there is no period to compare with.

    `told` are the marts published before these, for what has been restated since; `ends` are the
    last weeks reported of numbers that stop early: both periods are cut alike.
    """
    if earlier is None or (marts.protected and (scope.service_lines or scope.locations)):
        return {}, {}
    asked: dict[date, tuple[pd.DataFrame, ...]] = {}
    figures, tables = {}, {}
    for kind, name in KINDS.items():
        until = min(ends.get(name, scope.until), ends.get("spend", scope.until))
        if until < scope.since:
            continue
        if until not in asked:
            now = replace(scope, until=until)
            then = replace(earlier, until=until - (scope.since - earlier.since))
            asked[until] = (*(_won(marts, each, about) for each in (then, now)), _told(told, then))
        before, after, said = asked[until]
        parts = _change(before, after, kind)
        was = float(said[kind].sum()) if kind in said else None
        if parts.before or parts.after:
            figures[f"change_{kind}"], tables[f"change_{kind}"] = _bridge(
                parts, was, kind, scope, about.currency
            )
    return figures, tables


def _won(marts: Marts, scope: Scope, about: About) -> pd.DataFrame:
    """A row for each channel: its spend, and what it is credited with of each kind."""
    credit = queries.credit_by_campaign(marts, scope, about.currency)
    amount = credit["conversions"].where(credit["kind"] != "collected", credit["value"])
    wide = credit.assign(amount=amount.astype("float64")).pivot_table(
        index="channel", columns="kind", values="amount", aggfunc="sum"
    )
    spend = queries.spend_by_campaign(marts, scope, about.currency)
    spent = spend.groupby("channel")["spend"].sum()
    known = wide.index.union(spent.index)
    return (
        wide.reindex(index=known, columns=list(KINDS))
        .fillna(0.0)
        .assign(spend=spent.reindex(known).fillna(0.0))
    )


def _told(told: Marts | None, scope: Scope) -> pd.DataFrame:
    """The same as it was told before; nothing where it did not reach that far."""
    if told is None:
        return pd.DataFrame()
    about = queries.about(told)
    if scope.since < about.first_week or scope.until > about.last_week:
        return pd.DataFrame()
    return _won(told, scope, about)


def _change(before: pd.DataFrame, after: pd.DataFrame, kind: str) -> Change:
    known = before.index.union(after.index)
    one, other = (frame.reindex(known).fillna(0.0) for frame in (before, after))
    return change(
        (one["spend"].to_numpy("float64"), other["spend"].to_numpy("float64")),
        (one[kind].to_numpy("float64"), other[kind].to_numpy("float64")),
    )


def _bridge(
    parts: Change, was: float | None, kind: str, scope: Scope, currency: str
) -> tuple[Figure, Table]:
    meaning = definition(KINDS[kind])
    restated = 0.0 if was is None else parts.before - was
    amounts = np.array([restated, parts.spend, parts.mix, parts.rate, parts.unpaid])
    names = [definition(name).title for name in PARTS]
    told = slice(0 if restated else 1, None)  # what was not restated needs no bar
    start = parts.before if not restated else parts.before - restated
    whole = ("Period before", "This period")
    labels = [whole[0], *names[told], whole[1]]
    steps = [start, *(-amounts[told]), parts.after]

    def written(value: float) -> str:
        return formats.written(value, meaning.format, currency)

    texts = [written(start), *(_signed(value, written) for value in amounts[told])]
    texts.append(written(parts.after))
    figure = Figure(
        f"What changed: {meaning.title.lower()}",
        charts.bridge(labels, steps, texts, _hovers(labels, texts), [False] * len(labels)),
        _words(meaning.title, start, parts.after, names[told], texts[1:-1], written),
        "Told apart as credited by "
        f"{MODELS[scope.model].title}, channel by channel. Each part is its mean effect over every "
        "order in which money, mix and rates could have changed (Shapley value), so the parts add "
        "up to the change.",
        f"change_{kind}",
    )
    rows = [(whole[0], start, ""), *zip(names, amounts, map(_help, PARTS), strict=True)]
    frame = pd.DataFrame([*rows, (whole[1], parts.after, "")], columns=["part", "amount", "means"])
    columns = (
        Column("part", "Part"),
        Column("amount", meaning.title, "money" if meaning.format == "money" else "number"),
        Column("means", "What it says"),
    )
    note = "" if was is not None else "What was restated is known after another refresh."
    return figure, Table(figure.title, columns, frame, note)


def _help(name: str) -> str:
    return definition(name).help


def _signed(value: float, written: Callable[[float], str]) -> str:
    said = written(value)
    return said if said.startswith("−") or said.strip("$0.,") == "" else f"+{said}"


def _hovers(labels: list[str], texts: list[str]) -> list[str]:
    return [f"<b>{label}</b><br>{text}" for label, text in zip(labels, texts, strict=True)]


def _words(
    title: str,
    before: float,
    after: float,
    names: list[str],
    texts: list[str],
    written: Callable[[float], str],
) -> str:
    way = "rose" if after > before else "fell" if after < before else "stayed"
    said = [written(each) for each in (before, after)]
    parts = ", ".join(f"{name.lower()} {text}" for name, text in zip(names, texts, strict=True))
    return f"{title} {way} from {said[0]} to {said[1]}: {parts}."
