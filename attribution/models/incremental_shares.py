"""The incremental model's shares: what part of a cell's conversions each campaign brought."""

import numpy as np
import pandas as pd

from attribution.models.incremental_design import (
    Bools,
    Floats,
    Intensities,
    Node,
    Setting,
    carried,
    cells_of,
    counts_of,
    in_order,
    media_of,
)

COLUMNS = {
    "kind": "str", "channel": "str", "campaign": "str", "service_line": "str", "location": "str",
    "week": "datetime64[s]", "share": "float64",
}  # fmt: skip
_DIGITS = 1e12  # rounded down to these, so that the shares of a cell stay below 1 together


def shares_of(draws: pd.DataFrame, conversions: pd.DataFrame, media: pd.DataFrame) -> pd.DataFrame:
    """Each campaign's mean share over the draws, wherever something was converted; COLUMNS."""
    if draws.empty:
        return pd.DataFrame({name: [] for name in COLUMNS}).astype(COLUMNS)
    conversions, media, draws = in_order(conversions), in_order(media), in_order(draws)
    cells = cells_of(conversions, media)
    intensities = Intensities(media_of(media, cells), cells)
    frames = []
    for kind, of_kind in draws.groupby("kind", sort=True):
        counted = conversions[conversions["kind"] == kind]
        happened = counts_of(counted.assign(conversions=1), cells) > 0
        for number, share in enumerate(_mean_shares(of_kind, intensities)):
            channel = intensities.media[number].channel
            kept = float(of_kind.loc[of_kind["channel"] == channel, "kept"].mean())
            frames.append(_by_campaign(str(kind), intensities, number, share, kept, happened))
    return pd.concat(frames, ignore_index=True).astype(COLUMNS)


def _mean_shares(draws: pd.DataFrame, intensities: Intensities) -> Floats:
    """Channel x cell x week."""
    cells = intensities.cells
    total = np.zeros((len(intensities.media), len(cells.lines), len(cells.weeks)))
    draws = draws.sort_values(["draw", "channel"])
    for _, draw in draws.groupby("draw", sort=True):
        settings = zip(draw["kept"].tolist(), draw["power"].tolist(), strict=True)
        node = Node(tuple(Setting(*pair) for pair in settings), int(draw["delay"].iloc[0]))
        total += intensities.shares(node, draw["coefficient"].to_numpy("float64"))
    mean: Floats = total / draws["draw"].nunique()
    return mean


def _by_campaign(
    kind: str, intensities: Intensities, number: int, share: Floats, kept: float, happened: Bools
) -> pd.DataFrame:
    """One channel's share, over its campaigns by what each pressed with there."""
    media, cells = intensities.media[number], intensities.cells
    whole = carried(media.pressure, kept)
    a_head = np.where((whole > 0) & happened, share / np.where(whole > 0, whole, 1.0), 0.0)
    lines, locations = np.array(cells.lines, object), np.array(cells.locations, object)
    frames = []
    for campaign, where, spent in zip(media.campaigns, media.where, media.spent, strict=True):
        mine = np.flatnonzero(where)
        part = np.floor(carried(spent, kept) * a_head[mine] * _DIGITS) / _DIGITS
        cell, week = np.nonzero(part > 0)
        frames.append(
            pd.DataFrame(
                {
                    "kind": kind,
                    "channel": media.channel,
                    "campaign": campaign,
                    "service_line": lines[mine[cell]],
                    "location": locations[mine[cell]],
                    "week": cells.weeks[week].astype("datetime64[s]"),
                    "share": part[cell, week],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
