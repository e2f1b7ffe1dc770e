"""The campaigns of the Reconcile page as CSV: claims, credit, and every cause."""

from attribution.errors import BadInput
from attribution.reports.assembling import not_empty
from attribution.reports.channels import campaigns_csv
from attribution.ui.view import View


def reconcile_report(view: View, small_cells: str = "") -> bytes:
    """One row for each platform and campaign; raises BadInput where the page shows nothing."""
    if "campaigns" not in not_empty(view).tables:
        raise BadInput(f"There is nothing to export. {view.remark}")
    return campaigns_csv(view.tables["campaigns"], view.currency, small_cells)
