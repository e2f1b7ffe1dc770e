"""Dropped files: every format, every way in which a file can be wrong, and each loaded once."""

import csv
import gzip
import io
import json
import os
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import drops, files, xlsx_reader
from connectors.columns import to_table
from connectors.contract import Person
from connectors.csv_reader import read_csv
from connectors.errors import (
    SourceChanged,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.readers import Layout
from connectors.source import Columns, Context, Cursor, Rejected

PAYMENTS = {"match": "*", "row": "payment", "constants": {"currency": "USD"}}
HEADER = "payment_id,posted_at,amount,patient_id"
GOOD = f"{HEADER}\n007,2026-01-05T10:00:00Z,12.50,p1\n008,2026-01-06T10:00:00Z,-3,\n"


def source(folder, *tables, **options):
    given = {"folder": str(folder), "files": list(tables or [PAYMENTS]), **options}
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return files.connect(Context("drop", "clinic", given, now, date(2024, 1, 1)))


def drop(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def load(opened, cursors=None):
    """All rows and rejects of the slices that read well, and the cursors they leave."""
    rows, rejected, left = [], [], {}
    for piece in opened.slices(cursors or {}):
        for item in piece.read():
            if isinstance(item, Columns):
                rows += item.table.to_pylist()
            elif isinstance(item, Rejected):
                rejected.append(item)
            elif isinstance(item, Cursor):
                left[piece.cursor_key] = item.value
    return rows, rejected, left


def fault(folder, content: str | bytes, name="a.csv", **table) -> str:
    """What is said of a file that cannot be read."""
    drop(folder, name, content)
    with pytest.raises(SourceChanged) as raised:
        load(source(folder, PAYMENTS | table))
    assert name in str(raised.value)
    return str(raised.value)


# --- the formats ---------------------------------------------------------------------------------


def payments() -> list[dict[str, object]]:
    return [
        {"payment_id": "007", "posted_at": datetime(2026, 1, 5, 10, tzinfo=UTC),
         "amount": Decimal("12.50"), "patient_id": "p1"},
        {"payment_id": "008", "posted_at": datetime(2026, 1, 6, 10, tzinfo=UTC),
         "amount": Decimal("-3"), "patient_id": None},
    ]  # fmt: skip


def as_xlsx(rows, *, sheets=("Data",), above=0) -> bytes:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"default_date_format": "yyyy-mm-dd hh:mm"})
    for title in sheets:
        sheet = book.add_worksheet(title)
        for number, row in enumerate(rows, start=above):
            sheet.write_row(number, 0, row)
    book.close()
    return stream.getvalue()


def in_format(name: str) -> bytes:
    if name.endswith(".parquet"):
        stream = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(payments()), stream, row_group_size=1)
        return stream.getvalue()
    if name.endswith(".xlsx"):
        cells = [[r["payment_id"], r["posted_at"].replace(tzinfo=None), float(r["amount"]),
                  r["patient_id"]] for r in payments()]  # fmt: skip
        return as_xlsx([HEADER.split(","), *cells])
    if "json" in name:
        lines = (json.dumps(r | {"amount": float(r["amount"])}, default=str) for r in payments())
        plain = "\n".join(lines).encode()
    else:
        plain = GOOD.replace(",", "\t" if ".tsv" in name else ",").encode()
    if name.endswith(".gz"):
        return gzip.compress(plain)
    return zstandard.compress(plain) if name.endswith(".zst") else plain


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


# --- files that are not what they should be ------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("<!DOCTYPE html><html>login</html>", "is a web page"),
        ('{"error": "expired"}', "is JSON, not CSV"),
        (gzip.compress(b"a,b", mtime=0), "a gzip file"),
        (b"PK\x03\x04....", "a spreadsheet"),
        (b"\x7fELF....", "a program"),
        ("payment_id,amount,patient_id\n1,2,3\n", "no column 'posted_at' (for posted_at)"),
        (f"{HEADER},amount\n1,2,3,4,5\n", "2 columns 'amount'"),
        (f"{HEADER}\n1,2,\"3,4\n5,6,7,8\n", 'a " in line 2'),
        (f"{HEADER}\n1,2,3,4\n1,2,\"a\"b,4\n", 'a " in line 3'),
        (f"{HEADER}\n1,2,3,4\n1,2,5\" pipe,4\n", 'a " in line 3'),
        (f"{HEADER}\n1,\"2\n1,\"3\"\n", 'a " in line 3'),
    ],
)  # fmt: skip
def test_a_file_that_is_no_csv_of_ours_is_refused_whole(tmp_path, content, words):
    assert words in fault(tmp_path, content)


