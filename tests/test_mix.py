"""The mix model: laws of carry-over and curves, what a known world teaches, and what tests add."""

import sys
from datetime import date, timedelta

import duckdb
import marts_fixture as made_up
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution import mix_bayes, mix_queries, queries
from attribution.errors import BadInput
from attribution.mix_tests import point, points
from attribution.models import mix, mix_weeks
from attribution.models.incremental_design import carried, cells_of, media_of
from attribution.models.incremental_evidence import terms_of
from attribution.models.mix_design import HALVES, KEPT, Experiment, courses_of
from attribution.models.mix_weeks import FEWEST_WEEKS, WARM_UP, lent
from attribution.models.response import Curves

few = settings(max_examples=25, deadline=None)
amounts = st.floats(0, 1e6, allow_nan=False)
WEEKS = 104
SEEN = np.arange(WEEKS) >= WARM_UP
MONDAY = date(2024, 11, 25)


@few
@given(st.lists(amounts, min_size=1, max_size=30), st.sampled_from(KEPT))
def test_carry_over_keeps_the_mass_of_what_was_spent(spent, kept):
    """Nothing before, and long enough after: what is left over all weeks is what was spent."""
    course = np.concatenate([np.zeros(4), spent, np.zeros(250)])
    assert carried(course, kept).sum() == pytest.approx(sum(spent), rel=1e-6, abs=1e-6)


@few
@given(st.integers(0, 9_999), st.lists(amounts, min_size=2, max_size=12, unique=True))
def test_curves_rise_and_are_concave(seed, spends):
    rng = np.random.default_rng(seed)
    curves = Curves(rng.gamma(2, 10, (7, 1)), rng.gamma(2, 1_000, (7, 1)) + 1)
    spend = np.sort(np.array(spends))
    brought = curves.along(0, spend)
    assert (np.diff(brought, axis=1) >= -1e-9).all()
    assert (brought <= curves.top).all()
    steep = np.stack([curves.marginal(np.array([at]))[:, 0] for at in spend])
    assert (np.diff(steep, axis=0) <= 1e-12).all()
    assert (curves.brings(np.zeros(1)) == 0).all()


def test_courses_are_one_in_the_mean_and_worked_by_hand():
    """A steady 100 a week, half of the ceiling at 50: 100 / 150, whatever carries over."""
    steady = np.full((1, WEEKS), 100.0)
    courses = courses_of(steady, SEEN, ["video"])
    assert courses.usual[:, :, SEEN].mean(axis=2) == pytest.approx(1.0)
    at = [number for number, half in enumerate(courses.half[0]) if half == pytest.approx(50.0)]
    assert len(at) == len(KEPT)
    assert HALVES[1] == 0.5
    assert courses.raw[0, at] == pytest.approx(2 / 3)


def test_leads_lend_their_tests_to_kinds_that_have_none_of_their_own():
    """By hand: 4,000 kept visits, a quarter as much led by media as 1,000 leads: 1 kept a lead."""
    weight = np.ones(4)
    own = Experiment(1, weight, 7.0, 1.0)
    heard = {
        "lead": [Experiment(0, weight, 50.0, 8.0), Experiment(1, weight, 20.0, 2.0)],
        "kept": [own],
    }
    counted = {"lead": np.full(4, 250.0), "kept": np.full(4, 1_000.0)}
    found = lent(heard, counted, {"lead": 1.0, "kept": 0.25})
    assert found["lead"] == heard["lead"]
    assert found["kept"][0] is own
    (said,) = found["kept"][1:]
    assert (said.channel, said.increment, said.lent) == (0, 50.0, True)
    assert said.standard_error == pytest.approx(np.hypot(8.0, 0.3 * 50.0))
    assert lent({"kept": [own]}, counted, {"kept": 1.0}) == {"kept": [own]}
    # Of visits more weeks are known than of leads, or the reverse: a lead becomes as many.
    for short, long in (("lead", "kept"), ("kept", "lead")):
        longer = {short: np.append(np.zeros(4), counted[short]), long: np.tile(counted[long], 2)}
        assert lent(heard, longer, {"lead": 1.0, "kept": 0.25})["kept"][1].increment == 50.0
    apart = {kind: np.roll(np.append(np.zeros(4), counted[kind]), 4 * (kind == "lead"))
             for kind in counted}  # fmt: skip
    assert lent(heard, apart, {"lead": 1.0, "kept": 0.25})["kept"] == [own]


