"""Transform: headers, order, grain, checks and checksums."""

import json
from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest
from warehouse_fixtures import Warehouse, appointment, at, payment, touch

from attribution import model_tables
from attribution.checksums import checksum
from attribution.errors import TransformError
from attribution.models.parameters import KINDS, CreditSettings, credit_settings, setting_credit
from attribution.sql_models import in_order, load_checks, load_models, read_model
from attribution.transform import build, run_checks
from connectors.contract import BY_TABLE


@pytest.fixture(scope="module")
def opened():
    warehouse = Warehouse()
    yield warehouse
    warehouse.close()


@pytest.fixture
def warehouse(opened):
    """One warehouse for all tests: what a test does to it, or breaks in it, is rolled back."""
    yield opened
    opened.connection.rollback()


def model(name, select, inputs="raw_call", grain="n"):
    return read_model(
        name, "marts", f"-- What it is.\n-- grain: {grain}\n-- inputs: {inputs}\n\n{select}"
    )


@pytest.mark.parametrize(("rows_of_a_part", "used"), [(5_000_000, 1), (10, 2)])
def test_few_rows_are_built_by_one_thread(monkeypatch, rows_of_a_part, used):
    """And by all where there are many; the number stands as it was afterwards."""
    monkeypatch.setattr(model_tables, "ROWS_OF_A_PART", rows_of_a_part)
    own = Warehouse(of=["setting_report"], threads=2)
    own.load([touch(f"t{n}", "p", at("2024-03-05")) for n in range(3)])
    build(own.connection, [model("seen", "select current_setting('threads') as n")])
    assert own.rows("select n, current_setting('threads') from seen") == [(used, 2)]
    own.close()


def test_a_header_is_read():
    read = read_model(
        "visits",
        "marts",
        "-- Visits by week.\n-- grain: week, kind\n-- inputs: a,\n--   b\n--\n-- Why.\nselect 1",
    )
    assert (read.sentence, read.grain, read.inputs) == (
        "Visits by week.",
        ("week", "kind"),
        ("a", "b"),
    )


@pytest.mark.parametrize(
    ("sql", "missing"),
    [
        ("select 1 as n", "grain and inputs"),
        ("-- A table.\n-- grain: n\nselect 1 as n", "inputs"),
        ("-- no sentence\n-- grain: n\n-- inputs: a\nselect 1 as n", "first sentence"),
    ],
)
def test_a_malformed_header_names_the_file_and_what_it_lacks(sql, missing):
    with pytest.raises(TransformError, match=rf"marts/odd\.sql has no {missing} in its header"):
        read_model("odd", "marts", sql)


def test_every_model_comes_after_what_it_reads():
    built = set()
    names = {one.name for one in load_models()}
    for one in load_models():
        assert set(one.inputs) & names <= built
        built.add(one.name)


def test_a_ring_of_models_is_refused():
    with pytest.raises(TransformError, match=r"in a ring: \w reads \w"):
        in_order([model("a", "select 1", "b"), model("b", "select 1", "a")])


def test_two_models_of_one_name_are_refused():
    with pytest.raises(TransformError, match="Two SQL models are called a"):
        in_order([model("a", "select 1"), model("a", "select 2")])


def test_build_says_each_name(warehouse):
    heard = []
    build(warehouse.connection, [model("one", "select 1 as n")], heard.append)
    assert heard == ["one"]


def test_a_grain_that_is_not_unique_stops_the_build(warehouse):
    twice = model("twice", "select 1 as n union all select 1 as n")
    with pytest.raises(TransformError, match=r"twice has 1 keys that are not unique .* is n;"):
        build(warehouse.connection, [twice])


def test_an_engine_error_does_not_quote_values(warehouse):
    wrong = model("wrong", "select cast('ann@example.org' as integer) as n")
    with pytest.raises(TransformError, match=r"marts/wrong\.sql could not be built") as raised:
        build(warehouse.connection, [wrong])
    assert "ann" not in str(raised.value)


