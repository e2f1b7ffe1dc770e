"""Attacks what is told of people: what could somebody work out of a small cell, whoever folded it?

All that is told is linear in the counts nobody is told of: a cell, a total and a filter are sums of
them, a rate or a mean is a quotient of two sums that are told, a cost for each patient divides a
known amount by one. So for any count that must stay hidden, the least and the most that it can be
are two linear programs over all counts that fit what is told. Where these nearly meet, it is given
back. This knows nothing of how cells were folded: it judges any way of hiding them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import csr_array

from attribution.small_cells import LEAST

Ints = npt.NDArray[np.int64]
# A small count is given back where what fits what is told spans fewer people than this.
PROTECTION = 5
_SLACK = 1e-6


@dataclass
class Attack:
    """What somebody knows of hidden counts: equations, and that no count is below nought.

    The hidden counts are numbered from 0 to `hidden` - 1. Two releases are one attack: the counts
    of the first, and beside them how many came and how many went before the second.
    """

    hidden: int
    _rows: list[Ints] = field(default_factory=list)
    _weights: list[npt.NDArray[np.float64]] = field(default_factory=list)
    _told: list[float] = field(default_factory=list)
    _between: list[tuple[Ints, float, float]] = field(default_factory=list)

    def told(self, which: Sequence[int] | Ints, total: float, weights: object = None) -> None:
        """That these counts, times their weights (1), add up to `total`."""
        rows = np.asarray(which, dtype=np.int64)
        given = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)
        self._rows.append(rows)
        self._weights.append(given)
        self._told.append(float(total))

    def between(self, which: Sequence[int] | Ints, least: float, most: float) -> None:
        """That these counts add up to `least` at least and to `most` at most: a rounded total."""
        self._between.append((np.asarray(which, dtype=np.int64), float(least), float(most)))

    def rate(self, some: Sequence[int], whole: Sequence[int], rate: float) -> None:
        """That some of these counts are the share `rate` of all of them."""
        which = np.concatenate([np.asarray(some), np.asarray(whole)])
        weights = np.concatenate([np.ones(len(some)), np.full(len(whole), -rate)])
        self.told(which, 0.0, weights)

    def spans(self, groups: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        """The least and the most that the sum of each group can be, a row for each.

        Raises ValueError where nothing fits what is told, so that it cannot be true.
        """
        found = np.empty((len(groups), 2))
        known = self._equations()
        for number, group in enumerate(groups):
            aim = np.bincount(np.asarray(group), minlength=self.hidden).astype(np.float64)
            for side, sign in enumerate((1.0, -1.0)):
                solved = linprog(sign * aim, method="highs", **known)
                if solved.status == 3:  # unbounded: nothing is known that way
                    found[number, side] = -sign * np.inf
                elif solved.status != 0:
                    raise ValueError("Nothing fits what is told: it contradicts itself.")
                else:
                    found[number, side] = sign * float(solved.fun or 0.0)
        return found

    def given_back(
        self, groups: Sequence[Sequence[int]], truth: npt.NDArray[np.generic]
    ) -> list[int]:
        """Which groups hold 1 to 10 people, and can be told to within `PROTECTION` of them.

        `truth` holds the hidden counts as they are.
        """
        sums = [float(np.asarray(truth)[np.asarray(group)].sum()) for group in groups]
        small = [n for n, total in enumerate(sums) if 0 < total < LEAST]
        spans = self.spans([groups[n] for n in small])
        return [
            n
            for n, (low, high) in zip(small, spans, strict=True)
            if high - low < PROTECTION - _SLACK
        ]

    def _equations(self) -> dict[str, Any]:
        known: dict[str, Any] = {}
        if self._told:
            known["A_eq"] = self._table(self._rows, self._weights)
            known["b_eq"] = np.asarray(self._told)
        if self._between:
            rows = [which for which, *_ in self._between for _ in range(2)]
            signs = [np.full(len(which), sign) for which, *_ in self._between for sign in (-1, 1)]
            known["A_ub"] = self._table(rows, signs)
            known["b_ub"] = np.asarray(
                [end for _, least, most in self._between for end in (-least, most)]
            )
        return known

    def _table(self, rows: Sequence[Ints], weights: Sequence[npt.NDArray[np.float64]]) -> csr_array:
        lengths = [len(each) for each in rows]
        place = np.repeat(np.arange(len(lengths)), lengths)
        both = (place, np.concatenate(rows))
        return csr_array((np.concatenate(weights), both), (len(lengths), self.hidden))
