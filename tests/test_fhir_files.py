"""FHIR files: real bundles and HL7's examples load, and every reject is explained."""

import gzip
import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from raw_store import raw_store

from connectors import fhir_files
from connectors.columns import to_table
from connectors.contract import (
    Appointment,
    Encounter,
    Link,
    Payment,
    Person,
    Preference,
    Row,
)
from connectors.errors import SourceChanged, SourceMisconfigured
from connectors.source import Context, Cursor, Rejected

DATA = Path(__file__).parent / "data" / "fhir"
SHARED = Path(__file__).parents[2] / "shared" / "data"
MRN = "http://hospital.example/mrn"
EVERY_PAYMENT = ("ExplanationOfBenefit", "Invoice", "PaymentNotice", "PaymentReconciliation")
PATIENT = {
    "resourceType": "Patient",
    "id": "a1",
    "identifier": [{"system": MRN, "value": "0042"}],
    "name": [{"family": "Canary", "given": ["Clementine"]}],
    "gender": "female",
    "birthDate": "1956-08",
    "telecom": [
        {"system": "phone", "value": "555-0100", "use": "home"},
        {"system": "phone", "value": "555-0101", "use": "mobile"},
        {"system": "email", "value": "c@example.org"},
    ],
    "address": [{"line": ["9 Canary Row"], "city": "Peabody", "postalCode": "01940"}],
}
VISIT = {
    "resourceType": "Encounter",
    "id": "v1",
    "status": "finished",
    "class": {"code": "AMB"},
    "subject": {"reference": "Patient/a1"},
    "period": {"start": "2026-01-05T10:00:00Z"},
    "reasonCode": [{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M17.11"}]}],
}


def source(folder, **options):
    given = {"folder": str(folder), **options}
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return fhir_files.connect(Context("emr", "clinic", given, now, date(2020, 1, 1)))


def load(opened, cursors=None):
    """Rows by kind, rejects, and the cursors left."""
    rows: dict[type, list[Row]] = defaultdict(list)
    rejected, left = [], {}
    for piece in opened.slices(cursors or {}):
        for item in piece.read():
            if isinstance(item, Rejected):
                rejected.append(item)
            elif isinstance(item, Cursor):
                left[piece.cursor_key] = item.value
            else:
                rows[type(item)].append(item)
    return rows, rejected, left


def ndjson(folder: Path, name: str, *resources) -> None:
    text = "\n".join(r if isinstance(r, str) else json.dumps(r) for r in resources)
    data = text.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def bundle(*resources) -> str:
    entries = [{"fullUrl": f"urn:uuid:{r['id']}", "resource": r} for r in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


# --- real files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "people", "encounters", "payments"),
    [(DATA, 2, None, None), (SHARED / "fhir_synthea_r4", 60, 923, 607)],
    ids=["copied", "all 60"],
)
def test_synthea_bundles_load_without_a_reject(folder, people, encounters, payments):
    rows, rejected, _ = load(source(folder))
    bundles = [r for r in rejected if r.file.startswith("patient_")]
    assert bundles == []
    assert len(rows[Person]) == people
    if encounters is not None:
        assert (len(rows[Encounter]), len(rows[Payment])) == (encounters, payments)
        known = {person.patient_id for person in rows[Person]}
        assert {row.patient_id for row in rows[Encounter] + rows[Payment]} <= known
        visits = {visit.encounter_id for visit in rows[Encounter]}
        assert {payment.encounter_id for payment in rows[Payment]} <= visits
    for kind, found in rows.items():
        assert to_table(kind, found).num_rows == len(found)


def test_money_is_what_the_source_says_to_the_cent():
    said = Decimal(0)
    for path in (SHARED / "fhir_synthea_r4").glob("*.gz"):
        entries = json.loads(gzip.decompress(path.read_bytes()), parse_float=Decimal)["entry"]
        for resource in (entry["resource"] for entry in entries):
            if resource["resourceType"] == "ExplanationOfBenefit":
                said += Decimal(resource.get("payment", {}).get("amount", {}).get("value", 0))
    paid = load(source(SHARED / "fhir_synthea_r4"))[0][Payment]
    assert sum(payment.amount for payment in paid) == said


def test_no_money_is_read_where_no_resource_is_named_for_it(tmp_path):
    """An empty list is an answer; the default is for who gives none."""
    whole, none = source(tmp_path).reading, source(tmp_path, payments_from=[]).reading
    assert set(whole.kinds) - set(none.kinds) == {"ExplanationOfBenefit", "Invoice"}


@pytest.mark.parametrize("folder", [DATA, SHARED / "fhir_hl7_r4_examples"], ids=["copied", "all"])
def test_hl7_examples_load_and_each_reject_says_why(folder):
    rows, rejected, _ = load(source(folder, payments_from=EVERY_PAYMENT))
    # HL7's examples show single elements: most of its encounters do not say when they were.
    assert {(r.column, r.reason) for r in rejected} == {
        ("Appointment.start", "is missing"),
        ("Encounter.period.start", "is missing"),
    }
    booked = {row.appointment_id: row for row in rows[Appointment]}
    assert booked["example"].booked_at == datetime(2013, 10, 10, tzinfo=UTC)
    assert booked["example"].location == "South Wing, second floor"
    assert booked["2docs"].booked_at == booked["2docs"].starts_at
    assert {row.payment_id: row.amount for row in rows[Payment] if "/E" in row.payment_id
            or "Notice" in row.payment_id} == {
        "PaymentNotice/77654": Decimal(12500), "PaymentReconciliation/ER2500": Decimal(7000)
    }  # fmt: skip


def test_no_name_address_or_note_leaves_the_connector():
    path = DATA / "patient_023.json.gz"
    entries = json.loads(gzip.decompress(path.read_bytes()))["entry"]
    patient = next(e["resource"] for e in entries if e["resource"]["resourceType"] == "Patient")
    address = patient["address"][0]
    told = repr(load(source(DATA)))
    for secret in (patient["name"][0]["family"], *address["line"], address["postalCode"],
                   patient["birthDate"], "Peter James Chalmers", "Discussion on"):  # fmt: skip
        assert secret not in told


# --- what each resource becomes ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.jsonl"])
def test_a_patient_and_a_visit(tmp_path, name):
    ndjson(tmp_path, name, PATIENT, VISIT)
    rows, rejected, _ = load(source(tmp_path))
    assert rejected == []
    assert rows[Person] == [
        Person(patient_id="a1", email="c@example.org", phone="555-0101", birth_year=1956,
               sex="female", zip3="019", given_name="Clementine")
    ]  # fmt: skip
    assert (rows[Encounter][0].patient_id, rows[Encounter][0].diagnosis_groups) == (
        "a1",
        "ICD10:M17",
    )


def test_records_that_the_server_says_are_of_one_person_are_linked(tmp_path):
    number = {"system": MRN, "value": "0043"}
    old = PATIENT | {
        "id": "a2", "identifier": [number],
        "link": [
            {"other": {"reference": "Patient/a1"}, "type": "replaced-by"},
            {"other": {"reference": "RelatedPerson/r1"}, "type": "seealso"},
        ],
    }  # fmt: skip
    kept = PATIENT | {"link": [{"other": {"reference": "Patient/a2"}, "type": "replaces"}]}
    ndjson(tmp_path, "a.ndjson", kept, old)
    rows, rejected, _ = load(source(tmp_path, patient_identifier_system=MRN))
    assert rejected == []
    # Both sides say it, under one id.
    assert [(row.link_id, row.kind) for row in rows[Link]] == 2 * [
        ("patient-link/0042/0043", "merged")
    ]
    assert {(row.patient_id, row.other_patient_id) for row in rows[Link]} == {
        ("0042", "0043"), ("0043", "0042"),
    }  # fmt: skip


def test_patients_are_known_by_the_chosen_identifier_in_every_file(tmp_path):
    ndjson(tmp_path, "Encounter.ndjson", VISIT)
    ndjson(tmp_path, "Patient.ndjson", PATIENT)
    rows, _, left = load(source(tmp_path, patient_identifier_system=MRN))
    assert {row.patient_id for row in rows[Person] + rows[Encounter]} == {"0042"}
    later = VISIT | {"id": "v2"}
    ndjson(tmp_path, "Encounter-2.ndjson", later)
    rows, _, _ = load(source(tmp_path, patient_identifier_system=MRN), left)
    assert [row.patient_id for row in rows[Encounter]] == ["0042"]


def test_a_bundles_references_resolve(tmp_path):
    visit = VISIT | {"subject": {"reference": "urn:uuid:a1"}}
    condition = {
        "resourceType": "Condition", "id": "c1", "subject": {"reference": "urn:uuid:a1"},
        "encounter": {"reference": "urn:uuid:v1"}, "code": {"text": "Acute bronchitis"},
    }  # fmt: skip
    (tmp_path / "b.json").write_text(bundle(condition, visit, PATIENT))
    rows, rejected, _ = load(source(tmp_path, patient_identifier_system=MRN))
    assert rejected == []
    assert rows[Encounter][0].patient_id == "0042"
    assert rows[Encounter][0].diagnosis_groups == "ICD10:M17|respiratory"


def test_service_lines_are_the_users_before_ours(tmp_path):
    visit = VISIT | {"type": [{"coding": [{"code": "K7"}], "text": "Cardiology consultation"}]}
    ndjson(tmp_path, "a.ndjson", visit)
    assert load(source(tmp_path))[0][Encounter][0].service_line == "cardiology"
    chosen = load(source(tmp_path, service_lines={"k7": "knee"}))[0][Encounter]
    assert chosen[0].service_line == "knee"


@pytest.mark.parametrize(
    ("status", "amounts"), [("balanced", [Decimal("40.10")]), ("issued", []), ("cancelled", [])]
)
def test_an_invoice_counts_once_it_is_paid(tmp_path, status, amounts):
    bill = ('{"resourceType": "Invoice", "id": "i", "status": "%s", "date": "2026-01-05", '
            '"subject": {"reference": "Patient/a1"}, '
            '"totalGross": {"value": 40.10, "currency": "EUR"}}')  # fmt: skip
    ndjson(tmp_path, "a.ndjson", bill % status)
    rows, rejected, _ = load(source(tmp_path))
    assert rejected == []
    assert [row.amount for row in rows[Payment]] == amounts


@pytest.mark.parametrize("status", ["planned", "cancelled", "entered-in-error"])
def test_a_visit_that_did_not_take_place_is_no_row(tmp_path, status):
    ndjson(tmp_path, "a.ndjson", VISIT | {"status": status})
    rows, rejected, _ = load(source(tmp_path))
    assert (rows[Encounter], rejected) == ([], [])


# --- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"period": {"start": "soon, says Canary"}}, "Encounter.period.start", "is not valid FHIR"),
        ({"period": {"start": "2026-01"}}, "Encounter.period.start", "is not a whole date"),
        ({"period": {"start": "0001-01-01T00:00:00Z"}}, "Encounter.period.start", "outside the ye"),
        ({"subject": None}, "Encounter.subject", "points at no patient"),
        ({"subject": {"reference": "Group/g"}}, "Encounter.subject", "points at no patient"),
        ({"class": None}, "Encounter.class", "is not valid FHIR R4 (missing)"),
        ({"canary": "Canary"}, "Encounter.canary", "is not valid FHIR R4 (extra forbidden)"),
        ({"resourceType": 7}, "resourceType", "is not a FHIR resource"),
    ],
)
def test_a_resource_that_cannot_be_read_is_rejected_without_its_value(
    tmp_path, change, column, reason
):
    broken = {key: value for key, value in (VISIT | change).items() if value is not None}
    ndjson(tmp_path, "a.ndjson", PATIENT, broken, VISIT)
    rows, rejected, _ = load(source(tmp_path))
    assert len(rows[Encounter]) == 1
    assert [(r.file, r.row_number, r.column) for r in rejected] == [("a.ndjson", 2, column)]
    assert reason in rejected[0].reason
    assert "Canary" not in repr(rejected)


