"""Research exports: how coarse each column becomes, and which coarseness tells most."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.research import hierarchies, rare, zip3
from attribution.research.lattice import Counts, Hierarchy, search, weigh

HIERARCHIES = (
    hierarchies.ages(),
    hierarchies.sexes(),
    hierarchies.areas(["100", "481", "601", "602"]),
    hierarchies.years(2019, 2026),
    hierarchies.visits(),
    hierarchies.lines(["a", "b"]),
)


@st.composite
def small_lattices(draw):
    """A few people over two or three hierarchies of at most three levels."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = []
    for number in range(draw(st.integers(2, 3))):
        leaves = random.integers(2, 7)
        fine = [str(leaf) for leaf in range(leaves)]
        middle = [f"m{leaf // 2}" for leaf in range(leaves)]
        levels = [fine, middle, ["*"] * leaves][: random.integers(2, 4)]
        weight = float(random.integers(1, 4))
        found.append(
            Hierarchy(str(number), tuple("abc"[: len(levels)]), tuple(map(tuple, levels)), weight)
        )
    rows = random.integers(1, 25)
    leaves = np.stack([random.integers(0, len(h.labels[0]), rows) for h in found], axis=1)
    seen = tuple(1 << random.integers(0, 4, (rows, 1)) for _ in range(random.integers(0, 3)))
    counts = Counts(np.unique(leaves, axis=0), np.array([]), ())
    size = len(counts.leaves)
    counts = Counts(counts.leaves, random.integers(1, 9, size), tuple(s[:size] for s in seen))
    return found, counts, int(random.integers(2, 12)), int(random.integers(1, 4)), random.random()


@settings(max_examples=60)
@given(small_lattices())
def test_the_search_finds_the_least_loss_of_all(lattice):
    found, counts, k, diverse, share = lattice
    most = int(share * counts.people.sum())
    nodes = product(*(range(len(h.levels)) for h in found))
    every = [weigh(node, counts, found, k=k, l=diverse) for node in nodes]
    allowed = [each for each in every if each.suppressed <= most]
    best = search(counts, found, k=k, l=diverse, most=most)
    assert (best is None) == (not allowed)
    if best is not None:
        assert best.loss == pytest.approx(min(each.loss for each in allowed), abs=1e-9)
        assert best.suppressed <= most


def test_a_node_is_weighed_as_by_hand():
    """Four people of one area and two of another, two sexes: both classes of an area are kept."""
    area = Hierarchy("area", ("fine", "*"), (("x", "y"), ("*", "*")))
    sex = Hierarchy("sex", ("fine", "*"), (("f", "m"), ("*", "*")))
    counts = Counts(np.array([[0, 0], [0, 1], [1, 0]]), np.array([2, 2, 2]), ())
    fine = weigh((0, 0), counts, (area, sex), k=2, l=1)
    assert (fine.loss, fine.suppressed, fine.classes) == (0.0, 0, 3)
    # One of two quasi-identifiers is lost for all; at k = 3 the two of area y are lost whole.
    assert weigh((0, 1), counts, (area, sex), k=2, l=1).loss == 0.5
    assert weigh((0, 1), counts, (area, sex), k=3, l=1).loss == pytest.approx((4 * 0.5 + 2) / 6)


def test_a_class_of_one_sensitive_value_is_suppressed_however_large():
    """Area x has two conditions over its two sexes, area y has one."""
    area = Hierarchy("area", ("fine", "*"), (("x", "y"), ("*", "*")))
    sex = Hierarchy("sex", ("fine", "*"), (("f", "m"), ("*", "*")))
    conditions = np.array([[0b01], [0b10], [0b01]])
    counts = Counts(np.array([[0, 0], [0, 1], [1, 0]]), np.array([20, 20, 20]), (conditions,))
    assert weigh((0, 0), counts, (area, sex), k=11, l=2).suppressed == 60
    told = weigh((0, 1), counts, (area, sex), k=11, l=2)
    assert (told.suppressed, told.classes) == (20, 1)
    assert weigh((1, 1), counts, (area, sex), k=11, l=2).suppressed == 0
    assert weigh((1, 1), counts, (area, sex), k=11, l=3).suppressed == 60


@pytest.mark.parametrize("hierarchy", HIERARCHIES, ids=lambda h: h.name)
def test_every_level_joins_whole_groups_of_the_level_before(hierarchy):
    for fine, coarse in zip(hierarchy.labels, hierarchy.labels[1:], strict=False):
        joined = {}
        for before, after in zip(fine, coarse, strict=True):
            assert joined.setdefault(before, after) == after
    assert len({len(level) for level in hierarchy.labels}) == 1


def test_no_age_above_89_is_told_apart():
    for level in hierarchies.ages().labels:
        for label in level[1:]:
            numbers = [int(part) for part in label.strip("+*").split("-") if part]
            assert all(number <= 90 for number in numbers)
            assert label.endswith(("+", "*")) or max(numbers) <= 89


def test_areas_of_few_people_and_unknown_ones_are_hidden():
    assert len(zip3.restricted()) == 19
    assert {"036", "205", "369"} <= zip3.restricted() <= set(zip3.states())
    assert all(zip3.shown(prefix) == "000" for prefix in (*zip3.restricted(), "", "000", "xyz"))
    assert (zip3.shown("606"), zip3.state("606"), zip3.state("036")) == ("606", "IL", "unknown")


# Rare values

CODES = st.sampled_from(["ICD10:J45", "ICD10:J30", "ICD10:C50", "PRI001", "PRI002", "asthma", ""])


@settings(max_examples=40)
@given(st.dictionaries(st.one_of(CODES, st.text(max_size=30)), st.integers(1, 40), min_size=1))
def test_no_folded_name_is_of_few_people(people):
    called = rare.folded(people, 11)
    sizes = pd.Series(people).groupby(called).sum()
    assert set(called) == set(people)
    assert (sizes >= 11).all() or list(sizes.index) == ["Other"]
    assert not any("@" in name or name.startswith(("=", "+", "-")) for name in called.values())


def test_rare_codes_become_a_coarser_group_and_then_other():
    told = {"ICD10:J45": 40, "ICD10:J30": 6, "ICD10:J31": 7, "ICD10:C50": 3, "x@y.org": 9}
    assert rare.folded(told, 11) == {
        "ICD10:J45": "ICD10:J45",
        "ICD10:J30": "ICD10:J other",
        "ICD10:J31": "ICD10:J other",
        "ICD10:C50": "Other",
        "x@y.org": "Other",
    }
