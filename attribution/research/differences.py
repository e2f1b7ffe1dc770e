"""What two exports give away together, and how that is kept from happening.

Subtracting: where two tables can be told in the same groups, the rows of one less those of the
other are the people who are in only one. If those are fewer than k in a group, or all of one
condition, the difference says what they have. People who were added are held back until there are
enough of them; where too few were taken out, others of their group are held back with them.

Joining: rows of two tables can be matched by their other columns, although their ids differ. If one
table has fine ages and the other fine years, a matched row has both. So of two exports that share
people one must be as coarse as the other in every quasi-identifier, or coarser.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from attribution.errors import BadInput
from attribution.research.coding import Coded
from attribution.research.cohort import Flags
from attribution.research.lattice import Whole, class_keys, numbered
from attribution.research.registry import Earlier
from attribution.research.release import Chosen, choose
from attribution.research.rules import Rules

_ROUNDS = 30  # each makes something coarser or leaves somebody out, so it ends


def choose_beside(
    coded: Coded,
    inside: Flags,
    rules: Rules,
    before: Sequence[Earlier],
    keep: Sequence[str] = (),
    dropped: Sequence[str] = (),
) -> tuple[Chosen, int]:
    """The least generalisation that gives nobody away, also beside the exports of before.

    Returns it with the number of people who are held back. Raises BadInput
    where nothing will do, with what to change.
    """
    held = np.zeros(len(inside), dtype=bool)
    at_least: dict[str, int] = {}
    beside = [(export, _among(coded.tags, export.tags)) for export in before]
    for _round in range(_ROUNDS):
        try:
            chosen = choose(coded, inside, rules, keep, dropped, held, at_least)
        except BadInput as error:
            if held.any() or at_least:
                raise BadInput(_beside_refused(before)) from error
            raise
        # Nobody in both: neither can be subtracted from the other.
        shared = [(export, was) for export, was in beside if (was & chosen.kept).any()]
        own = levels_of(chosen)
        for export, _was in shared:
            if not comparable(own, export.levels):
                at_least = _coarser(at_least, export.levels)
        if not all(own[name] >= level for name, level in at_least.items()):
            continue
        back = np.zeros(len(inside), dtype=bool)
        for export, was in shared:
            back |= _to_hold(chosen, export, was, rules)
        if not back.any():
            return chosen, int((held & inside).sum())
        held |= back
    raise BadInput(_beside_refused(before))


def levels_of(chosen: Chosen) -> dict[str, int]:
    """The level of each quasi-identifier."""
    names = [hierarchy.name for hierarchy in chosen.coded.hierarchies]
    return dict(zip(names, chosen.found.levels, strict=True))


def comparable(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether one of the two is as coarse as the other everywhere, or coarser."""
    pairs = [(level, other[name]) for name, level in one.items()]
    return all(a >= b for a, b in pairs) or all(a <= b for a, b in pairs)


def _to_hold(chosen: Chosen, export: Earlier, was: Flags, rules: Rules) -> Flags:
    """Who must be held back, so that neither who came nor who went can be told."""
    coded = chosen.coded
    common = [max(level, export.levels[name]) for name, level in levels_of(chosen).items()]
    key = class_keys(coded.leaves, coded.hierarchies, common)
    groups, first = numbered(key)
    names = key[first]
    nobody = np.zeros(len(names), dtype=np.int64)
    added = chosen.kept & ~was
    bad = telling(groups, added, nobody, chosen, rules)
    hold = added & (bad[groups] | (int(added.sum()) < rules.k))
    gone = _gone(chosen, export, common, names)
    short = telling(groups, was & ~chosen.kept, gone, chosen, rules)
    return hold | _first(groups, chosen.kept & was & short[groups], coded.tags, rules.k)


def _gone(chosen: Chosen, export: Earlier, common: Sequence[int], names: Whole) -> Whole:
    """Of each group, how many people of the export are no longer known: deleted, or merged."""
    known = _among(export.tags, np.sort(chosen.coded.tags))
    number = {int(key): place for place, key in enumerate(names)}
    found = np.zeros(len(names), dtype=np.int64)
    for place, people in zip(*np.unique(export.places[~known], return_counts=True), strict=True):
        key: int | None = 0
        for told, hierarchy, level in zip(
            export.classes[place], chosen.coded.hierarchies, common, strict=True
        ):
            finer = hierarchy.labels[export.levels[hierarchy.name]]
            groups = hierarchy.groups(level)
            # What nobody has any more is a class that went whole.
            leaf = finer.index(told) if told in finer else None
            if key is not None:
                key = None if leaf is None else key * (int(groups.max()) + 1) + int(groups[leaf])
        if key in number:
            found[number[key]] += people
    return found


def _first(groups: Whole, people: Flags, tags: Whole, most: int) -> Flags:
    """Of each group the first `most` people by their tags: the same ones each time."""
    rows = np.flatnonzero(people)
    rows = rows[np.lexsort((tags[rows], groups[rows]))]
    begins = np.diff(groups[rows], prepend=-1) != 0
    starts = np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0))
    chosen = np.zeros(len(people), dtype=bool)
    chosen[rows[np.arange(len(rows)) - starts < most]] = True
    return chosen


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


def _among(tags: Whole, known: Whole) -> Flags:
    """Which tags are among the known ones, which are in order."""
    if not len(known):
        return np.zeros(len(tags), dtype=bool)
    place = np.minimum(np.searchsorted(known, tags), len(known) - 1)
    found: Flags = known[place] == tags
    return found


def _coarser(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: max(level, one.get(name, 0)) for name, level in other.items()}


def _beside_refused(before: Sequence[Earlier]) -> str:
    days = sorted({export.day for export in before})
    return (
        f"Beside what was exported before ({days[0]} to {days[-1]}) this export would single "
        "people out, and leaving them out or coarsening it takes more than the rules allow. Export "
        "the same cohort as then, or wait until more people have come."
    )
