"""One Spark cluster for all tests of this folder, which `make test-spark` runs and nothing else."""

from collections.abc import Iterator

import pytest
from spark_cluster import Cluster, missing, spark_cluster
from test_every_source import loaded

__all__ = ["cluster", "loaded"]  # `loaded` loads every source, once for each file that asks for it


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    assert missing() == ""
    with spark_cluster() as running:
        yield running
