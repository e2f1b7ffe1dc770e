"""A small simulated health system behind loopback servers and dropped files, and what it holds.

    with System(simulated(), folder) as system:
        system.configure(home, monkeypatch)      # caretrace.toml, and secrets in the environment

Facebook's spend is at Meta, web visits are at Google, contacts and deals at HubSpot, everything
else in a drop folder; the medical record's older half is Synthea's FHIR bundles.
"""

import gzip
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import fields
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, TypeVar
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from servers.ga4 import Ga4Server
from servers.hubspot import LOCATION, SERVICE_LINE, HubSpotServer
from servers.meta import MetaServer

from attribution.demo.tables import tables_of
from attribution.demo.worlds import world
from attribution.paths import Home
from connectors import ga4, hubspot, meta_ads
from connectors.contract import AdSpend, Contact, Deal, Row, WebSessions, contract_fields
from connectors.patience import Patience

ROOT = Path(__file__).resolve().parent.parent
# One in five of the bundles: the others are like them, and take as long to read.
SYNTHEA = sorted((ROOT.parent / "shared" / "data" / "fhir_synthea_r4").glob("*.json.gz"))[::5]
TIMEZONE = "America/Chicago"
DROPPED = ("ad_spend", "touchpoint", "person", "appointment", "encounter", "payment", "message")
# Encounters that a person chose to come to, as HL7's v3-ActCode names them.
CHOSEN = {"AMB", "VR", "HH", "FLD", "SS"}
QUICK = Patience(
    attempts=3, first_wait=0.001, jitter=0, socket_seconds=2, call_seconds=4, sleep=lambda _: None
)
CONFIG = """
currency = "USD"
first_day = {first_day}

[credit]
timezone = "{timezone}"

[sources.meta]
kind = "meta_ads"
account = "act_1234"
ad_account = "act_1234"
endpoint = "{meta}"

[sources.web]
kind = "ga4"
property = "123456789"
endpoint = "{ga4}"

[sources.crm]
kind = "hubspot"
service_line_property = "{service_line}"
location_property = "{location}"
endpoint = "{hubspot}"

[sources.record]
kind = "fhir_files"
folder = {fhir}
patient_namespace = "older_record"

[sources.drop]
kind = "files"
folder = {drop}
timezone = "{timezone}"
"""
MAPPING = """
[[sources.drop.files]]
match = "{table}.csv"
row = "{table}"
"""
R = TypeVar("R", bound=Row)


def simulated() -> dict[str, pd.DataFrame]:
    """Eight weeks of a small health system, up to a Sunday that is over in every time zone.

    Nobody asks twice: each contact is somebody else, and forms and calls are left out, so that a
    contact is a lead.
    """
    tables = tables_of(world(800, 7, until=date.today() - timedelta(days=2), days=56))  # noqa: DTZ011
    contacts = tables["contact"].dropna(subset=["email", "phone"])
    contacts = contacts.drop_duplicates("email").drop_duplicates("phone")
    # HubSpot numbers what it holds; numbers this long are not met by chance.
    number = dict(zip(contacts["contact_id"], range(771_001_001, 772_000_000), strict=False))
    deals = tables["deal"][tables["deal"]["contact_id"].isin(number)]
    touches = tables["touchpoint"]
    return tables | {
        "contact": contacts.assign(contact_id=contacts["contact_id"].map(number).astype(str)),
        "deal": deals.assign(
            deal_id=[f"{770_001_001 + n}" for n in range(len(deals))],
            contact_id=deals["contact_id"].map(number).astype(str),
        ),
        "touchpoint": touches[touches["kind"] != "form"],
    }


