"""Components that an engine finds by labels that spread are those found in memory."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from labels_reference import HARD, in_memory, on_engine
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

nodes = st.integers(-3, 12) | st.integers(-(2**62), 2**62)


@pytest.fixture(scope="module")
def embedded() -> Iterator[Connection]:
    engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@example(HARD["row"])
@example(HARD["ring and star"])
@given(st.lists(st.tuples(nodes, nodes), min_size=1, max_size=30))
@settings(max_examples=15, deadline=None)
def test_labels_are_the_components(embedded, edges):
    assert on_engine(embedded, edges)[0] == in_memory(edges)


@pytest.mark.parametrize("name", HARD)
def test_rounds_grow_as_the_logarithm(embedded, name):
    """A row of sixty is done in far fewer rounds than it has steps."""
    labels, rounds = on_engine(embedded, HARD[name])
    assert labels == in_memory(HARD[name])
    assert rounds <= 8
