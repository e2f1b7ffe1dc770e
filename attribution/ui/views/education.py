"""Education: whom tips, pollen warnings and doctors' videos reach, who answers, what they bring."""

from functools import lru_cache
from typing import Any

import pandas as pd

from attribution import engagement_queries, queries
from attribution.engagement_queries import TAUGHT
from attribution.metrics import definition
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.ui import charts, formats
from attribution.ui.scope import before
from attribution.ui.view import Figure, Table, View, records
from attribution.ui.views import after_messages as after
from attribution.ui.views import message_counts as counted
from attribution.ui.views.engagement import TOLD_OF_NONE
from attribution.ui.views.message_report import report

QUESTION = "Whom do tips, warnings and videos reach, and do they help?"
CONNECT = (
    "No wellness tip, pollen warning or video was sent yet. Approve one of the flows "
    "wellness_tips, pollen_warning and doctor_video (docs/outreach.md), or connect the system that "
    "sends them: a flow is one of these by its name (docs/engagement.md)."
)
TOLD_TO_NOBODY = (
    "No tips, warnings or videos reached enough people in four weeks to be told of without small "
    "cells. Readers with the role analyst see all of it."
)
TOPICS = {"tips": "Wellness tips", "pollen": "Pollen warnings", "video": "Doctors' videos"}


@lru_cache(maxsize=128)
def education(home: Home, generation: int, scope: Scope, *, protected: bool) -> View:
    """The page's view of one generation; built once for each scope."""
    return build(queries.marts(home, generation, protected=protected), scope)


def build(marts: Marts, scope: Scope) -> View:
    """The page's view: reach and response in the period, and what people did within 90 days."""
    about, folded = queries.about(marts), marts.protected
    sent, effects = _taught(marts, scope), engagement_queries.effects(marts)
    told = engagement_queries.lifts(marts)
    span = formats.weeks(scope.since, scope.until, scope.weeks)
    if sent.empty and effects.empty and told.empty:
        empty = TOLD_TO_NOBODY if marts.protected else CONNECT
        return View(QUESTION, currency=about.currency, empty=empty)
    if sent.empty:
        empty = f"No tip, warning or video was sent in {span}. Choose a longer period."
        if folded:
            empty = f"{span}: {TOLD_OF_NONE}"
        return View(QUESTION, currency=about.currency, empty=empty)
    earlier = before(scope, about)
    then = None if earlier is None else _taught(marts, earlier)
    lifts = after.told_lifts(told) if folded else after.lifts(effects)
    tables = {
        "flows": counted.table("By flow", sent, ["flow", "channel"], folded=folded),
        "weeks": counted.weekly(sent, scope, about.weeks_together, folded=folded),
        **({} if folded else {"people": after.people(effects)}),
        "effects": lifts,
    }
    return View(
        QUESTION,
        metrics=(
            *counted.metrics(
                sent, then, folded=folded, only=("messages_sent", "response_rate", "opt_out_rate")
            ),
            *after.headline(lifts),
        ),
        figures=_figures(sent, tables, scope, about.weeks_together),
        tables=tables | {"report": report(tables, sent, folded=folded, more=("arm", "outcome"))},
        notes=_notes(span, effects, folded=folded),
        currency=about.currency,
    )


def _taught(marts: Marts, scope: Scope) -> pd.DataFrame:
    sent = engagement_queries.messages(marts, scope)
    return sent[sent["topic"].isin(TAUGHT)].reset_index(drop=True)


def _figures(
    sent: pd.DataFrame, tables: dict[str, Table], scope: Scope, together: int
) -> dict[str, Figure]:
    by_topic = {
        words: counted.weekly(sent[sent["topic"] == topic], scope, together, folded=together > 1)
        for topic, words in TOPICS.items()
        if (sent["topic"] == topic).any()
    }
    weeks = tables["weeks"].frame.sort_values("week")
    lines = {
        words: counted.line(table.frame.sort_values("week")["sent"])
        for words, table in by_topic.items()
    }
    whole = formats.several(
        f"{formats.count(table.frame['sent'].sum())} {words.lower()}"
        for words, table in by_topic.items()
    )
    figures = {
        "weeks": Figure(
            "Sent by week",
            charts.weekly_lines([f"{week:%Y-%m-%d}" for week in weeks["week"]], lines),
            f"{whole}.",
            definition("messages_sent").help,
            "weeks",
        ),
        "flows": _flows(tables["flows"].frame),
    }
    drawn = tables["effects"].frame
    drawn = drawn[drawn["outcome"].isin([after.MEASURED["returned"], after.MEASURED["booked"]])]
    if len(drawn):
        figures["lift"] = _lift(drawn)
    if "people" in tables and len(tables["people"].frame):
        figures["people"] = _did(tables["people"].frame)
    return figures


