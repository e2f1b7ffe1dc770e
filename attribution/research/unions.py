"""What many exports give away when whole ones are added and subtracted.

Whoever has the exports of two places and one of everybody subtracts the two from the third: the few
who are of neither place are left, though no two of the three differ by few. Every set that can be
made so is a union of cells: people who were in the same exports and in no other. So a new export
may divide the people of a cell only into nobody or enough, in each group that can be compared, and
those who were in no export before are nobody or enough too. Then all cells stay large, and with
them every sum and difference of exports that are still to come.

People count in the group in which they were told first. By what they are now a cell would fall
apart, as each grows older and comes again, though no table tells it so.
"""

from collections.abc import Sequence

import numpy as np

from attribution.research.cohort import Flags
from attribution.research.lattice import class_keys, numbered
from attribution.research.registry import Earlier
from attribution.research.release import Chosen
from attribution.research.rules import Rules
from attribution.research.telling import among, first_of, telling, told_keys

Levels = tuple[int, ...]


def hold_beside_all(chosen: Chosen, before: Sequence[Earlier], rules: Rules) -> Flags:
    """Who must be held back, so that no sum or difference of exports tells of few."""
    names = [hierarchy.name for hierarchy in chosen.coded.hierarchies]
    told = [(export, tuple(export.levels[name] for name in names)) for export in before]
    hold = np.zeros(len(chosen.kept), dtype=bool)
    for common in sorted(_common([levels for _, levels in told], chosen.found.levels)):
        # The others are coarser, and so in no group of these.
        fine = [export for export, levels in told if _within(levels, common)]
        hold |= _hold(chosen, fine, common, rules)
    return hold


def _common(told: Sequence[Levels], own: Levels) -> set[Levels]:
    """The levels at which some exports and the new one can be compared."""
    found = {own}
    for levels in told:
        found |= {tuple(map(max, levels, each)) for each in found}
    return found


def _within(fine: Levels, coarse: Levels) -> bool:
    return all(a <= b for a, b in zip(fine, coarse, strict=True))


def _hold(chosen: Chosen, exports: Sequence[Earlier], common: Levels, rules: Rules) -> Flags:
    coded = chosen.coded
    known, ordered = len(coded.tags), np.sort(coded.tags)
    gone = [export.tags[~among(export.tags, ordered)] for export in exports]
    tags = np.concatenate([coded.tags, np.unique(np.concatenate([*gone, coded.tags[:0]]))])
    key = np.full(len(tags), -1, dtype=np.int64)
    key[:known] = class_keys(coded.leaves, coded.hierarchies, common)
    cell = np.zeros(len(tags), dtype=np.int64)
    was = np.zeros(len(tags), dtype=bool)
    # From the last to the first: in which group the first told them is what stands.
    for export in reversed(exports):
        here = among(tags, export.tags)
        classes = export.places[np.searchsorted(export.tags, tags[here])]
        told = told_keys(export, coded.hierarchies, common)[classes]
        key[here] = np.where(told < 0, key[here], told)
        cell = numbered(cell * 2 + here)[0]
        was |= here
    place = numbered(numbered(key)[0] * (int(cell.max(initial=0)) + 1) + cell)[0]
    size = int(place.max(initial=0)) + 1
    unknown = np.bincount(place[known:][key[known:] >= 0], minlength=size)
    place, was = place[:known], was[:known]
    new, left = chosen.kept, was & ~chosen.kept
    went = telling(place, left, unknown, chosen, rules)
    came = telling(place, new, np.zeros_like(unknown), chosen, rules)
    # A cell that is whole in it, or not at all, is as it was.
    divided = np.bincount(place[left], minlength=size) + unknown > 0
    hold: Flags = new & came[place] & (divided[place] | ~was)
    return hold | first_of(place, new & was & went[place], coded.tags, rules.k)
