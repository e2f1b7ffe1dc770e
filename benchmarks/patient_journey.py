"""How long the server takes to open one person's journey among 20 million touchpoints.

    python benchmarks/patient_journey.py 20 --opened 200

The tables of people are made directly by SQL, in the schema and order in which a refresh writes
them: ten touchpoints and thirteen other events for each person, and four touches with their shares
before each of ten million touches' worth of conversions. Timed for people drawn at random: the
number hashed, looked up, the look written into the audit log (durably), everything read and the
page's view built. The first ones are timed too: nothing of their rows has been read before.
"""

import argparse
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import duckdb  # noqa: E402

from attribution import patient, patient_search  # noqa: E402
from attribution.models.journey_credit import shared  # noqa: E402
from attribution.paths import Home  # noqa: E402
from attribution.patient_search import SEARCHES, open_journey, sought  # noqa: E402
from attribution.ui import access  # noqa: E402
from attribution.ui.views.patient_journey import Asked, journey  # noqa: E402

TOUCHES_EACH = 10
EVENTS_EACH = 23
EVENTS = f"""
create table person_events as
select
    (i // {EVENTS_EACH}) * 64007 as person_id,
    timestamptz '2021-01-01 00:00:00+00'
        + to_seconds(((i % {EVENTS_EACH}) * 7000000 + hash(i) % 6999999)::bigint) as happened_at,
    list_value('touch', 'touch', 'touch', 'call', 'lead', 'conversion', 'touch', 'touch',
        'booking', 'conversion', 'visit', 'diagnosis', 'payment', 'touch', 'touch', 'touch',
        'message', 'touch', 'touch', 'booking', 'visit', 'conversion', 'payment')
        [1 + (i % {EVENTS_EACH})::int] as kind,
    1::integer as tie,
    case kind
        when 'touch' then list_value('session', 'click', 'form')[1 + (hash(i, 1) % 3)::int]
        when 'call' then 'answered' when 'lead' then 'contact' when 'conversion' then 'booked'
        when 'booking' then 'booked' when 'visit' then 'fulfilled' when 'payment' then 'payment'
        when 'message' then 'sent' else ''
    end as what,
    list_value('web', 'emr', 'crm', 'ads')[1 + (hash(i, 2) % 4)::int] as source,
    list_value('paid_search', 'email', 'direct', 'display')[1 + (hash(i, 3) % 4)::int] as channel,
    'campaign ' || hash(i, 4) % 400 as campaign,
    list_value('orthopedics', 'dental', '')[1 + (hash(i, 5) % 3)::int] as service_line,
    list_value('North', 'Harbor', '')[1 + (hash(i, 6) % 3)::int] as location,
    case when kind in ('booking', 'visit', 'message') then happened_at end as other_at,
    case when kind in ('call', 'visit') then (hash(i, 7) % 90)::double end as number,
    null::double as out_of,
    case when kind = 'payment' then (hash(i, 8) % 900000000)::bigint end as amount_micros,
    'USD' as currency,
    case when kind = 'diagnosis' then 'G' || hash(i, 9) % 300 else '' end as detail,
    case when kind = 'conversion'
        then (hash(i, 10) % {{conversions}})::bigint end as conversion_id
from range({{events}}) as t(i)
"""
CREDIT = """
create table journey_credit as
select
    i // 4 as conversion_id,
    (hash(i // 4) % {people})::bigint * 64007 as person_id,
    (1 + i % 4)::integer as step,
    (hash(i, 1) % 90)::double as days_before,
    list_value('paid_search', 'email', 'direct', 'display')[1 + (hash(i, 2) % 4)::int] as channel,
    'campaign ' || hash(i, 3) % 400 as campaign,
    {shares}
from range({rows}) as t(i)
"""
PROFILES = """
create table person_profiles as
select
    i * 64007 as person_id, 'crm|emr|web' as sources, true as is_patient, false as deceased,
    (1935 + hash(i) % 80)::integer as birth_year, 'female' as sex, '601' as zip3, 'en' as language
from range({people}) as t(i)
"""
NUMBERS = """
create table person_numbers as
select number_hash, person_id from (
    select md5(i::text) as number_hash, i * 64007 as person_id from range({people}) as t(i)
    where i not in (select person_id // 64007 from asked)
    union all
    select number_hash, person_id from asked
) order by number_hash
"""


