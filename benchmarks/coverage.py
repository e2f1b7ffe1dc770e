"""How often the 90% intervals of path files hold the truth, for every model.

    python benchmarks/coverage.py --datasets 200

A world has channels that follow each other, and a conversion rate for each path. The truth is what
a model says of the expected counts; a data set draws the journeys. 87 to 93% should cover.
"""

import argparse
import json

import numpy as np
import pandas as pd

from attribution.models.attribute import PATH_MODELS, attribute_paths
from attribution.models.path_frames import encode_frame

CHANNELS = 8


def world(rng: np.random.Generator, paths: int) -> pd.DataFrame:
    """Distinct paths with how often they occur, convert, and what a conversion brings."""
    share = 1 / np.arange(1, CHANNELS + 1)
    following = rng.dirichlet(2 * share, size=CHANNELS)
    pull = rng.normal(0, 0.5, CHANNELS)
    seen: dict[tuple[int, ...], int] = {}
    while len(seen) < paths:
        path = [int(rng.choice(CHANNELS, p=share / share.sum()))]
        while rng.random() < 0.6 and len(path) < 12:
            path.append(int(rng.choice(CHANNELS, p=following[path[-1]])))
        seen[tuple(path)] = seen.get(tuple(path), 0) + 1
    texts = [" > ".join(f"channel {code}" for code in path) for path in seen]
    odds = np.array([-2.5 + pull[sorted(set(path))].sum() for path in seen])
    weight = np.array(list(seen.values()), dtype=float)
    return pd.DataFrame(
        {
            "path": texts,
            "share": weight / weight.sum(),
            "rate": 1 / (1 + np.exp(-odds)),
            "worth": rng.uniform(50, 150, len(texts)),
        }
    )


def coverage(seed: int, datasets: int, journeys: int, orders: tuple[int, ...]) -> dict[str, float]:
    """The share of channels, over all data sets, whose interval holds the truth."""
    rng = np.random.default_rng(seed)
    truth = world(rng, 300)
    expected = journeys * truth["share"].to_numpy()
    rate = truth["rate"].to_numpy()
    exact = _answers(truth, expected * rate, expected * (1 - rate), None, orders)
    hits: list[pd.Series] = []
    for _ in range(datasets):
        won = rng.poisson(expected * rate)
        lost = rng.poisson(expected * (1 - rate))
        drawn = _answers(truth, won, lost, rng, orders)
        both = exact.join(drawn.add_suffix("_drawn")).dropna(subset=["conversions_drawn"])
        for column in ("conversions", "value"):
            held = both[column].between(both[f"{column}_low_drawn"], both[f"{column}_high_drawn"])
            hits.append(held.groupby(level=0).mean().rename(column))
    table = pd.concat(hits, axis=1)
    return {
        f"{model} {column}": round(float(table.loc[model, column].mean()), 4)
        for model in table.index
        for column in ("conversions", "value")
    }


def _answers(
    truth: pd.DataFrame,
    won: np.ndarray,
    lost: np.ndarray,
    rng: np.random.Generator | None,
    orders: tuple[int, ...],
) -> pd.DataFrame:
    won, lost = np.asarray(won, dtype=float), np.asarray(lost, dtype=float)
    if rng is not None:
        frame = _one_row_a_conversion(truth, won.astype(int), lost, rng)
    else:
        value = won * truth["worth"]
        frame = pd.DataFrame(
            {"path": truth["path"], "conversions": won, "value": value, "nulls": lost}
        )
    paths = encode_frame(frame)
    found = []
    for name in PATH_MODELS:
        for order in orders if name == "markov" else (1,):
            answer = attribute_paths(paths, [name], order)
            found.append(answer.assign(model=f"{name} {order}" if name == "markov" else name))
    return pd.concat(found).set_index(["model", "channel"])


def _one_row_a_conversion(
    truth: pd.DataFrame, won: np.ndarray, lost: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    # A conversion's value spreads around its path's worth as an exponential does.
    converted = truth.loc[truth.index.repeat(won)]
    value = rng.exponential(converted["worth"])
    wins = pd.DataFrame({"path": converted["path"], "conversions": 1, "value": value, "nulls": 0})
    losses = pd.DataFrame({"path": truth["path"], "conversions": 0, "value": 0.0, "nulls": lost})
    return pd.concat([wins, losses[losses["nulls"] > 0]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=200)
    parser.add_argument("--journeys", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--orders", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    print(
        json.dumps(
            coverage(options.seed, options.datasets, options.journeys, tuple(options.orders)),
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
