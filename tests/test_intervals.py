"""Intervals, ranks and steps on the pages are those that an independent sum of the marts gives."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import NormalDist

import credit_fixture
import duckdb
import marts_fixture as made_up
import numpy as np
import pandas as pd
import pytest

from attribution import credit_queries, queries
from attribution.models import MODELS
from attribution.models.estimate import ends_of_draws, score_interval
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.ui import charts, formats
from attribution.ui.views import attribution, channel_figures, channels, ranking

LAST = made_up.LAST_WEEK
RECENT = Scope(LAST - timedelta(weeks=12), LAST)
NARROW = replace(RECENT, service_lines=("cardiology",), locations=("North", "unassigned"))
COLLECTED = replace(RECENT, kind="collected")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marts(home: Home) -> Marts:
    return queries.Marts(home, 1, protected=False)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return made_up.tables()


def changed(home: Home, folder: Path, *statements: str) -> Marts:
    """The marts of a copy of the home after some SQL."""
    copy = Home(folder)
    copy.generation(1).mkdir(parents=True)
    source = home.generation(1) / "marts.duckdb"
    target = copy.generation(1) / "marts.duckdb"
    target.write_bytes(source.read_bytes())
    with duckdb.connect(str(target)) as database:
        for statement in statements:
            database.execute(statement)
        database.execute("checkpoint")
    return queries.Marts(copy, 1, protected=False)


def within(frame: pd.DataFrame, scope: Scope) -> pd.DataFrame:
    chosen = frame[frame["week"].between(scope.since, scope.until) & (frame["kind"] == scope.kind)]
    for column, values in (("service_line", scope.service_lines), ("location", scope.locations)):
        if values:
            chosen = chosen[chosen[column].isin(values)]
    return chosen


def parts(
    tables: dict[str, pd.DataFrame], scope: Scope, model: str, *, learn: bool = True
) -> pd.DataFrame:
    """What each group (rows) stands for in each channel's credit (columns), relearning included."""
    what = "value" if scope.kind == "collected" else "conversions"
    name, unit = f"{model}_{what}", 1e6 if what == "value" else 1
    credit = within(tables["credit_groups"], scope).pivot_table(
        index="person_group", columns="channel", values=name, aggfunc="sum", fill_value=0
    )
    credit = credit.reindex(range(100), fill_value=0) / unit
    if not learn or not MODELS[model].learned:
        return credit
    found = credit.copy()
    learned = tables["learned_groups"].query("model == @model and kind == @scope.kind")
    change = learned.pivot(index="person_group", columns="channel", values="log_change")
    leans = within(tables["credit_leans"], scope).groupby(["channel", "rival"])[name].sum() / unit
    for (one, other), lean in leans.items():
        moved = 0.99 * lean * (change[one] - change[other])
        found[one] -= moved
        found[other] += moved
    return found


def credited(marts: Marts, scope: Scope) -> pd.DataFrame:
    known = credit_queries.spreads(marts, scope, "USD")
    return credit_queries.credit_with_intervals(marts, scope, "USD", known)


def ranked(marts: Marts, scope: Scope) -> pd.DataFrame:
    known = credit_queries.spreads(marts, scope, "USD")
    return credit_queries.rank_stability(marts, scope, "USD", known)


@pytest.mark.parametrize("model", ["position", "markov"])
@pytest.mark.parametrize("scope", [RECENT, NARROW, COLLECTED], ids=["all", "narrow", "money"])
def test_an_interval_is_that_of_the_groups(marts, tables, model, scope):
    found = credited(marts, scope)
    rows = found[found["model"] == model].set_index("channel")
    each = parts(tables, scope, model)
    observed = within(tables["conversions"], scope)
    money = scope.kind == "collected"
    unit = observed["value_micros"].sum() / 1e6 / observed["conversions"].sum() if money else 1.0
    assert set(each.columns) <= set(rows.index)
    total = rows.loc[each.columns, "amount"].to_numpy()
    variance = 100 * each.var(ddof=1).to_numpy()
    # Where people are few, ten of them are lent the spread that is usual.
    some = total > 0
    filled = (parts(tables, scope, model, learn=False) != 0).sum().to_numpy()
    people = np.log(1 - np.minimum(filled, 99.999999) / 100) / np.log(0.99)
    usual = variance[some].sum() / total[some].sum()
    lent = (people * variance + 10 * usual * total) / (people + 10)
    expected = score_interval(total, np.where(filled == 100, variance, lent), unit)
    assert rows.loc[each.columns, "low"].to_numpy() == pytest.approx(expected.low, rel=1e-6)
    assert rows.loc[each.columns, "high"].to_numpy() == pytest.approx(expected.high, rel=1e-6)
    assert rows.loc[each.columns, "few"].tolist() == (filled <= 26).tolist()
    assert rows.loc["unattributed", ["low", "high"]].isna().all()


