"""What the learned models learn: from counts that SQL made to a weight per channel.

The counts are transitions between channels, of journeys that converted and of journeys that did
not; they determine a Markov chain of order 1, whose removal effects are solved exactly.
"""

import numpy as np
import pandas as pd

from attribution.models.chains import Chain, solutions
from attribution.models.paths import added

START, CONVERSION, NOTHING = "(start)", "(conversion)", "(nothing)"
_DIGITS = 12  # more would show the order in which the solver adds


def learned_weights(transitions: pd.DataFrame) -> pd.DataFrame:
    """Columns model, kind, channel, weight, from `kind`, `origin`, `target` and `journeys`.

    Channels without which nothing would be lost have no row, nor have kinds that never happened.
    """
    rows = [
        ("markov", kind, channel, effect)
        for kind, counts in transitions.groupby("kind", sort=True)
        for channel, effect in removal_effects(counts).items()
        if effect > 0
    ]
    frame = pd.DataFrame(rows, columns=["model", "kind", "channel", "weight"])
    return frame.astype({"weight": "float64"})


def removal_effects(transitions: pd.DataFrame) -> dict[str, float]:
    """The share of conversions that is lost where a channel leads to nothing, by channel."""
    chain, channels = _chain(transitions)
    if not chain.converting.any():
        return {}
    parts = solutions(chain, np.arange(-1, len(channels)), "closed")
    chance = np.concatenate([part.chance[0] for part in parts])
    effects = np.clip(1 - chance[1:] / chance[0], 0.0, 1.0)
    return {
        channel: round(float(effect), _DIGITS)
        for channel, effect in zip(channels, effects, strict=True)
    }


def _chain(transitions: pd.DataFrame) -> tuple[Chain, list[str]]:
    """The chain of order 1 whose state 0 is the start and state `i + 1` the channel `i`."""
    ends = {START, CONVERSION, NOTHING}
    channels = sorted({*transitions["origin"], *transitions["target"]} - ends)
    state = {START: 0} | {channel: place for place, channel in enumerate(channels, start=1)}
    size = len(state)
    origin = transitions["origin"].map(state).to_numpy(dtype="int64")
    journeys = transitions["journeys"].to_numpy(dtype="float64")
    out = added(origin, journeys, size)
    won = (transitions["target"] == CONVERSION).to_numpy()
    converted = added(origin[won], journeys[won], size)
    inner = transitions["target"].isin(channels).to_numpy()
    nobody = np.zeros(0, dtype=np.int64)
    chain = Chain(
        order=1,
        last_channel=np.arange(-1, len(channels)),
        origin=origin[inner],
        target=transitions["target"][inner].map(state).to_numpy(dtype="int64"),
        count=journeys[inner],
        out=out,
        converting=converted / np.where(out > 0, out, 1.0),
        earning=np.zeros(size),
        transition=nobody,
        end=nobody,
    )
    return chain, channels
