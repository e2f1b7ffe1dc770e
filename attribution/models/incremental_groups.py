"""Cells taken together, and what moves their conversions without any channel."""

from dataclasses import dataclass, replace

import numpy as np

from attribution.models.incremental_design import Cells, Floats
from attribution.models.incremental_fit import Term

MOST = 48  # so that the time of a fit does not grow with cells
_REST = "(rest)"
_COURSE = 0.1  # sd of the course that all cells share, of its slowest wave


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of cells; each cell is a group of its own where there are few."""

    lines: tuple[str, ...]
    locations: tuple[str, ...]
    member: Floats  # group x cell: 1 where the cell is in the group
    heads: Floats  # the same, as parts of the group's people

    def summed(self, counts: Floats) -> Floats:
        total: Floats = self.member @ counts
        return total

    def averaged(self, intensity: Floats) -> Floats:
        """Channel x group x week of channel x cell x week."""
        mean: Floats = self.heads @ intensity
        return mean

    def term(self, term: Term, counts: Floats) -> Term:
        """An experiment that saw cells, as one that saw parts of groups."""
        whole = np.maximum(self.summed(counts), 1e-300)
        return replace(term, weight=self.summed(term.weight * counts) / whole)


def groups_of(cells: Cells) -> Groups:
    """Cells as they are, else locations, else the largest locations and the rest together."""
    names = list(zip(cells.lines, cells.locations, strict=True))
    if len(names) > MOST:
        names = [("", location) for _, location in names]
    if len(set(names)) > MOST:
        size: dict[tuple[str, str], float] = {}
        for name, part in zip(names, cells.size.tolist(), strict=True):
            size[name] = size.get(name, 0.0) + part
        largest = set(sorted(size, key=lambda name: (-size[name], name))[: MOST - 1])
        names = [name if name in largest else ("", _REST) for name in names]
    groups = sorted(set(names))
    member = np.array([[float(name == group) for name in names] for group in groups])
    heads = member * cells.size
    heads /= heads.sum(axis=1, keepdims=True)
    return Groups(
        tuple(line for line, _ in groups), tuple(place for _, place in groups), member, heads
    )


def courses_of(groups: Groups, weeks: int) -> tuple[Floats, Floats]:
    """What moves conversions without any channel: course x group x week, and the precision of each.

    A smooth course of all cells, a season of each service line, and a slow course of each location.
    """
    at = np.arange(weeks) / 52.18
    place = (np.arange(weeks) + 0.5) / weeks
    rows: list[Floats] = []
    sds: list[float] = []
    everywhere = np.ones(len(groups.lines))

    def add(course: Floats, mine: Floats, sd: float) -> None:
        rows.append(mine[:, None] * course[None, :])
        sds.append(sd)

    for wave in range(1, max(3, weeks // 6) + 1):
        add(np.sqrt(2) * np.cos(np.pi * wave * place), everywhere, _COURSE / wave)
    for line in sorted(set(groups.lines)):
        mine = np.array([float(name == line) for name in groups.lines])
        if weeks >= 40:
            for wave in (1, 2, 3):
                for course in (np.cos(2 * np.pi * wave * at), np.sin(2 * np.pi * wave * at)):
                    add(course, mine, 0.3 / wave)
        if len(set(groups.lines)) > 1:
            add(np.sqrt(2) * np.cos(np.pi * place), mine, 0.1)
    if len(set(groups.locations)) > 1:
        for location in sorted(set(groups.locations)):
            mine = np.array([float(name == location) for name in groups.locations])
            for wave in (1, 2):
                add(np.sqrt(2) * np.cos(np.pi * wave * place), mine, 0.1 / wave)
    return np.stack(rows), 1 / np.array(sds) ** 2
