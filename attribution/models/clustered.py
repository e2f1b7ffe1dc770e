"""A share of messages with an interval that knows that messages of one person are alike.

The variance is that of a ratio of sums over people (Cochran 1977, 6.3). A share that is all or
nothing has none, so the interval is Wilson's, of as many messages as would tell as much if each
were of somebody else (Korn and Graubard 1998; Dean and Pagano 2015).
"""

from dataclasses import dataclass
from math import sqrt

NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Messages:
    """Sums over people: n messages each, of which y count, and the squares and products of both."""

    people: int
    n: int
    y: int
    nn: int
    yy: int
    ny: int


def share(of: Messages, z: float = NORMAL_95) -> tuple[float, float, float] | None:
    """The share that counts, and between what and what it lies; None of nobody."""
    if not of.n:
        return None
    rate = of.y / of.n
    size = min(max(_worth(of, rate), 1.0), float(of.n))
    middle = (rate + z * z / (2 * size)) / (1 + z * z / size)
    reach = z / (1 + z * z / size) * sqrt(rate * (1 - rate) / size + z * z / (4 * size * size))
    # Rounding must not put the share outside of its own interval.
    return rate, min(max(middle - reach, 0.0), rate), max(min(middle + reach, 1.0), rate)


def _worth(of: Messages, rate: float) -> float:
    """How many messages of as many people would tell as much."""
    apart = of.yy - 2 * rate * of.ny + rate * rate * of.nn
    if of.people < 2 or not 0 < of.y < of.n or apart <= 0:
        return float(of.people)
    variance = apart / (of.n * of.n) * of.people / (of.people - 1)
    return rate * (1 - rate) / variance
