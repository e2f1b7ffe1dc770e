"""Days of Microsoft Ads are read again, by whole refreshes against an API on this machine."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from custody_fixture import ask
from few_models import few_models
from servers.microsoft_ads import MicrosoftAdsServer, sample, spend

from attribution import settings
from attribution.backfill import Part
from attribution.refresh import refresh
from connectors import microsoft_ads
from connectors.patience import Patience
from connectors.source import Window

ACCOUNT = "150175881"
TODAY = datetime.now(ZoneInfo("America/New_York")).date()
DAY = timedelta(days=1)
# Past what Microsoft may restate: a refresh alone does not read it again.
OLD = TODAY - 45 * DAY


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    patience = Patience(
        attempts=2, first_wait=0.001, jitter=0, socket_seconds=20, call_seconds=40,
        sleep=lambda _: None,
    )  # fmt: skip
    monkeypatch.setattr(microsoft_ads, "PATIENCE", patience)


@pytest.fixture
def server():
    with MicrosoftAdsServer(sample(TODAY, number=ACCOUNT)) as running:
        running.job_states = ("Success",)
        running.restate(ACCOUNT, spend(OLD, spend=Decimal("1")))
        yield running


@pytest.fixture
def loaded(home, server):
    """A home after a refresh."""
    given = {"account_ids": [ACCOUNT], **server.options}
    secrets = ("developer_token", "client_secret", "refresh_token")
    lines = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
    shown = [line for line in lines if not line.startswith(secrets)]
    hidden = [line for line in lines if line.startswith(secrets)]
    home.config.write_text(
        f'first_day = {TODAY - 60 * DAY}\n[sources.bing]\nkind = "microsoft_ads"\n'
        + "\n".join(shown)
    )
    home.secrets.write_text("[sources.bing]\n" + "\n".join(hidden))
    home.secrets.chmod(0o600)
    with few_models(("spend",)):
        assert refresh(settings.load(home), debug=True).failed == {}
        yield home


def read_again(home):
    """The refresh that an operator starts for one old day."""
    return refresh(settings.load(home), debug=True, part=Part("bing", Window(OLD, OLD)))


def spent(home):
    """What is stored of that day, in micros, and how many rows of other days there are."""
    return ask(
        home,
        f"select sum(spend_micros) filter (day = '{OLD}'), count(*) filter (day <> '{OLD}') "
        "from raw_ad_spend",
    )[0]


def cursor(home):
    return ask(home, "select value from cursor")[0][0]


def test_days_are_asked_for_and_read_again(loaded, server):
    before = cursor(loaded)
    server.restate(ACCOUNT, spend(OLD, spend=Decimal("99")))
    outcome = read_again(loaded)
    assert (outcome.failed, outcome.loaded) == ({}, {"bing": 1})
    assert spent(loaded) == (99_000_000, 30)
    assert cursor(loaded) == before


def test_reports_that_are_being_made_stay_so_while_other_days_are_read_again(loaded, server):
    """Their rows are of other days; the next refresh takes them up as it would have."""
    server.script_jobs("stuck")
    assert "goes on from there" in refresh(settings.load(loaded)).failed["bing"]
    waiting = cursor(loaded)
    assert json.loads(waiting)["jobs"]
    server.restate(ACCOUNT, spend(OLD, spend=Decimal("99")))
    assert read_again(loaded).failed == {}
    assert spent(loaded) == (99_000_000, 30)
    assert cursor(loaded) == waiting
