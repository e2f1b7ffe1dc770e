"""Two Spark workers against one: the credit engine, from touchpoints to credit under all models.

    PYTHONPATH=.:tests .venv/bin/python benchmarks/spark.py 20

`make test-spark` installs what it needs. A cluster of this computer with one worker, pinned to a
core, makes up so many millions of touchpoints (four a person in half a year, 20 channels, 1.5% as
many conversions, lookback 30 days) and builds what `benchmarks/engine.py` times: journeys, what the
learned models count, shares, credit. It builds a quarter (twice), a half and the whole of them;
the first is not counted, as Java is still warming up. Then a cluster of two workers, each with a
core of its own, builds the whole three times, of which the last counts. So each executor has done
as much work before the one that counts, and no more: Java goes on compiling for a long while, and
whoever comes last would be flattered.

Where the computer has no core to itself for each worker, wall time says little, and which executor
gets how many tasks is up to what else runs. So the processor time of each task is taken from
Spark's REST API: one worker takes the sum of its tasks; of two, each task of a stage goes to
whichever is free, and a stage begins when the one before it is done. The driver, which plans and
waits, is not in it. How the tasks really fell, the seconds in which any task ran, and the clock are
printed beside it.

The cost model is that of `benchmarks/scale_models.py`: what does not grow with touchpoints, and
what each takes, of which N workers do an Nth. It is fitted to one worker's quarter and half, and
what it makes of the whole on one and on two workers is printed beside what was measured.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
from engines_fixture import difference
from scale_models import line
from spark_cluster import Cluster, connected, missing, spark_cluster
from sqlalchemy import Connection

from attribution import sql_models, transform
from attribution.models.credit import credit_sql
from attribution.models.parameters import KINDS, CreditSettings, setting_tables
from attribution.models.shares import shares_sql
from attribution.raw import fetch, lent, tables
from benchmarks.engine import COUNTED, RULES

TOUCHES = """
create table int_touches as
select
    pmod(xxhash64(id, 3), {people}) as person_id,
    timestamp_seconds(1704067200 + pmod(xxhash64(id, 1), 15552000)) as touched_at,
    cast(id as int) as tie,
    cast(1 + pmod(xxhash64(id, 4), 60) as int) as map_id,
    cast(1 + pmod(xxhash64(id, 4), 20) as int) as channel_id,
    pmod(xxhash64(id, 4), 20) = 7 as is_direct,
    1 as line_id
from range(0, {touches}, 1, 16)
"""
CONVERSIONS = """
create table int_conversions as
select
    row_number() over (order by mark, person_id, tie) as conversion_id,
    'kept' as kind,
    person_id,
    timestamp_seconds(unix_seconds(touched_at) + pmod(xxhash64(mark, 6), 1728000)) as decided_at,
    timestamp_seconds(unix_seconds(touched_at) + pmod(xxhash64(mark, 6), 1728000) - 2592000)
        as opens_at,
    cast(null as timestamp) as closed_at,
    false as drops_direct,
    false as collapses,
    0 as gap_seconds,
    cast(null as timestamp) as lead_at,
    cast(null as timestamp) as booked_at,
    concat('line ', pmod(xxhash64(mark, 7), 4)) as service_line,
    concat('place ', pmod(xxhash64(mark, 8), 3)) as location,
    cast(date_trunc('week', touched_at) as date) as week,
    'USD' as currency,
    cast(1 as bigint) as conversions,
    pmod(xxhash64(mark, 9), 500000000) as value_micros
from (select *, person_id * 31 + unix_seconds(touched_at) as mark from int_touches)
where pmod(xxhash64(mark, 77), 1000) < 15
"""
MAP = """
create table int_channel_map as
select
    cast(id as int) as map_id,
    cast(1 + id % 20 as int) as channel_id,
    concat('channel_', id % 20) as channel,
    concat('campaign ', id) as campaign
from range(1, 61)
"""
INCREMENTAL = """
create table int_incremental as
select
    kind, '' as channel, '' as campaign, service_line, location, week, currency,
    cast(conversions as decimal(38, 12)) as conversions, value_micros
