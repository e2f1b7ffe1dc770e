"""The incremental model's shares: what part of a cell's conversions each campaign brought."""

import numpy as np
import pandas as pd

from attribution.models.incremental_design import (
    Floats,
    Intensities,
    Media,
    Node,
    Setting,
    carried,
    cells_of,
    counts_of,
    in_order,
    media_of,
    waited,
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
            mine = of_kind[of_kind["channel"] == channel]
            usual = float(mine["kept"].mean()), float(mine["delay"].mean())
            left = _left(intensities.media[number], *usual)
            frames.append(
                _by_campaign(str(kind), intensities, number, np.where(happened, share, 0.0), left)
            )
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


def _left(media: Media, kept: float, delay: float) -> list[Floats]:
    """What is left of each campaign's pressure, for each of its cells: cell x week.

    Where nothing is left of any of them, what each pressed with in all the weeks stands there, so
    that no part of the channel's share is lost.
    """
    left = [waited(carried(spent, kept), delay) for spent in media.spent]
    whole = np.zeros_like(media.pressure)
    for where, course in zip(media.where, left, strict=True):
        whole[where] += course
    return [
        np.where(whole[where] > 0, course, spent.sum())
        for where, course, spent in zip(media.where, left, media.spent, strict=True)
    ]


def _by_campaign(
    kind: str, intensities: Intensities, number: int, share: Floats, left: list[Floats]
) -> pd.DataFrame:
    """One channel's share, over its campaigns by what is left there of each one's pressure."""
    media, cells = intensities.media[number], intensities.cells
    whole = np.zeros_like(media.pressure)
    for where, course in zip(media.where, left, strict=True):
        whole[where] += course
    a_head = np.where(whole > 0, share / np.where(whole > 0, whole, 1.0), 0.0)
    lines, locations = np.array(cells.lines, object), np.array(cells.locations, object)
    frames = []
    for campaign, where, course in zip(media.campaigns, media.where, left, strict=True):
        mine = np.flatnonzero(where)
        part = np.floor(course * a_head[mine] * _DIGITS) / _DIGITS
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
