"""The reports of Engagement and Education: everything that the pages show, as CSV."""

from collections.abc import Callable
from typing import Any

from attribution.reports.channels import report_csv
from attribution.ui.view import View
from attribution.ui.views.education import education
from attribution.ui.views.engagement import engagement

VIEWS: dict[str, Callable[..., Any]] = {"engagement": engagement, "education": education}
NAMES = {"engagement": "engagement report", "education": "education report"}


def message_report(view: View, small_cells: str) -> bytes:
    """A row for each row of each table of the page, `part` saying which, then each cell.

    Raises BadInput where the page has nothing to show.
    """
    return report_csv(view, small_cells)
