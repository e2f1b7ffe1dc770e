"""The download of what the page Cohorts shows."""

import streamlit as st

from attribution.errors import BadInput
from attribution.group_queries import Group
from attribution.reports.about import SMALL_CELLS
from attribution.reports.patient_groups import NAME as COHORT_REPORT
from attribution.reports.patient_groups import checked, cohort_report, filters_of, said_of
from attribution.ui import draw_groups, formats
from attribution.ui.download import button, may, small_cells
from attribution.ui.frame import Context
from attribution.ui.view import View
from attribution.ui.views.patient_groups import patient_groups as patient_groups_view


def patient_groups(context: Context, group: Group, other: Group | None) -> None:
    """Offer everything about a cohort and what it is compared with as CSV.

    Not where some of what was chosen is told only together with others, once small cells are
    folded: the file would be of fewer patients than it says.
    """
    if not may(context):
        return
    with st.popover("Export", icon=":material/download:", key="export"):
        small = small_cells()
        if not small and (refused := _refused(context, group, other)):
            st.caption(formats.prose(refused))
            return
        st.caption(
            "The numbers of this page: the cohort and what it is compared with."
            if small
            else "The cohort and what it is compared with, groups of a few told together."
        )
        button(
            context,
            "csv",
            lambda: cohort_report(_view(context, group, other, small), SMALL_CELLS[small]),
            COHORT_REPORT,
            small=small,
            filters=filters_of(group, other),
            name="cohorts",
        )


def _refused(context: Context, group: Group, other: Group | None) -> str:
    """Why there is no file of these groups without small cells, as the command line says it."""
    known = draw_groups.known(context.home, context.generation, protected=True)
    try:
        for each in (group, other):
            if each is not None:
                checked(said_of(each), known)
    except BadInput as error:
        return str(error)
    return _view(context, group, other, small=False).empty


def _view(context: Context, group: Group, other: Group | None, small: bool) -> View:
    return patient_groups_view(context.home, context.generation, group, other, protected=not small)
