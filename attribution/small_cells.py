"""Small cells: counts of 1 to 10 people, folded into others before anybody is told of them.

The data are protected, not the tables. Before a viewer reads anything, cells are folded along a
fixed tree until each that is left holds nobody or at least `LEAST` people in everything that is
counted of it. What is told afterwards (totals, filters, rates, differences) is a sum of whole
cells of that one partition, so no arithmetic gives a smaller one back.

How to protect a mart of your own, whose cells are disjoint groups of people: declare it and put it
into `CUBES` of `attribution.viewer_marts`; nothing else is needed.

    Cube(
        "people_cube",
        keys=("service_line", "condition", "age_band", "place"),
        counts=("people", "responded"),
        parts=(("people", "responded"),),
    )

`keys` go from the one that is kept longest to the one that is folded first: a small place becomes
'(other)' within its age band, then an age band within its condition, and so on. `counts` are the
columns that count people (the first counts all of the cell). `parts` are pairs of which the second
counts some of the first: what is left of the first is nobody or `LEAST` people as well. `by` are
columns that split the table into parts that are never folded into one another (a month, an arm).
All other columns are numbers, and are added up. What cannot be told at all is left out.

A query reads by role: `queries.marts(home, generation, protected=True)` opens the viewers' file;
pages pass `frame.context().protected`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

LEAST = 11  # people; the rule of the Centers for Medicare & Medicaid Services hides 1 to 10
OTHER = "(other)"
Label = tuple[str, ...]
Ints = npt.NDArray[np.int64]


class Counted(Protocol):
    """What is counted of a cell, and of several cells as one."""

    @property
    def counts(self) -> Sequence[int]: ...

    def and_(self, others: Iterable[Self]) -> Self: ...


@dataclass(frozen=True, slots=True)
class Numbers:
    """Counts of people who are each in one cell only: they add up."""

    counts: tuple[int, ...]

    def and_(self, others: Iterable["Numbers"]) -> "Numbers":
        every = [self.counts, *(other.counts for other in others)]
        return Numbers(tuple(map(sum, zip(*every, strict=True))))


@dataclass(frozen=True, slots=True)
class People:
    """People who may be in several cells: who they are, and a bit for each thing counted of them.

    `who` holds each person once, in order; bit k of `what` says that they count in count k.
    """

    who: Ints
    what: Ints
    bits: int
    counts: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        counted = tuple(int(((self.what >> bit) & 1).sum()) for bit in range(self.bits))
        object.__setattr__(self, "counts", counted)

    def and_(self, others: Iterable["People"]) -> "People":
        every = [self, *others]
        who, place = np.unique(np.concatenate([each.who for each in every]), return_inverse=True)
        what = np.zeros(len(who), dtype=np.int64)
        np.bitwise_or.at(what, place, np.concatenate([each.what for each in every]))
        return People(who, what, self.bits)


C = TypeVar("C", bound=Counted)


def is_safe(counts: Iterable[int]) -> bool:
    """Whether every count is nought or at least `LEAST`."""
    return all(count == 0 or count >= LEAST for count in counts)


@dataclass(frozen=True, slots=True)
class _Cell(Generic[C]):
    label: Label
    members: tuple[Label, ...]
    counted: C


def fold(
    cells: Mapping[Label, C], allowed: Callable[[Label], bool] = lambda _prefix: True
) -> dict[Label, Label]:
    """The label under which each cell is told; a cell that cannot be told is missing.

    Keys are paths from the root of the tree: (channel, campaign). A cell that is too small becomes
    ('paid_search', '(other)') with its small neighbours and, where those are still too few, with
    the smallest neighbour that is not; then ('(other)', '(other)'). So what is told is a partition
    into cells that are all safe. `allowed` says which prefixes may be told by name.
    """
    told = {}
    for cell in _inside((), list(cells), cells, allowed):
        if is_safe(cell.counted.counts):
            told.update(dict.fromkeys(cell.members, cell.label))
    return told


def _inside(
    prefix: Label,
    members: list[Label],
    cells: Mapping[Label, C],
    allowed: Callable[[Label], bool],
) -> list[_Cell[C]]:
    """The cells told within a prefix: all of them safe, or a single one that is not."""
    depth = len(prefix)
    if depth == len(members[0]):
        return [_Cell(prefix, (prefix,), cells[prefix])]
    children: dict[str, list[Label]] = {}
    for member in members:
        children.setdefault(member[depth], []).append(member)
    told: list[list[_Cell[C]]] = []
    loose: list[_Cell[C]] = []
    for name in sorted(children):
        within = _inside((*prefix, name), children[name], cells, allowed)
        named = name != OTHER and allowed((*prefix, name))
        if named and all(is_safe(cell.counted.counts) for cell in within):
            told.append(within)
        else:
            loose += within
    if not loose:
        return [cell for within in told for cell in within]
    told.sort(key=lambda within: sum(cell.counted.counts[0] for cell in within), reverse=True)
    pooled = _together(prefix, loose, len(members[0]))
    while told and not is_safe(pooled.counted.counts):
        pooled = _together(prefix, [pooled, *told.pop()], len(members[0]))
    return [*(cell for within in told for cell in within), pooled]


def _together(prefix: Label, cells: list[_Cell[C]], depth: int) -> _Cell[C]:
    members = tuple(member for cell in cells for member in cell.members)
    first, *rest = (cell.counted for cell in cells)
    return _Cell((*prefix, *[OTHER] * (depth - len(prefix))), members, first.and_(rest))


@dataclass(frozen=True, slots=True)
class Cube:
    """How a mart of disjoint groups of people is protected; the module says what each part is."""

    name: str
    keys: tuple[str, ...]
    counts: tuple[str, ...]
    parts: tuple[tuple[str, str], ...] = ()
    by: tuple[str, ...] = ()

    def counted(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Everything that must be nought or at least `LEAST`: the counts and what is left."""
        left = {f"{a} - {b}": frame[a] - frame[b] for a, b in self.parts}
        return frame[list(self.counts)].assign(**left)


