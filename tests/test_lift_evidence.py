"""Lift tests as models hear them: of a channel that was off, not quite off, or on."""

from math import sqrt

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from attribution import lift_records
from attribution.models.incremental_design import cells_of, media_of
from attribution.models.incremental_evidence import terms_of, while_on
from attribution.models.incremental_fit import Term


def test_a_channel_that_was_off_is_heard_as_it_was_on():
    """Off for two weeks 30 were missing of 120: a quarter, so 25 of the 100 of two weeks before."""
    pressure = np.array([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [1.0] * 6])
    counts = np.array([[40.0, 60.0, 40.0, 50.0, 45.0, 45.0], [9.0] * 6])
    weight = np.zeros((2, 6))
    weight[0, 4:] = 1.0
    [heard] = while_on(Term(0, weight, 30.0, 12.0), pressure, counts)
    assert heard.increment == pytest.approx(25.0)
    assert heard.standard_error == pytest.approx(10.0)
    assert heard.weight[0] == pytest.approx([0, 1, 1, 0, -100 / 120, -100 / 120])
    assert not heard.weight[1].any()
    on = Term(1, weight[::-1], 30.0, 12.0)
    assert while_on(on, pressure, counts) == [on]
    never = np.array([[0.0] * 5 + [9.0], [1.0] * 6])
    weight[0, 5] = 0.0
    assert while_on(Term(0, weight, 30.0, 12.0), never, counts) == []


@pytest.mark.parametrize("left", [0.0, 0.04, 0.06, 0.09, 0.3, 0.49, 0.5])
def test_a_channel_that_was_not_quite_off_is_heard_as_far_as_it_was(left):
    """A week brings 80, and 20 with all of the pressure: with 30% of it 6, so 14 are missing."""
    pressure = np.array([[1.0] * 4 + [left] * 2])
    counts = 80 + 20 * pressure
    weight = np.array([[0.0] * 4 + [1.0] * 2])
    [heard] = while_on(Term(0, weight, 40 * (1 - left), 5.0), pressure, counts)
    assert (counts * heard.weight * 20 * pressure / counts).sum() == pytest.approx(heard.increment)
    assert (heard.weight @ np.ones(6) < 2) == (left < 0.5)  # then both readings are the same


def test_a_budget_that_moves_by_itself_is_no_test_of_what_is_missing():
    """In flights, cut everywhere, or none for a year before: what it brought is heard whole."""
    flights = np.array([[1.0, 0.0, 0.0, 0.0] * 10])
    weight = np.zeros((1, 40))
    weight[0, 32:] = 1.0
    term = Term(0, weight, 5.0, 1.0)
    assert while_on(term, flights, 0 * flights + 9) == [term]
    cut = np.array([[1.0] * 32 + [0.3] * 8, [2.0] * 32 + [0.7] * 8])
    term = Term(0, np.vstack([weight, 0 * weight]), 5.0, 1.0)
    assert while_on(term, cut, 0 * cut + 9) == [term]
    dark = np.array([[1.0] * 32 + [0.0] * 8] * 2)
    [heard] = while_on(term, dark, 0 * dark + 9)
    assert heard.weight[0, 24:32] == pytest.approx(1.0)
    lit = np.zeros((1, 100))
    lit[0, :20], lit[0, 92:] = 3.0, 1.0
    term = Term(0, (np.arange(100) >= 92)[None] * 1.0, 5.0, 1.0)
    assert while_on(term, lit, 0 * lit + 9) == [term]


def test_lines_where_a_channel_never_was_do_not_count_for_it():
    """Off in the north, 10 of 100 are missing of the line that it had; the other counts 900."""
    pressure = np.array([[1.0] * 4 + [0.0] * 2, [0.0] * 6])
    counts = np.array([[50.0] * 4 + [45.0] * 2, [450.0] * 6])
    weight = np.array([[0.0] * 4 + [1.0] * 2] * 2)
    [heard] = while_on(Term(0, weight, 10.0, 5.0), pressure, counts)
    assert heard.increment == pytest.approx(10.0)
    assert not heard.weight[1].any()


def test_places_of_one_test_are_one_term():
    days = pd.date_range("2025-01-06", periods=20, freq="7D").date
    rows = [
        {"kind": "lead", "service_line": line, "location": place, "week": day, "currency": "",
         "conversions": 10, "value_micros": 0}
        for line in ("heart", "skin") for place in ("north", "south") for day in days
    ]  # fmt: skip
    conversions = pd.DataFrame(rows)
    media = pd.DataFrame(
        {"channel": "video", "campaign": "v", "service_line": "unassigned", "location": place,
         "week": day, "currency": "USD", "spend_micros": 1_000_000, "impressions": 0, "clicks": 0,
         "messages": 0}
        for place in ("north", "south") for day in days
    )  # fmt: skip
    cells = cells_of(conversions, media)
    part = {"channel": "video", "kind": "lead", "increment": 8.0, "standard_error": 2.0,
            "first_day": "2025-03-03", "last_day": "2025-03-16", "location": "north",
            "service_line": "heart", "test": "1 dark"}  # fmt: skip
    other = part | {"location": "south", "service_line": "", "first_day": "2025-03-10"}
    holdouts = pd.DataFrame(columns=["kind", "channel"])
    tests = pd.DataFrame([part, other, part | {"test": "", "location": ""}])
    alone, whole = terms_of("lead", cells, media_of(media, cells), holdouts, tests, conversions)
    assert (alone.increment, whole.increment) == (8.0, 8.0)
    assert alone.weight.sum() == 4.0  # two places, two weeks
    assert whole.weight.sum() == 2.0 + 2.0  # heart in the north for two weeks, the south for one
    assert sqrt(whole.standard_error) == pytest.approx(sqrt(2.0))


def test_a_recorded_test_that_the_data_do_not_cover_any_more_is_named():
    """Of its first week nothing is left. Of a file one waits; others are refused in the build."""
    tests = (
        ("video", "kept", "north", "", "2026-03-02", "2026-03-08", "1 Kept", "yes"),
        ("video", "kept", "north", "", "2026-02-23", "2026-03-08", "2 Video dark", "yes"),
        ("video", "kept", "north", "", "2026-02-23", "2026-03-08", "", ""),
        ("social", "lead", "north", "", "2026-03-02", "2026-03-09", "", ""),
        ("video", "kept", "north", "teeth", "2026-03-02", "2026-03-08", "3 Renamed", "yes"),
    )
    columns = "channel, kind, location, service_line, first_day, last_day, test, recorded"
    engine = sa.create_engine("duckdb:///:memory:")
    with engine.connect() as connection:
        for name, made in {
            "int_panel_conversions": "select 'north' as location, 'dental' as service_line",
            "int_panel_media": "select 'north' as location, 'unassigned' as service_line,"
            " date '2026-03-02' as week",
            "lift_tests": f"from (values {', '.join(map(str, tests))}) as t ({columns})",
        }.items():
            connection.exec_driver_sql(f"create table {name} as {made}")
        said = lift_records.unheard(connection)
    assert said.count("is not heard") == 3
    assert "is of the service line 'teeth', which is none of dental." in said
    assert "The test social (lead) of lift_tests.csv is not heard until its last days" in said
    assert "`caretrace lift withdraw 'Video dark' --why ...`" in said
    assert "Kept" not in said
