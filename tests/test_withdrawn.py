"""What a source takes back is not counted, and codes find their visits whichever comes first."""

from datetime import timedelta

import pytest
from warehouse_fixtures import LOADED_AT, Warehouse, appointment, at

from attribution.sql_models import load_models
from attribution.transform import build
from connectors.contract import CareCode, Encounter, Withdrawn

STAGED = ("stg_appointment", "stg_payment", "stg_care_code", "stg_encounter")
MODELS = [model for model in load_models() if model.name in STAGED]
CHANGED = LOADED_AT
BEFORE, AFTER = CHANGED - timedelta(days=1), CHANGED + timedelta(days=1)


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse()
    yield opened
    opened.close()


@pytest.fixture
def staged(warehouse):
    """Stage these rows and no others."""

    def stage(*rows):
        for table in ("appointment", "encounter", "care_code", "payment", "withdrawn"):
            warehouse.run(f"delete from raw_{table}")
        warehouse.load(rows)
        build(warehouse.connection, MODELS)
        return warehouse

    return stage


def gone(table, record, when):
    return Withdrawn(table, record, when, "deleted")


def booking(own, **more):
    return appointment(own, "p1", at("2024-03-01"), at("2024-03-05"), **more)


def visit(own="v1", **more):
    return Encounter(encounter_id=own, patient_id="p1", starts_at=at("2024-03-05"), **more)


def code(own, group, line=None, rank=None, **more):
    return CareCode(care_code_id=own, kind="diagnosis", code_group=group, service_line=line,
                    line_rank=rank, **more)  # fmt: skip


def test_what_was_withdrawn_is_left_out_until_it_comes_again(staged):
    booked = [booking(f"a{n}") for n in range(3)]
    booked[1] = booking("a1", updated_at=AFTER)
    warehouse = staged(
        *booked,
        gone("appointment", "a0", AFTER),
        gone("appointment", "a1", AFTER - timedelta(hours=1)),
        gone("payment", "a2", AFTER),  # another table's record of the same number
    )
    left = warehouse.rows("select appointment_id from stg_appointment order by 1")
    assert left == [("a1",), ("a2",)]


def test_a_withdrawal_counts_unless_the_record_changed_after_it(staged):
    assert staged(visit(updated_at=CHANGED), gone("encounter", "v1", BEFORE)).rows(
        "select count(*) from stg_encounter"
    ) == [(1,)]
    assert staged(visit(updated_at=CHANGED), gone("encounter", "v1", CHANGED)).rows(
        "select count(*) from stg_encounter"
    ) == [(0,)]
    assert staged(visit(), gone("encounter", "v1", BEFORE)).rows(
        "select count(*) from stg_encounter"
    ) == [(0,)]


def test_a_visits_codes_give_it_the_line_whose_rule_comes_first(staged):
    codes = [code("c1", "metabolic", "primary_care", 9, encounter_id="v1"),
             code("c2", "circulatory", "cardiology", 3)]  # fmt: skip
    pointer = CareCode(care_code_id="v1/c2", kind="diagnosis", encounter_id="v1", same_as="c2")
    line = "select service_line from stg_encounter order by encounter_id"
    assert staged(visit(), visit("v2"), *codes, pointer).rows(line) == [
        ("cardiology",), ("unassigned",)
    ]  # fmt: skip
    assert staged(visit(service_line="dental"), *codes, pointer).rows(line) == [("dental",)]
    assert staged(visit(), *codes, pointer, gone("care_code", "c2", AFTER)).rows(line) == [
        ("primary_care",)
    ]


def test_a_booking_knows_how_long_its_visit_waited(staged):
    seen = visit(appointment_id="a0", minutes_waited=12.0)
    told = staged(booking("a0"), seen)
    assert told.rows("select minutes_waited from stg_appointment") == [(12.0,)]
