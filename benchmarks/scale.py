"""How a refresh grows: 1, 5 and 20 million touchpoints from Parquet.

    python benchmarks/scale.py 1 5 20

For each size: seconds and rows of every step, touchpoints per second, peak memory of the process,
bytes on disk for each touchpoint, and, with two sizes or more, the slope of a log-log fit of each
step's seconds over size (1 is linear).
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent

# Five touches a person in two years, one person in eight a lead: more conversions for each touch
# than a health system sees, so the credit step is not flattered.
TOUCHES = """
copy (
    select
        'T' || lpad(i::text, 12, '0') as touch_id,
        timestamptz '2024-01-01 00:00:00+00'
            + to_seconds((hash(i, 1) % 63072000)::bigint) as at,
        case hash(i, 2) % 10 when 0 then 'form' when 1 then 'click' else 'session' end as kind,
        'C' || (hash(i, 3) % {people})::text as client_id,
        list_value('google', 'google', 'facebook', '(direct)', 'bing', 'newsletter', 'yelp')
            [1 + (hash(i, 4) % 7)::int] as utm_source,
        list_value('cpc', 'organic', 'paid_social', '(none)', 'cpc', 'email', 'referral')
            [1 + (hash(i, 4) % 7)::int] as utm_medium,
        list_value('ortho_north', 'dental_south', 'derm_east', 'primary_north')
            [1 + (hash(i, 5) % 4)::int] as utm_campaign
    from range({since}, {until}) as t(i)
) to '{path}' (format parquet, row_group_size 1000000)
"""
PEOPLE = {
    "contacts": """
        select
            'L' || i as contact_id,
            'p' || i || '@example.org' as email,
            'C' || i as client_id,
            timestamptz '2024-02-01 00:00:00+00'
                + to_seconds((hash(i, 6) % 60000000)::bigint) as created_at,
            created_at as updated_at
        from range(0, {people}, 8) as t(i)
    """,
    "appointments": """
        select
            'A' || i as appointment_id,
            'M' || i as patient_id,
            'p' || i || '@example.org' as email,
            timestamptz '2024-02-02 00:00:00+00'
                + to_seconds((hash(i, 6) % 60000000)::bigint) as booked_at,
            booked_at + interval 9 day as starts_at,
            case when hash(i, 7) % 6 = 0 then 'noshow' else 'fulfilled' end as status,
            list_value('orthopedics', 'dental', 'dermatology', 'primary_care')
                [1 + (hash(i, 8) % 4)::int] as service_line,
            list_value('north', 'south', 'east')[1 + (hash(i, 9) % 3)::int] as location
        from range(0, {people}, 16) as t(i)
    """,
    "payments": """
        select
            'Y' || i as payment_id,
            'M' || i as patient_id,
            'A' || i as appointment_id,
            timestamptz '2024-02-12 00:00:00+00'
                + to_seconds((hash(i, 6) % 60000000)::bigint) as posted_at,
            'USD' as currency,
            (20 + hash(i, 10) % 400)::decimal(18, 2) as amount
        from range(0, {people}, 24) as t(i)
    """,
}
CONFIG = """
title = "Scale"
currency = "USD"

[sources.drop]
kind = "files"
folder = "{drop}"

[[sources.drop.files]]
match = "touches_*.parquet"
row = "touchpoint"

[[sources.drop.files]]
match = "contacts.parquet"
row = "contact"

[[sources.drop.files]]
match = "appointments.parquet"
row = "appointment"

[[sources.drop.files]]
match = "payments.parquet"
row = "payment"
"""
# Run in a process of its own, so that its peak memory is the refresh's and nothing else's.
CHILD = """
import json, resource, sys, time
from attribution import settings
from attribution.refresh import refresh
began, steps = {}, {}
def watch(event):
    if event.state == "started":
        began[event.step] = time.monotonic()
    elif event.state == "done":
        steps[event.step] = time.monotonic() - began[event.step]
cpu = time.process_time()
refresh(settings.load(settings.home()), watch, debug=True)
print(json.dumps({
    "steps": steps,
    "cpu": time.process_time() - cpu,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
}))
"""


def make(folder: Path, touches: int) -> None:
    """Write a home folder whose drop folder holds this many touchpoints."""
    drop = folder / "drop"
    drop.mkdir(parents=True)
    people = touches // 5
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for since in range(0, touches, 5_000_000):
            path = drop / f"touches_{since // 5_000_000:03d}.parquet"
            until = min(since + 5_000_000, touches)
            connection.execute(TOUCHES.format(people=people, since=since, until=until, path=path))
        for name, sql in PEOPLE.items():
            path = drop / f"{name}.parquet"
            connection.execute(f"copy ({sql.format(people=people)}) to '{path}' (format parquet)")
    (folder / "caretrace.toml").write_text(CONFIG.format(drop=drop))


def measure(folder: Path) -> dict[str, object]:
    """Refresh a home folder in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        env={**os.environ, "CARETRACE_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SystemExit(run.stderr)
    return dict(json.loads(run.stdout.splitlines()[-1]))


def slope(sizes: list[int], seconds: list[float]) -> float:
    """The exponent of growth: the slope of log seconds over log size."""
    x, y = [math.log(s) for s in sizes], [math.log(max(s, 0.01)) for s in seconds]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    top = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return top / sum((a - mean_x) ** 2 for a in x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millions", nargs="+", type=float)
    parser.add_argument("--keep", type=Path, help="keep the homes in this folder")
    options = parser.parse_args()
    sizes, results = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for millions in options.millions:
            touches = int(millions * 1_000_000)
            folder = (options.keep or Path(scratch)) / f"{touches}"
            if not folder.exists():
                make(folder, touches)
            result = measure(folder)
            generation = max((folder / "generations").iterdir())
            disk = sum(p.stat().st_size for p in generation.iterdir())
            wall = sum(result["steps"].values())
            sizes.append(touches)
            results.append(result["steps"])
            steps = ", ".join(f"{name} {took:.1f} s" for name, took in result["steps"].items())
            print(
                f"{touches:,} touchpoints: {wall:.1f} s ({touches / wall:,.0f} a second), "
                f"{result['cpu']:.1f} CPU s, peak {result['peak'] / 2**30:.2f} GiB, "
                f"{disk / touches:.0f} bytes a touchpoint on disk. {steps}",
                flush=True,
            )
    if len(sizes) > 1:
        for name in results[0]:
            print(f"growth of {name}: {slope(sizes, [r[name] for r in results]):.2f}")


if __name__ == "__main__":
    main()