class System:
    """The sources of one health system, running."""

    def __init__(self, tables: dict[str, pd.DataFrame], folder: Path) -> None:
        spend = tables["ad_spend"]
        at_meta = spend["network"] == "facebook"
        self.tables = tables | {"ad_spend": spend[~at_meta]}
        self.meta = MetaServer(_rows(AdSpend, spend[at_meta]), time_zone=TIMEZONE)
        self.meta.job_states = ("Job Completed",)
        self.ga4 = Ga4Server(_rows(WebSessions, tables["web_sessions"]), time_zone=TIMEZONE)
        self.hubspot = HubSpotServer(_rows(Contact, tables["contact"]), _rows(Deal, tables["deal"]))
        self.drop, self.bundles = folder / "drop", folder / "bundles"
        self._running = ExitStack()

    def __enter__(self) -> Self:
        for server in (self.meta, self.ga4, self.hubspot):
            self._running.enter_context(server)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def write_files(self) -> None:
        """Drop every file."""
        self.bundles.mkdir()
        for bundle in SYNTHEA:
            shutil.copy(bundle, self.bundles)
        self.drop.mkdir()
        for name in DROPPED:
            self.tables[name].to_csv(self.drop / f"{name}.csv", index=False)

    def configure(self, home: Home, patch: pytest.MonkeyPatch) -> None:
        """Write the configuration of a home folder; secrets go into the environment."""
        text = CONFIG + "".join(MAPPING.format(table=name) for name in DROPPED)
        home.config.write_text(
            text.format(
                first_day=f"{min(row.day for row in self.ga4.rows)}",
                timezone=TIMEZONE,
                meta=self.meta.url,
                ga4=self.ga4.url,
                hubspot=self.hubspot.url,
                service_line=SERVICE_LINE,
                location=LOCATION,
                fhir=json.dumps(str(self.bundles)),
                drop=json.dumps(str(self.drop)),
            ),
            encoding="utf-8",
        )
        patch.setenv("CARETRACE_HOME", str(home.folder))
        patch.setenv("CARETRACE_META_ACCESS_TOKEN", self.meta.token)
        patch.setenv("CARETRACE_WEB_CREDENTIALS_JSON", self.ga4.key)
        patch.setenv("CARETRACE_CRM_ACCESS_TOKEN", self.hubspot.token)
        for module in (meta_ads, ga4, hubspot):
            patch.setattr(module, "PATIENCE", QUICK)

    def secrets(self) -> list[str]:
        """What opens the sources; of the key a line, as it may be stored in pieces."""
        private = json.loads(self.ga4.key)["private_key"].splitlines()[5]
        return [self.meta.token, self.hubspot.token, private]

    def identifiers(self) -> set[str]:
        """Texts that point at one person or record, as the sources write them."""
        places = {
            "person": ("patient_id", "email", "phone"),
            "contact": ("contact_id", "email", "phone", "client_id"),
            "deal": ("deal_id",),
            "touchpoint": ("touch_id", "client_id", "click_id"),
            "appointment": ("appointment_id",),
            "payment": ("payment_id",),
        }
        found = {
            str(value)
            for table, columns in places.items()
            for column in columns
            for value in self.tables[table][column].dropna()
        }
        return found | {resource["id"] for resource in synthea("Patient")}


def synthea(kind: str) -> Iterator[dict[str, Any]]:
    """Every resource of a kind in the Synthea bundles, as plain JSON with exact amounts."""
    for path in SYNTHEA:
        bundle = json.loads(gzip.decompress(path.read_bytes()), parse_float=Decimal)
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] == kind:
                yield entry["resource"]


def synthea_visits() -> list[date]:
    """The day of every visit that a patient of Synthea's chose to come to, once a day."""
    visits = {
        (visit["subject"]["reference"], _local_day(visit["period"]["start"]))
        for visit in synthea("Encounter")
        if visit["status"] == "finished" and visit["class"]["code"] in CHOSEN
    }
    return [day for _, day in visits]


def synthea_payments() -> list[tuple[date, Decimal]]:
    """What insurers paid, and on which day."""
    return [
        (_local_day(benefit["created"]), benefit["payment"]["amount"]["value"])
        for benefit in synthea("ExplanationOfBenefit")
        if benefit.get("payment", {}).get("amount", {}).get("value")
    ]


def monday(days: pd.Series) -> pd.Series:
    """The Monday of each day's week."""
    return days.map(lambda day: day - timedelta(days=day.weekday()))


def _local_day(instant: str) -> date:
    return pd.Timestamp(instant).tz_convert(TIMEZONE).date()


def _rows(kind: type[R], frame: pd.DataFrame) -> list[R]:
    """Frames of the simulation as contract rows; their instants are wall-clock times."""
    known = {f.name: f for f in contract_fields(kind)}
    names = [f.name for f in fields(kind) if f.name in frame.columns]  # type: ignore[arg-type]
    return [
        kind(**{name: _value(known[name].kind, record[name]) for name in names})
        for record in frame.to_dict("records")
    ]


def _value(kind: str, value: Any) -> Any:
    if pd.isna(value):
        return None
    if kind == "instant":
        at = pd.Timestamp(value).tz_localize(
            ZoneInfo(TIMEZONE), ambiguous=True, nonexistent="shift_forward"
        )
        return at.tz_convert("UTC").to_pydatetime()
    if kind == "day":
        return pd.Timestamp(value).date()
    if kind == "money":
        return Decimal(str(value))
    return value
