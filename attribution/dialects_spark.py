"""What SQLGlot cannot know of Spark: each formula with its reason, and a test in tests/spark."""

from collections.abc import Callable

import sqlglot
from sqlglot import exp

_WHOLE = {exp.DataType.Type.INT, exp.DataType.Type.BIGINT, exp.DataType.Type.SMALLINT}


def _divided(node: exp.Expression) -> exp.Expression:
    """DuckDB divides in double precision whatever it is; Spark has decimals of a few digits."""
    return _formula("cast(a as double) / cast(b as double)", a=node.this, b=node.expression)


def _rounded(node: exp.Expression) -> exp.Expression:
    """As DuckDB reckons: times a power of ten, halves away from nought, and back.

    Spark rounds what a number in double precision is written as: 2.675 up, which is less.
    """
    digits = int(node.args["decimals"].sql()) if node.args.get("decimals") else 0
    if not digits:
        return _formula("(sign(a) * floor(abs(a) + 0.5))", a=node.this)
    power = f"1{'0' * digits}.0"
    return _formula(f"(sign(a) * floor(abs(a) * {power} + 0.5) / {power})", a=node.this)


def _whole(node: exp.Expression) -> exp.Expression:
    """A quotient as a whole number is the nearest one, of two the even one; Spark cuts it off."""
    if node.args["to"].this not in _WHOLE or not isinstance(node.this, exp.Div | exp.Case):
        return node
    if not any(isinstance(inner, exp.Div) for inner in node.this.walk()):
        return node
    return exp.Cast(this=_formula("bround(a)", a=node.this), to=node.args["to"].copy())


def _apart(node: exp.Expression) -> exp.Expression:
    """Days and seconds that begin between two instants; Spark counts those that went by whole."""
    words = {
        "day": "datediff(cast(a as date), cast(b as date))",
        "second": "(unix_seconds(cast(a as timestamp)) - unix_seconds(cast(b as timestamp)))",
    }[node.args["unit"].name.lower()]
    return _formula(words, a=node.this, b=node.expression)


def _since_1970(node: exp.Expression) -> exp.Expression:
    """Spark takes no seconds since 1970 out of an instant, but has a function for them."""
    if node.name.lower() != "epoch":
        return node
    return _formula("(unix_micros(a) / 1000000D)", a=node.expression)


def _instant(node: exp.Expression) -> exp.Expression:
    """Seconds since 1970 as an instant, where SQLGlot writes them as text."""
    return _formula("timestamp_seconds(a)", a=node.this)


def _midnight(node: exp.Expression) -> exp.Expression:
    """A clock's time somewhere as the instant it is; SQLGlot only turns instants into clocks'.

    Told by the cast that says it is a clock's: each file has it, see tests/test_sql_dialects.py.
    """
    clock = node.this
    if not isinstance(clock, exp.Cast) or clock.to.this is not exp.DataType.Type.TIMESTAMPNTZ:
        return node
    return _formula("to_utc_timestamp(a, z)", a=clock, z=node.args["zone"])


def _small(node: exp.Expression) -> exp.Expression:
    """Letters one by one: Spark takes a sigma that ends a word, and a dotted I, for others."""
    return _formula("lower(translate(a, 'Σİ', 'σi'))", a=node.this)


def _percentile(node: exp.Expression) -> exp.Expression:
    """Percentiles between two values, where SQLGlot takes an approximation that is one of them."""
    if not isinstance(node.this, exp.PercentileCont):
        return node
    ordered = node.expression.expressions[0].this
    return exp.Anonymous(this="percentile", expressions=[ordered.copy(), node.this.this.copy()])


def _formula(words: str, **parts: exp.Expression) -> exp.Expression:
    """An expression of Spark's in which each name stands for a part, which may be any."""
    return sqlglot.parse_one(words, read="spark").transform(
        lambda node: (
            exp.Paren(this=parts[node.name].copy())
            if isinstance(node, exp.Column) and node.name in parts
            else node
        )
    )


FORMULAS: dict[type[exp.Expression], Callable[[exp.Expression], exp.Expression]] = {
    exp.Cast: _whole,  # while what is cast still looks like a quotient
    exp.Div: _divided,
    exp.Lower: _small,
    exp.Round: _rounded,
    exp.DateDiff: _apart,
    exp.Extract: _since_1970,
    exp.AtTimeZone: _midnight,
    exp.UnixToTime: _instant,
    exp.WithinGroup: _percentile,
}
