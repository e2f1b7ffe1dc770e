"""The way back: how far silent patients come, why no further, and credit beside the holdouts."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise

import pandas as pd

from attribution import queries, step_queries
from attribution.metrics import definition, ratio
from attribution.models import MODELS
from attribution.models.gain import together
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.step_queries import GROUPS, STAGES
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table, View, measured, records, table_of
from attribution.ui.views.reactivation import SILENCES, TOO_EARLY

QUESTION = "Where on the way back are silent patients lost, and why?"
PROTECTED = (
    "How far each silent patient came, and why no further, is told in groups of a few people, so "
    "this is for readers who have the role analyst."
)
STATES = ("active", "due", "overdue", "lapsed", "lost", "open loop", "no recall")
# Why somebody came no further, as the table says it.
REASONS: Mapping[str, str] = {
    "visit ahead": "Had a visit ahead",
    "not due": "Not due yet by the lapse rules",
    "no recall": "Service line without recall, no care left open",
    "no address": "No e-mail or phone known",
    "opted out": "Opted out of marketing",
    "no permission": "No permission for marketing on record",
    "held out": "Held out, to measure",
    "not sent": "Assigned, but no message left",
    "capped": "Had as many messages as are allowed",
    "not chosen": "Chosen by no campaign",
    "bounced": "Bounced",
    "no word of it": "Nothing told of its arrival",
    "unsubscribed": "Unsubscribed",
    "no response": "No response",
    "did not book": "Responded, did not book",
    "visit still ahead": "Visit still ahead",
    "kept later": "Kept after 90 days",
    "missed it": "Missed the visit",
    "cancelled it": "Cancelled",
    "not kept": "Not kept",
    "no second visit": "No second visit",
    "too early": "Not yet: too early to tell",
}
_ORDERS = {"state": STATES, "months_silent": SILENCES}
_TITLES = {
    "state": "Lapse",
    "service_line": "Service line",
    "months_silent": "Months silent",
    "campaign": "Campaign",
    "channel": "Channel",
}
_CONSENTED = (
    "Who was assigned by a campaign had consented as far as the system knew that assigned them. Of "
    "the others a permission for marketing by any channel counts, as last given and not taken back."
)
_IN_TURN = (
    "Stages come in turn: who responded or booked though their message did not arrive stays at "
    "Contacted here, so the later stages may hold a few fewer than the numbers above."
)
_BROUGHT = (
    "Brought: collected within 180 days of the assignment, treated less held out, of cohorts since "
    "the campaign first held somebody out."
)
_ASSIGNED = "Only of those of these months alone are credited and brought of the same people."
_HELP = {"state": "What the lapse rules made of the silence when the patient was looked at."}
MAX_ROWS = 14


@lru_cache(maxsize=64)
def way_back(home: Home, generation: int, scope: Scope, *, protected: bool) -> View:
    """The section's view of one generation; built once for each scope."""
    return build(queries.marts(home, generation, protected=protected), scope)


def build(marts: Marts, scope: Scope) -> View:
    """The funnel with its reasons, by group, and what campaigns brought beside their credit."""
    currency = queries.about(marts).currency
    if marts.protected:
        return View(QUESTION, currency=currency, empty=PROTECTED)
    found = step_queries.steps(marts, scope)
    if found.empty:
        return View(
            QUESTION, currency=currency, empty="Nobody fell silent here. Choose a longer period."
        )
    tables = {"way_back": stages(found), "drops": drops(found)}
    tables |= {f"way_{name}": _grouped(found, name) for name in GROUPS}
    figures = {"way_back": figure(tables["way_back"].frame, tables["drops"].frame)}
    remark = ""
    gains = step_queries.gains(marts, scope, currency)
    gains = gains.assign(campaign=gains["campaign"].map(formats.title))
    if not gains.empty:
        tables["gains"] = _gains_table(gains, scope)
        figures["gains"] = _gains_figure(gains, scope, currency)
        remark = disagreement(gains, MODELS[scope.model].title, currency)
    return View(
        QUESTION,
        figures=figures,
        tables=tables,
        remark=remark,
        notes=(
            _CONSENTED,
            _IN_TURN,
            f"{_BROUGHT} Credited: by {MODELS[scope.model].title}, from the first of these on.",
            *_not_judged(gains),
        ),
        currency=currency,
    )


