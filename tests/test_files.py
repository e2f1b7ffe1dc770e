"""Dropped files: every format, what mappings say of them, and each loaded once."""

import csv
import io
import os
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dropped_files import GOOD, HEADER, PAYMENTS, drop, fault, in_format, load, source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import drops
from connectors.csv_reader import read_csv
from connectors.errors import (
    SourceChanged,
    SourceMisconfigured,
    SourceUnreachable,
)
from connectors.readers import Layout
from connectors.source import Columns


@pytest.mark.parametrize(
    "name",
    ["a.csv", "a.tsv", "a.CSV", "a.csv.gz", "a.csv.zst", "a.tsv.gz", "a.ndjson", "a.jsonl",
     "a.jsonl.gz", "a.ndjson.zst", "a.parquet", "a.xlsx"],
)  # fmt: skip
def test_every_format_gives_the_same_rows(tmp_path, name):
    drop(tmp_path, name, in_format(name))
    rows, rejected, left = load(source(tmp_path, timezone="UTC"))
    assert rejected == []
    assert [
        (r["payment_id"], r["posted_at"], r["amount_micros"], r["patient_id"]) for r in rows
    ] == [
        ("007", datetime(2026, 1, 5, 10, tzinfo=UTC), 12_500_000, "p1"),
        ("008", datetime(2026, 1, 6, 10, tzinfo=UTC), -3_000_000, None),
    ]
    assert list(left) == [f"file:{name}"]


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("utf-8", "\ufeffflow;Straße".encode()),
        ("utf-8-sig", "flow;Straße".encode("utf-8-sig")),
        ("utf-16", "flow;Straße".encode("utf-16")),
        ("cp1252", "flow;Straße".encode("cp1252")),
        ("latin-1", "flow;Straße".encode("latin-1")),
    ],
)
def test_encodings_are_declared(tmp_path, encoding, content):
    drop(tmp_path, "a.csv", content)
    layout = Layout(encoding=encoding, delimiter=";")
    with (tmp_path / "a.csv").open("rb") as stream:
        seen = []
        list(read_csv("a.csv", stream, layout, lambda header: seen.extend(header) or header))
    assert seen == ["flow", "Straße"]


@pytest.mark.parametrize(
    ("content", "encoding", "words"),
    [
        (GOOD.replace("p1", "pé").encode("latin-1"), "utf-8", "is not written in utf-8"),
        (GOOD.encode("utf-16"), "utf-8", "UTF-16"),
        (
            GOOD.encode("utf-16-le"),
            "utf-8",
            'without the mark that says so: set encoding = "utf-16-le"',
        ),
        (
            GOOD.encode("utf-16-be"),
            "utf-16",
            'without the mark that says so: set encoding = "utf-16-be"',
        ),
        (GOOD.encode(), "utf-16", "is not written in utf-16"),
    ],
)
def test_a_wrong_encoding_is_said(tmp_path, content, encoding, words):
    assert words in fault(tmp_path, content, encoding=encoding)


def test_a_mapping_says_what_a_file_means(tmp_path):
    drop(
        tmp_path,
        "visits/2026.csv",
        "Visit;Patient;Made;Start;State;Dept;Old\n"
        "1;p1;03.01.2026 09:00;05.01.2026 10:30;Completed;Knee;x\n",
    )
    table = {
        "match": "visits/*.csv",
        "row": "appointment",
        "delimiter": ";",
        "datetime_format": "%d.%m.%Y %H:%M",
        "timezone": "Europe/Berlin",
        "columns": {"appointment_id": "Visit", "patient_id": "Patient", "booked_at": "Made",
                    "starts_at": "Start", "status": "State", "service_line": "Dept"},
        "constants": {"location": "north", "minutes_waited": 4},
        "values": {"status": {"Completed": "fulfilled"}},
        "ignore": ["Old"],
    }  # fmt: skip
    rows, rejected, _ = load(source(tmp_path, table))
    assert rejected == []
    assert rows[0] | {"updated_at": None} == {
        "appointment_id": "1", "patient_id": "p1", "email": None, "phone": None,
        "booked_at": datetime(2026, 1, 3, 8, tzinfo=UTC),
        "starts_at": datetime(2026, 1, 5, 9, 30, tzinfo=UTC),
        "status": "fulfilled", "service_line": "Knee", "location": "north", "provider": None,
        "minutes_waited": 4.0, "updated_at": None, "unknown_code": None,
    }  # fmt: skip


