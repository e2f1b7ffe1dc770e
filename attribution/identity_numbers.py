"""Person numbers: a group of identifiers keeps the number that its identifiers had before."""

from collections.abc import Callable
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.int64]


def number_people(component: Array, before: Array, own: Array, taken: Array) -> Array:
    """The person number of every identifier, in the identifiers' order.

    `component` says which identifiers are one person, `before` which number each had (0: none),
    `own` the number that each would give a person if it were the first of a new one, and `taken`
    which numbers were ever given.
    """
    # The identifiers are sorted, so the first of a component is its smallest.
    components, first, of = np.unique(component, return_index=True, return_inverse=True)
    # Arrays of integers throughout: a float holds 53 bits, and person numbers have 60.
    number = own[first]
    kept, number_of = _kept(of, before)
    number[kept] = number_of
    fresh = np.ones(len(components), dtype=bool)
    fresh[kept] = False
    places = np.flatnonzero(fresh)
    given: set[int] = set()
    known = np.unique(taken)
    for place in places[np.isin(number[places], known)]:
        number[place] = other_number(
            int(number[place]),
            given,
            lambda n: bool(known[np.searchsorted(known, n) % len(known)] == n),
        )
    return number[of]


def _kept(of: Array, before: Array) -> tuple[Array, Array]:
    """Components that keep a number, and which.

    A number goes to the component that holds most of its identifiers, and of the numbers that
    fall to it a component takes the best supported; ties by identifier, never by arrival.
    """
    held = np.flatnonzero(before)
    if not len(held):
        return held, held
    numbers, number = np.unique(before[held], return_inverse=True)
    keys, first, votes = np.unique(
        of[held] * len(numbers) + number, return_index=True, return_counts=True
    )
    component, number = np.divmod(keys, len(numbers))
    # Nearly every component has one number and every number one component: nothing to vote on.
    disputed = np.bincount(component)[component] > 1
    disputed |= np.bincount(number)[number] > 1
    table = pd.DataFrame(
        {"component": component, "number": number, "votes": votes, "first": held[first]}
    )[disputed]
    best = table.sort_values(["votes", "first"], ascending=[False, True])
    best = best.drop_duplicates("number").drop_duplicates("component")
    kept = np.concatenate([component[~disputed], best["component"].to_numpy()])
    by = np.concatenate([number[~disputed], best["number"].to_numpy()])
    return kept, numbers[by]


def other_number(number: int, given: set[int], is_taken: Callable[[int], bool]) -> int:
    """A number for the part of a split person whose own number another part keeps.

    It is none of `given` and put there, and none that was ever anybody's.
    """
    while number in given or is_taken(number):
        number = rehashed(number)
    given.add(number)
    return number


def rehashed(number: int) -> int:
    """The number that is tried where this one is somebody's."""
    return int(sha256(str(number).encode()).hexdigest()[:15], 16)


def moved(before: Array, person_id: Array) -> pd.DataFrame:
    """Which numbers went over into others: merged where the old one is gone, else split off."""
    rows = np.flatnonzero((before != 0) & (before != person_id))
    frame = pd.DataFrame({"from_person": before[rows], "to_person": person_id[rows]})
    frame = frame.drop_duplicates()
    still = frame["from_person"].isin(person_id) if len(frame) else frame["from_person"] > 0
    frame["kind"] = np.where(still, "split", "merge")
    ordered: pd.DataFrame = frame.sort_values(["from_person", "to_person"], ignore_index=True)
    return ordered
