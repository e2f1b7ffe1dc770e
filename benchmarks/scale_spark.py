"""A Spark of its own for measurements: one master, two workers of one core each, one server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import Processes

from attribution.engines.spark import database_of

# What a touchpoint takes at the most: the file it is loaded into, its Parquet and what is sorted.
BYTES = 1_000
# What a cluster for data has, but for fewer parts of a shuffle: there are two cores.
_SETTINGS = {"spark.sql.shuffle.partitions": "8", "spark.sql.files.maxPartitionBytes": "32m"}


@contextmanager
def served(folder: Path) -> Iterator[Processes]:
    """A cluster for the block, in a folder, and the variable that names it."""
    from spark_cluster import spark_cluster  # of the tests: DuckDB is measured without them

    with spark_cluster(
        memory="3g", driver_memory="3g", settings=_SETTINGS, folder=folder
    ) as cluster:
        processes = Processes([process.pid for process in cluster.processes], every=2.0)
        os.environ["CARETRACE_WAREHOUSE"] = cluster.url
        try:
            yield processes
        finally:
            os.environ.pop("CARETRACE_WAREHOUSE", None)
            processes.close()


def stored(folder: Path, generation: int) -> dict[str, float]:
    """Bytes of each table on the cluster: what landed there, and what a generation made of it."""
    sizes: dict[str, float] = {}
    for database in ("caretrace_landed", database_of(generation)):
        for table in folder.glob(f"spark*/warehouse/{database}.db/*"):
            sizes[table.name] = sum(p.stat().st_size for p in table.rglob("*") if p.is_file())
    return sizes