@pytest.mark.parametrize("left", [[], ["notes.docx", "a.csv.part"]])
def test_a_folder_without_a_file_to_read_does_not_look_fresh(tmp_path, left):
    for name in left:
        drop(tmp_path, name, "x")
    opened = source(tmp_path, PAYMENTS)
    words = "1 files" if left else "it is empty"
    with pytest.raises(SourceUnreachable, match=f"{words}.* 2 were loaded from it before"):
        list(opened.slices({"file:a.csv": "1", "file:b.csv": "2"}))
    with pytest.raises(SourceUnreachable, match="Mount the folder"):
        opened.probe()


def test_what_ad_platforms_leave_open_is_the_empty_text(tmp_path):
    drop(tmp_path, "a.csv", "day,campaign_id,campaign,ad_group_id,ad_group,spend\n"
                            "2026-01-05,c1,Knee,,,12\n2026-01-05,,Knee,,,12\n")  # fmt: skip
    constants = {"currency": "USD", "timezone": "UTC", "network": "radio", "medium": "audio"}
    table = {"match": "*.csv", "row": "ad_spend", "constants": constants}
    rows, rejected, _ = load(source(tmp_path, table))
    assert [(r["ad_group_id"], r["impressions"], r["spend_micros"]) for r in rows] == [
        ("", 0, 12_000_000)
    ]
    assert [(r.row_number, r.column, r.reason) for r in rejected] == [
        (3, "campaign_id", "is empty")
    ]


def test_one_file_may_hold_two_kinds_of_rows(tmp_path):
    drop(tmp_path, "a.csv", GOOD)
    person = {"match": "*.csv", "row": "person"}
    rows, rejected, left = load(source(tmp_path, PAYMENTS, person))
    assert len(rows) == 3  # the second payment names nobody, so it holds no person
    assert rejected == []
    assert len(left) == 1


def test_an_amount_in_another_currency_than_its_row_s_is_kept_out(tmp_path):
    amounts = ("CAD 5", "5.00 ADJ", "€5", "¥5", "USD 5", "$5", "5 USD")
    lines = [f"{n},2026-01-05T10:00:00Z,{amount}," for n, amount in enumerate(amounts)]
    drop(tmp_path, "a.csv", "\n".join([HEADER, *lines]))
    rows, rejected, _ = load(source(tmp_path))
    assert {(r.column, r.reason) for r in rejected} == {
        ("amount", "names another currency than its row")
    }
    assert [r.row_number for r in rejected] == [2, 3, 4, 5]
    assert {row["amount_micros"] for row in rows} == {5_000_000}


def test_words_for_an_amount_are_no_currency(tmp_path):
    amounts = ("VOID", "n/a PAID", "NET 30", "CAD 5")
    lines = [f"{n},2026-01-05T10:00:00Z,{amount}," for n, amount in enumerate(amounts)]
    drop(tmp_path, "a.csv", "\n".join([HEADER, *lines]))
    words = {"VOID": "0", "n/a PAID": "1", "NET 30": "30"}
    rows, (rejected,), _ = load(source(tmp_path, PAYMENTS | {"values": {"amount": words}}))
    assert [row["amount_micros"] for row in rows] == [0, 1_000_000, 30_000_000]
    assert (rejected.row_number, rejected.reason) == (5, "names another currency than its row")


