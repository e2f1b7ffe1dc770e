"""SQL for whichever engine a connection speaks to: DuckDB's as it stands, others' by SQLGlot.

SQLGlot is a tenth of what a refresh would import before it begins, and no use to DuckDB.
"""


def written_for(engine: str, sql: str, *, ordered: bool = True) -> str:
    """A query for the engine that SQLAlchemy calls `engine`.

    Where its rows need not be `ordered`, as those that a table is made of, others than DuckDB are
    not asked to.
    """
    if engine == "duckdb":
        return sql
    from attribution import dialects

    return dialects.written_for(engine, sql, ordered=ordered)


def spoken(engine: str, sql: str) -> tuple[str, ...]:
    """A statement as statements of an engine, to be run one after the other.

    For others than DuckDB percent signs are written twice, and places for values `%s`.
    """
    if engine == "duckdb":
        return (sql,)
    from attribution import dialects

    return dialects.spoken(engine, sql)
