"""Parts and totals made to agree: of all numbers that add up, those nearest to the forecasts.

Near is measured in each series' own error, so what is well known moves little: minimum trace
reconciliation with a diagonal of error variances (Wickramasuriya, Athanasopoulos and Hyndman,
*Optimal forecast reconciliation for hierarchical and grouped time series through trace
minimization*, Journal of the American Statistical Association 114, 2019).
"""

from collections.abc import Sequence

import numpy as np

from attribution.models.forecast_series import Floats


def reconciled(total: int, groups: Sequence[Sequence[int]], said: Floats, scale: Floats) -> Floats:
    """Forecasts (a row a series, a column a week) in which every group adds up to the total.

    `total` is the row of the total, `groups` the rows of each dimension's parts, `scale` the usual
    error of each series. Nothing becomes less than nought.
    """
    whole = np.array(said, dtype="float64")
    if not groups:
        return whole
    sums = np.zeros((len(groups), len(whole)))
    for row, parts in enumerate(groups):
        sums[row, list(parts)] = 1.0
        sums[row, total] = -1.0
    # A series that was never wrong would make the equations singular.
    floor = max(float(scale.max()), 1.0) * 1e-6
    spread = np.maximum(scale, floor) ** 2
    move = spread[:, None] * sums.T @ np.linalg.solve((sums * spread) @ sums.T, sums @ whole)
    whole = np.maximum(whole - move, 0.0)
    # What was cut off at nought is taken from the other parts in proportion.
    for parts in groups:
        rows = list(parts)
        added = whole[rows].sum(axis=0)
        ratio = np.divide(whole[total], added, out=np.ones_like(added), where=added > 0)
        whole[rows] *= ratio
    return whole


def adds_up(total: Floats, parts: Floats, *, within: float = 1e-6) -> bool:
    """Whether parts (a row each) have made up the total in every week so far."""
    return bool(np.allclose(parts.sum(axis=0), total, rtol=within, atol=within * total.max()))
