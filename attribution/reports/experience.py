"""The experience report: everything that the page Experience shows, a row for each number."""

from attribution.reports.channels import report_csv
from attribution.ui.view import View

NAME = "experience report"


def experience_report(view: View, small_cells: str) -> bytes:
    """CSV with a row for each number. Columns: part, item, number, value, currency, small_cells.

    NPS, its interval and differences are in points. Raises BadInput where the page shows nothing.
    """
    return report_csv(view, small_cells)
