"""Who to reach next: silent people in groups, by what a message to them adds for its cost."""

from functools import lru_cache

import pandas as pd

from attribution import queries, return_queries
from attribution.metrics import definition
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.return_queries import CHANNELS
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, View, measured, records, table_of
from attribution.ui.views.reactivation import SILENCES

QUESTION = "Whom to reach next?"
PROTECTED = "Many groups are of few people, so this is for readers who have the role analyst."
_LITTLE = 30  # held-out people below which a lift is called thinly tested


@lru_cache(maxsize=64)
def reach(
    home: Home, generation: int, scope: Scope, budget: float | None, *, protected: bool
) -> View:
    """The section's view of one generation; built once for each scope and budget."""
    return build(queries.marts(home, generation, protected=protected), scope, budget)


def build(marts: Marts, scope: Scope, budget: float | None = None) -> View:
    """Groups worth a message, the dearest gain for its cost first, as far as the budget goes."""
    currency = queries.about(marts).currency
    if marts.protected:
        return View(QUESTION, currency=currency, empty=PROTECTED)
    silent = return_queries.silent_today(marts, scope, currency)
    calibration = return_queries.return_calibration(marts)
    if silent.empty:
        return View(QUESTION, currency=currency, empty="Nobody is silent here today.")
    tables = {"silent_today": _silent(silent)}
    figures = {}
    if not calibration.empty:
        tables["calibration"] = _calibration_table(calibration)
        figures["calibration"] = _calibration(calibration)
    lifts = return_queries.return_lift(marts)
    if lifts.empty:
        return View(
            QUESTION,
            figures=figures,
            tables=tables,
            notes=(
                (
                    "No campaign with a holdout is four months old yet, so what a message adds is "
                    "not known. Hold out a tenth of the next one."
                ),
            ),
            currency=currency,
        )
    costs = return_queries.reaching_costs(marts, currency)
    plan = planned(options(silent, lifts, costs), budget)
    tables["plan"] = _plan(plan)
    return View(
        QUESTION,
        metrics=_metrics(plan),
        figures=figures,
        tables=tables,
        notes=_notes(silent, plan, lifts, costs, currency),
        currency=currency,
    )


def options(silent: pd.DataFrame, lifts: pd.DataFrame, costs: dict[str, float]) -> pd.DataFrame:
    """Each group with the channel that gains most of those its people allowed.

    Adds channel, reach, extra, extra_low, extra_high (kept visits), added (their worth), cost and
    gain (what is added less the cost).
    """
    every = silent.melt(
        id_vars=[c for c in silent.columns if c not in CHANNELS.values()],
        value_vars=list(CHANNELS.values()),
        var_name="column",
        value_name="reach",
    )
    every["channel"] = every["column"].map({column: name for name, column in CHANNELS.items()})
    frame = every[every["reach"] > 0].merge(lifts, on=["channel", "months_silent"])
    for name, lift in (("extra", "lift"), ("extra_low", "low"), ("extra_high", "high")):
        frame[name] = frame["reach"] * frame[lift]
    frame["added"] = (frame["extra"] * frame["value"]).fillna(0.0)
    frame["cost"] = frame["reach"] * frame["channel"].map(costs).astype("float64")
    frame["gain"] = frame["added"] - frame["cost"]
    order = ["gain", "months_silent", "service_line", "channel"]
    frame = frame.sort_values(order, ascending=[False, True, True, True])
    return frame.drop_duplicates(["months_silent", "service_line"])


def planned(groups: pd.DataFrame, budget: float | None) -> pd.DataFrame:
    """The groups that are worth their cost, most gained per cost first, within `budget`.

    The last group that the budget reaches is taken in part.
    """
    worth = groups[groups["gain"] > 0]
    per_cost = worth["added"] / worth["cost"].where(worth["cost"] > 0)
    order = worth.assign(per_cost=per_cost.fillna(float("inf")))
    order = order.sort_values(
        ["per_cost", "gain", "months_silent", "service_line"],
        ascending=[False, False, True, True],
        ignore_index=True,
    )
    if budget is None:
        return order
    before = order["cost"].cumsum() - order["cost"]
    share = ((budget - before) / order["cost"].where(order["cost"] > 0)).clip(0, 1).fillna(1.0)
    # Whole people only; all that hangs on their number shrinks alike.
    reach = (order["reach"] * share + 1e-9).astype("int64")
    for name in ("extra", "extra_low", "extra_high", "added", "cost", "gain"):
        order[name] = order[name] * reach / order["reach"]
    order["reach"] = reach
    return order[order["reach"] > 0].reset_index(drop=True)


def _plan(plan: pd.DataFrame) -> Table:
    columns = (
        Column("months_silent", "Months silent"),
        Column("service_line", "Service line"),
        Column("channel", "Channel"),
        Column("reach", "People", "count", "Silent people who allowed marketing by this channel."),
        measured("extra_kept"),
        Column("extra_low", "Extra, low", "count", "One end of the 95% interval."),
        Column("extra_high", "Extra, high", "count", "One end of the 95% interval."),
        Column("added", "Worth", "money", "Extra kept visits times what a return brings."),
        Column("cost", "Cost", "money", "People times what reaching one has cost so far."),
        Column("gain", "Gain", "money", "What the extra visits are worth, less the cost."),
    )
    frame = plan.rename(columns={"extra": "extra_kept"})[[c.name for c in columns]]
    frame = frame.assign(service_line=frame["service_line"].map(formats.title))
    empty = "No group is worth a message: nothing that was tested adds more than it costs."
    return Table("Whom to reach next", columns, frame.reset_index(drop=True), empty=empty)


