"""The design of the incremental model: cells of the panel, and how hard each channel pressed there.

A cell is a service line at a location. What a campaign spent is spread over the cells that it
speaks for, per head; it carries over from week to week and saturates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

UNASSIGNED = "unassigned"
WEEK = np.timedelta64(7, "D")
# Media that make a name known work for longer than media that answer who is looking.
AWARENESS = frozenset(
    ("video", "paid_social", "organic_social", "display", "offline_media", "direct_mail", "event")
)
_BEFORE = 4  # weeks whose mean stands for what was on before the first one


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of the panel, the weeks of the window, and each cell's share of all conversions."""

    lines: tuple[str, ...]
    locations: tuple[str, ...]
    weeks: NDArray[np.datetime64]
    size: Floats

    def at(self, line: str, location: str) -> Bools:
        """The cells that a campaign, or a test, of this line and location speaks for."""
        mine = np.ones(len(self.lines), dtype=bool)
        if line not in ("", UNASSIGNED):
            mine &= np.array([name == line for name in self.lines])
        if location not in ("", UNASSIGNED):
            mine &= np.array([name == location for name in self.locations])
        return mine


@dataclass(frozen=True, slots=True)
class Media:
    """What a channel pressed with, per head: in all, and by each campaign where it speaks."""

    channel: str
    pressure: Floats  # cell x week
    campaigns: tuple[str, ...]
    where: Bools  # campaign x cell
    spent: Floats  # campaign x week, per head of its cells

    def intensity(self, kept: float, power: float, delay: int, size: Floats) -> Floats:
        """Carried over, saturated, delayed; 1 in the mean over heads and weeks."""
        pressed = waited(carried(self.pressure, kept) ** power, delay)
        mean = float((pressed.mean(axis=1) * size).sum() / size.sum())
        return pressed / mean if mean > 0 else pressed


@dataclass(frozen=True, slots=True)
class Setting:
    """How a channel carries over from week to week, and how soon it saturates."""

    kept: float
    power: float


@dataclass(frozen=True, slots=True)
class Node:
    """Settings of all channels, and how many weeks later conversions of the kind come."""

    settings: tuple[Setting, ...]
    delay: int = 0


class Intensities:
    """Each channel's intensity at any setting, made once."""

    def __init__(self, media: Sequence[Media], cells: Cells) -> None:
        self.media, self.cells = media, cells
        self._made: dict[tuple[int, Setting, int], Floats] = {}

    def at(self, node: Node) -> Floats:
        """Channel x cell x week."""
        return np.stack([self._one(i, one, node.delay) for i, one in enumerate(node.settings)])

    def shares(self, node: Node, coefficients: Floats) -> Floats:
        """Each channel's share of what comes: channel x cell x week, below 1 together."""
        pressed = coefficients[:, None, None] * self.at(node)
        shares: Floats = pressed / (1 + pressed.sum(axis=0))
        return shares

    def _one(self, number: int, setting: Setting, delay: int) -> Floats:
        key = (number, setting, delay)
        if key not in self._made:
            self._made[key] = self.media[number].intensity(
                setting.kept, setting.power, delay, self.cells.size
            )
        return self._made[key]


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows in an order of their own: an engine gives them in any."""
    return frame.sort_values(list(frame.columns), ignore_index=True)


def carried(course: Floats, kept: float) -> Floats:
    """This week's part and what is left of the weeks before, `kept` of it from each to the next.

    Weeks are the last axis. What was on before the first is the mean of the first few.
    """
    left = np.empty_like(course)
    level = course[..., :_BEFORE].mean(axis=-1)
    for week in range(course.shape[-1]):
        level = kept * level + (1 - kept) * course[..., week]
        left[..., week] = level
    return left


def waited(course: Floats, delay: float) -> Floats:
    """The same, as many weeks later in the mean.

    Two waits of half the length: few come at once, most around it, some much later.
    """
    wait = (delay / 2) / (1 + delay / 2)
    return carried(carried(course, wait), wait) if delay else course


def cells_of(conversions: pd.DataFrame, media: pd.DataFrame) -> Cells:
    """The cells with conversions in the window: from the first week of media to the last week."""
    first, last = media["week"].min(), max(conversions["week"].max(), media["week"].max())
    weeks = np.arange(np.datetime64(first, "D"), np.datetime64(last, "D") + WEEK, WEEK)
    inside = conversions[conversions["week"] >= first]
    totals = inside.groupby("kind")["conversions"].transform("sum").clip(lower=1)
    share = (inside["conversions"] / totals).groupby([inside["service_line"], inside["location"]])
    sizes = share.sum()
    sizes = sizes[sizes > 0]
    return Cells(
        lines=tuple(line for line, _ in sizes.index),
        locations=tuple(location for _, location in sizes.index),
        weeks=weeks,
        size=sizes.to_numpy(dtype="float64") / max(float(sizes.sum()), 1e-300),
    )


def counts_of(conversions: pd.DataFrame, cells: Cells) -> Floats:
    """Conversions of one kind: cell x week."""
    counts = np.zeros((len(cells.lines), len(cells.weeks)))
    cell, week = places_of(conversions, cells)
    mine = (cell >= 0) & (week >= 0)
    amount = conversions["conversions"].to_numpy("float64")
    np.add.at(counts, (cell[mine], week[mine]), amount[mine])
    return counts


def places_of(frame: pd.DataFrame, cells: Cells) -> tuple[Ints, Ints]:
    """Position of each row's cell and week; -1 where it has none."""
    known = {pair: at for at, pair in enumerate(zip(cells.lines, cells.locations, strict=True))}
    pairs = zip(frame["service_line"], frame["location"], strict=True)
    cell = np.array([known.get(pair, -1) for pair in pairs], dtype=np.int64)
    days = frame["week"].to_numpy("datetime64[D]") - cells.weeks[0]
    week = days // WEEK
    week[(week < 0) | (week >= len(cells.weeks))] = -1
    return cell, week


