"""Folding: small cells join their neighbours, and what is told gives none of them back."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.small_cells import (
    OTHER,
    Cube,
    Numbers,
    People,
    fold,
    is_safe,
    protected,
)
from attribution.small_cells_audit import Attack

CUBE = Cube("people", ("line", "place"), ("people", "kept"), (("people", "kept"),), ("month",))

CELLS = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")),
    st.tuples(st.integers(0, 30), st.integers(0, 30)),
    min_size=1,
)


def test_small_cells_join_their_small_neighbours_first():
    """Worked by hand: 4 and 9 are 13 together; 3 is alone in its channel and takes the smallest."""
    cells = {
        ("search", "brand"): 40,
        ("search", "hip"): 4,
        ("search", "knee"): 9,
        ("social", "meet"): 25,
        ("video", "stories"): 3,
    }
    told = fold({key: Numbers((count,)) for key, count in cells.items()})
    assert told == {
        ("search", "brand"): ("search", "brand"),
        ("search", "hip"): ("search", OTHER),
        ("search", "knee"): ("search", OTHER),
        ("social", "meet"): (OTHER, OTHER),
        ("video", "stories"): (OTHER, OTHER),
    }


def test_ten_people_in_all_are_told_of_nowhere():
    assert fold({("a", "x"): Numbers((10,))}) == {}
    assert fold({("a", "x"): Numbers((6,)), ("b", "x"): Numbers((5,))}) == {
        ("a", "x"): (OTHER, OTHER),
        ("b", "x"): (OTHER, OTHER),
    }


def test_one_person_in_two_cells_is_one_when_they_are_told_together():
    def some(*who):
        return People(np.array(who), np.ones(len(who), dtype=np.int64), 1)

    seven = some(*range(7))
    assert fold({("a",): seven, ("b",): seven}) == {}
    assert set(fold({("a",): seven, ("b",): some(*range(4, 12))}).values()) == {(OTHER,)}


@given(CELLS)
@settings(max_examples=60)
def test_what_is_told_is_a_partition_into_safe_cells(cells):
    told = fold({key: Numbers((a + b, a, b)) for key, (a, b) in cells.items()})
    sums: dict = {}
    for key, label in told.items():
        assert all(here in (own, OTHER) for own, here in zip(key, label, strict=True))
        sums.setdefault(label, []).append((sum(cells[key]), *cells[key]))
    for counts in sums.values():
        assert is_safe(np.sum(counts, axis=0))
    assert not told or set(told) == set(cells)  # all of it, or none


@given(CELLS, st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_two_releases_differ_by_nobody_or_by_enough(cells, random):
    def rows(counts):
        keys = pd.DataFrame([*counts], columns=["line", "place"])
        people = [a + b for a, b in counts.values()]
        return keys.assign(month=1, people=people, kept=[a for a, _ in counts.values()])

    first = protected(CUBE, rows(cells))
    later = {key: (a + random.randint(0, 14), b) for key, (a, b) in cells.items()}
    second = protected(CUBE, rows(later), first)
    if first.empty:  # of nobody: there is nothing to compare with
        first = second.assign(people=0, kept=0)
    assert first[["month", "line", "place"]].equals(second[["month", "line", "place"]])
    for name in ("people", "kept"):
        assert is_safe((second[name] - first[name]).abs())
        assert is_safe(second[name])
    assert is_safe(second["people"] - second["kept"])


MONTHS = st.dictionaries(st.sampled_from([1, 2, 3]), CELLS, min_size=2)


@given(MONTHS, MONTHS)
@settings(max_examples=8)
def test_many_parts_at_once_are_told_as_each_is_alone(first, second):
    """Also where a part is new; one that nobody is in any more is told as it was."""

    def rows(months):
        return pd.DataFrame(
            [(month, *key, a + b, a) for month, of in months.items() for key, (a, b) in of.items()],
            columns=["month", "line", "place", "people", "kept"],
        ).astype({"line": "str", "place": "str"})

    def alone(cells, before=None):
        months = sorted({*cells["month"], *(() if before is None else before["month"])})
        told = [
            protected(
                CUBE,
                cells[cells["month"] == month],
                None if before is None else before[before["month"] == month],
            )
            for month in months
        ]
        return in_order(pd.concat(told))

    def in_order(told):
        return told.sort_values(["month", "line", "place"], ignore_index=True)

    early, late = rows(first), rows(second)
    before = in_order(protected(CUBE, early))
    pd.testing.assert_frame_equal(before, alone(early))
    after = in_order(protected(CUBE, late, before))
    pd.testing.assert_frame_equal(after, alone(late, before))
    kept, stood = (told[~told["month"].isin([*second])] for told in (after, before))
    pd.testing.assert_frame_equal(in_order(kept), in_order(stood))


@given(
    st.lists(st.lists(st.integers(0, 25), min_size=3, max_size=3), min_size=3, max_size=3),
)
@settings(max_examples=15)
def test_linear_programs_give_no_folded_cell_back(table):
    counts = np.array(table)
    attack = Attack(9)
    numbers = np.arange(9).reshape(3, 3)
    for cells, sums in ((numbers, counts.sum(1)), (numbers.T, counts.sum(0))):
        told = fold({(str(n),): Numbers((int(total),)) for n, total in enumerate(sums)})
        for label in set(told.values()):
            inside = [int(key[0]) for key, here in told.items() if here == label]
            attack.told(cells[inside].ravel(), sums[inside].sum())
    groups = [*numbers.tolist(), *numbers.T.tolist(), *([n] for n in range(9))]
    assert attack.given_back(groups, counts.ravel()) == []


def test_linear_programs_see_through_totals_rates_and_costs():
    """Three cells of 40, 30 and 6; the small one is hidden and nothing else is."""
    truth = np.array([40, 30, 6])
    total = Attack(3)
    total.told([0], 40), total.told([1], 30)
    assert total.given_back([[2]], truth) == []
    total.told([0, 1, 2], 76)
    assert total.given_back([[2]], truth) == [0]
    rate = Attack(3)
    rate.told([0, 1], 70)
    rate.rate([2], [0, 1, 2], 6 / 76)
    assert rate.given_back([[2]], truth) == [0]
    cost = Attack(3)
    cost.told([2], 600 / 100.0)  # spend over CPA
    assert cost.spans([[2]]).tolist() == [[6, 6]]
    with pytest.raises(ValueError, match="contradicts"):
        cost.told([2], 7) or cost.spans([[2]])
