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
def written_for(engine: str, sql: str, *, ordered: bool = True) -> str:
    """A query for the engine that SQLAlchemy calls `engine`; its rows in any order or `ordered`."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    if not ordered and not tree.args.get("limit"):
        tree.set("order", None)
    return written(_NAMES.get(engine, engine), tree)


def written(dialect: str, tree: exp.Expr) -> str:
    """A parsed query, which it changes, in the SQL of another engine."""
    _in_order(tree)
    # Said to DuckDB alone, which keeps the rows of whatever is read twice. Spark does not know the
    # words; PostgreSQL does, and is quicker where it decides for itself.
    for cte in tree.find_all(exp.CTE):
        cte.set("materialized", None)
    # The innermost first: what is put in the place of one holds those within it.
    for kind, formula in _FORMULAS.get(dialect, {}).items():
        for node in reversed(list(tree.find_all(kind))):
            node.replace(formula(node))
    return tree.sql(dialect=dialect)


@lru_cache(maxsize=2048)
def spoken(engine: str, sql: str) -> tuple[str, ...]:
    """A statement in DuckDB's SQL as statements of another engine, to be run one after the other.

    Places for values are written `%s`, and percent signs twice, as drivers of PostgreSQL read them.
    """
    tree = sqlglot.parse_one(sql, read="duckdb")
    first: tuple[str, ...] = ()
    if isinstance(tree, exp.Create) and tree.args.get("replace"):
        # No other engine replaces a table in one go.
        tree.set("replace", False)
        named = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        own = any(isinstance(p, exp.TemporaryProperty) for p in tree.find_all(exp.Property))
        first = (f"drop table if exists {'pg_temp.' if own else ''}{named.sql()}",)
    for hole in list(tree.find_all(exp.Placeholder)):
        hole.replace(exp.column(_HOLE, quoted=False))
    said = written(_NAMES.get(engine, engine), tree)
    return (*first, said.replace("%", "%%").replace(_HOLE, "%s"))


_HOLE = "caretrace_value"


def _in_order(tree: exp.Expr) -> None:
    """What DuckDB looks back at in passing, once rows are in order, others order by themselves.

    A window without an order of its own runs in the order of the CTE that has one; its first column
    parts the rows, which so never look at those of another. DuckDB keeps the order of a subquery
    and computes such windows as the rows go by; others would have to order all rows in one place.
    What takes the first of its rows keeps its order everywhere.
    """
    ordered = [
        cte.this
        for cte in tree.find_all(exp.CTE)
        if cte.this.args.get("order") and not cte.this.args.get("limit")
    ]
    if len(ordered) != 1:
        return
    first, *others = ordered[0].args["order"].expressions
    ordered[0].set("order", None)
    for window in tree.find_all(exp.Window):
        if not window.args.get("order") and not window.args.get("partition_by"):
            window.set("partition_by", [first.this.copy()])
            window.set("order", exp.Order(expressions=[each.copy() for each in others]))


# Every space of Unicode, as among them what web pages and word processors put between words.
_SPACES = "".join(map(chr, (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)))


def _trimmed(node: exp.Expression) -> exp.Expression:
    """DuckDB trims every space that there is; others the plain one alone, unless they are told."""
    if node.expression or node.args.get("position"):
        return node
    return _formula(f"trim(both '{_SPACES}' from a)", a=node.this)


def _found(node: exp.Expression) -> exp.Expression:
    """What is not found of a pattern is nothing in PostgreSQL, and the empty text in DuckDB."""
    return _formula("coalesce(substring(a, b), '')", a=node.this, b=node.expression)


# Neighbours are asked rather than `\y`: to that a letter of any language is part of a word, and to
# DuckDB none but those of ASCII. A backslash that another one precedes is a character.
_EDGE = "(?:(?<=[A-Za-z0-9_])(?![A-Za-z0-9_])|(?<![A-Za-z0-9_])(?=[A-Za-z0-9_]))"
_EDGES = (
    r"case when strpos(a, '\b') > 0 "
    rf"then regexp_replace(a, '(?<!\\)((?:\\\\)*)\\b', '\1{_EDGE}', 'g') else a end"
)


# What is before a point is characters, escapes and classes, in which a point is one; and a last one
# is put behind, so that nothing is looked at but from the end of the one before.
_POINTS = (
    r"case when strpos(t, chr(10)) > 0 then left(regexp_replace(a || '.', "
    r"'((?:[^.\\[]|\\.|\[\^?(?:\\.|[^]\\])*\])*)\.', '\1[^\\n]', 'g'), -5) else a end"
)


def _bounded(node: exp.Expression) -> exp.Expression:
    r"""Where words and lines end, in patterns of which most are data.

    `\b` is a backspace in PostgreSQL's, and a point is the end of a line as well.
    """
    told = node.expression
    for sign, formula in ((r"\b", _EDGES), (".", _POINTS)):
        if not (isinstance(told, exp.Literal) and sign not in told.name):
            node.set("expression", _formula(formula, a=node.expression, t=node.this))
    return node


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


def _divided(node: exp.Expression) -> exp.Expression:
    """Whole numbers divided are whole numbers; PostgreSQL's div() gives a decimal."""
    return _formula("cast(div(a, b) as bigint)", a=node.this, b=node.expression)


