"""What viewers are told of groups of patients: three marts, each folded on the cells of another.

The marts are of the same people, so it is not enough that each is safe by itself: of two foldings
that cut the same people differently, one taken from the other could leave a few. So every one of
them only joins whole cells of the one before:

    how many there are  ->  how many of them have a condition
                        ->  what their journeys came to  ->  by which channels and ways they came

What is left of a cell without those who have a condition is nobody or enough people too. By
condition viewers are told how many there are, and no more.

What was told last stays until enough people have changed, in each mart at a time of its own. So how
many there are, what their journeys came to and how they came, which stand on one page, are told of
a cell only where they differ by nobody or by enough people.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from attribution import viewer_journeys
from attribution.group_queries import DIMENSIONS, OF_JOURNEYS
from attribution.small_cells import LEAST, Cube, Label, finest, protected
from attribution.viewer_journeys import JOURNEYS, cell_of

GROUPS = Cube("patient_groups", keys=DIMENSIONS, counts=("people",), by=("condition",))
CONDITIONS = Cube(
    "patient_groups",
    keys=DIMENSIONS,
    counts=("people",),
    parts=(("everyone", "people"),),
    by=("condition",),
)
NUMBERS = Cube(
    "patient_numbers",
    keys=DIMENSIONS,
    counts=(
        *("people", "missers", "was_silent", "came_back", "touched", "arrived"),
        *("answers", "promoters", "detractors"),
    ),
    parts=(
        *(("people", part) for part in ("missers", "was_silent", "touched", "arrived", "answers")),
        *(("was_silent", "came_back"), ("answers", "promoters"), ("answers", "detractors")),
        ("answers", "decided"),  # what is left are the passives
        ("touched", "arrived"),
    ),
    by=("condition",),
)
# Viewers are told of conditions only how many have them, so no other mart is read by condition.
ASKED = {
    "patient_groups": "",
    "patient_numbers": "where condition = ''",
    "patient_journeys": "where condition = ''",
}
MARTS = tuple(ASKED)
Frames = Mapping[str, pd.DataFrame]
_Three = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]  # groups, numbers, journeys


def told(marts: Frames, before: Frames | None = None) -> list[tuple[Cube, pd.DataFrame]]:
    """The rows of each mart that viewers are told; `before` is what they were told of each last.

    `marts` and `before` by the name of the mart, with its columns.
    """
    groups, named = _apart(marts["patient_groups"])
    old_groups, old_named = _apart(before["patient_groups"]) if before else (None, None)
    every = protected(GROUPS, groups, old_groups)
    numbers, _ = _apart(marts["patient_numbers"])
    journeys, _ = _apart(marts["patient_journeys"])
    old_numbers = _decided(before["patient_numbers"]) if before else None
    known = protected(NUMBERS, _decided(_on(every, numbers, DIMENSIONS)), old_numbers)
    if old_groups is not None and old_numbers is not None:
        every, known = _beside(every, old_groups, known, old_numbers)
    old_ways = before["patient_journeys"] if before else None
    ways = viewer_journeys.folded(known, _on(known, journeys, OF_JOURNEYS), old_ways)
    if old_groups is not None and old_numbers is not None and old_ways is not None:
        old = (old_groups, old_numbers, old_ways)
        every, known, ways = _with_ways((every, known, ways), old)
    having = protected(CONDITIONS, _with_everyone(_on(every, named, DIMENSIONS), every), old_named)
    return [
        (CONDITIONS, pd.concat([_as_everyone(every), having], ignore_index=True)),
        (NUMBERS, known),
        (JOURNEYS, ways),
    ]


def _beside(
    every: pd.DataFrame, old_every: pd.DataFrame, known: pd.DataFrame, old_known: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Groups and numbers, each cell as it is now or as it was told last.

    Both tell how many people there are: they must not be a few apart. Cells keep their places from
    release to release; those that are told for the first time stay untold where they would be.
    """
    cell = _places(every, known)

    def fine(groups: pd.DataFrame, numbers: pd.DataFrame) -> Any:
        people = groups["people"].to_numpy()[cell >= 0]
        sums = np.bincount(cell[cell >= 0], weights=people, minlength=len(known))
        apart = np.abs(sums - numbers["people"].to_numpy())
        return (apart == 0) | (apart >= LEAST)

    if old_every.empty or old_known.empty:
        return every, known[fine(every, known)].reset_index(drop=True)
    both, groups = fine(every, known), fine(every, old_known)
    numbers = ~both & ~groups & fine(old_every, known)
    new_groups = np.append(both | groups, [True])[cell]  # the last for what is in no cell: -1
    return _or_last(every, new_groups, old_every), _or_last(known, both | numbers, old_known)


