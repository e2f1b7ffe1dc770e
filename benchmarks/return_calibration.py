"""Whether chances to return hold in worlds that nobody looked at before, by tenths.

    python -m benchmarks.return_calibration --people 30000 --seeds 31 32 33 34 35 36

Each seed is a simulated health system. Its record goes through the SQL of silences and the model of
returning, with people known as they truly are. Half a year before the record is complete, everybody
who was silent is put into tenths by the chance that was learned from the year before. What truly
happens unasked is told by the same people living that half year again, with messages that bring
nobody. A share of a few hundred people lies off its true value by chance alone, so that is printed
beside. `record` is how far expectation lies from what the mart, which has one world only, says was
observed. The tenths of all seeds together show what is left when chance is averaged out.
"""

import argparse
from datetime import date, timedelta

import duckdb
import numpy as np
import pandas as pd

from attribution.demo import crm, emr, world
from attribution.demo.worlds import World
from attribution.models.parameters import setting_silence
from attribution.models.returning import CELL, DECILES, return_calibration, return_chances
from attribution.paths import SQL

UNTIL = date(2026, 11, 22)
_BUILT = ("int_visits", "int_silences", "int_assignments", "int_reactivation_people")
_SPANS = ("int_return_spans", "int_return_cells")
_ZONE = "at time zone 'America/Chicago'"
_STAGED = f"""
create table stg_appointment as select
    'emr' as source, 'main' as account, appointment_id, cast(patient_id as bigint) as person_id,
    cast(booked_at as timestamp) {_ZONE} as booked_at,
    cast(starts_at as timestamp) {_ZONE} as starts_at, status, true as is_booked,
    status = 'fulfilled' as is_kept, service_line, location, '' as provider,
    cast(null as integer) as minutes_waited
from appointments;
create table stg_encounter as select
    source, account, '' as encounter_id, person_id, starts_at, appointment_id, service_line,
    location, provider, minutes_waited, true as is_visit
from stg_appointment limit 0;
create table stg_person as select cast(patient_id as bigint) as person_id, deceased from persons;
create table int_people as select
    cast(patient_id as bigint) as person_id, cast(birth_year as integer) as birth_year, deceased
from persons;
create table stg_message as select
    'outreach' as source, 'main' as account, message_id, cast(patient_id as bigint) as person_id,
    flow, '' as topic,
    cast(assigned_at as timestamp) {_ZONE} as assigned_at, arm, 'marketing' as purpose,
    channel as utm_medium, arm = 'treated' as was_sent, opened_at is not null as has_responded
from messages;
create table int_channel_map as select distinct
    'outreach' as kind, '' as utm_source, channel as utm_medium, flow as utm_campaign,
    '' as campaign_id, flow as campaign, 'outreach_' || channel as channel
from messages;
create table int_payments as select
    cast(patient_id as bigint) as person_id, 'USD' as currency,
    cast(posted_at as timestamp) {_ZONE} as posted_at,
    cast(amount * 1000000 as bigint) as amount_micros
from payments;
create table setting_report as select 'USD' as currency, 'America/Chicago' as timezone;
create table int_reach as select date '{UNTIL}' as last_day;
create table int_conversions as select
    max(starts_at) as decided_at, cast(null as bigint) as person_id, 'kept' as kind
from stg_appointment where is_kept;
"""


_KNOWN = UNTIL - timedelta(days=59)  # when the record is complete
_THEN = _KNOWN - timedelta(days=180)
# Who was silent then, and whether they booked a visit that they kept in the half year after.
_TRUTH = f"""
with
kept as (
    select
        cast(patient_id as bigint) as person_id, service_line, starts_at, booked_at,
        row_number() over (partition by patient_id order by starts_at) as visits,
        lead(starts_at) over (partition by patient_id order by starts_at) as next_at,
        lead(booked_at) over (partition by patient_id order by starts_at) as next_booked
    from unasked where status = 'fulfilled'
),
silent as (
    select *, greatest(starts_at, next_booked) as back_at from kept
    where starts_at <= timestamp '{_THEN}' - interval '180' day
        and (next_at is null or greatest(starts_at, next_booked) >= timestamp '{_THEN}')
)
select
    silent.person_id, silent.service_line,
    case when visits >= 8 then '8+' when visits >= 4 then '4-7' when visits >= 2 then '2-3'
        else '1' end as visits,
    case when age < 18 then '0-17' when age < 30 then '18-29' when age < 45 then '30-44'
        when age < 65 then '45-64' when age < 80 then '65-79' else '80+' end as age_band,
    least(cast(floor(date_diff('second', starts_at, timestamp '{_THEN}') / 1296000.0)
        as integer), 240) as in_step,
    next_at is not null and back_at < timestamp '{_KNOWN}' as returned
from silent inner join (
    select silent.person_id, year(starts_at) - int_people.birth_year as age
    from silent inner join int_people on silent.person_id = int_people.person_id
    where not int_people.deceased
) as aged on silent.person_id = aged.person_id
"""