def world(seed: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spend of three channels, conversions, and what each channel truly brought a week."""
    rng = np.random.default_rng(seed)
    spend = rng.gamma(2.0, 500.0, (3, WEEKS)) * (rng.uniform(size=(3, WEEKS)) > 0.3)
    level = np.stack(
        [carried(course, kept) for course, kept in zip(spend, (0, 0.4, 0.6), strict=True)]
    )
    brought = np.array([[120.0], [80.0], [0.0]]) * level / (level + 1_000)
    season = 300 + 40 * np.sin(2 * np.pi * np.arange(WEEKS) / 52.18)
    return spend, rng.poisson(season + brought.sum(axis=0)).astype(float), brought


@pytest.fixture(scope="module")
def fits() -> dict[bool, np.ndarray]:
    """Draws of what each channel brought; without a test, and with one of the second channel."""
    spend, counted, brought = world()
    weight = np.zeros(WEEKS)
    weight[40:48] = 1.0
    test = Experiment(1, weight, float(brought[1, 40:48].sum()), 5.0)
    found = {}
    for tested in (False, True):
        courses, (drawn,) = mix.fitted(
            counted[None], spend, ("paid_search", "display", "video"), SEEN,
            [[test] if tested else []], 1, draws=150,
        )  # fmt: skip
        found[tested] = mix.brought_of(courses, drawn, float(counted[SEEN].mean()), SEEN)
    return found


def test_a_world_of_which_the_truth_is_known_is_learned(fits):
    true = world()[2][:, SEEN].sum(axis=1)
    drawn = fits[False]
    assert drawn.mean(axis=0)[:2] == pytest.approx(true[:2], rel=0.35)
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    assert (low[:2] <= true[:2]).all()
    assert (true[:2] <= high[:2]).all()
    assert low[2] < 0.1 * true[0]  # it did nothing, and that is held possible
    assert (drawn >= 0).all()


def test_a_lift_test_makes_its_channel_surer(fits):
    true = world()[2][1, SEEN].sum()
    assert fits[True][:, 1].std() < 0.6 * fits[False][:, 1].std()
    assert fits[True][:, 1].mean() == pytest.approx(true, rel=0.15)


def frames(
    weeks: int = WEEKS, currency: str = "USD", kinds: tuple[str, ...] = ("kept", "collected")
) -> list[pd.DataFrame]:
    """The tables that a refresh hands over, of such a world; money in micros.

    Of what is collected the last six weeks are not reported.
    """
    spend, counted, _ = world()
    days = [MONDAY + timedelta(weeks=at) for at in range(weeks)]
    place = {"service_line": "cardiology", "location": "North"}
    conversions = pd.concat(
        pd.DataFrame(
            {
                "kind": kind, **place, "week": days[:told],
                "conversions": counted[:told].astype(int),
                "value_micros": (counted[:told] * 2e8).astype("int64"),
            }
        )
        for kind in kinds
        for told in [weeks - 6 * (kind == "collected")]
    )  # fmt: skip
    media = pd.concat(
        pd.DataFrame(
            {
                "channel": channel, "campaign": "one", "service_line": "unassigned",
                "location": "unassigned", "week": days, "currency": currency,
                "spend_micros": (spend[at, :weeks] * 1e6).astype("int64"),
                "impressions": 0, "clicks": 0, "messages": 0,
            }
        )
        for at, channel in enumerate(("paid_search", "display", "video"))
    )  # fmt: skip
    journeys = pd.DataFrame(columns=["kind", "channel", "week", "has_media", "journeys"])
    holdouts = pd.DataFrame(
        columns=["kind", "channel", "campaign", "arm", "returned", "people", "counted",
                 "squares", "afterwards"]
    )  # fmt: skip
    tests = pd.DataFrame(
        {
            "channel": ["video"], "kind": "kept", "location": "", "first_day": days[30],
            "last_day": days[38], "increment": 0.0, "standard_error": 10.0,
        }
    )  # fmt: skip
    report = pd.DataFrame({"currency": ["USD"]})
    reported = pd.DataFrame({"kind": ["kept", "spend"], "last_week": [days[-2], days[-1]]})
    return [conversions, media, journeys, holdouts, tests, report, reported]


@pytest.fixture(scope="module")
def drawn() -> pd.DataFrame:
    return mix.mix_draws(*frames())


def test_a_refresh_gets_a_hundred_draws_of_each_kind_and_channel(drawn):
    assert list(drawn.columns) == list(mix.COLUMNS)
    assert (drawn.groupby(["kind", "channel"]).size() == mix.DRAWS).all()
    first = drawn.drop_duplicates(["kind", "channel"]).set_index(["kind", "channel"])
    spend = world()[0]
    year = spend[0, SEEN][:-1][-52:].sum()
    assert first.loc[("kept", "paid_search"), "spend"] == pytest.approx(year, rel=1e-6)
    assert first.loc[("kept", "video"), "lift_tests"] == 1
    assert first.loc[("collected", "video"), "lift_tests"] == 0


def test_today_is_the_last_quarter_whatever_is_counted(drawn):
    today = drawn.groupby(["channel", "kind"])["today"].first()
    spent = world()[0][:, -13:].mean(axis=1)
    for channel, money in zip(("paid_search", "display", "video"), spent, strict=True):
        assert today[channel].tolist() == pytest.approx([money, money], rel=1e-6)


def test_money_is_counted_in_money_and_draws_come_in_any_order(drawn):
    mean = drawn.groupby(["kind", "channel"])["brought"].mean()
    assert mean["collected", "paid_search"] == pytest.approx(
        200 * mean["kept", "paid_search"], rel=0.25
    )
    shuffled = [frame.sample(frac=1, random_state=3) for frame in frames()]
    pd.testing.assert_frame_equal(mix.mix_draws(*shuffled), drawn)


def test_money_that_never_changes_tells_nothing_and_the_model_says_so():
    conversions, media, *others = frames(kinds=("kept",))
    others[2] = others[2].head(0)
    always = mix.mix_draws(conversions, media.assign(spend_micros=500_000_000), *others)
    assert always.groupby("channel")["known"].first().mean() < 0.1


@pytest.mark.parametrize("left", [0, 9, 30])
def test_what_was_left_to_a_channel_in_its_test_is_taken_off_what_it_brought(left):
    """A tenth of the money is brought: of 100 a week in the north 10, of 30 there 3, so 7 miss."""
    days = pd.date_range("2025-01-06", periods=20, freq="7D")
    paid = {"north": np.where(np.arange(20) < 16, 100, left), "south": np.full(20, 300)}
    rows = [
        {"location": place, "week": day, "conversions": 20 + money / 10, "value_micros": 0,
         "spend_micros": int(money * 1e6), "impressions": 0, "clicks": 0, "messages": 0}
        for place, course in paid.items() for day, money in zip(days, course, strict=True)
    ]  # fmt: skip
    conversions = pd.DataFrame(rows).assign(kind="kept", service_line="dental", currency="")
    media = pd.DataFrame(rows).assign(
        channel="video", campaign="v", service_line="unassigned", currency="USD"
    )
    test = {
        "channel": "video", "kind": "kept", "location": "north", "first_day": "2025-04-28",
        "last_day": "2025-05-25", "increment": 4 * (100 - left) / 10, "standard_error": 5.0,
    }  # fmt: skip
    cells = cells_of(conversions, media)
    pressing = media_of(media, cells)
    holdouts = pd.DataFrame(columns=["kind", "channel"])
    terms = terms_of("kept", cells, pressing, holdouts, pd.DataFrame([test]), conversions)
    [heard] = mix_weeks.tests_of(terms, pressing, cells, 1.0)
    brought = (paid["north"] + paid["south"]) / 10
    assert heard.weight @ brought == pytest.approx(heard.increment)
    assert heard.increment == pytest.approx(4 * (100 - left) / 10)


def test_money_of_another_currency_has_no_curve_in_money():
    first = mix.mix_draws(*frames(currency="EUR", kinds=("kept",)))
    assert first[["half", "spend", "today"]].isna().all(axis=None)
    assert (first["brought"] > 0).any()


def test_less_than_a_year_or_few_conversions_since_media_are_told_say_nothing():
    assert mix.mix_draws(*frames(weeks=FEWEST_WEEKS)).empty
    assert mix.mix_draws(*[frame.head(0) for frame in frames()[:-1]], frames()[-1]).empty
    conversions, *others = frames(kinds=("kept",))
    few = conversions.assign(conversions=4)
    before = few.head(1).assign(week=MONDAY - timedelta(weeks=60), conversions=1_000)
    assert mix.mix_draws(pd.concat([few, before]), *others).empty


def test_a_full_fit_reads_the_weeks_that_the_mix_model_fits(tmp_path):
    """What is collected was connected late and is reported late; of kept visits all is known."""
    home = made_up.make_home(tmp_path)
    weeks = made_up.weeks()
    with duckdb.connect(str(home.generation(1) / "marts.duckdb")) as database:
        database.execute(
            "delete from conversions where kind = 'collected' and week not between ? and ?",
            [weeks[20], weeks[54]],
        )
    marts = queries.marts(home, 1, protected=False)
    for kind, told in (("collected", weeks[21:54]), ("kept", weeks[WARM_UP:-1])):
        frame, channels = mix_queries.weekly(marts, kind)
        assert frame["week"].dt.date.tolist() == told
        assert (frame[["counted", *channels]] > 0).all(axis=None)
    late = made_up.make_home(tmp_path / "late", spend_since=weeks[10])  # visits are told before
    frame, _ = mix_queries.weekly(queries.marts(late, 1, protected=False), "kept")
    assert frame["week"].dt.date.tolist() == weeks[10 + WARM_UP : -1]


def test_a_full_fit_says_what_it_needs(monkeypatch):
    weekly = pd.DataFrame({"week": [MONDAY], "counted": [1.0], "video": [1.0]})
    monkeypatch.setattr(sys, "version_info", (3, 11, 7))
    with pytest.raises(BadInput, match=r"needs Python 3\.12 or later; this is 3\.11"):
        mix_bayes.fitted(weekly, ["video"], 10)
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    with pytest.raises(BadInput, match=r"needs the extra mmm"):
        mix_bayes.fitted(weekly, ["video"], 10)


class TestPointsOfCurves:
    """What lift tests say of a week of the whole channel, for the Bayesian fit."""

    WEEKS = pd.date_range("2026-01-05", periods=8, freq="7D")
    PLACES = pd.MultiIndex.from_tuples(
        [("north", "dental"), ("south", "dental")], names=["location", "service_line"]
    )

    def frame(self, north, south):
        values = np.column_stack(
            [np.broadcast_to(np.asarray(one, float), 8) for one in (north, south)]
        )
        return pd.DataFrame(values, self.WEEKS, self.PLACES)

    def part(self, **said):
        usual = {
            "location": "north", "service_line": "", "first_day": "2026-02-02",
            "last_day": "2026-02-15", "increment": "12", "standard_error": "3",
        }  # fmt: skip
        return usual | said

    def test_a_place_stands_for_the_channel_by_its_part_of_the_money(self):
        """By hand: two weeks at a quarter of 400, so 12 there are 24 a week of all."""
        left, money, brought, error = point(
            [self.part()], self.frame(100, 300), self.frame(10, 10), self.WEEKS
        )
        assert (left, money, brought) == pytest.approx((0, 400, 24))
        assert error == pytest.approx(np.hypot(3, 0.1 * 12) / 0.5)

    def test_everywhere_is_taken_as_it_is(self):
        found = point(
            [self.part(location="")], self.frame(100, 300), self.frame(10, 10), self.WEEKS
        )
        assert found == pytest.approx((0, 400, 6, 1.5))

    def test_a_channel_that_was_off_is_heard_by_the_weeks_before(self):
        """By hand: off for two weeks, 12 of 8 + 12 missed; before, 24 of 40 were by it."""
        off = [100, 100, 100, 100, 0, 0, 100, 100]
        counted = self.frame([20, 20, 20, 20, 4, 4, 20, 20], 20)
        left, *told, error = point([self.part()], self.frame(off, 300), counted, self.WEEKS)
        assert (left, *told) == pytest.approx((0, 400, 48))
        assert error == pytest.approx(np.hypot(6, 0.1 * 24) / 0.5)

    def test_a_switchback_counts_each_place_once_however_many_blocks_are_off(self):
        """By hand: off in two blocks of two weeks, 16 of 80 missed; a fifth of 20 a week is 4."""
        weeks = pd.date_range("2026-01-05", periods=10, freq="7D")
        off = np.isin(np.arange(10), (4, 5, 8, 9))
        money, counted = (
            pd.DataFrame(course[:, None], weeks, self.PLACES[:1])
            for course in (np.where(off, 0.0, 100.0), np.where(off, 16.0, 20.0))
        )
        blocks = [
            self.part(increment="16", standard_error="4"),
            self.part(
                first_day="2026-03-02", last_day="2026-03-15", increment="16", standard_error="4"
            ),
        ]
        assert point(blocks, money, counted, weeks) == pytest.approx((0, 100, 4, 1))

    def test_a_channel_that_was_not_quite_off_is_a_point_from_what_was_left(self):
        """By hand: 100 bring 10 of 20, 30 bring 3: 14 missed in two weeks, at a quarter of 400."""
        off = [100, 100, 100, 100, 30, 30, 100, 100]
        counted = self.frame([20, 20, 20, 20, 13, 13, 20, 20], 20)
        part = self.part(increment="14")
        found = point([part], self.frame(off, 300), counted, self.WEEKS)
        assert found[:3] == pytest.approx((120, 280, 28))

    def test_a_budget_that_was_cut_everywhere_is_no_test_of_what_is_missing(self):
        cut = np.array([100, 100, 100, 100, 30, 30, 100, 100])
        found = point([self.part()], self.frame(cut, 3 * cut), self.frame(10, 10), self.WEEKS)
        assert found is not None
        assert found[:3] == pytest.approx((0, 120, 24))

    @pytest.mark.parametrize("increment", [0.0, -10.0, -40.0, -1_000.0])
    def test_a_test_that_found_nothing_or_less_is_what_its_normal_has_above_nought(self, increment):
        part = self.part(location="", increment=f"{increment}", standard_error="10")
        found = point([part], self.frame(100, 300), self.frame(10, 10), self.WEEKS)
        assert found is not None
        above = np.linspace(0, 60, 600_001)  # two weeks: a week brings half
        chance = np.exp(-((above - increment) ** 2 - increment**2) / 200)
        mean = np.average(above, weights=chance)
        spread = np.sqrt(np.average((above - mean) ** 2, weights=chance))
        assert found[2:] == pytest.approx((mean / 2, spread / 2), rel=1e-3)

    def test_outside_the_weeks_nothing_is_told(self):
        late = self.part(first_day="2027-02-01", last_day="2027-02-07")
        assert point([late], self.frame(100, 300), self.frame(10, 10), self.WEEKS) is None

    def test_tests_of_a_channel_and_kind_are_read_from_the_marts(self, tmp_path):
        home = made_up.make_home(tmp_path)
        marts = queries.marts(home, 1, protected=False)
        told = ["video", "kept", "", "", "2026-03-02", "2026-03-29", "20", "5", "", ""]
        columns = [
            *("channel", "kind", "location", "service_line", "first_day", "last_day"),
            *("increment", "standard_error", "note", "test"),
        ]
        # Of some of these days, or of some of these places, nothing is loaded: these say nothing.
        late = [*told[:5], "2046-03-29", *told[6:]]
        parts = [[*told[:2], place, *told[3:-1], "both"] for place in ("", "Atlantis")]
        tests = pd.DataFrame([told, ["display", *told[1:]], late, *parts], columns=columns)
        found = points(marts, tests, "kept", ["video", "paid_search"])
        assert found[["channel", "x", "delta_y", "sigma"]].values.tolist() == [
            ["video", 0, 5, 1.25]
        ]
        spent = made_up.tables()["spend"]
        week = pd.to_datetime(spent["week"])
        own = spent[(spent["channel"] == "video") & week.between("2026-03-02", "2026-03-29")]
        assert found["delta_x"].iloc[0] == pytest.approx(own["spend_micros"].sum() / 4e6)
        assert points(marts, tests, "lead", ["video"]).empty