def test_numbers_that_a_spreadsheet_has_spoilt_are_no_ids(tmp_path):
    """A row is lost only where it is its own number: money stays that nobody is found for."""
    ids = ("1.23457E+11", "2E+17", "#REF!", "########", "#12", "1E5", "4.5E+5")
    lines = [f"{number},2026-01-05T10:00:00Z,1,p" for number in ids]
    lines += [f"{n},2026-01-05T10:00:00Z,1,{who}" for n, who in ((7, "#N/A"), (8, "1.2E+11"))]
    drop(tmp_path, "a.csv", "\n".join([HEADER, *lines]))
    rows, rejected, _ = load(source(tmp_path))
    assert [(row["payment_id"], row["patient_id"]) for row in rows] == [
        ("#12", "p"), ("1E5", "p"), ("4.5E+5", "p"), ("7", None), ("8", None),
    ]  # fmt: skip
    error = "is the error of a spreadsheet, and no value"
    rounded = "was rounded by a spreadsheet and has lost digits"
    without = "; the row was loaded without it"
    assert sorted((r.row_number, r.column, r.reason) for r in rejected) == [
        (2, "payment_id", rounded), (3, "payment_id", rounded),
        (4, "payment_id", error), (5, "payment_id", error),
        (9, "patient_id", error + without), (10, "patient_id", rounded + without),
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_birth_year_that_is_none_costs_the_year_and_not_the_patient(tmp_path, form):
    years = [1980, 0, 1800, 9999, 19800131]
    if form == "csv":
        lines = [f"p{n},{year}" for n, year in enumerate(years)]
        drop(tmp_path, "a.csv", "\n".join(["patient_id,birth_year", *lines]))
    else:
        people = {"patient_id": [f"p{n}" for n in range(len(years))], "birth_year": years}
        pq.write_table(pa.table(people), tmp_path / "a.parquet")
    rows, rejected, _ = load(source(tmp_path, {"match": f"*.{form}", "row": "person"}))
    assert [row["birth_year"] for row in rows] == [1980, None, None, None, None]
    assert [row["patient_id"] for row in rows] == ["p0", "p1", "p2", "p3", "p4"]
    reason = "is no year from 1900 to 2199; the row was loaded without it"
    assert [(r.column, r.reason) for r in rejected] == [("birth_year", reason)] * 4


@pytest.mark.parametrize(
    ("written", "quoting"), [('"=""007"""', True), ('="007"', False), ("007", True)]
)
def test_text_that_is_written_as_a_formula_is_the_text(tmp_path, written, quoting):
    drop(tmp_path, "a.csv", GOOD.replace("007", written))
    rows, rejected, _ = load(source(tmp_path, PAYMENTS | {"quoting": quoting}))
    assert ([r["payment_id"] for r in rows], rejected) == (["007", "008"], [])


# --- settings ------------------------------------------------------------------------------------


def test_all_that_is_wrong_with_the_mappings_is_said_at_once(tmp_path):
    with pytest.raises(SourceMisconfigured) as raised:
        source(
            tmp_path,
            PAYMENTS | {"columns": {"paid": "Paid"}, "decimal": ";", "encoding": "klingon"},
            PAYMENTS | {"row": "bill", "delimiter": 5, "encoding": 8, "sheet": 1},
            PAYMENTS | {"suffixes": {"payment_id": 7}},
            PAYMENTS | {"columns": {"amount": ""}, "constants": {"currency": "dollars"}},
            PAYMENTS | {"date_format": "%d/%Y", "timezone": "Mars/Base", "colour": 1},
            PAYMENTS | {"date_format": "%d/%Y", "timezone": "Mars/Base", "header_row": 0},
        )
    for words in ("paid is not a field", "decimal must", "klingon", "row must be one of",
                  "amount has no column and no constant", "constants.currency is no currency",
                  "delimiter must be a str", "encoding must be a str", "sheet must be a str",
                  "suffixes.payment_id must be a text", "colour is not a setting",
                  "does not say the month", "Mars/Base", "header_row"):  # fmt: skip
        assert words in str(raised.value)


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(SourceMisconfigured, match="there is no folder"):
        source(tmp_path / "gone").probe()


def test_probe_counts_what_waits(tmp_path):
    for name in ("a.csv", "b.csv.gz", "notes.txt", "c.csv.part", ".hidden.csv"):
        drop(tmp_path, name, "x")
    said = source(tmp_path).probe()
    assert "1 .csv, 1 .csv.gz to read; no mapping matches notes.txt." in said


# --- once each -----------------------------------------------------------------------------------


def test_content_is_loaded_once_whatever_its_name(tmp_path):
    drop(tmp_path, "a.csv", GOOD)
    rows, _, left = load(source(tmp_path))
    assert len(rows) == 2
    drop(tmp_path, "copy.csv", GOOD)
    os.utime(tmp_path / "a.csv")
    assert load(source(tmp_path), left) == ([], [], {})


def test_a_changed_file_or_mapping_is_loaded_again(tmp_path):
    drop(tmp_path, "a.csv", GOOD)
    left = load(source(tmp_path))[2]
    euro = PAYMENTS | {"constants": {"currency": "EUR"}}
    assert {r["currency"] for r in load(source(tmp_path, euro), left)[0]} == {"EUR"}
    drop(tmp_path, "a.csv", GOOD + "9,2026-01-05T10:00:00Z,1,p\n")
    assert len(load(source(tmp_path), left)[0]) == 3


def test_a_file_that_changes_while_it_is_read_is_left_for_later(tmp_path):
    path = drop(tmp_path, "a.csv", GOOD)
    piece = next(source(tmp_path).slices({}))
    path.write_text(GOOD + "9,2026-01-05T10:00:00Z,1,p\n")
    with pytest.raises(SourceChanged, match="still being written"):
        list(piece.read())
    items = iter(next(source(tmp_path).slices({})).read())
    assert isinstance(next(items), Columns)
    path.write_text(GOOD)
    with pytest.raises(SourceChanged, match="still being written"):
        list(items)


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("a.csv", "*.csv", True),
        ("sub/a.csv", "*.csv", False),
        ("sub/a.csv", "sub/*.csv", True),
        ("sub/deep/a.csv", "sub/*.csv", False),
        ("sub/deep/a.csv", "**/*.csv", True),
        ("a.csv", "**/*.csv", True),
        ("a.csv", "A.csv", False),
    ],
)
def test_patterns(name, pattern, fits):
    assert drops.matches(name, pattern) is fits


