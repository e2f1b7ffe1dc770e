"""How the models of a refresh grow: 1, 5, 20, 50 and 100 million touchpoints on DuckDB.

    python benchmarks/scale_models.py 1 5 20
    python benchmarks/scale_models.py 100 --folder /big/disk
    PYTHONPATH=.:tests python benchmarks/scale_models.py 1 5 --engine postgresql

Hashed rows of the world of `benchmarks/scale.py` (five touches a person in two years, one person
in eight a lead) are put straight into the raw tables, as a refresh leaves them; then every model is
built, every check run, every mart copied and what viewers read written, each size in a process of
its own, in the memory that a refresh gives the engine. Printed are processor and clock seconds,
peak memory and bytes on disk for each touchpoint, of the whole and of each step that takes time;
with two sizes or more the slope of a log-log fit of each step's processor seconds (1 is linear);
and what that makes of 1 and 10 billion touchpoints on N workers. The disk that a size needs is
printed before it starts, and a size that the disk has no room for is refused. On PostgreSQL and
Spark a server or a cluster of two workers is started on this computer, for each size anew, and what
its processes take is added. A refresh has Spark build several models at once; here each waits for
the one before, so that it is known what took what.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from unittest.mock import patch

import scale_postgresql
import scale_spark
from processes import Processes
from scale import CONFIG, slope

from attribution import seeds, settings, sql_models, transform, viewer_marts, warehouse
from attribution.build_memory import build_memory
from attribution.checksums import checksum
from attribution.identity_changes import ensure_identity_tables
from attribution.paths import Home

# What a touchpoint takes at the most while its models are built, tables and spill together
# (measured), and what is left free for everybody else.
BYTES = {"duckdb": 260, "postgresql": scale_postgresql.BYTES, "spark": scale_spark.BYTES}
LEFT_FREE = 10 * 2**30
# A step that takes less than this at the largest size has no slope worth telling.
TELLING = 2.0
WIDE = 3.5 * 2**30  # bytes from which a step is named at once, as is one that takes its time
RAW = """
insert into raw_touchpoint by name
select
    'drop' as source, 'drop' as account, 'T' || i as touch_id,
    timestamptz '2024-01-01 00:00:00+00' + to_seconds((hash(i, 1) % 63072000)::bigint) as at,
    case hash(i, 2) % 10 when 0 then 'form' when 1 then 'click' else 'session' end as kind,
    list_value('google', 'google', 'facebook', '(direct)', 'bing', 'newsletter', 'yelp')
        [1 + (hash(i, 4) % 7)::int] as utm_source,
    list_value('cpc', 'organic', 'paid_social', '(none)', 'cpc', 'email', 'referral')
        [1 + (hash(i, 4) % 7)::int] as utm_medium,
    list_value('ortho_north', 'dental_south', 'derm_east', 'primary_north')
        [1 + (hash(i, 5) % 4)::int] as utm_campaign,
    md5((hash(i, 3) % {people})::text) as identifier, 'run' as run_id
from range({touches}) as t(i);
insert into raw_contact by name
select
    'crm' as source, 'crm' as account, md5('l' || i) as contact_id, md5(i::text) as identifier,
    timestamptz '2024-02-01 00:00:00+00' + to_seconds((hash(i, 6) % 60000000)::bigint)
        as created_at,
    created_at as updated_at, 'run' as run_id
from range(0, {people}, 8) as t(i);
insert into raw_appointment by name
select
    'emr' as source, 'emr' as account, md5('a' || i) as appointment_id, md5(i::text) as identifier,
    timestamptz '2024-02-02 00:00:00+00' + to_seconds((hash(i, 6) % 60000000)::bigint)
        as booked_at,
    booked_at + interval 9 day as starts_at,
    case when hash(i, 7) % 6 = 0 then 'noshow' else 'fulfilled' end as status,
    list_value('orthopedics', 'dental', 'dermatology', 'primary_care')[1 + (hash(i, 8) % 4)::int]
        as service_line,
    list_value('north', 'south', 'east')[1 + (hash(i, 9) % 3)::int] as location, 'run' as run_id
from range(0, {people}, 16) as t(i);
insert into raw_payment by name
select
    'emr' as source, 'emr' as account, md5('y' || i) as payment_id, md5(i::text) as identifier,
    md5('a' || i) as appointment_id,
    timestamptz '2024-02-12 00:00:00+00' + to_seconds((hash(i, 6) % 60000000)::bigint)
        as posted_at,
    'USD' as currency, ((20 + hash(i, 10) % 400) * 1000000)::bigint as amount_micros,
    'run' as run_id