def _shifted(node: exp.Expression) -> exp.Expression:
    """Bits of a bigint are shifted by an integer there, and by nothing larger."""
    return _formula("(a << cast(b as integer))", a=node.this, b=node.expression)


def _hashed(node: exp.Expression) -> exp.Expression:
    """A hash of several values: there it is one of a row."""
    if node.name.lower() != "hash":
        return node
    row = exp.Anonymous(this="row", expressions=[each.copy() for each in node.expressions])
    return exp.Anonymous(this="hash_record_extended", expressions=[row, exp.Literal.number(0)])


def _unsigned(node: exp.Expression) -> exp.Expression:
    """Sixteen hexadecimal digits as a number of 64 bits, which has a sign there.

    Less 2^63, so that they are in the same order; `identity_graph` puts it back.
    """
    told = node.this
    if not (isinstance(told, exp.DPipe) and told.this.sql() == "'0x'"):
        return node
    digits = told.expression
    if not node.is_type(exp.DType.UBIGINT, exp.DType.BIGINT):
        return node
    if node.is_type(exp.DType.BIGINT):  # as it stands: of fewer digits, so it has room for a sign
        return _formula("cast(cast('x' || lpad(a, 16, '0') as bit(64)) as bigint)", a=digits)
    return _formula(
        "(cast(cast('x' || a as bit(64)) as bigint) # cast('-9223372036854775808' as bigint))",
        a=digits,
    )


def _large(node: exp.Expression) -> exp.Expression:
    """A sharp s, which others leave as it is, or make two of."""
    return _formula("upper(translate(a, 'ß', 'ẞ'))", a=node.this)


def _hexadecimal(node: exp.Expression) -> exp.Expression:
    """Back from such a number to its digits."""
    number = _formula("(a # cast('-9223372036854775808' as bigint))", a=node.this)
    return exp.Anonymous(this="to_hex", expressions=[number])


_Formulas = dict[type[exp.Expression], Callable[[exp.Expression], exp.Expression]]
_FOR_POSTGRES: _Formulas = {
    exp.Trim: _trimmed,
    exp.RegexpExtract: _found,
    exp.RegexpLike: _bounded,
    exp.Round: _rounded,
    exp.Upper: _large,
    exp.IntDiv: _divided,
    exp.BitwiseLeftShift: _shifted,
    exp.Anonymous: _hashed,
    exp.Cast: _unsigned,
    exp.Hex: _hexadecimal,
}
_FOR_SPARK: _Formulas = {**dialects_spark.FORMULAS, exp.Trim: _trimmed, exp.Upper: _large}
_FORMULAS = {"postgres": _FOR_POSTGRES, "spark": _FOR_SPARK}
