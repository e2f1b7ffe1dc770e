"""Days that records change after they were told: with what they were before, and are now."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Lock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.clinic import MONDAY, at, payment
from servers.scripted import slice_of
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from attribution.loading import Loaded, Loader
from attribution.privacy import Door
from attribution.raw import ensure_raw_tables
from connectors.contract import Appointment, Payment

DAY = timedelta(days=1)
SOURCES = itertools.count()
PAID = st.dictionaries(  # payment -> the day on which it was posted, and how much
    st.sampled_from("abcdef"), st.tuples(st.integers(0, 3), st.integers(-9, 9)), max_size=6
)
Load = Callable[..., Loaded]


@pytest.fixture(scope="module")
def load() -> Iterator[Load]:
    """Loads rows of a source in a refresh of that name."""
    engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("set timezone = 'UTC'")
        ensure_raw_tables(connection)

    def loaded(source: str, run_id: str, *rows: object, **piece: object) -> Loaded:
        loader = Loader(engine, Lock(), Door(b"k" * 32), source, source, run_id)
        return loader.load(slice_of(*rows, **piece))

    yield loaded
    engine.dispose()


def sums(known: dict[str, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Payments and their sum, in micros, by day."""
    days: dict[int, tuple[int, int]] = {}
    for day, amount in known.values():
        count, total = days.get(day, (0, 0))
        days[day] = count + 1, total + amount * 1_000_000
    return days


@settings(max_examples=25)
@given(PAID, PAID)
def test_days_of_records_that_change_are_told_with_both_sums(load, old, new):
    """Law: what was known of each past day, and what is known now, and of no other day."""
    source, known, before = f"emr{next(SOURCES)}", {}, {}
    for run_id, paid in (("first", old), ("second", new)):
        rows = [
            payment(name, str(amount), day, updated_at=at(9))
            for name, (day, amount) in paid.items()
        ]
        loaded = load(source, run_id, *rows, rows=(Payment,))
        before, known = sums(known), known | paid
    after = sums(known)
    expected = {
        (MONDAY + day * DAY, metric): (float(one), float(other))
        for day in (before.keys() | after.keys() if old else ())
        for metric, one, other in zip(
            ("rows", "amount_micros"), before.get(day, (0, 0)), after.get(day, (0, 0)), strict=True
        )
        if one != other
    }
    assert {(r.day, r.metric): (r.before, r.after) for r in loaded.restated} == expected


def test_a_visit_that_was_kept_after_all_restates_its_day_and_one_ahead_restates_none(load):
    def visit(number: str, when: datetime, status: str) -> Appointment:
        return Appointment(
            appointment_id=number,
            patient_id="p",
            booked_at=at(0),
            starts_at=when,
            status=status,
            updated_at=at(0),
        )

    soon = datetime.now(UTC) + DAY
    for run_id, status in (("first", "booked"), ("second", "fulfilled")):
        loaded = load("visits", run_id, visit("1", at(0), status), visit("2", soon, status))
    assert [(r.table, r.day, r.metric, r.before, r.after) for r in loaded.restated] == [
        ("appointment", MONDAY, "kept", 0.0, 1.0)
    ]
