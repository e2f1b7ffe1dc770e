"""What stands in each report: the views of the pages, put in order as sections."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pandas as pd

from attribution.metrics import ratio
from attribution.reports.assembling import Asked, document_of, most_of, not_empty, with_news
from attribution.reports.document import MOST, Chart, Document, Section
from attribution.small_cells import OTHER
from attribution.ui import formats
from attribution.ui.view import Column, Table, View
from attribution.ui.views.board import board
from attribution.ui.views.channel_figures import DRAWN, LEAST_SHARE
from attribution.ui.views.channels import UNKNOWN, channels
from attribution.ui.views.notes import UNASSIGNED
from attribution.ui.views.reactivation import reactivation
from attribution.ui.views.service_lines import service_lines
from attribution.ui.views.way_back import way_back


def channel_document(asked: Asked) -> Document:
    """The channel report."""
    view = not_empty(channels(asked.home, asked.generation, asked.scope, protected=asked.protected))
    return with_news(of_channels(view, asked.about), asked)


def of_channels(view: View, about: Mapping[str, str]) -> Document:
    """The numbers of the page Channels as a report."""
    table = view.tables["channels"]
    sections = [
        Section(
            "Channels", table, _spend_and_money(table, view.figures["return"].alt), "All channels"
        ),
        Section("Campaigns", view.tables["campaigns"], totals="All campaigns"),
    ]
    if len(sure := _sure(table)):
        sections[1:1] = [_sureness(table, sure, view.currency)]
    if len(returns := view.tables.get("returns", _NOTHING).frame):
        sections[-1:-1] = [
            Section("Returns", view.tables["returns"], _side_by_side(returns, _worth(table)))
        ]
    return document_of(
        "channels", view, about, sections, headline=view.metrics, csv=view.tables["campaigns"]
    )


def _spend_and_money(table: Table, words: str) -> Chart | None:
    if not (table.frame["spend"] > 0).any():
        return None
    title, said = "Spend and money collected, channels with spend", words.partition(DRAWN)[0]
    return Chart("bars", title, "channel", ("spend", "collected"), said, paid=True)


def _worth(table: Table) -> int:
    """How many channels have spend worth drawing a return on, as far as there is room for them."""
    worth = table.frame["spend"] >= LEAST_SHARE * table.frame["spend"].sum()
    return min(int(worth.sum()), MOST)


def _sure(table: Table) -> pd.DataFrame:
    """The channels of which it is known how sure their credit is; what has no channel is none."""
    if not {"credit_low", "credit_high"} <= set(table.frame):
        return table.frame.head(0)
    frame = table.frame[~table.frame["channel"].isin(UNKNOWN)]
    return frame.dropna(subset=["credit_low"])


def _sureness(table: Table, sure: pd.DataFrame, currency: str) -> Section:
    shown = next(c for c in table.columns if c.name == "credit_low").title.partition(",")[0]
    kind = next(c for c in table.columns if c.title == shown)
    names = ("channel", kind.name, "credit_low", "credit_high")
    columns = tuple(c for c in table.columns if c.name in names)
    columns = tuple(sorted(columns, key=lambda c: names.index(c.name)))
    frame = sure.sort_values(kind.name, ascending=False)
    frame = frame[[c.name for c in columns]].reset_index(drop=True)
    first = frame.iloc[0]
    best, low, high = (_credited(float(first[name]), kind, currency) for name in names[1:])
    words = (
        f"{formats.title(str(first['channel']))} has most: {best}, and with nine chances in ten "
        f"between {low} and {high}."
    )
    chart = Chart("intervals", f"{shown}, with 90% interval", "channel", names[1:], words)
    return Section("How sure", Table(f"How sure: {shown.lower()}", columns, frame), chart)


def _credited(value: float, kind: Column, currency: str) -> str:
    """Credit in words, where a tenth of a conversion tells."""
    if kind.format == "money":
        return formats.money(value, currency)
    return formats.number(round(value, 1) if abs(value) < 100 else value)  # rounded once


def _side_by_side(returns: pd.DataFrame, drawn: int) -> Chart | None:
    # Rows come with most spend first; returns on hardly any would be all that one could see.
    returns = returns.head(drawn)
    names = tuple(n for n in ("credited_roi", "incremental_roi", "mix_roi") if n in returns)
    known = returns[list(names)]
    if not (known.notna().sum(axis=1) >= 1).any():
        return None
    spread = (known.max(axis=1) - known.min(axis=1)).where(known.notna().sum(axis=1) > 1)
    if spread.notna().any():
        widest = formats.title(str(most_of(returns.assign(spread=spread), "spread")["channel"]))
        words = f"The methods differ most on {widest}: there a lift test would tell most."
    else:
        words = "Only one method tells the return of each channel."
    title = f"Net return by {'three' if len(names) > 2 else 'two'} methods"
    return Chart("dots", title, "channel", names, words, most=drawn)


def line_document(asked: Asked) -> Document:
    """The service-line report."""
    view = not_empty(
        service_lines(asked.home, asked.generation, asked.scope, protected=asked.protected)
    )
    lines, rates, brought = (view.tables[name] for name in ("lines", "rates", "channels"))
    words = _collected_most(lines.frame, view.currency)
    sections = [
        Section(
            "Service lines",
            lines,
            Chart(
                "bars", "Spend and money collected", "service_line", ("spend", "collected"), words
            ),
            "All service lines",
        ),
    ]
    if len(rates.frame):
        sections.append(Section("Funnel", rates, _rates(rates)))
    if len(brought.frame):
        sections.append(Section("Top channels", brought, _brought(brought)))
    document = document_of(
        "service-lines", view, asked.about, sections, headline=view.metrics, csv=lines
    )
    return with_news(document, asked)


def _collected_most(lines: pd.DataFrame, currency: str) -> str:
    """Which line collected most; what belongs to none, or is of several together, is no line."""
    none = [formats.title(name) for name in (UNASSIGNED, OTHER)]
    placed = lines[~lines["service_line"].isin(none) & (lines["collected"] > 0)]
    if placed.empty:
        return "Of no service line is any money known that was collected."
    best = most_of(placed, "collected")
    money = formats.money(float(best["collected"]), currency)
    share = formats.rate(ratio(float(best["collected"]), float(lines["collected"].sum())))
    return f"{best['service_line']} collected most: {money}, {share} of all."


def _rates(rates: Table) -> Chart | None:
    if "line_show_rate" not in rates.frame:
        return None
    shown = rates.frame.dropna(subset=["line_show_rate"])
    low = most_of(shown.assign(missed=1 - shown["line_show_rate"]), "missed")
    words = (
        f"Most appointments are missed in {low['service_line']}: "
        f"{formats.rate(1 - float(low['line_show_rate']))} of those kept or missed."
    )
    return Chart("bars", "Show rate", "service_line", ("line_show_rate",), words)


def _brought(brought: Table) -> Chart:
    best = most_of(brought.frame, "share_of_line")
    words = (
        f"No channel is given more of a line than {best['channel']} of {best['service_line']}: "
        f"{formats.rate(float(best['share_of_line']))}."
    )
    title = "Share of each line by channel"
    return Chart("heat", title, "service_line", ("share_of_line",), words, across="channel")


def return_document(asked: Asked) -> Document:
    """The reactivation report."""
    view = not_empty(
        reactivation(asked.home, asked.generation, asked.scope, protected=asked.protected)
    )
    back = way_back(asked.home, asked.generation, asked.scope, protected=asked.protected)
    sections = []
    if "untouched" in view.tables:
        sections.append(Section("Nobody contacted", view.tables["untouched"]))
    if "funnel" in view.tables:
        words = view.figures["funnel"].alt
        chart = Chart("bars", view.figures["funnel"].title, "stage", ("people",), words)
        sections.append(Section("Funnel", view.tables["funnel"], chart))
        sections.append(Section("Campaigns", view.tables["campaigns"], _lift(view)))
    if "rates" in view.figures:
        chart = Chart(
            *("heat", "Kept rate by months of silence", "campaign", ("kept_rate",)),
            view.figures["rates"].alt,
            across="months_silent",
        )
        sections.append(Section("Months of silence", view.tables["rates"], chart))
    sections += _way_back(back)
    remark = (back.remark,) if back.remark else ()
    document = document_of("reactivation", view, asked.about, sections, headline=view.metrics)
    notes = (*document.notes, back.empty) if back.empty else (*document.notes, *back.notes)
    return with_news(replace(document, sentences=remark, notes=notes), asked)


def _lift(view: View) -> Chart | None:
    if not view.tables["campaigns"].frame["lift"].notna().any():
        return None
    names = ("lift", "lift_low", "lift_high")
    return Chart("intervals", "Lift against holdout", "campaign", names, view.figures["lift"].alt)


def _way_back(back: View) -> list[Section]:
    if back.empty:
        return []
    states = back.tables["way_state"]
    found = [
        Section("States", states),
        Section(
            "The way back",
            back.tables["way_back"],
            Chart("bars", "The way back", "stage", ("people",), back.figures["way_back"].alt),
        ),
        Section("Reasons", back.tables["drops"]),
    ]
    if "gains" in back.tables:
        chart = Chart(
            *("intervals", "Money brought against holdout", "campaign"),
            ("brought", "low", "high"),
            back.figures["gains"].alt,
        )
        found.append(Section("Money", back.tables["gains"], chart))
    return found


def board_document(asked: Asked) -> Document:
    """The board's summary: one page of numbers, and the tables behind them."""
    view = not_empty(board(asked.home, asked.generation, asked.scope, protected=asked.protected))
    counts = ("leads", "booked", "kept", "new_patients")
    sections = [
        Section(
            "Week by week",
            view.tables["weekly"],
            Chart(
                "lines",
                "Patients by week",
                "week",
                counts,
                view.figures["demand"].alt.partition(" Shaded")[0],
                marks=tuple(each.day for each in asked.happened),
            ),
        )
    ]
    if "paying" in view.tables:
        table = view.tables["paying"]
        chart = _spend_and_money(table, view.figures["return"].alt)
        chart = None if chart is None else replace(chart, most=6)
        sections[:0] = [Section("Where money works", table, chart)]
    document = document_of("board", view, asked.about, sections, headline=view.metrics)
    return with_news(replace(document, sentences=view.sentences), asked)


_NOTHING = Table("", (), pd.DataFrame())
DOCUMENTS: Mapping[str, Callable[[Asked], Document]] = {
    "channels": channel_document,
    "service-lines": line_document,
    "reactivation": return_document,
    "board": board_document,
}
