"""What stands in each report: the views of the pages, put in order as sections."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pandas as pd

from attribution import queries
from attribution.errors import BadInput
from attribution.paths import Home
from attribution.queries import Scope
from attribution.reports.document import Chart, Document, Section
from attribution.reports.restated import News, news
from attribution.ui import formats
from attribution.ui.view import Table, View, records
from attribution.ui.views.board import board
from attribution.ui.views.channel_figures import LEAST_SHARE
from attribution.ui.views.channels import UNKNOWN, channels
from attribution.ui.views.reactivation import reactivation
from attribution.ui.views.service_lines import service_lines
from attribution.ui.views.way_back import way_back

# Columns whose values are names that the program made: shown as words.
NAMED = frozenset({"channel", "service_line"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is asked about, and how it is told."""

    home: Home
    generation: int
    scope: Scope
    about: Mapping[str, str]
    protected: bool
    since_generation: int | None = None
    banner: str = ""


def channel_document(asked: Asked) -> Document:
    """The channel report."""
    view = _shown(channels(asked.home, asked.generation, asked.scope, protected=asked.protected))
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
    if {"credit_low", "credit_high"} <= set(table.frame) and table.frame[
        "credit_low"
    ].notna().any():
        sections[1:1] = [_sureness(table)]
    if len(returns := view.tables.get("returns", _NOTHING).frame):
        sections[-1:-1] = [
            Section("Returns", view.tables["returns"], _side_by_side(returns, _worth(table)))
        ]
    return _document(
        "channels", view, about, sections, headline=view.metrics, csv=view.tables["campaigns"]
    )


def _spend_and_money(table: Table, words: str) -> Chart | None:
    if not (table.frame["spend"] > 0).any():
        return None
    title = "Spend and money collected, channels with spend"
    return Chart("bars", title, "channel", ("spend", "collected"), words, most=24)


def _worth(table: Table) -> int:
    """How many channels have spend worth drawing a return on."""
    return int((table.frame["spend"] >= LEAST_SHARE * table.frame["spend"].sum()).sum())


def _sureness(table: Table) -> Section:
    shown = next(c for c in table.columns if c.name == "credit_low").title.partition(",")[0]
    kind = next(c for c in table.columns if c.title == shown)
    names = ("channel", kind.name, "credit_low", "credit_high")
    columns = tuple(c for c in table.columns if c.name in names)
    columns = tuple(sorted(columns, key=lambda c: names.index(c.name)))
    frame = table.frame[~table.frame["channel"].isin(UNKNOWN)]
    frame = frame.dropna(subset=["credit_low"]).sort_values(kind.name, ascending=False)
    frame = frame[[c.name for c in columns]].reset_index(drop=True)
    first = frame.iloc[0]
    written = formats.money if kind.format == "money" else lambda v, _c: formats.number(round(v, 1))
    words = (
        f"{formats.title(str(first['channel']))} has most: {written(first[kind.name], 'USD')}, "
        f"and with nine chances in ten between {written(first['credit_low'], 'USD')} and "
        f"{written(first['credit_high'], 'USD')}."
    )
    chart = Chart("intervals", f"{shown}, with 90% interval", "channel", names[1:], words)
    return Section("How sure", Table(f"How sure: {shown.lower()}", columns, frame), chart)


def _side_by_side(returns: pd.DataFrame, drawn: int) -> Chart | None:
    # Rows come with most spend first; returns on hardly any would be all that one could see.
    returns = returns.head(drawn)
    names = tuple(n for n in ("credited_roi", "incremental_roi", "mix_roi") if n in returns)
    known = returns[list(names)]
    if not (known.notna().sum(axis=1) >= 1).any():
        return None
    spread = (known.max(axis=1) - known.min(axis=1)).where(known.notna().sum(axis=1) > 1)
    if spread.notna().any():
        widest = formats.title(str(_most(returns.assign(spread=spread), "spread")["channel"]))
        words = f"The methods differ most on {widest}: there a lift test would tell most."
    else:
        words = "Only one method tells the return of each channel."
    return Chart("dots", "Net return by three methods", "channel", names, words, most=drawn)


