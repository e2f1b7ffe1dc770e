"""The page Reconcile says what the marts hold, and its causes add up to the difference."""

import shutil
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import claims_fixture
import duckdb
import marts_fixture as made_up
import pandas as pd
import pytest

from attribution import audit, claim_queries, queries
from attribution.claim_queries import CAUSES, UNEXPLAINED
from attribution.errors import BadInput, NotAllowed
from attribution.metrics import definition
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.reports.reconcile import reconcile_report
from attribution.ui import access, charts, download, formats, frame
from attribution.ui.freshness import freshness
from attribution.ui.views import reconcile

LAST = made_up.LAST_WEEK
RECENT = Scope(LAST - timedelta(weeks=12), LAST, kind="lead")
OTHERS = ("claimed", "attributed", "any_touch", "last_touch")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marts(home: Home) -> Marts:
    return Marts(home, 1, protected=False)


@pytest.fixture(scope="module")
def claimed() -> pd.DataFrame:
    return claims_fixture.claims(made_up.weeks())


@pytest.fixture(scope="module")
def credited(claimed) -> pd.DataFrame:
    return claims_fixture.claim_credit(claimed, made_up.MODELS)


def within(frame: pd.DataFrame, scope: Scope) -> pd.DataFrame:
    weeks = frame["week"].between(scope.since, scope.until)
    return frame[weeks & (frame["kind"] == scope.kind)]


@pytest.mark.parametrize("model", ["position", "incremental"])
def test_platforms_are_what_the_marts_hold(marts, claimed, credited, model):
    scope = replace(RECENT, model=model)
    table = reconcile.build(marts, scope).tables["platforms"].frame.set_index("platform")
    seen = within(claimed, scope).groupby("platform").sum(numeric_only=True)
    given = within(credited, scope).query("model == @model").groupby("platform")
    given = given.sum(numeric_only=True)
    assert set(table.index) == {"Google", "Meta"}
    for platform, row in table.iterrows():
        ours, theirs = seen.loc[platform.lower()], given.loc[platform.lower()]
        assert row["claimed"] == ours["claimed"]
        assert (row["any_touch"], row["last_touch"]) == (ours["any_touch"], ours["last_touch"])
        assert row["attributed"] == pytest.approx(theirs["attributed"], abs=1e-5)
        assert row["viewed"] == ours["viewed"]
        assert row["late"] == -ours["late"]
        assert row["date_basis"] == ours["clicked_dated"] - ours["clicked"]
        for name in ("other_platforms", "other_channels", "window_gap"):
            assert row.get(name, 0.0) == pytest.approx(theirs[name], abs=1e-5)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("grain", [("platform",), ("platform", "channel", "campaign"), ("week",)])
def test_causes_add_up_to_the_difference(marts, model, grain):
    for scope in (RECENT, replace(RECENT, since=LAST), Scope(made_up.weeks()[0], LAST, "lead")):
        frame = claim_queries.reconciled(marts, replace(scope, model=model), *grain)
        assert len(frame)
        difference = frame["claimed"] - frame["attributed"]
        explained = frame[[*CAUSES, UNEXPLAINED]].sum(axis=1)
        assert (difference - explained).abs().max() < 2e-6


def test_every_table_and_the_bridge_tell_the_same(marts):
    view = reconcile.build(marts, RECENT)
    whole = view.tables["platforms"].frame.drop(columns="platform").sum()
    for name in ("campaigns", "weeks"):
        parts = view.tables[name].frame.select_dtypes("number").sum()
        pd.testing.assert_series_equal(parts, whole, atol=1e-4, check_names=False)
    causes = view.tables["causes"].frame.set_index("cause")["total"]
    assert causes.iloc[0] == whole["claimed"]
    assert causes.iloc[:-1].sum() == pytest.approx(causes.iloc[-1], abs=1e-4)
    (bars,) = view.figures["bridge"].spec["data"]
    assert bars["x"][0] == whole["claimed"]
    assert bars["x"][0] - sum(bars["x"][1:-1]) == pytest.approx(bars["x"][-1], abs=1e-4)
    values = {metric.name: metric.value for metric in view.metrics}
    assert values["claimed"] == whole["claimed"]
    assert bars["text"][-1] == formats.number(whole["attributed"])
    assert "+0" not in bars["text"]
    assert f"{formats.number(values[UNEXPLAINED])} are unexplained" in view.figures["bridge"].alt
    assert values["claim_ratio"] == pytest.approx(whole["claimed"] / whole["attributed"])
    assert values[UNEXPLAINED] == pytest.approx(whole[UNEXPLAINED])


def test_a_cause_without_effect_is_named_and_not_shown(marts):
    earlier = replace(RECENT, until=LAST - timedelta(weeks=1))
    view = reconcile.build(marts, earlier)
    assert "late" not in view.tables["platforms"].frame
    assert any("explain nothing in this period: not reported yet" in n for n in view.notes)
    assert "by_effect" not in view.tables["platforms"].frame
    assert (
        "by_effect"
        in reconcile.build(marts, replace(earlier, model="incremental")).tables["platforms"].frame
    )


