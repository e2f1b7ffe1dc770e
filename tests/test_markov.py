"""Markov: the exact solution against the definition, in every way it can be solved."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from path_reference import removal_effects

from attribution.models.attribute import attribute
from attribution.models.chains import build, solutions
from attribution.models.markov import choose_order, markov
from attribution.models.path_frames import encode_frame

CHANNELS = ("alpha", "beta", "gamma", "delta")
counts = st.integers(0, 9)
rows = st.tuples(
    st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=6).map(tuple),
    counts,
    st.integers(0, 500).map(lambda cents: cents / 100),
    counts,
).map(lambda row: (row[0], row[1], row[2] * (row[1] > 0), row[3]))
journeys = st.lists(rows, min_size=1, max_size=12).filter(lambda js: any(j[1] for j in js))


def frame_of(journeys):
    table = [(" > ".join(path), *rest) for path, *rest in journeys]
    return pd.DataFrame(table, columns=["path", "conversions", "value", "nulls"])


def effects_of(journeys, order, method="auto"):
    paths = encode_frame(frame_of(journeys))
    estimate = markov(paths, order, method=method)
    return dict(zip(paths.channels, estimate.removal_effect, strict=True))


@pytest.mark.parametrize("method", ["closed", "sweeps", "lu"])
@settings(max_examples=40, deadline=None)
@given(journeys=journeys, order=st.integers(1, 4))
def test_effects_equal_the_definition(method, journeys, order):
    assert effects_of(journeys, order, method) == pytest.approx(
        removal_effects(journeys, order), abs=1e-9
    )


@settings(max_examples=60, deadline=None)
@given(journeys=journeys, order=st.integers(1, 3))
def test_all_ways_to_solve_agree(journeys, order):
    chain = build(encode_frame(frame_of(journeys)), order)
    removed = np.arange(-1, int(chain.last_channel.max()) + 1)
    closed, sweeps, lu = (next(solutions(chain, removed, m)) for m in ("closed", "sweeps", "lu"))
    for other in (sweeps, lu):
        np.testing.assert_allclose(other.chance, closed.chance, atol=1e-12)
        np.testing.assert_allclose(other.worth, closed.worth, atol=1e-11)
        np.testing.assert_allclose(other.visits, closed.visits, atol=1e-11)


@settings(max_examples=60, deadline=None)
@given(journeys=journeys, order=st.integers(1, 3))
def test_value_is_shared_by_the_value_that_is_lost(journeys, order):
    assume(any(value for _, _, value, _ in journeys))
    effects = removal_effects(journeys, order, by_value=True)
    total = sum(value for _, _, value, _ in journeys)
    result = attribute(frame_of(journeys), "markov", order).set_index("channel")["value"]
    expected = {c: total * e / sum(effects.values()) for c, e in effects.items()}
    assert result.to_dict() == pytest.approx(expected, abs=1e-9 * max(1, total))


@settings(max_examples=60, deadline=None)
@given(journeys=journeys)
def test_loops_on_or_off_give_the_same_effects(journeys):
    def without_loops(path):
        return tuple(c for i, c in enumerate(path) if i == 0 or path[i - 1] != c)

    once = [(without_loops(path), *rest) for path, *rest in journeys]
    assert effects_of(once, 1) == pytest.approx(effects_of(journeys, 1), abs=1e-9)


def test_order_one_closed_form_on_a_journey_worked_by_hand():
    journeys = [(("a", "b"), 1, 0, 1), (("b",), 1, 0, 1)]
    # With both: from b half convert, and every journey reaches b. Without a only half do.
    assert effects_of(journeys, 1) == pytest.approx({"a": 0.5, "b": 1.0})


def test_a_slowly_mixing_chain_is_still_exact():
    path = ("a", "b") * 5_000
    journeys = [(path, 1, 3.0, 1), (("b", "c"), 2, 1.0, 5)]
    for order in (1, 2):
        reference = removal_effects(journeys, order)
        for method in ("auto", "sweeps"):
            assert effects_of(journeys, order, method) == pytest.approx(reference, abs=1e-9)


def test_rare_channels_keep_their_small_effects():
    journeys = [(("common",), 10_000, 0, 90_000), (("rare", "common"), 1, 0, 3)]
    assert effects_of(journeys, 1)["rare"] == pytest.approx(
        removal_effects(journeys, 1)["rare"], abs=1e-12
    )
    assert 0 < effects_of(journeys, 1)["rare"] < 1e-3


def test_a_channel_that_only_failed_has_no_effect_and_stays_listed():
    effects = effects_of([(("a",), 5, 0, 5), (("b",), 0, 0, 40)], 1)
    assert effects == pytest.approx({"a": 1.0, "b": 0.0})


@pytest.mark.parametrize("order", [1, 2])
def test_order_is_chosen_by_what_the_journeys_remember(order):
    rng = np.random.default_rng(order)
    following = rng.dirichlet(np.ones(4) * 0.4, size=(4, 4)) if order == 2 else None
    simple = rng.dirichlet(np.ones(4), size=4)
    texts = []
    for _ in range(3_000):
        path = [int(rng.integers(4))]
        while rng.random() < 0.8:
            known = len(path) > 1 and following is not None
            path.append(
                int(rng.choice(4, p=following[path[-2], path[-1]] if known else simple[path[-1]]))
            )
        texts.append(" > ".join(CHANNELS[c] for c in path))
    converted = (rng.random(len(texts)) < 0.3).astype(int)
    frame = pd.DataFrame({"path": texts, "conversions": converted, "nulls": 1 - converted})
    assert choose_order(encode_frame(frame)) == order
    assert set(attribute(frame, "markov", "auto")["order"]) == {order}


def test_slopes_are_the_derivatives_of_the_shares():
    """The interval rests on them: a little more of one path moves the shares as they say."""
    journeys = [
        (("a", "b"), 4, 8.0, 10), (("b", "c", "a"), 3, 9.0, 7), (("c",), 2, 1.0, 20),
        (("a", "a", "c"), 1, 4.0, 2),
    ]  # fmt: skip
    for order in (1, 2):
        estimate = markov(encode_frame(frame_of(journeys)), order)
        centre, step = estimate.conversions.centre, 1e-5
        variance = np.zeros(3)
        for row, (path, conversions, value, nulls) in enumerate(journeys):
            for more, count in ((1, conversions), (0, nulls)):
                moved = list(journeys)
                moved[row] = (path, conversions + step * more, value, nulls + step * (1 - more))
                after = markov(encode_frame(frame_of(moved)), order).conversions.centre
                variance += count * ((after - centre) / step) ** 2
        half = 1.6448536269514722**2 * variance / centre / 2
        np.testing.assert_allclose(
            estimate.conversions.high,
            centre + half + np.sqrt(half**2 + 2 * half * centre),
            rtol=1e-3,
        )
