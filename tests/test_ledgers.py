"""Ledgers of practice management by file mapping: only money that came or went back is money."""

import re
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from raw_store import raw_store

from connectors.contract import MICROS
from connectors.errors import SourceChanged, SourceMisconfigured
from connectors.files import connect
from connectors.source import Columns, Context, Rejected

NOW = datetime(2026, 11, 24, tzinfo=UTC)

# As a practice management system exports it: one ledger, a column that says what a line is.
LEDGER = """Trans #,Post Date,Patient #,Type,Amount,Payer,Balance,Void
1001,11/02/2026,00042,Charge,250.00,Aetna PPO 0012,250.00,
1002,11/09/2026,00042,Insurance Payment,180.00,Aetna PPO 0012,70.00,
1003,11/09/2026,00042,Contractual Adjustment,(40.00),Aetna PPO 0012,30.00,
1004,11/10/2026,00042,Copay,"$1,030.00",,(0.00),
1005,11/12/2026,00042,Refund,$15.00,,15.00,
1006,11/12/2026,00043,Insurance Payment,(180.00),MEDICARE PART B,180.00,
1007,11/13/2026,00043,NSF Check,25.00,Self Pay,205.00,
1008,11/13/2026,00043,Copay,60.00,Medi-Cal,,11/14/2026
1009,11/13/2026,00044,Write-Off,12.00,Cigna,,N
1010,11/14/2026,00044, copay ,20.00-,Some Union Fund,,No
"""
MAPPING = {
    "match": "ledger-*.csv",
    "row": "payment",
    "datetime_format": "%m/%d/%Y",
    "columns": {
        "payment_id": "Trans #",
        "posted_at": "Post Date",
        "patient_id": "Patient #",
        "amount": "Amount",
        "payer_class": "Payer",
        "balance": "Balance",
    },
    "constants": {"currency": "USD"},
    "ledger": {
        "type": "Type",
        "received": ["Insurance Payment", "Copay"],
        "returned": ["Refund", "NSF Check"],
        "ignored": ["Charge", "Contractual Adjustment", "Write-Off"],
        "voided": "Void",
    },
}

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/sources-payments.md"


def opened(folder, *tables):
    options = {"folder": folder, "files": list(tables), "timezone": "America/New_York"}
    return connect(Context("pm", "main", options, NOW, NOW.date()))