def main() -> int:
    """Make the tables, open journeys, print the figures."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("millions", type=float, nargs="?", default=20.0)
    options.add_argument("--opened", type=int, default=200)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        people = int(chosen.millions * 1e6) // TOUCHES_EACH
        numbers = random.Random(7).sample(range(people), chosen.opened)
        began = time.perf_counter()
        size = _make(home, people, numbers)
        made = time.perf_counter() - began
        events = people * EVENTS_EACH
        print(f"{os.cpu_count()} cores at load {os.getloadavg()[0]:.1f}")
        print(
            f"{people:,} people, {people * TOUCHES_EACH:,} touchpoints, {events:,} events in "
            f"{size / 1e6:,.0f} MB ({size / events:.1f} bytes each), made in {made:.0f} s"
        )
        _timed(home, numbers)
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    return 0


def _make(home: Home, people: int, numbers: list[int]) -> int:
    """Write the tables and what else a page needs; returns the bytes of those of people."""
    folder = home.generation(1)
    folder.mkdir(parents=True)
    home.config.write_text("demo = true\n", encoding="utf-8")
    with duckdb.connect(str(folder / "marts.duckdb")) as marts:
        marts.execute("create table about as select 'currency' as key, 'USD' as value")
        marts.execute("insert into about values ('timezone', 'America/Chicago')")
        marts.execute("create table spend as select null::date as week where false")
    path = folder / "people.duckdb"
    system = patient.systems(home)[0]
    with duckdb.connect(str(path), config={"memory_limit": "2GB", "threads": 2}) as database:
        database.execute(f"set temp_directory = '{home.folder / 'spill'}'")
        rows = people * TOUCHES_EACH // 2
        database.execute(EVENTS.format(events=people * EVENTS_EACH, conversions=rows // 4))
        shares = ", ".join(
            f"((hash(i, {n + 20}) % 1000000) / 1000000)::decimal(13, 12) as {name}_share"
            for n, name in enumerate(shared())
        )
        database.execute(CREDIT.format(people=people, rows=rows, shares=shares))
        database.execute(PROFILES.format(people=people))
        database.execute("create temp table asked (number_hash text, person_id bigint)")
        database.executemany(
            "insert into asked values (?, ?)",
            [(patient.hashed(home, system, _number(each)), each * 64007) for each in numbers],
        )
        database.execute(NUMBERS.format(people=people))
        database.execute("checkpoint")
    home.current.write_text("1", encoding="ascii")
    return path.stat().st_size


def _number(person: int) -> str:
    return f"MRN{person:09d}"


def _timed(home: Home, numbers: list[int]) -> None:
    system, permit = patient.systems(home)[0], access.permit(home)
    seconds, busy, parts = [], [], []
    for number in numbers:
        SEARCHES.clear()
        began, used = time.perf_counter(), time.process_time()
        asked = sought(home, system, _number(number), "quality")
        opening = open_journey(home, 1, permit, asked)
        found = time.perf_counter()
        if opening is None:
            raise SystemExit(f"{number} was not found: the benchmark is wrong.")
        used_before = time.process_time()
        looked, _ = patient_search.looked_at(home, 1, permit, opening)
        patient.events(looked, opening.person)
        read, used_again = time.perf_counter(), time.process_time()
        told = journey(home, 1, opening, Asked(), "linear", datetime.now(UTC))
        if told is None or not told.episodes:
            raise SystemExit(f"{number} has no journey: the benchmark is wrong.")
        done, spent = time.perf_counter(), time.process_time() - used
        # The events were read once more than a page does, to time that alone.
        busy.append(spent - (used_again - used_before))
        seconds.append(done - began - (read - found))
        parts.append((found - began, read - found, done - read))
    for name, (first, *others) in (("by the clock", seconds), ("processor time", busy)):
        print(
            f"opened {len(numbers)}, {name}: first {first * 1e3:.0f} ms, then median "
            f"{statistics.median(others) * 1e3:.0f} ms, p95 "
            f"{statistics.quantiles(others, n=20)[-1] * 1e3:.0f} ms, slowest "
            f"{max(others) * 1e3:.0f} ms"
        )
    for name, part in zip(
        ("found and written down", "events read", "page read and built"),
        zip(*parts, strict=True),
        strict=True,
    ):
        print(f"  {name}: median {statistics.median(part) * 1e3:.0f} ms")


if __name__ == "__main__":
    raise SystemExit(main())