@pytest.mark.parametrize(
    ("addresses", "zip3"),
    [
        ([{"use": "old", "postalCode": "97201"}, {"use": "temp", "postalCode": "01940"}], "019"),
        ([{"use": "old", "postalCode": "97201"}], None),
        ([{"postalCode": " K1A 0B1"}, {"use": "home", "postalCode": "02134"}], "021"),
        ([{"postalCode": " K1A 0B1"}], "K1A"),
    ],
)
def test_a_postal_code_is_of_where_they_live(tmp_path, addresses, zip3):
    ndjson(tmp_path, "a.ndjson", PATIENT | {"address": addresses})
    assert load(source(tmp_path))[0][Person][0].zip3 == zip3


def test_what_stands_for_no_date_is_none(tmp_path):
    never, no_end = "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-05:00"
    participants = [{"status": "accepted", "actor": {"reference": "Patient/a1"}}]
    booked = {"resourceType": "Appointment", "id": "b1", "status": "booked", "created": never,
              "start": "2026-01-05T10:00:00Z", "participant": participants}  # fmt: skip
    history = [{"status": "arrived", "period": {"start": never}}]
    visit = VISIT | {"period": VISIT["period"] | {"end": no_end}, "statusHistory": history}
    ndjson(tmp_path, "a.ndjson", PATIENT | {"birthDate": "0001-01-01"}, booked, visit)
    rows, rejected, _ = load(source(tmp_path))
    assert rejected == []
    assert rows[Person][0].birth_year is None
    assert rows[Appointment][0].booked_at == rows[Appointment][0].starts_at
    assert rows[Encounter][0].ends_at is None
    assert to_table(Encounter, rows[Encounter]).num_rows == 1


