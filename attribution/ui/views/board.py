"""The board's summary: five numbers against the period before, where money works, what changed."""

from dataclasses import dataclass
from functools import lru_cache
from math import isclose

from attribution import queries
from attribution.metrics import ratio
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.ui import formats
from attribution.ui.view import Metric, Table, View, records
from attribution.ui.views.channels import UNKNOWN
from attribution.ui.views.channels import build as channels
from attribution.ui.views.overview import build as overview
from attribution.ui.views.returns import MODELLED

QUESTION = "Does marketing bring patients at a price that pays, and what changed?"
HEADLINE = (
    *("spend", "leads", "new_patients", "collected", "blended_cac", "blended_roas"),
    *("booked", "kept"),
)
LEAST_SHARE = 0.02  # of all spend, to be named
STEADY = 0.02  # a change of less is none
_TOGETHER = (
    "Weeks with fewer than eleven people are told together with others, in the first week of four: "
    "it stands too high, and nought after it means no more than that."
)

# Where small cells are folded, whether it is late or of too few people is not told either.
_UNTOLD = {
    True: "of too few people to be told, or not reported yet",
    False: "not reported yet",
}


@dataclass(frozen=True, slots=True)
class BoardView(View):
    """A view that says what its numbers say."""

    sentences: tuple[str, ...] = ()


@lru_cache(maxsize=32)
def board(home: Home, generation: int, scope: Scope, *, protected: bool) -> BoardView:
    """The view of one generation; built once for each scope."""
    return build(queries.marts(home, generation, protected=protected), scope)


def build(marts: Marts, scope: Scope) -> BoardView:
    """The numbers of Overview and the returns of Channels, and three sentences on them."""
    whole = overview(marts, scope)
    if whole.empty:
        return BoardView(QUESTION, currency=whole.currency, empty=whole.empty)
    paying = channels(marts, scope)
    known = {each.name: each for each in whole.metrics}
    tables = {"weekly": _oldest_first(whole.tables["weekly"])}
    if not paying.empty:
        tables |= {name: paying.tables[name] for name in ("channels", "returns")}
        tables["paying"] = _paying(tables["channels"])
    return BoardView(
        QUESTION,
        metrics=tuple(known[name] for name in HEADLINE),
        figures={
            "demand": whole.figures["demand"],
            **({} if paying.empty else {"return": paying.figures["return"]}),
        },
        tables=tables,
        sentences=(
            growth(known, whole.currency, protected=marts.protected),
            price(known, whole.currency, protected=marts.protected),
            money_works(tables, scope, whole.currency),
        ),
        notes=(*([_TOGETHER] if marts.protected else []), *whole.notes),
        currency=whole.currency,
    )


def growth(known: dict[str, Metric], currency: str, *, protected: bool = False) -> str:
    """How patients and money changed, in one sentence; where they are not told, that and why."""
    people, money = known["new_patients"], known["collected"]
    now = f"{formats.count(people.value)} new patients came"
    if people.value is None:
        now = f"The number of new patients is {_UNTOLD[protected]},"
    paid = f"{formats.money(money.value, currency)} was collected"
    if money.value is None:
        paid = f"the money collected is {_UNTOLD[protected]}"
    spend = known["spend"]
    if spend.value is not None and spend.before is None:  # its weeks are known, but for late ones
        return f"{now} and {paid}; there is no equally long period before to compare with."
    if spend.value is None and people.before is None and money.before is None:
        return f"{now} and {paid}."
    if people.value is not None:
        now += f", {changed(people)},"
    if money.value is not None:
        paid += f", {changed(money)}"
    return f"{now} and {paid}."


def price(known: dict[str, Metric], currency: str, *, protected: bool = False) -> str:
    """What a patient cost, and how that changed, in one sentence; without a price, why."""
    cost, back = known["blended_cac"], known["blended_roas"]
    if cost.value is None:
        return _no_price(known, protected=protected)
    said = f"A new patient cost {formats.money(cost.value, currency)} of media"
    if cost.before is not None:
        said += f", {changed(cost)}"
    if back.value is None:
        return f"{said}; the money collected is {_UNTOLD[protected]}."
    return f"{said}; each {formats.symbol(currency)}1 of it stands beside {_back(back, currency)}."