def test_all_failing_checks_are_told_at_once(warehouse):
    checks = [
        read_model("some", "checks", "-- There is nothing.\nselect 1 as n union all select 2 as n"),
        read_model("none", "checks", "-- There is something.\nselect 1 as n where false"),
        read_model("more", "checks", "-- There is less.\nselect 1 as n"),
    ]
    with pytest.raises(TransformError) as raised:
        run_checks(warehouse.connection, checks)
    assert str(raised.value) == (
        "The built tables are wrong: some (2 rows): There is nothing. more (1 rows): There is less."
    )


DAY = at("2024-05-15")
ROWS = [
    touch("t1", "ann", DAY, utm_campaign="spring"),
    touch("t2", "bob", DAY, utm_campaign="spring"),
    appointment("a1", "ann", DAY, DAY),
    payment("p1", "ann", DAY, "10.10", appointment_id="a1"),
]
SPOILS = {
    "credit_adds_up": "update credit set value_micros = value_micros + 10000",
    "incremental_adds_up": "update int_incremental set value_micros = value_micros + 10000",
    "conversions_are_all_counted": "delete from raw_payment",
    "spend_equals_what_was_loaded": "insert into raw_ad_spend (currency, spend_micros)"
    " values ('USD', 1)",
    "sessions_equal_what_was_loaded": "insert into raw_web_sessions (sessions) values (3)",
    "funnels_are_monotone": "insert into reactivation (silent, contacted, engaged, booked, kept,"
    " retained, arm) values (1, 2, 0, 0, 0, 0, 'treated')",
    "steps_are_the_funnel": "insert into reactivation_steps (people, reached) values (1, 5)",
    "new_patients_kept_a_visit": "update conversions set conversions = 5"
    " where kind = 'new_patient'",
    "weeks_begin_on_monday": "update credit set week = week + 1",
    "no_identifiers_in_marts": "update credit set campaign = 'ann@example.org'",
    "journey_shares_add_up": "update journey_credit set linear_share = linear_share / 2",
    "positions_equal_credit": "update positions set linear_value = linear_value + 1",
    "dates_equal_credit": "update credit_dates set linear_value = linear_value + 1",
    "cohorts_are_possible": "insert into cohorts (kind_to, entered, arrived, expected, low, high,"
    " maturity) values ('kept', 20, 12, 11, 11, 12, 1)",
    "claims_equal_what_was_loaded": "insert into raw_claimed_conversions (conversions) values (3)",
    "claims_explain_credit": "insert into claim_credit values"
    " ('last', 'lead', 'meta', 'paid_social', 'spring', date '2024-05-13', 1, 0, 0, 0, 0, 0)",
    "channel_rules_name_known_channels": "update channel_rules set channel = 'sky'",
}


def test_every_check_has_its_spoiler():
    assert SPOILS.keys() == {check.name for check in load_checks()}


@pytest.fixture(scope="module")
def sound():
    """Every model built, and every check passed."""
    made = Warehouse().build(*ROWS)
    run_checks(made.connection)
    made.connection.commit()
    yield made
    made.close()


@pytest.fixture
def spoiled(sound):
    """What a test spoils in it is rolled back."""
    yield sound
    sound.connection.rollback()
    run_checks(sound.connection)


@pytest.mark.parametrize("name", SPOILS)
def test_a_check_finds_what_it_is_for(spoiled, name):
    spoiled.run(SPOILS[name])
    with pytest.raises(TransformError, match=name):
        run_checks(spoiled.connection)


