"""Every kind of source behind a server on loopback, and a home that has loaded all of them."""

import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from canaries import Canaries
from clocks import told
from servers import (
    fhir,
    fhir_sample,
    ga4_export,
    hubspot,
    salesforce,
    salesforce_objects,
    twilio,
    zendesk_sell,
)
from servers.callrail import CallRailServer
from servers.environment import AirNowServer, OpenMeteoServer, PollenServer
from servers.ga4 import Ga4Server
from servers.ga4 import sample as visits
from servers.google_ads import CLIENT_SECRET, DEVELOPER_TOKEN, REFRESH_TOKEN, GoogleAdsServer
from servers.google_ads_answers import click
from servers.google_ads_answers import sample as google_campaigns
from servers.google_reviews import GoogleReviewsServer
from servers.loopback import Loopback
from servers.meta import MetaServer
from servers.microsoft_ads import MicrosoftAdsServer, spend
from servers.microsoft_ads import sample as microsoft_campaigns
from servers.yelp import YelpServer

from attribution import settings, source_loads, source_settings, warehouse
from attribution.paths import Home
from attribution.refresh import refresh
from connectors import SOURCES
from connectors.patience import Patience

NOW = datetime.now(UTC)
TODAY = NOW.date()
QUICK = Patience(
    attempts=2, first_wait=0.001, jitter=0, socket_seconds=15, call_seconds=30, sleep=lambda _: None
)
ADS_SECRETS = {
    "developer_token": DEVELOPER_TOKEN,
    "client_secret": CLIENT_SECRET,
    "refresh_token": REFRESH_TOKEN,
}
MONDAY = TODAY - timedelta(days=TODAY.weekday() + 7)
SHEET = (
    "medium,campaign,week,spend,currency,number,code\n"
    f"radio,Fall knees,{MONDAY},700.00,USD,+1 212 555 0177,KNEE\n"
)
DEALS = (
    "deal_id,created_at,updated_at,contact_id,currency,amount\n"
    f"D1,{TODAY - timedelta(days=5)}T10:00:00Z,{TODAY}T00:00:00Z,C1,USD,250.00\n"
)
RECORD = "\n".join(json.dumps(resource, default=float) for resource in fhir_sample.sample(TODAY))
WEBHOOK = [
    {
        "email": "ann@example.org",
        "timestamp": int(NOW.timestamp()) - 86_400,
        "event": event,
        "sg_event_id": f"sg-{event}",
        "sg_message_id": "abc.recvd-1.0",
    }
    for event in ("processed", "delivered")
]
MAIL_LOG = "".join(
    f"{TODAY - timedelta(days=2)}T10:00:0{second}-05:00 mx1 postfix/{said}\n"
    for second, said in enumerate(
        (
            "cleanup[123]: 4XyZabc12: message-id=<m1@clinic.example>",
            "qmgr[123]: 4XyZabc12: from=<news@clinic.example>, size=9, nrcpt=1 (queue active)",
            "smtp[123]: 4XyZabc12: to=<ann@example.org>, dsn=2.0.0, status=sent (250 2.0.0 OK)",
            "qmgr[123]: 4XyZabc12: removed",
        )
    )
)
PLACES = 'places = [["North clinic", 45.52, -122.68]]'


@dataclass(frozen=True)
class Each:
    """One source: its kind, its server, its settings, and the tables it must fill."""

    kind: str
    tables: tuple[str, ...]
    serve: Callable[[], Any] | None = None
    settings: str = ""
    secrets: Callable[[Any], dict[str, str]] = lambda _server: {}
    drop: Callable[[Path], object] = lambda _folder: None
    name: str = field(default="")


def _google() -> GoogleAdsServer:
    server = GoogleAdsServer(google_campaigns(TODAY))
    clicked = click(TODAY - timedelta(days=2), "gclid-1")
    server.customers["1234567890"].clicks = [clicked]
    return server


def _microsoft() -> MicrosoftAdsServer:
    server = MicrosoftAdsServer(microsoft_campaigns(TODAY))
    server.job_states = ("Success",)
    return server


def _meta() -> MetaServer:
    server = MetaServer(
        [
            spend(TODAY - timedelta(days=back), "71", "711", "paid_social", network="meta")
            for back in range(1, 8)
        ]
    )
    server.job_states = ("Job Completed",)
    return server


def _web() -> Ga4Server:
    rows, events = visits(TODAY)
    return Ga4Server(rows, key_events=events)


def _options(given: dict[str, str]) -> str:
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in given.items())