@pytest.mark.parametrize("model", ["linear", "markov"])
def test_how_often_a_channel_earns_more_is_that_of_the_difference(marts, tables, model):
    scope = replace(RECENT, model=model)
    beats = ranked(marts, scope)
    each = parts(tables, scope, model)
    credit = within(tables["credit"], scope).query("model == @model")
    total = credit.groupby("channel")["conversions"].sum()
    order = total.drop("unattributed").sort_values(ascending=False).index
    assert list(beats.index) == list(beats.columns) == list(order)
    one, other = order[1], order[3]
    deviation = np.sqrt(100 * (each[one] - each[other]).var(ddof=1))
    chance = NormalDist().cdf((total[one] - total[other]) / deviation)
    assert beats.loc[one, other] == pytest.approx(chance, rel=1e-6)
    view = attribution.build(marts, scope)
    table = view.tables["stability"].frame.set_index("channel")
    assert table.loc[one, f"over_{other}"] == pytest.approx(chance, rel=1e-6)
    assert np.isnan(table.loc[one, f"over_{one}"])


def test_the_words_about_pairs_count_only_those_that_are_drawn():
    names = [f"channel_{letter}" for letter in "abcdefghijkl"]
    beats = pd.DataFrame(0.999, index=names, columns=names)
    for row in range(8, 11):
        beats.iloc[row, row + 1] = 0.6
    figure, _table = ranking.stability(beats, RECENT)
    assert "36 of 36 pairs are told apart; each channel is told apart from the next" in figure.alt


def test_the_page_says_which_channels_cannot_be_told_apart():
    names = ["paid_search", "directory", "email", "video"]
    beats = pd.DataFrame(0.999, index=names, columns=names)
    beats.loc["paid_search", "directory"] = 0.62
    figure, _table = ranking.stability(beats, RECENT)
    assert "Paid search and Directory cannot be told apart (62%)." in figure.alt
    assert "5 of 6 pairs are told apart" in figure.alt
    beats.loc["paid_search", "email"] = 0.03  # the other one is ahead, as surely
    beats.loc["paid_search", "video"] = 0.06
    figure, _table = ranking.stability(beats, RECENT)
    assert "4 of 6 pairs are told apart" in figure.alt
    # What is not told apart must not be written as what is.
    beats.loc["paid_search", "directory"] = 0.946
    figure, _table = ranking.stability(beats, RECENT)
    assert "Paid search and Directory cannot be told apart (94%)." in figure.alt
    beats.loc["paid_search", "directory"] = 0.951
    figure, _table = ranking.stability(beats, RECENT)
    assert "each channel is told apart from the next (at least 95%)" in figure.alt
    beats.loc["paid_search", "directory"] = 0.57  # 100 times which is a little below 57
    figure, _table = ranking.stability(beats, RECENT)
    assert "(57%)" in figure.alt


def test_where_how_sure_it_is_comes_from_is_said_of_each_model():
    names = ["paid_search", "email"]
    beats = pd.DataFrame(0.9, index=names, columns=names)
    figure, _table = ranking.stability(beats, replace(RECENT, model="incremental"))
    assert "from draws" in figure.help
    assert "groups" not in figure.help
    figure, _table = ranking.stability(beats, replace(RECENT, model="linear"))
    assert "a hundred groups of people" in figure.help


def test_the_interval_table_holds_every_model_the_chosen_one_first(marts):
    view = attribution.build(marts, replace(RECENT, model="markov"))
    frame = view.tables["intervals"].frame
    assert frame["model"].iloc[0] == MODELS["markov"].title
    assert set(frame["model"]) == {MODELS[name].title for name in made_up.MODELS}
    assert (frame["low"] <= frame["amount"]).all()
    assert (frame["amount"] <= frame["high"]).all()
    assert "unattributed" not in set(frame["channel"])


def test_a_hover_tells_parts_of_a_conversion_as_the_table_does(marts):
    view = attribution.build(marts, RECENT)
    credit = view.tables["credit"].frame
    for name, model in MODELS.items():
        dots = [t for t in view.figures["ranges"].spec["data"] if t.get("name") == model.title]
        for trace in dots:
            for value, hover in zip(credit[name], trace["customdata"], strict=False):
                assert hover.startswith(f"{formats.number(value)}, ")