def test_one_very_long_value_does_not_fill_the_memory(tmp_path):
    assert "a row of more than 8 MB" in fault(
        tmp_path, f"{HEADER}\n" + "x" * (18 << 20) + ",1,2,3\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.parquet", b"PAR1 half a file", "no whole Parquet file"),
        ("a.parquet", in_format("a.parquet")[:-20], "no whole Parquet file"),
        ("a.xlsx", b"not a zip", "no whole spreadsheet"),
        ("a.xlsx", in_format("a.xlsx")[:-200], "no whole spreadsheet"),
        ("a.xlsx", as_xlsx([["x"]], sheets=("One", "Two")), "has 2 sheets ('One', 'Two')"),
        ("a.csv.gz", gzip.compress(GOOD.encode() * 999, mtime=0)[:-9], "is cut off or damaged"),
        ("a.csv.zst", zstandard.compress(GOOD.encode() * 999)[:-9], "is cut off or damaged"),
        ("a.csv.gz", GOOD.encode(), "is no gzip file"),
        ("a.ndjson", b"", "is empty"),
        ("a.ndjson", b'{"error": "expired"}\n', "has no column"),
    ],
)
def test_a_half_written_file_is_refused_whole(tmp_path, name, content, words):
    assert words in fault(tmp_path, content, name)


def test_a_parquet_column_of_another_type_is_named(tmp_path):
    stream = io.BytesIO()
    rows = [r | {"posted_at": 5, "amount": 1.0} for r in payments()]
    pq.write_table(pa.Table.from_pylist(rows), stream)
    words = fault(tmp_path, stream.getvalue(), "a.parquet")
    assert "'posted_at' as int64, which cannot become posted_at (instant)" in words
    assert words.endswith("correct the mapping in caretrace.toml or the file's header.")


def test_a_row_of_values_in_the_place_of_a_header_is_not_repeated(tmp_path):
    words = fault(tmp_path, "7,2026-01-05T10:00:00Z,5,jane.doe@example.org\n", ignore=["Note"])
    assert "no column 'payment_id'" in words
    assert "jane" not in words


def test_a_fault_is_answered_with_what_mends_it(tmp_path):
    missing = fault(tmp_path, "payment_id,amount,patient_id\n1,2,3\n")
    assert missing.endswith(
        "Nothing of it was loaded; correct the mapping in caretrace.toml or the file's header."
    )
    assert fault(tmp_path, "").endswith("Nothing of it was loaded; drop a whole one.")
    parted = fault(tmp_path, GOOD.replace(",", ";"))
    assert parted.endswith('say delimiter = ";" where caretrace.toml describes the file.')


def test_a_small_spreadsheet_that_holds_a_large_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx_reader, "MOST_INFLATED", 1 << 20)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (4 << 20))
    bomb = bytearray(stream.getvalue())
    size = (4 << 20).to_bytes(4, "little")
    lying = bytes(bomb).replace(size, (99).to_bytes(4, "little"))
    assert "unpacks to more than" in fault(tmp_path, bytes(bomb), "a.xlsx")
    assert "unpacks to more than" in fault(tmp_path, lying, "b.xlsx", match="b.xlsx")


def test_a_spreadsheet_of_too_many_parts_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx_reader, "MOST_MEMBERS", 3)
    assert "parts, more than 3" in fault(tmp_path, in_format("a.xlsx"), "a.xlsx")


def test_extra_columns_are_refused_where_the_mapping_lists_them(tmp_path):
    assert "a column 'new'" in fault(
        tmp_path, GOOD.replace("patient_id", "patient_id,new"), ignore=["old"]
    )


