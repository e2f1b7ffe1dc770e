"""The raw files that the demo's systems drop: each in its own headers, formats and words."""

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from attribution.demo import words
from attribution.demo.files_media import write_ads, write_claims, write_web
from attribution.demo.files_opinions import write_opinions
from attribution.demo.formats import (
    Tables,
    dollars,
    flags,
    in_utc,
    instants,
    text,
    whole,
    write_csv,
    write_parquet,
    written,
)
from attribution.demo.formats import words as said

_US_TIME = "%m/%d/%Y %H:%M"


def write_all(drop: Path, tables: Tables) -> None:
    """Write every file; the same tables give the same bytes."""
    write_ads(drop, tables["ad_spend"])
    write_claims(drop, tables["claimed_conversions"])
    write_web(drop / "website", tables)
    write_crm(drop / "crm", tables)
    write_record(drop / "emr", tables)
    write_outreach(drop, tables)
    write_opinions(drop, tables)
    write_environment(drop / "pollen", tables["environment"])


def write_crm(folder: Path, tables: Tables) -> None:
    """Contacts as an export that someone made by hand, deals as lines of JSON."""
    people = tables["contact"]
    write_csv(
        folder / "contacts.csv",
        {
            "Record ID": text(people["contact_id"]),
            "First Name": text(people["given_name"]),
            "Year of Birth": whole(people["birth_year"]),
            "Create Date": written(people["created_at"], _US_TIME),
            "Last Modified Date": written(people["updated_at"], _US_TIME),
            "Email": text(people["email"]),
            "Phone Number": text(people["phone"]),
            "GA Client ID": text(people["client_id"]),
            "Original Source": text(people["original_source"]),
            "Lifecycle Stage": text(people["lifecycle_stage"]),
            "Became a Lead Date": written(people["lead_at"], _US_TIME),
            "Became a Customer Date": written(people["customer_at"], _US_TIME),
            "Preferred Contact": text(people["preferred_channel"]),
            "Interested In": said(people["service_line"], words.LINE_TITLES),
            "Clinic": said(people["location"], words.CLINICS),
        },
    )
    business = tables["deal"]
    columns = {
        "dealId": text(business["deal_id"]),
        "createdAt": instants(business["created_at"]),
        "updatedAt": instants(business["updated_at"]),
        "contactId": text(business["contact_id"]),
        "pipeline": text(business["pipeline"]),
        "stage": text(business["stage"]),
        "stageDates": text(business["stage_dates"]),
        "isWon": pa.array(business["won"].astype(object), pa.bool_(), from_pandas=True),
        "closedAt": instants(business["closed_at"]),
        "currency": text(business["currency"]),
        "amount": dollars(business["amount"]),
        "serviceLine": text(business["service_line"]),
        "clinic": text(business["location"]),
    }
    (folder / "deals.ndjson").write_bytes(_lines(columns))


def _lines(columns: Mapping[str, pa.Array]) -> bytes:
    rows = pa.table(dict(columns)).to_pylist()
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def write_record(folder: Path, tables: Tables) -> None:
    """Patients, visits and postings of the medical record and its billing."""
    people = tables["person"]
    write_csv(
        folder / "patients.csv",
        {
            "MRN": text(people["patient_id"]),
            "FIRST_NAME": text(people["given_name"]),
            "EMAIL_ADDR": text(people["email"]),
            "HOME_PHONE": text(people["phone"]),
            "BIRTH_YR": whole(people["birth_year"]),
            "SEX": said(people["sex"], words.SEXES),
            "ZIP3": text(people["zip3"]),
            "PREF_LANG": text(people["language"]),
            "DECEASED_YN": flags(people["deceased"], "Y", "N"),
        },
    )
    visits = tables["appointment"]
    write_parquet(
        folder / "appointments.parquet",
        {
            "appt_id": text(visits["appointment_id"]),
            "mrn": text(visits["patient_id"]),
            "made_on": pa.array(visits["booked_at"]),
            "appt_time": pa.array(visits["starts_at"]),
            "appt_status": said(visits["status"], words.STATUSES),
            "department": said(visits["service_line"], words.DEPARTMENTS),
            "facility": said(visits["location"], words.CLINICS),
            "provider_code": text(visits["provider"]),
            "wait_min": pa.array(visits["minutes_waited"], from_pandas=True),
            "last_update": pa.array(visits["updated_at"]),
        },
    )
    seen = tables["encounter"]
    write_parquet(
        folder / "encounters.parquet",
        {
            "enc_id": text(seen["encounter_id"]),
            "mrn": text(seen["patient_id"]),
            "start_time": pa.array(seen["starts_at"]),
            "end_time": pa.array(seen["ends_at"]),
            "enc_class": text(seen["class_code"]),
            "appt_id": text(seen["appointment_id"]),
            "department": said(seen["service_line"], words.DEPARTMENTS),
            "facility": said(seen["location"], words.CLINICS),
            "dx_group": text(seen["diagnosis_groups"]),
            "proc_group": text(seen["procedure_groups"]),
        },
    )
    _write_payments(folder / "payments.csv", tables["payment"])


