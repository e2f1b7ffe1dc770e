"""A real Spark cluster on loopback: one master, workers of one core each, a Spark Connect server.

All of it is of this machine alone: nothing listens but on 127.0.0.1, and what it writes is gone
with it.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import duckdb
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.pool import StaticPool

from attribution.engines.spark_arrow import lent
from attribution.engines.spark_dialect import register

HOST = "127.0.0.1"
_PATIENCE = 90.0  # seconds for a process to answer; a busy machine starts Java slowly
# Processes of a minute: what Java would gain by compiling harder, it would not live to use.
# The cache of what is compiled at that level is small by default, and was emptied again and again;
# the room for classes begins small, and each time it grew all of the heap was collected. Without
# its native library Hadoop runs a program, chmod, for each file and folder that it makes.
_SHORT_LIVED = (
    "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=128m "
    "-XX:MetaspaceSize=256m -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote "
    "-Djdk.lang.Process.launchMechanism=VFORK"
)
# For tables of some hundred rows: planning and compiling take longer than running does.
SMALL = {
    "spark.driver.extraJavaOptions": _SHORT_LIVED,
    "spark.executor.extraJavaOptions": _SHORT_LIVED,
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.default.parallelism": "1",
    "spark.sql.files.openCostInBytes": "0",
    "spark.sql.files.minPartitionNum": "1",
    # What is kept and drawn for people who look at a cluster, and checked for those who make one.
    "spark.sql.ui.explainMode": "simple",
    "spark.sql.maxPlanStringLength": "1000",
    "spark.sql.lightweightPlanChangeValidation": "false",
    "spark.ui.liveUpdate.period": "-1",
    "spark.cleaner.referenceTracking": "false",
    "spark.executor.heartbeatInterval": "60s",
    "spark.network.timeout": "300s",
    "spark.broadcast.compress": "false",
    "spark.broadcast.checksum": "false",
    "spark.shuffle.compress": "false",
    "spark.sql.parquet.compression.codec": "uncompressed",
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
}
_LOGGING = """
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
"""


def missing() -> str:
    """What is not here that a cluster needs, in a sentence; "" where all is."""
    if shutil.which("java") is None:
        return "Spark needs Java 17 on the PATH, which is not found; nothing of it was tested."
    try:
        import pyspark
    except ImportError:
        return "Spark itself is not installed: run `make test-spark`, which installs it."
    if not (Path(pyspark.__file__).parent / "jars").is_dir():
        return "Only Spark's client is installed, without its jars: run `make test-spark`."
    return ""


@dataclass
class Cluster:
    """A running cluster; `workers` are its worker processes, each with an executor at most."""

    folder: Path
    home: Path  # of Spark
    url: str = ""  # of the Spark Connect server, as a client reads it
    master: str = ""
    ui: str = ""  # where the server's REST API answers; "" where it was not asked for
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    memory: str = "1g"
    pinned: bool = False  # each worker, and so its executor, to a core of its own

    def add_worker(self) -> "subprocess.Popen[bytes]":
        """Start a worker of one core and wait for nothing: it registers itself."""
        place = self.folder / f"worker{len(self.processes)}"
        worker = self._start(
            place.name,
            "org.apache.spark.deploy.worker.Worker",
            *("--host", HOST, "--port", "0", "--webui-port", str(_free_port())),
            *("--cores", "1", "--memory", self.memory, "--work-dir", str(place), self.master),
        )
        if self.pinned:  # at once, so that all of its threads are
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(worker.pid, {cores[len(self.workers) % len(cores)]})
        self.workers.append(worker)
        return worker

    def kill_worker(self) -> None:
        """Kill a worker and its executor, as a machine dies that loses its power."""
        os.killpg(self.workers.pop(0).pid, signal.SIGKILL)

    def said(self) -> str:
        """The ends of all logs, for whoever reads a failed test."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text('utf-8')[-3000:]}" for log in logs)

    def _start(
        self, name: str, *command: str, java_memory: str = "256m"
    ) -> "subprocess.Popen[bytes]":
        log: IO[bytes]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [self.home / "bin" / "spark-class", *command],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env={**self._environment(), "SPARK_DAEMON_MEMORY": java_memory},
                start_new_session=True,  # so that a worker dies with the executor it started
            )
        self.processes.append(process)
        return process

    def _environment(self) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ},
            "HOME": str(self.folder),
            "TZ": "UTC",
            "SPARK_HOME": str(self.home),
            "SPARK_LOCAL_IP": HOST,
            "SPARK_LOCAL_DIRS": str(self.folder / "local"),
            "SPARK_CONF_DIR": str(self.folder / "conf"),
            "SPARK_DAEMON_JAVA_OPTS": _SHORT_LIVED,
            # Of every process, those that workers start too: nothing is left in anybody's /tmp.
            "JAVA_TOOL_OPTIONS": f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",
        }

    def start(self, workers: int, driver_memory: str, said: Mapping[str, str], ui: bool) -> None:
        (self.folder / "conf").mkdir()
        (self.folder / "tmp").mkdir()
        (self.folder / "conf" / "log4j2.properties").write_text(_LOGGING, "utf-8")
        port, shown = _free_port(), _free_port()
        self.master = f"spark://{HOST}:{port}"
        self._start(
            "master",
            "org.apache.spark.deploy.master.Master",
            *("--host", HOST, "--port", str(port), "--webui-port", str(shown)),
        )
        _wait_for(port, self)
        for _ in range(workers):
            self.add_worker()
        port = _free_port()
        settings = {
            "spark.driver.host": HOST,
            "spark.driver.bindAddress": HOST,
            "spark.executor.memory": f"{_megabytes(self.memory)}m",
            "spark.executor.cores": "1",
            "spark.connect.grpc.binding.address": HOST,
            "spark.connect.grpc.binding.port": str(port),
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.warehouse.dir": str(self.folder / "warehouse"),
            "spark.sql.catalogImplementation": "in-memory",
            **said,
        }
        if ui:
            shown = _free_port()
            self.ui = f"http://{HOST}:{shown}"
            settings |= {"spark.ui.enabled": "true", "spark.ui.port": str(shown)}
        self._start(
            "connect",
            "org.apache.spark.deploy.SparkSubmit",
            *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
            *("--master", self.master),
            *(word for name, value in settings.items() for word in ("--conf", f"{name}={value}")),
            "spark-internal",
            java_memory=driver_memory,
        )
        _wait_for(port, self)
        self.url = f"sc://{HOST}:{port}"

    def stop(self) -> None:
        """End every process that was started, and those that they started.

        At once: nothing of theirs is wanted any more, and an executor outlives its worker.
        """
        for process in reversed(self.processes):
            _signal(process, signal.SIGKILL)
        for process in self.processes:
            process.wait()


