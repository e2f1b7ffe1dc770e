"""The design of the incremental model: cells of the panel, and how hard each channel pressed there.

A cell is a service line at a location. What a campaign spent is spread over the cells that it
speaks for, per head; it carries over from week to week and saturates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNASSIGNED = "unassigned"
WEEK = np.timedelta64(7, "D")
# Media that make a name known work for longer than media that answer who is looking.
AWARENESS = frozenset(
    ("video", "paid_social", "organic_social", "display", "offline_media", "direct_mail", "event")
)
MOST_CELLS = 48  # more are taken together, so that the time of a fit stays bounded
_BEFORE = 4  # weeks whose mean stands for what was on before the first one


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of the panel, the weeks of the window, and each cell's share of all conversions."""

    lines: tuple[str, ...]
    locations: tuple[str, ...]
    weeks: NDArray[np.datetime64]
    size: Floats

    def at(self, line: str, location: str) -> NDArray[np.bool_]:
        """The cells that a campaign, or a test, of this line and location speaks for."""
        mine = np.ones(len(self.lines), dtype=bool)
        if line not in ("", UNASSIGNED):
            mine &= np.array([name == line for name in self.lines])
        if location not in ("", UNASSIGNED):
            mine &= np.array([name == location for name in self.locations])
        return mine


@dataclass(frozen=True, slots=True)
class Media:
    """What each campaign of a channel pressed with, per head: campaign x cell x week."""

    channel: str
    campaigns: tuple[str, ...]
    pressure: Floats

    def carried(self, kept: float) -> Floats:
        """The same with what is left of the weeks before, `kept` of it from each to the next."""
        carried = np.empty_like(self.pressure)
        level = self.pressure[:, :, :_BEFORE].mean(axis=2)
        for week in range(self.pressure.shape[2]):
            level = kept * level + (1 - kept) * self.pressure[:, :, week]
            carried[:, :, week] = level
        return carried

    def intensity(self, kept: float, power: float, delay: int, size: Floats) -> Floats:
        """All campaigns together, carried over, saturated, delayed; 1 in the mean over heads."""
        total = self.carried(kept).sum(axis=0)
        if delay:
            total = np.hstack([np.repeat(total[:, :1], delay, axis=1), total[:, :-delay]])
        pressed: Floats = total**power
        mean = float((pressed.mean(axis=1) * size).sum() / size.sum())
        return pressed / mean if mean > 0 else pressed


def cells_of(conversions: pd.DataFrame, media: pd.DataFrame) -> Cells:
    """The cells with conversions in the window: the weeks from the first money to the last visit."""
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
    np.add.at(counts, (cell[mine], week[mine]), conversions["conversions"].to_numpy("float64")[mine])
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
    made = []
    for channel, rows in media.groupby("channel", sort=True):
        measure = _measure(rows)
        campaigns = tuple(sorted(set(rows["campaign"])))
        pressure = np.zeros((len(campaigns), len(cells.lines), len(cells.weeks)))
        _, week = places_of(rows, cells)
        number = {campaign: at for at, campaign in enumerate(campaigns)}
        for (campaign, line, location), part in rows.groupby(
            ["campaign", "service_line", "location"], sort=True
        ).indices.items():
            mine = cells.at(line, location)
            if mine.any():
                spent = np.bincount(week[part], measure[part], len(cells.weeks))
                pressure[number[campaign], mine] += spent / cells.size[mine].sum()
        if pressure.any():
            made.append(Media(str(channel), campaigns, pressure))
    return made


def _measure(rows: pd.DataFrame) -> Floats:
    """What a channel is measured by: money, which is decided; else what money bought.

    Money of two currencies cannot be added, and messages are counted because most are free.
    """
    spent = rows[rows["spend_micros"] > 0]
    if rows["messages"].sum() > 0:
        order = ("messages",)
    elif spent["currency"].nunique() == 1:
        order = ("spend_micros", "impressions", "clicks")
    else:
        order = ("impressions", "clicks", "spend_micros")
    chosen = next((name for name in order if rows[name].sum() > 0), order[0])
    measured: Floats = np.maximum(rows[chosen].to_numpy("float64"), 0.0)
    return measured


def spending_of(media: pd.DataFrame) -> Mapping[str, float]:
    """Each channel's money, for the size that is expected of it before anything is seen."""
    spent: Any = media.groupby("channel")["spend_micros"].sum()
    return {str(channel): max(float(amount), 0.0) for channel, amount in spent.items()}


def nuisance(cells: Cells) -> tuple[Floats, Floats, Floats]:
    """What moves conversions without any channel: basis x cell x week, prior sd, and which are smooth.

    A smooth course of all cells, a season of each service line, and a slow course of each location.
    The smooth course's sd is relative: the grid of the fit scales it.
    """
    weeks = len(cells.weeks)
    at = np.arange(weeks) / 52.18
    place = (np.arange(weeks) + 0.5) / weeks
    rows, sds, smooth = [], [], []
    everywhere = np.ones(len(cells.lines))

    def add(course: Floats, mine: Floats, sd: float, *, scaled: bool = False) -> None:
        rows.append(mine[:, None] * course[None, :])
        sds.append(sd)
        smooth.append(float(scaled))

    for wave in range(1, max(3, weeks // 6) + 1):
        add(np.sqrt(2) * np.cos(np.pi * wave * place), everywhere, 1.0 / wave, scaled=True)
    for line in sorted(set(cells.lines)):
        mine = np.array([float(name == line) for name in cells.lines])
        if weeks >= 40:
            for wave in (1, 2, 3):
                for course in (np.cos(2 * np.pi * wave * at), np.sin(2 * np.pi * wave * at)):
                    add(course, mine, 0.3 / wave)
        if len(set(cells.lines)) > 1:
            add(np.sqrt(2) * np.cos(np.pi * place), mine, 0.1)
    if len(set(cells.locations)) > 1:
        for location in sorted(set(cells.locations)):
            mine = np.array([float(name == location) for name in cells.locations])
            for wave in (1, 2):
                add(np.sqrt(2) * np.cos(np.pi * wave * place), mine, 0.1 / wave)
    return np.stack(rows), np.array(sds), np.array(smooth)
