"""Quantiles of the normal and of Student's distribution.

Those of scipy.stats, to the last bit (tests/test_spread.py), without importing it: that takes a
quarter of what a refresh needs before it begins.
"""

from scipy.special import ndtri, stdtr, stdtrit


def normal(share: float) -> float:
    """What this share of standard normal numbers is below."""
    return float(ndtri(share))


def student(share: float, freedom: float) -> float:
    """What this share of Student's numbers is below; freedom without end makes them normal."""
    return float(stdtrit(freedom, share))


def student_above(value: float, freedom: float) -> float:
    """Which share of Student's numbers is above a value."""
    return float(stdtr(freedom, -value))
