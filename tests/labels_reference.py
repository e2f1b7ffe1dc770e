"""Connected components in memory, as identity finds them, to hold those of an engine against."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sqlalchemy import Connection

from attribution.identity_labels import label_components
from attribution.raw import fetch, lent

Edges = Sequence[tuple[int, int]]
# What is easy to get wrong: one long row, two that meet last, a ring, a star, nodes alone.
HARD: dict[str, Edges] = {
    "row": [(n, n + 1) for n in range(60)],
    "row the other way": [(n + 1, n) for n in range(60)],
    "two rows that meet": [(n, n + 2) for n in range(50)] + [(50, 51)],
    "ring and star": [(n, (n + 1) % 20) for n in range(20)] + [(90, n) for n in range(91, 99)],
    "alone": [(7, 7), (3, 3), (-5, 10**17)],
}


def all_beside_each_other() -> Edges:
    """All of them as one graph, where an engine takes long to begin."""
    return [
        (a + place * 1000, b + place * 1000)
        for place, edges in enumerate(HARD.values())
        for a, b in edges
    ]


def in_memory(edges: Edges) -> dict[int, int]:
    """The least number of each node's component."""
    nodes, places = np.unique(np.array(edges, dtype=np.int64), return_inverse=True)
    a, b = places.reshape(-1, 2).T
    size = len(nodes)
    _, group = connected_components(coo_array((np.ones(len(a)), (a, b)), (size, size)), False)
    least = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(least, group, nodes)
    return dict(zip(nodes.tolist(), least[group].tolist(), strict=True))


def on_engine(connection: Connection, edges: Edges) -> tuple[dict[int, int], int]:
    """The same by SQL, and in how many rounds."""
    table = pa.table(dict(zip("ab", map(pa.array, zip(*edges, strict=True)), strict=True)))
    for name in ("edges", "labels"):
        connection.exec_driver_sql(f"drop table if exists {name}")
    with lent(connection, table) as incoming:
        connection.exec_driver_sql(f"create table edges as select a, b from {incoming}")
    rounds = label_components(connection, "edges", "labels")
    found = fetch(connection, "select node, label from labels").to_pydict()
    return dict(zip(found["node"], found["label"], strict=True)), rounds
