"""Of preferences with one key the one that stands: no old permission in the place of a refusal."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from raw_store import raw_store
from servers.clinic import at
from servers.scripted import Scripted, slice_of, slices

from connectors.contract import Preference


@pytest.fixture
def store():
    with raw_store() as made:
        yield made


def wish(allowed, since, changed=None):
    return Preference(
        "k", "any", "marketing", allowed, at(since), updated_at=changed and at(changed)
    )


def load(store, came, together):
    """In one file, or in as many as there are wishes."""
    pieces = [slice_of(*came)] if together else [slice_of(row) for row in came]
    store.refresh(Scripted(None, slices(*pieces)))


def stands(store):
    ((allowed, since),) = store.ask("select allowed, since from raw_preference")
    return allowed, (since - at(0)).days


@pytest.mark.parametrize(
    ("came", "stays"),
    [
        ([wish(False, 40), wish(True, 5)], (False, 40)),  # an archive arrives later
        ([wish(False, 40, 41), wish(True, 5)], (False, 40)),
        ([wish(False, 40), wish(True, 5, 6)], (False, 40)),
        ([wish(False, 40), wish(True, 5), wish(True, 50)], (True, 50)),
        ([wish(True, 50), wish(False, 40)], (False, 40)),
        ([wish(True, 50), wish(False, 40), wish(True, 45)], (True, 45)),
        ([wish(False, 40), wish(False, 3), wish(True, 5)], (False, 40)),  # two archives
        ([wish(True, 40), wish(True, 5)], (True, 5)),  # a correction, for all that is known
        ([wish(False, 40), wish(True, 40)], (True, 40)),
        ([wish(True, 31, 31), wish(False, 20, 40)], (False, 20)),  # changed later, of earlier
        ([wish(False, 40, 41), wish(True, 5, 42)], (True, 5)),
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["in one slice", "across slices"])
def test_a_permission_replaces_no_later_refusal_unless_it_was_changed_later(
    store, came, stays, together
):
    for _ in range(2):
        load(store, came, together)
        assert stands(store) == stays


@settings(max_examples=15)
@given(came=st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=6))
def test_wishes_without_a_change_time_stand_alike_in_one_file_and_in_many(came):
    rows, found = [wish(*one) for one in came], []
    for together in (True, False):
        with raw_store() as store:
            load(store, rows, together)
            found.append(stands(store))
    assert found[0] == found[1]