def media_of(media: pd.DataFrame, cells: Cells) -> list[Media]:
    """Every channel that pressed anywhere in the window, by name."""
    found = [_one_channel(str(name), rows, cells) for name, rows in media.groupby("channel")]
    return [one for one in found if one.pressure.any()]


def _one_channel(channel: str, rows: pd.DataFrame, cells: Cells) -> Media:
    measure = _measure(rows)
    _, week = places_of(rows, cells)
    pressure = np.zeros((len(cells.lines), len(cells.weeks)))
    names, where, spent = [], [], []
    groups = rows.groupby(["campaign", "service_line", "location"], sort=True).indices
    for key, part in groups.items():
        campaign, line, location = map(str, cast("tuple[str, str, str]", key))
        mine, inside = cells.at(line, location), part[week[part] >= 0]
        if mine.any():
            amount = np.bincount(week[inside], measure[inside], len(cells.weeks))
            names.append(campaign)
            where.append(mine)
            spent.append(amount / cells.size[mine].sum())
            pressure[mine] += spent[-1]
    return Media(
        channel,
        pressure,
        tuple(names),
        np.array(where, dtype=bool).reshape(len(names), len(cells.lines)),
        np.array(spent).reshape(len(names), len(cells.weeks)),
    )


def _measure(rows: pd.DataFrame) -> Floats:
    """What a channel is measured by: money, which is decided; else what money bought.

    Money of two currencies cannot be added, and messages are counted because most are free.
    """
    spent = rows[rows["spend_micros"] > 0]
    order: tuple[str, ...]
    if rows["messages"].sum() > 0:
        order = ("messages",)
    elif spent["currency"].nunique() == 1:
        order = ("spend_micros", "impressions", "clicks")
    else:
        order = ("impressions", "clicks", "spend_micros")
    chosen = next((name for name in order if rows[name].sum() > 0), order[0])
    measured: Floats = np.maximum(rows[chosen].to_numpy("float64"), 0.0)
    return measured


def spending_of(media: pd.DataFrame, currency: str) -> Mapping[str, float]:
    """Each channel's money in a currency, for the size that is expected of it beforehand.

    NaN where it has money, and none of it in that currency: how much it is beside the others' is
    not known.
    """
    spent = media[media["spend_micros"] > 0]
    paid = spent[spent["currency"] == currency].groupby("channel")["spend_micros"].sum().to_dict()
    elsewhere = set(spent["channel"]) - set(paid)
    return {
        str(channel): np.nan if channel in elsewhere else float(paid.get(channel, 0))
        for channel in sorted(set(media["channel"]))
    }


def span_of(counts: Floats) -> slice:
    """The weeks from the first to the last in which anything was counted in any cell."""
    (weeks,) = np.nonzero(counts.any(axis=0))
    return slice(int(weeks[0]), int(weeks[-1]) + 1) if len(weeks) else slice(0, 0)