def test_a_permission_without_a_date_outweighs_no_refusal_and_a_refusal_every_permission(tmp_path):
    """By when it was given, else what it provides for, else what the server last changed."""

    def said(own: str, kind: str, **more) -> dict:
        provision = {"type": kind, "purpose": [{"code": "HMARKT"}], **more.pop("provided", {})}
        words = [{"coding": [{"code": "59284-0"}]}]
        return {"resourceType": "Consent", "id": own, "status": "active", "provision": provision,
                "scope": words[0], "category": words, "policyRule": words[0],
                "patient": {"reference": "Patient/a1"}, **more}  # fmt: skip

    period = {"provided": {"period": {"start": "2026-03-01T00:00:00Z"}}}
    changed = {"meta": {"lastUpdated": "2026-04-01T00:00:00Z"}}
    ndjson(
        tmp_path, "a.ndjson", PATIENT, said("yes", "permit"), said("no", "deny"),
        said("dated", "permit", dateTime="2026-02-01T00:00:00Z", **period, **changed),
        said("period", "permit", **period, **changed), said("changed", "permit", **changed),
    )  # fmt: skip
    rows = {row.preference_id.split("/")[1]: row for row in load(source(tmp_path))[0][Preference]}
    assert {own: row.since.date().isoformat() for own, row in rows.items()} == {
        "yes": "1970-01-01", "no": "2026-11-24", "dated": "2026-02-01", "period": "2026-03-01",
        "changed": "2026-04-01",
    }  # fmt: skip
    assert [own for own, row in rows.items() if not row.allowed] == ["no"]


