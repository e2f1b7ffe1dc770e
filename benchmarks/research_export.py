"""Times the research export of many people, from the published table to files on disk.

    python benchmarks/research_export.py --people 1000000

The people are made by SQL in the schema of `research_people`: 20 ZIP areas, 40 years of visits,
60 diagnosis groups in 8 service lines, so that their values are as uneven as real ones.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import duckdb

from attribution.paths import Home
from attribution.people import Permit
from attribution.research import files
from attribution.research.cohort import Cohort
from attribution.research.columns import PROFILES
from attribution.research.export import Export, Request, export_research

PEOPLE = """
create table research_people as
with drawn as (
    select
        number as person_id,
        hash(number) % 1000003 / 1000003.0 as a,
        hash(number + 7000000) % 1000003 / 1000003.0 as b,
        hash(number + 14000000) % 1000003 / 1000003.0 as c,
        hash(number + 21000000) % 1000003 / 1000003.0 as d,
        hash(number + 28000000) % 1000003 / 1000003.0 as e,
        hash(number + 35000000) % 1000003 / 1000003.0 as f,
        hash(number + 42000000) % 1000003 / 1000003.0 as g
    from range({people}) as numbers(number)
)
select
    person_id,
    cast(floor(100 * sqrt(a)) as integer) as age,
    2026 as age_in,
    case when b < 0.53 then 'female' when b < 0.99 then 'male' else '' end as sex,
    cast(600 + cast(floor(20 * c * c) as integer) as varchar) as zip3,
    date '2026-11-20' - cast(floor(3600 * d * d) as integer) as first_visit,
    cast(floor(2000 * e * d) as bigint) as span_days,
    1 + cast(floor(-4 * ln(1 - 0.999 * e)) as bigint) as visits,
    'line ' || cast(floor(8 * f * f) as integer) as service_line,
    'place ' || cast(floor(6 * c) as integer) as location,
    case when g < 0.05 then '' else 'ICD10:' || chr(65 + cast(floor(8 * f * f) as integer))
        || lpad(cast(cast(floor(60 * g * g * g) as integer) as varchar), 2, '0') end as condition,
    case when g > 0.6 then '' else 'procedure ' || cast(floor(9 * g) as integer) end as treatment,
    cast(floor(12000 * d * g * (1.5 - g)) * 1000000 as bigint) as paid_micros,
    'channel ' || chr(65 + cast(floor(14 * b * e) as integer)) as first_channel,
    'source ' || chr(65 + cast(floor(9 * c * d) as integer)) as lead_source,
    case when a < 0.6 then cast(floor(150 * b) as bigint) end as lead_days,
    cast(floor(6 * a * c) as bigint) as emails,
    cast(floor(4 * b * d) as bigint) as texts,
    cast(floor(3 * c * e) as bigint) as other_messages,
    cast(floor(2 * d) as bigint) as responses,
    cast(floor(9 * e) as bigint) as pollen_visits,
    cast(floor(9 * e * d) as bigint) as high_pollen_visits,
    cast(floor(9 * e) as bigint) as air_visits,
    cast(floor(9 * e * a) as bigint) as poor_air_visits
from drawn
order by person_id
"""
CONFIG = """
[research.determination]
by = "Measured"
on = 2020-01-01
expires = 2120-01-01
max_shift_days = 182
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--profile", choices=PROFILES, default="safe-harbor")
    parser.add_argument("--again", action="store_true", help="export once more beside the first")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.generation(1).mkdir(parents=True)
        home.config.write_text(CONFIG, encoding="utf-8")
        with duckdb.connect(str(home.generation(1) / "people.duckdb")) as database:
            database.execute(PEOPLE.format(people=options.people))
        cohorts = [Cohort(), Cohort(age_from=18)] if options.again else [Cohort()]
        for number, cohort in enumerate(cohorts):
            _timed(home, Path(folder) / f"out{number}", options.profile, cohort)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MiB")


def _timed(home: Home, out: Path, profile: str, cohort: Cohort) -> None:
    def hand_over(made: Export) -> None:
        files.write_folder(made.files, out)

    request = Request("to measure how long it takes", profile, cohort)
    began, worked = time.perf_counter(), time.process_time()
    made = export_research(home, 1, Permit("a measurement"), request, hand_over)
    took, worked = time.perf_counter() - began, time.process_time() - worked
    told = made.disclosure
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    levels = ", ".join(f"{each['column']} {each['level']}" for each in told["generalisation"])
    print(
        f"{told['people']:,} people in {took:.2f} s ({worked:.2f} s of processors), "
        f"{size:.0f} MB: k {told['reached']['k']}, l {min(told['reached']['l'].values())}, "
        f"{told['classes']:,} classes; {levels}; suppressed {told['suppressed']}"
    )


if __name__ == "__main__":
    main()
