"""Waiting minutes by file mapping: from two columns, or from one, and never an absurd one."""

from datetime import UTC, datetime

import pytest

from connectors.errors import SourceChanged, SourceMisconfigured
from connectors.files import connect
from connectors.source import Columns, Context, Rejected

NOW = datetime(2026, 11, 24, tzinfo=UTC)
VISITS = """appointment_id,patient_id,booked_at,starts_at,status,Arrived,Roomed
1,M1,2026-11-01,2026-11-02 09:00,fulfilled,2026-11-02 08:50,2026-11-02 09:12:30
2,M1,2026-11-01,2026-11-02 10:00,fulfilled,2026-11-02 10:05,2026-11-02 09:55
3,M1,2026-11-01,2026-11-02 11:00,fulfilled,2026-11-02 11:05,2026-11-03 11:20
4,M1,2026-11-01,2026-11-02 12:00,noshow,,
5,M1,2026-11-01,2026-11-02 13:00,fulfilled,2026-11-02 13:00,
6,M1,2026-11-01,2026-11-02 14:00,fulfilled,around two,2026-11-02 14:20
7,M1,2026-11-01,2026-11-01 01:50,fulfilled,2026-11-01 01:50,2026-11-01 02:10
"""
TWO = {
    "match": "*.csv",
    "row": "appointment",
    "minutes": {"minutes_waited": {"from": "Arrived", "until": "Roomed"}},
}


def opened(folder, table):
    options = {"folder": folder, "files": [table], "timezone": "America/New_York"}
    return connect(Context("emr", "main", options, NOW, NOW.date()))


def load(folder, text, table):
    (folder / "a.csv").write_text(text, encoding="utf-8")
    items = [i for piece in opened(folder, table).slices({}) for i in piece.read()]
    rows = [row for i in items if isinstance(i, Columns) for row in i.table.to_pylist()]
    waits = {row["appointment_id"]: row["minutes_waited"] for row in rows}
    return waits, [(r.row_number, r.column, r.reason) for r in items if isinstance(r, Rejected)]


def test_a_wait_is_what_lies_between_two_columns(tmp_path):
    waits, doubts = load(tmp_path, VISITS, TWO)
    # Nobody's visit is lost for a wrong clock; on 1 November the clocks went back an hour.
    assert waits == {
        "1": 22.5, "2": None, "3": None, "4": None, "5": None, "6": None, "7": 80,
    }  # fmt: skip
    without = "; the row was loaded without it"
    assert sorted(doubts) == [
        (3, "Roomed", f"is below zero: it ends before it begins{without}"),
        (4, "Roomed", f"is longer than 12 hours{without}"),
        (7, "Arrived", f"is not a time as YYYY-MM-DDTHH:MM:SS+00:00{without}"),
    ]


def test_times_of_day_alone_make_a_wait(tmp_path):
    text = "appointment_id,patient_id,booked_at,starts_at,status,In,Seen\n"
    text += "1,M1,2026-11-01,2026-11-02,fulfilled,11:50 AM,12:05 PM\n"
    text += "2,M1,2026-11-01,2026-11-02,fulfilled,1:00 PM,13:10\n"
    clock = {"from": "In", "until": "Seen", "clock": "%I:%M %p"}
    waits, doubts = load(tmp_path, text, TWO | {"minutes": {"minutes_waited": clock}})
    assert waits == {"1": 15, "2": None}
    assert [(n, column) for n, column, _ in doubts] == [(3, "Seen")]


@pytest.mark.parametrize(
    ("said", "wait", "words"),
    [
        ("17", 17, None),
        ("0", 0, None),
        ("720", 720, None),
        ("-3", None, "is below zero"),
        ("721", None, "is longer than 12 hours"),
        ("long", None, "is not a number"),
    ],
)
def test_a_wait_in_a_column_of_its_own_is_held_to_the_same(tmp_path, said, wait, words):
    text = "appointment_id,patient_id,booked_at,starts_at,status,Wait\n"
    text += f"1,M1,2026-11-01,2026-11-02,fulfilled,{said}\n"
    waits, doubts = load(
        tmp_path,
        text,
        {"match": "*.csv", "row": "appointment", "columns": {"minutes_waited": "Wait"}},
    )
    assert waits == {"1": wait}
    assert (words is None) == (doubts == [])
    assert all(words in reason and column == "Wait" for _, column, reason in doubts)


def test_a_broken_visit_is_refused_whatever_its_wait(tmp_path):
    text = VISITS.replace("2,M1,2026-11-01", "2,M1,soon")
    waits, doubts = load(tmp_path, text, TWO)
    assert "2" not in waits
    assert [(column) for number, column, _ in doubts if number == 3] == ["booked_at"]


def test_a_file_without_one_of_the_columns_is_refused_whole(tmp_path):
    with pytest.raises(SourceChanged, match=r"no column 'Roomed' \(for minutes_waited\)"):
        load(tmp_path, VISITS.replace("Roomed", "Room"), TWO)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        ({"status": {"from": "a", "until": "b"}}, "status is no number of this row"),
        ({"minutes_waited": "Arrived"}, "must be a table of from, until and perhaps clock"),
        ({"minutes_waited": {"from": "a"}}, "must be a table of from, until and perhaps clock"),
        ({"minutes_waited": {"from": "a", "until": "b", "clock": "%I:%M"}}, "%I and %p together"),
        ("Arrived", "minutes must be a table"),
    ],
)
def test_minutes_that_cannot_be_right_are_named(tmp_path, minutes, words):
    with pytest.raises(SourceMisconfigured, match=words):
        opened(tmp_path, TWO | {"minutes": minutes})


def test_a_field_has_one_origin(tmp_path):
    table = TWO | {"columns": {"minutes_waited": "Wait"}}
    with pytest.raises(SourceMisconfigured, match="both minutes and a column or constant"):
        opened(tmp_path, table)
