"""Reactivation says what an independent computation over the marts says."""

import re
from datetime import date, timedelta

import duckdb
import marts_fixture as made_up
import pandas as pd
import pytest

from attribution import (
    experience_queries,
    path_queries,
    queries,
    return_queries,
    step_queries,
)
from attribution.models.share_lift import groups_apart, lift, lift_of_groups
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.ui import formats
from attribution.ui.views import experience, reach, reactivation

LAST = made_up.LAST_WEEK
RECENT = Scope(LAST - timedelta(weeks=12), LAST)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def marts(home: Home) -> Marts:
    return queries.Marts(home, 1, protected=False)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return made_up.tables()


def by_months(cohorts):
    """The differences of each month's shares, weighed by treated x held out / both."""
    counts = cohorts.pivot_table(
        index="cohort_month", columns="arm", values=["silent", "kept"], aggfunc="sum"
    )
    shares, people = counts["kept"] / counts["silent"], counts["silent"]
    weight = people["treated"] * people["holdout"] / (people["treated"] + people["holdout"])
    return ((shares["treated"] - shares["holdout"]) * weight).sum() / weight.sum()


def test_lift_is_the_difference_of_two_shares(marts, tables):
    view = reactivation.build(marts, RECENT)
    frame = tables["reactivation"]
    frame = frame[frame["cohort_month"] >= RECENT.since.replace(day=1)]
    row = view.tables["campaigns"].frame.set_index("campaign").loc["Annual check-up"]
    assert row["lift"] == pytest.approx(by_months(frame.query("campaign == 'Annual check-up'")))
    assert row["lift_low"] < row["lift"] < row["lift_high"]


def test_cohorts_of_before_anybody_was_held_out_are_shown_and_not_compared(tmp_path, tables):
    """By the page, by what a message adds, and by the money beside the credit alike."""
    home = made_up.make_home(tmp_path / "home")
    name, newest = "Annual check-up", LAST.replace(day=1)
    since = (newest - timedelta(days=200)).replace(day=1)
    with duckdb.connect(str(home.generation(1) / "marts.duckdb")) as database:
        for mart in ("reactivation", "reactivation_steps"):
            database.execute(
                f"delete from {mart} where campaign = ? and arm = 'holdout' and cohort_month < ?",
                [name, since],
            )
    marts, whole = queries.Marts(home, 1, protected=False), Scope(made_up.weeks()[0], LAST)
    frame = tables["reactivation"].query("campaign == @name")
    later = frame[frame["cohort_month"] >= since]
    arms = later.groupby("arm")[["silent", "kept"]].sum()
    view = reactivation.build(marts, whole)
    row = view.tables["campaigns"].frame.set_index("campaign").loc[name]
    assert row["silent"] == frame.query("arm == 'treated'")["silent"].sum() > row["compared"]
    assert (row["compared"], row["held_out"]) == tuple(arms.loc[["treated", "holdout"], "silent"])
    assert row["lift"] == pytest.approx(by_months(later))
    old = later[later["cohort_month"] <= (pd.Timestamp(newest) - return_queries.OLD_ENOUGH).date()]
    added = return_queries.return_lift(marts).query("channel == 'outreach_email'")
    assert added["treated"].sum() == old.query("arm == 'treated'")["silent"].sum()
    gains = step_queries.gains(marts, whole, "USD").set_index("campaign")
    steps = tables["reactivation_steps"].query("campaign == @name and arm == 'treated'")
    assert gains.loc[name, "treated"] == steps[steps["cohort_month"] >= since]["people"].sum()


def test_lift_interval_agrees_with_scipy():
    from scipy.stats import norm

    effect = lift(60, 400, 20, 300)
    assert effect is not None
    difference, low, high = effect
    one, other = 61 / 402, 21 / 302
    error = (one * (1 - one) / 402 + other * (1 - other) / 302) ** 0.5
    assert difference == pytest.approx(60 / 400 - 20 / 300)
    assert (low, high) == pytest.approx(norm.interval(0.95, one - other, error))
    assert lift(1, 0, 0, 5) is None


@pytest.mark.parametrize(("kept", "held_kept"), [(100, 0), (900, 3)])
def test_a_holdout_of_three_who_did_alike_explains_nothing(kept, held_kept):
    """None of three came, or all: of a hundred such holdouts many would look so by chance."""
    effect = lift(kept, 1000, held_kept, 3)
    assert effect is not None
    assert effect[0] == pytest.approx(kept / 1000 - held_kept / 3)
    assert -1 <= effect[1] < 0 < effect[2] <= 1


def test_people_are_held_against_those_held_out_of_their_own_campaign():
    """One campaign brings ten points to those of whom few come, another nothing and holds nobody
    out, and a third holds half out of those who come anyway.
    """
    columns = ["treated", "treated_kept", "held_out", "held_out_kept"]
    groups = pd.DataFrame(
        [[900, 180, 100, 10], [5000, 250, 0, 0], [500, 350, 500, 300]], columns=columns
    )
    found = lift_of_groups(groups)
    assert found is not None
    assert found[0] == pytest.approx(0.1)  # put together: 780 of 6,400 less 310 of 600, -0.39
    assert 0 < found[1] < 0.1 < found[2] < 0.2
    assert lift_of_groups(groups[:1]) == pytest.approx(lift(180, 900, 10, 100))
    assert lift_of_groups(groups[1:2]) is None


