"""Amounts of a span of days, day by day: what the days get adds up to the amount exactly."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def each_day(first: Ints, last: Ints) -> tuple[Ints, Ints, Ints]:
    """For spans of days, both ends included: which span, which day, and which of its days.

    Days are numbers. All days of the first span come first.
    """
    lengths = last - first + 1
    span = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(span)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return span, first[span] + place, place


def spread(amounts: Ints, lengths: Ints, span: Ints, place: Ints) -> Ints:
    """The share of each day: the same for all, but for units that cannot be cut.

    Those go to days evenly spaced over the span.
    """
    even, rest = np.divmod(amounts, lengths)
    # `rest` is smaller than the length, so the products stay small whatever the amount is.
    upto = (place + 1) * rest[span] // lengths[span]
    before = place * rest[span] // lengths[span]
    shares: Ints = even[span] + upto - before
    return shares
