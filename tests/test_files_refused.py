"""Dropped files that are not what they should be, and rows of them that break the contract."""

import gzip
import io
import json
import os
import zipfile
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from dropped_files import (
    GOOD,
    HEADER,
    PAYMENTS,
    as_xlsx,
    drop,
    fault,
    in_format,
    load,
    payments,
    source,
)

from connectors import drops, xlsx_reader
from connectors.columns import to_table
from connectors.contract import Person
from connectors.errors import (
    SourceChanged,
    SourceRefused,
)
from connectors.source import Columns

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