def test_where_nothing_of_the_kind_is_claimed_the_page_is_about_what_is(marts):
    view = reconcile.build(marts, replace(RECENT, kind="booked"))
    assert view.question == "Why do platforms claim other leads than we credit them with?"
    assert view.remark == "Platforms claim no booked visits, so this page is about leads."
    shown = reconcile.build(marts, RECENT)
    assert view.tables["platforms"].frame.equals(shown.tables["platforms"].frame)
    assert not shown.remark


def test_what_still_moves_and_what_no_rule_names_is_said(marts, claimed):
    notes = reconcile.build(marts, RECENT).notes
    young = within(claimed, replace(RECENT, since=LAST - timedelta(weeks=3)))["claimed"].sum()
    assert notes[0].startswith(f"{young:,.0f} claims are of the last four weeks")
    assert "12 claims in all weeks are of actions that no rule names" in notes[1]


def test_every_number_is_defined_and_every_cause_says_how_it_is_computed(marts):
    view = reconcile.build(marts, RECENT)
    for name in (*CAUSES, UNEXPLAINED):
        assert definition(name).formula, name
    for column in view.tables["platforms"].columns[1:]:
        assert column.help, column.name
    assert view.tables["causes"].frame["reason"].str.len().min() > 40


def test_the_export_holds_every_campaign(marts):
    view = reconcile.build(marts, RECENT)
    lines = reconcile_report(view).decode("utf-8-sig").splitlines()
    assert lines[0].startswith("platform,channel,campaign,claimed,attributed,")
    assert len(lines) == 1 + len(view.tables["campaigns"].frame)


def test_the_export_is_written_down(home, marts, tmp_path):
    copy = Home(shutil.copytree(home.folder, tmp_path / "home"))
    view = reconcile.build(marts, RECENT)
    context = frame.Context(copy, 1, RECENT, freshness(copy), access.VISITOR)
    make = download.audited(context, "csv", lambda: reconcile_report(view), "reconcile report")
    content = make()
    (said,) = audit.entries(copy).to_dict("records")
    assert (said["action"], said["subject"]) == ("export", "reconcile report")
    assert sha256(content).hexdigest() in said["detail"]
    copy.config.write_text('currency = "USD"\n', encoding="utf-8")
    with pytest.raises(NotAllowed):  # no simulated people, and nobody has signed in
        download.audited(context, "csv", lambda: reconcile_report(view), "reconcile report")


def without(home: Home, folder: Path, gone: str) -> Home:
    """A copy of the home in which the claims that fit a condition were never made."""
    return emptied(Home(shutil.copytree(home.folder, folder)), gone, "claims", "claim_credit")


def emptied(copy: Home, gone: str, *marts: str) -> Home:
    with duckdb.connect(str(copy.generation(1) / "marts.duckdb")) as database:
        for mart in marts:
            database.execute(f"delete from {mart} where {gone}")
    return copy


def test_without_any_claim_the_page_says_what_would_bring_them(home, tmp_path):
    copy = without(home, tmp_path / "home", "true")
    view = reconcile.build(Marts(copy, 1, protected=False), RECENT)
    assert list(view.tables) == ["analytics"]
    with pytest.raises(BadInput, match="No platform claims anything"):
        reconcile_report(view)
    other = Home(shutil.copytree(copy.folder, tmp_path / "other"))
    emptied(other, "true", "key_events")
    view = reconcile.build(Marts(other, 1, protected=False), RECENT)
    assert "`meta_ads`" in view.empty
    assert "`claimed_conversions`" in view.empty
    assert not view.tables
    with pytest.raises(BadInput, match="nothing to export"):
        reconcile_report(view)


def test_a_period_without_claims_asks_for_a_longer_one(home, tmp_path):
    earlier = without(home, tmp_path / "home", "week > date '2026-01-01'")
    view = reconcile.reconcile(earlier, 1, RECENT, protected=False)
    assert view.empty.startswith("No platform claims leads in 24 Aug")
    assert queries.about(Marts(earlier, 1, protected=False)).last_week == LAST


def test_the_bridge_goes_from_the_first_amount_to_the_last_without_a_gap():
    steps = [10.0, 4.0, -1.0, 9.0, -2.0]
    figure = charts.bridge(list("abcde"), steps, list("abcde"), list("abcde"), [False] * 5)
    (bars,) = figure["data"]
    ends = [base + step for base, step in zip(bars["base"], bars["x"], strict=True)]
    assert bars["base"][1:4] == [6.0, 7.0, -2.0]
    assert [ends[1], ends[2], ends[3]] == [10.0, 6.0, 7.0]
    assert bars["base"][0] == bars["base"][4] == 0.0
    assert figure["layout"]["xaxis"]["range"][0] < -2


def test_what_web_analytics_count_stands_beside_the_credit_of_the_same_campaigns(marts):
    table = reconcile.build(marts, RECENT).tables["analytics"].frame
    told = within(made_up.tables()["key_events"], RECENT)
    credit = within(made_up.tables()["credit"], RECENT).query("model == @RECENT.model")
    assert table["key_events"].sum() == told["key_events"].sum()
    assert table["attributed"].sum() == pytest.approx(credit["conversions"].sum())
    assert (table["key_events"] - table["attributed"] - table["difference"]).abs().max() < 1e-5
