"""Service lines: from leads to money in each, at what cost, how sure, and by which channels."""

from dataclasses import replace
from functools import lru_cache

import pandas as pd

from attribution import queries, report_queries
from attribution.cohort_queries import cohorts_by_week
from attribution.metrics import definition, ratio
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.ui import formats
from attribution.ui.view import Column, Metric, Table, View, measured, records
from attribution.ui.views import arriving
from attribution.ui.views.channels import UNKNOWN
from attribution.ui.views.lines import lines
from attribution.ui.views.notes import UNASSIGNED
from attribution.ui.views.overview import build as overview

QUESTION = "Which service lines grow, at what price, and who brings their patients?"
SHOWN = (
    *("spend", "leads", "line_cpl", "booked", "kept", "kept_of_booked"),
    *("new_patients", "blended_cac"),
    *("collected", "blended_roas", "line_roi"),
)
RATES = (
    *("leads_that_booked", "leads_that_came", "maturity"),
    *("line_show_rate", "booked_ahead"),
)
TOP = 3


@lru_cache(maxsize=32)
def service_lines(home: Home, generation: int, scope: Scope, *, protected: bool) -> View:
    """The view of one generation; built once for each scope."""
    return build(queries.marts(home, generation, protected=protected), scope)


def build(marts: Marts, scope: Scope) -> View:
    """Tables `lines`, `rates` and `channels`; the first is that of Overview, with more ratios."""
    whole = overview(marts, scope)
    if whole.empty:
        return View(QUESTION, currency=whole.currency, empty=whole.empty)
    names = {formats.title(name): name for name in (*queries.service_lines(marts), UNASSIGNED)}
    ends = arriving.unreported(marts, scope)
    every = lines(marts, scope, queries.about(marts), ends)
    every["service_line"] = every["service_line"].map(formats.title)
    placed = every[every["service_line"] != formats.title(UNASSIGNED)]
    return View(
        QUESTION,
        metrics=_metrics(placed, whole),
        tables={
            "lines": _table("Service lines", every, SHOWN, whole.tables["service_lines"].note),
            "rates": _known_rates(_rates(marts, scope, placed, names)),
            "channels": _channels(marts, scope, whole.currency),
        },
        notes=(*_notes(marts, scope), *whole.notes),
        currency=whole.currency,
    )


def _table(title: str, frame: pd.DataFrame, shown: tuple[str, ...], note: str = "") -> Table:
    columns = (Column("service_line", "Service line"), *map(measured, shown))
    return Table(title, columns, frame[[c.name for c in columns]].reset_index(drop=True), note)


def _rates(marts: Marts, scope: Scope, lines: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """How far the leads of each line come, and how its appointments went, in the period."""
    gone_on, kept = _gone_on(marts, scope), _kept(marts, scope)
    rows = []
    for row in records(lines):
        name = names.get(row["service_line"], "")
        found = gone_on.get(name, {}) | kept.get(name, {})
        rows.append({"service_line": row["service_line"], **found})
    frame = pd.DataFrame(rows, columns=["service_line", *RATES])
    return frame.astype(dict.fromkeys(RATES, "float64"))


def _known_rates(frame: pd.DataFrame) -> Table:
    """The rates of which anything is known; no rows where that is none."""
    shown = tuple(name for name in RATES if frame[name].notna().any())
    return _table("How patients go on", frame if shown else frame.head(0), shown or RATES)


def _kept(marts: Marts, scope: Scope) -> dict[str, dict[str, float | None]]:
    """How many appointments of the scope's weeks were kept, and how long they had been booked."""
    return {
        row["service_line"]: {
            "line_show_rate": ratio(row["kept"], row["kept"] + row["missed"]),
            "booked_ahead": ratio(row["days_ahead"], row["ahead"]),
        }
        for row in records(report_queries.appointments_of_lines(marts, scope))
    }


def _gone_on(marts: Marts, scope: Scope) -> dict[str, dict[str, float | None]]:
    """How many of the scope's leads have gone on so far, and how much of it is in, by line."""
    found = {}
    for name in queries.service_lines(marts):
        frame = cohorts_by_week(
            marts, replace(scope, service_lines=(name,)), "lead", "booked", "new_patient"
        )
        sums = frame.groupby("kind_to")[["entered", "arrived", "expected"]].sum()
        by_kind = sums.to_dict("index")
        if not {"booked", "new_patient"} <= by_kind.keys():
            continue
        booked, came = by_kind["booked"], by_kind["new_patient"]
        found[name] = {
            "leads_that_booked": ratio(float(booked["arrived"]), float(booked["entered"])),
            "leads_that_came": ratio(float(came["arrived"]), float(came["entered"])),
            "maturity": ratio(float(came["arrived"]), float(came["expected"])),
        }
    return found


def _channels(marts: Marts, scope: Scope, currency: str) -> Table:
    """The channels that are given most of each line."""
    frame = report_queries.channels_of_lines(marts, scope, currency)
    whole = frame.groupby("service_line")["conversions"].transform("sum")
    frame = frame.assign(share_of_line=frame["conversions"] / whole.where(whole > 0))
    order = ["service_line", "conversions", "channel"]
    frame = frame.sort_values(order, ascending=[True, False, True])
    known = ~frame["channel"].isin(UNKNOWN) & (frame["service_line"] != UNASSIGNED)
    frame = frame[known].groupby("service_line").head(TOP)
    titled = {name: frame[name].map(formats.title) for name in ("service_line", "channel")}
    columns = (
        Column("service_line", "Service line"),
        Column("channel", "Channel"),
        Column("conversions", "Credited", "number", definition("conversions").help),
        measured("share_of_line"),
    )
    frame = frame.assign(**titled)[[c.name for c in columns]].reset_index(drop=True)
    empty = "By service line credit is of few people: it is in reports that stay inside only."
    return Table("Channels that bring most of each line", columns, frame, empty=empty)


def _metrics(lines: pd.DataFrame, whole: View) -> tuple[Metric, ...]:
    """The headline numbers of Overview that a service line has too."""
    kept = ("spend", "leads", "new_patients", "collected", "blended_cac", "blended_roas")
    return tuple(each for each in whole.metrics if each.name in kept) if len(lines) else ()


def _notes(marts: Marts, scope: Scope) -> tuple[str, ...]:
    notes = [("Costs of a line set its spend against all that it did, whatever brought it.")]
    if marts.protected:
        notes.append(
            "How much of the newest leads is still to come, show rates, and which channels bring a "
            "line, are told in reports that stay inside only."
        )
    else:
        notes.append(
            f"Channels are credited by {MODELS[scope.model].title}. Maturity: new patients so far "
            "÷ those expected of the leads of the period."
        )
    return tuple(notes)
