"""Identity: what holds whatever rows come, and in whichever order."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings
from identity_registry import DOOR, Registry, mixed, row, rows

from attribution.identity_numbers import number_people
from attribution.paths import Home
from attribution.privacy import STRENGTH
from attribution.settings import IdentitySettings
from connectors.contract import contract_fields


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_numbers_are_one_to_one_with_people_and_stay_with_the_most(data):
    size = data.draw(st.integers(1, 8))
    numbers = st.lists(st.integers(0, 3), min_size=size, max_size=size)
    component = np.array(data.draw(numbers), dtype=np.int64)
    # What an earlier run may have given: own numbers, and those of others.
    own = np.array([2**59 + n for n in range(size)], dtype=np.int64)
    before = np.array([0 if n == 0 else own[n % size] for n in data.draw(numbers)], dtype=np.int64)
    found = number_people(component, before, own, before[before != 0])
    pairs = set(zip(component.tolist(), found.tolist(), strict=True))
    assert len(pairs) == len(set(component.tolist())) == len(set(found.tolist()))
    again = number_people(component, found, own, found)
    assert again.tolist() == found.tolist()
    order = np.array(data.draw(st.permutations([0, 1, 2, 3])))
    assert number_people(order[component], before, own, before[before != 0]).tolist() == (
        found.tolist()
    )


OPEN = IdentitySettings(99, 99, 99, 99)
STRICT = IdentitySettings()


def grouped(people):
    """Identifiers by person, without the person's number."""
    groups: dict[int, set[str]] = {}
    for identifier, number in people.items():
        groups.setdefault(number, set()).add(identifier)
    return {frozenset(group) for group in groups.values()}


@given(keys=mixed, data=st.data())
@settings(max_examples=8, deadline=None)
def test_the_order_of_arrival_does_not_matter(tmp_path_factory, keys, data):
    found = []
    # Of two rows under one number the later one counts, so each record comes once.
    keys = list({str(key[:2]) if len(key) == 6 else n: key for n, key in enumerate(keys)}.values())
    order = data.draw(st.permutations(range(len(keys))))
    for positions in (range(len(keys)), order):
        registry = Registry(Home(tmp_path_factory.mktemp("home")))
        registry.add(*(row(n, keys[n]) for n in positions))
        registry.resolve()
        found.append((registry.people(), registry.shared()))
        registry.close()
    assert found[0] == found[1]


@given(keys=mixed, more=mixed)
@settings(max_examples=12, deadline=None)
def test_a_source_splits_a_person_only_by_showing_that_something_is_shared(
    tmp_path_factory, keys, more
):
    registry = Registry(Home(tmp_path_factory.mktemp("home")), STRICT)
    registry.add(*(row(n, k) for n, k in enumerate(keys)))
    registry.resolve()
    before, shared = grouped(registry.people()), registry.shared()
    registry.resolve()
    assert registry.changes() == []
    registry.add(*(row(n, k) for n, k in enumerate(more)), source="second")
    registry.resolve()
    after, now_shared = grouped(registry.people()), registry.shared()
    carried = [{v for v in identifiers(row(n, k)) if v} for n, k in enumerate(keys)]
    for group in before:
        # Of an address and a line that are each shared already, both together may be so now.
        about = set().union(*(row for row in carried if row & group))
        assert about & now_shared or any(group <= larger for larger in after)
        if not about & shared:
            assert group & now_shared or any(group <= larger for larger in after)
    registry.close()


def identifiers(row):
    """Every identifier of a row, as it is stored."""
    for field in contract_fields(type(row)):
        value = getattr(row, field.name)
        if value and field.identifier in STRENGTH:
            yield DOOR.hash(field.identifier, value)


@given(keys=mixed)
@settings(max_examples=12, deadline=None)
def test_nothing_weak_ever_joins_two_patients(tmp_path_factory, keys):
    registry = Registry(Home(tmp_path_factory.mktemp("home")), STRICT)
    # No CRM number beside a patient's, so nothing is stated.
    kept = [k if len(k) == 6 else [*k[:3], 0, 0] for k in keys]
    registry.add(*(row(n, k) for n, k in enumerate(kept)))
    registry.resolve()
    patients = {DOOR.hash("patient_id", f"P{n}") for n in (1, 2, 3)}
    assert all(len(group & patients) <= 1 for group in grouped(registry.people()))
    registry.close()


@given(keys=rows, more=rows)
@settings(max_examples=8, deadline=None)
def test_adding_a_source_never_splits_a_person(tmp_path_factory, keys, more):
    registry = Registry(Home(tmp_path_factory.mktemp("home")), OPEN)
    registry.add(*(row(n, k) for n, k in enumerate(keys)))
    registry.resolve()
    before = registry.people()
    registry.add(*(row(n, k) for n, k in enumerate(more)), source="second")
    found = registry.resolve()
    after = registry.people()
    assert before.keys() <= after.keys()
    assert found.splits == 0
    for group in grouped(before):
        assert any(group <= larger for larger in grouped(after))
    # A number that is still there names at least those whom it named.
    for identifier, number in before.items():
        if number in after.values():
            assert after[identifier] == number
    registry.close()


@given(keys=rows)
@settings(max_examples=10, deadline=None)
def test_people_are_the_connected_components(tmp_path_factory, keys):
    groups: list[set[str | None]] = []
    for n, one in enumerate(keys):
        touch = row(n, one)
        kinds = {"patient_id": touch.patient_id, "email": touch.email}
        kinds |= {"phone": touch.phone, "crm_id": touch.crm_id}
        new = {DOOR.hash(kind, value) for kind, value in kinds.items() if value}
        if getattr(touch, "other_crm_id", None):
            new.add(DOOR.hash("crm_id", touch.other_crm_id))
        apart = [group for group in groups if not group & new]
        joined = new.union(*(group for group in groups if group & new))
        groups = [*apart, joined] if joined else apart
    registry = Registry(Home(tmp_path_factory.mktemp("home")), OPEN)
    registry.add(*(row(n, one) for n, one in enumerate(keys)))
    registry.resolve()
    assert grouped(registry.people()) == {frozenset(group) for group in groups}
    registry.close()
