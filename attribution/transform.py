"""Transform: reads the SQL models, orders them by their inputs, builds them and checks the result.

A model is one file; its table has the file's name. Its header says what it holds in a sentence,
its grain (proved unique after it is built) and its inputs (which order the build):

    -- What was converted, week by week.
    -- grain: kind, week
    -- inputs: int_conversions

Where Python solves what SQL counted, `beside` names whole tables that it reads too. A model whose
work would grow out of memory is built for a part of its rows after the other, as many as the rows
of some tables need: `parts: a and b by column` names them and a column that is never null, and its
SQL reads those rows where `column % 1 = 0`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, CursorResult
from sqlalchemy.exc import SQLAlchemyError

from attribution.engine_sql import spoken, written_for
from attribution.errors import TransformError
from attribution.identity_links import holding_sql
from attribution.models.arm_lift import lifts_of
from attribution.models.checks import (
    dates_equal_credit,
    journey_shares_add_up,
    positions_equal_credit,
)
from attribution.models.claim_credit import claim_credit_sql
from attribution.models.credit import credit_groups_sql, credit_leans_sql, credit_sql
from attribution.models.credit_dates import credit_dates_sql
from attribution.models.drivers import experience_drivers
from attribution.models.forecast_table import no_forecasts
from attribution.models.incremental import draws_of
from attribution.models.incremental_shares import shares_of
from attribution.models.journey_credit import journey_credit_sql
from attribution.models.learned import markov_weights, shapley_weights
from attribution.models.maturity import cohort_maturity
from attribution.models.mix import mix_draws
from attribution.models.orders import markov_orders
from attribution.models.positions import channel_shares_sql, companions_sql, positions_sql
from attribution.models.returning import return_calibration, return_chances
from attribution.models.shares import shares_sql
from attribution.paths import SQL
from attribution.raw import columns, fetch, lent, tables
from attribution.side_by_side import side_by_side

LAYERS = ("staging", "intermediate", "marts", "people")

# So many rows of a table are worked on at once where a model is built in parts: some 80 bytes of
# each are ordered at a time, for each group of kinds of conversion that are alike.
ROWS_OF_A_PART = 5_000_000
_GRAINS = 24  # of how many tables grains are proved in one statement on a cluster
_NUMERIC = 1700  # what PostgreSQL's catalogue numbers its decimals
Solve = Callable[..., pd.DataFrame]
# What SQL counts and Python solves: the model's rows go through the function, which has a few.
SOLVED: dict[str, Solve] = {
    # A refresh puts its own in the place of this one (attribution/forecasting.py).
    "int_forecasts": no_forecasts,
    "int_incremental_draws": draws_of,
    "int_incremental_shares": shares_of,
    "int_markov_orders": markov_orders,
    "int_markov": markov_weights,
    "int_shapley_rate": shapley_weights,
    "int_maturity": cohort_maturity,
    "int_mix_draws": mix_draws,
    "int_return_chances": return_chances,
    "int_return_calibration": return_calibration,
    "int_flow_lifts": lifts_of,
    "int_experience_drivers": experience_drivers,
}
# Models whose SQL is written, from the registry of credit models or from the contract.
WRITTEN: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("int_shares", "intermediate", shares_sql),
    ("credit", "marts", credit_sql),
    ("credit_dates", "marts", credit_dates_sql),
    ("credit_groups", "marts", credit_groups_sql),
    ("credit_leans", "marts", credit_leans_sql),
    ("claim_credit", "marts", claim_credit_sql),
    ("int_channel_shares", "intermediate", channel_shares_sql),
    ("positions", "marts", positions_sql),
    ("companions", "marts", companions_sql),
    ("journey_credit", "people", journey_credit_sql),
    ("stg_holding", "staging", holding_sql),
)
WRITTEN_CHECKS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("journey_shares_add_up", journey_shares_add_up),
    ("positions_equal_credit", positions_equal_credit),
    ("dates_equal_credit", dates_equal_credit),
)


@dataclass(frozen=True, slots=True)
class Model:
    """One table (or one check) and the SELECT that makes it; `solve` turns its rows into others."""

    name: str
    layer: str
    sentence: str
    grain: tuple[str, ...]
    inputs: tuple[str, ...]
    sql: str
    solve: Solve | None = None
    beside: tuple[str, ...] = ()
    parts: str = ""  # "table by column"


def read_model(name: str, layer: str, sql: str) -> Model:
    """A model from its text; the header is the comment at the top."""
    header: list[str] = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        if line.startswith("--  ") and header:
            header[-1] += " " + line.removeprefix("--").strip()
        else:
            header.append(line.removeprefix("--").strip())
    said = {
        word: tuple(part.strip() for part in line.removeprefix(f"{word}:").split(","))
        for word in ("grain", "inputs", "beside", "parts")
        for line in header
        if line.startswith(f"{word}:")
    }
    missing = [word for word in ("grain", "inputs") if word not in said and layer != "checks"]
    if not header or not header[0].endswith(".") or missing:
        needs = " and ".join(missing) or "first sentence"
        raise TransformError(f"{layer}/{name}.sql has no {needs} in its header; add it at the top.")
    grain, inputs, beside = (said.get(word, ()) for word in ("grain", "inputs", "beside"))
    parts = ", ".join(said.get("parts", ()))
    return Model(name, layer, header[0], grain, inputs, sql, beside=beside, parts=parts)


def load_models(folder: Path = SQL) -> list[Model]:
    """Every model of `folder` and the one made from the credit registry, in building order."""
    models = [
        read_model(path.stem, layer, path.read_text("utf-8"))
        for layer in LAYERS
        for path in sorted((folder / layer).glob("*.sql"))
    ]
    models = [replace(model, solve=SOLVED.get(model.name)) for model in models]
    made = [read_model(name, layer, write()) for name, layer, write in WRITTEN]
    return in_order([*models, *made])


def load_checks(folder: Path = SQL) -> list[Model]:
    """Every check of `folder` and those written: a query that must return no rows."""
    checks = [
        read_model(path.stem, "checks", path.read_text("utf-8"))
        for path in sorted((folder / "checks").glob("*.sql"))
    ]
    return [*checks, *(read_model(name, "checks", write()) for name, write in WRITTEN_CHECKS)]


def in_order(models: Iterable[Model]) -> list[Model]:
    """Models so that each comes after those it reads."""
    by_name: dict[str, Model] = {}
    for model in models:
        if model.name in by_name:
            raise TransformError(f"Two SQL models are called {model.name}; rename one.")
        by_name[model.name] = model
    graph = {name: {*model.inputs, *model.beside} & set(by_name) for name, model in by_name.items()}
    try:
        return [by_name[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        ring = " reads ".join(error.args[1])
        raise TransformError(f"SQL models go round in a ring: {ring}; break it.") from error


def made_from(models: Sequence[Model], name: str) -> list[Model]:
    """A model and every one that reads it, whichever way round, in the order of `models`."""
    names = {name}
    for model in models:
        if names & {*model.inputs, *model.beside}:
            names.add(model.name)
    return [model for model in models if model.name in names]


def solved_by(models: Sequence[Model], name: str, solve: Solve) -> list[Model]:
    """The models, one of them solved by another function."""
    return [replace(m, solve=solve) if m.name == name else m for m in models]


def build(
    connection: Connection,
    models: Sequence[Model],
    on_step: Callable[[str], None] = lambda _name: None,
) -> None:
    """Build every model as a table and prove its grain; `on_step` hears each name beforehand."""
    if connection.dialect.name == "spark":
        _build_beside(connection, models, on_step)
        return
    if connection.dialect.name == "postgresql":
        _count_loaded(connection, {model.name for model in models})
    large = bool(models) and connection.dialect.name == "duckdb" and _is_large(connection)
    for model in models:
        on_step(model.name)
        with _named(model):
            twice = _create(connection, model)
        if twice:
            _refuse(model, twice)
        if large:
            # DuckDB plans for a table of the same transaction as if it had no rows: a join then
            # keeps the larger side in memory. A generation is not published before it is whole, so
            # what a broken build leaves behind is seen by nobody.
            _run(connection, "commit")
            _run(connection, "begin transaction")


def _build_beside(
    connection: Connection, models: Sequence[Model], on_step: Callable[[str], None]
) -> None:
    """Build on a cluster: models that need not wait for each other at once, and grains together.

    There a statement takes its time to be planned, in which the workers have nothing to do.
    """
    there = set(tables(connection))

    def make(model: Model) -> None:
        with _beside(connection) as own, _named(model):
            if model.name in there:
                _run(own, f"drop table {model.name}")
            if model.solve is not None:
                _write(own, model, _solved(own, model, model.solve))
            else:  # files, which workers write beside each other; nobody changes one in place
                written = written_for("spark", _body(model.sql))
                _run(own, f"create table {model.name} as\n{written}")

    side_by_side(models, make, on_step)
    for at in range(0, len(models), _GRAINS):
        some = models[at : at + _GRAINS]
        asked = " union all ".join(_twice(model, f"'{model.name}' as model, ") for model in some)
        with _named(some[0]):
            found = {str(name): int(keys) for name, keys in map(tuple, _run(connection, asked))}
        for model in some:
            if found[model.name]:
                _refuse(model, found[model.name])


@contextmanager
def _beside(connection: Connection) -> Iterator[Connection]:
    """A connection for a thread of its own, where the engine does several things at once."""
    if connection.dialect.name == "spark":
        with connection.engine.connect() as own:
            yield own
    else:
        yield connection


@contextmanager
def _named(model: Model) -> Iterator[None]:
    """Say which model it was that could not be built."""
    try:
        yield
    except SQLAlchemyError as error:
        # The engine's own words may quote a value, and a value may be somebody's.
        raise TransformError(
            f"{model.layer}/{model.name}.sql could not be built "
            f"({_reason(error)}); run with --debug to see the engine's message."
        ) from error


def _refuse(model: Model, twice: int) -> NoReturn:
    raise TransformError(
        f"{model.name} has {twice} keys that are not unique although its grain is "
        f"{', '.join(model.grain)}; mend the model or its header."
    )


def run_checks(connection: Connection, checks: Sequence[Model] | None = None) -> None:
    """Run every check; raises with all that found rows."""
    every = load_checks() if checks is None else checks
    found: dict[str, int] = {}

    def run(check: Model) -> None:
        query = written_for(connection.dialect.name, check.sql)
        try:
            with _beside(connection) as own:
                found[check.name] = _number(own, f"select count(*) from ({_body(query)}) as found")
        except SQLAlchemyError as error:
            raise TransformError(
                f"The check {check.name} could not run ({_reason(error)}); mend it."
            ) from error

    if connection.dialect.name == "spark":
        side_by_side(every, run, lambda _name: None)
    else:
        for check in every:
            run(check)
    failed = [
        f"{check.name} ({found[check.name]} rows): {check.sentence}"
        for check in every
        if found[check.name]
    ]
    if failed:
        raise TransformError("The built tables are wrong: " + " ".join(failed))


def checksum(connection: Connection, table: str) -> str:
    """What a table holds as one text: the same for the same rows in any order.

    Its parts are the number of rows and two sums over parts of each row's MD5, so that a row more,
    less or twice shows, which an exclusive or would not.
    """
    described = columns(connection, table)
    if not described:
        raise TransformError(f"There is no table {table} to take a checksum of.")
    text = " || ".join(_as_text(name, kind) for name, kind in described.items())
    row = connection.exec_driver_sql(
        "select count(*),"
        " coalesce(sum(cast('0x' || substr(digest, 1, 15) as bigint)), 0),"
        " coalesce(sum(cast('0x' || substr(digest, 16, 15) as bigint)), 0)"
        f" from (select md5({text}) as digest from {table}) as digests"
    ).one()
    return "-".join(f"{int(part):x}" for part in row)


def _create(connection: Connection, model: Model) -> int:
    """Build a model's table; answers how many keys of its grain are there twice."""
    query = _body(model.sql)
    twice = _twice(model)
    if model.solve is not None:
        _write(connection, model, _solved(connection, model, model.solve))
    elif connection.dialect.name == "duckdb":
        # In one go: the driver reads the text of a statement that answers with a count letter by
        # letter, which took a fifth of the build.
        first, *others = _in_parts(connection, model, query)
        made = f"create or replace table {model.name} as\n{first}"
        for other in others:
            _run(connection, made)
            made = f"insert into {model.name}\n{other}"
        # Keys are told apart by their hash, which takes far less memory than their text; where two
        # are alike in it, they are looked at themselves.
        hashed = _twice(model, key=f"hash({', '.join(model.grain)})")
        return _number(connection, f"{made}\n;\n{hashed}") and _number(connection, twice)
    else:
        _run(connection, f"drop table if exists {model.name}")
        # Texts take PostgreSQL longer to put in order than to add up what stands beside them, and
        # nobody reads a table in the order that it was written in.
        written = written_for(connection.dialect.name, query, ordered=False)
        written = _with_plain_numbers(connection, written)
        _run(connection, f"create table {model.name} as\n{written}")
        # A plan for a table that nobody has counted can take a hundred times as long.
        _run(connection, f"analyze {model.name}")
    return _number(connection, twice)


