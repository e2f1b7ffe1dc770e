"""Made-up weekly series, and the marts of forecasts that pages are tested with."""

from datetime import date, timedelta

import numpy as np
import pandas as pd

from attribution.models.forecast_calendar import Known
from attribution.models.forecast_fit import Task, fit
from attribution.models.forecast_series import Key, Series
from attribution.models.forecast_table import forecast_table

MONDAY = date(2024, 11, 25)
NAMES = ("seasonal_naive",)  # needs no library, and takes no time


def series(key: Key, values: list[float]) -> Series:
    return Series(key, MONDAY, tuple(values))


def rows(weeks: int = 60, *, last: date | None = None) -> pd.DataFrame:
    """Weekly numbers as SQL counts them: two service lines, a small one, and their total."""
    dice = np.random.default_rng(7)
    first = MONDAY if last is None else last - timedelta(weeks=weeks - 1)
    mondays = [first + timedelta(weeks=number) for number in range(weeks)]
    parts = {"cardiology": 60, "dental": 30, "unassigned": 2}
    found = []
    for metric, unit in (("booked", 1.0), ("spend", 1e6)):
        drawn = {name: dice.poisson(size, weeks) * unit for name, size in parts.items()}
        every = {("service_line", name): values for name, values in drawn.items()}
        every[("total", "(all)")] = np.sum(list(drawn.values()), axis=0)
        for (dimension, member), values in every.items():
            found += [
                {"metric": metric, "dimension": dimension, "member": member, "week": w, "value": v}
                for w, v in zip(mondays, values, strict=True)
            ]
    return pd.DataFrame(found).assign(weeks_ahead=None)


def marts(last: date) -> dict[str, pd.DataFrame]:
    """The two marts, of booked visits and spend until the week `last`; the newest is unusual."""
    from attribution.models.forecast_series import chosen

    frame = rows(last=last)
    newest = (frame["metric"] == "booked") & (frame["week"] == last)
    frame.loc[newest, "value"] *= 3
    tasks = [Task(one, Known({}), 13, NAMES) for one in chosen(frame, members=3)]
    targets = {Key("booked", "total", "(all)"): 100.0}
    table = forecast_table(tasks, [fit(task) for task in tasks], targets)
    weeks, models = table[table["week"].notna()], table[table["week"].isna()]
    keys = ["metric", "dimension", "member"]
    sums = models.groupby(keys)["adds_up"].any().rename("adds_up").reset_index()
    weeks = weeks.drop(columns="adds_up").merge(sums, on=keys)
    odd = (weeks["actual"] < weeks["low_95"]) | (weeks["actual"] > weeks["high_95"])
    weeks = weeks.assign(week=pd.to_datetime(weeks["week"]).dt.date, is_anomaly=odd)
    left_out = ["note", "digest", "kept", "wape", "is_chosen", "weeks_tested"]
    kept = [*keys, "model", "wape", "is_chosen", "weeks_tested", "note"]
    return {"forecast": weeks.drop(columns=left_out), "forecast_error": models[kept]}