SOURCES_HERE = {
    "google": Each(
        "google_ads",
        ("ad_spend", "claimed_conversions", "ad_click"),
        _google,
        'customer_ids = ["1234567890"]\nclicks = true\nclient_id = "loopback-client"\n'
        'endpoint = "{s.url}"\n'
        'token_endpoint = "{s.token_url}"\nca_file = "{s.ca_file}"',
        lambda _server: ADS_SECRETS,
    ),
    "microsoft": Each(
        "microsoft_ads",
        ("ad_spend", "claimed_conversions"),
        _microsoft,
        'account_ids = ["150175881"]\ncustomer_id = "42"\nclient_id = "loopback-client"\n'
        'endpoint = "{s.url}"\nlogin_endpoint = "{s.url}"',
        lambda _server: ADS_SECRETS,
    ),
    "meta": Each(
        "meta_ads",
        ("ad_spend", "claimed_conversions"),
        _meta,
        'ad_account = "act_1234"\nendpoint = "{s.url}"',
        lambda server: {"access_token": server.token},
    ),
    "dropped": Each(
        "files",
        ("deal",),
        settings='folder = "{folder}"\ntimezone = "UTC"\n'
        "[[sources.dropped.files]]\n"
        'match = "deals.csv"\nrow = "deal"',
        drop=lambda folder: (folder / "deals.csv").write_text(DEALS),
    ),
    "record": Each(
        "fhir_files",
        ("person", "appointment"),
        settings='folder = "{folder}"',
        drop=lambda folder: (folder / "record.ndjson").write_text(RECORD),
    ),
    "web": Each(
        "ga4",
        ("web_sessions", "touchpoint", "claimed_conversions"),
        _web,
        'property = "123456789"\nendpoint = "{s.url}"\nkey_events = ["generate_lead"]\n'
        "claims = true\n"
        'lead_id_dimension = "customEvent:lead_id"',
        lambda server: {"credentials_json": server.key},
    ),
    "visits": Each(
        "ga4_export",
        ("touchpoint",),
        settings='folder = "{folder}"\ntimezone = "UTC"',
        drop=lambda folder: ga4_export.sample(TODAY, folder),
    ),
    "offline": Each(
        "spend_sheet",
        ("ad_spend", "tracking_code"),
        settings='folder = "{folder}"\ntimezone = "America/Chicago"\ncurrency = "USD"',
        drop=lambda folder: (folder / "radio.csv").write_text(SHEET),
    ),
    "crm": Each(
        "hubspot",
        ("call", "message_event", "touchpoint", "preference"),
        lambda: hubspot.sample(hubspot.HubSpotServer(), TODAY),
        'endpoint = "{s.url}"\nsuppression_lists = ["38"]\n'
        'load = ["contacts", "deals", "calls", "emails", "meetings", "email_events"]',
        lambda server: {"access_token": server.token},
    ),
    "sf": Each(
        "salesforce",
        ("contact", "deal", "touchpoint", "link"),
        lambda: salesforce.SalesforceServer(salesforce_objects.sample(TODAY)),
        'endpoint = "{s.url}"\nconsumer_key = "loopback-consumer"\ndomain = "clinic.my"\n'
        + _options(salesforce_objects.OWN_FIELDS),
        lambda server: {"consumer_secret": server.consumer_secret},
    ),
    "sell": Each(
        "zendesk_sell",
        ("contact", "deal", "call"),
        lambda: zendesk_sell.SellServer(zendesk_sell.sample(TODAY)),
        'endpoint = "{s.url}"\ncrm_namespace = "sell"\n' + _options(zendesk_sell.OWN_FIELDS),
        lambda server: {"access_token": server.token},
    ),
    "ehr": Each(
        "fhir",
        ("person", "appointment", "encounter", "payment"),
        lambda: fhir.FhirServer(fhir_sample.sample(TODAY)),
        'endpoint = "{s.base}"\nclient_id = "{s.client}"\nmode = "bulk"',
        lambda server: {"private_key": server.key},
    ),
    "texts": Each(
        "twilio",
        ("message_event", "preference"),
        lambda: twilio.TwilioServer(twilio.sample(TODAY)),
        'endpoint = "{s.url}"\naccount_sid = "{s.account}"\n'
        'flows = [{{ match = "MG1*", flow = "recall", mailing = false }}]',
        lambda server: {"auth_token": server.token},
    ),
    "hooks": Each(
        "message_events",
        ("message_event",),
        settings='folder = "{folder}"',
        drop=lambda folder: (folder / "sendgrid.json").write_text(json.dumps(WEBHOOK)),
    ),
    "mta": Each(
        "smtp_log",
        ("message_event",),
        settings='folder = "{folder}"\ntimezone = "America/Chicago"\n'
        'flows = [{{ match = "news@*", flow = "newsletter" }}]',
        drop=lambda folder: (folder / "mail.log").write_text(MAIL_LOG),
    ),
    "calls": Each(
        "callrail",
        ("call", "touchpoint", "preference"),
        lambda: CallRailServer(today=TODAY),
        'account_id = "ACC1"\nendpoint = "{s.url}"\ntexts = true',
        lambda server: {"api_key": server.key},
    ),
    "stars": Each(
        "google_reviews",
        ("feedback", "reputation"),
        lambda: GoogleReviewsServer(today=TODAY),
        'client_id = "client-1"\nendpoint = "{s.url}"\ntoken_endpoint = "{s.url}"\n'
        'locations = {{ "accounts/1/locations/11" = "North", "accounts/1/locations/12" = "West" }}',
        lambda server: dict(server.secrets),
    ),
    "yelp": Each(
        "yelp",
        ("reputation",),
        YelpServer,
        'endpoint = "{s.url}"\nbusinesses = {{ lake-north = "North", lake-west = "West" }}',
        lambda server: {"api_key": server.key},
    ),
    "pollen": Each(
        "pollen",
        ("environment",),
        lambda: PollenServer(TODAY),
        f'endpoint = "{{s.url}}"\nmay_be_stored = true\n{PLACES}',
        lambda server: {"api_key": server.key},
    ),
    "air": Each(
        "air_quality",
        ("environment",),
        AirNowServer,
        f'provider = "airnow"\nendpoint = "{{s.url}}"\n{PLACES}',
        lambda server: {"api_key": server.key},
    ),
    "model": Each(
        "air_quality",
        ("environment",),
        OpenMeteoServer,
        f'provider = "open_meteo"\nendpoint = "{{s.url}}"\n{PLACES}',
        lambda server: {"api_key": server.key},
    ),
}