@pytest.mark.parametrize(
    ("kind", "entered", "arrived", "expected", "low", "high"),
    [
        ("booked", 11, 12, 12, 12, 12),
        ("kept", 20, 12, 11, 11, 12),
        ("kept", 20, 5, 6, 7, 8),
        ("kept", 20, 5, 8, 6, 7),
        ("kept", 10, 5, 5, 5, 5),
        ("collected", 20, 5_002_000, 5_000_000, 5_000_000, 5_000_000),
    ],
)
def test_an_impossible_cohort_is_found(spoiled, kind, entered, arrived, expected, low, high):
    spoiled.run(
        "insert into cohorts (kind_to, entered, arrived, expected, low, high, maturity) values"
        f" ('{kind}', {entered}, {arrived}, {expected}, {low}, {high}, 1)"
    )
    with pytest.raises(TransformError, match="cohorts_are_possible"):
        run_checks(spoiled.connection)


def fill(warehouse, values):
    warehouse.replace("sample", pd.DataFrame(values, columns=["a", "b"]))
    return checksum(warehouse.connection, "sample")


def test_a_checksum_does_not_depend_on_order(warehouse):
    rows = [("x", 1.5), ("y", None), ("x", 1.5)]
    assert fill(warehouse, rows) == fill(warehouse, rows[::-1])


@pytest.mark.parametrize(
    "other",
    [
        [("x", 1.5)],
        [("x", 1.5), ("x", 1.5), ("x", 1.5)],
        [("x", 1.5), ("x", 1.25)],
        [("x1", 0.5), ("x", 1.5)],
        [("x", None), ("x", 1.5)],
        [("", 1.5), ("x", 1.5)],
    ],
)
def test_a_checksum_tells_tables_apart(warehouse, other):
    assert fill(warehouse, [("x", 1.5), ("x", 1.5)]) != fill(warehouse, other)


def test_a_checksum_is_the_same_in_another_session_and_time_zone(warehouse):
    other = Warehouse()
    sums = []
    for one in (warehouse, other):
        one.run(
            "create or replace table sample as"
            " select timestamptz '2024-05-15 10:00:00+00' as moment, date '2024-05-15' as day"
        )
        sums.append(checksum(one.connection, "sample"))
        one.run("set timezone = 'America/Chicago'")
        sums.append(checksum(one.connection, "sample"))
        one.run("set timezone = 'UTC'")
    other.close()
    assert len(set(sums)) == 1


def test_a_checksum_of_nothing_is_refused(warehouse):
    with pytest.raises(TransformError, match="no table nowhere"):
        checksum(warehouse.connection, "nowhere")


def test_defaults_cover_every_kind():
    assert tuple(setting_credit(CreditSettings())["kind"]) == KINDS


def test_credit_settings_are_read():
    read = credit_settings({"timezone": "America/Chicago", "lookback_days": {"kept": 30}})
    days = setting_credit(read).set_index("kind")["lookback_days"]
    assert read == replace(CreditSettings(), timezone="America/Chicago", lookback_days={"kept": 30})
    assert (days["kept"], days["lead"]) == (30, 90)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"halflife": 3}, "halflife is not a setting"),
        ({"half_life_days": 0}, "half_life_days must be from 0.01"),
        ({"half_life_days": "week"}, "half_life_days must be a number"),
        ({"position_ends": 0.6}, "position_ends must be above 0 and at most 0.5"),
        ({"milestone_each": 0.34}, "milestone_each must be above 0 and at most a third"),
        ({"lookback_days": {"lead": 0}}, "lookback_days.lead must be days from 1 to 730"),
        ({"lookback_days": 90}, "lookback_days must be a table"),
        ({"lookback_days": {"sale": 9}}, "lookback_days.sale is not a conversion"),
        ({"after_previous": {"lead": "yes"}}, "after_previous.lead must be true or false"),
        ({"timezone": "Mars/Crater"}, "timezone 'Mars/Crater' is not one"),
        ({"lead_gap_days": -1}, "lead_gap_days must be whole days"),
    ],
)
def test_impossible_credit_settings_are_named(table, says):
    with pytest.raises(ValueError, match=says):
        credit_settings(table)


