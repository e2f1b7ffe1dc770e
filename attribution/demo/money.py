"""Payments for kept visits: posted weeks later, in parts, a few of them given back."""

import numpy as np

from attribution.demo import care
from attribution.demo.clock import DAY
from attribution.demo.folk import Folk
from attribution.demo.log import FULFILLED, Columns

_SELF_PAY = 3
_INSURED_SHARE = np.array([0.80, 0.86, 0.97, 0.45])  # the first part, by payer class
_UNPAID = 0.12  # of second parts
_REFUNDED = 0.012
_LEAST = 100  # cents that are asked for at all


def payments(folk: Folk, visits: Columns, until_minute: int) -> Columns:
    """Every posting up to the last minute: which visit, when, cents, and which part it is.

    `visit` is the position of the visit in `visits`; part 0 and 1 are paid, 2 is given back.
    `left` is what is open after it.
    """
    kept = np.flatnonzero(visits["status"] == FULFILLED)
    at = np.searchsorted(folk.ids, visits["person"][kept])
    number, starts, line = (visits[name][kept] for name in ("number", "starts_at", "line"))
    cents = care.fees(folk, at, number, line)
    draws, payer = folk.draws, folk.payer[at]
    first = (cents * _INSURED_SHARE[payer]).astype(np.int64)
    rest = cents - first
    wait = np.where(payer == _SELF_PAY, 0, 14 + 35 * draws.uniform(80, number, at))
    early = starts // DAY + wait.astype(np.int64)
    late = early + 12 + (60 * draws.uniform(81, number, at)).astype(np.int64)
    paid = (draws.uniform(82, number, at) > _UNPAID) & (rest >= _LEAST)
    back = draws.uniform(83, number, at) < _REFUNDED
    given = (first * (0.2 + 0.8 * draws.uniform(84, number, at))).astype(np.int64)
    returned = late + 30 + (40 * draws.uniform(85, number, at)).astype(np.int64)
    parts = (
        (np.ones(len(kept), dtype=bool), early, first),
        (paid, late, rest),
        (back, returned, -given),
    )
    batches = []
    for part, (holds, day, amount) in enumerate(parts):
        hour = 8 + (9 * draws.uniform(86 + part, number, at)).astype(np.int64)
        minute = day * DAY + np.where(day * DAY < starts, starts % DAY // 60 + 1, hour) * 60
        use = np.flatnonzero(holds & (minute < until_minute))
        left = np.where(rest[use] >= _LEAST, rest[use], 0) if part == 0 else np.zeros_like(use)
        batches.append((kept[use], minute[use], amount[use], np.full(len(use), part), left))
    visit, minute, amount, part_number, left = (
        np.concatenate(column) for column in zip(*batches, strict=True)
    )
    order = np.lexsort((part_number, visit, minute))
    return {
        "visit": visit[order],
        "minute": minute[order],
        "cents": amount[order],
        "part": part_number[order],
        "left": left[order],
    }
