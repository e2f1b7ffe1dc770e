"""Forecasts: tested on weeks that no model had seen, made to agree, and never without an answer."""

from dataclasses import replace
from datetime import date, timedelta

import forecast_fixture as made_up
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attribution import forecasting
from attribution.forecast_settings import ForecastSettings, forecast_settings
from attribution.forecasting import Forecasting, fitted_all
from attribution.models.forecast_bands import LEVELS, bands_of, usual_miss
from attribution.models.forecast_calendar import Known, holidays_of, known_of
from attribution.models.forecast_candidates import CANDIDATES, Past, foretold, seasonal_naive
from attribution.models.forecast_fit import Fit, Task, baseline, choose, fit, origins_of
from attribution.models.forecast_planned import as_planned, driven, planned_of, usable
from attribution.models.forecast_reconcile import reconciled
from attribution.models.forecast_series import Key, chosen
from attribution.models.forecast_smoothing import smoothed
from attribution.models.forecast_table import forecast_table, no_forecasts

KEY = Key("kept", "total", "(all)")
NO_PROMOTIONS = pd.DataFrame(
    columns=["name", "channel", "service_line", "location", "first_day", "last_day"]
)
NO_CAPACITY = pd.DataFrame(
    columns=["service_line", "location", "first_day", "last_day", "visits_per_week"]
)
NO_PLAN = pd.DataFrame(
    columns=[
        *("channel", "service_line", "location", "first_day", "last_day", "spend_per_week"),
        "note",
    ]
)
PLAIN = ("seasonal_naive",)


def mondays(number: int) -> list[date]:
    return [made_up.MONDAY + timedelta(weeks=place) for place in range(number)]


def past(values: list[float], known: Known | None = None) -> Past:
    return Past(made_up.MONDAY, np.array(values, dtype="float64"), known or Known({}))


def yearly(weeks: int) -> list[float]:
    return [100 + 20 * np.sin(2 * np.pi * week / 52.18) for week in range(weeks)]


class TestSeries:
    def test_parts_and_what_is_left_make_up_the_total_in_every_week(self):
        every = {one.key: np.array(one.values) for one in chosen(made_up.rows(), members=1)}
        whole = every.pop(Key("booked", "total", "(all)"))
        parts = [values for key, values in every.items() if key.metric == "booked"]
        assert len(parts) == 2
        assert np.sum(parts, axis=0) == pytest.approx(whole)

    def test_the_largest_named_members_stand_for_themselves(self):
        keys = [one.key for one in chosen(made_up.rows(), members=3)]
        lines = [k.member for k in keys if (k.metric, k.dimension) == ("booked", "service_line")]
        assert lines == ["cardiology", "dental", "(others)"]
        # Of what was given up more than a year ago nothing is to be planned.
        frame = made_up.rows()
        early = frame["week"] < made_up.MONDAY + timedelta(weeks=8)
        closed = frame[early & (frame["member"] == "cardiology")].assign(member="closed")
        closed["value"] *= 40
        every = pd.concat([frame, closed], ignore_index=True)
        assert {one.key for one in chosen(every, members=3)} == set(keys)

    def test_a_number_of_few_weeks_is_not_forecast(self):
        assert chosen(made_up.rows(38), members=3) == []
        assert chosen(made_up.rows(39), members=3)

    def test_a_source_that_is_being_set_up_does_not_count_as_growth(self):
        frame = made_up.rows()
        early = frame["week"] < made_up.MONDAY + timedelta(weeks=4)
        frame.loc[early, "value"] /= 10
        assert {len(one) for one in chosen(frame, members=3)} == {56}

    def test_weeks_that_may_be_restated_can_be_left_out(self):
        whole, less = (chosen(made_up.rows(), members=1, settle_weeks=n) for n in (0, 2))
        assert less[0].values == whole[0].values[:-2]


