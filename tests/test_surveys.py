"""Surveys by file mapping: wide exports become one row an answer, on a scale that is known."""

import math
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from raw_store import raw_store

from connectors.errors import SourceChanged, SourceMisconfigured
from connectors.files import connect
from connectors.source import Columns, Context, Rejected
from connectors.survey_scales import SCALES

NOW = datetime(2026, 11, 24, tzinfo=UTC)

WIDE = """Response ID,Returned,MRN,Clinic,Mode,Q4,Q10,Q18,Q20,Recommend,Comment
R1,2026-11-02 10:00,00042,North,Web,Always,"Yes, definitely",10,Yes,9,SECRET
R2,2026-11-03 10:00,00043,North,Mail,usually,"yes, somewhat",8,No,7,
R3,2026-11-04 10:00,,West,Mail,1,3,88,2,M,
R4,2026-11-05 10:00,00045,West,Phone,N/A,8,,Not applicable,0,
"""
CAHPS = {
    "match": "*.csv",
    "row": "feedback",
    "columns": {
        "feedback_id": "Response ID",
        "at": "Returned",
        "patient_id": "MRN",
        "location": "Clinic",
        "mode": "Mode",
        "comment": "",
    },
    "constants": {"survey": "CG-CAHPS 3.1"},
    "questions": {
        "Q4": "frequency",
        "Q10": "definitely",
        "Q18": "rating",
        "Q20": "yes_no",
        "Recommend": {"scale": "nps", "name": "recommend"},
    },
}

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/sources-feedback.md"


def opened(folder, table):
    options = {"folder": folder, "files": [table], "timezone": "America/New_York"}
    return connect(Context("surveys", "main", options, NOW, NOW.date()))


def load(folder, text, table=CAHPS):
    (folder / "a.csv").write_text(text, encoding="utf-8")
    items = [i for piece in opened(folder, table).slices({}) for i in piece.read()]
    rows = [row for i in items if isinstance(i, Columns) for row in i.table.to_pylist()]
    return rows, [i for i in items if isinstance(i, Rejected)]


def test_one_line_becomes_a_row_an_answer(tmp_path):
    rows, rejected = load(tmp_path, WIDE)
    assert rejected == []
    told = {(r["response_id"], r["question"]): (r["score"], r["scale_max"]) for r in rows}
    assert told == {
        ("R1", "Q4"): (4, 4), ("R2", "Q4"): (3, 4), ("R3", "Q4"): (1, 4),
        ("R1", "Q10"): (3, 3), ("R2", "Q10"): (2, 3), ("R3", "Q10"): (1, 3),
        ("R1", "Q18"): (10, 10), ("R2", "Q18"): (8, 10),
        ("R1", "Q20"): (2, 2), ("R2", "Q20"): (1, 2), ("R3", "Q20"): (1, 2),
        ("R1", "recommend"): (9, 10), ("R2", "recommend"): (7, 10), ("R4", "recommend"): (0, 10),
    }  # fmt: skip
    first = next(r for r in rows if r["feedback_id"] == "R1:Q4")
    assert first["at"] == datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
    assert (first["patient_id"], first["location"], first["mode"]) == ("00042", "North", "Web")
    assert (first["survey"], first["kind"]) == ("CG-CAHPS 3.1", "survey")
    assert {r["kind"] for r in rows if r["question"] == "recommend"} == {"nps"}
    assert "SECRET" not in f"{rows}"


def test_an_answer_that_the_scale_does_not_have_is_refused_with_its_row_and_column(tmp_path):
    text = "Response ID,Returned,Q4,Q10,Q18,Q20,Recommend\n"
    text += "R1,2026-11-02 10:00,Sometmes,0,11,Maybe,10.5\n"
    text += "R2,2026-11-02 10:00,5,4,-1,3,-1\n"
    text += "R3,2026-11-02 10:00,Always,1,10,1,10\n"
    table = CAHPS | {"columns": {"feedback_id": "Response ID", "at": "Returned"}}
    rows, rejected = load(tmp_path, text, table)
    assert {r["response_id"] for r in rows} == {"R3"}
    assert len(rows) == 5
    wrong = [(r.row_number, r.column) for r in rejected]
    columns = ("Q4", "Q10", "Q18", "Q20", "Recommend")
    assert sorted(wrong) == sorted((n, c) for n in (2, 3) for c in columns)
    assert rejected[0].reason == "is no answer of the scale of Q4"
    assert rejected[0].shape == "text of 8, letters"


def test_what_is_wrong_with_a_whole_response_is_said_once(tmp_path):
    text = WIDE.replace("2026-11-02 10:00", "last week")
    rows, rejected = load(tmp_path, text)
    assert [(r.row_number, r.column) for r in rejected] == [(2, "Returned")]
    assert {r["response_id"] for r in rows} == {"R2", "R3", "R4"}


def test_a_file_of_own_words_has_an_own_scale(tmp_path):
    table = {
        **CAHPS,
        "columns": {"feedback_id": "id", "at": "day"},
        "questions": {"Wie war es?": {"scale": "noten", "name": "visit"}},
        "scales": {"noten": {"Schlecht": 0, "Gut": 1, "Sehr gut": 2}},
    }
    rows, rejected = load(
        tmp_path, "id,day,Wie war es?\n1,2026-11-02,sehr gut\n2,2026-11-02,gut\n", table
    )
    assert rejected == []
    assert [(r["score"], r["scale_max"]) for r in rows] == [(2, 2), (1, 2)]


