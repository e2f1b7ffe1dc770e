"""Every SQL file: its header tells the truth, and other engines could read it."""

import re
from functools import cache

import pytest
import sqlglot
from sqlglot import exp

from attribution.dialects import written, written_for
from attribution.models.credit import credit_sql
from attribution.paths import SQL
from attribution.sql_models import LAYERS, load_checks, load_models, read_model
from outreach import consent

MODELS = {model.name: model for model in load_models()}
CHECKS = {check.name: check for check in load_checks()}
FILES = {**MODELS, **CHECKS}
DIALECTS = ("postgres", "spark", "bigquery", "snowflake", "databricks", "trino", "clickhouse")
# What a model may read that is not a model.
GIVEN = re.compile(
    r"raw_\w+|identity(_shared|_changes)?|setting_\w+|(campaign|channel|claim|lapse|platform)_rules"
    r"|lift_tests"
)
LISTS = (exp.Array, exp.ArrayAgg, exp.Struct, exp.Explode, exp.Unnest, exp.Lambda, exp.Map)


@cache
def parsed(name: str) -> exp.Expression:
    """The one statement of a file."""
    return sqlglot.parse_one(FILES[name].sql, read="duckdb")


@pytest.mark.parametrize("name", FILES)
def test_it_transpiles_and_parses_again(name):
    for dialect in DIALECTS:
        tree = sqlglot.parse_one(written(dialect, parsed(name).copy()), read=dialect)
        assert tree.find(exp.Select), dialect
        said = [cte.args.get("materialized") for cte in tree.find_all(exp.CTE)]
        assert set(said) <= {None}, dialect


@pytest.mark.parametrize("name", FILES)
def test_inputs_are_the_tables_that_are_read(name):
    tree = parsed(name)
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    read = {table.name for table in tree.find_all(exp.Table)} - own
    assert set(FILES[name].inputs) == read
    assert len(FILES[name].inputs) == len(read)


def test_inputs_exist():
    for name, file in FILES.items():
        unknown = {i for i in file.inputs if i not in MODELS and not GIVEN.fullmatch(i)}
        assert not unknown, name


def test_grain_is_made_of_its_columns():
    for name, model in MODELS.items():
        tree = parsed(name)
        final = next(cte for cte in tree.find_all(exp.CTE) if cte.alias == "final")
        columns = set(final.this.named_selects)
        assert model.grain, name
        if model.solve:
            continue  # its columns are those of the frame that Python makes of the rows
        assert "*" in columns or set(model.grain) <= columns, name


def test_whether_a_clock_or_an_instant_is_turned_into_the_other_is_told_by_a_cast():
    """Spark has two words for it, and a column does not say which of them is meant."""
    for name in FILES:
        for node in parsed(name).find_all(exp.AtTimeZone):
            said = {cast.to.this for cast in (node.this, node.parent) if isinstance(cast, exp.Cast)}
            one_of = {exp.DataType.Type.TIMESTAMPNTZ, exp.DataType.Type.DATE}
            assert len(said & one_of) == 1, f"{name}: {node.sql()}"
    midnight = "select cast(day as timestamp) at time zone zone as begins from days"
    assert "TO_UTC_TIMESTAMP" in written_for("spark", midnight).upper()
    day = "select cast(at at time zone zone as date) as day from events"
    assert "FROM_UTC_TIMESTAMP" in written_for("spark", day).upper()


def test_days_are_told_in_seconds_as_a_number_of_64_bits():
    """But for DuckDB a day less a day has 32 bits, and seconds since 1970 leave them in 2038."""
    for name in FILES:
        for node in parsed(name).find_all(exp.Mul):
            units = {found.text("unit").upper() for found in node.this.find_all(exp.DateDiff)}
            if "DAY" in units and node.expression.name == "86400":
                assert node.this.is_type("bigint"), f"{name}: {node.sql()}"


def test_no_lists_structs_or_macros():
    for name in FILES:
        tree = parsed(name)
        assert not [node.sql() for node in tree.find_all(*LISTS)], name
        unknown = {node.name.lower() for node in tree.find_all(exp.Anonymous)}
        assert not unknown, name


def test_an_outer_join_asks_nothing_of_the_other_table_alone():
    """Such a condition makes DuckDB compare all rows of one table with all of the other."""
    for name in FILES:
        for join in parsed(name).find_all(exp.Join):
            asked = join.args.get("on")
            if not join.side or asked is None or asked == exp.true():
                continue
            for condition in asked.flatten() if isinstance(asked, exp.And) else [asked]:
                tables = {column.table for column in condition.find_all(exp.Column)}
                assert join.this.alias_or_name in tables, f"{name}: {condition.sql()}"