class TestCalendar:
    PROMOTIONS = pd.DataFrame(
        [
            ["open day", "", "dental", "", "2024-12-02", "2024-12-08"],
            ["radio", "offline_media", "", "", "2024-12-12", ""],
        ],
        columns=list(NO_PROMOTIONS),
    )

    @pytest.mark.parametrize(
        ("dimension", "member", "promoted"),
        [
            ("total", "(all)", (0, 1, 4 / 7)),
            ("service_line", "dental", (0, 1, 4 / 7)),
            ("service_line", "cardiology", (0, 0, 4 / 7)),
            ("channel", "email", (0, 1, 0)),
        ],
    )
    def test_a_promotion_touches_what_it_is_of(self, dimension, member, promoted):
        key = Key("lead", dimension, member)
        known = known_of(key, mondays(3), frozenset(), self.PROMOTIONS, NO_CAPACITY)
        assert known.regressors["promotion"] == pytest.approx(promoted)

    def test_public_holidays_on_working_days_are_counted(self):
        closed = holidays_of("US", date(2024, 12, 1), date(2025, 1, 31))
        assert date(2024, 12, 25) in closed
        known = known_of(KEY, mondays(6), closed, NO_PROMOTIONS, NO_CAPACITY)
        assert known.regressors["closed_days"] == (0, 0, 0, 0, 1, 1)
        assert holidays_of("XX", date(2024, 12, 1), date(2025, 1, 31)) == frozenset()

    def test_capacity_is_a_cap_and_a_regressor_of_kept_visits(self):
        capacity = pd.DataFrame(
            [["", "", "", "2024-12-08", "100"], ["", "", "2024-12-09", "", "50"]],
            columns=list(NO_CAPACITY),
        )
        known = known_of(KEY, mondays(3), frozenset(), NO_PROMOTIONS, capacity)
        assert known.cap == pytest.approx((100, 100, 50))
        assert set(known.regressors) == {"capacity"}
        line = Key("kept", "service_line", "dental")
        assert known_of(line, mondays(3), frozenset(), NO_PROMOTIONS, capacity).cap is None
        leads = Key("lead", "total", "(all)")
        assert known_of(leads, mondays(3), frozenset(), NO_PROMOTIONS, capacity).cap is None


class TestPlanned:
    PLAN = pd.DataFrame(
        [
            ["video", "", "north", "2024-12-02", "2024-12-08", "700", ""],
            ["paid_search", "dental", "", "2024-12-04", "2024-12-15", "1400", ""],
        ],
        columns=list(NO_PLAN),
    )

    @pytest.mark.parametrize(
        ("dimension", "member", "money"),
        [
            ("total", "(all)", (700 + 1000, 1400)),
            ("channel", "video", (700, 0)),
            ("channel", "(others)", (1000, 1400)),
            ("location", "north", (700 + 1000, 1400)),
            ("service_line", "dental", (700 + 1000, 1400)),
            ("service_line", "cardiology", (700, 0)),
        ],
    )
    def test_a_plan_is_of_what_it_names(self, dimension, member, money):
        """By hand: from Wednesday on, five days of seven of 1,400; before and after, no plan."""
        key = Key("spend", dimension, member)
        found = planned_of(key, mondays(4), self.PLAN, {"video"})
        assert found[1:3] == pytest.approx(money)
        assert np.isnan([found[0], found[3]]).all()

    def test_of_what_nothing_is_planned_there_is_no_plan(self):
        assert planned_of(Key("spend", "channel", "email"), mondays(4), self.PLAN) is None

    def test_spend_is_the_plan_times_what_was_lately_spent_of_it(self):
        plan = np.tile([100.0, 0.0, 300.0], 12)
        assert as_planned(0.9 * plan[:30], plan, 6) == pytest.approx(0.9 * plan[30:])

    def test_what_a_budget_drives_follows_it_and_nothing_else_does(self):
        dice = np.random.default_rng(5)
        plan = np.repeat(dice.choice([0.2, 1.8], 20), 5)
        pressed = plan**0.7 / (plan[:87] ** 0.7).mean()
        led = 1 + 0.5 * (pressed - 1)
        values = led[:87] + dice.normal(0, 0.05, 87)
        assert driven(values, plan, 13) == pytest.approx(led[87:], abs=0.12)
        alone = driven(1 + dice.normal(0, 0.05, 87), plan, 13)
        assert np.ptp(alone) < 0.05
        assert driven(values, np.ones(100), 13) == pytest.approx(smoothed(values, 13))
        # An earlier plan, before a gap, tells of nothing: learned is from the weeks after it.
        gap = np.array([500.0, 500.0, np.nan, np.nan])
        assert driven(np.append(np.ones(4), values), np.append(gap, plan), 13) == pytest.approx(
            driven(values, plan, 13)
        )

    def test_after_its_end_the_mean_week_of_a_plan_goes_on(self):
        plan = np.array([*np.tile([100.0, 300.0], 15), np.nan, np.nan])
        assert as_planned(plan[:26], plan, 6) == pytest.approx([100, 300, 100, 300, 200, 200])
        # Eight weeks of plan: 90 of 100, whatever was spent before it was made.
        few = np.array([*[np.nan] * 30, *[100.0] * 12])
        spent = np.array([*[500.0] * 30, *[90.0] * 8])
        assert as_planned(spent, few, 4) == pytest.approx([90.0] * 4)

    def test_a_plan_competes_where_it_reaches_over_all_tests(self):
        plan = np.repeat([1.0, 2.0], 52)
        assert usable(tuple(plan), 62, 91)
        assert not usable(None, 62, 91)
        assert not usable(tuple(plan[:94]), 62, 91)
        assert not usable((*[np.nan] * 50, *plan[50:]), 62, 91)
        key = Key("spend", "total", "(all)")
        moved = np.random.default_rng(2).choice([1.0, 5.0], 104)
        task = Task(
            made_up.series(key, list(2 * moved[:91])), Known({}, None, tuple(moved)), 13,
            ("seasonal_naive", "ets", "planned"),
        )  # fmt: skip
        found = fit(task)
        assert found.chosen == "planned"
        assert found.expected == pytest.approx(2 * moved[91:])
        gap = replace(task, known=Known({}, None, (*moved[:20], *[np.nan] * 20, *moved[40:])))
        for key in (task.series.key, KEY):  # what is spent, and what that drives
            both = replace(gap, series=replace(gap.series, key=key))
            assert len(fit(both).expected) == 13
        late = replace(task, known=Known({}, None, (*[np.nan] * 80, *moved[80:])))
        assert set(fit(late).wape) == {"seasonal_naive", "ets"}