@contextmanager
def running(
    folder: Path, home: Home, patch: pytest.MonkeyPatch, canaries: Canaries
) -> Iterator[dict[str, Any]]:
    """All servers, the drop folders, and the configuration that names them.

    Whatever is loaded is loaded now, however long the tests take: past the midnight of an account's
    time zone a second refresh would rightly load another day.
    """
    patch.setattr(source_loads, "datetime", told(lambda: NOW))
    servers: dict[str, Any] = {}
    lines = ["demo = true", 'currency = "USD"', f"first_day = {TODAY - timedelta(days=20)}"]
    with ExitStack() as stack:
        for name, each in SOURCES_HERE.items():
            patch.setattr(importlib.import_module(SOURCES[each.kind]), "PATIENCE", QUICK, False)
            server = stack.enter_context(each.serve()) if each.serve else None
            servers[name] = server
            if isinstance(server, Loopback):
                server.new_fields = True
            canaries.plant(name, server)
            dropped = folder / name
            dropped.mkdir(exist_ok=True)
            each.drop(dropped)
            canaries.plant_files(name, dropped)
            said = each.settings.format(s=server, folder=dropped)
            lines += ["", f"[sources.{name}]", f'kind = "{each.kind}"', said]
            for secret, value in each.secrets(server).items():
                patch.setenv(source_settings.secret_variable(name, secret), value)
        home.config.write_text("\n".join(lines), encoding="utf-8")
        yield servers


@dataclass(frozen=True)
class Running:
    """The sources, running, and a home that has loaded all of them once."""

    servers: dict[str, Any]
    home: Home
    before: dict[str, Any]
    canaries: Canaries


@contextmanager
def loaded_once(folder: Path) -> Iterator[Running]:
    """Every source, running, and a home below `folder` after its first refresh."""
    home = Home(folder / "home")
    home.folder.mkdir(mode=0o700)
    canaries = Canaries()
    with (
        pytest.MonkeyPatch.context() as patch,
        running(folder, home, patch, canaries) as servers,
    ):
        failed = refresh(settings.load(home), debug=True).failed
        assert failed == {}, failed
        yield Running(servers, home, counts(home), canaries)


def counts(home: Home) -> dict[str, int]:
    """How many rows each source has in each raw table, as `google.ad_spend`."""
    number = warehouse.current_generation(home)
    assert number is not None
    found: dict[str, int] = {}
    with duckdb.connect(str(home.generation(number) / "private.duckdb"), read_only=True) as store:
        tables = store.execute("select table_name from duckdb_tables()").fetchall()
        for (table,) in tables:
            if table.startswith("raw_") and table != "raw_rejected":
                rows = store.execute(f"select source, count(*) from {table} group by 1").fetchall()
                found |= {f"{source}.{table.removeprefix('raw_')}": n for source, n in rows}
    return found
