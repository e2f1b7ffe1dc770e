"""SQL for other engines: written once, as DuckDB reads it, and turned into theirs here.

SQLGlot does most of it. What it cannot know stands below, each with its reason and a test.
"""

from collections.abc import Callable
from functools import lru_cache

import sqlglot
from sqlglot import exp

from attribution import dialects_spark

# SQLGlot's names for engines that SQLAlchemy calls otherwise.
_NAMES = {"postgresql": "postgres"}


@lru_cache(maxsize=512)
def written_for(engine: str, sql: str) -> str:
    """A query for the engine that SQLAlchemy calls `engine`; DuckDB reads it as it is written."""
    if engine == "duckdb":
        return sql
    dialect = _NAMES.get(engine, engine)
    tree = sqlglot.parse_one(sql, read="duckdb")
    # The innermost first: what is put in the place of one holds those within it.
    for kind, formula in _FORMULAS.get(dialect, {}).items():
        for node in reversed(list(tree.find_all(kind))):
            node.replace(formula(node))
    return tree.sql(dialect=dialect)


def _found(node: exp.Expression) -> exp.Expression:
    """What is not found of a pattern is nothing in PostgreSQL, and the empty text in DuckDB."""
    return _formula("coalesce(substring(a, b), '')", a=node.this, b=node.expression)


def _rounded(node: exp.Expression) -> exp.Expression:
    """As DuckDB reckons: times a power of ten, halves away from nought, and back.

    PostgreSQL takes halves of double precision to the even number, and knows no digits of them.
    """
    digits = int(node.args["decimals"].sql()) if node.args.get("decimals") else 0
    if digits:
        return _formula(f"(sign(a) * floor(abs(a) * 1e{digits} + 0.5) / 1e{digits})", a=node.this)
    return _formula("(sign(a) * floor(abs(a) + 0.5))", a=node.this)


def _formula(words: str, **parts: exp.Expression) -> exp.Expression:
    """An expression in which each name stands for a part, which may be any expression."""
    return sqlglot.parse_one(words, read="postgres").transform(
        lambda node: (
            exp.Paren(this=parts[node.name].copy())
            if isinstance(node, exp.Column) and node.name in parts
            else node
        )
    )


_FOR_POSTGRES: dict[type[exp.Expression], Callable[[exp.Expression], exp.Expression]] = {
    exp.RegexpExtract: _found,
    exp.Round: _rounded,
}
_FORMULAS = {"postgres": _FOR_POSTGRES, "spark": dialects_spark.FORMULAS}