def _is_large(connection: Connection) -> bool:
    """Whether so much was loaded that it matters how DuckDB plans."""
    loaded = (
        "select coalesce(max(estimated_size), 0) from duckdb_tables() where not internal"
        " and database_name = current_database()"
    )
    return _number(connection, loaded) >= ROWS_OF_A_PART // 10


def _twice(model: Model, beside: str = "", key: str = "") -> str:
    """SQL for how many keys of a model's grain, or values of another key, are there twice."""
    key = key or ", ".join(model.grain)
    return (
        f"select {beside}count(*) as keys from (select {key} from {model.name}"
        f" group by {key} having count(*) > 1) as twice"
    )


def _solved(connection: Connection, model: Model, solve: Solve) -> pd.DataFrame:
    """What Python makes of what a model's SQL counted, and of the tables beside it."""
    beside = [f"select * from {table}" for table in model.beside]
    return solve(*(_fetched(connection, sql) for sql in (_body(model.sql), *beside)))


def _count_loaded(connection: Connection, models: Collection[str]) -> None:
    """Let PostgreSQL count what no model makes: it would plan without, for tables just loaded."""
    loaded = [
        f'"{table}"'
        for table in tables(connection)
        if table not in models and not table.startswith(("stg_", "int_"))
    ]
    if loaded:
        _run(connection, f"analyze {', '.join(loaded)}")