# --- round trips ---------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
ROWS = st.lists(
    st.tuples(
        TEXTS.map(lambda text: f"id{text}".strip(" ")),
        st.datetimes(datetime.fromisoformat("1900-01-02"), datetime.fromisoformat("2199-12-30")),
        st.decimals(min_value=-(10**9), max_value=10**9, places=4),
        TEXTS.map(lambda text: text.strip(" ") or None),
    ),
    max_size=20,
)
DIALECTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", ";", "\t", "|"]),
        "decimal": st.sampled_from([".", ","]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
        "datetime_format": st.sampled_from([None, "%d.%m.%Y %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S.%f"]),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=ROWS, dialect=DIALECTS, end=st.sampled_from(["\n", "\r\n"]))
def test_rows_survive_every_dialect(tmp_path, rows, dialect, end):
    table = {key: value for key, value in dialect.items() if value} | {"timezone": "UTC"}
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=dialect["delimiter"], lineterminator=end)
    writer.writerow(HEADER.split(","))
    for own, at, amount, patient in rows:
        form = dialect["datetime_format"]
        money = f"{amount:f}".replace(".", dialect["decimal"])
        writer.writerow([own, at.strftime(form) if form else at.isoformat(), money, patient])
    drop(tmp_path, "a.csv", stream.getvalue().encode(dialect["encoding"]))
    found, rejected, _ = load(source(tmp_path, PAYMENTS | table))
    assert rejected == []
    assert [
        (r["payment_id"], r["posted_at"], r["amount_micros"], r["patient_id"]) for r in found
    ] == [
        (own, at.replace(tzinfo=UTC), int(amount * 1_000_000), patient)
        for own, at, amount, patient in rows
    ]