def test_every_kind_of_row_is_counted_as_loaded():
    """A source whose rows are left out there would seem to have brought nothing."""
    (counts,) = [model for model in load_models() if model.name == "stg_load"]
    assert set(counts.inputs) == {f"raw_{table}" for table in BY_TABLE}
    for table in BY_TABLE:
        assert f"'{table}' as table_name" in counts.sql


def test_nothing_is_joined_between_an_order_and_what_looks_back_in_it(warehouse):
    """DuckDB keeps the order of one side of a join, and of which side depends on its guesses."""
    warehouse.build()
    chains = {}

    def walk(node, name):
        if node["name"] == "STREAMING_WINDOW":
            below = node["children"][0]
            while below["name"] in ("PROJECTION", "FILTER", "STREAMING_WINDOW"):
                below = below["children"][0]
            chains.setdefault(name, []).append(below["name"])
        for child in node["children"]:
            walk(child, name)

    for each in warehouse.models:
        ((_, plan),) = warehouse.rows(f"explain (format json) {each.query}")
        walk(json.loads(plan)[0], each.name)
    assert chains == {"int_lost_touches": ["ORDER_BY"] * 3}


@pytest.mark.parametrize("touches", [682, 683, 693, 703, 710])
def test_touches_are_in_order_however_the_engine_cuts_them(opened, touches):
    """It works on 2,048 rows at once, and a few that are left over it would put elsewhere.

    Everybody has a journey of each of three groups of kinds, so that is the rest of three times so
    many touches and one more: 1, 4, 34, 64 and 85.
    """
    began = at("2024-01-01")
    opened.build(
        *(touch(f"t{i}", f"p{i % 90}", began + timedelta(days=i // 90)) for i in range(touches)),
        touch("t", "zoe", at("2026-01-01")),
    )
    places = "row_number() over (order by end_place) as place, row_number() over (order by span)"
    asked = f"select span, {places} as sorted from int_lost_touches where is_last"
    assert opened.rows(f"select count(*), max(abs(place - sorted)) from ({asked})") == [(270, 0)]


def test_in_parts_a_model_is_the_same_as_whole(warehouse, monkeypatch):
    warehouse.build(
        *(
            touch(f"t{i}", f"p{i % 7}", at("2024-01-01") + timedelta(days=20 * i % 310))
            for i in range(60)
        ),
        touch("t", "zoe", at("2026-01-01")),
        *(
            appointment(f"a{i}", f"p{i % 7}", day, day + timedelta(days=1), "booked")
            for i in range(0, 30, 3)
            for day in [at("2024-01-02") + timedelta(days=20 * i)]
        ),
    )
    names = [model.name for model in warehouse.models if model.parts]

    def held():
        """What each table holds; places of a lost span may begin at any number."""
        found = {}
        for name in names:
            if not name.startswith("int_lost_"):
                found[name] = checksum(warehouse.connection, name)
                continue
            first = f"(select span, min(end_place) as began from {name} group by span)"
            places = "end_place - began as end_place"
            places += ", place - began as place" if name == "int_lost_touches" else ""
            warehouse.connection.exec_driver_sql(
                f"create or replace temp table placed as select {name}.* replace ({places})"
                f" from {name} inner join {first} as first on {name}.span = first.span"
            )
            found[name] = checksum(warehouse.connection, "placed")
        return found

    whole = held()
    assert sorted(names) == [
        *("int_conversions", "int_decisions", "int_lost_journeys", "int_lost_touches", "journeys")
    ]
    assert all(warehouse.rows(f"select 1 from {name}") for name in names)
    for name in names:
        warehouse.connection.exec_driver_sql(f"create or replace table {name} as select 1 as one")
    warehouse.connection.commit()
    monkeypatch.setattr(model_tables, "ROWS_OF_A_PART", 9)
    build(warehouse.connection, [model for model in warehouse.models if model.parts])
    warehouse.connection.rollback()  # of much, each model was committed
    assert held() == whole