def test_a_model_in_parts_names_them_in_its_sql():
    for name, model in MODELS.items():
        if model.parts:
            tables, by = model.parts.split(" by ")
            column, _, times = by.partition(" times ")
            assert not times or int(times) > 1
            assert set(tables.split(" and ")) <= set(model.inputs), name
            assert f"{column} % 1 = 0" in model.sql, name


@pytest.mark.parametrize("part", ["@", "win_", "unsubscribed|"])
def test_a_pattern_that_several_files_look_for_is_one(part):
    """What names a person, brings back or says STOP: SQL has no macros, so they are copies."""
    texts = [each.this for name in FILES for each in parsed(name).find_all(exp.Literal)]
    copies = [text for text in texts if part in text]
    assert len(copies) > 1
    assert len({*copies}) == 1
    if part == "unsubscribed|":  # and whoever sends asks for the same words
        assert copies[0] == consent._REPLIED


def test_it_ends_with_its_final_step():
    for name, file in FILES.items():
        last = file.sql.strip().split("\n\n")[-1].splitlines()
        assert last[0] == "select * from final", name
        assert len(last) == 1 or last[1].startswith("order by"), name


def test_no_run_and_no_clock_can_reach_a_table():
    """A second refresh on the same input must give the same tables."""
    for name, file in FILES.items():
        words = re.findall(r"\w+", file.sql.lower())
        of_a_run = {"run_id", "loaded_at", "now", "current_date", "random", "uuid"} & set(words)
        assert not of_a_run, name


def test_marts_are_written_in_the_order_of_their_grain():
    for model in MODELS.values():
        if model.layer == "marts":
            ordered = " ".join(model.sql.split("select * from final")[-1].split())
            first = ", ".join(("key",) if model.name == "about" else model.grain)
            assert ordered == f"order by {first}", model.name


# Forecasts are of the numbers that pages show, to the last one (docs/decisions.md).
OF_MARTS = {("int_forecasts", mart) for mart in ("conversions", "credit", "spend")}


def test_layers_read_downwards():
    rank = {layer: place for place, layer in enumerate(LAYERS)}
    for model in MODELS.values():
        for name in model.inputs:
            if (model.name, name) in OF_MARTS:
                continue
            if name in MODELS:
                assert rank[MODELS[name].layer] <= rank[model.layer], (model.name, name)
            elif name.startswith("raw_"):
                assert model.layer == "staging", (model.name, name)


def test_the_credit_model_is_written_from_the_registry():
    assert MODELS["credit"] == read_model("credit", "marts", credit_sql())
    assert not (SQL / "marts" / "credit.sql").exists()


def test_windows_without_an_order_run_in_the_order_of_the_cte_that_has_one():
    sql = """
        with ordered as (select a, b, c from t order by a, b desc)
        select lag(c) over () as d, sum(c) over (partition by b) as e, a,
            max(c) over (rows between unbounded preceding and current row) as f
        from ordered
    """
    tree = sqlglot.parse_one(written_for("postgresql", sql), read="postgres")
    assert [window.sql("duckdb") for window in tree.find_all(exp.Window)] == [
        "LAG(c) OVER (PARTITION BY a ORDER BY b DESC)",
        "SUM(c) OVER (PARTITION BY b)",
        (
            "MAX(c) OVER (PARTITION BY a ORDER BY b DESC rows BETWEEN UNBOUNDED preceding"
            " AND CURRENT ROW)"
        ),
    ]
    assert len(list(tree.find_all(exp.Order))) == 2  # and no rows are put in order as a whole
    alone = "select count(*) over () as n from t order by n"
    assert "OVER ()" in written_for("postgresql", alone)


@pytest.mark.parametrize("engine", ["postgresql", "spark"])
@pytest.mark.parametrize("name", [n for n, m in MODELS.items() if "\n    limit " in m.query])
def test_the_first_of_rows_in_an_order_are_the_first_everywhere(engine, name):
    """The thirty commonest are not any thirty."""
    dialect = {"postgresql": "postgres"}.get(engine, engine)
    tree = sqlglot.parse_one(written_for(engine, MODELS[name].query), read=dialect)
    taken = [query for query in tree.find_all(exp.Select) if query.args.get("limit")]
    assert taken
    assert all(query.args.get("order") for query in taken)
