"""One Spark cluster for all tests of this folder, which `make test-spark` runs and nothing else."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from every_source import Running, loaded_once
from spark_cluster import Cluster, connected, missing, spark_cluster

# What most models do. The first that does it has Java read some thousand classes.
_FIRST = (
    "create table warm as select id % 7 as k, cast(id as string) as t from range(99)",
    """
    create table warmer as select k, count(*) as n, max(t) as t,
        row_number() over (partition by k order by count(*)) as place
    from warm group by k having count(*) > 1
    """,
    "drop table warm",
    "drop table warmer",
)


@pytest.fixture(scope="session", autouse=True)
def starting() -> Iterator["Future[Cluster]"]:
    """A cluster that starts while what it shall build is still being loaded, on the other core."""
    assert missing() == ""
    with ExitStack() as held, ThreadPoolExecutor(1) as pool:
        yield pool.submit(_started, held)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Every source, loaded once for each file that asks for it."""
    with loaded_once(tmp_path_factory.mktemp("every")) as running:
        yield running


@pytest.fixture(scope="session")
def cluster(starting: "Future[Cluster]") -> Cluster:
    return starting.result()


def _started(held: ExitStack) -> Cluster:
    running = held.enter_context(spark_cluster())
    with connected(running) as connection:
        for statement in _FIRST:
            connection.exec_driver_sql(statement)
    return running