def test_numbers_of_a_spreadsheet_are_answers_too(tmp_path):
    text = '{"id": "1", "day": "2026-11-02", "q": 9.0}\n{"id": "2", "day": "2026-11-03", "q": 3}\n'
    (tmp_path / "a.ndjson").write_text(text)
    table = {
        **CAHPS,
        "match": "*.ndjson",
        "columns": {"feedback_id": "id", "at": "day"},
        "questions": {"q": "nps"},
    }
    (piece,) = opened(tmp_path, table).slices({})
    (columns,) = [item for item in piece.read() if isinstance(item, Columns)]
    assert columns.table.column("score").to_pylist() == [9, 3]


@pytest.mark.parametrize("name", list(SCALES))
def test_the_best_answer_of_a_scale_is_its_end(name):
    scores = SCALES[name].values()
    assert min(scores) in (0, 1)
    assert set(scores) == set(range(min(scores), max(scores) + 1))
    assert all(answer == answer.lower().strip() for answer in SCALES[name])


def test_a_question_without_its_column_stops_the_file(tmp_path):
    with pytest.raises(SourceChanged, match=r"no column 'Q18' \(for a question\)"):
        load(tmp_path, WIDE.replace("Q18", "Q19"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"questions": {"Q4": "often"}}, "'often' is no scale; there are nps, rating"),
        ({"questions": {}}, "questions must be a table such as"),
        ({"questions": {"Q4": 7}}, "questions.Q4 must be a scale"),
        ({"questions": {"Q4": "nps", "Q5": {"scale": "nps", "name": "Q4"}}}, "two are named 'Q4'"),
        ({"scales": {"x": {"a": "b"}}}, "scales.x must be a table of answer = whole number"),
        ({"constants": {"kind": "nps"}}, "constants.kind comes from the questions"),
        ({"row": "call", "columns": {}, "constants": {}}, "questions are for feedback rows only"),
    ],
)
def test_questions_that_cannot_be_right_are_named(tmp_path, changes, words):
    with pytest.raises(SourceMisconfigured, match=words):
        opened(tmp_path, CAHPS | changes)


LONG = {
    "match": "*.csv",
    "row": "feedback",
    "constants": {"kind": "nps", "scale_max": 10},
    "columns": {"feedback_id": "id"},
}


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        ("11", "is beyond its scale"),
        ("-1", "is beyond its scale"),
        ("8.5", "is no answer of NPS"),
        ("good", "is not a number"),
        ("", "is empty"),
    ],
)
def test_a_score_of_a_long_file_is_held_to_its_scale(tmp_path, score, reason):
    text = f"id,at,score\n1,2026-11-02,{score}\n2,2026-11-02,10\n3,2026-11-02,0\n"
    rows, rejected = load(tmp_path, text, LONG)
    assert [r["score"] for r in rows] == [10, 0]
    assert [(r.row_number, r.column, r.reason) for r in rejected] == [(2, "score", reason)]


def test_nps_on_another_scale_is_no_nps(tmp_path):
    table = LONG | {"constants": {"kind": "nps", "scale_max": 5}}
    rows, rejected = load(tmp_path, "id,at,score\n1,2026-11-02,5\n", table)
    assert rows == []
    assert rejected[0].reason == "is not 10, the end of the scale of NPS"


def test_staging_tells_top_answers_and_promoters_apart(tmp_path):
    with raw_store() as store:
        (tmp_path / "a.csv").write_text(WIDE, encoding="utf-8")
        store.refresh(opened(tmp_path, CAHPS))
        store.stage("stg_feedback")
        tops = store.ask(
            "select question, count(*), sum(top_box) from stg_feedback "
            "where kind = 'survey' group by question order by question"
        )
        assert tops == [("Q10", 3, 1), ("Q18", 2, 1), ("Q20", 3, 1), ("Q4", 3, 1)]
        classes = store.ask(
            "select nps_class, count(*) from stg_feedback group by nps_class order by nps_class"
        )
        assert classes == [("detractor", 1), ("passive", 1), ("promoter", 1), (None, 11)]
        grain = "select count(*), count(distinct (response_id, question)) from stg_feedback"
        assert store.ask(grain) == [(14, 14)]
        assert store.ask("select distinct top_box from stg_feedback where kind = 'nps'") == [
            (None,)
        ]
        ((share,),) = store.ask("select max(share_of_scale) from stg_feedback")
        assert math.isclose(share, 1.0)


def test_the_mappings_of_the_document_are_right_together(tmp_path):
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    whole = tomllib.loads("".join(block for block in blocks if "sources.surveys" in block))
    survey, visits = whole["sources"]["surveys"]["files"]
    assert "smoothly" in survey["scales"]
    assert [m.row.spec.table for m in opened(tmp_path, survey).mappings] == ["feedback"]
    assert [m.row.spec.table for m in opened(tmp_path, visits).mappings] == ["appointment"]


def test_every_scale_is_described():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \| .* \| \d+-\d+", text, re.MULTILINE) == list(SCALES)