class TestModels:
    def test_last_year_comes_again(self):
        values = list(range(60))
        assert seasonal_naive(past(values), 3).tolist() == [8, 9, 10]
        assert seasonal_naive(past(values[:20]), 2).tolist() == [19, 19]

    def test_every_model_answers_and_means_are_means(self):
        """The only place where all of them are fitted: a year and a half with a holiday."""
        closed = holidays_of("US", made_up.MONDAY, made_up.MONDAY + timedelta(weeks=91))
        known = known_of(KEY, mondays(91), closed, NO_PROMOTIONS, NO_CAPACITY)
        values = [value / 100 for value in yearly(78)]
        known = replace(
            known, planned=tuple(1 + week % 2 for week in range(91)), booked=((1.0,) * 14,) * 91
        )
        said, failed = foretold(CANDIDATES, past(values, known), 13)
        assert failed == {}
        assert set(said) == set(CANDIDATES)
        assert said["ets_prophet"] == pytest.approx((said["ets"] + said["prophet"]) / 2)
        truth = np.array(yearly(91)[78:]) / 100
        assert np.abs(said["prophet"] - truth).mean() < np.abs(values[-1] - truth).mean()

    @pytest.mark.parametrize("slope", [0.0, 0.02])
    def test_smoothing_foretells_what_statsmodels_does(self, slope):
        """The library searches the weights one after another; the grid may be a step beside it."""
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel

        dice = np.random.default_rng(11)
        values = 1 + slope * np.arange(80) + np.cumsum(dice.normal(0, 0.03, 80))
        values += dice.normal(0, 0.1, 80)
        fits = [
            ETSModel(
                values, error="add", trend=trend, damped_trend=trend is not None,
                initialization_method="heuristic",
            ).fit(disp=False)
            for trend in (None, "add")
        ]  # fmt: skip
        best = min(fits, key=lambda one: one.aicc).forecast(13)
        assert smoothed(values, 13) == pytest.approx(best, rel=0.01)

    def test_smoothing_says_a_level_again_and_follows_a_new_one(self):
        assert smoothed(np.full(30, 5.0), 3) == pytest.approx([5, 5, 5])
        moved = smoothed(np.repeat([5.0, 9.0], 30), 3)
        assert moved == pytest.approx([9, 9, 9], abs=0.1)

    def test_a_model_that_dies_leaves_the_others(self, monkeypatch):
        def dies(*_args):
            raise RuntimeError("Stan said something with a path in it")

        monkeypatch.setitem(foretold.__globals__["_MODELS"], "prophet", dies)
        said, failed = foretold(("seasonal_naive", "prophet", "all_three"), past(yearly(60)), 4)
        assert set(said) == {"seasonal_naive"}
        assert failed == {"prophet": "RuntimeError"}


