"""Incremental credit from paths: against a slow reference, and in worlds whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from attribution.errors import BadInput
from attribution.models import logistic
from attribution.models.attribute import attribute
from attribution.models.logistic import PRIOR_SPREAD
from attribution.models.path_frames import encode_frame
from attribution.models.path_incremental import _best_fit

CHANNELS = ("alpha", "beta", "gamma", "delta")
rows = st.tuples(
    st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=5).map(tuple),
    st.integers(0, 9),
    st.integers(0, 500).map(lambda cents: cents / 100),
    st.integers(0, 9),
).map(lambda row: (row[0], row[1], row[2] * (row[1] > 0), row[3]))
journeys = st.lists(rows, min_size=1, max_size=12).filter(
    lambda js: any(j[1] for j in js) and any(j[3] for j in js)
)


def frame_of(journeys):
    table = [(" > ".join(path), *rest) for path, *rest in journeys]
    return pd.DataFrame(table, columns=["path", "conversions", "value", "nulls"])


def credit(frame, column="conversions"):
    return attribute(frame, "incremental").set_index("channel")[column]


def exposed(effects, base, size, seed, touches=4):
    """Journeys that meet channels by chance, and what is truly lost without each."""
    rng = np.random.default_rng(seed)
    effects = np.asarray(effects)
    lengths = np.minimum(rng.geometric(1 / touches, size), 12)
    codes = rng.integers(len(effects), size=lengths.sum())
    met = np.zeros((size, len(effects)), dtype=bool)
    met[np.repeat(np.arange(size), lengths), codes] = True
    odds = np.log(base / (1 - base)) + met @ effects
    won = rng.random(size) < expit(odds)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    names = np.array([f"c{number}" for number in range(len(effects))])[codes].tolist()
    paths = [" > ".join(names[starts[row] : starts[row + 1]]) for row in range(size)]
    helps = np.maximum(effects, 0.0)
    lost = [(expit(odds) - expit(odds - e * m)).sum() for e, m in zip(helps, met.T, strict=True)]
    jointly = (expit(odds) - expit(odds - met @ helps)).sum()
    frame = pd.DataFrame({"path": paths, "conversions": won * 1.0, "nulls": 1.0 - won})
    return frame.groupby("path", as_index=False).sum(), np.array(lost), jointly


@settings(max_examples=30, deadline=None)
@given(journeys=journeys)
def test_the_fit_is_the_likeliest(journeys):
    """The same posterior, one journey row after another, climbed by another method."""
    paths = encode_frame(frame_of(journeys))
    fitted, _, _ = _best_fit(paths)
    best = -np.inf
    for amount in (lambda path, c: float(c in path), lambda path, c: float(path.count(c))):
        table = np.array([[amount(path, c) for c in paths.channels] for path, *_ in journeys])
        won, lost = (np.array([row[i] for row in journeys], dtype=float) for i in (1, 3))

        def loss(b, table=table, won=won, lost=lost):
            odds = table @ b[:-1] + b[-1]
            each = won * np.logaddexp(0, -odds) + lost * np.logaddexp(0, odds)
            return each.sum() + (b[:-1] ** 2).sum() / PRIOR_SPREAD**2 / 2

        found = minimize(loss, np.zeros(len(paths.channels) + 1), method="BFGS", tol=1e-10)
        best = max(best, -found.fun)
    assert fitted.log_posterior == pytest.approx(best, abs=1e-6)
    slope = fitted.design.T @ (  # nothing climbs any further
        _best_fit(paths)[2].conversions
        - fitted.chance * (_best_fit(paths)[2].conversions + _best_fit(paths)[2].nulls)
    )
    slope[:-1] -= fitted.effects[:-1] / PRIOR_SPREAD**2
    np.testing.assert_allclose(slope, 0, atol=1e-8)


@settings(max_examples=60, deadline=None)
@given(journeys=journeys)
def test_channels_and_baseline_add_up(journeys):
    result = attribute(frame_of(journeys), "incremental")
    for index, column in ((1, "conversions"), (2, "value")):
        total = sum(row[index] for row in journeys)
        assert result[column].sum() == pytest.approx(total, abs=1e-9)
        assert (result[column] >= 0).all()
        assert (result[f"{column}_low"] >= 0).all()
        assert (result[f"{column}_low"] <= result[column] + 1e-9).all()
        assert (result[f"{column}_high"] >= result[column] - 1e-9).all()
    effects = result["removal_effect"].iloc[:-1]
    assert effects.between(0, 1).all()
    assert np.isnan(result["removal_effect"].iloc[-1])
    assert result["channel"].iloc[-1] == "baseline"


@settings(max_examples=30, deadline=None)
@given(journeys=journeys)
def test_value_that_goes_with_conversions_is_shared_like_them(journeys):
    paid = [(path, won, 7.5 * won, lost) for path, won, _, lost in journeys]
    result = attribute(frame_of(paid), "incremental")
    np.testing.assert_allclose(result["value"], 7.5 * result["conversions"], atol=1e-9)
    np.testing.assert_allclose(result["value_low"], 7.5 * result["conversions_low"], atol=1e-7)


@pytest.mark.parametrize(
    ("effects", "base"),
    [
        ((0.9, 0.3, 0.6, 0.1, 0.5), 0.085),
        ((0.4, 0.8, 0.2, 0.9, 0.3), 0.165),
        ((0.9, -0.6, 0.5, -0.9, -0.3), 0.085),
    ],
)
def test_worlds_of_chance_are_found(effects, base):
    frame, lost, jointly = exposed(effects, base, 100_000, 31)
    found = credit(frame)
    shares, truth = found.iloc[:-1] / found.iloc[:-1].sum(), lost / lost.sum()
    assert np.abs(shares.to_numpy() - truth).sum() / 2 < 0.04
    assert found["baseline"] == pytest.approx(found.sum() - jointly, rel=0.05)
    low, high = (credit(frame, f"conversions_{end}")["baseline"] for end in ("low", "high"))
    assert high - low < 0.2 * found["baseline"]
    assert not credit(frame, "removal_effect").iloc[:-1][np.array(effects) < 0].any()
    rules = attribute(frame, "linear")["conversions"].to_numpy()
    assert np.abs(rules / rules.sum() - truth).sum() / 2 > 0.06


def test_repeated_touches_count_where_they_matter():
    """Where each touch moves the odds, the likelier regression counts touches."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"path": [" > ".join(["a"] * n + ["b"] * m) for n in range(5) for m in range(1, 5)]}
    )
    times = np.array([(n, m) for n in range(5) for m in range(1, 5)])
    chance = expit(-3 + times @ [0.5, 0.1])
    won = rng.binomial(5_000, chance)
    frame = frame.assign(conversions=won, nulls=5_000 - won)
    lost = (chance - expit(-3 + times @ [0.0, 0.1])).sum() * 5_000
    result = attribute(frame, "incremental").set_index("channel")
    removed = result["removal_effect"]["a"] * won.sum()
    assert removed == pytest.approx(lost, rel=0.05)


