"""What users state of series: capacity and targets are kept to, or said not to be used."""

from datetime import timedelta

import forecast_fixture as made_up
import numpy as np
import pandas as pd
import pytest

from attribution import forecasting
from attribution.forecast_settings import ForecastSettings
from attribution.forecasting import Forecasting
from attribution.models.forecast_calendar import known_of
from attribution.models.forecast_fit import Task, fit
from attribution.models.forecast_series import ALL, Key
from attribution.models.forecast_stated import unused
from attribution.seeds import read

CAPACITY, PROMOTIONS, PLAN = (read(n) for n in ("capacity", "promotions", "planned_spend"))
WEEKS = 60
TOTAL = Key("kept", "total", ALL)
DENTAL = Key("kept", "service_line", "Dental care")


def capacity(*rows: tuple[str, str, str, str, str]) -> pd.DataFrame:
    return pd.DataFrame([(*row, "") for row in rows], columns=list(CAPACITY))


def known(key: Key, stated: pd.DataFrame, weeks: int = WEEKS + 13):
    mondays = [made_up.MONDAY + timedelta(weeks=place) for place in range(weeks)]
    return known_of(key, mondays, frozenset(), PROMOTIONS, stated)


def test_capacity_that_is_stated_from_now_on_is_a_cap_all_the_same():
    """Said of a Wednesday two weeks ahead: the week before and that week itself have no cap."""
    begins = made_up.MONDAY + timedelta(weeks=WEEKS + 1, days=2)
    found = known(TOTAL, capacity(("", "", f"{begins}", "", "70")))
    assert found.cap is not None
    assert np.isnan(found.cap[: WEEKS + 2]).all()
    assert found.cap[WEEKS + 2 :] == (70.0,) * 11
    assert "capacity" not in found.regressors
    values = [100.0] * WEEKS
    said = fit(Task(made_up.series(TOTAL, values), found, 13, ("seasonal_naive",))).expected
    assert said == pytest.approx([100.0] * 2 + [70.0] * 11)


@pytest.mark.parametrize("spelling", ["Dental care", "dental_care", " DENTAL CARE"])
def test_a_series_is_found_however_it_is_spelt(spelling):
    found = known(DENTAL, capacity((spelling, "", "", "", "30")), weeks=3)
    assert found.cap == (30.0,) * 3


def test_what_is_of_no_series_is_named():
    stated = capacity(
        ("dental care", "", "", "", "30"),
        ("dental care", "north", "", "", "20"),
        ("", "south", "", "", "20"),
        ("", "", "", "", "90"),
    )
    targets = [Key("booked", "service_line", "dental"), Key("kept", "service_line", "DENTAL CARE")]
    assert unused([DENTAL, TOTAL], targets, stated) == [
        "the target for booked of service_line dental",
        "capacity of dental care at north",
        "capacity of south",
    ]
    assert unused([DENTAL], [], stated)[-1] == "capacity of everything"


def test_a_refresh_uses_a_target_or_says_that_it_does_not(monkeypatch):
    monkeypatch.setattr(forecasting, "missing", lambda: ("prophet",))
    frame = made_up.rows()
    frame = frame[frame["metric"] == "booked"]
    targets = {
        Key("booked", "service_line", "Cardiology"): 40.0,
        Key("booked", "service_line", "dental"): 30.0,
    }
    solving = Forecasting(ForecastSettings(members=1, targets=targets), {})
    found = solving(frame, PROMOTIONS, capacity(("", "", "", "", "9")), PLAN)
    told = found[found["target"].notna()]
    assert set(told["member"]) == {"cardiology"}
    assert set(told["target"]) == {40.0}
    assert (
        "Not used, as no such series is forecast: the target for booked of service_line dental; "
        "capacity of everything." in solving.sentence
    )
