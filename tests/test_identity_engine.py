"""People joined on an engine are those joined in memory: groups, reasons, numbers and changes."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from identity_ways import AFTER, HARD, LIMITS, OTHER, Both, rows, worlds


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> Iterator[Both]:
    made = Both(tmp_path_factory.mktemp("both"))
    yield made
    made.store.close()


@example(HARD, AFTER, LIMITS[0], True)
@given(worlds, worlds, st.sampled_from(LIMITS), st.booleans())
@settings(max_examples=2, deadline=None)
def test_the_engine_joins_as_memory_does(both, first, then, limits, forget):
    both.begin(limits)
    both.store.add(*rows(first))
    memory, engine = both.outcomes("one")
    assert engine == memory
    if forget:  # what only these said is not said any more, so people split
        both.store.forget("link")
    both.store.add(*rows(then), source="second", door=OTHER)
    memory, engine = both.outcomes("two")
    assert engine == memory
