"""Transform: builds the SQL models in their order, proves their grains and checks the result."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from attribution import sql_models
from attribution.engine_sql import written_for
from attribution.errors import TransformError
from attribution.model_tables import is_large, keys_twice, make_table, make_table_on_cluster
from attribution.raw import tables
from attribution.side_by_side import side_by_side
from attribution.sql_models import Model
from attribution.statements import number, run

_GRAINS = 24  # of how many tables grains are proved in one statement on a cluster


def build(
    connection: Connection,
    models: Sequence[Model],
    on_step: Callable[[str], None] = lambda _name: None,
) -> None:
    """Build every model as a table and prove its grain; `on_step` hears each name beforehand."""
    if connection.dialect.name == "spark":
        _build_on_cluster(connection, models, on_step)
        return
    if connection.dialect.name == "postgresql":
        _count_loaded(connection, {model.name for model in models})
    large = bool(models) and connection.dialect.name == "duckdb" and is_large(connection)
    with _by_one_thread(connection, few=bool(models) and not large):
        for model in models:
            on_step(model.name)
            with _named(model):
                twice = make_table(connection, model)
            if twice:
                _refuse(model, twice)
            if large:
                # DuckDB plans for a table of the same transaction as if it had no rows: a join
                # then keeps the larger side in memory. A generation is not published before it is
                # whole, so what a broken build leaves behind is seen by nobody.
                run(connection, "commit")
                run(connection, "begin transaction")


def _build_on_cluster(
    connection: Connection, models: Sequence[Model], on_step: Callable[[str], None]
) -> None:
    """Build on a cluster: models that need not wait for each other at once, and grains together.

    There a statement takes its time to be planned, in which the workers have nothing to do.
    """
    there = set(tables(connection))

    def make(model: Model) -> None:
        with _own(connection) as own, _named(model):
            make_table_on_cluster(own, model, there=model.name in there)

    side_by_side(models, make, on_step)
    for at in range(0, len(models), _GRAINS):
        some = models[at : at + _GRAINS]
        asked = " union all ".join(
            keys_twice(model, f"'{model.name}' as model, ") for model in some
        )
        with _named(some[0]):
            found = {str(name): int(keys) for name, keys in map(tuple, run(connection, asked))}
        for model in some:
            if found[model.name]:
                _refuse(model, found[model.name])


@contextmanager
def _by_one_thread(connection: Connection, *, few: bool) -> Iterator[None]:
    """Let DuckDB work on `few` rows by one thread: several wait for each other most of the time."""
    few = few and connection.dialect.name == "duckdb"
    before = number(connection, "select current_setting('threads')") if few else 1
    if before == 1:
        yield
        return
    run(connection, "set threads = 1")
    yield
    run(connection, f"set threads = {before}")


@contextmanager
def _own(connection: Connection) -> Iterator[Connection]:
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
    every = sql_models.load_checks() if checks is None else checks
    found: dict[str, int] = {}

    def count(check: Model) -> None:
        query = written_for(connection.dialect.name, check.query)
        try:
            with _own(connection) as own:
                found[check.name] = number(own, f"select count(*) from ({query}) as found")
        except SQLAlchemyError as error:
            raise TransformError(
                f"The check {check.name} could not run ({_reason(error)}); mend it."
            ) from error

    if connection.dialect.name == "spark":
        side_by_side(every, count, lambda _name: None)
    else:
        for check in every:
            count(check)
    failed = [
        f"{check.name} ({found[check.name]} rows): {check.sentence}"
        for check in every
        if found[check.name]
    ]
    if failed:
        raise TransformError("The built tables are wrong: " + " ".join(failed))


def _count_loaded(connection: Connection, models: Collection[str]) -> None:
    """Let PostgreSQL count what no model makes: it would plan without, for tables just loaded."""
    loaded = [
        f'"{table}"'
        for table in tables(connection)
        if table not in models and not table.startswith(("stg_", "int_"))
    ]
    if loaded:
        run(connection, f"analyze {', '.join(loaded)}")


def _reason(error: SQLAlchemyError) -> str:
    return type(getattr(error, "orig", None) or error).__name__