def _in_parts(connection: Connection, model: Model, query: str) -> list[str]:
    """The query for one part of the rows after the other; the whole of it where they are few."""
    if not model.parts:
        return [query]
    tables, column = model.parts.split(" by ")
    rows = sum(_number(connection, f"select count(*) from {t}") for t in tables.split(" and "))
    parts = -(-rows // ROWS_OF_A_PART)
    if parts < 2:
        return [query]
    # What is left of a number below nought is below nought too.
    own = [f"{column} % {parts} in ({part}, -{part})" for part in range(parts)]
    return [query.replace(f"{column} % 1 = 0", some) for some in own]


def _with_plain_numbers(connection: Connection, query: str) -> str:
    """A query whose decimals without bounds are double precision.

    PostgreSQL adds whole numbers up to such a decimal, and everything up that is of decimals.
    """
    described: Any = _run(
        connection, f"select * from ({query}) as shaped limit 0"
    ).cursor.description
    columns = [
        (str(column.name), column.type_code == _NUMERIC and column.precision is None)
        for column in described
    ]
    if not any(decimal for _, decimal in columns):
        return query
    listed = ", ".join(
        f'cast("{name}" as double precision) as "{name}"' if decimal else f'"{name}"'
        for name, decimal in columns
    )
    return f"select {listed} from ({query}) as shaped"


def _run(connection: Connection, sql: str) -> CursorResult[Any]:
    """Run a statement as it stands: a percent sign in it is no place for a value."""
    return connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def _fetched(connection: Connection, query: str) -> pd.DataFrame:
    """The rows of a query by column, with its types; in no order."""
    frame: pd.DataFrame = fetch(connection, query).to_pandas()
    return frame


def _write(connection: Connection, model: Model, frame: pd.DataFrame) -> None:
    """Make a table of what Python solved: text, whole numbers, numbers, flags and days."""
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    # A column that holds nothing has no type of its own: it is text, as all else that is not a
    # number.
    known = [f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in arrow.schema]
    with lent(connection, arrow.cast(pa.schema(known))) as incoming:
        for statement in spoken(
            connection.dialect.name, f"create or replace table {model.name} as from {incoming}"
        ):
            _run(connection, statement)


def _body(sql: str) -> str:
    return sql.strip().rstrip(";")


def _number(connection: Connection, sql: str) -> int:
    return int(_run(connection, sql).scalar_one())


def _as_text(column: str, kind: str) -> str:
    zoned = kind.upper() == "TIMESTAMP WITH TIME ZONE"
    text = f'cast("{column}"{" at time zone " + repr("UTC") if zoned else ""} as varchar)'
    # The length goes before the text, so that no two rows are written alike.
    return f"coalesce(length({text}) || ':' || {text}, '-')"


def _reason(error: SQLAlchemyError) -> str:
    return type(getattr(error, "orig", None) or error).__name__
