"""Data health, and the chip that says how far the data reach."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import marts_fixture as made_up
import pandas as pd
import pytest

from attribution import health_queries, queries, refresh_queries, settings
from attribution.doctor import examine
from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.queries import Marts
from attribution.small_cells import OTHER
from attribution.source_settings import SourceSettings
from attribution.ui import formats
from attribution.ui.freshness import look_up
from attribution.ui.views import data_health

LAST = made_up.LAST_WEEK


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marts(home: Home) -> Marts:
    return queries.Marts(home, 1, protected=False)


@pytest.fixture
def healthy(tmp_path: Path) -> Home:
    """A home whose sources all answered."""
    home = made_up.make_home(tmp_path / "home")
    with Ledger(home) as ledger:
        ledger.source_done("meta", "meta_ads", "act_1", 4_410, None)
    return home


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return made_up.tables()


def test_touch_known_is_of_twelve_weeks_whatever_is_told_together(tmp_path):
    """Four weeks a row: three rows. Who is told with others may have had no touch."""
    home = made_up.make_home(tmp_path)
    told = [(25, 30), (25, 0), (0, 15), (40, 0), (40, 0), (40, 0), (90, 0)]  # newest first
    with duckdb.connect(str(home.generation(1) / "viewers.duckdb")) as viewers:
        viewers.execute("delete from credit")
        for back, (untouched, folded) in enumerate(told):
            rest = {"unattributed": untouched, OTHER: folded, "email": 100 - untouched - folded}
            for channel, people in rest.items():
                viewers.execute(
                    "insert into credit (model, kind, channel, week, conversions)"
                    " select 'last', 'new_patient', ?, ?, ? where ? > 0",
                    [channel, LAST - (3 + 4 * back) * queries.WEEK, people, people],
                )
    touch = data_health.build(queries.Marts(home, 1, protected=True)).metrics[0]
    # The 30 are known to have had one: all without any stand by themselves. Of the 15 nobody knows.
    assert touch.value == pytest.approx((75 + 75 + 85) / 300)
    assert touch.before == pytest.approx(0.6)
    assert touch.course == pytest.approx((0.6, 0.6, 0.6, 0.85, 0.75, 0.75))
    assert touch.interval.startswith("at least")


def test_touch_known_of_single_weeks_is_that_of_the_marts(marts, tables):
    credit = tables["credit"].query("model == 'last' and kind == 'new_patient'")
    credit = credit[credit["week"] > LAST - 12 * queries.WEEK]
    known = credit.loc[credit["channel"] != "unattributed", "conversions"].sum()
    touch = data_health.build(marts).metrics[0]
    assert touch.value == pytest.approx(known / credit["conversions"].sum())
    assert touch.interval == ""


def test_data_health_shows_what_could_not_be_used(marts):
    view = data_health.build(marts)
    assert len(view.tables["rejected"].frame) == 2
    assert "channel_rules.csv" in view.tables["unmapped"].note
    assert view.tables["sessions"].frame["sampled"].tolist() == [True, False]


def test_codes_without_a_service_line_are_told_on_the_page_and_by_the_doctor(home, marts):
    table = data_health.build(marts).tables["unknown_codes"]
    assert table.frame["code"].tolist() == ["NEWPT", "M25*", "(rare)"]
    assert table.frame["people"].isna().tolist() == [False, False, True]
    (home.folder / "record").mkdir(exist_ok=True)
    record = SourceSettings("emr", "fhir_files", "emr", {"folder": str(home.folder / "record")})
    said = {f.subject: f.sentence for f in examine(replace(settings.load(home), sources=(record,)))}
    assert said["service lines"].startswith("no rule knows 2 codes")
    assert "NEWPT (812 visits)" in said["service lines"]
    assert "found no file to read" in said["emr"]


def test_data_health_says_how_well_people_are_joined(marts, tables):
    view = data_health.build(marts)
    matches = view.tables["matches"].frame.set_index(["source", "other"])
    assert matches.loc[("crm", "emr"), "match_rate"] == 0.5
    assert matches.loc[("emr", "crm"), "match_rate"] == 4_500 / 21_000
    assert matches.loc[("meta", "emr"), ["own", "match_rate"]].isna().all()
    assert "50.0% of the people of crm are known to emr" in view.figures["matches"].alt
    shared = view.tables["shared"].frame
    assert shared["identifiers"].sum() == 250
    assert shared["identifiers"].isna().sum() == 1
    assert view.tables["changes"].frame["latest"].tolist() == [3, 0]
    credit = tables["credit"]
    new = credit[(credit["model"] == "last") & (credit["kind"] == "new_patient")]
    new = new[new["week"] > LAST - timedelta(weeks=12)]
    known = new.loc[new["channel"] != "unattributed", "conversions"].sum()
    (coverage,) = view.metrics
    assert coverage.value == pytest.approx(known / new["conversions"].sum())


def reaching(days: dict[str, date]) -> pd.DataFrame:
    return pd.DataFrame({"table_name": list(days), "last_day": pd.to_datetime(list(days.values()))})


def test_the_chip_says_how_far_the_data_reach(healthy, monkeypatch):
    now = datetime.now(UTC)
    today = now.date()
    ends = dict.fromkeys(health_queries.WEEKLY_FACTS, today - timedelta(days=2))
    ends |= {"appointment": today + timedelta(days=60), "message": today - timedelta(days=70)}
    monkeypatch.setattr(health_queries, "coverage", lambda _: reaching(ends))
    state = look_up(healthy, 1, now)
    assert state.state == "fresh"
    assert state.headline == f"Data to {formats.day(today - timedelta(days=2))}"
    assert health_queries.data_end(None, today - timedelta(days=9)) == today - timedelta(days=9)
    ends["ad_spend"] = today - timedelta(days=9)
    state = look_up(healthy, 1, now)
    assert (state.state, state.stale) == ("stale", ("The data",))
    assert state.headline == f"Stale · Data to {formats.day(ends['ad_spend'])}"


def test_a_rollback_makes_nothing_newer(healthy, monkeypatch):
    now = datetime.now(UTC)
    monkeypatch.setattr(health_queries, "coverage", lambda _: reaching({"payment": now.date()}))
    first = look_up(healthy, 1, now).published_at
    with Ledger(healthy) as ledger:
        ledger.published(1, None, {}, "rollback")
    state = look_up(healthy, 1, now)
    assert (state.published_at, state.rolled_back) == (first, True)
    assert state.headline.startswith("Rolled back · Data to ")
    assert "went back" in state.detail


def test_freshness_names_the_source_that_failed_and_the_one_that_is_late(home, monkeypatch):
    now = datetime.now(UTC)
    reached = {"payment": now.date() + timedelta(days=9)}
    monkeypatch.setattr(health_queries, "coverage", lambda _: reaching(reached))
    state = look_up(home, 1, now)
    assert (state.state, state.failed, state.stale) == ("failed", ("meta",), ())
    later = look_up(home, 1, now + timedelta(days=9))
    assert later.stale == ("emr", "google", "meta")
    assert look_up(home, None, now).state == "empty"


def test_a_home_without_a_ledger_has_no_runs(tmp_path: Path):
    assert refresh_queries.runs(Home(tmp_path)).empty
    assert list(tmp_path.iterdir()) == []