def test_campaigns_are_called_in_words_as_flows_are_elsewhere(marts, monkeypatch):
    asked = return_queries.reactivation

    def flows(*which):
        return asked(*which).replace("Annual check-up", "recall_dental_2026")

    monkeypatch.setattr(return_queries, "reactivation", flows)
    view = reactivation.build(marts, RECENT)
    for name in ("campaigns", "rates"):
        assert "Recall dental 2026" in set(view.tables[name].frame["campaign"])
    assert "Recall dental 2026" in "".join(map(str, view.figures["lift"].spec["data"]))


def test_the_lift_of_one_campaign_is_told_of_one(marts):
    whole = reactivation.build(marts, Scope(made_up.weeks()[0], LAST))
    campaigns = whole.tables["campaigns"].frame.dropna(subset=["lift"])
    unsure = campaigns.head(1).assign(lift_low=-0.1, lift_high=0.2)
    said = [
        reactivation._lift(frame).alt for frame in (unsure, unsure.assign(lift_low=0.1), campaigns)
    ]
    assert said[0].startswith("The one campaign does not differ from its holdout by more")
    assert said[1].startswith("The one campaign differs from its holdout by more")
    assert f"of {len(campaigns)} campaigns differ" in said[2]


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
    assigned = (pd.to_datetime(months) + pd.offsets.MonthEnd()).dt.date  # so late, some of them
    old = frame[assigned <= LAST + timedelta(days=6 - 270)]
    last = view.tables["funnel"].frame.iloc[-1]
    assert last["people"] == old["retained"].sum() < frame["retained"].sum()
    assert last["of_previous"] == pytest.approx(old["retained"].sum() / old["kept"].sum())
    first = min(months[assigned > LAST + timedelta(days=6 - 270)])
    assert first <= LAST + timedelta(days=6 - 270)  # its first people have had the time
    assert any(f"since {first:%B %Y} was retained" in note for note in view.notes)


def test_viewers_are_not_told_that_it_is_too_early_for_what_they_are_never_told(home, marts):
    span = Scope(made_up.weeks()[0], LAST)
    view = reactivation.build(queries.Marts(home, 1, protected=True), span)
    stages = view.tables["funnel"].frame["stage"].tolist()
    assert stages == reactivation.build(marts, span).tables["funnel"].frame["stage"].tolist()[:-1]
    assert view.figures["funnel"].title == "From silent to kept"
    assert "too early" not in view.figures["funnel"].spec["data"][0]["text"]
    assert not any("too early" in note for note in view.notes)
    assert any("who have the role analyst" in note for note in view.notes)
    assert "retained" not in {column.name for column in view.tables["campaigns"].columns}


def test_the_lift_of_viewers_holds_months_whole_against_all_held_out_of_them(home, marts):
    """Those held out of a campaign are told with others', so campaigns are not told apart."""
    found = []
    for protected in (True, False):
        at = queries.Marts(home, 1, protected=protected)
        frame = return_queries.reactivation(at, RECENT, "USD")
        frame = frame if protected else frame.assign(campaign="")
        groups = groups_apart(frame.assign(beside=""), ("beside", "cohort_month"))
        [card] = [m for m in reactivation.build(at, RECENT).metrics if m.name == "lift"]
        found.append((card.value, lift_of_groups(groups)[0]))
    assert found[0][0] == pytest.approx(found[0][1])
    assert found[1][0] != pytest.approx(found[1][1])


def test_reactivation_says_which_cohorts_it_shows(marts, monkeypatch):
    said = "Cohorts of August to November 2026"
    view = reactivation.build(marts, RECENT)
    assert view.notes[0].startswith(said)
    assert view.figures["funnel"].alt.startswith(said)
    # Who was assigned on 1 August has had 90 days, who was on the 31st has not.
    assert any("Cohorts since August 2026 are still maturing" in note for note in view.notes)
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


def test_the_plan_counts_what_reaching_a_person_has_cost(marts):
    view = reach.build(marts, RECENT)
    costs = "Outreach email $0.02, Outreach SMS $0.05."
    assert f"Cost of reaching a person so far: {costs}" in view.notes
    for each in ("plan", "silent_today"):
        lines = view.tables[each].frame["service_line"]
        assert lines.tolist() == [formats.title(name) for name in lines]
    assert reach.price(0.001, "USD") == "under $0.01"
    plan = view.tables["plan"].frame
    assert len(plan)
    price = plan["channel"].map({"outreach_email": 0.02, "outreach_sms": 0.05})
    assert plan["cost"].to_numpy() == pytest.approx((plan["reach"] * price).to_numpy())


def test_months_and_quarters_that_begin_in_the_last_week_are_touched(marts, tables):
    """A week from 31 August to 6 September is of both months, and of both in their words."""
    scope = Scope(date(2026, 8, 10), date(2026, 8, 31))
    answered = experience_queries.answers(marts, scope, "month")["month"]
    cohorts = return_queries.reactivation(marts, scope, "USD")["cohort_month"]
    for months in (answered, cohorts):
        assert {f"{month:%m}" for month in months} == {"08", "09"}
    steps = tables["reactivation_steps"]
    steps = steps[steps["cohort_month"].isin([date(2026, 8, 1), date(2026, 9, 1)])]
    assert step_queries.steps(marts, scope)["people"].sum() == steps["people"].sum() > 0
    for view in (experience.build(marts, scope), reactivation.build(marts, scope)):
        assert "August to September 2026" in view.notes[0]
    begun = path_queries.path_lags(marts, Scope(date(2026, 6, 1), date(2026, 6, 29)))["quarter"]
    assert {f"{quarter:%m}" for quarter in begun} == {"04", "07"}
