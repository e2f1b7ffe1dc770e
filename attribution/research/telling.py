"""Which groups of people say what those in them have, and who is meant by a registry's numbers."""

from collections.abc import Sequence

import numpy as np

from attribution.research.cohort import Flags
from attribution.research.lattice import Hierarchy, Whole
from attribution.research.registry import Earlier
from attribution.research.release import Chosen
from attribution.research.rules import Rules


def telling(groups: Whole, people: Flags, more: Whole, chosen: Chosen, rules: Rules) -> Flags:
    """Of each group, whether the people in it say what they have: too few, or all of a kind.

    `more` counts people of each group of whom nothing else is known.
    """
    number = len(more)
    own = groups[people]
    known = np.bincount(own, minlength=number)
    sizes = known + more
    bad: Flags = (sizes > 0) & (sizes < rules.k)
    for name in chosen.sensitive:
        width = len(chosen.coded.names[name])
        cells = np.bincount(
            own * width + chosen.coded.codes[name][people], minlength=number * width
        )
        bad |= (known > 0) & ((cells.reshape(number, width) > 0).sum(axis=1) < rules.l)
    return bad


def first_of(groups: Whole, people: Flags, tags: Whole, most: int) -> Flags:
    """Of each group the first `most` people by their tags: the same ones each time."""
    rows = np.flatnonzero(people)
    rows = rows[np.lexsort((tags[rows], groups[rows]))]
    begins = np.diff(groups[rows], prepend=-1) != 0
    starts = np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0))
    chosen = np.zeros(len(people), dtype=bool)
    chosen[rows[np.arange(len(rows)) - starts < most]] = True
    return chosen


def among(tags: Whole, known: Whole) -> Flags:
    """Which tags are among the known ones, which are in order."""
    if not len(known):
        return np.zeros(len(tags), dtype=bool)
    place = np.minimum(np.searchsorted(known, tags), len(known) - 1)
    found: Flags = known[place] == tags
    return found


def told_keys(export: Earlier, hierarchies: Sequence[Hierarchy], levels: Sequence[int]) -> Whole:
    """The key of each class of an export at coarser levels, as `class_keys` makes them.

    -1 where nobody has such values any more.
    """
    key = np.zeros(len(export.classes), dtype=np.int64)
    for place, (hierarchy, level) in enumerate(zip(hierarchies, levels, strict=True)):
        groups = hierarchy.groups(level)
        names = hierarchy.labels[export.levels[hierarchy.name]]
        number = dict(zip(names, groups.tolist(), strict=True))
        told = np.array([number.get(each[place], -1) for each in export.classes], dtype=np.int64)
        joined = key * (int(groups.max()) + 1) + told
        key = np.where((key < 0) | (told < 0), -1, joined)
    return key