def _with_ways(told_: _Three, old: _Three) -> _Three:
    """Groups, numbers and journeys, where they are a few apart as they were told last.

    First the journeys of a cell alone; where that will not do, all three, as they were told beside
    one another before.
    """
    (every, known, ways), (old_every, old_known, old_ways) = told_, old
    new, stays = (viewer_journeys.fine_cells(known, each) for each in (ways, old_ways))
    was = cell_of(old_ways)
    is_old = ~was.isin(new)
    if old_every.empty or old_known.empty:
        is_old &= was.isin(stays)
    else:
        cells = cell_of(known)
        held = cells.isin(was) & ~cells.isin(new) & ~cells.isin(stays)
        every_held = np.append(held, [False])[_places(every, known)]
        every = _or_last(every, ~every_held, old_every)
        known = _or_last(known, ~held, old_known)
    rows = [ways[cell_of(ways).isin(new)], old_ways.loc[is_old, [*ways.columns]]]
    return every, known, pd.concat(rows, ignore_index=True)


def _places(every: pd.DataFrame, known: pd.DataFrame) -> Any:
    """In which row of `known` each cell of `every` is; -1 for what is in none."""
    keys = list(DIMENSIONS)
    place = {tuple(map(str, row)): n for n, row in enumerate(known[keys].itertuples(index=False))}
    cells = [finest(tuple(map(str, row)), place) for row in every[keys].itertuples(index=False)]
    return np.array([-1 if label is None else place[label] for label in cells], dtype=np.int64)


def _or_last(now: pd.DataFrame, new: Any, last: pd.DataFrame) -> pd.DataFrame:
    """The rows of `now` where `new`, else those that stood in their places last."""
    return now.where(pd.Series(new), last[now.columns]).astype(now.dtypes.to_dict())


def _decided(numbers: pd.DataFrame) -> pd.DataFrame:
    """With those who answered and are not passive: promoters and detractors."""
    return numbers.assign(decided=numbers["promoters"] + numbers["detractors"])


def _apart(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Everybody, and those with conditions."""
    every = frame["condition"] == ""
    return frame[every].reset_index(drop=True), frame[~every].reset_index(drop=True)


def _on(cells: pd.DataFrame, frame: pd.DataFrame, keys: tuple[str, ...]) -> pd.DataFrame:
    """`frame` added up by the cells of `cells` that its rows are part of, under their keys.

    Rows that are part of none are left out. A cell is told whole or not at all within the first
    few of its keys, so fewer keys than the cells have will do.
    """
    names = list(keys)
    open_ = {tuple(map(str, row)) for row in cells[names].itertuples(index=False)}
    every = frame[names].drop_duplicates(ignore_index=True)
    found: list[Label | None] = [
        finest(tuple(map(str, row)), open_) for row in every.itertuples(index=False)
    ]
    labels = [label for label in found if label is not None]
    if not labels:
        return frame.iloc[:0]
    known = every[[label is not None for label in found]].reset_index(drop=True)
    cell = pd.DataFrame(labels, columns=_told(names))
    numbered = pd.concat([known, cell.astype(str)], axis=1)
    moved = frame.merge(numbered, on=names, how="inner").drop(columns=names)
    moved = moved.rename(columns=dict(zip(_told(names), names, strict=True)))[[*frame.columns]]
    own = [str(name) for name in frame.columns if name not in _numbers(frame)]
    return moved.groupby(own, sort=True, as_index=False)[_numbers(frame)].sum()


def _told(names: list[str]) -> list[str]:
    return [f"told_{name}" for name in names]


def _numbers(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame.select_dtypes("number").columns]


def _with_everyone(named: pd.DataFrame, every: pd.DataFrame) -> pd.DataFrame:
    """Those with conditions by cell, beside everybody whom the cell was told to have."""
    sums = named.drop(columns="everyone")
    told_ = every[[*DIMENSIONS, "people"]].rename(columns={"people": "everyone"})
    return sums.merge(told_, on=list(DIMENSIONS), how="inner")[[*named.columns]]


def _as_everyone(every: pd.DataFrame) -> pd.DataFrame:
    return every.assign(everyone=every["people"])