def _write_payments(path: Path, paid: pd.DataFrame) -> None:
    write_csv(
        path,
        {
            "POSTING_ID": text(paid["payment_id"]),
            "POST_DATE": written(paid["posted_at"], _US_TIME),
            "MRN": text(paid["patient_id"]),
            "ENC_ID": text(paid["encounter_id"]),
            "AMT": dollars(paid["amount"]),
            "FIN_CLASS": said(paid["payer_class"], words.PAYER_CODES),
            "BALANCE": dollars(paid["balance"]),
            "DUE_DATE": written(paid["due_on"], "%Y-%m-%d"),
        },
    )
    _append(path, words.DIRTY_PAYMENTS)


def _append(path: Path, lines: tuple[str, ...]) -> None:
    with path.open("ab") as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def write_outreach(drop: Path, tables: Tables) -> None:
    """Calls, messages and consents."""
    calls = tables["call"]
    path = drop / "call_tracking" / "calls.csv"
    write_csv(
        path,
        {
            "Call ID": text(calls["call_id"]),
            "Start Time": written(calls["started_at"], "%m/%d/%Y %I:%M %p"),
            "Duration (seconds)": whole(calls["seconds"]),
            "Call Status": flags(calls["answered"], "Answered Call", "Missed Call"),
            "Phone Number": text(calls["phone"]),
            "GA Client ID": text(calls["client_id"]),
            "First-Time Caller": flags(calls["first_time_caller"], "Yes", "No"),
            "utm_source": text(calls["utm_source"]),
            "utm_medium": text(calls["utm_medium"]),
            "utm_campaign": text(calls["utm_campaign"]),
            "Tags": text(calls["tags"]),
            "Department": text(calls["service_line"]),
            "Office": text(calls["location"]),
        },
    )
    _append(path, words.DIRTY_CALLS)
    _write_messages(drop / "outreach" / "messages.ndjson.gz", tables["message"])
    shown = tables["message_event"]
    write_parquet(
        drop / "outreach" / "fetched.parquet",
        {
            "ref": text(shown["event_id"]),
            "id": text(shown["message_id"]),
            "mrn": text(shown["patient_id"]),
            "fetched": pa.array(in_utc(shown["at"])),
        },
    )
    asked = tables["preference"]
    write_csv(
        drop / "outreach" / "preferences.csv",
        {
            "ref": text(asked["preference_id"]),
            "mrn": text(asked["patient_id"]),
            "email": text(asked["email"]),
            "channel": text(asked["channel"]),
            "purpose": text(asked["purpose"]),
            "opt_in": flags(asked["allowed"], "yes", "no"),
            "updated": written(asked["since"], "%Y-%m-%d %H:%M"),
            "source": text(asked["how"]),
        },
    )


def _write_messages(path: Path, sent: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        "id": text(sent["message_id"]),
        "campaign": text(sent["flow"]),
        "assigned": instants(sent["assigned_at"]),
        "via": text(sent["channel"]),
        "group": said(sent["arm"], words.ARMS),
        "kind": text(sent["purpose"]),
        "to_email": text(sent["email"]),
        "to_phone": text(sent["phone"]),
        "mrn": text(sent["patient_id"]),
        "topic": text(sent["service_line"]),
        "sent": instants(sent["sent_at"]),
        "delivered": instants(sent["delivered_at"]),
        "opened": instants(sent["opened_at"]),
        "clicked": instants(sent["clicked_at"]),
        "replied": instants(sent["replied_at"]),
        "bounced": instants(sent["bounced_at"]),
        "unsubscribed": instants(sent["unsubscribed_at"]),
        "cost": pa.array(np.round(sent["cost"], 3)),
    }
    path.write_bytes(gzip.compress(_lines(columns), compresslevel=3, mtime=0))


def write_environment(folder: Path, measured: pd.DataFrame) -> None:
    """Pollen counts by day and place."""
    write_csv(
        folder / "pollen.csv",
        {
            "datum": written(measured["day"], "%Y-%m-%d"),
            "station": said(measured["place"], words.CLINICS),
            "tree": dollars(measured["pollen_tree"]),
            "grass": dollars(measured["pollen_grass"]),
            "weed": dollars(measured["pollen_weed"]),
            "aqi": whole(measured["air_quality_index"]),
        },
    )
