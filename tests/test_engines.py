"""Where PostgreSQL means something else by the same words: each difference, on a real server."""

from collections.abc import Iterator

import duckdb
import pytest
from engines_fixture import connected, postgres
from hypothesis import example, given, settings
from hypothesis import strategies as st
from labels_reference import all_beside_each_other, in_memory, on_engine
from sqlalchemy import Connection

from attribution.engine_sql import written_for


@pytest.fixture(scope="module")
def server() -> Iterator[Connection]:
    with postgres() as address, connected(address) as connection:
        yield connection


def both(server: Connection, query: str) -> tuple[object, object]:
    """What DuckDB and PostgreSQL answer to one query."""
    written = written_for("postgresql", query)
    theirs = server.exec_driver_sql(written, execution_options={"no_parameters": True})
    return duckdb.sql(query).fetchone()[0], theirs.scalar_one()


numbers = st.floats(-1e9, 1e9).map(lambda n: round(n, 4))


@example(444.5, 0)
@example(-2.5, 0)
@example(0.125, 2)
@given(numbers, st.integers(0, 4))
@settings(max_examples=100)
def test_halves_are_rounded_away_from_nought(server, number, digits):
    places = f", {digits}" if digits else ""
    here, there = both(server, f"select round(cast('{number!r}' as double precision){places})")
    assert there == pytest.approx(here, rel=1e-12, abs=0)


def test_roundings_within_roundings_are_all_written_anew(server):
    here, there = both(server, "select round(round(cast(2.45 as double precision), 1) * 5.0) + 1")
    assert here == there == 14.0


@pytest.mark.parametrize("text", ["7-day click", "none", ""])
def test_what_is_not_found_of_a_pattern_is_empty(server, text):
    here, there = both(server, f"select regexp_extract('{text}', '[0-9]{{1,3}}')")
    assert here == there


def test_whole_numbers_divided_are_whole_numbers(server):
    here, there = both(server, "select cast(1 as bigint) << (cast(7 as bigint) // 2)")
    assert here == there == 8


def test_a_percent_sign_is_no_place_for_a_value(server):
    here, there = both(server, "select count(*) from (select 'a%b' as t) as x where t like '%b'")
    assert here == there == 1


def test_components_are_those_found_in_memory(server):
    edges = all_beside_each_other()
    assert on_engine(server, edges)[0] == in_memory(edges)


def test_duckdb_reads_what_is_written():
    query = "select round(a) from t"
    assert written_for("duckdb", query) is query
