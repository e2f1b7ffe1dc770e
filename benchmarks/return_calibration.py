"""Whether chances to return hold in worlds that nobody looked at before, by tenths.

    python -m benchmarks.return_calibration --people 30000 --seeds 11 12 13 14 15 16

Each seed is a simulated health system. Its record goes through the SQL of silences and the model of
returning, with people known as they truly are. Half a year before the record is complete, everybody
who was silent is put into tenths by the chance that was learned from the year before. A share of a
few hundred people lies off its true value by chance alone, so that is printed beside: `chi2` is
near 1 where expected and observed differ by no more. The tenths of all seeds together show what is
left when chance is averaged out.
"""

import argparse
from datetime import date

import duckdb
import numpy as np
import pandas as pd

from attribution.demo import crm, emr, world
from attribution.models.parameters import setting_silence
from attribution.models.returning import return_calibration, return_chances
from attribution.paths import SQL

UNTIL = date(2026, 11, 22)
_BUILT = ("int_visits", "int_silences", "int_reactivation_people")
_SPANS = ("int_return_spans", "int_return_cells")
_ZONE = "at time zone 'America/Chicago'"
_STAGED = f"""
create table stg_appointment as select
    'emr' as source, 'main' as account, appointment_id, cast(patient_id as bigint) as person_id,
    cast(booked_at as timestamp) {_ZONE} as booked_at,
    cast(starts_at as timestamp) {_ZONE} as starts_at, status, true as is_booked,
    status = 'fulfilled' as is_kept, service_line, location
from appointments;
create table stg_encounter as select
    source, account, '' as encounter_id, person_id, starts_at, appointment_id, service_line,
    location, true as is_visit
from stg_appointment limit 0;
create table stg_person as select cast(patient_id as bigint) as person_id, deceased from persons;
create table int_people as select
    cast(patient_id as bigint) as person_id, cast(birth_year as integer) as birth_year, deceased
from persons;
create table stg_message as select
    'outreach' as source, message_id, cast(patient_id as bigint) as person_id, flow,
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


def cells(people: int, seed: int) -> pd.DataFrame:
    """The stretches of silence of one simulated health system, counted."""
    lived = world(people, seed, until=UNTIL)
    with duckdb.connect() as database:
        database.execute("set threads = 1; set timezone = 'UTC'")
        for name, frame in (
            ("appointments", emr.appointments(lived)),
            ("persons", emr.persons(lived)),
            ("messages", crm.messages(lived)),
            ("payments", emr.payments(lived)),
            ("setting_silence", setting_silence()),
        ):
            database.register(name, frame)
        database.execute(_STAGED)
        for name in (*_BUILT, *_SPANS):
            text = (SQL / "intermediate" / f"{name}.sql").read_text("utf-8")
            database.execute(f"create table {name} as {text}")
        return database.execute("from int_return_cells").df()


def tenths(found: pd.DataFrame) -> pd.DataFrame:
    """Expected and observed by tenth, with `off` and the standard error of what was observed."""
    chances = return_chances(found)
    before = chances[chances["basis"] == "after"].drop(columns=["basis", "value_micros"])
    rows = return_calibration(before, found)
    rows["off"] = rows["predicted"] - rows["observed"]
    rows["error"] = (rows["high"] - rows["low"]) / 3.92
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=30_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13, 14, 15, 16])
    options = parser.parse_args()
    every = []
    for seed in options.seeds:
        rows = tenths(cells(options.people, seed))
        every.append(rows)
        off, error = 100 * rows["off"], 100 * rows["error"]
        inside = ((rows["low"] <= rows["predicted"]) & (rows["predicted"] <= rows["high"])).mean()
        print(
            f"seed {seed}: {rows['people'].sum():,} silent, mean distance {off.abs().mean():.1f} "
            f"points (by chance alone {0.798 * error.mean():.1f}), largest {off.abs().max():.1f}, "
            f"chi2 {((off / error) ** 2).mean():.2f}, expected inside {inside:.0%}, likeliest "
            f"tenth {rows['observed'].iloc[-1] / rows['observed'].mean():.1f} x the base rate"
        )
    together = pd.concat(every).groupby("decile")[["predicted", "observed", "off"]].mean()
    errors = pd.concat(every).groupby("decile")["error"]
    together["error"] = errors.apply(lambda each: np.sqrt((each**2).sum()) / len(each))
    print((100 * together).round(2).to_string())
    print(f"all seeds: largest distance of a tenth {100 * together['off'].abs().max():.1f} points")


if __name__ == "__main__":
    main()