def test_the_other_files_load_when_one_is_wrong(tmp_path):
    drop(tmp_path, "a.csv", "<html>")
    drop(tmp_path, "b.csv", GOOD)
    pieces = list(source(tmp_path).slices({}))
    with pytest.raises(SourceChanged):
        list(pieces[0].read())
    assert sum(len(i.table) for i in pieces[1].read() if isinstance(i, Columns)) == 2


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_no_file_of_the_folder_is_never_opened(tmp_path, kind):
    folder = tmp_path / "drop"
    folder.mkdir()
    if kind == "link":
        (folder / "a.csv").symlink_to(drop(tmp_path, "secret.csv", GOOD))
    else:
        os.mkfifo(folder / "a.csv")
    with pytest.raises(SourceRefused, match=r"a\.csv is a"):
        load(source(folder))


def test_a_link_inside_the_folder_is_a_file(tmp_path):
    drop(tmp_path, "store/a.txt", GOOD)
    (tmp_path / "a.csv").symlink_to(tmp_path / "store" / "a.txt")
    assert len(load(source(tmp_path))[0]) == 2


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (b"caf\xe9.csv", "caf\\xe9.csv"),
        ("café.csv".encode(), "café.csv"),
        (b"a\x1b[2J\n.csv", "a\\x1b[2J\\n.csv"),
        ("a\u202e.csv".encode(), "a\\u202e.csv"),
    ],
)
def test_a_name_that_is_no_text_is_told_as_one(tmp_path, name, told):
    """No database takes the bytes of another computer's letters; the file is read all the same."""
    (tmp_path / os.fsdecode(name)).write_text(GOOD + "9,no day,1,p\n")
    rows, [rejected], left = load(source(tmp_path))
    assert len(rows) == 2
    assert (rejected.file, [*left]) == (told, [f"file:{told}"])


def test_half_a_letter_is_told_as_one_that_nobody_can_read(tmp_path):
    """What was cut after so many units of UTF-16 may end in half an emoji."""
    rows = [
        {"payment_id": number, "posted_at": "2026-01-05T10:00:00Z", "amount": 1, "patient_id": who}
        for number, who in (("7\ud83d", "p1"), ("8\ud83d\ude00", 9), ("9", {"a": "\ud83d"}))
    ]
    drop(tmp_path, "a.ndjson", "\n".join(map(json.dumps, rows)))
    loaded = load(source(tmp_path, PAYMENTS | {"match": "*.ndjson"}))[0]
    assert [row["payment_id"] for row in loaded] == ["7\ufffd", "8\U0001f600", "9"]
    # And of what an API tells.
    [told] = to_table(Person, [Person("8", email="ann\ud83d@example.org")]).to_pylist()
    assert told["email"] == "ann\ufffd@example.org"


# --- rows that break the contract ----------------------------------------------------------------


def test_bad_rows_are_told_as_a_person_sees_them_and_the_others_load(tmp_path):
    drop(
        tmp_path,
        "a.csv",
        f"{HEADER}\n"
        '1,2026-01-05T10:00:00Z,1,"two\nlines"\n'
        "2,2026-01-05T10:00:00Z,NaN,p\n"
        "3,2026-01-05T10:00:00Z\n"
        "\n"
        "4,2026-01-05T10:00:00Z,1,p,extra\n"
        ",2026-01-05T10:00:00Z,1,p\n"
        "5,2026-01-05 10:00,oops,p\n"
        "6,2026-01-05T10:00:00Z,6,a\x00b\n"
        "7,2026-01-05T10:00:00Z,7,p\n",
    )
    rows, rejected, _ = load(source(tmp_path))
    assert [r["payment_id"] for r in rows] == ["1", "7"]
    told = sorted((r.row_number, r.column, r.reason) for r in rejected)
    assert told == [
        (3, "amount", "is not an amount of money"),
        (4, "", "has 2 columns, the header has 4"),
        (6, "", "has 5 columns, the header has 4"),
        (7, "payment_id", "is empty"),
        (8, "posted_at", "has no time zone, and the mapping gives none"),
        (9, "patient_id", "holds a control character"),
    ]
    assert {(r.file, r.table) for r in rejected} == {("a.csv", "payment")}


