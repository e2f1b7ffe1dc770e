"""Views say what an independent computation over the marts says."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import credit_fixture
import duckdb
import marts_fixture as made_up
import pandas as pd
import pytest
import sqlalchemy as sa

from attribution import (
    amount_queries,
    cohort_queries,
    health_queries,
    queries,
    refresh_queries,
    return_queries,
    settings,
)
from attribution.doctor import examine
from attribution.ledger import Ledger
from attribution.metrics import KINDS, METRICS, ratio
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import About, Marts, Scope
from attribution.source_settings import SourceSettings
from attribution.ui import charts, formats
from attribution.ui.freshness import look_up
from attribution.ui.scope import before, scope_of
from attribution.ui.view import View
from attribution.ui.views import (
    arriving,
    attribution,
    channel_figures,
    channels,
    data_health,
    journeys,
    overview,
    reactivation,
    returns,
)
from attribution.ui.views.cohorts import _share_in_words

LAST = made_up.LAST_WEEK
RECENT = Scope(LAST - timedelta(weeks=12), LAST)
NARROW = replace(RECENT, service_lines=("cardiology",), locations=("North", "unassigned"))
ABOUT = About("USD", made_up.weeks()[0], LAST, 60_000)
BUILDS = [
    overview.build,
    channels.build,
    attribution.build,
    journeys.build,
    reactivation.build,
]
LINES, PLACES = made_up.SERVICE_LINES, made_up.LOCATIONS


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


def within(frame: pd.DataFrame, scope: Scope) -> pd.DataFrame:
    chosen = frame[frame["week"].between(scope.since, scope.until)]
    for column, values in (("service_line", scope.service_lines), ("location", scope.locations)):
        if values:
            chosen = chosen[chosen[column].isin(values)]
    return chosen


def unplaced(marts: Marts, tables: dict[str, pd.DataFrame], campaign: str) -> Any:
    """The marts, with all spend of a campaign in no service line."""

    class Asked:
        protected = False

        def ask(self, statement: sa.Executable) -> pd.DataFrame:
            if "FROM spend" not in str(statement):
                return marts.ask(statement)
            moved = tables["spend"].copy()
            moved.loc[moved["campaign"] == campaign, "service_line"] = "unassigned"
            with duckdb.connect() as database:
                database.register("spend", moved)
                text = statement.compile(compile_kwargs={"literal_binds": True})
                found = database.execute(str(text))
                names = [name for name, *_ in found.description]
                return pd.DataFrame(found.fetchall(), columns=names)

    return Asked()


def metric(view: View, name: str) -> float | None:
    return next(each.value for each in view.metrics if each.name == name)


@pytest.mark.parametrize("scope", [RECENT, NARROW], ids=["everything", "filtered"])
def test_overview_adds_up_what_the_marts_hold(marts, tables, scope):
    view = overview.build(marts, scope)
    seen = (
        within(tables["conversions"], scope).groupby("kind")[["conversions", "value_micros"]].sum()
    )
    paid = within(tables["spend"], scope)
    spend = paid.loc[paid["currency"] == "USD", "spend_micros"].sum() / 1e6
    assert metric(view, "spend") == pytest.approx(spend)
    assert metric(view, "leads") == seen.loc["lead", "conversions"]
    assert metric(view, "new_patients") == seen.loc["new_patient", "conversions"]
    collected = seen.loc["collected", "value_micros"] / 1e6
    assert metric(view, "collected") == pytest.approx(collected)
    assert metric(view, "blended_cac") == pytest.approx(
        spend / seen.loc["new_patient", "conversions"]
    )
    assert metric(view, "blended_roas") == pytest.approx(collected / spend)


def test_overview_compares_with_the_equally_long_period_before(marts, tables):
    view = overview.build(marts, RECENT)
    earlier = Scope(RECENT.since - timedelta(weeks=13), RECENT.since - timedelta(weeks=1))
    leads = within(tables["conversions"], earlier).query("kind == 'lead'")["conversions"].sum()
    assert next(each.before for each in view.metrics if each.name == "leads") == leads


def test_money_of_weeks_in_which_nothing_happened_is_counted(marts, tables, monkeypatch):
    scope = Scope(made_up.weeks()[-8], made_up.LAST_WEEK)
    seen = amount_queries.conversions_by_week

    def quiet(*asked):
        found = seen(*asked)
        return found[pd.to_datetime(found["week"]) < pd.Timestamp(made_up.LAST_WEEK)]

    monkeypatch.setattr(amount_queries, "conversions_by_week", quiet)
    spend = tables["spend"].query("currency == 'USD'")
    whole = spend[spend["week"] >= scope.since]["spend_micros"].sum() / 1e6
    assert overview.build(marts, scope).metrics[0].value == pytest.approx(whole)


def test_weeks_that_are_told_together_are_not_drawn_as_single_ones(home, monkeypatch):
    """Of new patients, four weeks stand in the first of them; of leads too few are told of."""
    marts = queries.marts(home, 1, protected=True)
    last = made_up.LAST_WEEK
    scope = Scope(last - 11 * queries.WEEK, last)
    weeks = [scope.since + number * queries.WEEK for number in range(12)]
    rows = [(week, "booked", 40) for week in weeks]
    rows += [(week, "new_patient", 20) for week in weeks[::4]]
    told = pd.DataFrame(rows, columns=["week", "kind", "conversions"]).assign(value=0.0)
    monkeypatch.setattr(amount_queries, "conversions_by_week", lambda *_: told)
    ends = {"booked": weeks[-1], "new_patient": weeks[8]}
    monkeypatch.setattr(
        arriving, "reported_weeks", lambda _: {k: pd.Timestamp(v) for k, v in ends.items()}
    )
    facts = replace(queries.about(marts), weeks_together=4)
    for module in (arriving, overview.queries):
        monkeypatch.setattr(module, "about", lambda _: facts)
    view = overview.build(marts, scope)
    numbers = {each.name: each for each in view.metrics}
    assert numbers["new_patients"].value == 60
    assert numbers["new_patients"].course == (20, 20, 20)
    assert numbers["booked"].course == (160, 160, 160)
    assert numbers["leads"].value is None
    assert numbers["blended_cac"].value == pytest.approx(numbers["spend"].value / 60)
    assert view.figures["demand"].title == "Patients by four weeks"
    said = " ".join(view.notes)
    assert "four weeks at a time" in said
    assert "nothing after the week" not in said


def test_overview_without_an_earlier_period_compares_with_nothing(marts):
    view = overview.build(marts, Scope(made_up.weeks()[0], LAST))
    assert {each.before for each in view.metrics} == {None}
    assert "no equally long period" in view.notes[0]


def test_service_lines_add_up_to_the_headline(marts):
    view = overview.build(marts, RECENT)
    table = view.tables["service_lines"].frame
    for name in ("spend", "leads", "collected"):
        assert table[name].sum() == pytest.approx(metric(view, name))


def test_spend_of_no_service_line_makes_no_line_look_better_unsaid(marts, tables):
    table = overview.build(unplaced(marts, tables, "Brand"), RECENT).tables["service_lines"]
    rows = table.frame.set_index("service_line")
    lost = rows.loc["Unassigned", "spend"]
    assert lost > 0
    assert rows.loc["Unassigned", ["blended_cac", "blended_roas"]].isna().all()
    assert rows.drop("Unassigned")["blended_cac"].notna().all()
    share = formats.rate(lost / rows["spend"].sum())
    assert table.note.startswith(f"{formats.money(lost, 'USD')} of spend ({share}) belongs to no")
    assert overview.build(marts, RECENT).tables["service_lines"].note == ""


def test_overview_says_that_its_ratios_are_blended(marts):
    titles = [each.title for each in overview.build(marts, RECENT).metrics]
    assert titles[-2:] == ["Blended CAC", "Blended ROAS"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("scope", [RECENT, NARROW], ids=["everything", "filtered"])
def test_channels_add_up_to_what_was_observed(marts, tables, model, scope):
    view = channels.build(marts, replace(scope, model=model))
    seen = (
        within(tables["conversions"], scope).groupby("kind")[["conversions", "value_micros"]].sum()
    )
    for kind, name in KINDS.items():
        observed = (
            seen.loc[kind, "value_micros"] / 1e6
            if kind == "collected"
            else seen.loc[kind, "conversions"]
        )
        for table in ("channels", "campaigns"):
            assert view.tables[table].frame[name].sum() == pytest.approx(observed, abs=1e-3)


def test_a_channel_s_row_is_the_credit_of_the_chosen_model(marts, tables):
    view = channels.build(marts, replace(RECENT, model="last"))
    row = view.tables["channels"].frame.set_index("channel").loc["paid_search"]
    credit = within(tables["credit"], RECENT).query("model == 'last' and channel == 'paid_search'")
    spend = within(tables["spend"], RECENT).query("channel == 'paid_search'")["spend_micros"].sum()
    leads = credit.query("kind == 'lead'")["conversions"].sum()
    collected = credit["value_micros"].sum()
    assert row["spend"] == pytest.approx(spend / 1e6)
    assert row["cpl"] == pytest.approx(spend / 1e6 / leads)
    assert row["roas"] == pytest.approx(collected / spend)
    assert row["roi"] == pytest.approx((collected - spend) / spend)


def test_a_channel_without_spend_has_no_return(marts):
    frame = channels.build(marts, RECENT).tables["channels"].frame.set_index("channel")
    assert frame.loc["organic_search", ["cpl", "cac", "roas", "roi"]].isna().all()
    assert {"unattributed", "unmapped"} <= set(frame.index)


def test_ratios_count_only_campaigns_whose_spend_the_filter_places(marts, tables):
    line = replace(RECENT, service_lines=("cardiology",))
    view = channels.build(unplaced(marts, tables, "Brand"), line)
    rows = view.tables["campaigns"].frame.set_index(["channel", "campaign"])
    brand = rows.loc[("paid_search", "Brand")]
    assert brand[["spend", "cpl", "cac", "roas", "roi"]].isna().all()
    assert brand["collected"] > 0
    placed = rows[rows["spend"] > 0]
    search = placed.loc["paid_search"]
    row = view.tables["channels"].frame.set_index("channel").loc["paid_search"]
    assert row["roas"] == pytest.approx(search["collected"].sum() / search["spend"].sum())
    assert row["cac"] == pytest.approx(search["spend"].sum() / search["new_patients"].sum())
    assert row["collected"] > search["collected"].sum()
    assert metric(view, "paid_collected") == pytest.approx(placed["collected"].sum())
    ratio_of_placed = placed["collected"].sum() / placed["spend"].sum()
    assert metric(view, "paid_roas") == pytest.approx(ratio_of_placed)
    lost = within(tables["spend"], RECENT).query("campaign == 'Brand'")["spend_micros"].sum() / 1e6
    assert formats.money(lost, "USD") in view.warnings[0]
    assert formats.money(brand["collected"], "USD") in view.warnings[0]
    assert not channels.build(marts, RECENT).warnings


def test_spend_that_no_location_has_gives_no_ratio_at_all(marts):
    view = channels.build(marts, replace(RECENT, locations=("North",)))
    frame = view.tables["channels"].frame.set_index("channel")
    assert frame.loc["paid_search", ["spend", "cpl", "cac", "roas", "roi"]].isna().all()
    assert metric(view, "paid_roas") is metric(view, "paid_collected") is None


def test_a_paid_channel_that_leaves_no_touch_has_no_credit(marts, monkeypatch):
    known = {channel for channel, _ in made_up.campaigns()} - {"offline_media"}
    monkeypatch.setattr(amount_queries, "credited_channels", lambda _: frozenset(known))
    monkeypatch.setattr(amount_queries, "visited_channels", lambda _: frozenset(known))
    view = channels.build(marts, RECENT)
    row = view.tables["channels"].frame.set_index("channel").loc["offline_media"]
    assert row["spend"] > 0
    assert row.drop("spend").isna().all()
    assert "Offline media leaves no touch to credit" in view.notes[0]
    assert "Offline media" not in view.figures["return"].alt
    # The incremental model needs no touch.
    asked = channels.build(marts, replace(RECENT, model="incremental"))
    row = asked.tables["channels"].frame.set_index("channel").loc["offline_media"]
    assert row[["booked", "collected", "credit_low", "roas"]].notna().all()
    assert not any("leaves no touch" in note for note in asked.notes)


def test_which_channels_leave_traces_is_asked_of_all_weeks(marts, tables):
    touched = tables["credit"].query("model != 'incremental'")
    assert amount_queries.credited_channels(marts) == set(touched["channel"])
    assert "baseline" not in amount_queries.credited_channels(marts)
    assert amount_queries.visited_channels(marts) == set(tables["sessions"]["channel"])


def test_a_channel_with_hardly_any_spend_is_not_called_the_best():
    drawn = pd.DataFrame(
        {"channel": ["sms", "display", "video"], "spend": [1, 99, 100], "roas": [900, 3, 0.5]}
    )
    words = channel_figures.return_in_words(drawn, [], 2.0)
    assert "Display returns most (3.0x), Video least (0.5x)" in words


def test_a_figure_without_a_bar_says_why(marts):
    """Nothing converted, or all of it came through no channel that anybody knows."""
    columns = ("channel", "known", "conversions", "collected", "credit_low", "credit_high")
    rows = pd.DataFrame([("unattributed", False, 0.0, 0.0, 0.0, 0.0)], columns=columns)
    none = channel_figures.credited_figure(rows.iloc[:0], RECENT, "USD").alt
    assert none.endswith("credited by Position (40/20/40). None in these weeks.")
    assert channel_figures.credited_figure(rows, RECENT, "USD").alt == none
    unknown = channel_figures.credited_figure(rows.assign(conversions=4.0), RECENT, "USD").alt
    assert unknown.endswith("credited by Position (40/20/40). 100.0% has no known channel.")


def test_sessions_are_unknown_once_a_service_line_is_chosen(marts):
    assert channels.build(marts, NARROW).tables["channels"].frame["sessions"].isna().all()


def test_money_in_another_currency_is_named_and_in_no_total(marts, tables):
    euros = tables["spend"].query("currency == 'EUR'")["spend_micros"].sum() / 1e6
    note = next(note for note in overview.build(marts, RECENT).notes if "currencies" in note)
    assert formats.money(euros, "EUR") in note


def test_spend_that_a_filter_cannot_place_is_named(marts):
    view = overview.build(marts, replace(RECENT, locations=("North",)))
    assert any("belongs to no location" in note for note in view.notes)


def test_models_are_compared_on_the_same_conversions(marts, tables):
    view = attribution.build(marts, NARROW)
    table = view.tables["credit"].frame.set_index("channel")
    credit = within(tables["credit"], NARROW).query("kind == 'booked'")
    wide = credit.pivot_table(
        index="channel", columns="model", values="conversions", aggfunc="sum", fill_value=0
    )
    shares = wide / wide.sum()
    assert "unattributed" not in table.index
    for channel in table.index:
        for model in MODELS:
            if model == "incremental" and channel in credit_fixture.INSIDE:
                assert pd.isna(table.loc[channel, model])
                shares.loc[channel, model] = float("nan")
                continue
            assert table.loc[channel, model] == pytest.approx(wide.loc[channel, model])
        spread = shares.loc[channel].max() - shares.loc[channel].min()
        assert table.loc[channel, "spread"] == pytest.approx(spread)
    assert table["spread"].is_monotonic_decreasing
    ranks = view.tables["ranks"].frame.set_index("channel")
    assert ranks.loc[wide.drop("unattributed")["markov"].idxmax(), "markov"] == 1


def test_removal_effects_are_those_of_the_kind(marts, tables):
    view = attribution.build(marts, replace(RECENT, kind="kept"))
    expected = tables["removal_effect"].query("kind == 'kept'")["removal_effect"].max()
    assert view.tables["effects"].frame["removal_effect"].iloc[0] == expected
    assert formats.rate(expected) in view.figures["effects"].alt


def test_lift_is_the_difference_of_two_shares(marts, tables):
    view = reactivation.build(marts, RECENT)
    frame = tables["reactivation"]
    frame = frame[frame["cohort_month"] >= RECENT.since.replace(day=1)]
    arms = frame.query("campaign == 'Annual check-up'").groupby("arm")[["silent", "kept"]].sum()
    shares = arms["kept"] / arms["silent"]
    row = view.tables["campaigns"].frame.set_index("campaign").loc["Annual check-up"]
    assert row["lift"] == pytest.approx(shares["treated"] - shares["holdout"])
    assert row["lift_low"] < row["lift"] < row["lift_high"]


def test_lift_interval_agrees_with_scipy():
    from scipy.stats import norm

    effect = reactivation.lift(60, 400, 20, 300)
    assert effect is not None
    difference, low, high = effect
    error = (0.15 * 0.85 / 400 + (1 / 15) * (14 / 15) / 300) ** 0.5
    assert difference == pytest.approx(60 / 400 - 20 / 300)
    assert (low, high) == pytest.approx(norm.interval(0.95, difference, error))
    assert reactivation.lift(1, 0, 0, 5) is None


def test_funnel_counts_those_treated(marts, tables):
    frame = tables["reactivation"]
    treated = frame[
        (frame["cohort_month"] >= RECENT.since.replace(day=1)) & (frame["arm"] == "treated")
    ]
    view = reactivation.build(marts, RECENT)
    people = view.tables["funnel"].frame["people"].tolist()
    assert people[:-1] == [treated[stage].sum() for stage in reactivation.STAGES[:-1]]
    assert people[:-1] == sorted(people[:-1], reverse=True)
    # No cohort of the last thirteen weeks can have kept a second visit in time.
    assert pd.isna(people[-1])
    bars = view.figures["funnel"].spec["data"][0]
    assert (bars["x"][-1], bars["text"][-1]) == (0, "too early")
    assert view.tables["campaigns"].frame["retained"].isna().all()


def test_retained_counts_cohorts_that_are_old_enough(marts, tables):
    view = reactivation.build(marts, Scope(made_up.weeks()[0], LAST))
    frame = tables["reactivation"].query("arm == 'treated'")
    months = frame["cohort_month"]
    old = frame[months <= LAST + timedelta(days=6 - 270)]
    last = view.tables["funnel"].frame.iloc[-1]
    assert last["people"] == old["retained"].sum() < frame["retained"].sum()
    assert last["of_previous"] == pytest.approx(old["retained"].sum() / old["kept"].sum())
    first = min(months[months > LAST + timedelta(days=6 - 270)])
    assert any(f"since {first:%B %Y} was retained" in note for note in view.notes)


def test_reactivation_says_which_cohorts_it_shows(marts, monkeypatch):
    said = "Cohorts of August to November 2026"
    view = reactivation.build(marts, RECENT)
    assert view.notes[0].startswith(said)
    assert view.figures["funnel"].alt.startswith(said)
    none = return_queries.reactivation(marts, RECENT, "USD").query("arm == 'none'")
    monkeypatch.setattr(return_queries, "reactivation", lambda *_: none)
    view = reactivation.build(marts, RECENT)
    assert view.tables["untouched"].note.startswith(said)
    assert any("still maturing" in note for note in view.notes)
    monkeypatch.setattr(return_queries, "reactivation", lambda *_: none.head(0))
    assert reactivation.build(marts, RECENT).empty.startswith(said)


def test_the_lift_shows_how_sure_it_is_and_where_nought_is(marts):
    view = reactivation.build(marts, RECENT)
    card = next(each for each in view.metrics if each.name == "lift")
    assert re.fullmatch(r"95%: [+−][0-9.]+ to [+−][0-9.]+", card.interval)
    axis = view.figures["lift"].spec["layout"]["xaxis"]
    assert (axis["rangemode"], axis["ticksuffix"]) == ("tozero", " pts")
    dots = view.figures["lift"].spec["data"][0]["x"]
    assert dots == pytest.approx((view.tables["campaigns"].frame["lift"] * 100).tolist())


def test_without_a_campaign_the_page_shows_who_came_back_unasked(marts, tables, monkeypatch):
    cohorts = return_queries.reactivation(marts, RECENT, "USD").query("arm == 'none'")
    monkeypatch.setattr(return_queries, "reactivation", lambda *_: cohorts)
    table = reactivation.build(marts, RECENT).tables["untouched"]
    assert table.frame["silent"].sum() == cohorts["silent"].sum()
    assert "no campaign contacted any" in table.note


def test_weeks_begin_where_spend_is_known(tmp_path):
    home = made_up.make_home(tmp_path / "home", spend_since=made_up.weeks()[20])
    assert queries.about(queries.Marts(home, 1, protected=False)).first_week == made_up.weeks()[20]


def test_a_very_long_period_is_drawn_in_steps_of_four_weeks(marts, monkeypatch):
    monkeypatch.setattr(overview, "MAX_STEPS", 20)
    view = overview.build(marts, Scope(made_up.weeks()[0], LAST))
    line = view.figures["demand"].spec["data"][0]
    weekly = view.tables["weekly"].frame.sort_values("week")["leads"]
    assert len(line["y"]) == made_up.WEEKS // 4
    assert line["y"][-1] == weekly.iloc[-4:].sum()
    assert view.figures["demand"].title == "Patients by four weeks"


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


def in_quarters(frame: pd.DataFrame, lines: tuple[str, ...] = LINES) -> pd.DataFrame:
    """The booked journeys of the quarters that RECENT touches."""
    recent = (frame["quarter"] >= date(2026, 7, 1)) & (frame["kind"] == "booked")
    return frame[recent & frame["service_line"].isin(lines)]


@pytest.mark.parametrize("scope", [RECENT, NARROW], ids=["everything", "filtered"])
def test_journeys_are_those_of_the_quarters(marts, tables, scope):
    view = journeys.build(marts, scope)
    expected = in_quarters(tables["paths"], scope.service_lines or LINES)["journeys"].sum()
    assert metric(view, "journeys") == expected
    listed = view.tables["paths"].frame
    assert listed["journeys"].sum() == expected
    paths = listed["path"].tolist()
    assert "Other" not in paths[:-1]
    assert "Other" in paths
    assert view.tables["flows"].frame["journeys"].sum() == expected


def test_percentiles_are_weighted_by_journeys(marts, tables):
    lags = in_quarters(tables["path_lags"]).query("measure == 'days'")
    weighted = (lags["p50"] * lags["journeys"]).sum() / lags["journeys"].sum()
    assert metric(journeys.build(marts, RECENT), "journey_days") == pytest.approx(weighted)


def test_a_path_s_rate_is_its_share_of_conversions(marts, tables):
    row = journeys.build(marts, RECENT).tables["paths"].frame.set_index("path").loc["Email"]
    email = in_quarters(tables["paths"]).query("step_1 == 'email' and step_2 == ''")
    converted = email.loc[email["outcome"] == "converted", "journeys"].sum()
    assert row["path_rate"] == pytest.approx(converted / email["journeys"].sum())


def test_what_enters_a_channel_of_the_flows_leaves_it(marts):
    trace = journeys.build(marts, RECENT).figures["flows"].spec["data"][0]
    link = pd.DataFrame({name: trace["link"][name] for name in ("source", "target", "value")})
    into, out = link.groupby("target")["value"].sum(), link.groupby("source")["value"].sum()
    between = into.index.intersection(out.index)
    assert len(between)
    assert (into[between] == out[between]).all()


@pytest.mark.parametrize("kind", ["kept", "collected"])
def test_of_other_kinds_only_the_weeks_are_followed(marts, kind):
    view = journeys.build(marts, replace(RECENT, kind=kind))
    assert list(view.figures) == ["cohorts"]
    assert "Choose one of these" in view.notes[0]
    assert {"cohorts"} == view.tables.keys()


def of_leads(tables, kind, lines=LINES, scope=RECENT):
    """The cohorts of leads of a scope, followed to a kind of conversion."""
    frame = tables["cohorts"].query("kind_from == 'lead' and kind_to == @kind")
    weeks = frame["week"].between(scope.since, scope.until)
    return frame[weeks & frame["service_line"].isin(lines)]


@pytest.mark.parametrize("lines", [(), ("cardiology", "dermatology")], ids=["all", "two lines"])
def test_each_week_s_leads_are_followed_to_what_they_became(marts, tables, lines):
    view = journeys.build(marts, replace(RECENT, service_lines=lines))
    rows = of_leads(tables, "booked", lines or LINES).groupby("week")
    shown = view.tables["cohorts"].frame.set_index("week").sort_index()
    assert shown["cohort_size"].tolist() == rows["entered"].sum().tolist()
    share = rows["arrived"].sum() / rows["entered"].sum()
    assert shown["cohort_rate"].tolist() == pytest.approx(share.tolist())
    final = rows["expected"].sum() / rows["entered"].sum()
    assert shown["cohort_final"].tolist() == pytest.approx(final.tolist())
    miss = rows.apply(lambda each: ((each["high"] - each["expected"]) ** 2).sum()) ** 0.5
    reach = (shown["high"] - shown["cohort_final"]) * shown["cohort_size"]
    assert reach.tolist() == pytest.approx(miss.tolist())
    assert shown["immature"].tolist() == [False] * 11 + [True] * 2


def test_bars_of_young_weeks_are_whole_and_marked(marts):
    view = journeys.build(marts, RECENT)
    solid, hatched, reach = view.figures["cohorts"].spec["data"]
    table = view.tables["cohorts"].frame.sort_values("week")
    tops = [one + other for one, other in zip(solid["y"], hatched["y"], strict=True)]
    assert tops == pytest.approx(table["cohort_final"].tolist())
    assert hatched["y"][0] == 0 < hatched["y"][-1]
    assert reach["x"] == [f"{LAST - timedelta(weeks=1)}", f"{LAST}"]
    assert reach["y"] == pytest.approx(tops[-2:])
    assert all(above > 0 for above in reach["error_y"]["array"])
    (border,) = view.figures["cohorts"].spec["layout"]["shapes"]
    assert border["x0"] == "2026-11-05 12:00:00"  # half a bar before the Monday of the first
    assert "newest 2 weeks" in view.figures["cohorts"].alt


def test_of_money_visits_are_followed(marts, tables):
    frame = tables["cohorts"].query("kind_from == 'kept' and kind_to == 'collected'")
    frame = frame[frame["week"].between(RECENT.since, RECENT.until)]
    shown = journeys.build(marts, replace(RECENT, kind="collected")).tables["cohorts"].frame
    assert shown["visit_money"].sum() == pytest.approx(frame["arrived"].sum() / 1e6)
    assert shown["visit_money_final"].sum() == pytest.approx(frame["expected"].sum() / 1e6)


def test_what_leads_still_owe_is_said_with_its_weeks(marts, tables):
    owed = of_leads(tables, "new_patient").query("maturity < 0.9")
    missing = 1 - owed["arrived"].sum() / owed["expected"].sum()
    first = formats.day(min(owed["week"]))
    said = f"about {missing:.0%} of the new patients from leads of the last 8 weeks (from {first})"
    for view in (overview.build(marts, RECENT), channels.build(marts, RECENT)):
        assert any(said in note and "CAC and ROAS" in note for note in view.notes)


def without_cohorts(monkeypatch, line):
    """As where a service line is too small: its weeks are part of others in the mart."""
    own = cohort_queries.COHORTS
    rows = sa.select(*own.c).where(own.c.service_line != line)
    monkeypatch.setattr(cohort_queries, "COHORTS", rows.subquery("cohorts"))


def test_a_line_too_small_to_estimate_is_said_with_what_all_lines_owe(marts, monkeypatch):
    scope = replace(RECENT, service_lines=("cardiology",))
    whole = next(n for n in overview.build(marts, RECENT).notes if "Not all in yet" in n)
    share = whole.split("Not all in yet: ")[1].split(" from leads")[0]
    builds = (overview.build, channels.build)
    assert not any("too few" in note for build in builds for note in build(marts, scope).notes)
    without_cohorts(monkeypatch, "cardiology")
    for build in builds:
        (said,) = (note for note in build(marts, scope).notes if "too few" in note)
        assert said.startswith("Cardiology has too few leads a week")
        assert share in said
        assert not any("too few" in note for note in build(marts, RECENT).notes)


@pytest.mark.parametrize(
    ("kind", "entered"), [("booked", "leads"), ("kept", "leads"), ("collected", "kept visits")]
)
def test_journeys_say_which_lines_are_too_small_to_follow(marts, monkeypatch, kind, entered):
    scope = replace(RECENT, kind=kind, service_lines=("cardiology",))
    assert not any("too few" in note for note in journeys.build(marts, scope).notes)
    without_cohorts(monkeypatch, "cardiology")
    view = journeys.build(marts, scope)
    assert "cohorts" not in view.figures
    said = " ".join((*view.notes, view.empty or ""))
    assert f"Cardiology has too few {entered} a week" in said


def silent_spend(monkeypatch, weeks):
    own = cohort_queries.SPEND
    last = LAST - timedelta(weeks=weeks)
    rows = sa.select(*own.c).where(own.c.week <= last)
    monkeypatch.setattr(cohort_queries, "SPEND", rows.subquery("spend"))
    return last


@pytest.mark.parametrize(("weeks", "late"), [(0, False), (1, True), (4, True), (5, False)])
def test_spend_silent_for_long_is_paused_and_not_late(marts, monkeypatch, weeks, late):
    last = silent_spend(monkeypatch, weeks)
    assert arriving.unreported(marts, RECENT) == ({"spend": last} if late else {})


def test_old_weeks_owe_nothing(marts):
    old = Scope(LAST - timedelta(weeks=40), LAST - timedelta(weeks=28))
    view = overview.build(marts, old)
    assert not any("Not all in yet" in note for note in view.notes)
    assert "shapes" not in view.figures["demand"].spec["layout"]
    assert not any("Not all in yet" in note for note in channels.build(marts, old).notes)


def test_young_weeks_are_shaded_on_overview(marts):
    figures = overview.build(marts, RECENT).figures
    (shade,) = figures["demand"].spec["layout"]["shapes"]
    assert (shade["x0"], shade["x1"]) == (f"{LAST - timedelta(weeks=7)}", f"{LAST}")
    assert "Shaded from 28 Sep 2026" in figures["demand"].alt


def test_weeks_that_a_source_has_not_reported_are_no_collapse(marts, monkeypatch):
    whole = overview.build(marts, RECENT)
    ends = {"collected": pd.Timestamp(LAST - timedelta(weeks=3))}
    monkeypatch.setattr(arriving, "reported_weeks", lambda _: ends)
    view = overview.build(marts, RECENT)
    line = view.figures["money"].spec["data"][0]
    assert line["name"] == "Collected"
    assert line["y"][-3:] == [None, None, None]
    assert line["y"][-4] > 0
    assert metric(view, "collected") == pytest.approx(sum(line["y"][:-3]))
    weekly = whole.tables["weekly"].frame.iloc[3:]
    assert metric(view, "blended_roas") == pytest.approx(
        weekly["collected"].sum() / weekly["spend"].sum()
    )
    card, before_ = (next(m for m in v.metrics if m.name == "collected") for v in (view, whole))
    assert card.before < before_.before
    assert any("Collected: nothing after the week of 26 Oct 2026" in note for note in view.notes)
    assert view.tables["weekly"].frame["blended_roas"].isna().tolist()[:4] == [True] * 3 + [False]


@pytest.mark.parametrize("build", BUILDS)
def test_nothing_to_show_says_what_to_do(marts, build):
    view = build(marts, Scope(date(2020, 1, 6), date(2020, 1, 27)))
    assert "Choose a longer period" in view.empty


@pytest.mark.parametrize("build", BUILDS)
def test_every_figure_is_described_defined_and_twinned(marts, build):
    view = build(marts, RECENT)
    assert view.figures
    for figure in view.figures.values():
        assert figure.alt.endswith(".")
        assert figure.help
        assert figure.table in view.tables
    for each in view.metrics:
        assert each.help == METRICS[each.name].help


def test_every_definition_is_a_sentence():
    for each in METRICS.values():
        assert each.sentence.endswith(".")
        assert not each.formula or each.formula.endswith(".")


def test_a_channel_keeps_its_colour():
    assert charts.channel_colour("paid_search") == charts.channel_colour("paid_search")
    assert charts.channel_colour("unattributed") == charts.GREY


SCOPES = [
    ({}, 13, LAST),
    ({"period": "4w"}, 4, LAST),
    ({"period": "all"}, made_up.WEEKS, LAST),
    ({"period": "custom", "from": "2026-10-07", "to": "2026-10-20"}, 3, date(2026, 10, 19)),
    ({"period": "custom", "from": date(2026, 10, 20), "to": "2026-10-07"}, 3, date(2026, 10, 19)),
    ({"period": "custom", "from": "0001-01-01", "to": "9999-12-31"}, made_up.WEEKS, LAST),
]


@pytest.mark.parametrize(("said", "weeks", "until"), SCOPES)
def test_periods_are_whole_weeks_within_the_data(said, weeks, until):
    scope = scope_of(ABOUT, said, service_lines=LINES, locations=PLACES)
    assert (scope.weeks, scope.until) == (weeks, until)
    assert scope.since.weekday() == 0


HOSTILE = [
    "'; drop table spend;--",
    "../../etc/passwd",
    "<script>",
    "%",
    "\x00",
    "9" * 9999,
    None,
    7,
    [],
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:12])
def test_what_is_not_known_falls_back(value):
    keys = ("period", "kind", "model", "from", "to")
    said = dict.fromkeys(keys, value) | {"service": [value, "cardiology"], "location": value}
    scope = scope_of(ABOUT, said, service_lines=LINES, locations=PLACES)
    usual = scope_of(ABOUT, {}, service_lines=LINES, locations=PLACES)
    assert scope == replace(usual, service_lines=("cardiology",))


def test_the_period_before_needs_data():
    assert before(RECENT, ABOUT) == Scope(
        RECENT.since - timedelta(weeks=13), RECENT.since - timedelta(weeks=1)
    )
    assert before(Scope(ABOUT.first_week, LAST), ABOUT) is None


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


WRITTEN = [
    (1_234_567, "money", "$1.2M"),
    (48_300, "money", "$48.3K"),
    (9_120, "money", "$9,120"),
    (63.2, "money", "$63.20"),
    (-1_500, "money", "−$1,500"),
    (0, "money", "$0"),
    (None, "money", "—"),
    (float("nan"), "ratio", "—"),
    (2.43, "ratio", "2.4x"),
    (0.1234, "rate", "12.3%"),
    (-0.05, "points", "−5.0 pts"),
    (-0.3, "count", "0"),
    (-0.001, "money", "$0.00"),
    (-0.0001, "rate", "0.0%"),
    (1_234, "count", "1,234"),
    (13_563, "count", "13,563"),
    (252_672, "count", "252.7K"),
    (date(2026, 11, 16), "day", "16 Nov 2026"),
]


@pytest.mark.parametrize(("value", "how", "text"), WRITTEN)
def test_numbers_are_written_short(value, how, text):
    assert formats.written(value, how, "USD") == text


def test_names_from_data_cannot_mark_up_a_page():
    assert formats.plain("![x](http://a.b/c)") == "\\!\\[x\\]\\(http\\:\u2060//a\\.b/c\\)"
    assert formats.plain("www.evil.example").startswith("www\u2060")
    assert "<" not in formats.label("<b onclick=x>")
    assert formats.prose("Run `caretrace refresh` *now*") == "Run `caretrace refresh` \\*now\\*"
    assert formats.prose("one ` only [x]") == "one \\` only \\[x\\]"


def test_long_names_take_two_lines_and_keep_both_ends():
    assert formats.short_label("brand") == "brand"
    assert formats.short_label("Spring check-up for silent patients", 20) == (
        "Spring check-up for<br>silent patients"
    )
    assert formats.short_label("winback_all_sms_2026_02", 20) == "winback_all_sms_2026<br>_02"
    long = formats.short_label("winback " * 6 + "everybody by text 2026", 20)
    assert long == "winback winback<br>winback wi…text 2026"
    assert formats.short_label("<b>x</b> " * 4, 20).count("<") == 1  # the break between lines


def test_ratios_of_nothing_are_undefined():
    assert ratio(5, 0) is None
    assert ratio(None, 3) is None
    assert ratio(6, 3) == 2


def test_service_lines_that_read_the_same_are_not_told_apart():
    assert journeys._quickest(["Dental", "Orthopedics"], [11.9, 12.2]) == (
        "All service lines take about as long: a median of 12 days."
    )
    assert journeys._quickest(["Dental", "Eyes", "Heart"], [9.0, 20.4, 19.6]) == (
        "Dental is quickest with a median of 9.0 days. Eyes and Heart take longest (20 days)."
    )
    assert journeys._quickest(["Dental"], [3.0]) == "Dental takes a median of 3.0 days."


def test_older_and_newer_leads_are_compared_by_what_is_expected_of_them():
    """54 of 100 booked and 58 are expected to; of the newest 30 of 100 have, and 59 will."""
    frame = pd.DataFrame(
        {
            "entered": [100.0, 100.0],
            "arrived": [54.0, 30.0],
            "expected": [58.0, 59.0],
            "immature": [False, True],
        }
    )
    said = _share_in_words(frame, "booked")
    assert "54.0% booked so far, and about 58.0% are expected to" in said
    assert "30.0% have so far, and about 59.0% are expected to" in said


@pytest.mark.parametrize("protected", [True, False])
def test_money_that_is_told_with_others_is_no_loss_to_viewers(home, monkeypatch, protected):
    """No row means nought to those who see all, and nothing known where small cells are folded."""
    told = amount_queries.credit_by_model

    def without_video(*asked):
        rows = told(*asked)
        return rows[rows["channel"] != "video"]

    monkeypatch.setattr(amount_queries, "credit_by_model", without_video)
    whole = pd.DataFrame({"channel": ["video"], "rated_spend": [100.0], "roi": [0.5]})
    marts = queries.Marts(home, 1, protected=protected)
    scope = scope_of(queries.about(marts), {}, service_lines=(), locations=())
    beside = returns.table(marts, scope, "USD", whole)
    [found] = beside.frame["incremental_roi"]
    assert pd.isna(found) if protected else found == -1
    assert ("mix_roi" in beside.frame) is not protected