def _no_price(known: dict[str, Metric], *, protected: bool) -> str:
    people = known["new_patients"].value
    if known["spend"].value is None:
        return "Spend is not reported yet, so what a new patient cost is not known."
    if not known["spend"].value:
        return "There was no spend, so a new patient has no price."
    if people is None:
        untold = f"The number of new patients is {_UNTOLD[protected]}"
        return f"{untold}, so what one of them cost is not told."
    none = "There was no spend in the weeks that are reported" if people else "Nobody new came"
    return f"{none}, so a new patient has no price."


def money_works(tables: dict[str, Table], scope: Scope, currency: str) -> str:
    """Which paid channels are credited with most and least for their money, in one sentence."""
    frame = tables["channels"].frame if "channels" in tables else None
    if frame is None or not float(frame["spend"].sum()):
        return "No channel had spend in this period."
    known = frame[~frame["channel"].isin(UNKNOWN) & frame["roas"].notna()]
    known = known[known["spend"] >= LEAST_SHARE * float(frame["spend"].sum())]
    untracked = _untracked(tables)
    partly = bool(
        frame.loc[~frame["channel"].isin(untracked) & (frame["spend"] > 0), "roas"].isna().any()
    )
    known = known[~known["channel"].isin(untracked)].sort_values("roas", ascending=False)
    if known.empty:
        return "Of no channel with much spend is enough known to tell what it returns."
    best, worst = records(known)[0], records(known)[-1]
    model = MODELS[scope.model].title
    few = "of the channels of which enough people are known, " if partly else ""
    said = (
        f"By {model}, {few}{formats.title(best['channel'])} returns most: {_cost(best, currency)}"
    )
    if best["channel"] == worst["channel"]:
        return f"{said}."
    return f"{said}; {formats.title(worst['channel'])} least: {_cost(worst, currency)}."


def changed(metric: Metric) -> str:
    """A number against the period before, in words."""
    if metric.before is None:
        return "after too few before to be told"
    if metric.before < 0:  # more was paid back than collected
        return "after less than none before"
    share = ratio(metric.value, metric.before)
    if share is None:
        return "after none before"
    if abs(share - 1) < STEADY:
        return "about as before"
    word = "more" if share > 1 else "less"
    word = {"new_patients": {"less": "fewer"}}.get(metric.name, {}).get(word, word)
    return f"{formats.rate(abs(share - 1))} {word} than in the period before"


def _cost(row: dict[str, float], currency: str) -> str:
    said = formats.ratio(row["roas"])
    # Where the ratio counts less than the amounts, these would come to another.
    if not isclose(row["roas"] * row["spend"], row["collected"], rel_tol=1e-9, abs_tol=1e-6):
        return said
    spent, back = (formats.money(row[name], currency) for name in ("spend", "collected"))
    return f"{back} for {spent} ({said})"


def _back(metric: Metric, currency: str) -> str:
    return f"{formats.money(metric.value, currency)} collected"


def _untracked(tables: dict[str, Table]) -> set[str]:
    frame = tables["returns"].frame
    return set(frame.loc[frame["evidence"] == MODELLED, "channel"])


def _paying(whole: Table) -> Table:
    """The channels with spend, with what a board asks of them."""
    names = ("channel", "spend", "new_patients", "cac", "collected", "roas", "roi")
    columns = {column.name: column for column in whole.columns}
    frame = whole.frame[whole.frame["spend"] > 0][list(names)].reset_index(drop=True)
    return Table("Where money works", tuple(columns[name] for name in names), frame)


def _oldest_first(weekly: Table) -> Table:
    frame = weekly.frame.sort_values("week", ignore_index=True)
    return Table(weekly.title, weekly.columns, frame)
