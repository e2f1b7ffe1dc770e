"""Hashed rows of many people straight into the raw tables, and identity over them.

    python benchmarks/identity_scale.py 10
    python benchmarks/identity_scale.py 10 --joined engine --memory 1GB

Ten million identifiers: people with a browser or two, clicks, every third with an address and a
phone, contacts and patients among them, families that share. With `--names` contacts and patients
have first names (two more identifiers for each) and birth years. `--joined` says where people are
joined (docs/identity.md). Three runs, each in the same home:
the first, one with nothing new, one with a hundredth more. Seconds and processor seconds of each,
and the peak memory of the process, which holds the engine's too.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from attribution.identity import open_vault, resolve
from attribution.paths import Home
from attribution.raw import ensure_raw_tables
from attribution.settings import IdentitySettings

# A person has 1.25 browsers, 0.75 clicks, 0.33 addresses and phones, 0.2 contact's and 0.25
# patient's numbers: 3.1 identifiers.
PER_PERSON = 3.1
PER_PERSON_NAMED = 4.0  # each contact and each patient: an e-mail and a phone with a first name
ROWS = """
insert into raw_touchpoint by name
select
    md5('t' || i) as touch_id, timestamptz '2026-01-01 00:00:00+00' as at, 'click' as kind,
    md5('b' || (case when i % 5 = 4 then -1 - i else i // 5 * 5 + i % 4 end) // 1) as client_id,
    case when i % 5 < 3 then md5('k' || i) end as click_id,
    'web' as source, client_id as identifier
from range({since} * 5 // 4, {until} * 5 // 4) as t(i);
insert into raw_touchpoint by name
select
    md5('f' || p) as touch_id, timestamptz '2026-01-01 00:00:00+00' as at, 'form' as kind,
    md5('e' || (case when p % 60 = 0 then p + 3 else p end)) as email,
    md5('b' || (p * 5 // 4 // 5 * 5 + p * 5 // 4 % 4)) as client_id,
    'web' as source, email as identifier
from range({since}, {until}) as t(p) where p % 3 = 0;
insert into raw_contact by name
select
    md5('c' || p) as contact_id, timestamptz '2026-01-01 00:00:00+00' as created_at,
    md5('e' || (case when p % 60 = 0 then p + 3 else p end)) as email,
    md5('n' || (case when p % 90 = 0 then p + 3 else p end)) as phone,
    md5(email || {name}) as email_name, md5(phone || {name}) as phone_name,
    case when p % 10 = 0 then 1930 + hash(p, 7) % 80 end as birth_year,
    'crm' as source, contact_id as identifier
from range({since}, {until}) as t(p) where p % 5 = 0;
insert into raw_person by name
select
    md5('p' || p) as patient_id, md5('e' || p) as email, md5('n' || p) as phone,
    md5(email || {name}) as email_name, md5(phone || {name}) as phone_name,
    1930 + hash(p, 7) % 80 as birth_year, 'emr' as source, patient_id as identifier
from range({since}, {until}) as t(p) where p % 4 = 0;
insert into raw_call by name
select
    md5('l' || p) as call_id, timestamptz '2026-01-01 00:00:00+00' as started_at,
    md5('n' || p) as phone, 'calls' as source, phone as identifier
from range({since}, {until}) as t(p) where p % 3 = 0;
"""


def fill(connection: Connection, since: int, until: int, *, names: bool) -> None:
    statements = ROWS.format(since=since, until=until, name="hash(p, 9) % 200" if names else "null")
    for statement in statements.split(";"):
        if statement.strip():
            connection.exec_driver_sql(statement)


def run(home: Home, connection: Connection, name: str, joined: str) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    with open_vault(home) as vault:
        found = resolve(connection, vault, name, IdentitySettings(joined=joined))
    took, worked = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{name}: {found.identifiers:,} identifiers of {found.people:,} people, "
        f"{found.shared:,} shared, {found.merges:,} merges: {took:.1f} s, "
        f"{worked:.1f} processor s, peak {peak:.2f} GiB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("millions", type=float, nargs="?", default=10)
    parser.add_argument("--names", action="store_true", help="first names and birth years too")
    parser.add_argument("--joined", choices=["memory", "engine"], default="memory")
    parser.add_argument("--memory", default="2GB", help="what the engine may take")
    chosen = parser.parse_args()
    each = PER_PERSON_NAMED if chosen.names else PER_PERSON
    people = int(chosen.millions * 1_000_000 / each) // 60 * 60
    more = people // 100 // 60 * 60
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"joined {chosen.joined}, the engine may take {chosen.memory}"
    )
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        with opened(folder, chosen.memory) as connection:
            ensure_raw_tables(connection)
            fill(connection, 0, people, names=chosen.names)
        for name in ("first", "nothing new"):
            with opened(folder, chosen.memory) as connection:
                run(home, connection, name, chosen.joined)
        with opened(folder, chosen.memory) as connection:
            fill(connection, people, people + more, names=chosen.names)
        with opened(folder, chosen.memory) as connection:
            run(home, connection, "a hundredth more", chosen.joined)
        print(f"vault: {home.vault.stat().st_size / 1e6:,.0f} MB")


@contextmanager
def opened(folder: str, memory: str) -> Iterator[Connection]:
    """The scratch database, opened as a refresh opens its private store, and closed again."""
    config = {
        "memory_limit": memory,
        "threads": 2,
        "temp_directory": f"{folder}/spill",
        "preserve_insertion_order": "false",
    }
    engine = create_engine(
        f"duckdb:///{folder}/scratch.duckdb",
        connect_args={"config": config},
        poolclass=StaticPool,
    )
    with engine.begin() as connection:
        yield connection
    engine.dispose()


if __name__ == "__main__":
    main()
