"""How far a test on markets is off by chance: the same test where nothing was done.

The test is moved to weeks before it, on the same and on other markets, and where enough markets
were never treated, onto those in the same weeks. What it then finds is error: chance, and markets
that drift apart. The interval is as wide as those errors, whatever the method says of itself.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from attribution.models.incremental_design import Floats, Ints
from attribution.models.lift_effect import Method, course_of
from attribution.models.lift_panel import Layout
from attribution.models.quantiles import student

LEVEL = 0.9
SETS, MOVES = 16, 24  # markets that take the test's place, and weeks that it is moved to
# The spread of a relative error falls with what is expected: with its root where chance alone is
# at work, not at all where markets drift. Between both.
_BY_SIZE = 0.25


@dataclass(frozen=True, slots=True)
class Placebos:
    """Errors of tests without an effect, as parts of what was expected, made to the test's size.

    `freedom` is how many errors there are that do not hang together.
    """

    errors: Floats
    weekly: float  # of a single week's: root of the mean square
    freedom: float

    @property
    def spread(self) -> float:
        return sqrt(float((self.errors**2).mean()))

    def reach(self, level: float = LEVEL) -> float:
        """How many spreads wide, each way, an interval is."""
        return student(0.5 + level / 2, self.freedom)

    def detectable(self, power: float = 0.8, level: float = LEVEL) -> float:
        """The smallest effect, as a part of what is counted, that is told from nothing so often."""
        missed = student(power, self.freedom)
        return (self.reach(level) + missed) * self.spread

    def power(self, effect: float, level: float = LEVEL) -> float:
        """How often an effect (as a part) would be told from nothing, among the placebos."""
        edge = self.reach(level) * self.spread
        ends = np.concatenate([self.errors + effect, effect - self.errors])
        return float((np.abs(ends) > edge).mean())


def placebos(
    counts: Floats, layout: Layout, method: Method, seed: int, *, within: bool = True
) -> Placebos | None:
    """Errors of the same test elsewhere and before; None where there are no weeks to try it in.

    `counts` may end with the test, or before it begins. With `within`, markets that are never
    treated take the test's place in its own weeks, where they are enough.
    """
    moves = moves_of(layout, method)
    if not moves:
        return None
    rng = np.random.default_rng([seed, 41])
    everyone = np.array([*layout.treated, *layout.controls])
    trials = [(weeks, order) for weeks in moves for order in _orders(everyone, rng, SETS)]
    size, length = len(layout.treated), layout.end - layout.start
    if within and len(layout.controls) >= size + 2 and counts.shape[1] >= layout.end:
        free = np.array(layout.controls)
        trials += [(0, order) for order in _orders(free, rng, SETS * max(1, len(moves) // 8))]
    found, sizes, weekly = [], [], []
    for weeks, order in trials:
        course = course_of(counts, layout.moved(weeks, order.tolist()), method)
        if course.expected <= 0:
            continue
        found.append(course.counted / course.expected - 1)
        sizes.append(course.expected)
        weekly.append(float(((course.weekly / course.base) ** 2).mean()))
    if not found:
        return None
    own = float(np.mean([_size(counts, layout, weeks, method) for weeks in moves]))
    scale = (np.array(sizes) / max(own, 1e-9)) ** _BY_SIZE
    apart = (max(moves) - min(moves)) // length + 1
    return Placebos(
        np.array(found) * scale,
        sqrt(float(np.mean(weekly))),
        freedom=max(2.0, apart * (len(everyone) - 1) / 2),
    )


def moves_of(layout: Layout, method: Method) -> list[int]:
    """By how many weeks the test can be moved back, so that it ends before it began."""
    nearest, farthest = layout.end - layout.start, layout.start - method.weeks
    if farthest < nearest:
        return []
    step = max(1, (farthest - nearest) // (MOVES - 1))
    return list(range(nearest, farthest + 1, step))


def _size(counts: Floats, layout: Layout, weeks: int, method: Method) -> float:
    order = [*layout.treated, *layout.controls]
    return course_of(counts, layout.moved(weeks, order), method).expected


def _orders(markets: Ints, rng: np.random.Generator, many: int) -> list[Ints]:
    return [markets, *(rng.permutation(markets) for _ in range(many - 1))]
