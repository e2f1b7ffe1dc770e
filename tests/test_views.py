"""Views say what an independent computation over the marts says."""

from dataclasses import replace
from datetime import date, timedelta

import credit_fixture
import marts_fixture as made_up
import pandas as pd
import pytest
import sqlalchemy as sa

from attribution import amount_queries, cohort_queries, queries
from attribution.metrics import KINDS, METRICS
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.ui import charts, draw_table, formats
from attribution.ui.scope import scope_of
from attribution.ui.view import Column, Table, View, with_parts
from attribution.ui.views import (
    arriving,
    attribution,
    channel_figures,
    channels,
    journeys,
    overview,
    reactivation,
    returns,
)

LAST = made_up.LAST_WEEK
RECENT = Scope(LAST - timedelta(weeks=12), LAST)
NARROW = replace(RECENT, service_lines=("cardiology",), locations=("North", "unassigned"))
BUILDS = [
    overview.build,
    channels.build,
    attribution.build,
    journeys.build,
    reactivation.build,
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marts(home: Home) -> Marts:
    return queries.Marts(home, 1, protected=False)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return made_up.tables()


def within(frame: pd.DataFrame, scope: Scope) -> pd.DataFrame:
    chosen = frame[frame["week"].between(scope.since, scope.until)]
    for column, values in (("service_line", scope.service_lines), ("location", scope.locations)):
        if values:
            chosen = chosen[chosen[column].isin(values)]
    return chosen


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
    table = overview.build(made_up.unplaced(marts, tables, "Brand"), RECENT).tables["service_lines"]
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
    view = channels.build(made_up.unplaced(marts, tables, "Brand"), line)
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
    assert "Display returns most (3.0x), Video least (0.5x)." in words
    alone = channel_figures.return_in_words(drawn.tail(1), [], 2.0)
    assert alone == "0 of 1 channels with spend earn at least what they cost. Video returns 0.5x."


def test_channels_that_a_figure_has_no_room_for_are_in_its_words():
    names = ("channel", "spend", "collected", "roas", "conversions")
    frame = pd.DataFrame([(f"c{i}", 9.0, 18.0, 2.0, 1.0) for i in range(30)], columns=names)
    whole = frame.assign(collected_spend=9.0, rated_collected=18.0)
    drawn = channel_figures.return_figure(whole, "USD", frozenset())
    assert drawn.alt.startswith("30 of 30 channels with spend earn at least what they cost.")
    assert drawn.alt.endswith(" Drawn are 24 of 30; the table has all.")


def test_a_channel_that_is_credited_with_no_money_counts_among_those_that_do_not_pay():
    drawn = pd.DataFrame({"channel": ["email", "display"], "spend": [90, 99], "roas": [3, 0.4]})
    assert channel_figures.return_in_words(drawn, ["video"], 2.0) == (
        "1 of 3 channels with spend earn at least what they cost. Of those with at least 1% of "
        "spend, Email returns most (3.0x), Display least (0.4x) of those with any. No money is "
        "credited to Video."
    )


def test_parts_of_a_conversion_are_not_written_as_none(marts):
    """Credit of a narrow filter: a bar of 0 and a cost of a patient beside 0 patients tell lies."""
    columns = ("channel", "known", "conversions", "collected", "credit_low", "credit_high")
    rows = [("video", True, 0.16, 0.0, 0.0, 0.0), ("email", True, 0.1, 0.0, 0.0, 0.0)]
    frame = pd.DataFrame(rows, columns=columns)
    drawn = channel_figures.credited_figure(frame, RECENT, "USD")
    assert drawn.spec["data"][0]["text"] == ["0.2", "0.1"]
    assert "Video leads with 0.2" in drawn.alt
    mixed = frame.assign(conversions=[14.2, 0.16])
    drawn = channel_figures.credited_figure(mixed, RECENT, "USD")
    assert drawn.spec["data"][0]["text"] == ["14", "0.2"]
    shown = (
        Column("conversions", "Booked visits", "count"),
        Column("collected", "Visits", "count"),
    )
    table = Table("T", shown, frame[["conversions", "collected"]])
    assert [each.format for each in with_parts(table).columns] == ["number", "count"]
    known = pd.DataFrame({"conversions": [0.16, None], "collected": [None, None]}, dtype=object)
    some = with_parts(replace(table, frame=known))
    assert [each.format for each in some.columns] == ["number", "count"]
    whole = with_parts(replace(table, frame=table.frame + 7))
    assert [each.format for each in whole.columns] == ["count", "count"]


def test_a_month_is_written_without_a_day():
    written = [
        draw_table._column(Column(name, name, "day"), "USD", pinned=False)["type_config"]["format"]
        for name in ("month", "week")
    ]
    assert written == ["MMM YYYY", "D MMM YYYY"]


@pytest.mark.parametrize(
    ("written", "signed"),
    [("12", "+12"), ("−3", "−3"), ("0", "0"), ("€0.00", "€0.00"), ("€0.40", "+€0.40"), ("—", "—")],
)
def test_only_what_is_not_nought_has_a_sign(written, signed):
    assert formats.signed(written) == signed


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


def silent_spend(monkeypatch, weeks):
    own = cohort_queries.SPEND
    last = LAST - timedelta(weeks=weeks)
    rows = sa.select(*own.c).where(own.c.week <= last)
    monkeypatch.setattr(cohort_queries, "SPEND", rows.subquery("spend"))
    return last


@pytest.mark.parametrize(("weeks", "late"), [(0, False), (1, True), (4, True), (5, False)])
def test_spend_silent_for_long_is_paused_and_not_late(marts, monkeypatch, weeks, late):
    last = silent_spend(monkeypatch, weeks)
    # The last week that is spoken of is hardly a whole one.
    told = {"spend": last - timedelta(weeks=1)}
    assert arriving.unreported(marts, RECENT) == (told if late else {})


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


@pytest.mark.parametrize("protected", [True, False])
def test_money_that_is_told_with_others_is_no_loss_to_viewers(home, monkeypatch, protected):
    """No row means nought to those who see all, and nothing known where small cells are folded."""
    told = amount_queries.credit_by_campaign

    def without_video(*asked):
        rows = told(*asked)
        return rows[rows["channel"] != "video"]

    monkeypatch.setattr(amount_queries, "credit_by_campaign", without_video)
    whole = pd.DataFrame({"channel": ["video"], "collected_spend": [100.0], "roi": [0.5]})
    marts = queries.Marts(home, 1, protected=protected)
    about = queries.about(marts)
    scope = scope_of(about, {}, service_lines=(), locations=())
    beside = returns.table(marts, scope, about, whole, whole.assign(campaign=""), {})
    [found] = beside.frame["incremental_roi"]
    assert pd.isna(found) if protected else found == -1
    assert ("mix_roi" in beside.frame) is not protected


def test_of_names_that_read_alike_each_can_be_chosen():
    called = formats.apart(("Cardiology", "cardiology", "primary_care", ""))
    told = [called(name) for name in ("Cardiology", "cardiology", "primary_care")]
    assert told == ["Cardiology", "cardiology", "Primary care"]
    assert called("unknown") == "Unknown"
