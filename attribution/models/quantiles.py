"""Quantiles of the normal and of Student's distribution.

Those of scipy.stats, to the last bit (tests/test_spread.py), without importing it: that takes a
quarter of what a refresh needs before it begins. What it does import comes with the first question:
most commands ask none.
"""


def normal(share: float) -> float:
    """What this share of standard normal numbers is below."""
    from scipy.special import ndtri

    return float(ndtri(share))


def student(share: float, freedom: float) -> float:
    """What this share of Student's numbers is below; freedom without end makes them normal."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def student_above(value: float, freedom: float) -> float:
    """Which share of Student's numbers is above a value."""
    from scipy.special import stdtr

    return float(stdtr(freedom, -value))