class TestFit:
    def test_no_test_sees_the_weeks_that_it_is_tested_on(self):
        assert origins_of(104, 13) == [91, 87, 83, 79, 75]
        assert origins_of(39, 13) == [26]

    def test_errors_are_of_held_out_weeks(self):
        """By hand: a year of tens, then twenties, so last year is half of what came."""
        values = [10.0] * 60 + [20.0] * 13
        found = fit(Task(made_up.series(KEY, values), Known({}), 13, PLAIN))
        origins = origins_of(73, 13)
        came = sum(sum(values[o : o + 13]) for o in origins)
        missed = sum(sum(v - 10 for v in values[o : o + 13]) for o in origins)
        assert found.wape == {"seasonal_naive": pytest.approx(missed / came, rel=1e-5)}
        assert found.misses[0] == pytest.approx((10.0,) * 13)
        assert found.watched == pytest.approx((10.0,) * 4)

    def test_a_simpler_model_stays_unless_another_is_clearly_better(self):
        assert choose({"ets": 0.105, "prophet": 0.10, "seasonal_naive": 0.2}) == "ets"
        assert choose({"ets": 0.12, "prophet": 0.10, "seasonal_naive": 0.2}) == "ets"
        assert choose({"ets": 0.14, "prophet": 0.10, "seasonal_naive": 0.2}) == "prophet"
        assert choose({"ets": 0.14, "prophet": 0.10, "seasonal_naive": 0.105}) == "seasonal_naive"
        assert choose({"ets": 0.12, "planned": 0.10, "prophet": 0.09}) == "planned"
        assert choose({"ets": 0.105, "planned": 0.10, "seasonal_naive": 0.2}) == "ets"
        assert choose({"seasonal_naive": 0.3}) == "seasonal_naive"

    @pytest.mark.parametrize(("good", "asked"), [(False, 2), (True, 7)])
    def test_prophet_is_tested_on_only_where_smoothing_is_not_as_good(
        self, monkeypatch, good, asked
    ):
        values, calls = yearly(104), []

        def told(past, horizon):
            calls.append(len(past.values))
            come = np.array(yearly(130))[len(past.values) :][:horizon]
            return come / np.mean(values) * (1 if good else 1.5)

        monkeypatch.setitem(foretold.__globals__["_MODELS"], "prophet", told)
        names = ("seasonal_naive", "ets", "prophet")
        if not good:
            values = [100.0] * 104
        found = fit(Task(made_up.series(KEY, values), Known({}), 13, names))
        assert len(calls) == asked
        assert (found.chosen, found.behind) == (("prophet", ()) if good else ("ets", ("prophet",)))

    @pytest.mark.parametrize("fails", [91, 87])
    def test_a_model_that_fails_from_one_origin_alone_is_left_out_alone(self, monkeypatch, fails):
        def told(past, horizon):
            if len(past.values) == fails:
                raise RuntimeError
            return np.full(horizon, past.values[-1])

        monkeypatch.setitem(foretold.__globals__["_MODELS"], "prophet", told)
        names = ("seasonal_naive", "ets", "prophet")
        values = [100.0 + week % 3 for week in range(104)]
        found = fit(Task(made_up.series(KEY, values), Known({}), 13, names))
        without = fit(Task(made_up.series(KEY, values), Known({}), 13, names[:2]))
        assert (found.chosen, found.wape) == (without.chosen, without.wape)
        assert (found.failed, found.behind) == ({"prophet": "RuntimeError"}, ())

    def test_a_fit_reads_back_as_it_was_written(self):
        found = fit(Task(made_up.series(KEY, yearly(70)), Known({}), 13, PLAIN))
        assert Fit.read(found.written()) == found

    def test_nothing_is_foretold_beyond_the_capacity(self):
        known = Known({}, (90.0,) * 83)
        found = fit(Task(made_up.series(KEY, yearly(70)), known, 13, PLAIN))
        assert max(found.expected) == 90.0

    def test_other_content_has_another_digest(self):
        one = Task(made_up.series(KEY, yearly(70)), Known({}), 13)
        others = [
            Task(made_up.series(KEY, yearly(71)), Known({}), 13),
            Task(made_up.series(KEY, yearly(70)), Known({"promotion": (1.0,)}), 13),
            Task(made_up.series(KEY, yearly(70)), Known({}), 12),
            Task(made_up.series(KEY, yearly(70)), Known({}), 13, PLAIN),
        ]
        assert one.digest == Task(made_up.series(KEY, yearly(70)), Known({}), 13).digest
        assert len({one.digest, *(other.digest for other in others)}) == 5


