"""Plans for the budget as CSV: a row for each channel, with what the whole plan gains."""

from collections.abc import Sequence

import pandas as pd

from attribution.errors import BadInput
from attribution.metrics import definition
from attribution.planning import Scenario
from attribution.reports.about import SMALL_CELLS
from attribution.reports.channels import campaigns_csv
from attribution.ui.view import Column, Table, measured
from attribution.ui.views.budget import plan_table

NAME = "budget plan"


def plan_report(scenarios: Sequence[Scenario], currency: str) -> bytes:
    """A row for each channel of each scenario, a week; raises BadInput where there is none."""
    if not scenarios:
        raise BadInput("There is no plan to write. Make one first, or save a scenario.")
    tables = [plan_table(one) for one in scenarios]
    gain = definition("plan_gain")
    columns = (
        Column("scenario", "Scenario"),
        *tables[0].columns,
        Column("counts", "Counts"),
        measured("plan_gain"),
        Column("plan_gain_low", f"{gain.title}, low", gain.format),
        Column("plan_gain_high", f"{gain.title}, high", gain.format),
        measured("plan_sure"),
        measured("plan_total"),
    )
    frames = [
        table.frame.assign(
            scenario=one.name,
            counts=one.request.objective,
            plan_gain=one.gain,
            plan_gain_low=one.low,
            plan_gain_high=one.high,
            plan_sure=one.surely,
            plan_total=one.total,
        )
        for one, table in zip(scenarios, tables, strict=True)
    ]
    whole = pd.concat(frames, ignore_index=True)[[column.name for column in columns]]
    return campaigns_csv(Table("Plan", columns, whole), currency, SMALL_CELLS[True])