def stages(found: pd.DataFrame) -> Table:
    """How many came to each stage: everybody whose furthest stage is that or a later one."""
    counts = _reached(found)
    steps: list[float | None] = [None]
    steps += [ratio(now, before) for before, now in pairwise(counts)]
    of_silent = [ratio(count, counts[0]) for count in counts]
    coming = found[(found["reason"] == "too early") & (found["reached"] == len(STAGES) - 1)]
    if counts[-2] and coming["people"].sum() == counts[-2]:  # nobody could be retained by now
        steps[-1] = of_silent[-1] = None
    frame = pd.DataFrame(
        {
            "stage": [definition(f"way_{stage}").title for stage in STAGES],
            "people": counts,
            "of_previous": steps,
            "of_silent": of_silent,
        }
    ).astype({"people": "int64", "of_previous": "float64", "of_silent": "float64"})
    columns = (
        Column("stage", "Stage"),
        Column("people", "People", "count", "Each counted once a campaign, or once left alone."),
        Column("of_previous", "Of the stage before", "rate", "Step rate."),
        Column("of_silent", "Of all silent", "rate", "Share of those silent."),
    )
    return Table("The way back", columns, frame)


def drops(found: pd.DataFrame) -> Table:
    """Why people came no further than each stage; of a stage the rows add up to its drop."""
    lost = found[found["reached"] < len(STAGES)]
    frame = lost.groupby(["reached", "reason"], as_index=False)[["people"]].sum()
    order = {reason: place for place, reason in enumerate(REASONS)}
    frame["place"] = frame["reason"].map(order)
    frame = frame.sort_values(["reached", "people", "place"], ascending=[True, False, True])
    whole = frame["reached"].map(dict(enumerate(_reached(found), start=1)))
    columns = (
        Column("stage", "Came as far as"),
        Column("people", "People", "count", "People who came as far and no further."),
        Column("share", "Of the stage", "rate", "Share of those who came that far."),
        Column("reason", "Why no further"),
    )
    rows = frame.assign(
        stage=[definition(f"way_{STAGES[reached - 1]}").title for reached in frame["reached"]],
        reason=[REASONS.get(reason, formats.title(reason)) for reason in frame["reason"]],
        share=frame["people"] / whole,
    )
    return Table("Where and why", columns, rows[[c.name for c in columns]].reset_index(drop=True))


def disagreement(gains: pd.DataFrame, model: str, currency: str) -> str:
    """Credit beside the holdouts in one sentence, of campaigns of these months alone; or none."""
    judged = gains[gains["alone"]]
    if judged.empty:
        return ""
    total, low, high = together(judged)
    credited = float(judged["credited"].sum())
    money = [formats.money(value, currency) for value in (credited, total, low, high)]
    which = "these campaigns" if len(judged) == len(gains) else "campaigns of these months alone"
    said = (
        f"{model} credits {money[0]} to {which}; against their holdouts they brought "
        f"{money[1]} (95%: {money[2]} to {money[3]})"
    )
    if credited < low:
        return f"{said}, so credit tells too little of what they do."
    if credited > high:
        return f"{said}, so credit tells too much: many would have come anyway."
    return f"{said}: the two agree as far as the holdouts can tell."


def _not_judged(gains: pd.DataFrame) -> tuple[str, ...]:
    """That of campaigns which go on in other months credit and holdout are of other people."""
    others = len(gains) - int(gains["alone"].sum())
    if not others:
        return ()
    which = f"{others} of {len(gains)} campaigns" if len(gains) > 1 else "The one campaign"
    return (
        (
            f"{which} assigned people in other months too: credited is of all of them since the "
            "first month here, brought is of these months only, so the two are not compared."
        ),
    )


def _reached(found: pd.DataFrame) -> list[int]:
    furthest = found.groupby("reached")["people"].sum()
    return [int(furthest[furthest.index >= stage].sum()) for stage in range(1, len(STAGES) + 1)]


def _grouped(found: pd.DataFrame, name: str) -> Table:
    rows = [(value, *_reached(group)) for value, group in found.groupby(name) if value]
    frame = pd.DataFrame(rows, columns=[name, *STAGES])
    if name in _ORDERS:
        places = {value: place for place, value in enumerate(_ORDERS[name])}
        frame = frame.assign(order=frame[name].map(places)).sort_values("order")
    else:
        frame = frame.sort_values(["silent", name], ascending=[False, True])
    if name in ("state", "service_line", "campaign"):
        frame[name] = frame[name].map(formats.title)
    columns = (
        Column(name, _TITLES[name], "text", _HELP.get(name, "")),
        *(measured(f"way_{stage}", "") for stage in STAGES),
    )
    shown = frame[[name, *STAGES]].reset_index(drop=True)
    shown.columns = [column.name for column in columns]
    return Table(_TITLES[name], columns, shown)