def test_harm_earns_nothing_and_is_said():
    frame = frame_of(
        [(("good",), 500, 0, 500), (("good", "bad"), 10, 0, 990), (("bad",), 5, 0, 995)]
    )
    result = attribute(frame, "incremental").set_index("channel")
    assert result["conversions"]["bad"] == 0.0
    assert result["removal_effect"]["bad"] == 0.0
    assert "no credit for bad" in result.attrs["notes"][0]


def test_direct_is_part_of_the_baseline():
    frame = frame_of(
        [(("direct",), 40, 0, 60), (("direct", "ad"), 70, 0, 30), (("ad",), 60, 0, 40)]
    )
    found = attribute(frame, "incremental").set_index("channel")
    assert found["conversions"]["direct"] == 0.0
    assert found["conversions"]["baseline"] > 80
    assert "direct cannot be switched off" in found.attrs["notes"][0]


def test_journeys_without_a_touch_tell_what_happens_without_channels():
    rows = [(("a",), 30, 0, 70)]
    nobody = {"path": [""], "conversions": [200], "value": [0], "nulls": [800]}
    known = pd.concat([frame_of(rows), pd.DataFrame(nobody)])
    found = credit(known)
    # Two in ten convert without any channel, three in ten with it.
    assert found["baseline"] == pytest.approx(20, abs=1)
    assert found["unattributed"] == 200


