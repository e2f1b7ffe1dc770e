"""What a report says of itself: its filters in words, its model, and the state of the data."""

from attribution.date_basis import BASES
from attribution.metrics import KINDS, definition
from attribution.models import MODELS
from attribution.queries import Scope
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
) -> dict[str, str]:
    """Keys: title, period, model, model_help, conversion, service_lines, locations and more."""
    model = MODELS[scope.model]
    return {
        "title": title,
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