def test_numbers_hold_across_blocks(tmp_path):
    lines = [f"{n},2026-01-05T10:00:00Z,{'x' if n % 40_000 == 7 else n},p" for n in range(280_000)]
    lines[100_000] = "ragged"
    drop(tmp_path, "a.csv", "\n".join([HEADER, *lines]))
    rows, rejected, _ = load(source(tmp_path))
    assert len(rows) == 280_000 - 8
    expected = {n + 2 for n in range(7, 280_000, 40_000)} | {100_002}
    assert {r.row_number for r in rejected} == expected


def test_rejects_never_hold_the_value(tmp_path):
    drop(tmp_path, "a.csv", f"{HEADER}\n1,jane.doe@example.org,1,p\n")
    rejected = load(source(tmp_path))[1]
    assert "jane" not in repr(rejected)
    assert rejected[0].shape == "text of 20, letters and signs"


def test_very_many_rejects_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(drops, "MOST_REJECTED", 3)
    drop(tmp_path, "a.csv", HEADER + "\n1,x,1,p" * 10)
    rejected = load(source(tmp_path))[1]
    assert len(rejected) == 4
    assert rejected[-1].reason.startswith("7 more rows")


def test_an_amount_needs_its_currency(tmp_path):
    drop(tmp_path, "a.csv", "touch_id,at,kind,cost\n1,2026-01-05T10:00:00Z,click,2\n"
                            "2,2026-01-05T10:00:00Z,click,\n")  # fmt: skip
    rows, rejected, _ = load(source(tmp_path, {"match": "*", "row": "touchpoint"}))
    assert [r["touch_id"] for r in rows] == ["2"]
    assert [(r.column, r.reason) for r in rejected] == [("cost", "is an amount without a currency")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_json_lines_are_read_in_their_encoding(tmp_path, encoding):
    plain = in_format("a.ndjson").decode().replace('"p1"', '"pé"')
    drop(tmp_path, "a.ndjson", plain.encode(encoding))
    said = {} if encoding == "utf-8-sig" else {"encoding": encoding}
    rows, rejected, _ = load(source(tmp_path, PAYMENTS | said))
    assert rejected == []
    assert [(r["payment_id"], r["patient_id"]) for r in rows] == [("007", "pé"), ("008", None)]


def test_json_lines_that_are_none_are_rejected(tmp_path):
    lines = [in_format("a.ndjson").decode(), "{broken", "[1]", '{"payment_id": NaN}', ""]
    lines.append('{"payment_id": 2384291234567890123456, "posted_at": "2026-01-05T10:00:00Z", '
                 '"amount": 1}')  # fmt: skip
    drop(tmp_path, "a.ndjson", "\n".join(lines))
    rows, rejected, _ = load(source(tmp_path))
    assert [r["payment_id"] for r in rows] == ["007", "008", "2384291234567890123456"]
    assert [(r.row_number, r.reason) for r in rejected] == [
        (number, "is not a JSON object") for number in (3, 4, 5)
    ]


def test_a_spreadsheets_mixed_cells_are_each_read(tmp_path):
    cells = [["Report of today"], HEADER.split(","), [7, "2026-01-05", "$1,000.50", 12],
             ["007", datetime.fromisoformat("2026-01-05T10:00"), 2, ""], ["", "", "", ""],
             ["9", True, 1, ""], [2.5e16, "2026-01-05", 1, ""]]  # fmt: skip
    drop(tmp_path, "a.xlsx", as_xlsx(cells, above=1))
    rows, rejected, _ = load(source(tmp_path, PAYMENTS | {"header_row": 3, "timezone": "UTC"}))
    assert [(r["payment_id"], r["amount_micros"]) for r in rows] == [
        ("7", 1_000_500_000),
        ("007", 2_000_000),
    ]
    assert [(r.row_number, r.column) for r in rejected] == [(8, "payment_id"), (7, "posted_at")]


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
