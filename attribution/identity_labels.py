"""Which identifiers hang together, found by the engine itself: labels that spread in SQL.

Every node begins with its own number as its label. In each round a node, and the node that its
label names, take the least label of their neighbours; then each takes the label of its label, so
that labels travel twice as far in each round. When nothing changes, the label of a node is the
least number of its component (Shiloach and Vishkin, "An O(log n) parallel connectivity algorithm",
1982). No round holds more than a row for each node and four for each edge, on whichever engine.
"""

from typing import Any

from sqlalchemy import Connection, CursorResult

from attribution.engine_sql import spoken
from attribution.errors import StorageError
from attribution.statements import run

# A row of 100,000 nodes takes 17; more are a fault, and no engine should go on for ever.
MOST_ROUNDS = 100
_NOW, _NEXT = "labels_now", "labels_next"


def label_components(connection: Connection, edges: str, labels: str, made: str = "table") -> int:
    """Write table `labels` (node, label) of the nodes in table `edges` (a, b); how many rounds.

    `a` and `b` are whole numbers, in any order and as often as they come; a node alone is an edge
    to itself. The label of a node is the least number of all that hang together with it. Tables are
    `made` so, or as a "temp table".
    """
    _make(connection, made, _NOW, _FIRST.format(edges=edges))
    for number in range(1, MOST_ROUNDS + 1):
        _make(connection, made, _NEXT, _SPREAD.format(edges=edges, now=_NOW))
        changed = _count(connection, _CHANGED.format(now=_NOW, next=_NEXT))
        _make(connection, made, _NOW, _SHORTENED.format(next=_NEXT))
        if not changed:
            _make(connection, made, labels, f"select node, label from {_NOW}")
            for table in (_NOW, _NEXT):
                _run(connection, f"drop table {table}")
            return number
    raise StorageError(f"Identities did not settle in {MOST_ROUNDS} rounds; nothing was joined.")


_FIRST = """
select node, node as label from (
    select a as node from {edges}
    union
    select b as node from {edges}
) as nodes
"""
_SPREAD = """
with ends as (
    select near.node, near.label, far.label as other
    from {edges} as edge
    inner join {now} as near on edge.a = near.node
    inner join {now} as far on edge.b = far.node
    union all
    select near.node, near.label, far.label as other
    from {edges} as edge
    inner join {now} as near on edge.b = near.node
    inner join {now} as far on edge.a = far.node
)

select node, min(label) as label from (
    select node, label from {now}
    union all
    select node, other as label from ends
    union all
    select label as node, other as label from ends where other < label
) as heard
group by node
"""
_SHORTENED = """
select near.node, far.label
from {next} as near
inner join {next} as far on near.label = far.node
"""
_CHANGED = """
select count(*) from {now} as before
inner join {next} as after on before.node = after.node
where before.label <> after.label
"""


def _make(connection: Connection, made: str, table: str, query: str) -> None:
    _run(connection, f"create or replace {made} {table} as {query}")


def _count(connection: Connection, query: str) -> int:
    return int(_run(connection, query).scalar_one())


def _run(connection: Connection, sql: str) -> CursorResult[Any]:
    """Run a statement in DuckDB's SQL on whichever engine; what the last part of it answers."""
    *first, last = spoken(connection.dialect.name, sql)
    for statement in first:
        run(connection, statement)
    return run(connection, last)