def figure(counted: pd.DataFrame, lost: pd.DataFrame) -> Figure:
    """How many came how far, and in words where most stop."""
    rows = records(counted)
    texts, hovers = [], []
    for row in rows:
        step = "" if pd.isna(row["of_previous"]) else f"  ·  {formats.rate(row['of_previous'])}"
        texts.append(f"{formats.count(row['people'])}{step}")
        why = [
            f"{formats.count(each['people'])} {each['reason'][:1].lower()}{each['reason'][1:]}"
            for each in records(lost[lost["stage"] == row["stage"]].head(4))
        ]
        hovers.append("<br>".join([f"<b>{row['stage']}</b> {formats.count(row['people'])}", *why]))
    # Of whom it is too early to tell, nobody is lost yet.
    early = lost["reason"] == REASONS["too early"]
    over = lost[~early]
    worst = records(over.sort_values("people", ascending=False).head(1))
    first, last = rows[0], rows[-2]
    said = (
        f"Of {formats.count(first['people'])} silent, {formats.count(last['people'])} "
        f"{'was' if last['people'] == 1 else 'were'} contacted and kept a visit."
    )
    coming = lost.loc[early & (lost["stage"] == last["stage"]), "people"].sum()
    if coming:
        if coming == last["people"]:  # nobody could be retained by now
            texts[-1] = TOO_EARLY
        said += f" Of {formats.count(coming)} it is too early to tell whether they are retained."
    if worst:
        said += (
            f" Most often they stop at {worst[0]['stage'].lower()}: "
            f"{worst[0]['reason'][:1].lower()}{worst[0]['reason'][1:]} "
            f"({formats.count(worst[0]['people'])})."
        )
    return Figure(
        "The way back",
        charts.bars(
            [row["stage"] for row in rows],
            [float(row["people"]) for row in rows],
            texts,
            [charts.colour(1)] * len(rows),
            hovers,
        ),
        said,
        "Each stage holds part of the one before; the share is of the stage before. What is "
        "missing from one to the next is the sum of the reasons below it.",
        "way_back",
    )


def _gains_table(gains: pd.DataFrame, scope: Scope) -> Table:
    ends = "One end of the 95% interval."
    columns = (
        Column("campaign", "Campaign"),
        Column("channel", "Channel"),
        Column("treated", "Treated", "count", "People assigned and not held out."),
        Column("held_out", "Holdout", "count", "People kept out to compare with."),
        Column("credited", "Credited", "money", f"Collected, credited by {_model(scope)}."),
        measured("brought"),
        Column("low", "Low", "money", ends),
        Column("high", "High", "money", ends),
        Column("assigned", "Assigned", "text", _ASSIGNED),
    )
    assigned = gains["alone"].map({True: "in these months only", False: "in other months too"})
    return table_of("Credited and brought", columns, gains.assign(assigned=assigned))


def _gains_figure(gains: pd.DataFrame, scope: Scope, currency: str) -> Figure:
    drawn = gains.head(MAX_ROWS)
    hovers = [
        f"<b>{formats.label(row['campaign'])}</b><br>"
        f"brought {formats.money(row['brought'], currency)} "
        f"({formats.money(row['low'], currency)} to {formats.money(row['high'], currency)})<br>"
        f"credited {formats.money(row['credited'], currency)}"
        f"{'' if row['alone'] else ', of other months too'}<br>"
        f"{formats.count(row['treated'])} treated, {formats.count(row['held_out'])} held out"
        for row in records(drawn)
    ]
    within = (drawn["credited"] >= drawn["low"]) & (drawn["credited"] <= drawn["high"])
    judged = within[drawn["alone"]]
    return Figure(
        "Credited, and brought against holdout",
        charts.beside(
            [formats.short_label(name) for name in drawn["campaign"]],
            (
                "Against holdout, 95%",
                drawn["brought"].tolist(),
                drawn["low"].tolist(),
                drawn["high"].tolist(),
            ),
            ("Credited", drawn["credited"].tolist()),
            hovers,
            sign=formats.symbol(currency),
        ),
        _agree(int(judged.sum()), len(judged)),
        f"{definition('brought').help} The diamond is what {_model(scope)} credits.",
        "gains",
    )


def _agree(inside: int, campaigns: int) -> str:
    if not campaigns:
        return "No campaign is of these months alone, so none is compared with its credit."
    if campaigns == 1:
        lies = "lies within" if inside else "does not lie within"
        return f"The credit of the one campaign {lies} what its holdout shows."
    return f"Of {campaigns} campaigns the credit of {inside} lies within what the holdout shows."


def _model(scope: Scope) -> str:
    return MODELS[scope.model].title