def permitted(**provision):
    words = {"coding": [{"code": "59284-0"}]}
    return {
        "resourceType": "Consent", "id": "c", "status": "active", "dateTime": "2026-01-05",
        "patient": {"reference": "Patient/a1"},
        "scope": words, "category": [words], "policyRule": words,
        "provision": {"type": "permit", "purpose": [{"code": "HMARKT"}], **provision},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("provision", "expected"),
    [
        ({"period": {"start": "2026-01-01", "end": "2026-11-30"}}, ("2026-01-01", "2026-12-01")),
        ({"period": {"end": "2026-11-24"}}, (None, "2026-11-25")),  # today, all of it
        ({"period": {"end": "2026-11-23"}}, (None, "2026-11-24")),  # ended, and kept with its end
        ({"period": {"end": "2026"}}, (None, "2027-01-01")),
        ({"period": {"end": "2026-10"}}, (None, "2026-11-01")),
        ({"period": {"start": "2027-03-01"}}, ("2027-03-01", None)),
        ({"period": {"start": "1800-01-01", "end": "9999-12-31"}}, (None, None)),
        (
            {
                "period": {"end": "2027-06-30"},
                "provision": [{"purpose": [{"code": "HMARKT"}], "period": {"start": "2026-02"}}],
            },
            ("2026-02-01", "2027-07-01"),
        ),
    ],
)
def test_a_permission_is_one_within_its_period(tmp_path, provision, expected):
    """R4: `Consent.provision.period` is the time for which the provision holds."""
    given = permitted(**provision) | {"meta": {"lastUpdated": "2026-01-06T00:00:00Z"}}
    ndjson(tmp_path, "a.ndjson", PATIENT, given)
    rows, rejected, _ = load(source(tmp_path))
    assert rejected == []
    held = [
        tuple(at and f"{at:%Y-%m-%d}" for at in (row.starts_at, row.ends_at))
        for row in rows[Preference]
        if row.allowed and f"{row.since:%Y-%m-%d}" == "2026-01-05"
    ]
    assert held == [expected]
    given["provision"]["type"] = "deny"
    ndjson(tmp_path, "a.ndjson", PATIENT, given)
    (refusal,) = load(source(tmp_path))[0][Preference]
    assert (refusal.allowed, refusal.starts_at, refusal.ends_at) == (False, None, None)


