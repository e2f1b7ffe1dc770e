"""Codes that no rule of service lines knows: what is told of them, and how to add a rule."""

from datetime import timedelta

import pytest
from warehouse_fixtures import Warehouse, appointment, at, encounter

from connectors.contract import CareCode
from connectors.fhir_element import Element
from connectors.fhir_groups import Groups, read_lines, unknown

DAY = at("2024-03-05")
TOLD = "select said_of, system, code, visits, people from unknown_codes"


def concept(system="", code="", text=""):
    coding = {"system": system, "code": code} if code else {}
    return Element({"coding": [coding] if coding else [], "text": text}, "Encounter.type")


@pytest.mark.parametrize(
    ("concepts", "told"),
    [
        ([concept("urn:local", "NEWPT", "Jane Roe, new")], "urn:local|NEWPT"),
        ([concept(text="only words"), concept("urn:local", "X|1")], "urn:local|X/1"),
        ([concept("http://hl7.org/fhir/sid/icd-10-cm", "e11.9")], "http://hl7.org/fhir/sid/icd-10-cm|E11*"),
        ([concept(text="only words")], "|"),
        ([], "|"),
    ],
)  # fmt: skip
def test_a_code_is_told_as_a_rule_would_name_it_and_words_are_not(concepts, told):
    assert unknown(concepts) == told


def test_a_rule_may_name_the_beginning_of_codes(tmp_path):
    table = tmp_path / "lines.csv"
    table.write_text(
        "system,code,text,department,service_line\n"
        "http://hl7.org/fhir/sid/icd-10-cm,E11*,,,endocrinology\n"
    )
    lines = Groups.of(more=read_lines(table))
    icd = "http://hl7.org/fhir/sid/icd-10-cm"
    found = [lines.first([concept(icd, code)]) for code in ("E11.9", "e11", "E10.9", "")]
    assert found == ["endocrinology", "endocrinology", None, None]


@pytest.fixture(scope="module")
def warehouse():
    opened = Warehouse(of=["unknown_codes"])
    yield opened
    opened.close()


def visits(count, code, name, **more):
    return [
        encounter(f"{name}{n}", f"{name}{n}", DAY + timedelta(days=n), unknown_code=code, **more)
        for n in range(count)
    ]


def test_codes_are_counted_by_system_and_rare_ones_together(warehouse):
    warehouse.build(
        *visits(12, "urn:local|NEWPT", "a"),
        *visits(7, "urn:local|RARE1", "b"),
        *visits(5, "urn:local|RARE2", "c"),
        *visits(3, "urn:other|RARE3", "d"),
        *visits(11, "|", "e"),
        *visits(20, "urn:local|KNOWN", "f", service_line="cardiology"),
        *(
            appointment(f"b{n}", f"a{n % 11}", DAY, DAY, unknown_code="urn:local|BOOK")
            for n in range(13)
        ),
    )
    assert sorted(warehouse.rows(TOLD), key=str) == [
        ("booking", "urn:local", "BOOK", 13, 11),
        ("visit", "", "(no code)", 11, 11),
        ("visit", "urn:local", "(rare)", 12, 12),
        ("visit", "urn:local", "NEWPT", 12, 12),
        ("visit", "urn:other", "(rare)", None, None),
    ]


def test_diagnoses_count_where_their_visit_has_no_line(warehouse):
    icd = "http://hl7.org/fhir/sid/icd-10-cm|M25*"
    known = visits(1, "urn:local|X", "k", service_line="cardiology")
    warehouse.build(
        *visits(11, "|", "a"),
        *known,
        *(
            CareCode(f"c{n}", "diagnosis", encounter_id=f"a{n}", code_group="x", unknown_code=icd)
            for n in range(11)
        ),
        CareCode("c99", "diagnosis", encounter_id="k0", code_group="x", unknown_code=icd),
    )
    assert ("diagnosis", *icd.split("|"), 11, 11) in warehouse.rows(TOLD)


def test_a_code_that_could_be_somebody_s_is_hidden(warehouse):
    warehouse.build(*visits(11, "urn:jane@example.org|7", "a"))
    assert warehouse.rows(TOLD) == [("visit", "(hidden)", "(hidden)", 11, 11)]
