"""A report is put together: what it is asked about, its sections, what is new, what happened."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import pandas as pd

from attribution import queries
from attribution.annotations import Annotation, every, within
from attribution.errors import BadInput
from attribution.paths import Home
from attribution.queries import Scope
from attribution.reports.about import another_day
from attribution.reports.document import Document, Section
from attribution.reports.restated import News, news
from attribution.roles import Reader
from attribution.small_cells import OTHER
from attribution.ui import formats
from attribution.ui.view import Column, Table, View, records

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
    reader: Reader | None = None  # whose notes on what happened are in it; None: without notes

    @property
    def happened(self) -> tuple[Annotation, ...]:
        """The notes of the period; raises NotAllowed for a reader who may not read them."""
        if self.reader is None:
            return ()
        last = self.scope.until + timedelta(days=6)
        return within(every(self.home, self.reader), self.scope.since, last)


def document_of(
    name: str,
    view: View,
    about: Mapping[str, str],
    sections: list[Section],
    **more: object,
) -> Document:
    """A view of a page as a report of these sections; `more` are other fields of it."""
    remark = [view.remark] if another_day(about) and view.remark else []
    said = {
        "warnings": view.warnings,
        "notes": (*remark, *view.notes),
        "currency": view.currency,
        **more,
    }
    every_one = tuple(in_words(section) for section in sections)
    return Document(name, about["title"], view.question, about, every_one, **said)  # type: ignore[arg-type]


def in_words(section: Section) -> Section:
    """Names of channels as words; in the CSV file they stay what they are."""
    table = section.table
    words = [c.name for c in table.columns if c.format == "text"]
    frame = table.frame.assign(
        **{name: table.frame[name].replace(OTHER, formats.title(OTHER)) for name in words}
    )
    frame = frame.assign(
        **{name: frame[name].map(formats.title) for name in words if name in NAMED}
    )
    return replace(section, table=replace(table, frame=frame))


def with_news(document: Document, asked: Asked) -> Document:
    """The report with what changed since the last one, what happened meanwhile, and the banner."""
    marts = queries.marts(asked.home, asked.generation, protected=asked.protected)
    found: News = news(asked.home, marts, asked.scope, asked.since_generation)
    sections = document.sections
    if found.table is not None:
        sections = (*sections, in_words(Section("Restated", found.table)))
    if happened := asked.happened:
        sections = (*sections, Section("What happened", _happened(happened)))
    return replace(document, sections=sections, news=found.sentences, banner=asked.banner)


def _happened(notes: tuple[Annotation, ...]) -> Table:
    """The notes of the period, numbered as their marks; who wrote them does not leave the house."""
    columns = (
        Column("mark", "Mark"),
        Column("day", "Day", "day"),
        Column("note", "What happened"),
    )
    rows = [(str(at), each.day, each.text) for at, each in enumerate(notes, start=1)]
    frame = pd.DataFrame(rows, columns=[each.name for each in columns])
    return Table("What happened in this period", columns, frame)


AnyView = TypeVar("AnyView", bound=View)


def not_empty(view: AnyView) -> AnyView:
    """The view; raises BadInput where it has nothing to show."""
    if view.empty:
        raise BadInput(f"There is nothing to export. {view.empty}")
    return view


def most_of(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    """The row with most of a number."""
    return records(frame.sort_values(name, ascending=False, na_position="last"))[0]
