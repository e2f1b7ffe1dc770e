"""The reports that leave the building: which there are, and one function that makes their files.

Pages, the command line and the schedule all ask here, so a report is the same bytes from each.
Writing down who takes a report away is the caller's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from importlib.metadata import version
from types import MappingProxyType

from attribution import queries, versions
from attribution.errors import BadInput
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import Scope
from attribution.reports.about import about_report, organisation
from attribution.reports.assembling import Asked
from attribution.reports.channels import document_csv
from attribution.reports.contents import DOCUMENTS
from attribution.reports.document import Document
from attribution.roles import Reader
from attribution.ui.freshness import Freshness, freshness, look_up
from attribution.ui.scope import scope_of, told
from attribution.warehouse import current_generation, kept

FORMATS = ("csv", "xlsx", "pdf", "pptx")
_PLACES = ("service", "location")


@dataclass(frozen=True, slots=True)
class Report:
    """One report: what it is called and says, its files, and which of what is said it hears."""

    name: str
    title: str
    sentence: str
    filters: tuple[str, ...]
    formats: tuple[str, ...] = FORMATS


@dataclass(frozen=True, slots=True)
class Rendered:
    """A report as a file, with what must be known to make it again."""

    file_name: str
    content: bytes
    sha256: str
    manifest: Mapping[str, object]  # JSON-able
    # What the file says, before it was a file.
    document: Document | None = field(default=None, compare=False, repr=False)


_PERIOD = ("period", "from", "to")
REPORTS: Mapping[str, Report] = {
    each.name: each
    for each in (
        Report(
            "channels",
            "Channel report",
            "Which channels and campaigns bring patients at a price that pays.",
            (*_PERIOD, "model", "kind", *_PLACES),
        ),
        Report(
            "service-lines",
            "Service-line report",
            "Which service lines grow, at what price, and who brings their patients.",
            (*_PERIOD, "model", "kind", *_PLACES),
        ),
        Report(
            "reactivation",
            "Reactivation report",
            "Which silent patients came back, where the others are lost, what campaigns added.",
            (*_PERIOD, "model", *_PLACES),
        ),
        Report(
            "board",
            "Board summary",
            "One page: patients, money and prices against the period before, and what changed.",
            (*_PERIOD, "model", *_PLACES),
        ),
    )
}


def render(
    home: Home,
    generation: int,
    report: str,
    fmt: str,
    *,
    said: Mapping[str, object] = MappingProxyType({}),
    small_cells: bool = False,
    since_generation: int | None = None,
    banner: str = "",
    reader: Reader | None = None,
) -> Rendered:
    """One report of a generation as a file.

    `said` is what an address or a command line says (period, from, to, model, kind, service,
    location); small cells are folded unless `small_cells`; `since_generation` is that of the last
    report, for what is new and restated since; `banner` is printed above everything; notes on what
    happened in the period are in it as far as `reader` may read them. Raises BadInput where there
    is no such report or format, or nothing to show.
    """
    which = known(report, fmt)
    versions.require(home, generation, protected=not small_cells)
    scope = _scope(home, generation, which, said, small_cells=small_cells)
    return rendered(
        home,
        generation,
        report,
        fmt,
        scope,
        small_cells=small_cells,
        since_generation=since_generation,
        banner=banner,
        reader=reader,
    )


def rendered(
    home: Home,
    generation: int,
    report: str,
    fmt: str,
    scope: Scope,
    *,
    small_cells: bool = False,
    since_generation: int | None = None,
    banner: str = "",
    reader: Reader | None = None,
) -> Rendered:
    """As `render`, of a scope that is valid for the marts that the report is made from."""
    which = known(report, fmt)
    asked = Asked(
        home,
        generation,
        scope,
        about_report(
            which.title,
            generation,
            scope,
            _freshness(home, generation),
            small_cells=small_cells,
            organisation=organisation(home),
        ),
        not small_cells,
        since_generation=since_generation,
        banner=banner,
        reader=reader,
    )
    document = DOCUMENTS[report](asked)
    content = _written(document, fmt)
    digest = sha256(content).hexdigest()
    manifest = _manifest(asked, document, fmt) | {"report": which.name, "sha256": digest}
    name = f"{which.name}-{scope.since}-{scope.until}-generation-{generation}.{fmt}"
    return Rendered(name, content, digest, manifest, document)


def _manifest(asked: Asked, document: Document, fmt: str) -> dict[str, object]:
    """What must be known to make a file again, and what is in it."""
    scope = asked.scope
    marts = queries.about(queries.marts(asked.home, asked.generation, protected=asked.protected))
    return {
        "title": asked.about["title"],
        "format": fmt,
        "generation": asked.generation,
        "since_generation": asked.since_generation,
        "caretrace": version("caretrace"),
        "published_at": asked.about["published_at"],
        "freshness": asked.about["freshness"],
        "filters": _filters(scope),
        "model": {"name": scope.model, "title": MODELS[scope.model].title},
        "rows": {section.name: len(section.table.frame) for section in document.sections},
        "small_cells": not asked.protected,
        "cells": marts.cells,
        "suppressed_cells": marts.folded,
        "banner": asked.banner,
        "notes": len(asked.happened),
    }


def pages(made: Rendered) -> tuple[bytes, ...]:
    """The pages of a report as pictures (PNG), where it has pages: by the renderer of the file."""
    if made.manifest["format"] != "pdf" or made.document is None:
        return ()
    from attribution.reports.printed import pictures

    return tuple(pictures(made.document))


def earlier(home: Home, generation: int) -> int | None:
    """The generation before this one that is kept, to compare with where nobody names one."""
    return max((number for number in kept(home) if number < generation), default=None)


def _written(document: Document, fmt: str) -> bytes:
    # Each is imported where it is made: a CSV file needs none of their libraries.
    if fmt == "csv":
        return document_csv(document)
    if fmt == "xlsx":
        from attribution.reports.workbook import workbook

        return workbook(document)
    if fmt == "pdf":
        from attribution.reports.printed import pdf

        return pdf(document)
    from attribution.reports.slides import pptx

    return pptx(document)


def known(report: str, fmt: str) -> Report:
    """The report of that name, if it is written in that format; raises BadInput otherwise."""
    if report not in REPORTS:
        raise BadInput(f"There is no report {report!r}. Choose from: {', '.join(REPORTS)}.")
    which = REPORTS[report]
    if fmt not in which.formats:
        raise BadInput(
            f"The {which.title.lower()} is not written as {fmt!r}. Choose from: "
            f"{', '.join(which.formats)}."
        )
    return which


def _scope(
    home: Home,
    generation: int,
    which: Report,
    said: Mapping[str, object],
    *,
    small_cells: bool,
) -> Scope:
    heard = {name: value for name, value in said.items() if name in which.filters}
    if not small_cells and any(heard.get(place) for place in _PLACES):
        raise BadInput(
            "Without small cells, credit is of all service lines and locations together. Leave "
            "them out, or ask for small cells for a report that stays inside the organisation."
        )
    marts = queries.marts(home, generation, protected=not small_cells)
    about = told(queries.about(marts))
    lines, places = queries.service_lines(marts), queries.locations(marts)
    return scope_of(about, heard, service_lines=lines, locations=places)


def _freshness(home: Home, generation: int) -> Freshness:
    if generation == current_generation(home):
        return freshness(home)
    return look_up(home, generation, datetime.now(UTC))


def _filters(scope: Scope) -> dict[str, object]:
    def plain(value: object) -> object:
        if isinstance(value, date):
            return value.isoformat()
        return list(value) if isinstance(value, tuple) else value

    names = ("since", "until", "kind", "model", "service_lines", "locations", "basis")
    return {name: plain(getattr(scope, name)) for name in names}