def test_what_is_hidden_widens_the_intervals():
    """The same channels, but paths differ: something that paths do not hold decides."""
    clean = [(("a",), 200, 0, 800), (("b",), 300, 0, 700), (("a", "b"), 200, 0, 300),
             (("b", "a"), 200, 0, 300)]  # fmt: skip
    mixed = [*clean[:2], (("a", "b"), 350, 0, 150), (("b", "a"), 50, 0, 450)]
    sure, unsure = (attribute(frame_of(j), "incremental") for j in (clean, mixed))
    widths = [(r["conversions_high"] - r["conversions_low"]).iloc[0] for r in (sure, unsure)]
    assert widths[1] > 2 * widths[0]
    assert "something that paths do not hold" in unsure.attrs["notes"][0]
    assert "something that paths do not hold" not in sure.attrs["notes"][0]
    assert "only an experiment knows" in sure.attrs["notes"][0]


def test_intervals_hold_what_is_true():
    """A small version of `benchmarks/coverage.py`."""
    rng = np.random.default_rng(12)
    texts = ["a", "b", "c", "a > b", "b > c", "a > c", "a > b > c"]
    met = np.array([[c in text for c in "abc"] for text in texts])
    odds = -2 + met @ [0.8, 0.3, 0.5]
    expected, effects = 1_000 * expit(odds), np.array([0.8, 0.3, 0.5])
    lost = np.array(
        [
            (expected - 1_000 * expit(odds - e * m)).sum()
            for e, m in zip(effects, met.T, strict=True)
        ]
    )
    base = 1_000 * expit(-2) * len(texts)
    truth = np.append(lost / lost.sum() * (expected.sum() - base), base)
    hits = []
    for _ in range(150):
        won, nulls = rng.poisson(expected), rng.poisson(1_000 - expected)
        found = attribute(
            pd.DataFrame({"path": texts, "conversions": won, "nulls": nulls}), "incremental"
        )
        hits.append((found["conversions_low"] <= truth) & (truth <= found["conversions_high"]))
    assert np.mean(hits) == pytest.approx(0.90, abs=0.04)


def test_next_to_all_may_convert():
    found = credit(frame_of([(("a",), 1e12, 0, 1e-9), (("b",), 1e12, 0, 1e-9)]))
    assert found["a"] == found["b"] < 1
    assert found["baseline"] == pytest.approx(2e12)


def test_nulls_are_needed():
    frame = pd.DataFrame({"path": ["a", "a > b"], "conversions": [2, 3]})
    for nulls in (frame, frame.assign(nulls=0)):
        with pytest.raises(BadInput, match=r"incremental .* column nulls"):
            attribute(nulls, "incremental")
        result = attribute(nulls, "all")
        assert not {"incremental", "shapley_rate"} & set(result["model"])
        assert "incremental were left out" in result.attrs["notes"][0]


def test_a_channel_cannot_be_called_baseline():
    frame = frame_of([(("baseline",), 1, 0, 1)])
    with pytest.raises(BadInput, match=r"'baseline'.* rename"):
        attribute(frame, "incremental")
    assert attribute(frame, "linear")["channel"].tolist() == ["baseline"]


def test_many_channels_are_solved_as_few_are(monkeypatch):
    frame, _, _ = exposed(np.linspace(-0.5, 1, 12), 0.1, 3_000, 5)
    before = attribute(frame, "incremental")
    monkeypatch.setattr(logistic, "_DIRECT_COLUMNS", 0)
    after = attribute(frame, "incremental")
    np.testing.assert_allclose(
        after[["conversions", "conversions_low"]],
        before[["conversions", "conversions_low"]],
        rtol=1e-7,
    )


def test_slopes_are_the_derivatives_of_the_credit():
    """The interval rests on them: a little more of one path moves credit as they say."""
    texts = ["a", "b", "c", "a > b", "b > c", "a > b > c"]
    won, nulls = [25, 18, 30, 60, 70, 90], [150, 160, 140, 180, 130, 110]
    frame = pd.DataFrame({"path": texts, "conversions": won, "nulls": nulls}).astype(
        {"conversions": float, "nulls": float}
    )
    base = attribute(frame, "incremental")
    assert "something that paths do not hold" not in base.attrs["notes"][0]
    variance, step = np.zeros(4), 1e-4
    for row in range(len(frame)):
        for column in ("conversions", "nulls"):
            if not frame.loc[row, column]:
                continue
            moved = frame.copy()
            moved.loc[row, column] += step
            after = attribute(moved, "incremental")["conversions"]
            variance += (
                frame.loc[row, column] * ((after - base["conversions"]).to_numpy() / step) ** 2
            )
    high = base["conversions"] + 1.6448536269514722 * np.sqrt(variance)
    np.testing.assert_allclose(base["conversions_high"], high, rtol=0.01)