AMOUNTS = arrays("float64", (6, 3), elements=st.floats(0, 1e6))
SCALES = arrays("float64", 6, elements=st.floats(0, 1e4))


class TestAgreement:
    @given(AMOUNTS, SCALES)
    def test_parts_always_make_up_the_total_and_nothing_is_below_nought(self, said, scale):
        found = reconciled(0, [[1, 2], [3, 4, 5]], said, scale)
        assert (found >= 0).all()
        for parts in ([1, 2], [3, 4, 5]):
            added = found[parts].sum(axis=0)
            some = added > 0
            assert added[some] == pytest.approx(found[0][some], rel=1e-6, abs=1e-6)

    @given(AMOUNTS, SCALES)
    def test_what_already_agrees_stays(self, said, scale):
        said = said.copy()
        said[0] = said[1] + said[2]
        said[3], said[4], said[5] = said[0] / 2, said[0] / 4, said[0] / 4
        found = reconciled(0, [[1, 2], [3, 4, 5]], said, scale)
        assert found == pytest.approx(said, rel=1e-6, abs=1e-6)

    def test_what_is_well_known_moves_least(self):
        """By hand: 6 too many are shared out as 1 to 1 to 4, the squares of the usual errors."""
        said = np.array([[10.0], [8.0], [8.0]])
        found = reconciled(0, [[1, 2]], said, np.array([1.0, 1.0, 2.0]))
        assert found.ravel() == pytest.approx([11.0, 7.0, 4.0])


class TestBands:
    def test_bands_hold_as_many_weeks_as_they_say(self):
        """Of misses without a pattern, also where some series are much harder than others."""
        dice = np.random.default_rng(3)
        tests = [dice.normal(0, size, (5, 13)) for size in (1, 5, 20) for _ in range(20)]
        bands = bands_of(tests, 13)
        for level in LEVELS:
            held = [
                (np.abs(dice.normal(0, size, (200, 13))) <= bands.widths[level] * usual_miss(miss))
                for miss, size in zip(tests, np.repeat([1, 5, 20], 20), strict=True)
            ]
            # A tenth wider than needed where tests do not overlap.
            assert level / 100 - 0.01 <= np.mean(held) <= level / 100 + 0.08

    def test_farther_ahead_is_never_surer(self):
        dice = np.random.default_rng(4)
        bands = bands_of([dice.normal(0, 1, (5, 13))], 13)
        assert all((np.diff(bands.widths[level]) >= 0).all() for level in LEVELS)
        assert (bands.widths[50] <= bands.widths[80]).all()
        assert (bands.widths[80] <= bands.widths[95]).all()

    def test_a_series_that_was_never_wrong_has_no_width(self):
        low, high = bands_of([np.zeros((5, 13))], 13).around(95, np.ones(13), 0.0)
        assert low.tolist() == high.tolist() == [1.0] * 13


class TestTable:
    def test_an_unusual_week_is_outside_what_the_weeks_before_said(self):
        weeks = made_up.marts(date(2026, 11, 16))["forecast"]
        odd = weeks[weeks["is_anomaly"] & (weeks["dimension"] == "total")]
        assert odd[["metric", "week"]].values.tolist() == [["booked", date(2026, 11, 16)]]

    def test_it_holds_every_week_to_come_with_bands_in_each_other(self):
        weeks = made_up.marts(date(2026, 11, 16))["forecast"]
        ahead = weeks[weeks["is_ahead"]]
        assert (ahead.groupby(["metric", "dimension", "member"]).size() == 13).all()
        for inner, outer in ((50, 80), (80, 95)):
            assert (ahead[f"low_{outer}"] <= ahead[f"low_{inner}"]).all()
            assert (ahead[f"high_{outer}"] >= ahead[f"high_{inner}"]).all()
        assert not ahead["adds_up"].any()

    def test_parts_are_moved_to_add_up_only_where_that_is_asked_for(self):
        tasks = [Task(one, Known({}), 4, PLAIN) for one in chosen(made_up.rows(70), members=3)]
        # The tests are of last year, so parts agree by themselves; the total is made to disagree.
        fits = [fit(task) for task in tasks]
        fits[0] = replace(fits[0], expected=tuple(1.1 * each for each in fits[0].expected))

        def gap(**how):
            table = forecast_table(tasks, fits, {}, **how)
            own = table[table["is_ahead"] & table["metric"].eq("booked")]
            sums = own.groupby("dimension")["expected"].sum()
            return sums["service_line"] - sums["total"]

        assert gap(agree=True) == pytest.approx(0, abs=1e-3)
        assert gap() < -10

    def test_without_series_it_is_empty_and_has_its_columns(self):
        assert forecast_table([], [], {}).columns.tolist() == no_forecasts().columns.tolist()