from int_conversions limit 0
"""
JOB = ("int_journey_touches", *COUNTED, "int_shares", "credit")
SETTINGS = {
    "spark.sql.shuffle.partitions": "16",
    "spark.sql.files.maxPartitionBytes": "16m",
    "spark.ui.retainedTasks": "1000000",
}


def fill(connection: Connection, touches: int) -> None:
    for table in tables(connection):
        connection.exec_driver_sql(f"drop table {table}")
    touched = TOUCHES.format(touches=touches, people=touches // 4)
    for statement in (touched, CONVERSIONS, MAP, INCREMENTAL):
        connection.exec_driver_sql(statement)
    lookback = CreditSettings(lookback_days=dict.fromkeys(KINDS, 30))
    for name, frame in setting_tables(lookback).items():
        with lent(connection, pa.Table.from_pandas(frame)) as incoming:
            connection.exec_driver_sql(f"create table {name} as select * from {incoming}")


@dataclass
class Task:
    """Which executor had it; its processor seconds; when it began and ended, in seconds."""

    executor: str
    seconds: float
    began: float
    ended: float


def stages(cluster: Cluster) -> dict[tuple[int, int], list[Task]]:
    """The tasks of each completed stage, in the order in which they were begun."""
    (application,) = asked(f"{cluster.ui}/api/v1/applications")
    base = f"{cluster.ui}/api/v1/applications/{application['id']}/stages"
    found = {}
    for stage in asked(f"{base}?status=complete"):
        key = stage["stageId"], stage["attemptId"]
        tasks = asked(f"{base}/{key[0]}/{key[1]}/taskList?length=100000&sortBy=ID")
        found[key] = [
            read(task)
            for task in sorted(tasks, key=lambda task: task["taskId"])
            if task.get("taskMetrics")
        ]
    return found


def read(task: dict) -> Task:
    began = datetime.fromisoformat(task["launchTime"].replace("GMT", "+00:00")).timestamp()
    seconds = task["taskMetrics"]["executorCpuTime"] / 1e9
    return Task(task["executorId"], seconds, began, began + task["duration"] / 1e3)


def asked(url: str) -> list[dict]:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def models_of(rules: bool) -> list[sql_models.Model]:
    """What is built, in its order; where only rules are, without what the learned models count."""
    models = [model for model in sql_models.load_models() if model.name in JOB]
    if not rules:
        return models
    written = {"int_shares": shares_sql(RULES), "credit": credit_sql(RULES)}
    kept = [model for model in models if model.name in ("int_journey_touches", *written)]
    return [
        sql_models.read_model(m.name, m.layer, written[m.name]) if m.name in written else m
        for m in kept
    ]


@dataclass
class Took:
    """Seconds by the clock, and those of them in which any task ran; processor seconds of all
    tasks, of the busier executor in each stage, and of the busier of two workers where each task
    goes to whichever is free.
    """

    wall: float
    running: float
    every: float
    busier: float
    dealt: float


def build(cluster: Cluster, connection: Connection, models: list[sql_models.Model]) -> Took:
    """Build the models, and hear what the executors did for them."""
    before = stages(cluster).keys()
    began = time.perf_counter()
    transform.build(connection, models)
    wall = time.perf_counter() - began
    time.sleep(1)  # what is told of the last stage comes a little later
    took = [tasks for key, tasks in stages(cluster).items() if key not in before]
    return Took(
        wall,
        running([task for tasks in took for task in tasks]),
        sum(task.seconds for tasks in took for task in tasks),
        sum(busier(tasks) for tasks in took),
        sum(dealt([task.seconds for task in tasks]) for tasks in took),
    )


def running(tasks: list[Task]) -> float:
    """Seconds in which any of them ran."""
    whole = until = 0.0
    for task in sorted(tasks, key=lambda task: task.began):
        whole += max(0.0, task.ended - max(task.began, until))
        until = max(until, task.ended)
    return whole


def busier(tasks: list[Task]) -> float:
    by_executor: dict[str, float] = defaultdict(float)
    for task in tasks:
        by_executor[task.executor] += task.seconds
    return max(by_executor.values(), default=0.0)


def dealt(tasks: list[float]) -> float:
    """When the last of two workers is done, with a core of its own each, tasks in their order."""
    workers = [0.0, 0.0]
    for seconds in tasks:
        workers[workers.index(min(workers))] += seconds
    return max(workers)


def executors(cluster: Cluster) -> int:
    (application,) = asked(f"{cluster.ui}/api/v1/applications")
    every = asked(f"{cluster.ui}/api/v1/applications/{application['id']}/executors")
    return sum(each["id"] != "driver" for each in every)


def wait_for(cluster: Cluster, number: int) -> None:
    until = time.monotonic() + 120
    while executors(cluster) != number:
        if time.monotonic() > until:
            raise SystemExit(f"{number} executors were asked for.\n{cluster.said()}")
        time.sleep(1)


class Peak:
    """The most memory that the processes of a cluster held at once, and the most disk."""

    def __init__(self, folder: Path) -> None:
        self.memory = self.disk = 0
        self._folder = folder
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Peak":
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._over.wait(10):
            words = ["ps", "-eo", "rss=,args="]
            told = subprocess.run(words, capture_output=True, text=True, check=False).stdout
            mine = [line for line in told.splitlines() if "org.apache.spark" in line]
            self.memory = max(self.memory, sum(int(line.split()[0]) for line in mine))
            used = sum(p.lstat().st_size for p in self._folder.rglob("*") if p.is_file())
            self.disk = max(self.disk, used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millions", type=float)
    parser.add_argument("--rules", action="store_true", help="without the learned models")
    options = parser.parse_args()
    if said := missing():
        raise SystemExit(said)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    whole, models = int(options.millions * 1_000_000), models_of(options.rules)
    folder = Path(tempfile.mkdtemp(prefix="spark-speed"))
    try:
        with Peak(folder) as peak:
            (*_, quarter, half, one), credit = on_workers(
                1, folder, models, [whole // 4, whole // 4, whole // 2, whole]
            )
            (*_, two), same = on_workers(2, folder, models, [whole] * 3)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    grain = next(model.grain for model in sql_models.load_models() if model.name == "credit")
    wrong = difference(credit, same, grain)
    print(f"credit of both: {wrong or f'the same {len(credit):,} rows'}")
    for words, faster in (
        ("with a core for each worker", one.every / two.dealt),
        ("as the tasks fell on these cores", one.every / two.busier),
        ("by the seconds in which tasks ran", one.running / two.running),
        ("by the clock", one.wall / two.wall),
    ):
        print(f"two workers are {faster:.2f} times as fast {words}")
    cost([whole // 4, whole // 2], [quarter.every, half.every], whole, one.every, two.dealt)
    print(f"peak memory {peak.memory / 2**20:.2f} GiB, disk {peak.disk / 2**30:.2f} GiB")
    print(f"load now {os.getloadavg()[0]:.1f}")


def on_workers(
    number: int, folder: Path, models: list[sql_models.Model], sizes: list[int]
) -> tuple[list[Took], pd.DataFrame]:
    """Build on a cluster of so many workers, one size after the other; the last one's credit."""
    took: list[Took] = []
    with (
        spark_cluster(
            workers=number, memory="1200m", settings=SETTINGS, ui=True, pinned=True, folder=folder
        ) as cluster,
        connected(cluster) as connection,
    ):
        wait_for(cluster, number)
        for place, touches in enumerate(sizes):
            if touches not in sizes[max(0, place - 1) : place]:
                began = time.perf_counter()
                fill(connection, touches)
                made = time.perf_counter() - began
                print(f"{touches:,} touchpoints made up in {made:.0f} s", flush=True)
            took.append(build(cluster, connection, models))
            say(f"{number} worker{'s' if number > 1 else ''}, {touches:,} touchpoints", took[-1])
        return took, fetch(connection, "select * from credit").to_pandas()


def cost(sizes: list[int], seconds: list[float], whole: int, one: float, two: float) -> None:
    """What the cost model makes of the whole, beside what it took, and of billions."""
    fixed, each = line(sizes, seconds)
    print(f"cost by a quarter and a half: {fixed:.1f} s and {each * 1e6:.3f} s a million")
    for workers, measured in ((1, one), (2, two)):
        said = fixed + each * whole / workers
        print(
            f"  {whole:,} on {workers}: {said:.1f} s said, {measured:.1f} s measured, "
            f"{said / measured - 1:+.0%}"
        )
    for billions in (1, 10):
        hours = [
            f"{n} of one core {(fixed + each * billions * 1e9 / n) / 3600:.1f} h"
            for n in (2, 20, 100)
        ]
        print(f"  {billions} billion, workers: {', '.join(hours)}")


def say(what: str, took: Took) -> None:
    print(
        f"{what}: {took.every:.1f} processor s of all tasks, {took.busier:.1f} of the busier "
        f"executor, {took.dealt:.1f} dealt to two free workers; tasks ran in {took.running:.0f} of "
        f"{took.wall:.0f} s by the clock",
        flush=True,
    )


if __name__ == "__main__":
    main()
