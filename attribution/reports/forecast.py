"""The forecast report: every series that is forecast, week by week, as CSV."""

from attribution import queries
from attribution.paths import Home
from attribution.reports.channels import report_csv
from attribution.ui.views.forecast import report

NAME = "forecast report"


def forecast_report(home: Home, generation: int, small_cells: str) -> bytes:
    """A row for each week of each series, past and to come, in plain numbers.

    Columns: metric, dimension, member, week, model, is_ahead (it is foretold), is_over (though it
    may not be reported yet), actual, expected, low_50 to high_95, target, is_anomaly, wape (the
    held-out error), currency, small_cells. Raises BadInput where nothing is forecast.
    """
    return report_csv(report(queries.marts(home, generation, protected=False)), small_cells)