@pytest.fixture
def plain(monkeypatch):
    """An installation without the extra: no worker is started and no library loaded."""
    monkeypatch.setattr(forecasting, "missing", lambda: ("prophet",))


def table(before=None, frame=None, **settings) -> tuple[pd.DataFrame, Forecasting]:
    solving = Forecasting(ForecastSettings(**settings), before or {})
    frame = made_up.rows() if frame is None else frame
    return solving(frame, NO_PROMOTIONS, NO_CAPACITY, NO_PLAN), solving


def kept_of(frame: pd.DataFrame) -> dict[str, str]:
    rows = frame[frame["kept"].notna()]
    return dict(zip(rows["digest"], rows["kept"], strict=True))


@pytest.mark.usefixtures("plain")
class TestRefresh:
    def test_without_the_extra_there_are_baselines_and_a_sentence(self):
        found, solving = table()
        assert set(found["model"]) == {"seasonal_naive", "ets", "back_to_usual"}
        assert "install caretrace[forecast]" in solving.sentence

    def test_an_unchanged_series_is_not_fitted_again(self):
        first, _ = table()
        second, again = table(kept_of(first))
        assert (again.fitted, again.reused) == (0, 8)
        pd.testing.assert_frame_equal(first, second)

    def test_only_what_moved_is_fitted_again(self):
        first, _ = table()
        frame = made_up.rows()
        moved = (frame["member"] == "dental") & (frame["metric"] == "booked")
        frame.loc[moved & (frame["week"] == frame["week"].max()), "value"] += 1
        _, again = table(kept_of(first), frame)
        assert (again.fitted, again.reused) == (1, 7)

    def test_it_can_be_switched_off(self):
        found, solving = table(enabled=False)
        assert found.empty
        assert "Switched off" in solving.sentence

    def test_targets_stand_beside_the_weeks_in_the_series_unit(self):
        targets = {Key("spend", "total", "(all)"): 5.0}
        found, _ = table(targets=targets)
        whole = found[found["metric"].eq("spend") & found["dimension"].eq("total")]
        assert set(whole["target"].dropna()) == {5e6}


def test_a_worker_that_dies_leaves_a_baseline(monkeypatch):
    task = Task(made_up.series(KEY, yearly(60)), Known({}), 13)
    found = baseline(task, "its worker process ended")
    assert found.chosen == "seasonal_naive"
    assert found.failed["prophet"] == "its worker process ended"

    class Broken:
        def result(self):
            raise forecasting.BrokenProcessPool

    assert forecasting._result(task, Broken()) == found
    assert list(fitted_all([])) == []


class TestSettings:
    def test_targets_are_of_totals_and_of_members(self):
        table = {"booked": 100, "service_line": {"dental": {"new_patients": 12.5}}}
        found = forecast_settings({"targets": table, "horizon": 8}, country="US")
        assert found.horizon == 8
        assert found.targets == {
            Key("booked", "total", "(all)"): 100.0,
            Key("new_patient", "service_line", "dental"): 12.5,
        }

    @pytest.mark.parametrize(
        ("table", "sentence"),
        [
            ({"horizons": 3}, "horizons is not a setting"),
            ({"horizon": 3}, "horizon must be a whole number from 4 to 26"),
            ({"enabled": 1}, "enabled must be true or false"),
            ({"country": "USA"}, "code of two letters"),
            ({"targets": {"visits": 1}}, "visits is none of leads"),
            ({"targets": {"leads": -1}}, "leads must be a number for a week"),
            ({"targets": {"channel": {"email": 3}}}, "must be a table of numbers"),
        ],
    )
    def test_what_cannot_be_is_said(self, table, sentence):
        with pytest.raises(ValueError, match=sentence):
            forecast_settings(table)
