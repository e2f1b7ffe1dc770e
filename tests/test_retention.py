"""How long what is kept: periods, and settings that cannot be."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.retention import DATED, KINDS, Period, retention
from connectors.contract import BY_TABLE, contract_fields

DAYS = st.dates(date(1900, 1, 1), date(2200, 12, 31))


@pytest.mark.parametrize(
    ("said", "today", "first"),
    [
        ("90 days", date(2026, 3, 31), date(2025, 12, 31)),
        ("1 week", date(2026, 1, 1), date(2025, 12, 25)),
        ("1 month", date(2026, 3, 31), date(2026, 2, 28)),
        ("1 month", date(2024, 3, 31), date(2024, 2, 29)),
        ("12 months", date(2026, 1, 15), date(2025, 1, 15)),
        ("13 months", date(2026, 1, 15), date(2024, 12, 15)),
        ("1 year", date(2024, 2, 29), date(2023, 2, 28)),
        ("3 years", date(2026, 7, 4), date(2023, 7, 4)),
    ],
)
def test_a_period_reaches_back_to_a_day(said, today, first):
    assert retention({"touchpoint": said}).since("touchpoint", today) == first


@given(DAYS, st.integers(1, 400))
def test_twelve_months_are_a_year_and_more_reaches_further_back(today, count):
    assert Period(12 * count, "month").before(today) == Period(count, "year").before(today)
    for unit in ("day", "week", "month"):
        assert Period(count + 1, unit).before(today) < Period(count, unit).before(today) < today
    month = Period(1, "month").before(today)
    assert timedelta(28) <= today - month <= timedelta(31)


def test_what_is_not_named_is_kept_for_good():
    assert not retention({})
    assert retention({"call": "1 year"}).since("payment", date(2026, 1, 1)) is None


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"audit": "7 years"}, "the audit log is never purged"),
        ({"preference": "7 years"}, "a forgotten opt-out"),
        ({"person": "7 years"}, "caretrace forget"),
        ({"tocuhpoint": "7 years"}, "tocuhpoint is none of"),
        ({"call": "7"}, "call must be a period"),
        ({"call": 7}, "call must be a period"),
        ({"call": "0 days"}, "call must be a period"),
        ({"call": "1 fortnight"}, "call must be a period"),
    ],
)
def test_what_cannot_be_is_told(table, problem):
    with pytest.raises(ValueError, match=problem):
        retention(table | {"payment": "1 year"})


def test_every_dated_table_has_its_day_and_is_of_the_contract():
    for table, column in DATED.items():
        kinds = {spec.name: spec.kind for spec in contract_fields(BY_TABLE[table])}
        assert kinds[column] in ("day", "instant")
    assert len(set(KINDS)) == len(KINDS)