@pytest.mark.parametrize(
    "changed",
    # Of no known time; and changed before the first one ended, while it is read after that.
    [[{}, {}, {}], [{"meta": {"lastUpdated": f"2026-06-2{day}T00:00:00Z"}} for day in range(3)]],
)
def test_a_consent_that_was_renewed_counts_again(tmp_path, changed):
    with raw_store() as store:
        store.ask("insert into identity select 'a1', 1")
        found = []
        for number, end in enumerate(("2026-06-30", "2027-06-30", "2026-09-30")):
            given = permitted(period={"end": end}) | changed[number]
            ndjson(tmp_path, f"{number}.ndjson", PATIENT, given)
            store.refresh(source(tmp_path))
            store.ask(
                "update identity set identifier = (select min(identifier) from raw_preference)"
            )
            store.stage("stg_preference_change")
            found += store.ask("select allowed, cast(ends_at as date) from stg_preference_change")
    assert found == [(True, date(2026, 7, 1)), (True, date(2027, 7, 1)), (True, date(2026, 10, 1))]


def test_a_line_that_is_no_json_is_rejected(tmp_path):
    ndjson(tmp_path, "a.ndjson", PATIENT, "{half", "[]")
    rejected = load(source(tmp_path))[1]
    assert Counter(r.reason for r in rejected) == {"is not a FHIR resource": 2}


def test_half_a_bundle_is_refused_whole(tmp_path):
    (tmp_path / "b.json").write_text(bundle(PATIENT)[:-9])
    with pytest.raises(SourceChanged, match=r"b\.json is not a whole JSON document"):
        load(source(tmp_path))


def test_settings_that_cannot_be_right_are_said_at_once(tmp_path):
    with pytest.raises(SourceMisconfigured) as raised:
        source(tmp_path, payments_from=["Claim"], timezone="Mars/Base", service_lines={"(": "x"})
    for words in ("Claim is none of", "Mars/Base", "service_lines"):
        assert words in str(raised.value)


def test_content_is_loaded_once(tmp_path):
    ndjson(tmp_path, "a.ndjson", PATIENT)
    opened = source(tmp_path)
    left = load(opened)[2]
    ndjson(tmp_path, "copy.ndjson", PATIENT)
    assert load(opened, left)[2] == {}
    assert load(source(tmp_path, timezone="Europe/Berlin"), left)[2] != {}
    assert "2 .ndjson to read" in opened.probe()
