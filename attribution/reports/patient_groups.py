"""The cohort report: everything that the page Cohorts shows, a row for each number."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

from attribution.group_queries import Group
from attribution.reports.asking import some
from attribution.reports.channels import report_csv
from attribution.ui.view import View
from attribution.ui.views.group_words import TITLES

NAME = "cohort report"


def cohort_report(view: View, small_cells: str) -> bytes:
    """CSV with a row for each number, of the cohort and of what it is compared with.

    Columns: part, item, unit, cohort, compared, currency, small_cells. Of the part `numbers` the
    items are those of the registry; the other parts are dimensions with the people and the share of
    each value. Raises BadInput where the page has nothing to show.
    """
    return report_csv(view, small_cells)


def checked(
    said: Mapping[str, Sequence[str]], known: Mapping[str, Collection[str]]
) -> dict[str, tuple[str, ...]]:
    """What is asked of each dimension, as it is `known`; raises BadInput where a value is not."""
    return {name: some(TITLES[name].lower(), values, known[name]) for name, values in said.items()}


def said_of(group: Group) -> dict[str, tuple[str, ...]]:
    """What a group asks of each dimension, its condition too."""
    return group.wanted | ({"condition": (group.condition,)} if group.condition else {})


def filters_of(group: Group, other: Group | None) -> Mapping[str, object]:
    """What the audit log says that the report is about."""
    return {"cohort": asdict(group), "compared": None if other is None else asdict(other)}
