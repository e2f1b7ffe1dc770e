"""A FHIR server read by search and by bulk export, against one that behaves as they do."""

import gzip
import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from servers.fhir import KEY_ID, FhirServer, outcome, sample
from servers.loopback import CUT, HANG, Reply, as_html

from connectors import fhir_files, fhir_server
from connectors.contract import (
    Appointment,
    CareCode,
    Encounter,
    Payment,
    Person,
    Preference,
    Withdrawn,
)
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.patience import Patience
from connectors.source import Context, Cursor, Rejected

DATA = Path(__file__).parent / "data" / "fhir"
TODAY = datetime.now(UTC).date()
FIRST = TODAY - timedelta(days=60)
MRN = "http://hospital.example/mrn"
both = pytest.mark.parametrize("mode", ["search", "bulk"])


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Waits that are only counted."""
    waits: list[float] = []
    quick = Patience(attempts=3, first_wait=0.001, jitter=0, socket_seconds=0.8, call_seconds=2,
                     sleep=waits.append)  # fmt: skip
    monkeypatch.setattr(fhir_server, "PATIENCE", quick)
    return waits


@pytest.fixture
def server():
    with FhirServer(sample(TODAY)) as running:
        yield running


def source(server, mode="search", **options):
    given = {"endpoint": server.base, "mode": mode, "client_id": server.client,
             "private_key": server.key, **options}  # fmt: skip
    return fhir_server.connect(Context("ehr", "ehr", given, datetime.now(UTC), FIRST))


def load(opened, cursors=None, until=None):
    """Rows by kind, rejects, and the cursors left, as committed slice by slice."""
    rows, rejected = defaultdict(list), []
    cursors = {} if cursors is None else cursors
    for piece in opened.slices(dict(cursors)):
        for item in list(piece.read()):
            if isinstance(item, Rejected):
                rejected.append(item)
            elif isinstance(item, Cursor):
                cursors[piece.cursor_key] = item.value
            else:
                assert type(item) in piece.rows
                rows[type(item)].append(item)
        if piece.name == until:
            break
        piece.after_commit()
    return rows, rejected, cursors


def change(server, kind, own, **elements):
    """A new version of a resource, just before the time up to which a refresh reads."""
    server.clock = datetime.now(UTC) - timedelta(minutes=6)
    server.put(server._held[kind][own] | elements)


# --- what it loads -------------------------------------------------------------------------------


@both
def test_a_patient_a_visit_and_what_came_of_it(server, mode):
    rows, rejected, _ = load(source(server, mode))
    assert rejected == []
    counted = {Person: 4, Appointment: 4, Encounter: 4, CareCode: 4, Payment: 4, Preference: 1}
    assert {kind: len(rows[kind]) for kind in counted} == counted
    assert rows[Appointment][0].location == "North Clinic"
    assert rows[Encounter][0].minutes_waited == 12
    assert {p.payer_class for p in rows[Payment]} == {"medicare"}
    assert sum(p.amount for p in rows[Payment]) == Decimal("482.00")
    assert (rows[Preference][0].purpose, rows[Preference][0].allowed) == ("marketing", False)
    assert {row.code_group for row in rows[CareCode]} == {"circulatory"}
    for canary in ("Canary", "9 Canary Row", "01940", "1970-02-03"):
        assert canary not in repr(rows)


def test_search_export_and_files_give_the_same_rows(tmp_path):
    paths = [*sorted(DATA.glob("patient_*.gz"))]
    examples = [json.loads(p.read_text(), parse_float=Decimal) for p in DATA.glob("*.json")]
    bundle = {"resourceType": "Bundle", "entry": [
        {"fullUrl": f"http://hl7.example/{r['resourceType']}/{r['id']}", "resource": r}
        for r in examples]}  # fmt: skip
    (tmp_path / "hl7.json").write_text(json.dumps(bundle, default=float))
    with FhirServer() as server:
        for path in paths:
            (tmp_path / path.name).write_bytes(path.read_bytes())
            server.post(json.loads(gzip.decompress(path.read_bytes()), parse_float=Decimal))
        server.post(bundle)
        found = {mode: load(source(server, mode))[:2] for mode in ("search", "bulk")}
    context = Context("emr", "emr", {"folder": str(tmp_path)}, datetime.now(UTC), FIRST)
    found["files"] = load(fhir_files.connect(context))[:2]
    said = {mode: whole(rows) for mode, (rows, _) in found.items()}
    assert said["search"] == said["bulk"] == said["files"]
    taken_back = {mode: set(rows[Withdrawn]) for mode, (rows, _) in found.items()}
    assert taken_back["search"] == taken_back["bulk"] != set()
    assert said["files"].total() > 30
    # HL7's examples show single elements: one of these says no time, another no start.
    kept_out = [("Appointment.start", "is missing"), ("Encounter.period.start", "is missing")]
    for _, rejected in found.values():
        assert sorted((r.column, r.reason) for r in rejected) == kept_out


def whole(rows):
    """Rows without their times of change, and every visit with its codes, wherever they lay."""
    codes = {code.care_code_id: code for code in rows[CareCode]}
    groups, lines = defaultdict(set), defaultdict(list)
    for code in codes.values():
        meant = codes.get(code.same_as) if code.same_as else code
        if meant:
            groups[code.encounter_id, code.kind].add(meant.code_group)
            if meant.service_line:
                lines[code.encounter_id].append((meant.line_rank, meant.service_line))
    counted = Counter()
    for row in (row for kind in rows.values() for row in kind):
        if isinstance(row, Encounter):
            for kind in ("diagnosis", "procedure"):
                own = set((getattr(row, f"{kind}_groups") or "").split("|")) - {""}
                more = "|".join(sorted(own | groups[row.encounter_id, kind]))
                row = replace(row, **{f"{kind}_groups": more})
            line = row.service_line or min(lines[row.encounter_id], default=(0, None))[1]
            row = replace(row, service_line=line)
        if hasattr(row, "updated_at"):
            row = replace(row, updated_at=None)
        if isinstance(row, Withdrawn):
            continue  # files do not say when a resource changed
        counted[row] += 1
    return counted


@both
def test_patients_are_known_by_the_chosen_identifier_whatever_comes_first(server, mode):
    for n in range(4):
        known = {"identifier": [{"system": MRN, "value": f"00{n}"}]}
        server.put(server._held["Patient"][f"p{n}"] | known)
    opened = source(server, mode, patient_identifier_system=MRN, resources=["Encounter", "Consent"])
    rows, _, cursors = load(opened)
    assert {row.patient_id for row in rows[Encounter]} == {"000", "001", "002", "003"}
    change(server, "Encounter", "e2", period={"start": "2026-10-01T10:00:00Z"})
    rows, _, _ = load(source(server, mode, patient_identifier_system=MRN,
                             resources=["Encounter", "Consent"]), cursors)  # fmt: skip
    assert {row.patient_id for row in rows[Encounter]} >= {"002"}


@pytest.mark.parametrize("auth", ["bearer", "none"])
def test_a_gateway_may_sign_in_for_us(server, auth):
    server.open, server.static = auth == "none", "loopback-static"
    opened = source(server, auth=auth, access_token=server.static)
    assert len(load(opened)[0][Person]) == 4
    assert server.asked("/auth/token") == []


# --- changes -------------------------------------------------------------------------------------


@both
def test_a_second_refresh_brings_only_what_changed(server, mode):
    _, _, cursors = load(source(server, mode))
    change(server, "Appointment", "a1", status="cancelled")
    rows, rejected, cursors = load(source(server, mode), cursors)
    assert rejected == []
    assert [row.status for row in rows[Appointment] if row.appointment_id == "a1"] == ["cancelled"]
    if mode == "bulk":
        assert sum(map(len, rows.values())) == 1
        since = datetime.fromisoformat(server.asked("$export")[1].query["_since"])
        assert since <= rows[Appointment][0].updated_at
    assert load(source(server, mode), dict(cursors))[0].keys() <= {Appointment}


def test_what_settles_late_is_read_in_the_overlap(server):
    server.clock = datetime.now(UTC) - timedelta(minutes=6)
    _, _, cursors = load(source(server))
    server.put(sample(TODAY)[2] | {"id": "late"})  # with the same instant, indexed only now
    rows, _, _ = load(source(server), cursors)
    assert [row.patient_id for row in rows[Person]] == ["late"]


@both
def test_what_was_deleted_or_a_mistake_is_withdrawn(server, mode):
    _, _, cursors = load(source(server, mode))
    change(server, "Encounter", "e0", status="entered-in-error")
    for kind, own in (("Appointment", "a1"), ("Patient", "p1"), ("Condition", "d1"),
                      ("ExplanationOfBenefit", "b1"), ("Communication", "m0")):  # fmt: skip
        server.delete(kind, own)
    rows, _, _ = load(source(server, mode), cursors)
    gone = {(row.table_name, row.record_id): row.reason for row in rows[Withdrawn]}
    assert gone == {
        ("encounter", "e0"): "entered-in-error",
        ("appointment", "a1"): "deleted",
        ("care_code", "Condition/d1"): "deleted",
        ("payment", "ExplanationOfBenefit/b1"): "deleted",
        ("message", "Communication/m0"): "deleted",
    }
    blank = next(row for row in rows[Person] if row.patient_id == "p1")
    assert (blank.email, blank.birth_year) == (None, None)


@both
def test_what_was_deleted_is_told_where_everything_is_read_anew(server, mode):
    _, _, cursors = load(source(server, mode))
    change(server, "Appointment", "a0")
    server.delete("Appointment", "a1")
    if mode == "bulk":  # the export that was asked for is gone on with
        moved = source(server, mode, timezone="Europe/Berlin")
        _, _, cursors = load(moved, cursors, until="export asked for")
    rows, _, cursors = load(source(server, mode, timezone="Europe/Berlin"), cursors)
    assert len(rows[Person]) >= 4
    assert ("appointment", "a1") in {(row.table_name, row.record_id) for row in rows[Withdrawn]}
    assert "gone_since" not in f"{cursors}"
    rows, _, _ = load(source(server, mode, timezone="Europe/Berlin"), cursors)
    assert rows[Person] == []


# --- search --------------------------------------------------------------------------------------


def test_pages_are_followed_to_the_end_and_remarks_are_no_rows(server):
    patient = sample(TODAY)[2]
    server.put(*[patient | {"id": f"q{n}"} for n in range(130)])
    rows, rejected, _ = load(source(server, resources=["Patient"]))
    assert (len(rows[Person]), rejected) == (134, [])
    followed = [request.query for request in server.asked("/page/")]
    assert followed == [{"x": "a,b"}] * 2
    assert "photo" not in server.asked("/fhir/Patient")[0].query["_elements"].split(",")


def test_a_count_that_is_short_is_read_again_and_then_refused(server):
    page = server._serve
    short = 1

    def one_too_many(found, total, size, start):
        nonlocal short
        short -= 1
        return page(found, total + (short >= 0), size, start)

    server._serve = one_too_many
    assert len(load(source(server, resources=["Consent"]))[0][Preference]) == 2  # the same, twice
    short = 99
    with pytest.raises(SourceChanged, match="counts 2 Consent resources but gave 1"):
        load(source(server, resources=["Consent"]))


def test_pages_that_lead_elsewhere_are_not_followed(server):
    bundle = {"resourceType": "Bundle", "total": 0,
              "link": [{"relation": "next", "url": "http://127.0.0.1:1/fhir/page"}]}  # fmt: skip
    server.fail(Reply(200, json.dumps(bundle).encode()), on="/fhir/Consent")
    with pytest.raises(SourceChanged, match="another address"):
        load(source(server, resources=["Consent"]))


# --- signing in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rsa_key", [True, False], ids=["RS384", "ES384"])
def test_the_client_signs_in_with_its_key(rsa_key, tmp_path):
    with FhirServer(sample(TODAY), rsa_key=rsa_key) as server:
        (tmp_path / "key.pem").write_text(server.key)
        opened = source(server, private_key=None, key_file=str(tmp_path / "key.pem"), key_id=KEY_ID)
        assert opened.probe() == (
            "Loopback FHIR (FHIR 4.0.1) answers, lets 4 patients be searched and is read by search."
        )
        assert len(server.asked("/auth/token")) == 1


@both
def test_a_token_that_ends_while_in_use_is_renewed(server, mode):
    read = []
    for piece in source(server, mode).slices({}):
        read += piece.read()
        server.expire_tokens()
    assert sum(isinstance(item, Person) for item in read) == 4
    slices = sum(isinstance(item, Cursor) for item in read)
    assert len(server.asked("/auth/token")) == (2 if mode == "bulk" else slices)


def test_a_token_is_renewed_before_it_expires(server):
    server.token_seconds = 20  # less than the half minute that is kept in hand
    load(source(server, resources=["Patient"]))
    asked = [request for request in server.requests if request.path.startswith("/fhir/")]
    assert len(server.asked("/auth/token")) == len(asked) - 1 == len(server._seen)


def test_a_wrong_key_is_refused_with_what_to_do(server):
    with FhirServer() as other, pytest.raises(SourceRefused, match="register the public") as said:
        source(server, private_key=other.key).probe()
    assert "Canary" not in str(said.value)
    with pytest.raises(SourceRefused, match="make a new one"):
        source(server, auth="bearer", access_token="loopback-wrong").probe()


def test_an_open_line_gets_no_signed_statement(server):
    said = {"token_endpoint": "http://elsewhere.example/token"}
    server.fail(Reply(200, json.dumps(said).encode()), on="smart-configuration")
    with pytest.raises(SourceChanged, match="begins with https"):
        source(server).probe()
    assert server.asked("/auth/token") == []


# --- faults --------------------------------------------------------------------------------------


@both
def test_a_missing_right_is_named(server, mode):
    server.refused = {"Encounter", "Patient"}
    with pytest.raises(SourceRefused, match=r"system/Encounter\.rs") as said:
        load(source(server, "search", resources=["Encounter"]))
    assert "Canary" not in str(said.value)
    if mode == "bulk":  # an export needs no right to search, unless patients must be looked up
        assert len(load(source(server, mode, resources=["Encounter"]))[0][Encounter]) == 4
        with pytest.raises(SourceRefused, match=r"system/Patient\.rs"):
            load(source(server, mode, resources=["Encounter"], patient_identifier_system=MRN))


@pytest.mark.parametrize(
    "failure",
    [CUT, HANG, as_html(500), outcome(429, "throttled", "x"),
     outcome(503, "transient", "x", {"retry-after": "0"})],
)  # fmt: skip
def test_what_may_pass_is_asked_again(server, failure):
    server.fail(failure, on="/fhir/Consent")
    assert len(load(source(server, resources=["Consent"]))[0][Preference]) == 1


def test_what_does_not_pass_is_told_without_a_secret(server):
    opened = source(server, resources=["Consent"])
    server.fail(outcome(429, "throttled", "Canary", {"retry-after": "86400"}), on="/fhir/Consent")
    with pytest.raises(SourceBusy, match="24 hours"):
        load(opened)
    server.fail(*[as_html(500)] * 3, on="/fhir/Consent")
    with pytest.raises(SourceUnreachable):
        load(opened)
    server.fail(outcome(400, "not-supported", "Canary"), on="/fhir/Consent")
    with pytest.raises(SourceChanged, match=r"status 400, not-supported") as said:
        load(opened)
    assert "Canary" not in str(said.value)


def test_a_resource_that_cannot_be_read_is_rejected_without_its_value(server):
    change(server, "Encounter", "e0", period={"start": "soon, says Canary"})
    change(server, "Encounter", "e1", period=None)
    change(server, "Encounter", "e2", subject="Canary", unheard_of={"new": 1})
    rows, rejected, _ = load(source(server, resources=["Encounter"]))
    assert {(r.column, r.reason) for r in rejected} == {
        ("Encounter.period.start", "is not valid FHIR R4 (no date)"),
        ("Encounter.period.start", "is missing"),
        ("Encounter.subject", "is not valid FHIR R4 (no part with parts)"),
    }
    assert ([row.encounter_id for row in rows[Encounter]], "Canary" in repr(rejected)) == (
        ["e3"],
        False,
    )


# --- exports -------------------------------------------------------------------------------------


def test_an_export_is_waited_for_as_long_as_it_asks(server, patience):
    load(source(server, "bulk"))
    assert patience == [120.0, 1.0]
    asked = server.asked("$export")[0]
    assert "respond-async" in asked.headers["prefer"]
    assert "Patient.photo" not in asked.query["_elements"]
    assert server.jobs == {}  # deleted once its rows were committed


def test_a_crash_resumes_the_same_export(server):
    _, _, cursors = load(source(server, "bulk"), until="export asked for")
    assert "/job/j1" in cursors["bulk"]
    rows, _, _ = load(source(server, "bulk"), cursors)
    assert (len(rows[Person]), len(server.asked("$export"))) == (4, 1)


@pytest.mark.parametrize("change", ["forgotten", "failed", "other settings"])
def test_an_export_that_is_of_no_use_is_asked_for_anew(server, change):
    _, _, cursors = load(source(server, "bulk"), until="export asked for")
    more = {}
    if change == "forgotten":
        server.jobs.clear()
        server.jobs["gone"] = {}
    elif change == "failed":
        server.fail(outcome(500, "exception", "x"), on="/job/j1")
    else:
        more["timezone"] = "Europe/Berlin"
    rows, _, _ = load(source(server, "bulk", **more), cursors)
    assert (len(rows[Person]), len(server.asked("$export"))) == (4, 2)


@pytest.mark.parametrize("packed", [True, False])
def test_half_a_file_is_fetched_again_and_else_nothing_is_loaded(server, packed):
    server.packed = packed
    half = server._held["Patient"]["p0"]
    line = json.dumps(half).encode()
    server.fail(CUT, Reply(200, line + b"\n" + line[:40]), on="/file/j1/Patient")
    assert len(load(source(server, "bulk"))[0][Person]) == 4
    server.fail(*[Reply(200, line + b"\n")] * 3, on="/file/j2/Patient")  # whole lines, too few
    with pytest.raises(SourceUnreachable, match="not whole"):
        load(source(server, "bulk"))


def test_an_export_with_errors_is_refused_and_with_warnings_loaded(server):
    server.export_warnings = ["warning"]
    assert len(load(source(server, "bulk"))[0][Person]) == 4
    server.export_warnings = ["error"]
    with pytest.raises(SourceChanged, match="could not export everything"):
        load(source(server, "bulk"))


def test_a_server_that_exports_whole_resources_only(server):
    server.fail(outcome(400, "not-supported", "_elements"), on="$export")
    rows, _, _ = load(source(server, "bulk"))
    assert len(rows[Person]) == 4
    assert "Canary" not in repr(rows)


@pytest.mark.parametrize(
    "refusal", [outcome(400, "not-supported", "x"), outcome(403, "forbidden", "x")]
)
def test_a_server_that_does_not_export_what_others_point_at(server, refusal):
    """Nor lets it be looked up: visits are loaded all the same."""
    server.fail(refusal, refusal, on="$export")
    server.refused = {"Location", "Organization", "Coverage"}
    rows, _, _ = load(source(server, "bulk"))
    assert (len(rows[Person]), len(rows[Encounter])) == (4, 4)
    asked = [request.query["_type"].split(",") for request in server.asked("$export")]
    assert ["Location" in kinds for kinds in asked] == [True, True, False]
    server.fail(*[refusal] * 4, on="$export")
    with pytest.raises((SourceChanged, SourceRefused), match="export"):
        load(source(server, "bulk"))


def test_auto_takes_the_export_where_there_is_one(server):
    load(source(server, "auto", group="g7"))
    assert [request.path for request in server.asked("$export")] == ["/fhir/Group/g7/$export"]
    server.bulk = False
    load(source(server, "auto"))
    assert len(server.asked("$export")) == 1


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "push"}, "mode: 'push' is none of auto, search, bulk"),
        ({"client_id": None}, "client_id is missing"),
        ({"private_key": None}, "no private_key and no key_file"),
        ({"private_key": "no key"}, "no RSA or P-384 key"),
        ({"auth": "bearer"}, "access_token is missing"),
        ({"resources": ["Observation"]}, "Observation is none of"),
        ({"page_size": 0}, "page_size"),
        ({"endpoint": "http://ehr.example.org/fhir"}, "https://"),
    ],
)
def test_settings_that_cannot_be_right_are_said(server, options, words):
    with pytest.raises(SourceMisconfigured, match=words):
        source(server, **options)


def test_another_version_of_fhir_is_refused(server):
    said = {"resourceType": "CapabilityStatement", "fhirVersion": "3.0.2"}
    server.fail(Reply(200, json.dumps(said).encode()), on="metadata")
    with pytest.raises(SourceChanged, match="does not speak FHIR R4"):
        source(server).probe()


def test_service_lines_come_from_the_users_table_first(server, tmp_path):
    table = tmp_path / "lines.csv"
    table.write_text(
        "system,code,text,department,service_line\n"
        "http://snomed.info/sct,185349003,,,knee\n,,,north clinic,north\n"
    )
    kind = {"coding": [{"system": "http://snomed.info/sct", "code": "185349003"}]}
    change(server, "Encounter", "e0", type=[kind])
    rows, _, _ = load(source(server, service_lines_file=str(table)))
    assert {row.encounter_id: row.service_line for row in rows[Encounter]}["e0"] == "knee"
    assert {row.service_line for row in rows[Appointment]} == {"north"}
    table.write_text("system,code,text,department,service_line\n,,(,,x\n")
    with pytest.raises(SourceMisconfigured, match=r"lines\.csv, line 2"):
        source(server, service_lines_file=str(table))


def test_the_first_day_bounds_visits_but_not_patients(server):
    server.clock = datetime.combine(date(2015, 1, 1), datetime.min.time(), UTC)
    server.put(*sample(TODAY))
    rows, _, _ = load(source(server))
    assert (len(rows[Person]), len(rows[Encounter])) == (4, 0)