def _silent(silent: pd.DataFrame) -> Table:
    columns = (
        Column("months_silent", "Months silent"),
        Column("service_line", "Service line"),
        Column("people", "Silent people", "count", "With no visit ahead on the last day."),
        measured("return_chance"),
        measured("return_value"),
        Column("email_people", "Allow e-mail", "count", "Of them, who allowed marketing by it."),
        Column("sms_people", "Allow texts", "count", "Of them, who allowed marketing by it."),
    )
    order = pd.Categorical(silent["months_silent"], SILENCES, ordered=True)
    frame = silent.assign(
        order=order,
        return_chance=silent["returns"] / silent["people"],
        return_value=silent["value"],
    ).sort_values(["order", "service_line"])
    frame["service_line"] = frame["service_line"].map(formats.title)
    frame = frame[[c.name for c in columns]].reset_index(drop=True)
    return Table("Everybody who is silent today", columns, frame)


def _metrics(plan: pd.DataFrame) -> tuple[Metric, ...]:
    values = {
        "reach": plan["reach"].sum(),
        "extra_kept": plan["extra"].sum(),
        "reach_cost": plan["cost"].sum(),
        "reach_gain": plan["gain"].sum(),
    }
    low, high = (formats.count(plan[f"extra_{end}"].sum()) for end in ("low", "high"))
    return tuple(
        Metric(
            name,
            each.title,
            float(value),
            None,
            each.format,
            each.help,
            each.better,
            interval=f"95%: {low} to {high}" if name == "extra_kept" else "",
        )
        for name, value in values.items()
        for each in (definition(name),)
    )


def _calibration_table(calibration: pd.DataFrame) -> Table:
    ends = "One end of the 95% interval of the observed share."
    columns = (
        Column("decile", "Tenth", "count", "The tenth tenth was the likeliest to return."),
        Column("people", "People", "count"),
        Column("predicted", "Expected to return", "rate", definition("return_chance").help),
        Column("observed", "Returned", "rate", "Came unasked within six months."),
        Column("low", "Low", "rate", ends),
        Column("high", "High", "rate", ends),
    )
    return table_of("Expected and observed returns", columns, calibration)


def _calibration(calibration: pd.DataFrame) -> Figure:
    rows = records(calibration)
    hovers = [
        f"<b>Tenth {row['decile']}</b>, {formats.count(row['people'])} people<br>"
        f"expected {formats.rate(row['predicted'])}, returned {formats.rate(row['observed'])} "
        f"({formats.rate(row['low'])} to {formats.rate(row['high'])})"
        for row in rows
    ]
    weights = calibration["people"].to_numpy() / calibration["people"].sum()
    off = float(weights @ (calibration["predicted"] - calibration["observed"]).abs().to_numpy())
    base = float(weights @ calibration["observed"].to_numpy())
    top = rows[-1]["observed"]
    return Figure(
        "Did those return who were expected to?",
        charts.intervals(
            [f"Expected {formats.rate(row['predicted'])}" for row in reversed(rows)],
            [row["observed"] for row in reversed(rows)],
            [row["low"] for row in reversed(rows)],
            [row["high"] for row in reversed(rows)],
            list(reversed(hovers)),
        ),
        f"Half a year before, all who were silent were put into tenths by their chance to return. "
        f"On average {100 * off:.1f} points lie between expected and returned; "
        f"{formats.rate(top)} of the likeliest tenth returned, {formats.rate(base)} of all.",
        definition("return_chance").help,
        "calibration",
    )


def price(cost: float, currency: str) -> str:
    """What reaching a person costs; what would be rounded to nought is not free."""
    return (
        formats.money(cost, currency) if cost >= 0.005 else f"under {formats.money(0.01, currency)}"
    )


def _notes(
    silent: pd.DataFrame,
    plan: pd.DataFrame,
    lifts: pd.DataFrame,
    costs: dict[str, float],
    currency: str,
) -> tuple[str, ...]:
    allowed = silent[list(CHANNELS.values())].max(axis=1).sum()
    known = ", ".join(
        f"{formats.title(channel)} {price(cost, currency)}"
        for channel, cost in costs.items()
        if cost
    )
    notes = [
        (
            f"{formats.count(silent['people'].sum())} people are silent today and have nothing "
            f"booked; some {formats.count(allowed)} of them allowed marketing. A group is reached "
            "by the channel that gains most. Ranked by what a message adds, not by who is "
            "likeliest to return: many of those come unasked."
        ),
        f"Cost of reaching a person so far: {known}."
        if known
        else "What messages cost is not known.",
    ]
    thin = lifts[lifts["held_out"] < _LITTLE].merge(plan, on=["channel", "months_silent"])
    if not thin.empty:
        notes.append(
            "Some groups rest on fewer than 30 held-out people, drawn towards what the others show."
        )
    return tuple(notes)
