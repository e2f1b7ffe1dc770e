"""The cohort report: everything that the page Cohorts shows, a row for each number."""

from collections.abc import Mapping
from dataclasses import asdict

from attribution.errors import BadInput
from attribution.group_queries import Group
from attribution.reports.channels import campaigns_csv
from attribution.ui.view import View

NAME = "cohort report"


def cohort_report(view: View, small_cells: str) -> bytes:
    """CSV with a row for each number, of the cohort and of what it is compared with.

    Columns: part, item, unit, cohort, compared, currency, small_cells. Of the part `numbers` the
    items are those of the registry; the other parts are dimensions with the people and the share of
    each value. Raises BadInput where the page has nothing to show.
    """
    if view.empty:
        raise BadInput(f"There is nothing to export. {view.empty}")
    return campaigns_csv(view.tables["report"], view.currency, small_cells)


def filters_of(group: Group, other: Group | None) -> Mapping[str, object]:
    """What the audit log says that the report is about."""
    return {"cohort": asdict(group), "compared": None if other is None else asdict(other)}
