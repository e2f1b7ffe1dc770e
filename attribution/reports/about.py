"""What a report says of itself: whose it is, its filters in words, its model, its data's state."""

from collections.abc import Mapping

from attribution.date_basis import BASES, OWN
from attribution.metrics import KINDS, definition
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import Scope
from attribution.reports.cells import text
from attribution.told_settings import lenient
from attribution.ui import formats
from attribution.ui.freshness import Freshness

SMALL_CELLS = {
    # Up to the colon it stands in every row of a CSV file.
    True: "for use inside the organisation only: small cells are shown as they are",
    False: "folded: no number is of fewer than eleven people",
}


def about_report(
    title: str,
    generation: int,
    scope: Scope,
    freshness: Freshness,
    *,
    small_cells: bool = False,
    organisation: str = "",
) -> dict[str, str]:
    """Keys: title, period, model, model_help, conversion, service_lines, locations and more."""
    model = MODELS[scope.model]
    return {
        "title": title,
        "organisation": organisation,
        "period": formats.weeks(scope.since, scope.until, scope.weeks),
        "model": model.title,
        "model_help": model.help,
        "conversion": definition(KINDS[scope.kind]).title,
        "service_lines": formats.several(scope.service_lines) or "all",
        "locations": formats.several(scope.locations) or "all",
        "counted_by": BASES[scope.basis],
        "generation": str(generation),
        "published_at": formats.instant(freshness.published_at),
        "freshness": freshness.headline,
        "small_cells": SMALL_CELLS[small_cells],
    }


def another_day(about: Mapping[str, str]) -> str:
    """By which day a report counts, as choices call it; "" where it is the usual one.

    What counts by days of its own, as the way back does, is never asked for another.
    """
    counted = about["counted_by"]
    return "" if counted == BASES[OWN] else counted


def organisation(home: Home) -> str:
    """Whose report it is: `title` of the settings, in one line; "" where none is told.

    Read alone: a report must not fail over a setting that has nothing to do with it.
    """
    title = lenient(home).get("title", "")
    return " ".join(text(title).split()) if isinstance(title, str) else ""
