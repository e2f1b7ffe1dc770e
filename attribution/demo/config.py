"""The demo home's caretrace.toml: how each dropped file becomes contract rows."""

import json
from datetime import date
from pathlib import Path

from attribution.demo.config_media import ADS, WEB
from attribution.demo.config_outreach import outreach_toml
from attribution.demo.files_opinions import OPINIONS

_HEAD = """\
# A simulated health system. Every source is of kind `files`: it reads a folder of exports.
title = "Lakeside Health (simulated)"
demo = true
currency = "USD"
region = "US"
first_day = {first_day}

[credit]
timezone = "America/Chicago"
"""

_CRM = """
[sources.crm]
kind = "files"
folder = {drop[crm]}
timezone = "America/Chicago"
[[sources.crm.files]]
match = "contacts.csv"
row = "contact"
datetime_format = "%m/%d/%Y %H:%M"
[sources.crm.files.columns]
contact_id = "Record ID"
given_name = "First Name"
birth_year = "Year of Birth"
created_at = "Create Date"
updated_at = "Last Modified Date"
email = "Email"
phone = "Phone Number"
client_id = "GA Client ID"
original_source = "Original Source"
lifecycle_stage = "Lifecycle Stage"
lead_at = "Became a Lead Date"
customer_at = "Became a Customer Date"
preferred_channel = "Preferred Contact"
service_line = "Interested In"
location = "Clinic"
[sources.crm.files.values]
service_line = {{ {titles} }}
location = {{ {clinics} }}
[[sources.crm.files]]
match = "deals.ndjson"
row = "deal"
[sources.crm.files.columns]
deal_id = "dealId"
created_at = "createdAt"
updated_at = "updatedAt"
contact_id = "contactId"
stage_dates = "stageDates"
won = "isWon"
closed_at = "closedAt"
service_line = "serviceLine"
location = "clinic"
"""

_RECORD = """
[sources.emr]
kind = "files"
folder = {drop[emr]}
timezone = "America/Chicago"
[[sources.emr.files]]
match = "patients.csv"
row = "person"
values.sex = {{ F = "female", M = "male" }}
[sources.emr.files.columns]
patient_id = "MRN"
given_name = "FIRST_NAME"
email = "EMAIL_ADDR"
phone = "HOME_PHONE"
birth_year = "BIRTH_YR"
sex = "SEX"
zip3 = "ZIP3"
language = "PREF_LANG"
deceased = "DECEASED_YN"
[[sources.emr.files]]
match = "appointments.parquet"
row = "appointment"
[sources.emr.files.columns]
appointment_id = "appt_id"
patient_id = "mrn"
booked_at = "made_on"
starts_at = "appt_time"
status = "appt_status"
service_line = "department"
location = "facility"
provider = "provider_code"
minutes_waited = "wait_min"
updated_at = "last_update"
[sources.emr.files.values]
status = {{ Completed = "fulfilled", "No Show" = "noshow", Canceled = "cancelled", \
Scheduled = "booked" }}
service_line = {{ {departments} }}
location = {{ {clinics} }}
[[sources.emr.files]]
match = "encounters.parquet"
row = "encounter"
[sources.emr.files.columns]
encounter_id = "enc_id"
patient_id = "mrn"
starts_at = "start_time"
ends_at = "end_time"
class_code = "enc_class"
appointment_id = "appt_id"
service_line = "department"
location = "facility"
diagnosis_groups = "dx_group"
procedure_groups = "proc_group"
[sources.emr.files.values]
service_line = {{ {departments} }}
location = {{ {clinics} }}
[[sources.emr.files]]
match = "payments.csv"
row = "payment"
datetime_format = "%m/%d/%Y %H:%M"
constants = {{ currency = "USD" }}
values.payer_class = {{ COM = "commercial", MCR = "medicare", MCD = "medicaid", SELF = "self_pay" }}
[sources.emr.files.columns]
payment_id = "POSTING_ID"
posted_at = "POST_DATE"
patient_id = "MRN"
encounter_id = "ENC_ID"
amount = "AMT"
payer_class = "FIN_CLASS"
balance = "BALANCE"
due_on = "DUE_DATE"
"""

_OUTREACH = """
[sources.outreach]
kind = "files"
folder = {drop[outreach]}
timezone = "America/Chicago"
[[sources.outreach.files]]
match = "messages.ndjson.gz"
row = "message"
constants = {{ currency = "USD" }}
values.arm = {{ test = "treated", control = "holdout" }}
[sources.outreach.files.columns]
message_id = "id"
flow = "campaign"
assigned_at = "assigned"
channel = "via"
arm = "group"
purpose = "kind"
email = "to_email"
phone = "to_phone"
patient_id = "mrn"
service_line = "topic"
sent_at = "sent"
delivered_at = "delivered"
opened_at = "opened"
clicked_at = "clicked"
replied_at = "replied"
bounced_at = "bounced"
unsubscribed_at = "unsubscribed"
[[sources.outreach.files]]
match = "fetched.parquet"
row = "message_event"
constants = {{ event = "opened", channel = "email", flow = "fetched", machine = "true" }}
[sources.outreach.files.columns]
event_id = "ref"
message_id = "id"
patient_id = "mrn"
at = "fetched"
[[sources.outreach.files]]
match = "preferences.csv"
row = "preference"
[sources.outreach.files.columns]
preference_id = "ref"
patient_id = "mrn"
allowed = "opt_in"
since = "updated"
how = "source"

[sources.pollen]
kind = "files"
folder = {drop[pollen]}
[[sources.pollen.files]]
match = "pollen.csv"
row = "environment"
values.place = {{ {clinics} }}
[sources.pollen.files.columns]
day = "datum"
place = "station"
pollen_tree = "tree"
pollen_grass = "grass"
pollen_weed = "weed"
air_quality_index = "aqi"
"""

_FOLDERS = (
    "google_ads", "meta_ads", "microsoft_ads", "media_agency", "website", "call_tracking", "crm",
    "emr", "outreach", "surveys", "reviews", "pollen",
)  # fmt: skip
_CLINICS = '"North clinic" = "north", "Central clinic" = "central", "South clinic" = "south"'
_TITLES = (
    'Orthopedics = "orthopedics", Dermatology = "dermatology", "Dental care" = "dental", '
    '"Primary care" = "primary_care"'
)
_DEPARTMENTS = (
    'ORTHO = "orthopedics", DERM = "dermatology", DENTAL = "dental", PCP = "primary_care"'
)


def targets_toml(people: int) -> str:
    """What such a health system would aim for in a week: a little more than it has."""
    aims = {"leads": 340, "booked": 1050, "new_patients": 100, "collected": 320_000}
    lines = (f"{name} = {max(aim * people // 60_000, 1)}" for name, aim in aims.items())
    return "\n".join(["", "[forecast.targets]", *lines, ""])


def config_toml(drop: Path, *, first_day: date = date(2020, 1, 1), people: int = 60_000) -> str:
    """The configuration that reads the folder `drop`; other sources may be appended to it."""
    # A JSON string is a TOML string too, whatever signs a path holds.
    folders = {name: json.dumps(str(drop / name), ensure_ascii=False) for name in _FOLDERS}
    text = _HEAD + ADS + WEB + _CRM + _RECORD + OPINIONS + _OUTREACH
    return (
        text.format(
            drop=folders,
            first_day=first_day.isoformat(),
            clinics=_CLINICS,
            titles=_TITLES,
            departments=_DEPARTMENTS,
        )
        + outreach_toml()
        + targets_toml(people)
    )
