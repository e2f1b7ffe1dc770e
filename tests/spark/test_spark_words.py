"""Where Spark means something else by the same words: each difference, on a real cluster."""

from collections.abc import Iterator
from decimal import Decimal
from math import isclose

import duckdb
import pytest
import sqlalchemy as sa
from crowd_fixture import differing, taken_to
from labels_reference import all_beside_each_other, in_memory, on_engine
from spark_cluster import connected
from sqlalchemy import Connection

from attribution.dialects import written_for
from attribution.raw import fetch

# What DuckDB and Spark must answer alike, by what is different about it. All go in one statement
# of each engine: a cluster takes longer to begin one than to answer it.
QUESTIONS = {
    "halves are rounded away from nought": "round(cast(-2.5 as double))",
    "and not to the even number": "round(cast(444.5 as double))",
    "digits are rounded as the number is, not as it is written": "round(cast(2.675 as double), 2)",
    "halves of decimals too": "round(cast(0.125 as decimal(9, 3)), 2)",
    "roundings stand within roundings": "round(round(cast(2.45 as double), 1) * 5.0) + 1",
    "whole numbers are divided in double precision": "7 / 2",
    "decimals too": "cast(cast(1 as decimal(18, 6)) / 3 as double)",
    "a quotient as a whole number is the nearest": "cast(11 / 3 as bigint)",
    "of two the even one": "cast(5 / 2 as integer)",
    "products of decimals keep their digits": "cast(cast(2 as bigint)"
    " * cast(0.142857142857 as decimal(30, 12)) as double)",
    "days begin at midnight": "date_diff('day', timestamp '2026-03-01 23:59:59',"
    " timestamp '2026-03-02 00:00:01')",
    "seconds begin where they do": "date_diff('second', timestamp '2026-03-01 00:00:00.9',"
    " timestamp '2026-03-01 00:00:01.1')",
    "seconds since 1970": "cast(extract(epoch from timestamp '2026-03-01 00:00:00.25') as double)",
    "the day somewhere else": "cast(cast(cast(timestamp '2026-03-01 03:00:00' at time zone 'UTC'"
    " as timestamp with time zone) at time zone 'America/Chicago' as date) as varchar)",
    "midnight somewhere else": "cast(extract(epoch from cast(date '2026-03-09' as timestamp)"
    " at time zone 'America/Chicago') as double)",
    "an instant of seconds": "cast(to_timestamp(86400) at time zone 'UTC' as varchar)",
    "weeks begin on Monday": "cast(cast(date_trunc('week', date '2026-03-01') as date) as varchar)",
    "a day further on": "cast(cast(date '2026-02-28' + interval '1' day as date) as varchar)",
    "what is not found of a pattern is empty": "regexp_extract('none', '[0-9]{1,3}')",
    "a pattern is found anywhere": "regexp_matches('knee pain', 'e.p')",
    "what is not a digit goes": "regexp_replace('+1 (2) 3', '[^0-9]', '', 'g')",
    "a backslash is a backslash": "regexp_matches('a1', '^\\w\\d$')",
    "parts beyond the last are empty": "split_part('a|b', '|', 3)",
    "nothing beside a text is nothing": "cast(null as varchar) || 'a'",
    "letters come in the order of their bytes": "'Z' < 'a' and 'a' < 'ä'",
    "spaces count in comparisons": "'a' = 'a '",
    "only spaces are trimmed": "length(trim(' a' || chr(9) || ' '))",
    "so are those of web pages": "length(trim('\u00a0 a\u3000'))",
    "letters are made small one by one": "lower('ΟΔΟΣ İ')",
    "and large": "upper('straße')",
    "nothing is least": "least(null, 2, 3)",
    "flags are written in small letters": "cast(1 = 1 as varchar)",
    "an instant is written without fractions": "cast(timestamp '2026-03-01 10:00:00' as varchar)",
}
# The same of what needs rows: `t` has the numbers 1, 2, 3, 4 and nothing in `a`, and one in `b`.
OF_ROWS = {
    "percentiles lie between": "percentile_cont(0.5) within group (order by a)",
    "bits are put together": "bit_or(cast(a as bigint))",
    "only some rows are counted": "count(*) filter (where a > 1)",
    "names are put together in order": "string_agg(cast(a as varchar), '|' order by a desc)",
    "a mean is in double precision": "avg(a)",
    "flags are put together": "bool_or(a = 4)",
    "big sums do not run over": "cast(sum(cast(a as bigint) * 1000000000000000) as double)",
}
ROWS = "(values (1, 1), (2, 1), (3, 1), (4, 1), (null, 1)) as t (a, b)"


@pytest.fixture(scope="module")
def server(cluster) -> Iterator[Connection]:
    with connected(cluster) as connection:
        yield connection


def both(server: Connection, query: str) -> tuple[dict[str, object], dict[str, object]]:
    """The first row of what DuckDB and Spark answer to one query, by column."""
    here = duckdb.sql(query).to_arrow_table().to_pylist()[0]
    return here, fetch(server, query).to_pylist()[0]


def alike(one: object, other: object) -> bool:
    """Whether two answers are the same; numbers within what double precision tells apart."""
    if isinstance(one, Decimal | float | int) and not isinstance(one, bool):
        return isclose(float(one), float(other), rel_tol=1e-12)
    return one == other


@pytest.mark.parametrize(("questions", "rows"), [(QUESTIONS, ""), (OF_ROWS, f" from {ROWS}")])
def test_both_answer_alike(server, questions, rows):
    asked = ", ".join(f"{words} as c{n}" for n, words in enumerate(questions.values()))
    here, there = both(server, f"select {asked}{rows}")
    answers = zip(questions, here.values(), there.values(), strict=True)
    wrong = {name: (one, other) for name, one, other in answers if not alike(one, other)}
    assert wrong == {}


def test_nothing_comes_last_whichever_way_rows_are_ordered(server):
    query = f"select a from {ROWS} order by a"
    for words in (query, f"{query} desc"):
        assert fetch(server, words).column("a").to_pylist()[-1] is None
        assert duckdb.sql(words).fetchall()[-1] == (None,)


def test_rows_are_chosen_by_a_window(server):
    here, there = both(
        server, f"select a from {ROWS} qualify row_number() over (order by a desc nulls last) = 2"
    )
    assert here == there == {"a": 3}


def test_what_does_not_fit_is_refused(server):
    """As in DuckDB: ANSI mode is on, and a number that runs over does not come back as another."""
    with pytest.raises(sa.exc.DBAPIError):
        server.exec_driver_sql(written_for("spark", "select cast('x' as integer)")).all()
    with pytest.raises(sa.exc.DBAPIError):
        server.exec_driver_sql(
            written_for("spark", "select cast(9223372036854775807 as bigint) + 1")
        ).all()


def test_a_value_goes_where_a_question_mark_stands(server):
    assert server.exec_driver_sql("select ? || ?", ("a%", "?")).scalar_one() == "a%?"


def test_what_laws_find_holds_there_too(server):
    """The laws are of DuckDB; of rows as odd as theirs both make every table the same."""
    server.exec_driver_sql("create database crowd")
    server.exec_driver_sql("use crowd")
    store = taken_to(server, people=60, each=120)
    try:
        assert differing(store, server) == {}
        assert len(store.rows("select distinct model from credit")) > 5
    finally:
        store.close()
        server.exec_driver_sql("use default")
        server.exec_driver_sql("drop database crowd cascade")


def test_components_are_those_found_in_memory(server):
    edges = all_beside_each_other()
    assert on_engine(server, edges)[0] == in_memory(edges)