@contextmanager
def spark_cluster(
    *,
    workers: int = 2,
    memory: str = "1g",
    driver_memory: str = "1g",
    settings: Mapping[str, str] = SMALL,
    ui: bool = False,
    pinned: bool = False,
    folder: Path | None = None,
) -> Iterator[Cluster]:
    """A cluster for the length of a block; `memory` is that of each worker.

    With `ui` the server's REST API answers at `Cluster.ui`; `pinned` gives each worker a core.
    """
    import pyspark

    own = Path(tempfile.mkdtemp(prefix="spark", dir=folder))
    cluster = Cluster(own, Path(pyspark.__file__).parent, memory=memory, pinned=pinned)
    try:
        cluster.start(workers, driver_memory, settings, ui)
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(own, ignore_errors=True)


@contextmanager
def connected(cluster: Cluster) -> Iterator[Connection]:
    """A connection to build models on."""
    register()
    engine = sa.create_engine(cluster.url, poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def copy(store: duckdb.DuckDBPyConnection, connection: Connection, tables: list[str]) -> None:
    """Give Spark tables of a private store, by Arrow."""
    for table in tables:
        with lent(connection, store.execute(f'from "{table}"').to_arrow_table()) as incoming:
            connection.exec_driver_sql(f"create table {table} as select * from {incoming}")


def _megabytes(memory: str) -> int:
    """What an executor gets of a worker's memory: Java itself needs some more beside it."""
    whole = int(memory[:-1]) * (1024 if memory.endswith("g") else 1)
    return min(whole, max(512, whole - 64))


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def _wait_for(port: int, cluster: Cluster) -> None:
    """Wait until something listens on a port, or say what the logs say."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with socket.socket() as caller:
            caller.settimeout(1)
            if caller.connect_ex((HOST, port)) == 0:
                return
        dead = [process for process in cluster.processes if process.poll() is not None]
        if dead:
            break
        time.sleep(0.1)
    raise RuntimeError(f"Spark did not start.\n{cluster.said()}")
