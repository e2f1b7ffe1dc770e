"""Intervals from groups of people are those of leaving each group out and starting again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from attribution.models.estimate import ends_of_draws, score_interval
from attribution.models.quantiles import normal, student, student_above
from attribution.models.spread import (
    drawn_beats,
    drawn_interval,
    moved_by_learning,
    people_behind,
    spread,
)

NAMES = ("email", "paid_search", "paid_social", "display")
GROUPS = 100
CREDIT = arrays.arrays(
    np.float64, (12, 4), elements=st.floats(0, 50).map(lambda value: round(value, 3))
)
CHANGES = arrays.arrays(np.float64, (12, 4), elements=st.floats(-0.2, 0.2))
LEANS = arrays.arrays(np.float64, (4, 4), elements=st.floats(0, 30)).map(lambda one: one + one.T)


def test_four_groups_worked_by_hand():
    """docs/intervals.md: deviations of a -1, 0, 1, 0 and of b 0, -1, 0, 1."""
    credit = np.array([[1.0, 1.0], [2.0, 0.0], [3.0, 1.0], [2.0, 2.0]])
    found = spread(("a", "b"), credit)
    assert found.total.tolist() == [8, 4]
    assert found.covariance == pytest.approx(np.array([[8 / 3, 0], [0, 8 / 3]]))
    # 4 apart, a deviation of 2.309: 1.732 deviations.
    assert found.beats()[0, 1] == pytest.approx(0.9584, abs=1e-4)
    assert found.beats()[0, 0] == 0.5


def test_learning_worked_by_hand():
    """docs/intervals.md: without the first group a weighs more, without the third less."""
    credit = np.array([[1.0, 1.0], [2.0, 0.0], [3.0, 1.0], [2.0, 2.0]])
    changes = np.array([[8 / 9, 0], [0, 0], [-8 / 9, 0], [0, 0]])
    moved = moved_by_learning(np.array([[4.0, 1.5], [1.5, 2.0]]), changes)
    assert moved == pytest.approx(np.array([[4 / 3, -4 / 3], [0, 0], [-4 / 3, 4 / 3], [0, 0]]))
    found = spread(("a", "b"), credit, moved=moved)
    assert np.diag(found.covariance) == pytest.approx([32 / 3, 16 / 3])


class World:
    """Journeys of people in groups, and a model that learns a weight for each channel from them."""

    def __init__(self, seed: int, journeys: int) -> None:
        random = np.random.default_rng(seed)
        self.touched = random.random((journeys, 4)) < (0.6, 0.4, 0.3, 0.1)
        self.touched[~self.touched.any(axis=1), 0] = True
        chance = 0.1 + self.touched @ np.array([0.05, 0.2, 0.1, 0.15])
        self.worth = np.where(random.random(journeys) < chance, random.integers(1, 4, journeys), 0)
        self.group = random.integers(0, GROUPS, journeys)

    def weights(self, kept: np.ndarray) -> np.ndarray:
        """Conversions for each journey that a channel touched."""
        touched = self.touched[kept]
        return (touched * (self.worth[kept, None] > 0)).sum(axis=0) / touched.sum(axis=0)

    def shares(self, weights: np.ndarray) -> np.ndarray:
        weighed = self.touched * weights
        return weighed / weighed.sum(axis=1, keepdims=True)

    def by_group(self, amounts: np.ndarray) -> np.ndarray:
        found = np.zeros((GROUPS, 4))
        np.add.at(found, self.group, amounts)
        return found

    def without_each_group(self, learn: bool) -> np.ndarray:
        """The jackknife as it is defined: leave out, learn, credit, scale up, compare."""
        every = np.ones(len(self.group), dtype=bool)
        answers = []
        for group in range(GROUPS):
            kept = self.group != group
            shares = self.shares(self.weights(kept if learn else every))
            answers.append((shares[kept] * self.worth[kept, None]).sum(axis=0))
        scaled = np.array(answers) * GROUPS / (GROUPS - 1)
        off = scaled - scaled.mean(axis=0)
        return (GROUPS - 1) / GROUPS * (off.T @ off)


@pytest.mark.parametrize("seed", range(4))
def test_a_rule_s_spread_is_that_of_leaving_each_group_out(seed):
    world = World(seed, 600)
    shares = world.shares(world.weights(np.ones(600, dtype=bool)))
    found = spread(NAMES, world.by_group(shares * world.worth[:, None]))
    assert found.covariance == pytest.approx(world.without_each_group(learn=False), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_learned_spread_is_that_of_learning_without_each_group(seed):
    world = World(seed, 4_000)
    every = np.ones(4_000, dtype=bool)
    weights = world.weights(every)
    changes = np.log([world.weights(world.group != group) for group in range(GROUPS)])
    shares = world.shares(weights)
    moved = moved_by_learning((shares * world.worth[:, None]).T @ shares, changes - np.log(weights))
    credit = world.by_group(shares * world.worth[:, None])
    exact = world.without_each_group(learn=True)
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    learned = spread(NAMES, credit, moved=moved).covariance
    assert np.abs(learned - exact).max() < 0.02 * scale.max()
    assert np.diag(learned) == pytest.approx(np.diag(exact), rel=0.03)
    # What is learned matters here: the same without it is far from the answer.
    kept = np.diag(spread(NAMES, credit).covariance)
    assert np.abs(kept / np.diag(exact) - 1).max() > 0.1


@given(CREDIT, CHANGES, LEANS, st.permutations(range(4)))
def test_names_and_order_of_channels_do_not_matter(credit, changes, leans, order):
    moved = moved_by_learning(leans, changes)
    once = spread(NAMES, credit, moved=moved)
    again = spread(
        tuple(NAMES[place] for place in order),
        credit[:, order],
        moved=moved_by_learning(leans[np.ix_(order, order)], changes[:, order]),
    )
    assert again.covariance == pytest.approx(once.covariance[np.ix_(order, order)], abs=1e-6)
    assert again.beats() == pytest.approx(once.beats()[np.ix_(order, order)], abs=1e-4)


@given(LEANS, LEANS, CHANGES)
def test_slices_add_up(one, other, changes):
    whole = moved_by_learning(one + other, changes)
    parts = moved_by_learning(one, changes) + moved_by_learning(other, changes)
    assert whole == pytest.approx(parts, abs=1e-9)
    assert whole.sum(axis=1) == pytest.approx(np.zeros(12), abs=1e-9)  # what one gains others lose


@given(LEANS, arrays.arrays(np.float64, (12, 1), elements=st.floats(-1, 1)))
def test_weights_that_change_alike_move_nothing(leans, change):
    assert moved_by_learning(leans, np.repeat(change, 4, axis=1)) == pytest.approx(0, abs=1e-9)


@given(CREDIT)
def test_one_of_two_channels_earns_more(credit):
    found = spread(NAMES, credit)
    beats = found.beats()
    assert beats + beats.T == pytest.approx(np.ones((4, 4)))
    ahead = found.total[:, None] > found.total[None, :]
    assert (beats[ahead] >= 0.5).all()
    interval = found.interval()
    assert (interval.low <= found.total).all()
    assert (interval.high >= found.total).all()
    assert (interval.low >= 0).all()


def test_a_channel_that_earned_nothing_may_have_earned_a_little():
    credit = np.zeros((GROUPS, 2))
    credit[:50, 0] = 1
    found = spread(("email", "display"), credit, unit=40.0)
    assert found.interval().low[1] == 0
    assert found.interval().high[1] == pytest.approx(40 * 1.645**2, rel=1e-3)
    nothing = spread(("email", "display"), np.zeros((GROUPS, 2)))
    assert nothing.beats().tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_refunds_may_lie_below_zero():
    credit = np.zeros((GROUPS, 1))
    credit[:3] = [[5], [-4], [2]]
    found = spread(("email",), credit, signed=True).interval()
    assert found.low[0] < 0 < found.high[0]
    assert found.high[0] - 3 == pytest.approx(3 - found.low[0])


@pytest.mark.parametrize(("people", "few"), [(5, True), (20, True), (45, False), (2_000, False)])
def test_a_channel_of_few_people_is_known_by_its_empty_groups(people, few):
    random = np.random.default_rng(people)
    credit = np.zeros((GROUPS, 1))
    np.add.at(credit, (random.integers(0, GROUPS, people), 0), 0.5)
    assert spread(("email",), credit).few.tolist() == [few]
    if people < 50:
        assert people_behind(credit)[0] == pytest.approx(people, abs=0.3 * people)


def test_a_few_people_who_look_alike_are_lent_the_usual_spread():
    """Of two people 0.1 each: the chance that a third brings a whole conversion is no smaller."""
    credit = np.zeros((GROUPS, 2))
    credit[:60, 0] = 1
    credit[[3, 70], 1] = 0.1
    found = spread(("email", "display"), credit)
    own = score_interval(found.total, np.diag(found.covariance), 1.0)
    people = found.people[1]
    assert people == pytest.approx(2.01, abs=0.01)
    variance = np.diag(found.covariance)
    usual = variance.sum() / found.total.sum()
    scale = (people * variance[1] / 0.2 + 10 * usual) / (people + 10)
    expected = score_interval(np.array([0.2]), np.array([scale * 0.2]), 1.0)
    assert found.interval().high[1] == pytest.approx(expected.high[0])
    assert found.interval().high[1] > 1 > own.high[1]
    # Many people keep what is their own, nearly.
    assert found.interval().high[0] == pytest.approx(own.high[0], rel=0.01)


def test_draws_give_the_middle_ninety_of_a_hundred():
    multipliers = 0.5 + np.arange(1, 100)[:, None] / 100
    total = np.array([100.0, 0.0, -20.0])
    found = drawn_interval(total, total * multipliers)
    assert found.low == pytest.approx([55, 0, -29])
    assert found.high == pytest.approx([145, 0, -11])
    assert drawn_beats(np.array([100.0, 0.0, 100.0]) * multipliers).tolist() == [
        [0.5, 1.0, 0.5],
        [0.0, 0.5, 0.0],
        [0.5, 1.0, 0.5],
    ]


def test_one_draw_more_lies_in_an_interval_of_draws_as_often_as_it_says():
    rng = np.random.default_rng(20)
    draws, more = rng.exponential(size=(19, 40_000)), rng.exponential(size=40_000)
    low, high = ends_of_draws(draws)
    assert low == pytest.approx(draws.min(axis=0))
    assert high == pytest.approx(draws.max(axis=0))
    assert ((low <= more) & (more <= high)).mean() == pytest.approx(0.9, abs=0.005)
    assert ends_of_draws(np.arange(1.0, 101.0)) == pytest.approx((5.05, 95.95))


@given(
    share=st.floats(0.001, 0.999),
    freedom=st.floats(1, 1e6) | st.just(float("inf")),
    value=st.floats(-9, 40),
)
def test_quantiles_are_those_of_scipy(share, freedom, value):
    assert normal(share) == stats.norm.ppf(share)
    assert student(share, freedom) == stats.t.ppf(share, freedom)
    assert student_above(value, freedom) == stats.t.sf(value, freedom)
