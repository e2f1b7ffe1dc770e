"""Shapley: three games against the definition by all orders of arrival."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from path_reference import floored, rate_game, shapley_by_orders, sum_game

from attribution.errors import BadInput
from attribution.models import games, shapley
from attribution.models.attribute import attribute
from attribution.models.path_frames import encode_frame

CHANNELS = ("alpha", "beta", "gamma", "delta", "eps")
rows = st.tuples(
    st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=6).map(tuple),
    st.integers(0, 9),
    st.integers(0, 500).map(lambda cents: cents / 100),
    st.integers(0, 9),
).map(lambda row: (row[0], row[1], row[2] * (row[1] > 0), row[3]))
journeys = st.lists(rows, min_size=1, max_size=10).filter(
    lambda js: any(j[1] for j in js) and any(j[3] for j in js)
)


def frame_of(journeys):
    table = [(" > ".join(path), *rest) for path, *rest in journeys]
    return pd.DataFrame(table, columns=["path", "conversions", "value", "nulls"])


def credit(journeys, model, column="conversions"):
    return attribute(frame_of(journeys), model).set_index("channel")[column].to_dict()


def players(journeys):
    return sorted({channel for path, *_ in journeys for channel in path})


@settings(max_examples=40, deadline=None)
@given(journeys=journeys)
def test_equal_split_is_the_value_of_the_sum_game(journeys):
    expected = shapley_by_orders(players(journeys), sum_game(journeys))
    assert credit(journeys, "shapley_sum") == pytest.approx(expected, abs=1e-9)
    assert credit(journeys, "shapley_ordered") == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(journeys=journeys)
def test_rate_game_equals_the_definition(journeys):
    values = shapley_by_orders(players(journeys), rate_game(journeys))
    expected = floored(values, sum(row[1] for row in journeys))
    assert credit(journeys, "shapley_rate") == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(journeys=journeys.filter(lambda js: any(j[2] for j in js)))
def test_rate_game_of_value_equals_the_definition(journeys):
    total = sum(row[2] for row in journeys)
    values = shapley_by_orders(players(journeys), rate_game(journeys, by_value=True))
    expected = floored(values, total)
    assert credit(journeys, "shapley_rate", "value") == pytest.approx(
        expected, abs=1e-9 * max(1, total)
    )


@settings(max_examples=20, deadline=None)
@given(journeys=journeys)
def test_positions_add_up_to_the_credit(journeys):
    table = shapley.positions(encode_frame(frame_of(journeys)))
    summed = table.groupby("channel")["conversions"].sum().to_dict()
    assert summed == pytest.approx(credit(journeys, "shapley_sum"), abs=1e-9)


def test_positions_follow_the_definition_of_the_ordered_value():
    table = shapley.positions(encode_frame(frame_of([(("a", "b", "a"), 4, 0, 0)])))
    found = {(row.channel, row.position): row.conversions for row in table.itertuples()}
    assert found == pytest.approx({("a", 1): 1.0, ("a", 3): 1.0, ("b", 2): 2.0})


def test_ordered_counts_conversions_and_not_journeys():
    """One package credits every journey, converted or not."""
    found = credit([(("a",), 1, 0, 0), (("b",), 0, 0, 1), (("b",), 0, 0, 1)], "shapley_ordered")
    assert found == pytest.approx({"a": 1.0, "b": 0.0})


def test_a_harmful_channel_earns_nothing():
    journeys = [(("good",), 50, 0, 50), (("good", "bad"), 1, 0, 99), (("bad",), 0, 0, 100)]
    assert credit(journeys, "shapley_rate") == pytest.approx({"bad": 0.0, "good": 51.0})


def many_channels(size, paths=400, seed=5):
    rng = np.random.default_rng(seed)
    texts, rate = [], rng.uniform(0.02, 0.3, size)
    converted, journeys = [], rng.integers(5, 40, paths)
    for number in range(paths):
        chosen = rng.choice(size, size=rng.integers(1, 4), replace=False)
        texts.append(" > ".join(f"c{channel:02d}" for channel in chosen))
        converted.append(rng.binomial(journeys[number], 1 - np.prod(1 - rate[chosen])))
    frame = pd.DataFrame({"path": texts, "conversions": converted})
    return frame.assign(value=frame["conversions"] * 10.0, nulls=journeys - frame["conversions"])


def test_exact_up_to_twenty_channels():
    result = attribute(many_channels(20), "shapley_rate")
    assert not result.attrs["notes"]
    assert len(result) == 20


def test_sampling_states_an_error_that_holds(monkeypatch):
    frame = many_channels(12)
    exact = attribute(frame, "shapley_rate")
    monkeypatch.setattr(games, "EXACT_CHANNELS", 5)
    sampled = attribute(frame, "shapley_rate")
    (note,) = sampled.attrs["notes"]
    stated = float(note.split("at most ")[1].split()[0])
    gap = (sampled["conversions"] - exact["conversions"]).abs().max()
    assert 0 < gap < 4 * stated
    assert sampled["conversions"].sum() == pytest.approx(exact["conversions"].sum())
    width = exact["conversions_high"] - exact["conversions_low"]
    wide = sampled["conversions_high"] - sampled["conversions_low"]
    assert (wide[width > 0] / width[width > 0]).between(0.9, 1.3).all()


def test_sampled_answers_do_not_change_with_names_or_runs():
    frame = many_channels(24)
    renamed = frame.assign(path=frame["path"].str.replace("c0", "zz0"))
    first, again, other = (attribute(f, "shapley_rate") for f in (frame, frame, renamed))
    pd.testing.assert_frame_equal(first, again)
    names = other["channel"].str.replace("zz0", "c0")
    merged = first.merge(other.assign(channel=names), on="channel")
    np.testing.assert_allclose(merged["conversions_x"], merged["conversions_y"], rtol=1e-9)


def test_the_rate_needs_journeys_that_failed():
    frame = pd.DataFrame({"path": ["a", "a > b"], "conversions": [2, 3]})
    with pytest.raises(BadInput, match="nulls"):
        attribute(frame, "shapley_rate")
    result = attribute(frame, "all")
    assert "shapley_rate" not in set(result["model"])
    assert any("shapley_rate" in note for note in result.attrs["notes"])


def test_slopes_are_the_derivatives_of_the_values():
    journeys = [(c, 3 + i, 2.0 * i, 9 - i) for i, c in enumerate(itertools.permutations("abc", 2))]
    journeys.append((("c",), 2, 1.0, 30))
    frame = frame_of(journeys)
    base = attribute(frame, "shapley_rate")
    variance, step = np.zeros(3), 1e-5
    for row in range(len(frame)):
        for column in ("conversions", "nulls"):
            moved = frame.astype({"conversions": float, "nulls": float})
            moved.loc[row, column] += step
            after = attribute(moved, "shapley_rate")["conversions"]
            count = frame.loc[row, column]
            variance += count * ((after - base["conversions"]).to_numpy() / step) ** 2
    high = base["conversions"] + 1.6448536269514722 * np.sqrt(variance)
    np.testing.assert_allclose(base["conversions_high"], high, rtol=1e-3)
