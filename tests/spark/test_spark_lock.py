"""Two refreshes on one catalog: the second is told who has it, and the dead are passed over."""

import os
from pathlib import Path

import pytest
from spark_cluster import Cluster

from attribution.engines import spark_lock
from attribution.engines.spark_lock import holding, prove
from attribution.errors import Busy, StorageError
from attribution.paths import Home
from attribution.warehouse_url import read

HOURS_AGO = "alter database caretrace_lock set dbproperties ('caretrace.lock.seen' = '1700000000')"


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Home, Home]:
    """Two home folders, as two hosts have them."""
    one, other = Home(tmp_path / "one"), Home(tmp_path / "other")
    one.folder.mkdir()
    other.folder.mkdir()
    return one, other


def test_the_second_is_told_who_has_it(cluster: Cluster, homes):
    one, other = homes
    url = read(cluster.url)
    with holding(one, url):
        prove(one, url)
        with (
            pytest.raises(Busy, match=rf"process {os.getpid()} on .*, since 20.* UTC\. Wait for"),
            holding(other, url),
        ):
            pass
        prove(one, url)
    with holding(other, url):  # the first one let go of it
        prove(other, url)


def test_one_who_is_silent_is_passed_over_and_publishes_nothing(cluster: Cluster, homes):
    one, other = homes
    url = read(cluster.url)
    with holding(one, url):
        said(one, url, HOURS_AGO)
        with holding(other, url):
            with pytest.raises(StorageError, match=r"was lost.*nothing was published"):
                prove(one, url)
            prove(other, url)
        # The one that was passed over does not take the other's away as it ends.
    with holding(one, url):
        prove(one, url)


def test_a_dead_refresh_of_the_same_home_is_not_waited_for(cluster: Cluster, homes):
    """It would hold the home folder's own lock, which whoever comes here has."""
    one, _ = homes
    url = read(cluster.url)
    with holding(one, url):
        dead = spark_lock._HELD.pop((one, url))  # as if another process had it
        with holding(one, url):
            prove(one, url)
        spark_lock._HELD[one, url] = dead


def test_signs_of_life_are_given(cluster: Cluster, homes, monkeypatch):
    one, other = homes
    url = read(cluster.url)
    monkeypatch.setattr(spark_lock, "BEAT", 0.05)
    with holding(one, url):
        said(one, url, HOURS_AGO)
        wait_for_a_sign(one, url)
        with pytest.raises(Busy), holding(other, url):
            pass


def said(home: Home, url, sql: str) -> None:
    held = spark_lock._HELD[home, url]
    with held.turn:
        held.connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def wait_for_a_sign(home: Home, url) -> None:
    held = spark_lock._HELD[home, url]
    for _ in range(1000):
        with held.turn:
            holder = spark_lock._holder(held.connection)
        assert holder is not None
        if holder.seen > 1_700_000_000:
            return
    raise AssertionError("no sign of life was given")
