"""The least generalisation that makes a table k-anonymous and l-diverse: an exact search.

Each quasi-identifier has levels of generalisation, each coarser than the one before; a node is one
level for each. At a node people with the same generalised values are a class. Classes with fewer
than k people, or fewer than l values of a sensitive column, are suppressed whole, and a node is
allowed where that hides no more people than may be hidden.

Loss is the normalised certainty penalty (Xu et al., KDD 2006): of each value the share of the other
values that it can no longer be told from, 1 for a suppressed person. A node's loss is at least that
without suppression, and coarser classes are suppressed less (Samarati 2001; for l: Machanavajjhala
et al. 2006): so what is too fine rules out all that is finer, and a node found rules out all whose
least loss is more. What is left is halved until nothing is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Whole = NDArray[np.int64]
WORD = 32  # values of a sensitive column that one number of `seen` tells apart
_SAME = 1e-12  # losses that differ by less are the same


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """How one quasi-identifier is generalised; leaves are numbered from 0.

    `labels[level][leaf]` is what a leaf is called at a level, and leaves of one name are one group.
    Every level must join whole groups of the level before.
    """

    name: str
    levels: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    weight: float = 1.0  # how much its loss counts beside that of others

    def groups(self, level: int) -> Whole:
        """The number of each leaf's group at a level."""
        names = self.labels[level]
        number = {name: place for place, name in enumerate(dict.fromkeys(names))}
        return np.array([number[name] for name in names], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Counts:
    """People counted by their finest values: one row for each combination that occurs.

    `leaves` has a column for each quasi-identifier; `seen` holds for each sensitive column, in as
    many numbers as it takes, one bit for each value that occurs.
    """

    leaves: Whole
    people: Whole
    seen: tuple[Whole, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A node that is allowed: a level for each quasi-identifier, and what it costs."""

    levels: tuple[int, ...]
    loss: float
    suppressed: int
    classes: int
    looked_at: int = 0  # how many nodes were counted to find it


def search(
    counts: Counts,
    hierarchies: Sequence[Hierarchy],
    *,
    k: int,
    l: int,  # noqa: E741 - as the literature calls it
    most: int,
    limits: Mapping[str, int] | None = None,
    floors: Mapping[str, int] | None = None,
) -> Found | None:
    """The node of least loss at which at most `most` people are suppressed; None where none is.

    `limits` has the coarsest level that a quasi-identifier may have, `floors` the finest.
    """
    last = {h.name: len(h.levels) - 1 for h in hierarchies} | dict(limits or {})
    first = dict(floors or {})
    ranges = [range(first.get(h.name, 0), last[h.name] + 1) for h in hierarchies]
    nodes = np.array(list(product(*ranges)), dtype=np.int64)
    penalties = _all_penalties(hierarchies, counts)
    bounds = _bounds(nodes, penalties, counts)
    order = np.argsort(bounds, kind="stable")
    nodes, bounds = nodes[order], bounds[order]
    open_ = np.ones(len(nodes), dtype=bool)
    best: Found | None = None
    looked_at = 0
    while open_.any():
        left = np.flatnonzero(open_)
        place = left[len(left) // 2]
        found = _weighed(tuple(map(int, nodes[place])), counts, hierarchies, penalties, k, l)
        looked_at += 1
        open_[place] = False
        if found.suppressed > most:
            open_ &= ~(nodes <= nodes[place]).all(axis=1)
        elif best is None or _rank(found) < _rank(best):
            best = found
            open_ &= bounds <= best.loss + _SAME
    if best is None:
        return None
    return Found(best.levels, best.loss, best.suppressed, best.classes, looked_at)


def weigh(
    levels: tuple[int, ...],
    counts: Counts,
    hierarchies: Sequence[Hierarchy],
    *,
    k: int,
    l: int,  # noqa: E741
) -> Found:
    """What one node costs: loss, people suppressed, classes left."""
    penalties = _all_penalties(hierarchies, counts)
    return _weighed(levels, counts, hierarchies, penalties, k, l)


def _weighed(
    levels: tuple[int, ...],
    counts: Counts,
    hierarchies: Sequence[Hierarchy],
    penalties: Sequence[Sequence[NDArray[np.float64]]],
    k: int,
    l: int,  # noqa: E741
) -> Found:
    key = class_keys(counts.leaves, hierarchies, levels)
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    sizes = np.add.reduceat(counts.people[order], starts)
    kept = sizes >= k
    for bits in counts.seen:
        every = np.bitwise_or.reduceat(bits[order], starts, axis=0)
        kept &= np.bitwise_count(every).sum(axis=1) >= l
    penalty = np.zeros(len(starts))
    first = counts.leaves[order[starts]]
    for place, of_levels in enumerate(penalties):
        penalty += of_levels[levels[place]][first[:, place]]
    people, hidden = int(sizes.sum()), int(sizes[~kept].sum())
    lost = float((sizes * penalty)[kept].sum()) + hidden
    return Found(levels, lost / people, hidden, int(kept.sum()))


def class_keys(leaves: Whole, hierarchies: Sequence[Hierarchy], levels: Sequence[int]) -> Whole:
    """One number for each row: the same for rows that are the same at these levels."""
    key = np.zeros(len(leaves), dtype=np.int64)
    for place, (hierarchy, level) in enumerate(zip(hierarchies, levels, strict=True)):
        groups = hierarchy.groups(level)
        key = key * (int(groups.max(initial=0)) + 1) + groups[leaves[:, place]]
    return key


def numbered(key: Whole) -> tuple[Whole, Whole]:
    """The number of each row's class, from 0, and the first row of each class."""
    # By hashing: sorting a million rows takes five times as long.
    places, names = pd.factorize(key)
    first = np.zeros(len(names), dtype=np.int64)
    first[places[::-1]] = np.arange(len(key) - 1, -1, -1)
    return places.astype(np.int64), first


def _rank(found: Found) -> tuple[float, tuple[int, ...]]:
    return round(found.loss / _SAME), found.levels


def _all_penalties(
    hierarchies: Sequence[Hierarchy], counts: Counts
) -> list[list[NDArray[np.float64]]]:
    """The penalties of every quasi-identifier, weighed so that the greatest of all come to 1."""
    whole = sum(hierarchy.weight for hierarchy in hierarchies)
    return [
        [
            (level * (hierarchy.weight / whole)).astype(np.float64)
            for level in _penalties(hierarchy, counts, place)
        ]
        for place, hierarchy in enumerate(hierarchies)
    ]


def _penalties(hierarchy: Hierarchy, counts: Counts, place: int) -> list[NDArray[np.float64]]:
    """Of each level, each leaf's penalty; only leaves that occur count as values."""
    present = np.bincount(counts.leaves[:, place], minlength=len(hierarchy.labels[0])) > 0
    others = int(present.sum()) - 1
    answers: list[NDArray[np.float64]] = []
    for level in range(len(hierarchy.levels)):
        groups = hierarchy.groups(level)
        sizes = np.bincount(groups, weights=present)
        answers.append(np.maximum(sizes[groups] - 1, 0).astype(np.float64) / max(others, 1))
    return answers


def _bounds(
    nodes: Whole, penalties: Sequence[Sequence[NDArray[np.float64]]], counts: Counts
) -> NDArray[np.float64]:
    """The least loss of each node: that of hiding nobody."""
    total = np.zeros(len(nodes))
    for place, levels in enumerate(penalties):
        weights = np.bincount(
            counts.leaves[:, place], weights=counts.people, minlength=len(levels[0])
        )
        means = np.array([(level * weights).sum() for level in levels]) / weights.sum()
        total += means[nodes[:, place]]
    return total
