"""A million exported GA4 events, or webhook events of mail, through contract, merge and commit.

    python benchmarks/loading_events.py
    python benchmarks/loading_events.py --rows 200000 parquet
    python benchmarks/loading_events.py webhooks

One table of GA4's BigQuery export is made up (twelve parameters an event, six events a visit, one
visit in ten with a form), as Parquet or as NDJSON, and loaded as a refresh does it; then the day is
exported again with other times, which replaces it. `webhooks` are SendGrid's, four to a message of
400,000 people, half of which are openings and clicks. Told are wall and processor seconds and the
peak memory of a process of its own.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from attribution import warehouse
from attribution.loading import Loader
from attribution.paths import Home
from attribution.privacy import Door
from connectors import ga4_export, message_events
from connectors.source import Context

DAY = date(2026, 11, 24)
KINDS = ("parquet", "ndjson", "webhooks")
WEBHOOKS = """
copy (
    select
        'p' || (i // 4) % 400000 || '@example.org' as email,
        1795500000 + i * {round} as timestamp,
        '<' || i // 4 || '@geopod>' as "smtp-id",
        (['processed', 'delivered', 'open', 'click'])[i % 4 + 1] as event,
        ['winback'] as category,
        'ev' || i || 'abc' as sg_event_id,
        i // 4 || '.filter0001.16648.5515E0B88.0' as sg_message_id,
        'Mozilla/4.0 (compatible; MSIE 6.1; Windows XP)' as useragent,
        '255.255.255.255' as ip,
        'winback' as flow
    from range({rows}) as t(i)
) to '{path}' (format json)
"""
OPTIONS = {"parquet": "(format parquet, row_group_size 200000)", "ndjson": "(format json)"}
# BigQuery writes whole numbers as texts into JSON, and as numbers into Parquet.
WHOLE = {"parquet": "bigint", "ndjson": "varchar"}
EVENTS = """
copy (
    with e as (
        select
            i,
            i // 6 as visit,
            1795500000 + (hash(i // 6) % 60000)::bigint as began
        from range({rows}) as t(i)
    ), flat as (
        select
            *,
            (began * 1000000 + (i % 6) * 7000000 + {round})::{whole} as event_timestamp,
            case when i % 6 = 0 then 'session_start'
                 when i % 60 = 5 then 'generate_lead' else 'page_view' end as event_name,
            struct_pack(
                string_value := 'text', int_value := null::{whole},
                float_value := null::double, double_value := null::double
            ) as text,
            struct_pack(
                string_value := null::varchar, int_value := began::{whole},
                float_value := null::double, double_value := null::double
            ) as second,
            struct_pack(
                string_value := 'https://clinic.example/knee-pain/braces?utm_source=x&page=' || i
                    || case when i % 12 = 0 then '&gclid=Cj0KCQiA' || i || 'abcdef' else '' end,
                int_value := null::{whole},
                float_value := null::double, double_value := null::double
            ) as page,
            struct_pack(
                string_value := 'L-' || i, int_value := null::{whole},
                float_value := null::double, double_value := null::double
            ) as lead
        from e
    )
    select
        '20261124' as event_date,
        event_timestamp,
        event_name,
        [
            {{'key': 'page_location', 'value': page}},
            {{'key': 'ga_session_id', 'value': second}},
            {{'key': case when event_name = 'generate_lead' then 'lead_id' else 'page_title' end,
              'value': lead}},
            {others}
        ] as event_params,
        case when hash(visit) % 5 = 0 then 'U' || visit // 5 end as user_id,
        (hash(visit // 2) % 2000000000)::varchar || '.' || began as user_pseudo_id,
        {{'city': 'Boston', 'country': 'United States', 'region': 'Massachusetts'}} as geo,
        {{'category': 'mobile', 'operating_system': 'iOS', 'language': 'en-us'}} as device,
        {{'manual_source': 'google', 'manual_medium': 'cpc', 'manual_campaign_name': 'knee',
          'gclid': case when i % 12 = 0 then 'Cj0KCQiA' || i || 'abcdef' end}}
            as collected_traffic_source,
        {{'cross_channel_campaign': {{'source': 'google', 'medium': 'cpc',
          'campaign_name': 'campaign ' || hash(visit) % 200, 'campaign_id': visit % 200}}}}
            as session_traffic_source_last_click
    from flat
) to '{path}' {options}
"""
OTHERS = ("ga_session_number", "engaged_session_event", "page_referrer", "source", "medium",
          "campaign", "term", "ignore_referrer", "entrances")  # fmt: skip


def make(kind: str, rows: int, times: int, path: Path) -> None:
    """Write the table, in a process of its own."""
    if kind == "webhooks":
        duckdb.sql(WEBHOOKS.format(rows=rows, round=times, path=path))
        return
    others = ", ".join(f"{{'key': '{name}', 'value': text}}" for name in OTHERS)
    sql = EVENTS.format(
        rows=rows, round=times, path=path, options=OPTIONS[kind], whole=WHOLE[kind], others=others
    )
    duckdb.sql("set memory_limit = '1GB'")
    duckdb.sql(sql)


def measure(kind: str, rows: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        home = Home(Path(scratch) / "home")
        home.folder.mkdir(mode=0o700)
        drop = Path(scratch) / "drop"
        drop.mkdir()
        building = warehouse.begin(home, memory="600MB")
        loader = Loader(building.engine, building.commits, Door(b"k" * 32), "web", "1", "run")
        chosen = {"folder": str(drop), "timezone": "UTC", "user_id_is": "crm_id"}
        context = Context("web", "1", chosen, datetime.now(UTC), DAY)
        module = message_events if kind == "webhooks" else ga4_export
        path = drop / f"events_{DAY:%Y%m%d}.{'ndjson' if kind == 'webhooks' else kind}"
        took, loaded = [], 0
        for times in (1, 2):
            command = [sys.executable, __file__, kind, "--rows", str(rows), "--make"]
            subprocess.run([*command, str(path), "--round", str(times)], check=True)
            wall, processor = time.perf_counter(), time.process_time()
            (piece,) = module.connect(context).slices({})
            loaded = loader.load(piece).rows
            took.append((time.perf_counter() - wall, time.process_time() - processor))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        size = path.stat().st_size / 2**20
        parts = [f"{w:.1f} s ({c:.1f} CPU s)" for w, c in took]
        print(
            f"{kind}: {rows:,} events ({size:,.0f} MiB) to {loaded:,} rows: first {parts[0]}, "
            f"told anew {parts[1]}, peak {peak:.2f} GiB",
            flush=True,
        )
        building.abandon()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="kind", help=f"of {', '.join(KINDS)} (all)")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--round", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(options.kinds[0], options.rows, options.round, options.make)
        return
    if options.here:
        measure(options.kinds[0], options.rows)
        return
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for kind in options.kinds or KINDS:  # a process each, so that its peak memory is its own
        command = [sys.executable, __file__, kind, "--rows", str(options.rows), "--here"]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