def test_the_chosen_model_s_interval_is_drawn(marts):
    view = attribution.build(marts, replace(RECENT, model="linear"))
    bar = next(
        trace
        for trace in view.figures["ranges"].spec["data"]
        if trace.get("name") == f"90% interval of {MODELS['linear'].title}"
    )
    credit = view.tables["credit"].frame
    rows = view.tables["intervals"].frame.query("model == @MODELS['linear'].title")
    rows = rows.set_index("channel").loc[credit["channel"].head(len(bar["x"]))]
    spans = np.array(bar["x"]) / bar["x"][0]
    widths = (rows["high"] - rows["low"]).to_numpy()
    assert spans == pytest.approx(widths / widths[0], rel=2e-3)


@pytest.mark.parametrize("scope", [RECENT, COLLECTED], ids=["booked", "collected"])
def test_channels_shows_the_same_intervals(marts, scope):
    rows = channels.build(marts, scope).tables["channels"].frame.set_index("channel")
    found = credited(marts, scope)
    found = found[found["model"] == scope.model].set_index("channel").dropna(subset=["low"])
    assert len(found) > 5
    for channel, row in found.iterrows():
        assert rows.loc[channel, "credit_low"] == pytest.approx(row["low"])
        assert rows.loc[channel, "credit_high"] == pytest.approx(row["high"])
    assert rows.loc["unattributed", ["credit_low", "credit_high"]].isna().all()


def test_a_generation_without_groups_has_credit_and_no_intervals(home, tmp_path):
    old = changed(
        home,
        tmp_path / "old",
        "drop table credit_groups",
        "drop table credit_leans",
        "drop table learned_groups",
        "drop table incremental_draws",
        "alter table removal_effect drop column low",
        "alter table removal_effect drop column high",
        "alter table removal_effect drop column markov_order",
    )
    view = attribution.build(old, RECENT)
    assert "stability" not in view.figures
    assert view.tables["intervals"].frame.empty
    assert "caretrace refresh" in view.tables["intervals"].note
    assert any("will be known after a refresh" in note for note in view.notes)
    assert view.tables["effects"].frame[["low", "high"]].isna().all(axis=None)
    assert len(view.figures["effects"].spec["data"]) == 1  # no bar without an interval
    table = channels.build(old, RECENT).tables["channels"].frame
    assert table["credit_low"].isna().all()


def test_rules_have_intervals_even_where_nothing_learned_has(home, tmp_path):
    some = changed(home, tmp_path / "some", "drop table learned_groups")
    known = credit_queries.spreads(some, RECENT, "USD")
    assert "linear" in known
    assert "markov" not in known


def test_increments_have_the_intervals_of_their_draws(marts, tables):
    scope = replace(RECENT, model="incremental")
    found = credited(marts, scope)
    rows = found[found["model"] == "incremental"].set_index("channel")
    draws = tables["incremental_draws"].query("kind == 'booked'")
    draws = draws.pivot(index="draw", columns="channel", values="multiplier") * rows["amount"]
    others = draws.drop(columns="baseline")
    draws["baseline"] = rows["amount"].sum() - others.sum(axis=1)
    for channel in rows.index:
        low, high = ends_of_draws(draws[channel].to_numpy())
        assert rows.loc[channel, "low"] == pytest.approx(low)
        assert rows.loc[channel, "high"] == pytest.approx(high)
    beats = ranked(marts, scope)
    one, other = beats.index[:2]
    assert beats.loc[one, other] == pytest.approx((draws[one] > draws[other]).mean())


def test_baseline_is_as_sure_as_what_channels_leave(marts):
    """Where no channel speaks it is all there is; where one brings half, what that one leaves."""
    scope = replace(RECENT, model="incremental")
    slices = {
        both: pd.DataFrame({"model": "incremental", "channel": names, "amount": amounts})
        for both, names, amounts in (
            (False, ["baseline"], [1000.0]),
            (True, ["baseline", "email"], [500.0, 500.0]),
        )
    }
    found = {
        both: credit_queries.intervals(marts, scope, {}, rows).set_index("channel")
        for both, rows in slices.items()
    }
    assert found[False].loc["baseline", ["low", "high"]].tolist() == [1000.0, 1000.0]
    ends = found[True][["low", "high"]]
    assert ends.loc["baseline"].tolist() == pytest.approx(1000.0 - ends.loc["email"][::-1])
    assert ends.loc["baseline", "low"] < 500 < ends.loc["baseline", "high"]