def protected(cube: Cube, frame: pd.DataFrame, before: pd.DataFrame | None = None) -> pd.DataFrame:
    """The rows of a cube that viewers are told; `frame` has a row for each cell.

    `before` is what was told of it last, if anything was: its
    cells keep their boundaries, and their numbers until every count has changed by nothing or by
    at least `LEAST`, so that no two releases differ by fewer people.
    """
    # One pass over all parts at once: a table has hundreds of parts of a few rows each.
    grain = [*cube.by, *cube.keys]
    earlier = frame.iloc[:0] if before is None else before
    open_ = {part: set(cells) for part, cells in _parts(cube, earlier).items()}
    labels = _labels(cube, frame, open_)
    named = frame[np.array([label is not None for label in labels], dtype=bool)].copy()
    named[[*cube.keys]] = [label for label in labels if label is not None] or None
    sums = named.groupby(grain, sort=True, as_index=False, dropna=False).sum()
    # A part that was told before keeps its cells, whether anybody is in it now or not.
    fresh = np.array([part not in open_ for part in _part_of(cube, sums)], dtype=bool)
    rows = pd.concat([sums[fresh], _kept(cube, sums[~fresh], earlier)], ignore_index=True)
    return rows[list(frame.columns)].astype(frame.dtypes.to_dict())


def _part_of(cube: Cube, frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Which part each row is in: its values of the columns `by`."""
    if not cube.by:
        return [()] * len(frame)
    return list(zip(*(frame[name] for name in cube.by), strict=True))


def _parts(cube: Cube, frame: pd.DataFrame) -> dict[tuple[Any, ...], dict[Label, list[int]]]:
    """The cells of each part, and in which rows each of them is."""
    parts: dict[tuple[Any, ...], dict[Label, list[int]]] = {}
    labels = zip(*(frame[name].astype(str) for name in cube.keys), strict=True)
    for row, (part, label) in enumerate(zip(_part_of(cube, frame), labels, strict=True)):
        parts.setdefault(part, {}).setdefault(label, []).append(row)
    return parts


def _labels(
    cube: Cube, frame: pd.DataFrame, open_: Mapping[tuple[Any, ...], Collection[Label]]
) -> list[Label | None]:
    """The label under which each row is told: one of those `open_` in its part, where any are."""
    numbers = cube.counted(frame).to_numpy(dtype="int64").tolist()
    labels: list[Label | None] = [None] * len(frame)
    for part, rows in _parts(cube, frame).items():
        if part in open_:
            told = {label: finest(label, open_[part]) for label in rows}
        else:
            ones = {label: [Numbers(tuple(numbers[n])) for n in ns] for label, ns in rows.items()}
            told = {**fold({label: one.and_(more) for label, (one, *more) in ones.items()})}
        for label, places in rows.items():
            for place in places:
                labels[place] = told.get(label)
    return labels


def finest(key: Label, open_: Collection[Label]) -> Label | None:
    """The most particular of the labels told that a cell is part of; None where it is in none."""
    for kept in range(len(key), -1, -1):
        label = (*key[:kept], *[OTHER] * (len(key) - kept))
        if label in open_:
            return label
    return None


def _kept(cube: Cube, sums: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    """The new numbers of each cell, or those told before where too few people changed.

    Of parts of which nothing is in `sums`, what was told before.
    """
    if earlier.empty:
        return earlier
    grain = [*cube.by, *cube.keys]
    old, new = earlier.set_index(grain), sums.set_index(grain)
    new = new.reindex(old.index, fill_value=0)
    now = cube.counted(new)
    change = (now - cube.counted(old)).abs()
    safe = ((change == 0) | (change >= LEAST)).all(axis=1)
    safe &= ((now == 0) | (now >= LEAST)).all(axis=1) & (change > 0).any(axis=1)
    present = set(_part_of(cube, sums))
    safe &= np.array([part in present for part in _part_of(cube, earlier)], dtype=bool)
    return new.where(safe, old).reset_index()
