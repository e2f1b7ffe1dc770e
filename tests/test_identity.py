"""Identity: who is one person does not depend on order, and numbers last."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from identity_registry import DOOR, Registry, mail
from servers.clinic import at, contact, payment

from attribution import known_sources
from attribution.identity_numbers import number_people
from attribution.settings import IdentitySettings
from attribution.source_settings import SourceSettings
from attribution.tombstones import SHARED, bury
from attribution.vault import open_vault
from connectors.contract import Call, Link, Person, Touchpoint


@pytest.fixture
def registry(home) -> Iterator[Registry]:
    made = Registry(home)
    yield made
    made.close()


def person(registry, kind, value):
    return registry.people().get(DOOR.hash(kind, value))


def test_identifiers_on_one_row_are_one_person(registry):
    registry.add(contact("c1", email=mail(1)), Person("P1", email=mail(1), phone="503-555-0142"))
    registry.add(Call("k", at(0), 5, True, phone="(503) 555-0142"), source="calls")
    found = registry.resolve()
    assert (found.people, found.identifiers, found.shared) == (1, 4, 0)
    assert person(registry, "patient_id", "P1") == person(registry, "crm_id", "c1")


def test_a_record_number_joins_nobody(registry):
    registry.add(payment("1", patient_id="P1"), payment("2", patient_id="P2"))
    assert registry.resolve().people == 2


def test_a_phone_that_patients_share_joins_nobody(registry):
    family = "503-555-0142"
    registry.add(*(Person(f"P{n}", phone=family) for n in range(2)))
    registry.add(Call("k", at(0), 5, True, phone=family))
    found = registry.resolve()
    assert (found.people, found.shared) == (2, 1)
    assert person(registry, "phone", family) is None


def test_an_address_that_many_contacts_share_joins_nobody(registry):
    registry.add(*(contact(f"c{n}", email="info@clinic.org") for n in range(4)))
    found = registry.resolve()
    assert (found.people, found.shared) == (4, 1)


def test_contacts_that_share_both_e_mail_and_phone_are_one_person_twice_in_the_crm(registry):
    twice = {"email": mail(1), "phone": "503-555-0142"}
    registry.add(contact("c1", **twice), contact("c2", **twice), contact("c3", email=mail(2)))
    registry.add(contact("c4", email=mail(2), phone="503-555-0143"))
    found = registry.resolve()
    assert person(registry, "crm_id", "c1") == person(registry, "crm_id", "c2")
    assert person(registry, "crm_id", "c3") != person(registry, "crm_id", "c4")
    assert found.shared == 1
    registry.add(*(contact(f"d{n}", **twice) for n in range(2)))
    assert registry.resolve().shared == 3
    assert person(registry, "crm_id", "c1") != person(registry, "crm_id", "c2")


def test_twins_stay_two_people_whatever_they_share(registry):
    both = {"email": mail(1), "phone": "503-555-0142"}
    registry.add(Person("P1", **both), Person("P2", **both), contact("mother", **both))
    found = registry.resolve()
    assert (found.people, found.shared) == (3, 2)


def test_the_patients_of_a_finished_source_stay_those_of_another_record(home):
    """Its table is taken out of the settings, and its rows stay: nobody comes apart by it."""
    one = SourceSettings("emr", "fhir_files", "emr", {})
    finished = SourceSettings("old", "fhir_files", "old", {}, patient_namespace="emr-b")
    registry = Registry(home)
    registry.add(Person("P1", email=mail(1)))
    older = replace(DOOR, patient_namespace="emr-b")
    registry.add(Person("P9", email=mail(1)), source="old", door=older)
    for configured in ((one, finished), (one,)):
        with registry.engine.begin() as connection:
            known_sources.note(connection, configured)
            registry.namespaces = known_sources.namespaces(connection)
        assert registry.resolve().people == 1
    registry.close()


def test_two_medical_records_may_know_one_person(home):
    registry = Registry(home, namespaces={"emr": ("emr", "crm"), "emr2": ("other", "crm")})
    registry.add(Person("P1", email=mail(1)))
    registry.add(
        Person("P1", email=mail(1)), source="emr2", door=replace(DOOR, patient_namespace="other")
    )
    assert registry.resolve().people == 1
    registry.close()


def test_a_phone_does_not_join_people_with_different_addresses(registry):
    registry.add(Person("P1", email=mail(1), phone="503-555-0142"))
    registry.add(contact("c1", email=mail(2), phone="503-555-0142"))
    found = registry.resolve()
    assert (found.people, found.shared) == (2, 1)


def test_a_browser_in_the_waiting_room_joins_nobody(registry):
    registry.add(*(contact(f"c{n}", email=mail(n), client_id="kiosk") for n in range(9)))
    found = registry.resolve()
    assert (found.people, found.shared) == (9, 1)


def test_a_chain_that_would_join_two_patients_joins_nobody(registry):
    """One contact holds the address of one patient, another row leads on to the next patient."""
    registry.add(Person("P1", email=mail(1)), Person("P2", phone="503-555-0142"))
    registry.add(Touchpoint("t1", at(0), "form", email=mail(1), client_id="x"))
    registry.add(Touchpoint("t2", at(0), "form", phone="503-555-0142", client_id="y"))
    registry.add(Touchpoint("t3", at(0), "click", client_id="x", click_id="k1"))
    registry.add(Touchpoint("t4", at(0), "click", client_id="z", click_id="k1"))
    registry.add(Touchpoint("t5", at(0), "click", client_id="z", click_id="k2"))
    registry.add(Touchpoint("t6", at(0), "click", client_id="y", click_id="k2"))
    found = registry.resolve()
    assert person(registry, "patient_id", "P1") != person(registry, "patient_id", "P2")
    assert person(registry, "click_id", "k1") is person(registry, "click_id", "k2") is None
    assert person(registry, "client_id", "x") == person(registry, "email", mail(1))
    assert found.shared == 2


def test_what_a_system_says_is_believed(registry):
    registry.add(Person("P1", email=mail(1)), Person("P2", email=mail(1)))
    registry.add(Link("l1", at(0), "merged", crm_id="c1", other_crm_id="c2"))
    registry.add(Link("l2", at(0), "merged", patient_id="P1", crm_id="c1"))
    registry.add(Link("l3", at(0), "merged", patient_id="P2", crm_id="c2"))
    registry.add(Link("l4", at(0), "merged", patient_id="P3", other_patient_id="P1"))
    registry.add(Person("P3", email=mail(3)))
    assert registry.resolve().people == 1


HOME_LINE = "503-555-0142"


def same(registry, patient, crm):
    return person(registry, "patient_id", patient) == person(registry, "crm_id", crm)


def test_a_first_name_tells_a_household_apart(registry):
    both = {"email": mail(1), "phone": HOME_LINE}
    registry.add(Person("P1", **both, given_name="Ann"), Person("P2", **both, given_name="Robert"))
    registry.add(contact("c1", **both, given_name="bob "), contact("c2", phone=HOME_LINE))
    found = registry.resolve()
    assert same(registry, "P2", "c1")
    # The address and the line are of both, so they are of neither; nobody knows who c2 is.
    assert (found.people, found.shared) == (3, 2)


def test_one_address_does_not_join_two_first_names(registry):
    registry.add(Person("P1", email=mail(1), given_name="Ann"))
    registry.add(contact("c1", email=mail(1), given_name="Bob"))
    assert (registry.resolve().people, registry.shared()) == (2, {DOOR.hash("email", mail(1))})
    registry.add(contact("c1", 1, email=mail(1)))  # without a name the address is all there is
    assert registry.resolve().people == 1


def test_a_birth_year_outweighs_another_first_name(registry):
    """She goes by her middle name."""
    registry.add(Person("P1", email=mail(1), given_name="Mary", birth_year=1980))
    registry.add(contact("c1", email=mail(1), given_name="Xu", birth_year=1980))
    assert registry.resolve().people == 1


def test_two_birth_years_are_two_people_unless_the_first_name_is_one(registry):
    registry.add(Person("P1", phone=HOME_LINE, birth_year=1950))
    registry.add(contact("c1", phone=HOME_LINE, birth_year=1980))
    assert registry.resolve().people == 2
    registry.add(Person("P1", phone=HOME_LINE, birth_year=1950, given_name="Liz"))
    registry.add(contact("c1", 1, phone=HOME_LINE, birth_year=1980, given_name="Elizabeth"))
    assert registry.resolve().people == 1


def test_an_address_and_a_line_together_outweigh_a_slip_in_the_name(registry):
    both = {"email": mail(1), "phone": HOME_LINE}
    registry.add(Person("P1", **both, given_name="Michael"))
    registry.add(contact("c1", **both, given_name="Micheal"))
    assert registry.resolve().people == 1


def test_a_first_name_joins_nobody_alone(registry):
    registry.add(Person("P1", email=mail(1), given_name="Ann", birth_year=1980))
    registry.add(contact("c1", email=mail(2), given_name="Ann", birth_year=1980))
    found = registry.resolve()
    assert (found.people, found.shared) == (2, 0)


def test_first_names_can_be_left_out(home):
    registry = Registry(home, IdentitySettings(tell_apart=False))
    door = replace(DOOR, first_names=False)
    registry.add(Person("P1", email=mail(1), given_name="Ann", birth_year=1950), door=door)
    registry.add(contact("c1", email=mail(1), given_name="Bob", birth_year=1980), door=door)
    assert (registry.resolve().people, len(registry.people())) == (1, 3)
    registry.close()


def test_limits_are_settings(home):
    registry = Registry(home, IdentitySettings(max_patients=2))
    registry.add(*(Person(f"P{n}", phone="503-555-0142") for n in range(2)))
    assert registry.resolve().people == 1
    registry.close()


def test_nobody_at_all(registry):
    assert registry.resolve().people == 0
    assert registry.people() == {}


def test_resolving_again_changes_nothing(registry):
    registry.add(*(contact(f"c{n}", email=mail(n)) for n in range(5)))
    registry.resolve()
    before = registry.people()
    registry.resolve()
    assert registry.people() == before
    assert registry.changes() == []


def test_numbers_outlive_the_generation(home):
    first = Registry(home).add(contact("c1", email=mail(1)))
    first.resolve()
    before = person(first, "crm_id", "c1")
    first.close()
    # Sorted before all others, so that a new person would be named after it.
    second = Registry(home).add(
        *(Call(f"n{n}", at(0), 5, True, phone=f"50355501{n:02}") for n in range(3))
    )
    second.add(Touchpoint("t1", at(0), "form", email=mail(1), client_id="x"))
    second.resolve()
    assert person(second, "email", mail(1)) == before
    second.close()


def test_a_merge_keeps_the_number_of_the_larger_and_is_recorded(registry):
    registry.add(Person("P1", email=mail(1), phone="503-555-0142"), contact("c1", email=mail(2)))
    registry.resolve()
    large, small = person(registry, "patient_id", "P1"), person(registry, "crm_id", "c1")
    registry.add(contact("c1", 1, email=mail(2), patient_id="P1"))
    assert registry.resolve("second").merges == 1
    assert set(registry.people().values()) == {large}
    (change,) = registry.vault.changes().to_dict("records")
    assert (change["run_id"], change["kind"]) == ("second", "merge")
    assert (change["from_person"], change["to_person"]) == (small, large)
    assert change["cause"] == "the same patient number"


def test_a_split_keeps_the_number_of_the_larger_and_is_recorded(registry):
    registry.add(Person("P1", email=mail(1), phone="503-555-0142"), contact("c1", patient_id="P1"))
    registry.resolve()
    before = person(registry, "patient_id", "P1")
    registry.add(contact("c1", 1))
    assert registry.resolve().splits == 1
    assert person(registry, "patient_id", "P1") == before != person(registry, "crm_id", "c1")
    assert registry.changes() == ["split"]


def test_a_number_never_means_somebody_else(registry):
    """Split and joined again and again, no two people have one number."""
    for day in range(1, 6):
        registry.add(contact("c1", day, patient_id="P1" if day % 2 else None))
        registry.add(contact("c2", day, patient_id="P1" if day % 3 else None))
        found = registry.resolve()
        assert len(set(registry.people().values())) == found.people


def test_what_is_forgotten_comes_back_as_itself(registry):
    registry.add(contact("c1", email=mail(1)))
    registry.resolve()
    before = registry.people()
    registry.forget()
    registry.resolve()
    assert registry.people() == {}
    registry.add(contact("c1", email=mail(1)))
    registry.resolve()
    assert registry.people() == before


def test_what_somebody_forgotten_shared_joins_nobody_any_more(registry):
    """Else the calls from a line of two would all be those of the one who is left."""
    family = "503-555-0142"
    registry.add(*(Person(f"P{n}", phone=family) for n in range(2)))
    registry.add(Call("k", at(0), 5, True, phone=family), source="calls")
    registry.resolve()
    before = registry.shared()
    bury(registry.vault, "case", [], [(SHARED, DOOR.hash("phone", family))], [])
    with registry.engine.begin() as connection:
        gone = DOOR.hash("patient_id", "P0")
        connection.exec_driver_sql(f"delete from raw_person where patient_id = '{gone}'")
    for joined in ("memory", "engine"):
        registry.limits = IdentitySettings(joined=joined)
        found = registry.resolve()
        assert (found.people, found.identifiers, found.shared) == (1, 1, 1)
        assert person(registry, "phone", family) is None
        assert registry.shared() == before


def test_sixty_bits_are_not_rounded():
    big = np.array([2**60 - 1, 2**60 - 3, 0, 2**59 + 1])
    component = np.array([0, 1, 1, 2])
    own = np.array([5, 6, 7, 8])
    assert number_people(component, big, own, big).tolist() == [
        2**60 - 1,
        2**60 - 3,
        2**60 - 3,
        2**59 + 1,
    ]
    fresh = number_people(component, np.zeros(4, np.int64), big, np.zeros(0, np.int64))
    assert fresh.tolist() == [2**60 - 1, 2**60 - 3, 2**60 - 3, 2**59 + 1]


def test_the_vault_is_for_its_owner_only_and_holds_no_name(registry, home):
    registry.add(contact("c1", email="canary.bird@example.org"))
    registry.resolve()
    assert home.vault.stat().st_mode & 0o777 == 0o600
    assert b"canary" not in home.vault.read_bytes()
    with open_vault(home) as vault:
        assert vault.numbers().num_rows == 2