def load(folder, text, *tables, name="ledger-1.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    items = [i for piece in opened(folder, *tables).slices({}) for i in piece.read()]
    rows = [row for i in items if isinstance(i, Columns) for row in i.table.to_pylist()]
    return rows, [i for i in items if isinstance(i, Rejected)]


def amounts(rows):
    return {row["payment_id"]: Decimal(row["amount_micros"]) / MICROS for row in rows}


def changed(**ledger):
    return MAPPING | {"ledger": {**MAPPING["ledger"], **ledger}}


def test_only_money_that_came_or_went_back_is_loaded(tmp_path):
    rows, rejected = load(tmp_path, LEDGER, MAPPING)
    assert rejected == []
    assert amounts(rows) == {
        "1002": Decimal(180),
        "1004": Decimal(1030),
        "1005": Decimal(-15),
        "1006": Decimal(-180),  # a payment that was posted with the other sign is taken back
        "1007": Decimal(-25),
        "1008": Decimal(0),  # void: it takes the place of what was loaded before
        "1010": Decimal(-20),
    }
    first = rows[0]
    assert first["patient_id"] == "00042"
    assert first["posted_at"] == datetime(2026, 11, 9, 5, 0, tzinfo=UTC)
    assert first["balance_micros"] == 70 * MICROS


def test_payers_become_classes(tmp_path):
    rows, _ = load(tmp_path, LEDGER, MAPPING)
    classes = {row["payment_id"]: row["payer_class"] for row in rows}
    assert classes == {
        "1002": "commercial", "1004": None, "1005": None, "1006": "medicare", "1007": "self_pay",
        "1008": "medicaid", "1010": "other",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("payer", "expected"),
    [
        ("Medicare Advantage (Humana)", "medicare"),
        ("BCBS of Ohio", "commercial"),
        ("Workers' Comp Fund", "workers_comp"),
        ("TRICARE West", "military"),
        ("VA Community Care", "military"),
        ("Humana Military", "military"),
        ("Anthem BCBS of VA", "commercial"),
        ("Self", "self_pay"),
        ("Outpatient Mutual", "other"),
        ("Nevada Health", "other"),  # no VA in it
        ("PATIENT", "self_pay"),
        ("union fund 12", "union"),
    ],
)
def test_payer_classes_can_be_edited(tmp_path, payer, expected):
    table = MAPPING | {"patterns": {"payer_class": {r"union\b": "union"}}}
    line = f"1,11/09/2026,1,Copay,5.00,{payer},,\n"
    rows, _ = load(tmp_path, LEDGER.splitlines()[0] + "\n" + line, table)
    assert rows[0]["payer_class"] == expected


def test_a_line_of_an_unknown_type_is_refused_not_guessed(tmp_path):
    text = LEDGER + "1011,11/15/2026,00044,Transfer,33.00,,,\n1012,11/15/2026,00044,,3.00,,,\n"
    rows, rejected = load(tmp_path, text, MAPPING)
    assert len(rows) == 7
    assert [(r.row_number, r.column, r.shape) for r in rejected] == [
        (12, "Type", "text of 8, letters"), (13, "Type", "empty"),
    ]  # fmt: skip
    assert {r.reason for r in rejected} == {"is no type of line that the mapping's ledger names"}


def test_what_is_wrong_with_a_charge_is_nobody_s_business(tmp_path):
    text = LEDGER.replace("250.00,Aetna", "n/a,Aetna")
    assert load(tmp_path, text, MAPPING)[1] == []
    rows, rejected = load(tmp_path, LEDGER.replace("180.00,Aetna", "n/a,Aetna"), MAPPING)
    assert [(r.row_number, r.column) for r in rejected] == [(3, "Amount")]
    assert len(rows) == 6


COLUMNS_APART = """Ticket,Posted,Account,Charges,Ins Paid,Pt Paid,Adj
A-1,2026-11-02,77,300.00,,,
A-2,2026-11-09,77,,-200.00,,-50.00
A-3,2026-11-10,77,,,-50.00,
A-4,2026-11-11,77,,,12.50,
A-5,2026-11-12,77,,-10.00,-5.00,
"""


def apart(column, payer, suffix):
    return {
        "match": "ledger-*.csv",
        "row": "payment",
        "columns": {
            "payment_id": "Ticket", "posted_at": "Posted", "patient_id": "Account",
            "amount": column,
        },
        "constants": {"currency": "USD", "payer_class": payer},
        "suffixes": {"payment_id": suffix},
        "ledger": {"receipts_are": "negative"},
    }  # fmt: skip


def test_payments_in_columns_of_their_own_with_negative_receipts(tmp_path):
    tables = (apart("Ins Paid", "commercial", "/ins"), apart("Pt Paid", "self_pay", "/pt"))
    rows, rejected = load(tmp_path, COLUMNS_APART, *tables)
    assert rejected == []
    assert amounts(rows) == {
        "A-2/ins": Decimal(200),
        "A-5/ins": Decimal(10),
        "A-3/pt": Decimal(50),
        "A-4/pt": Decimal("-12.5"),
        "A-5/pt": Decimal(5),
    }
    assert {r["payer_class"] for r in rows if r["payment_id"].endswith("/pt")} == {"self_pay"}


def test_the_money_of_a_ledger_is_counted_once_however_often_it_comes(tmp_path):
    with raw_store() as store:
        (tmp_path / "ledger-1.csv").write_text(LEDGER, encoding="utf-8")
        store.refresh(opened(tmp_path, MAPPING))
        assert store.refresh(opened(tmp_path, MAPPING)) == []
        total = "select sum(amount_micros) / 1000000, count(*) from raw_payment"
        assert store.ask(total) == [(970, 7)]
        # The next export overlaps, and a payment in it has been voided since.
        later = LEDGER.replace("70.00,\n", "70.00,11/20/2026\n", 1)
        (tmp_path / "ledger-2.csv").write_text(later, encoding="utf-8")
        store.refresh(opened(tmp_path, MAPPING))
        assert store.ask(total) == [(790, 7)]


CENTS = st.integers(-99_999_999, 99_999_999)
LINES = st.lists(
    st.tuples(
        st.sampled_from(
            ["Copay", "INSURANCE PAYMENT", "refund", "NSF Check", "Charge", "Write-Off"]
        ),
        CENTS,
        st.sampled_from(["-{}", "({})", "{}-", "-${}"]),
        st.sampled_from(["", "Yes", "no"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
@given(lines=LINES, receipts=st.sampled_from(["positive", "negative"]))
def test_a_ledger_adds_up_to_what_came_less_what_went_back(tmp_path, lines, receipts):
    text, came, back = LEDGER.splitlines()[0] + "\n", 0, 0
    for number, (kind, cents, below_zero, void) in enumerate(lines):
        plain = f"{abs(cents) // 100:,}.{abs(cents) % 100:02d}"
        written = below_zero.format(plain) if cents < 0 else plain
        text += f'{number},11/09/2026,1,{kind},"{written}",,,{void}\n'
        if void == "Yes":
            continue
        if kind.lower() in ("copay", "insurance payment"):
            came += cents if receipts == "positive" else -cents
        elif kind.lower() in ("refund", "nsf check"):
            back += abs(cents)
    rows, rejected = load(tmp_path, text, changed(receipts_are=receipts))
    assert rejected == []
    assert sum(row["amount_micros"] for row in rows) == (came - back) * MICROS // 100
    assert len(rows) == sum(kind not in ("Charge", "Write-Off") for kind, *_ in lines)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (changed(receipts_are="up"), 'receipts_are must be "positive" or "negative"'),
        (changed(received=[]), "received must list the types"),
        (changed(received="Copay"), "received must be a list of texts"),
        (changed(ignored=["Refund"]), "'refund' is listed twice"),
        (changed(kind="x"), "ledger: kind is not a setting of it"),
        (MAPPING | {"ledger": {"received": ["x"]}}, "type must name the column"),
        (MAPPING | {"ledger": "yes"}, "ledger must be a table"),
        (MAPPING | {"row": "deal", "columns": {}}, "ledger is for payment rows only"),
        (MAPPING | {"patterns": {"payer_class": {"(": "x"}}}, r"'\(' is no regular expression"),
        (MAPPING | {"patterns": {"amount": {"a": "x"}}}, "patterns: amount is no text of this row"),
        (MAPPING | {"patterns": {"payer_class": ["a"]}}, "must be a table of pattern = class"),
        (MAPPING | {"suffixes": {"posted_at": "x"}}, "suffixes: posted_at is no text"),
    ],
)
def test_a_ledger_that_cannot_be_right_is_named(tmp_path, table, words):
    with pytest.raises(SourceMisconfigured, match=words):
        opened(tmp_path, table)


def test_a_ledger_without_its_type_column_is_refused_whole(tmp_path):
    with pytest.raises(SourceChanged, match=r"no column 'Type' \(for the ledger's type\)"):
        load(tmp_path, LEDGER.replace(",Type,", ",Kind,"), MAPPING)


def test_the_examples_of_the_document_come_out_as_it_says(tmp_path):
    text = DOCUMENT.read_text(encoding="utf-8")
    exports = re.findall(r"^```csv\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    tables = [tomllib.loads(t) for t in re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S)]
    found = []
    for export, table in zip(exports, tables, strict=True):
        ((name, source),) = table["sources"].items()
        (tmp_path / name).mkdir()
        rows, rejected = load(tmp_path / name, export, *source["files"], name=f"{name}-1.csv")
        assert rejected == []
        found.append(
            {row["payment_id"]: (row["amount_micros"], row["payer_class"]) for row in rows}
        )
    assert found == [
        {
            "1002": (180 * MICROS, "commercial"), "1004": (30 * MICROS, None),
            "1005": (-15 * MICROS, None), "1006": (0, "medicaid"),
        },
        {
            "A-2/ins": (200 * MICROS, "commercial"), "A-3/pt": (50 * MICROS, "self_pay"),
            "A-4/pt": (-12.5 * MICROS, "self_pay"),
        },
    ]  # fmt: skip
