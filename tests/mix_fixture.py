"""Made-up marts of the mix model: curves of a few channels, and what they sum up to."""

import numpy as np
import pandas as pd

CHANNELS = ("paid_search", "paid_social", "display", "video", "direct_mail", "offline_media")
DRAWS = 100


def mix_curves(kinds: tuple[str, ...]) -> pd.DataFrame:
    """A hundred draws of each kind and channel; video was tested, display is hardly known."""
    random = np.random.default_rng(20)
    frames = []
    for kind in kinds:
        for rank, channel in enumerate(CHANNELS):
            spend = 4_000.0 / (1 + rank)
            worth = 150.0 if kind == "collected" else 1.0
            top = worth * 30.0 / (1 + rank % 3) * random.gamma(25, 1 / 25, DRAWS)
            half = spend * random.choice([0.5, 1.2, 3.0], DRAWS)
            frames.append(
                pd.DataFrame(
                    {
                        "kind": kind, "channel": channel, "draw": range(DRAWS),
                        "top": top.round(9), "half": half.round(6),
                        "brought": (52 * top * spend / (spend + half)).round(6),
                        "spend": 52 * spend, "today": spend, "least": 0.6 * spend,
                        "most": 1.5 * spend, "known": 0.1 if channel == "display" else 0.7,
                        "holdouts": 0, "lift_tests": int(channel == "video"), "weeks": 90,
                    }
                )
            )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def mix_channels(curves: pd.DataFrame) -> pd.DataFrame:
    """What the curves sum up to."""
    by = curves.groupby(["kind", "channel"])
    first = by.first()
    brought = by["brought"]
    evidence = np.where(first["lift_tests"] > 0, "weeks and lift test", "weeks")
    evidence = np.where(first["known"] < 0.2, "not identified", evidence)
    return (
        first[["spend", "today", "least", "most", "known", "lift_tests", "holdouts", "weeks"]]
        .assign(
            brought=brought.mean(),
            low=brought.quantile(0.05),
            high=brought.quantile(0.95),
            evidence=evidence,
        )
        .reset_index()
    )
