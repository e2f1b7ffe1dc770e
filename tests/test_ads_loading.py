"""Google Ads and Microsoft Ads, loaded: again, restated, killed half way, one account refused."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Lock

import pytest
from servers import google_ads as google_server
from servers import microsoft_ads as microsoft_server
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from attribution.loading import Loader
from attribution.privacy import Door
from attribution.raw import cursors, ensure_raw_tables
from connectors import google_ads, microsoft_ads
from connectors.errors import SourceError
from connectors.patience import Patience
from connectors.source import Context

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
TODAY = date(2026, 11, 24)
FIRST = date(2026, 11, 1)
SPEND = (
    "select account, count(*), sum(spend_micros), sum(clicks) from raw_ad_spend "
    "group by 1 order by 1"
)
CLAIMED = (
    "select action, counted_by, sum(conversions) from raw_claimed_conversions "
    "group by 1, 2 order by 1, 2"
)
NORTH, SOUTH = "1234567890", "2234567890"


class Store:
    """Raw tables in memory, into which a source is loaded as a refresh does it."""

    def __init__(self, module, options) -> None:
        self.module = module
        self.options = options
        self.engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
        with self.engine.begin() as connection:
            connection.exec_driver_sql("set timezone = 'UTC'")
            ensure_raw_tables(connection)

    def refresh(self, now=NOW, *, most=99):
        """Load up to so many slices; the notes and the problems."""
        context = Context("ads", "all", self.options, now, FIRST)
        loader = Loader(self.engine, Lock(), Door(b"k" * 32), "ads", "all", "run")
        problems, stuck, notes, done = [], set(), [], 0
        with self.engine.connect() as connection:
            before = cursors(connection, "ads", "all")
        for piece in self.module.connect(context).slices(before):
            if piece.cursor_key in stuck:
                continue
            try:
                notes.append(loader.load(piece).message)
            except SourceError as error:
                stuck.add(piece.cursor_key)
                problems.append(str(error))
            done += 1
            if done == most:
                break
        return [note for note in notes if note], problems

    def ask(self, sql):
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql).all()]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    patience = Patience(
        attempts=2, first_wait=0.001, jitter=0, socket_seconds=20, call_seconds=40,
        sleep=lambda _: None,
    )  # fmt: skip
    for module in (google_ads, microsoft_ads):
        monkeypatch.setattr(module, "PATIENCE", patience)


@pytest.fixture
def google():
    customers = (google_server.sample(TODAY), google_server.sample(TODAY, number=SOUTH))
    with google_server.GoogleAdsServer(*customers) as server:
        yield server, Store(google_ads, {"customer_ids": [NORTH, SOUTH], **server.options})


@pytest.fixture
def microsoft():
    account = microsoft_server.sample(TODAY, number=NORTH)
    with microsoft_server.MicrosoftAdsServer(account) as server:
        yield server, Store(microsoft_ads, {"account_ids": [NORTH], **server.options})


@pytest.mark.parametrize("which", ["google", "microsoft"])
def test_sums_agree_and_a_second_refresh_changes_nothing(which, request):
    _, store = request.getfixturevalue(which)
    assert store.refresh() == ([], [])
    first = (store.ask(SPEND), store.ask(CLAIMED), store.ask("select * from cursor order by all"))
    assert {count for _, count, *_ in first[0]} == {30}
    assert len(first[1]) == 2
    assert store.refresh() == ([], [])
    assert (
        store.ask(SPEND),
        store.ask(CLAIMED),
        store.ask("select * from cursor order by all"),
    ) == first


@pytest.mark.parametrize(
    ("which", "spend"), [("google", google_server.spend), ("microsoft", microsoft_server.spend)]
)
def test_a_restated_day_and_a_day_that_is_new_land_once(which, spend, request):
    server, store = request.getfixturevalue(which)
    store.refresh()
    campaign, group = ("11", "111") if which == "google" else ("61", "611")
    restated = spend(TODAY - timedelta(days=3), campaign, group, spend=Decimal("99"), clicks=1000)
    server.restate(NORTH, restated, spend(TODAY, campaign, group, spend=Decimal("1")))
    assert store.refresh(NOW + timedelta(days=1)) == ([], [])
    found = store.ask(
        f"select day, spend_micros from raw_ad_spend where account = '{NORTH}' "
        "and (clicks = 1000 or spend_micros = 1000000)"
    )
    assert sorted(found) == [(restated.day, 99_000_000), (TODAY, 1_000_000)]
    assert store.ask(f"select count(*) from raw_ad_spend where account = '{NORTH}'") == [(31,)]


def test_one_customer_that_is_refused_keeps_what_it_had(google):
    server, store = google
    store.refresh()
    before = store.ask(SPEND)
    server.customers.pop(NORTH)
    server.restate(SOUTH, google_server.spend(TODAY - timedelta(days=1), spend=Decimal("5")))
    notes, (problem,) = store.refresh(NOW + timedelta(days=1))
    assert notes == []
    assert "123-456-7890 (USER_PERMISSION_DENIED)" in problem
    after = store.ask(SPEND)
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_a_window_that_fails_leaves_its_rows_and_its_cursor(google):
    server, store = google
    store.refresh()
    before = (store.ask(SPEND), store.ask("select * from cursor order by all"))
    faults = [google_server.Fault("UNAVAILABLE", batches=2)] * 2
    server.fail_query(*faults, on="FROM ad_group")
    _, problems = store.refresh()
    assert len(problems) == 1
    assert (store.ask(SPEND), store.ask("select * from cursor order by all")) == before


def test_a_refresh_killed_while_reports_are_made_goes_on_from_them(microsoft):
    server, store = microsoft
    store.refresh(most=1)  # asked for, and then killed
    assert store.ask(SPEND) == []
    assert len(server.asked("Submit")) == 4
    store.refresh(NOW + timedelta(hours=1), most=1)
    assert store.ask("select count(*) from raw_ad_spend") == [(30,)]
    assert len(server.asked("Submit")) == 4
    assert store.ask("select value from cursor") == [("2026-10-24",)]


def test_slow_reports_are_taken_up_by_the_next_refresh(microsoft):
    server, store = microsoft
    server.script_jobs("stuck")
    _, (problem,) = store.refresh()
    assert "the next refresh goes on from there" in problem
    assert store.ask(SPEND) == []
    server._jobs["30000001"]["outcome"] = "Success"
    assert store.refresh(NOW + timedelta(hours=1)) == ([], [])
    assert store.ask("select count(*) from raw_ad_spend") == [(30,)]


def test_a_sum_that_does_not_agree_is_noted(microsoft):
    server, store = microsoft
    server.spoil = lambda text: text.replace('"12.34"', '"10.00"')
    (note,), problems = store.refresh()
    assert problems == []
    assert "spend adds up to" in note