def test_what_would_have_come_anyway_is_a_row_and_no_channel(marts):
    scope = replace(RECENT, model="incremental")
    view = attribution.build(marts, scope)
    shown = view.tables["intervals"].frame
    titled = shown[shown["model"] == MODELS["incremental"].title]
    assert "baseline" in set(titled["channel"])
    assert "baseline" not in set(view.tables["credit"].frame["channel"])
    assert "baseline" not in set(view.tables["stability"].frame["channel"])
    page = channels.build(marts, scope)
    rows = page.tables["channels"].frame.set_index("channel")
    assert rows.loc["baseline", "credit_low"] < rows.loc["baseline", "booked"]
    share = rows.loc["baseline", "booked"] / rows["booked"].sum()
    assert f"{100 * share:.1f}% would have come anyway" in page.figures["credited"].alt
    known = next(each for each in page.metrics if each.name == "attributed")
    unmapped = rows.loc["unmapped", "booked"] / rows["booked"].sum()
    assert known.value == pytest.approx(1 - share - unmapped)


def test_removal_effects_come_with_their_intervals(marts, tables):
    view = attribution.build(marts, RECENT)
    expected = tables["removal_effect"].query("kind == 'booked'")
    expected = expected.sort_values(["removal_effect", "channel"], ascending=[False, True])
    shown = view.tables["effects"].frame
    for column in ("removal_effect", "low", "high"):
        assert shown[column].tolist() == pytest.approx(expected[column].tolist())
    assert "at 90%" in view.figures["effects"].alt


def test_steps_are_shares_of_what_leaves_a_channel(marts, tables):
    view = attribution.build(marts, RECENT)
    shown = view.tables["moves"].frame.set_index("origin")
    assert shown.sum(axis=1).to_numpy() == pytest.approx(np.ones(len(shown)))
    moves = tables["transitions"].query("kind == 'booked'")
    leaving = moves[moves["from_channel"] == "email"]
    share = leaving.loc[leaving["to_channel"] == "(conversion)", "moves"].sum()
    assert shown.loc["Email", "to_(conversion)"] == pytest.approx(share / leaving["moves"].sum())
    assert shown.index[0] == "Start"
    # Kinds whose journeys are not kept have no such figure, and the page says so.
    other = attribution.build(marts, COLLECTED)
    assert "moves" not in other.figures
    assert any("Steps of journeys are kept for" in note for note in other.notes)


def test_rare_channels_are_folded_into_one_row(home, tmp_path):
    many = changed(
        home,
        tmp_path / "many",
        "delete from transitions",
        "insert into transitions select 'booked', 'channel_' || i, '(conversion)', 100 - i"
        " from range(20) as t (i)",
        "insert into transitions select 'booked', '(start)', 'channel_' || i, 100 - i"
        " from range(20) as t (i)",
    )
    shown = attribution.build(many, RECENT).tables["moves"].frame.set_index("origin")
    assert list(shown.index[:3]) == ["Start", "Channel 0", "Channel 1"]
    assert shown.index[-1] == "Other"
    every = sum(range(81, 101))
    assert shown.loc["Start", "to_other"] == pytest.approx(1 - sum(range(93, 101)) / every)


def test_display_and_video_can_be_told_apart():
    assert charts.channel_colour("display") != charts.channel_colour("video")
    families = {charts.channel_colour(name) for name in ("paid_search", "paid_social", "email")}
    assert charts.channel_colour("video") not in families | {charts.GREY}


def test_incremental_credit_says_what_it_rests_on(marts):
    view = attribution.build(marts, RECENT)
    table = view.tables["evidence"]
    rows = table.frame.set_index("channel")
    assert table.frame["channel"].iloc[0] == "baseline"
    assert "3 places over 58 weeks" in table.note
    held = rows[rows["evidence"].str.contains("holdouts")].index
    assert len(held)
    note = next(note for note in view.notes if "calibrated" in note)
    assert all(formats.title(channel) in note for channel in held)
    assert (rows["low"] <= rows["amount"]).all()
    assert (rows["amount"] <= rows["high"]).all()


def test_credit_inside_baseline_is_unknown_and_not_nought(marts):
    """A model that cannot tell of a channel must not make others seem to differ from it."""
    (inside,) = credit_fixture.INSIDE
    view = attribution.build(marts, replace(RECENT, model="incremental"))
    row = view.tables["credit"].frame.set_index("channel").loc[inside]
    shares = row[[name for name in MODELS if name != "incremental"]].astype("float64")
    assert pd.isna(row["incremental"])
    total = credited(marts, RECENT).query("model == 'linear'")["amount"].sum()
    assert row["spread"] == pytest.approx((shares.max() - shares.min()) / total)
    ranks = view.tables["ranks"].frame.set_index("channel")
    assert pd.isna(ranks.loc[inside, "incremental"])
    own = ranks.loc[inside].drop(["places", "incremental"])
    assert ranks.loc[inside, "places"] == own.max() - own.min()
    assert inside not in set(view.tables["stability"].frame["channel"])
    rows = view.tables["intervals"].frame
    titled = rows[rows["model"] == MODELS["incremental"].title]
    assert inside not in set(titled["channel"])
    place = list(view.tables["credit"].frame["channel"]).index(inside)
    traces = {each.get("name"): each for each in view.figures["ranges"].spec["data"]}
    assert traces[MODELS["incremental"].title]["x"][place] is None
    assert traces[MODELS["linear"].title]["x"][place] is not None


