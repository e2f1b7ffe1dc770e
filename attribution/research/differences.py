"""What a new export gives away beside those of before, and how that is kept from happening.

Subtracting: where two tables can be told in the same groups, the rows of one less those of the
other are the people who are in only one. If those are fewer than k in a group, or all of one
condition, the difference says what they have. People who were added are held back until there are
enough of them; where too few were taken out, others of their group are held back with them. More
than two are added and subtracted in `attribution.research.unions`.

Joining: rows of two tables can be matched by their other columns, although their ids differ. If one
table has fine ages and the other fine years, a matched row has both. So of two exports that share
people one must be as coarse as the other in every quasi-identifier, or coarser. What else a matched
row says is in `attribution.research.joins`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from attribution.errors import BadInput
from attribution.research.coding import Coded
from attribution.research.cohort import Flags
from attribution.research.joins import hold_joined, told_of
from attribution.research.lattice import Whole, class_keys, numbered
from attribution.research.registry import Earlier
from attribution.research.release import Chosen, choose
from attribution.research.rules import Rules
from attribution.research.telling import among, first_of, telling, told_keys
from attribution.research.unions import hold_beside_all

_NAMED = 3  # exports that a refusal names
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
    beside = [(export, among(coded.tags, export.tags)) for export in before]
    told = {name for export, was in beside if (was & inside).any() for name in told_of(export)}
    told &= set(dropped)
    for _round in range(_ROUNDS):
        try:
            chosen = choose(coded, inside, rules, keep, dropped, held, at_least, told)
        except BadInput as error:
            if not (held.any() or at_least):
                # It may be no other export's doing.
                choose(coded, inside, rules, keep, dropped)
            raise BadInput(_beside_refused(beside, inside)) from error
        # Nobody in both: neither can be subtracted from the other.
        shared = [(export, was) for export, was in beside if (was & chosen.kept).any()]
        own = levels_of(chosen)
        for export, _was in shared:
            if not comparable(own, export.levels):
                at_least = _coarser(at_least, export.levels)
        if not all(own[name] >= level for name, level in at_least.items()):
            continue
        back = hold_beside_all(chosen, before, rules)
        for export, was in shared:
            back |= _to_hold(chosen, export, was, rules) | hold_joined(chosen, export, was, rules)
        if not back.any():
            return chosen, int((held & inside).sum())
        held |= back
    raise BadInput(_beside_refused(beside, inside))


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
    return hold | first_of(groups, chosen.kept & was & short[groups], coded.tags, rules.k)


def _gone(chosen: Chosen, export: Earlier, common: Sequence[int], names: Whole) -> Whole:
    """Of each group, how many people of the export are no longer known: deleted, or merged."""
    known = among(export.tags, np.sort(chosen.coded.tags))
    keys = told_keys(export, chosen.coded.hierarchies, common)
    number = {int(key): place for place, key in enumerate(names)}
    found = np.zeros(len(names), dtype=np.int64)
    for place, people in zip(*np.unique(export.places[~known], return_counts=True), strict=True):
        # What nobody has any more is a class that went whole.
        if (key := int(keys[place])) in number:
            found[number[key]] += people
    return found


def _coarser(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: max(level, one.get(name, 0)) for name, level in other.items()}


def _beside_refused(beside: Sequence[tuple[Earlier, Flags]], inside: Flags) -> str:
    # One of the same people; where none is, they are what others leave of the whole.
    meant = [export for export, was in beside if (was & inside).any()]
    meant = meant or [export for export, _was in beside]
    named = [f"{export.export} of {export.day}" for export in meant[-_NAMED:]]
    if len(meant) > _NAMED:
        named.insert(0, f"{len(meant) - _NAMED:,} before it")
    return (
        f"Beside what was exported before ({', '.join(named)}) this export would single people "
        "out: their rows matched, one subtracted from the other, or all added and subtracted, tell "
        "of a few. Leaving "
        "them out or coarsening it takes more than the rules allow. Export the same cohort as "
        "then, one that shares nobody with these, or wait until more people have come."
    )