def looked_at(people: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The stretches of silence of one simulated health system, counted; and who truly returned."""
    lived = world(people, seed, until=UNTIL)
    began = (_THEN - lived.calendar.start).days // 7
    late = frozenset(each.name for each in lived.campaigns if each.week >= began)
    return counted(lived, world(people, seed, late, until=UNTIL))


def counted(lived: World, unasked: World) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The cells of a world's record, and everybody who was silent with what they did unasked."""
    with duckdb.connect() as database:
        database.execute("set threads = 1; set timezone = 'UTC'")
        for name, frame in (
            ("appointments", emr.appointments(lived)),
            ("persons", emr.persons(lived)),
            ("messages", crm.messages(lived)),
            ("payments", emr.payments(lived)),
            ("setting_silence", setting_silence()),
            ("unasked", emr.appointments(unasked)),
        ):
            database.register(name, frame)
        database.execute(_STAGED)
        for name in (*_BUILT, *_SPANS):
            text = (SQL / "intermediate" / f"{name}.sql").read_text("utf-8")
            database.execute(f"create table {name} as {text}")
        return database.execute("from int_return_cells").df(), database.execute(_TRUTH).df()


def tenths(found: pd.DataFrame, silent: pd.DataFrame) -> pd.DataFrame:
    """Expected and true share of returns by tenth, `off`, and the standard error of the true one.

    `record` is how far the tenths of the mart are off what it says was observed.
    """
    chances = return_chances(found)
    before = chances[chances["basis"] == "after"].drop(columns=["basis", "value_micros"])
    people = silent.merge(before, on=CELL).sort_values(["chance", *CELL, "person_id"])
    people["decile"] = np.arange(len(people)) * DECILES // len(people) + 1
    groups = people.groupby("decile")
    rows = groups.agg(
        people=("returned", "size"), predicted=("chance", "mean"), observed=("returned", "mean")
    )
    rows["off"] = rows["predicted"] - rows["observed"]
    rows["error"] = np.sqrt(rows["observed"] * (1 - rows["observed"]) / rows["people"])
    mart = return_calibration(before, found).set_index("decile")
    rows["record"] = mart["predicted"] - mart["observed"]
    return rows.reset_index()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=30_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[31, 32, 33, 34, 35, 36])
    options = parser.parse_args()
    every = []
    for seed in options.seeds:
        rows = tenths(*looked_at(options.people, seed))
        every.append(rows)
        off, error = 100 * rows["off"], 100 * rows["error"]
        print(
            f"seed {seed}: {rows['people'].sum():,} silent, mean distance {off.abs().mean():.1f} "
            f"points (by chance alone {0.798 * error.mean():.1f}), largest {off.abs().max():.1f}, "
            f"chi2 {((off / error) ** 2).mean():.2f}, likeliest tenth "
            f"{rows['observed'].iloc[-1] / rows['observed'].mean():.1f} x the base rate",
            flush=True,
        )
    together = pd.concat(every).groupby("decile")[["predicted", "observed", "off", "record"]].mean()
    errors = pd.concat(every).groupby("decile")["error"]
    together["error"] = errors.apply(lambda each: np.sqrt((each**2).sum()) / len(each))
    print((100 * together).round(2).to_string())
    print(
        f"all seeds: mean distance {100 * together['off'].abs().mean():.1f} points, largest "
        f"{100 * together['off'].abs().max():.1f}; from what the mart observes "
        f"{100 * together['record'].abs().max():.1f}"
    )


if __name__ == "__main__":
    main()