def _flows(rows: pd.DataFrame) -> Figure:
    drawn = rows.head(counted.MAX_ROWS)
    labels = [
        formats.short_label(f"{formats.title(row['flow'])} · {formats.title(row['channel'])}")
        for row in records(drawn)
    ]
    said = formats.several(
        f"{formats.rate(row['response_rate'])} of {formats.title(row['flow'])} by "
        f"{formats.title(row['channel'])}"
        for row in records(drawn.dropna(subset=["response_rate"]).head(3))
    )
    said = f"Answered: {said}." if said else "None of these arrived."
    return counted.response_bars(drawn, labels, "Answered, by flow", said, "flows")


def _lift(drawn: pd.DataFrame) -> Figure:
    rows = records(drawn)
    labels = [
        formats.short_label(f"{formats.title(row['flow'])}: {row['outcome'].lower()}")
        for row in rows
    ]
    hovers = [
        f"<b>{label}</b><br>{formats.points(row['effect'])} ({formats.points(row['low'])} to "
        f"{formats.points(row['high'])}){_between(row)}"
        for label, row in zip(labels, rows, strict=True)
    ]
    kept = [row for row in rows if row["outcome"] == after.MEASURED["returned"]]
    said = formats.several(
        f"{formats.title(row['flow'])} {formats.points(row['effect'])} "
        f"({formats.points(row['low'])} to {formats.points(row['high'])})"
        for row in kept
    )
    effects, lows, highs = ([float(row[end]) for row in rows] for end in ("effect", "low", "high"))
    return Figure(
        "Lift against those held out",
        charts.intervals(labels, effects, lows, highs, hovers),
        f"Share of people with a kept visit within 90 days, written to less held out: {said}. "
        f"Grey where the 90% interval includes nought.{''.join(map(after.turned, kept))}",
        definition("flow_lift").help,
        "effects",
    )


def _between(row: dict[str, Any]) -> str:
    """Of how many people a lift is, where that may be said."""
    if "people_treated" not in row:
        return ""
    written, held = (formats.count(row[f"people_{arm}"]) for arm in ("treated", "held_out"))
    return f"<br>{written} written to, {held} held out"


def _did(rows: pd.DataFrame) -> Figure:
    every = records(rows)
    labels = [
        formats.short_label(f"{formats.title(row['flow'])}, {row['arm'].lower()}") for row in every
    ]
    shares = [row["kept_share"] or 0.0 for row in every]
    hovers = [
        f"<b>{label}</b><br>{formats.rate(row['kept_share'])} of {formats.count(row['people'])} "
        f"people kept a visit, {formats.rate(row['booked_share'])} booked"
        for label, row in zip(labels, every, strict=True)
    ]
    said = formats.several(
        f"{formats.rate(row['kept_share'])} of {formats.title(row['flow'])} ({row['arm'].lower()})"
        for row in every
    )
    return Figure(
        "Kept a visit within 90 days",
        charts.bars(
            labels,
            shares,
            [formats.rate(share) for share in shares],
            [
                charts.GREY if row["arm"] == after.ARMS["holdout"] else charts.colour(1)
                for row in every
            ],
            hovers,
        ),
        f"{said}. Grey are people who were held out; without them nobody can say who would have "
        "come anyway.",
        definition("flow_returned").help,
        "people",
    )


def _notes(span: str, effects: pd.DataFrame, *, folded: bool) -> tuple[str, ...]:
    notes = [f"Reach and answers are of {span}; what people did and what it added are of all data."]
    if folded:
        notes.append(
            "Flows that reached few people in four weeks are left out, and a person counts once "
            "for each flow, channel and four weeks. How many people booked or kept a visit after "
            "each flow is for readers with the role analyst."
        )
    untested = sorted(set(effects["flow"]) - set(effects.loc[effects["arm"] == "holdout", "flow"]))
    if untested:
        named = formats.several(map(formats.title, untested))
        notes.append(
            f"Nobody is held out of {named}: care is kept from nobody to measure it. "
            "What people did afterwards is told, not what the messages added."
        )
    return tuple(notes)
