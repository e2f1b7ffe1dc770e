"""What is written for Spark; that a cluster answers alike is told by tests/spark."""

import pytest

from attribution.dialects import spoken, written_for

WRITTEN = {
    "a / b": "CAST((a) AS DOUBLE) / CAST((b) AS DOUBLE)",
    "round(a)": "(SIGN((a)) * FLOOR(ABS((a)) + 0.5))",
    "cast(a / 7 as bigint)": "CAST(BROUND((CAST((a) AS DOUBLE) / CAST((7) AS DOUBLE))) AS BIGINT)",
    "date_diff('day', a, b)": "DATEDIFF(CAST((b) AS DATE), CAST((a) AS DATE))",
    "percentile_cont(0.5) within group (order by a)": "PERCENTILE(a, 0.5)",
    "to_timestamp(a)": "TIMESTAMP_SECONDS((a))",
    "extract(epoch from a)": "(UNIX_MICROS((a)) / CAST(1000000 AS DOUBLE))",
    "extract(year from a)": "EXTRACT(YEAR FROM a)",
}


@pytest.mark.parametrize("words", WRITTEN)
def test_what_sqlglot_cannot_know_is_written(words):
    assert written_for("spark", f"select {words} from t") == f"SELECT {WRITTEN[words]} FROM t"


def test_a_table_is_dropped_before_it_is_made_again():
    first, last = spoken("spark", "create or replace table t as from incoming")
    assert first == "drop table if exists t"
    assert last == "CREATE TABLE t AS SELECT * FROM incoming"
