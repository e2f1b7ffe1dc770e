"""SQL for other engines: written once, as DuckDB reads it, and turned into theirs here.

SQLGlot does most of it. What it cannot know stands below, each with its reason and a test.
"""

from collections.abc import Callable
from functools import lru_cache

import sqlglot
from sqlglot import exp

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


def _formula(words: str, dialect: str = "postgres", **parts: exp.Expression) -> exp.Expression:
    """An expression in which each name stands for a part, which may be any expression."""
    return sqlglot.parse_one(words, read=dialect).transform(
        lambda node: (
            exp.Paren(this=parts[node.name].copy())
            if isinstance(node, exp.Column) and node.name in parts
            else node
        )
    )


def _as_double(node: exp.Expression) -> exp.Expression:
    """DuckDB divides in double precision whatever it is; Spark has a decimal of two decimals."""
    return _formula(
        "cast(a as double) / cast(b as double)", "spark", a=node.this, b=node.expression
    )


def _rounded_by_spark(node: exp.Expression) -> exp.Expression:
    """As `_rounded`: Spark rounds what a double is written as, 2.675 up and not down."""
    digits = int(node.args["decimals"].sql()) if node.args.get("decimals") else 0
    if digits:
        power = f"1{'0' * digits}.0"
        words = f"(sign(a) * floor(abs(a) * {power} + 0.5) / {power})"
    else:
        words = "(sign(a) * floor(abs(a) + 0.5))"
    return _formula(words, "spark", a=node.this)


def _whole(node: exp.Expression) -> exp.Expression:
    """A quotient as a whole number is the nearest one, of two the even one; Spark cuts it off."""
    kind = node.args["to"].this
    if kind not in _WHOLE or not isinstance(node.this, exp.Div | exp.Case):
        return node
    if not any(isinstance(inner, exp.Div) for inner in node.this.walk()):
        return node
    return exp.Cast(this=_formula("bround(a)", "spark", a=node.this), to=node.args["to"])


def _counted(node: exp.Expression) -> exp.Expression:
    """Days and seconds that begin between two instants; Spark counts those that went by whole."""
    end, start, unit = node.this, node.expression, str(node.args["unit"].name).lower()
    words = {
        "day": "datediff(cast(a as date), cast(b as date))",
        "second": "(unix_seconds(a) - unix_seconds(b))",
    }[unit]
    return _formula(words, "spark", a=end, b=start)


def _since_1970(node: exp.Expression) -> exp.Expression:
    """Spark takes no seconds since 1970 out of an instant, but has a function for them."""
    if node.name.lower() != "epoch":
        return node
    return _formula("(unix_micros(a) / 1000000D)", "spark", a=node.expression)


def _instant(node: exp.Expression) -> exp.Expression:
    """Seconds since 1970 as an instant, where SQLGlot writes them as text."""
    return _formula("timestamp_seconds(a)", "spark", a=node.this)


def _percentile(node: exp.Expression) -> exp.Expression:
    """Percentiles between two values, where SQLGlot takes an approximation that is one of them."""
    if not isinstance(node.this, exp.PercentileCont):
        return node
    ordered = node.expression.expressions[0].this
    return exp.Anonymous(this="percentile", expressions=[ordered.copy(), node.this.this.copy()])


_WHOLE = {exp.DataType.Type.INT, exp.DataType.Type.BIGINT, exp.DataType.Type.SMALLINT}
_Formulas = dict[type[exp.Expression], Callable[[exp.Expression], exp.Expression]]
_FORMULAS: dict[str, _Formulas] = {
    "postgres": {
        exp.RegexpExtract: _found,
        exp.Round: _rounded,
    },
    "spark": {
        exp.Cast: _whole,  # while what is cast still looks like a quotient
        exp.Div: _as_double,
        exp.Round: _rounded_by_spark,
        exp.DateDiff: _counted,
        exp.Extract: _since_1970,
        exp.UnixToTime: _instant,
        exp.WithinGroup: _percentile,
    },
}