from range(0, {people}, 48) as t(i);
insert into identity by name
select md5(i::text) as identifier, (hash(i, 11) // 16)::bigint as person_id
from range({people}) as t(i);
"""


class Steps:
    """What each step of a run takes: processor and clock seconds, peak memory."""

    def __init__(self, server: Processes | None = None) -> None:
        self.took: dict[str, dict[str, float]] = {}
        self._server = server

    def __call__(self, name: str, work: Callable[[], object]) -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
        there = self._server
        if there:
            there.peak()
        cpu, wall = self._cpu(), time.perf_counter()
        work()
        took = {
            "cpu": self._cpu() - cpu,
            "wall": time.perf_counter() - wall,
            "peak": float(_memory("VmHWM")) + (there.peak() if there else 0),
            "bytes": 0.0,
        }
        self.took[name] = took
        if took["wall"] > 20 or (took["peak"] > WIDE and not there):
            print(
                f"    {name}: {took['cpu']:.0f} CPU s, {took['wall']:.0f} s, "
                f"{took['peak'] / 2**30:.2f} GiB",
                file=sys.stderr,
                flush=True,
            )

    def _cpu(self) -> float:
        return time.process_time() + (self._server.seconds() if self._server else 0)


def _memory(what: str) -> int:
    """Bytes of this process by the kernel's own name."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc/self/status has no {what}; run this on Linux.")


def run(folder: Path, touches: int, engine: str, server: Processes | None = None) -> None:
    """Fill a home's private store, build all that a refresh builds of it, tell what it took."""
    (folder / "caretrace.toml").write_text(CONFIG.format(drop=folder), encoding="utf-8")
    settled = settings.load(Home(folder))
    home = settled.home
    building = warehouse.begin(home, memory=build_memory())
    steps = Steps(server)
    models = sql_models.load_models()

    def fill() -> None:
        with building.connect() as connection:
            ensure_identity_tables(connection)
            raw = RAW.format(people=touches // 5, touches=touches).split(";")
            statements = [each for each in raw if each.strip()]
            if engine == "postgresql":
                scale_postgresql.fill(connection, folder, statements)
                return
            for statement in statements:
                connection.exec_driver_sql(statement)

    steps("fill", fill)
    with building.connect() as connection:
        seeds.write(connection, settled)
    if engine == "spark":
        steps("landing", lambda: _opened(building))
    with building.modelling() as connection, ExitStack() as stack:
        if engine == "postgresql":  # a refresh counts what was loaded once, not before each model
            steps("counting", lambda: transform.build(connection, []))
            stack.enter_context(patch.object(transform, "_count_loaded"))
        for model in models:
            steps(model.name, lambda model=model: transform.build(connection, [model]))
    with building.modelling() as connection:
        steps("checks", lambda: transform.run_checks(connection))
    marts, people = (
        {m.name: m.grain for m in models if m.layer == layer} for layer in ("marts", "people")
    )
    steps("copy of marts", lambda: building.copy_marts(marts, people, viewer_marts.BESIDE))
    with building.copied() as copied:
        for name in (*marts, *people):
            steps(f"checksum of {name}", lambda name=name: checksum(copied, name))
    tell = partial(viewer_marts.write, marts=marts)
    steps("small cells", lambda: building.write_viewers(tell))
    steps("publish", lambda: (building.close(), warehouse.publish(home, building.number)))
    if engine == "spark":
        sizes = scale_spark.stored(folder, building.number)
    else:
        sizes = (scale_postgresql.stored if server else stored)(home, building.number)
    for name, size in sizes.items():
        if name in steps.took:
            steps.took[name]["bytes"] = size
    steps.took["fill"]["bytes"] = sizes["raw_touchpoint"]
    print(json.dumps(steps.took))


def _opened(building: warehouse.Building) -> None:
    """Have what was loaded land on the cluster, as it does when it is first asked for anything."""
    with building.modelling():
        pass


def stored(home: Home, generation: int) -> dict[str, float]:
    """Bytes of each table of a closed private store."""
    with warehouse.open_private(home, generation).connect() as connection:
        names = connection.exec_driver_sql("select table_name from duckdb_tables()").scalars().all()
        counts = (
            "select count(distinct block_id) from pragma_storage_info('{}') where block_id >= 0"
        )
        return {
            name: 262144.0 * connection.exec_driver_sql(counts.format(name)).scalar_one()
            for name in names
        }


def measure(folder: Path, touches: int, engine: str) -> dict[str, dict[str, float]]:
    """One size in a process of its own, in a folder that is removed afterwards."""
    need = touches * BYTES[engine]
    free = shutil.disk_usage(folder).free
    print(
        f"{touches:,} touchpoints need up to {need / 2**30:.1f} GiB of disk; "
        f"{free / 2**30:.1f} GiB are free",
        flush=True,
    )
    if free < need + LEFT_FREE:
        raise SystemExit(
            f"{folder} would keep less than {LEFT_FREE // 2**30} GiB free: name another --folder."
        )
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [sys.executable, __file__, str(touches / 1e6), "--folder", scratch, "--here"]
        command += ["--engine", engine]
        found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(found.stdout.splitlines()[-1]))


def tell(touches: int, took: dict[str, dict[str, float]]) -> None:
    work = {name: step for name, step in took.items() if name != "fill"}
    cpu, wall = (sum(step[what] for step in work.values()) for what in ("cpu", "wall"))
    disk = sum(step["bytes"] for step in took.values())
    widest = max(work, key=lambda name: work[name]["peak"])
    print(
        f"  all: {cpu:.0f} CPU s, {wall:.0f} s, peak "
        f"{work[widest]['peak'] / 2**30:.2f} GiB in {widest}, "
        f"{disk / touches:.0f} bytes a touchpoint (raw rows "
        f"{took['fill']['bytes'] / touches:.0f}); load {os.getloadavg()[0]:.0f}"
    )
    for name, step in sorted(work.items(), key=lambda item: -item[1]["cpu"])[:16]:
        print(
            f"    {name}: {step['cpu']:.1f} CPU s, {step['wall']:.1f} s, "
            f"peak {step['peak'] / 2**30:.2f} GiB, {step['bytes'] / touches:.1f} bytes a touchpoint"
        )


def growth(sizes: list[int], results: list[dict[str, dict[str, float]]]) -> None:
    """Slopes, and what a billion takes where a worker does as much a second as this machine."""
    largest = results[-1]
    telling = [n for n, s in largest.items() if n != "fill" and s["cpu"] >= TELLING]
    for name in sorted(telling, key=lambda name: -largest[name]["cpu"]):
        exponent = slope(sizes, [result[name]["cpu"] for result in results])
        print(f"growth of {name}: {exponent:.2f}")
    whole = [sum(s["cpu"] for n, s in r.items() if n != "fill") for r in results]
    print(f"growth of all: {slope(sizes, whole):.2f}")
    # What does not grow stays with the driver; workers share the rest.
    fixed, each = line(sizes, whole)
    print(f"cost: {fixed:.0f} CPU s and {each * 1e6:.2f} CPU s a million touchpoints")
    for billions in (1, 10):
        shared = each * billions * 1e9 / 2  # two cores a worker
        hours = [f"{n} of two cores {(fixed + shared / n) / 3600:.1f} h" for n in (1, 10, 50)]
        print(f"  {billions} billion, workers: {', '.join(hours)}")


def line(sizes: list[int], seconds: list[float]) -> tuple[float, float]:
    """Intercept, not below nought, and slope of seconds, by the two largest sizes."""
    (x0, x1), (y0, y1) = sizes[-2:], seconds[-2:]
    each = (y1 - y0) / (x1 - x0)
    return max(0.0, y1 - each * x1), each


def served(engine: str, folder: Path) -> AbstractContextManager[Processes | None]:
    """A server or a cluster for the block; DuckDB needs none."""
    if engine == "postgresql":
        return scale_postgresql.served()
    return scale_spark.served(folder) if engine == "spark" else nullcontext()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millions", nargs="+", type=float)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--engine", choices=list(BYTES), default="duckdb")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [round(millions * 1_000_000) for millions in options.millions]
    if options.here:
        with served(options.engine, options.folder) as server:
            run(options.folder, sizes[0], options.engine, server)
        return
    results = []
    for touches in sizes:
        results.append(measure(options.folder, touches, options.engine))
        tell(touches, results[-1])
    if len(sizes) > 1:
        growth(sizes, results)


if __name__ == "__main__":
    main()
