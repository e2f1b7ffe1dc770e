"""What the rows of two exports say together, once they are matched by their other columns.

A matched row has the finer groups of the one and all columns of the other. So what one of the two
tells must be varied in the groups of the other as well, though it was left out there. And service
lines have no levels: few people are folded, by the cohort. Where a group of `Other` people in the
one is told by line in the other, each of these lines must be of enough.
"""

from collections.abc import Iterable

import numpy as np

from attribution.research import columns
from attribution.research.cohort import Flags
from attribution.research.lattice import Whole, class_keys, numbered
from attribution.research.rare import OTHER
from attribution.research.registry import Earlier
from attribution.research.release import Chosen
from attribution.research.rules import Rules

_LINE = columns.QUASI.index("service_line")


def told_of(export: Earlier) -> tuple[str, ...]:
    """The sensitive columns that an export tells; all of them where nobody wrote that down."""
    return columns.SENSITIVE if export.sensitive is None else export.sensitive


def hold_joined(chosen: Chosen, export: Earlier, was: Flags, rules: Rules) -> Flags:
    """Who of the people in both must be held back, so that matched rows tell of nobody.

    One of the two is as coarse as the other in every level, or coarser.
    """
    coded = chosen.coded
    rows = np.flatnonzero(chosen.kept & was)
    labels = np.array(coded.hierarchies[_LINE].labels[0])
    lines = labels[coded.leaves[:, _LINE]]
    own = class_keys(coded.leaves, coded.hierarchies, chosen.found.levels)[rows]
    theirs = np.array([each[_LINE] for each in export.classes])
    places = export.places[np.searchsorted(export.tags, coded.tags[rows])]
    before = [export.levels[hierarchy.name] for hierarchy in coded.hierarchies]
    if all(a <= b for a, b in zip(chosen.found.levels, before, strict=True)):
        fine, by, other = numbered(own)[0], lines[rows], theirs[places]
        said = lines[chosen.kept]
        hidden = set(told_of(export)) - set(chosen.sensitive)
    else:
        fine, by, other = numbered(places)[0], theirs[places], lines[rows]
        said = theirs
        hidden = set(chosen.sensitive) - set(export.sensitive or ())
    # Whose other line is told in the finer one too, of others, has another by now.
    apart = (by == OTHER) & ~np.isin(other, said)
    line = np.unique(np.where(apart, other, OTHER), return_inverse=True)[1]
    parts, first = numbered(fine * (len(rows) + 1) + line)
    crossed = (np.bincount(fine[first]) > 1)[fine]
    bad = crossed & (np.bincount(parts) < rules.k)[parts]
    bad |= crossed & _alike(parts, rows, chosen, chosen.varied, rules.l)
    bad |= _alike(fine, rows, chosen, hidden.intersection(chosen.varied), rules.l)
    hold = np.zeros(len(chosen.kept), dtype=bool)
    hold[rows[bad]] = True
    return hold


def _alike(groups: Whole, rows: Whole, chosen: Chosen, names: Iterable[str], least: int) -> Flags:
    """Of each row, whether its group has too few values of any of some columns."""
    few = np.zeros(int(groups.max(initial=0)) + 1, dtype=bool)
    for name in names:
        width = len(chosen.coded.names[name])
        cells = np.bincount(
            groups * width + chosen.coded.codes[name][rows], minlength=len(few) * width
        )
        few |= (cells.reshape(len(few), width) > 0).sum(axis=1) < least
    found: Flags = few[groups]
    return found