def test_the_headline_leaves_out_a_model_that_cannot_tell():
    drawn = pd.DataFrame(
        {"channel": ["call"], "first": [30.0], "linear": [20.0], "incremental": [np.nan]}
    ).assign(total=100.0)
    said = attribution._widest(drawn, ["Call"])
    assert "from 20.0% (Linear) to 30.0%" in said
    assert "Incremental" not in said


def test_channels_shows_credit_inside_baseline_as_unknown(marts):
    (inside,) = credit_fixture.INSIDE
    rows = channels.build(marts, replace(RECENT, model="incremental")).tables
    shown = ["leads", "booked", "kept", "new_patients", "collected", "cac", "credit_low"]
    whole = rows["channels"].frame.set_index("channel")
    assert whole.loc[inside, shown].isna().all()
    assert whole.loc["offline_media", shown].notna().all()
    parts = rows["campaigns"].frame.query("channel == @inside")
    assert parts["booked"].isna().all()
    notes = channels.build(marts, replace(RECENT, model="incremental")).notes
    assert any(f"{formats.title(inside)}: nothing says how hard" in note for note in notes)
    other = channels.build(marts, RECENT).tables["channels"].frame.set_index("channel")
    assert other.loc[inside, ["booked", "collected"]].notna().all()


def test_a_channel_of_which_too_little_is_known_is_not_said_to_pay(marts, tables):
    rows = tables["incremental"].query("kind == 'collected' and evidence == 'not identified'")
    unsure = set(rows["channel"])
    asked = channels.build(marts, replace(RECENT, model="incremental"))
    frame = asked.tables["channels"].frame
    paid = frame[(frame["spend"] > 0) & (frame["collected"] > 0)]
    sure = paid[~paid["channel"].isin(unsure)]
    assert 0 < len(sure) < len(paid)
    paying = int((sure["roas"] >= 1).sum())
    caption = asked.figures["return"].alt
    assert f"{paying} of {len(sure)} channels with spend and evidence earn" in caption
    assert not any(formats.title(name) in caption for name in unsure)
    assert "too little is known to tell" in asked.notes[0]
    assert all(formats.title(name) in asked.notes[0] for name in unsure & set(frame["channel"]))
    assert any("do not rank campaigns" in note for note in asked.notes)
    other = channels.build(marts, RECENT)
    assert not any("too little is known" in note for note in other.notes)


def test_where_too_little_is_known_of_all_no_return_is_named():
    drawn = pd.DataFrame({"channel": ["display"], "spend": [99], "roas": [3]})
    said = channel_figures.return_in_words(drawn, ["video"], 2.0, frozenset({"display", "video"}))
    assert said == "Of no channel with spend is enough known to tell what it returns."


def test_what_is_in_no_row_is_said_with_the_ranges(marts):
    found = credited(marts, RECENT).pivot_table(
        index="channel", columns="model", values="amount", aggfunc="sum"
    )
    shares = found / found.sum()
    lost = formats.rate(shares.loc["unattributed", "linear"])
    anyway = formats.rate(shares.loc["baseline", "incremental"])
    both = attribution._in_no_row(
        credited(marts, RECENT).query("model in ['linear','incremental']")
    )
    expected = f"In no row: {lost} with no known touch; under Incremental {anyway} that would have"
    assert expected in both
    assert "would have come anyway" in attribution.build(marts, RECENT).figures["ranges"].alt


def test_a_removal_effect_is_not_told_as_a_loss(marts):
    figure = attribution.build(marts, RECENT).figures["effects"]
    assert "of conversions of the chain run through" in figure.alt
    assert "Not a lift: people find other ways." in figure.alt
    assert "would be lost" not in str(figure.spec)


def test_baseline_rests_on_what_is_left(marts):
    rows = attribution.build(marts, RECENT).tables["evidence"].frame.set_index("channel")
    assert rows.loc["baseline", "evidence"] == "What is left"
    assert (rows["evidence"] == "What is left").sum() == 1
