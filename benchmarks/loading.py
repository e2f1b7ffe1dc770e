"""Whether a connector is a bottleneck on our side: a million rows through contract, merge, commit.

    python benchmarks/loading.py
    python benchmarks/loading.py --rows 200000 contacts files

A slice of each kind of source is loaded as a refresh does it: rows as a connector yields them are
checked, their identifiers hashed, staged, merged and committed with the cursor. Then the same rows
are loaded again, all of them changed, which finds and replaces each. Told are wall and processor
seconds and the peak memory of a process of its own.

- spend: dated rows of an ad platform, one by one, replacing a window;
- contacts: CRM records with e-mail and phone, one by one, merged on their key;
- appointments: EMR records with identifiers, one by one, merged on their key;
- files: the same touchpoints as a Parquet file, in columns;
- csv: the same as a CSV file, every value cast from text.
"""

import argparse
import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb

from attribution import warehouse
from attribution.loading import Loader
from attribution.paths import Home
from attribution.privacy import Door
from connectors import files
from connectors.contract import AdSpend, Appointment, Contact, Row
from connectors.source import Context, Cursor, Item, Slice, Window

DAY = date(2026, 1, 1)
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
KINDS = ("spend", "contacts", "appointments", "files", "csv")
TOUCHES = """
copy (
    select
        'T' || lpad(i::text, 12, '0') as touch_id,
        timestamptz '2024-01-01 00:00:00+00'
            + to_seconds((hash(i, {round}) % 63072000)::bigint) as at,
        'session' as kind,
        'C' || (hash(i, 3) % {rows})::text as client_id,
        'google' as utm_source,
        'cpc' as utm_medium,
        'campaign ' || (hash(i, 4) % 200)::text as utm_campaign
    from range({rows}) as t(i)
) to '{path}' {options}
"""
MAPPING = {"match": "touches*", "row": "touchpoint"}


def spend(rows: int, times: int) -> Iterator[Row]:
    for number in range(rows):
        yield AdSpend(
            day=DAY + timedelta(days=number % 28),
            timezone="America/Chicago",
            campaign_id=str(number // 28 // 40),
            campaign="Knee pain, search",
            ad_group_id=str(number // 28),
            ad_group="Exact",
            network="google",
            medium="cpc",
            currency="USD",
            spend=Decimal(number % 9973 + times) / 100,
            impressions=number % 5000,
            clicks=number % 90,
            claimed_conversions=1.5,
        )


def contacts(rows: int, times: int) -> Iterator[Row]:
    for number in range(rows):
        created = MIDNIGHT + timedelta(seconds=number)
        yield Contact(
            contact_id=str(10_000_000 + number),
            created_at=created,
            updated_at=created + times * WEEK,
            email=f"person{number}@example.org",
            phone=f"+1212{2_000_000 + number:07}",
            original_source="PAID_SEARCH",
            utm_source="google",
            utm_medium="cpc",
            utm_campaign="knee-pain",
            lifecycle_stage="lead",
            lead_at=created,
            service_line="orthopedics",
            location="North",
        )


def appointments(rows: int, times: int) -> Iterator[Row]:
    for number in range(rows):
        booked = MIDNIGHT + timedelta(seconds=number)
        yield Appointment(
            appointment_id=f"A{number:09}",
            patient_id=f"M{number // 2:08}",
            booked_at=booked,
            starts_at=booked + WEEK,
            status="fulfilled",
            email=f"person{number // 2}@example.org",
            service_line="orthopedics",
            location="North",
            updated_at=booked + times * WEEK,
        )


MADE: dict[str, tuple[type[Row], Callable[[int, int], Iterator[Row]]]] = {
    "spend": (AdSpend, spend),
    "contacts": (Contact, contacts),
    "appointments": (Appointment, appointments),
}


def row_slice(kind: str, rows: int, times: int) -> Slice:
    """A slice of made-up rows, yielded one by one."""
    row, made = MADE[kind]

    def read() -> Iterator[Item]:
        yield from made(rows, times)
        yield Cursor(str(times))

    window = Window(DAY, DAY + timedelta(days=27)) if row.spec.load == "window" else None
    return Slice(kind, (row,), kind, read, window)


def file_slices(kind: str, rows: int, times: int, folder: Path) -> Iterable[Slice]:
    """The slices of a drop folder with one file of touchpoints."""
    csv = kind == "csv"
    path = folder / f"touches{times}.{'csv' if csv else 'parquet'}"
    options = "(header)" if csv else "(format parquet)"
    duckdb.sql(TOUCHES.format(rows=rows, round=times, path=path, options=options))
    chosen = {"folder": str(folder), "files": [MAPPING], "timezone": "UTC"}
    now = datetime.now(UTC)
    return files.connect(Context("drop", "1", chosen, now, DAY)).slices({})


def measure(kind: str, rows: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        home = Home(Path(scratch) / "home")
        home.folder.mkdir(mode=0o700)
        drop = Path(scratch) / "drop"
        drop.mkdir()
        building = warehouse.begin(home, memory="600MB")
        loader = Loader(building.engine, building.commits, Door(b"k" * 32), kind, "1", "run")
        took = []
        gc.set_threshold(50_000, 20, 50)  # as a refresh does
        for times in (1, 2):
            if kind in MADE:
                slices: Iterable[Slice] = [row_slice(kind, rows, times)]
            else:
                slices = list(file_slices(kind, rows, times, drop))
            wall, processor = time.perf_counter(), time.process_time()
            loaded = sum(loader.load(piece).rows for piece in slices)
            took.append((time.perf_counter() - wall, time.process_time() - processor))
            for path in drop.iterdir():
                path.unlink()
            if loaded != rows:
                raise SystemExit(f"{kind}: {loaded:,} rows were loaded, {rows:,} were sent")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        parts = [f"{w:.1f} s ({c:.1f} CPU s)" for w, c in took]
        print(f"{kind}: first {parts[0]}, all changed {parts[1]}, peak {peak:.2f} GiB", flush=True)
        building.abandon()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="kind", help=f"of {', '.join(KINDS)} (all)")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        measure(options.kinds[0], options.rows)
        return
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for kind in options.kinds or KINDS:  # a process each, so that its peak memory is its own
        command = [sys.executable, __file__, kind, "--rows", str(options.rows), "--here"]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