def line_document(asked: Asked) -> Document:
    """The service-line report."""
    view = _shown(
        service_lines(asked.home, asked.generation, asked.scope, protected=asked.protected)
    )
    lines, rates, brought = (view.tables[name] for name in ("lines", "rates", "channels"))
    best = _most(lines.frame, "collected")
    money = formats.money(float(best["collected"]), view.currency)
    share = formats.rate(float(best["collected"]) / max(float(lines.frame["collected"].sum()), 1))
    words = f"{best['service_line']} collected most: {money}, {share} of all."
    sections = [
        Section(
            "Service lines",
            lines,
            Chart(
                "bars", "Spend and money collected", "service_line", ("spend", "collected"), words
            ),
            "All service lines",
        ),
        Section("Funnel", rates, _rates(rates)),
    ]
    if len(brought.frame):
        sections.append(Section("Top channels", brought, _brought(brought)))
    document = _document(
        "service-lines", view, asked.about, sections, headline=view.metrics, csv=lines
    )
    return with_news(document, asked)


def _rates(rates: Table) -> Chart | None:
    shown = rates.frame.dropna(subset=["show_rate"])
    if shown.empty:
        return None
    low = _most(shown.assign(missed=1 - shown["show_rate"]), "missed")
    words = (
        f"Most visits are missed in {low['service_line']}: "
        f"{formats.rate(1 - float(low['show_rate']))} of those kept or missed."
    )
    return Chart("bars", "Show rate", "service_line", ("show_rate",), words)


def _brought(brought: Table) -> Chart:
    best = _most(brought.frame, "share_of_line")
    words = (
        f"No channel is given more of a line than {best['channel']} of {best['service_line']}: "
        f"{formats.rate(float(best['share_of_line']))}."
    )
    title = "Share of each line by channel"
    return Chart("heat", title, "service_line", ("share_of_line",), words, across="channel")


def return_document(asked: Asked) -> Document:
    """The reactivation report."""
    view = _shown(
        reactivation(asked.home, asked.generation, asked.scope, protected=asked.protected)
    )
    back = way_back(asked.home, asked.generation, asked.scope, protected=asked.protected)
    sections = []
    if "untouched" in view.tables:
        sections.append(Section("Nobody contacted", view.tables["untouched"]))
    if "funnel" in view.tables:
        words = view.figures["funnel"].alt
        chart = Chart("bars", "From silent to retained", "stage", ("people",), words)
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
    document = _document("reactivation", view, asked.about, sections, headline=view.metrics)
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
    view = _shown(board(asked.home, asked.generation, asked.scope, protected=asked.protected))
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
            ),
        )
    ]
    if "paying" in view.tables:
        table = view.tables["paying"]
        chart = _spend_and_money(table, view.figures["return"].alt)
        chart = None if chart is None else replace(chart, most=6)
        sections[:0] = [Section("Where money works", table, chart)]
    document = _document("board", view, asked.about, sections, headline=view.metrics)
    return with_news(replace(document, sentences=view.sentences), asked)


def _document(
    name: str,
    view: View,
    about: Mapping[str, str],
    sections: list[Section],
    **more: object,
) -> Document:
    said = {
        "warnings": view.warnings,
        "notes": view.notes,
        "currency": view.currency,
        **more,
    }
    shown = tuple(_in_words(section) for section in sections)
    return Document(name, about["title"], view.question, about, shown, **said)  # type: ignore[arg-type]


def _in_words(section: Section) -> Section:
    """Names of channels as words; in the CSV file they stay what they are."""
    table = section.table
    names = [c.name for c in table.columns if c.name in NAMED and c.format == "text"]
    frame = table.frame.assign(**{name: table.frame[name].map(formats.title) for name in names})
    return replace(section, table=replace(table, frame=frame))


def with_news(document: Document, asked: Asked) -> Document:
    """The report with what changed since the last one as its first words, and the banner."""
    marts = queries.marts(asked.home, asked.generation, protected=asked.protected)
    found: News = news(asked.home, marts, asked.scope.model, asked.since_generation)
    sections = document.sections
    if found.table is not None:
        sections = (*sections, _in_words(Section("Restated", found.table)))
    return replace(document, sections=sections, news=found.sentences, banner=asked.banner)


AnyView = TypeVar("AnyView", bound=View)


def _shown(view: AnyView) -> AnyView:
    if view.empty:
        raise BadInput(f"There is nothing to export. {view.empty}")
    return view


def _most(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    """The row with most of a number."""
    return records(frame.sort_values(name, ascending=False, na_position="last"))[0]


_NOTHING = Table("", (), pd.DataFrame())
DOCUMENTS: Mapping[str, Callable[[Asked], Document]] = {
    "channels": channel_document,
    "service-lines": line_document,
    "reactivation": return_document,
    "board": board_document,
}
