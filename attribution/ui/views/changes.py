"""What changed a number against the period before: a bridge from the one to the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from attribution import amount_queries, queries
from attribution.metrics import KINDS, Format, definition
from attribution.models import MODELS
from attribution.models.change import Change, change
from attribution.queries import About, Marts, Scope
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table

Amounts = Mapping[tuple[str, str], tuple[float, ...]]  # of a kind and a part, in each span
CHANNEL = "channel"
# What money can have moved between: its name, in words for one and several, and for the mix.
BY = {
    CHANNEL: ("Channel", "channels", "Channel mix"),
    "service_line": ("Service line", "service lines", "Service-line mix"),
    "location": ("Location", "locations", "Location mix"),
}
PARTS = ("change_restated", "change_spend", "change_mix", "change_rate", "change_unpaid")
_SHORT = (
    "Both periods are counted to the week of {week} only, the last of which spend is known; the "
    "headline number goes on."
)
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
    by: str = CHANNEL,
) -> tuple[dict[str, Figure], dict[str, Table]]:
    """Figures and tables `change_<kind>`; none where there is no period to compare with.

    And tables `parts_<kind>` with the same for each channel, or each service line or location.
    `told` are the marts published before these, for what has been restated since; `ends` are the
    last weeks reported of numbers that stop early: both periods are cut alike, and where that is
    before the number itself ends, figure and tables say so.
    """
    narrow = scope.service_lines or scope.locations or by != CHANNEL
    if earlier is None or (marts.protected and narrow):
        return {}, {}
    own = {kind: ends.get(name, scope.until) for kind, name in KINDS.items()}
    cut = {kind: min(until, ends.get("spend", scope.until)) for kind, until in own.items()}
    untils = sorted({until for until in cut.values() if until >= scope.since})
    if not untils:
        return {}, {}
    back = scope.since - earlier.since
    then = [(earlier.since, until - back) for until in untils]
    now = [(scope.since, until) for until in untils]
    spend = amount_queries.spend_in_spans(marts, scope, about.currency, [*then, *now], by)
    won = amount_queries.credit_in_spans(marts, scope, about.currency, [*then, *now], by)
    before = _told(told, scope, then, about)
    figures, tables = {}, {}
    for kind, until in cut.items():
        if until not in untils:
            continue
        places = untils.index(until), untils.index(until) + len(untils)
        names = sorted({name for of, name in (*spend, *won) if of in ("spend", kind)})
        parts = _change(spend, won, kind, names, places)
        was = None
        if before is not None:
            was = sum(each[places[0]] for (of, _), each in before.items() if of == kind)
        if parts.before or parts.after:
            figure, bridge = _bridge(parts, was, kind, scope, about.currency, by)
            each = _each(parts, names, kind, by)
            if until < own[kind]:  # the number on the card goes on
                said = _SHORT.format(week=formats.day(until))
                figure = replace(figure, alt=f"{figure.alt} {said}")
                bridge, each = (replace(t, note=f"{t.note} {said}".strip()) for t in (bridge, each))
            figures[f"change_{kind}"] = figure
            tables[f"change_{kind}"], tables[f"parts_{kind}"] = bridge, each
    return figures, tables


def _told(
    told: Marts | None, scope: Scope, spans: Sequence[amount_queries.Span], about: About
) -> Amounts | None:
    """The period before as it was told then; None where that did not reach so far."""
    if told is None:
        return None
    known = queries.about(told)
    if spans[0][0] < known.first_week or spans[-1][1] > known.last_week:
        return None
    return amount_queries.credit_in_spans(told, scope, about.currency, spans)


def _change(
    spend: Amounts, won: Amounts, kind: str, names: Sequence[str], places: tuple[int, int]
) -> Change:
    nothing = (0.0,) * (max(places) + 1)
    paid, gained = (
        [
            np.array([amounts.get((of, name), nothing)[place] for name in names], "float64")
            for place in places
        ]
        for amounts, of in ((spend, "spend"), (won, kind))
    )
    return change((paid[0], paid[1]), (gained[0], gained[1]))


def _bridge(
    parts: Change, was: float | None, kind: str, scope: Scope, currency: str, by: str
) -> tuple[Figure, Table]:
    meaning = definition(KINDS[kind])
    # What adds up to the same in another order differs by a rounding.
    restated = 0.0 if was is None else round(parts.before - was, 6)
    amounts = np.array([restated, parts.spend, parts.mix, parts.rate, parts.unpaid])
    _, several, mix = BY[by]
    names = [mix if name == "change_mix" else definition(name).title for name in PARTS]
    told = slice(0 if restated else 1, None)  # what was not restated needs no bar
    start = parts.before if not restated else parts.before - restated
    whole = ("Period before", "This period")
    # A part of a count need not be whole: where none is told, small ones would not add up.
    as_: Format = "number" if meaning.format == "count" else meaning.format
    labels = [whole[0], *names[told], whole[1]]
    steps = [start, *(-amounts[told]), parts.after]

    def written(value: float) -> str:
        return formats.written(value, as_, currency)

    texts = [written(start), *(formats.signed(written(value)) for value in amounts[told])]
    texts.append(written(parts.after))
    figure = Figure(
        f"What changed: {meaning.title.lower()}",
        charts.bridge(labels, steps, texts, _hovers(labels, texts), [False] * len(labels)),
        _words(meaning.title, start, parts.after, names[told], texts[1:-1], written),
        "Told apart as credited by "
        f"{MODELS[scope.model].title}, by {several}. Each part is its mean effect over every order "
        "in which money, mix and rates could have changed (Shapley value), so the parts add up to "
        "the change.",
        f"change_{kind}",
    )
    says = [_help(name, by) for name in PARTS]
    rows = [(whole[0], start, ""), *zip(names, amounts, says, strict=True)]
    frame = pd.DataFrame([*rows, (whole[1], parts.after, "")], columns=["part", "amount", "means"])
    columns = (
        Column("part", "Part"),
        Column("amount", meaning.title, as_),
        Column("means", "What it says"),
    )
    note = "" if was is not None else "What was restated is known after another refresh."
    return figure, Table(figure.title, columns, frame, note)


def _each(parts: Change, names: Sequence[str], kind: str, by: str) -> Table:
    """The parts of each channel's change, or each service line's or location's; biggest first."""
    meaning = definition(KINDS[kind])
    title, _, mix = BY[by]
    amount: Format = "money" if meaning.format == "money" else "number"
    columns = (
        Column(by, title),
        Column("before", "Period before", amount),
        Column("after", "This period", amount),
        Column("spend", definition("change_spend").title, amount, _help("change_spend", by)),
        Column("mix", mix, amount, _help("change_mix", by)),
        Column("rate", definition("change_rate").title, amount, _help("change_rate", by)),
        Column("unpaid", definition("change_unpaid").title, amount, _help("change_unpaid", by)),
    )
    frame = pd.DataFrame(
        {
            by: [formats.title(name) for name in names],
            "before": parts.won[0],
            "after": parts.won[1],
            "spend": parts.spend_each,
            "mix": parts.mix_each,
            "rate": parts.rate_each,
            "unpaid": parts.unpaid_each,
        }
    )
    frame = frame[frame[["before", "after", "spend", "mix"]].any(axis=1)]
    order = (frame["after"] - frame["before"]).abs().sort_values(ascending=False, kind="stable")
    note = "From the period before to this one, each row adds up, and so does each column."
    if by != CHANNEL:
        note += f" Money of no {title.lower()} brings nothing here: more of it shows as mix."
    return Table(
        f"What changed by {title.lower()}: {meaning.title.lower()}",
        columns,
        frame.loc[order.index].reset_index(drop=True),
        note,
    )


def _help(name: str, by: str) -> str:
    """What a part says, in the words of what it is told apart by."""
    title, several, _ = BY[by]
    said = definition(name).help
    return said.replace("channels", several).replace("a channel's", f"a {title.lower()}'s")


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
    said = [written(each) for each in (before, after)]
    way = f"{'rose' if after > before else 'fell'} from {said[0]} to {said[1]}"
    if said[0] == said[1]:
        way = f"stayed at {said[1]}"
    parts = ", ".join(f"{name.lower()} {text}" for name, text in zip(names, texts, strict=True))
    return f"{title} {way}: {parts}."
