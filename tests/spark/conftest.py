"""One Spark cluster for all tests of this folder, which `make test-spark` runs and nothing else."""

from collections.abc import Iterator

import pytest
from spark_cluster import Cluster, missing, spark_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    assert missing() == ""
    with spark_cluster() as running:
        yield running
