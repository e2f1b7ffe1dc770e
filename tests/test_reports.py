"""The channel report: page, file and command line give the same numbers, and names stay text."""

import csv
import io
import math
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zipfile import ZipFile

import marts_fixture as made_up
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet
from reports_fixture import channel_report
from sheet_formulas import evaluated

from attribution.cli import main
from attribution.errors import BadInput
from attribution.metrics import METRICS
from attribution.paths import Home
from attribution.queries import Scope
from attribution.reports import catalog
from attribution.reports.about import about_report
from attribution.reports.asking import export_report
from attribution.reports.cells import guarded, number, plain_number, starts_formula, text
from attribution.reports.channels import campaigns_csv
from attribution.reports.ratios import RATIOS
from attribution.ui import formats
from attribution.ui.freshness import Freshness
from attribution.ui.view import Column, Figure, Table, View, measured
from attribution.ui.views.channels import SHOWN, channels

LAST = made_up.LAST_WEEK
MOST_BARS = 14
PLAIN = ("cpl", "cac", "roas", "roi")
DEFAULT = Scope(LAST - timedelta(weeks=12), LAST)
ABOUT = about_report("Channel report", 3, DEFAULT, Freshness("fresh", 3, None))
HOSTILE = [
    '=HYPERLINK("http://evil.example","click")',
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\u200b=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    "﹦1",
    "'=1",
    "http://evil.example/",
    "{=1+1}",
    "_x003D_1",
    "00123",
    "1e5",
    "nul\x00byte",
    'quote " and, comma',
    "x" * 40_000,
]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return made_up.make_home(tmp_path_factory.mktemp("reports") / "home")


@pytest.fixture(scope="module")
def view(published: Home) -> View:
    return channels(published, 1, DEFAULT, protected=False)


def made(*rows: tuple[Any, ...]) -> View:
    """A view with these rows: channel, campaign, spend, leads, new patients, collected."""
    names = ["channel", "campaign", "spend", "leads", "new_patients", "collected"]
    frame = pd.DataFrame(rows, columns=names)
    frame = frame.assign(sessions=float("nan"), booked=1.5, kept=1.0)
    values = frame.to_dict("records")
    for name in PLAIN:
        frame[name] = pd.Series([RATIOS[name].value(row) for row in values], dtype="float64")
    words = (Column("channel", "Channel"), Column("campaign", "Campaign"))
    numbers = tuple(map(measured, SHOWN))

    def table(*names: Column) -> Table:
        columns = (*names, *numbers)
        return Table("Rows", columns, frame[[column.name for column in columns]])

    return View(
        "Which?",
        figures={"return": Figure("Return", {}, "Takeaway.")},
        tables={"channels": table(words[0]), "campaigns": table(*words)},
    )


def dangerous(cell: str) -> bool:
    """Whether a cell begins, after what no eye sees, with a sign that starts a formula."""
    return cell.lstrip(" \t\r\n\u200b\xa0\x00").startswith(tuple("=+-@＝＋－＠﹦﹢﹣﹫"))


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def book(content: bytes, *, values: bool = False) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(content), data_only=values)


def grid(sheet: Worksheet) -> list[list[Any]]:
    return [list(row) for row in sheet.iter_rows(min_row=2, values_only=True)]


# --- the same numbers everywhere -----------------------------------------------------------------


def test_csv_holds_exactly_what_the_page_shows(view):
    table = view.tables["campaigns"]
    content = channel_report(view, ABOUT, "csv")
    assert content.startswith(b"\xef\xbb\xbf")  # Excel takes it for UTF-8 by this alone
    read = rows_of(content)
    assert content.count(b"\r\n") == content.count(b"\n") == len(table.frame) + 1
    assert [*read[0]] == [*(column.name for column in table.columns), "currency", "small_cells"]
    assert len(read) == len(table.frame)
    for row, shown in zip(read, table.frame.to_dict("records"), strict=True):
        assert (row.pop("currency"), row.pop("small_cells")) == ("USD", "folded")
        for name, cell in row.items():
            if isinstance(shown[name], str):
                assert cell == shown[name]
            elif math.isnan(shown[name]):
                assert cell == ""
            else:
                assert float(cell) == shown[name]


@pytest.mark.parametrize("name", ["channels", "campaigns"])
def test_workbook_holds_what_the_page_shows(view, name):
    table = view.tables[name]
    sheet = book(channel_report(view, ABOUT, "xlsx"), values=True)[name.title()]
    assert [cell.value for cell in sheet[1]] == [column.title for column in table.columns]
    for row, shown in zip(grid(sheet)[:-2], table.frame.to_dict("records"), strict=True):
        for column, cell in zip(table.columns, row, strict=True):
            value = shown[column.name]
            if column.name == "channel":
                assert cell == formats.title(value)
            elif isinstance(value, str):
                assert cell == value
            elif math.isnan(value):
                assert cell is None
            else:
                assert cell == pytest.approx(value, rel=1e-14, abs=1e-12)


def test_pandas_reads_the_csv_without_being_told_anything(view):
    table = view.tables["campaigns"]
    read = pd.read_csv(io.BytesIO(channel_report(view, ABOUT, "csv")))
    read["campaign"] = read["campaign"].fillna("")
    shown = table.frame.reset_index(drop=True)
    pd.testing.assert_frame_equal(
        read.drop(columns=["currency", "small_cells"]), shown, check_dtype=False
    )


@pytest.mark.parametrize("fmt", ["csv", "xlsx"])
def test_page_export_and_command_line_are_the_same_file(published, fmt, monkeypatch, tmp_path):
    monkeypatch.setenv("CARETRACE_HOME", str(published.folder))
    page = catalog.rendered(published, 1, "channels", fmt, DEFAULT).content
    out = tmp_path / f"report.{fmt}"
    assert main(["export", "channels", "--format", fmt, "--out", str(out)]) == 0
    assert page == export_report(published, "channels", fmt) == out.read_bytes()


def test_command_line_filters_as_the_page_does(published, monkeypatch, tmp_path):
    monkeypatch.setenv("CARETRACE_HOME", str(published.folder))
    since, until = LAST - timedelta(weeks=3), LAST - timedelta(weeks=1)
    scope = Scope(since, until, "kept", "linear", ("cardiology",), ("Harbor", "North"))
    out = tmp_path / "report.csv"
    asked = ["--model", "linear", "--kind", "kept", "--service-line", "cardiology"]
    asked += ["--location", "north", "--location", "Harbor"]
    asked += ["--since", str(since + timedelta(days=2)), "--until", str(until), "--out", str(out)]
    assert main(["export", "channels", *asked]) == 2  # credit by place is of few people
    assert main(["export", "channels", "--small-cells", *asked]) == 0
    inside = about_report(
        "Channel report", 3, DEFAULT, Freshness("fresh", 3, None), small_cells=True
    )
    written = out.read_bytes()
    assert written == channel_report(channels(published, 1, scope, protected=False), inside, "csv")
    assert {row["small_cells"] for row in rows_of(written)} == {
        "for use inside the organisation only"
    }


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--model", "magic"], "no model 'magic'. Choose from: first"),
        (["--kind", "births"], "no kind 'births'"),
        (["--service-line", "alchemy"], "no service line 'alchemy'. Choose from: cardiology"),
        (["--since", "2031-01-01"], "The data reach from"),
        (["--until", "1999-01-01"], "The data reach from"),
        (["--since", "2026-10-01", "--until", "2026-09-01"], "before it begins"),
    ],
)
def test_command_line_refuses_what_the_data_do_not_have(
    published, monkeypatch, capfdbinary, asked, said
):
    monkeypatch.setenv("CARETRACE_HOME", str(published.folder))
    assert main(["export", "channels", *asked]) == 2
    out, err = capfdbinary.readouterr()
    assert said in err.decode()
    assert out == b""


def test_nothing_published_and_nothing_to_show_are_said(home):
    with pytest.raises(BadInput, match="Run `caretrace refresh`"):
        export_report(home, "channels", "csv")
    with pytest.raises(BadInput, match="Choose a longer period"):
        channel_report(View("Which?", empty="Choose a longer period."), ABOUT, "xlsx")


# --- the workbook --------------------------------------------------------------------------------


def test_formulas_come_to_the_values_kept_beside_them(view):
    assert formulas_checked(channel_report(view, ABOUT, "xlsx")) > 100


def formulas_checked(content: bytes) -> int:
    """How many formulas there are; each comes to the value kept beside it."""
    formulas, values = book(content), book(content, values=True)
    counted = 0
    for name in ("Channels", "Campaigns"):
        kept = values[name]
        for row in formulas[name].iter_rows(min_row=2):
            for cell in row:
                if cell.data_type == "f":
                    counted += 1
                    expected = kept[cell.coordinate].value
                    found = evaluated(cell.value, kept)
                    assert (found is None) == (expected is None), cell.coordinate
                    assert found is None or found == pytest.approx(expected), cell.coordinate
    return counted


def test_a_ratio_over_some_campaigns_is_no_formula_over_all_of_them():
    rows = (
        ("paid_search", "Brand", float("nan"), 9.0, 5.0, 900.0),
        ("paid_search", "Hip", 100.0, 4.0, 2.0, 90.0),
    )
    whole = made(("paid_search", "", 100.0, 13.0, 7.0, 990.0)).tables["channels"]
    mixed = whole.frame.assign(cpl=25.0, cac=50.0, roas=0.9, roi=-0.1)
    view = made(*rows)
    view = replace(view, tables={**view.tables, "channels": replace(whole, frame=mixed)})
    content = channel_report(view, ABOUT, "xlsx")
    formulas, values = book(content), book(content, values=True)
    at = [column.name for column in whole.columns].index("roas")
    assert [row[at] for row in grid(formulas["Channels"])] == [0.9, None, None]
    row, paid, every = (row[at + 1] for row in grid(values["Campaigns"])[-3:])
    assert (row, paid, every) == (pytest.approx(0.9), pytest.approx(0.9), None)
    assert formulas_checked(content) > 10


def test_totals_are_those_of_the_page(view):
    made = book(channel_report(view, ABOUT, "xlsx"), values=True)
    sheet = made["Channels"]
    names = [column.name for column in view.tables["channels"].columns]
    # A campaign without spend of a channel with some is in the one and not in the other.
    assert grid(made["Campaigns"])[-2][0] == "Campaigns with spend"
    paid, every = (dict(zip(names, row, strict=True)) for row in grid(sheet)[-2:])
    headline = {each.name: each.value for each in view.metrics}
    assert paid["channel"] == "Channels with spend"
    assert paid["collected"] == pytest.approx(headline["paid_collected"])
    assert paid["roas"] == pytest.approx(headline["paid_roas"])
    assert every["spend"] == pytest.approx(headline["spend"])
    assert every["collected"] == pytest.approx(view.tables["channels"].frame["collected"].sum())


def test_the_ends_of_intervals_are_in_the_workbook_and_in_no_total(view):
    shown = view.tables["channels"]
    sheet = book(channel_report(view, ABOUT, "xlsx"), values=True)["Channels"]
    names = [column.name for column in shown.columns]
    *rows, paid, every = (dict(zip(names, row, strict=True)) for row in grid(sheet))
    known = [row for row in rows if row["credit_low"] is not None]
    assert len(known) == int(shown.frame["credit_low"].notna().sum()) > 5
    assert all(row["credit_low"] <= row["booked"] <= row["credit_high"] for row in known)
    for total in (paid, every):
        assert total["credit_low"] is None
        assert total["credit_high"] is None


def test_numbers_have_formats_that_people_read(view):
    sheet = book(channel_report(view, ABOUT, "xlsx"))["Channels"]
    names = [column.name for column in view.tables["channels"].columns]
    written = {name: sheet.cell(2, at).number_format for at, name in enumerate(names, start=1)}
    assert written["spend"] == '"$"#,##0;-"$"#,##0'
    assert written["cac"] == '"$"#,##0.00;-"$"#,##0.00'
    assert (written["roas"], written["roi"]) == ('#,##0.0"x"', "#,##0.0%")
    assert (written["sessions"], written["leads"]) == ("#,##0", "#,##0.0")
    last = sheet.max_row
    assert all(sheet.cell(last, at).font.bold for at in range(1, len(names) + 1))
    assert not sheet.cell(2, 1).font.bold


@pytest.mark.parametrize(("name", "pane"), [("Channels", "B2"), ("Campaigns", "C2")])
def test_headers_stay_filter_and_print(view, name, pane):
    sheet = book(channel_report(view, ABOUT, "xlsx"))[name]
    rows = len(view.tables[name.lower()].frame)
    assert sheet.freeze_panes == pane
    assert sheet.auto_filter.ref == f"A1:{get_column_letter(sheet.max_column)}{rows + 1}"
    assert sheet.print_title_rows == "$1:$1"
    assert sheet.page_setup.orientation == "landscape"
    assert sheet.page_setup.fitToHeight == 0
    assert "&P" in sheet.oddFooter.right.text


def test_the_chart_draws_the_cells(view):
    with ZipFile(io.BytesIO(channel_report(view, ABOUT, "xlsx"))) as parts:
        chart = parts.read("xl/charts/chart1.xml").decode()
        drawing = parts.read("xl/drawings/drawing1.xml").decode()
    frame = view.tables["channels"].frame
    spending = int((frame["spend"] > 0).sum()) - 1  # unmapped stands apart, at the end
    columns = [column.name for column in view.tables["channels"].columns]
    for name in ("spend", "collected"):
        letter = get_column_letter(columns.index(name) + 1)
        assert f"Channels!${letter}$2:${letter}${spending + 1}" in chart
    assert view.figures["return"].alt in drawing


def test_a_report_without_spend_has_no_chart_and_no_ratio():
    content = channel_report(made(("direct", "(none)", 0.0, 3.0, 1.0, 250.0)), ABOUT, "xlsx")
    sheet = book(content, values=True)["Channels"]
    names = [measured(name).title for name in PLAIN]
    header = [cell.value for cell in sheet[1]]
    assert not any("chart" in name for name in ZipFile(io.BytesIO(content)).namelist())
    for row in grid(sheet):
        assert [row[header.index(name)] for name in names] == [None] * len(names)


def test_definitions_and_about_say_what_the_numbers_are(view):
    workbook = book(channel_report(view, ABOUT, "xlsx"))
    meanings = {row[0]: row[1:] for row in grid(workbook["Definitions"])}
    for each in (METRICS[name] for name in SHOWN):
        assert list(meanings[each.title][:2]) == [each.sentence, each.formula]
    facts = dict(row[:2] for row in grid(workbook["About"]))
    assert facts["Period"] == ABOUT["period"]
    assert ABOUT["model"] in facts["Credit model"]
    assert facts["Conversion"].startswith(METRICS["booked"].title)
    assert facts["Data"].startswith("Generation 3")
    assert facts["Freshness"] == ABOUT["freshness"]
    beside = view.tables["returns"]
    assert beside.note.startswith("Credited by ")
    assert facts[beside.title] == beside.note


def test_the_same_view_gives_the_same_bytes(view):
    for fmt in ("csv", "xlsx"):
        assert channel_report(view, ABOUT, fmt) == channel_report(view, ABOUT, fmt)


# --- names from outside --------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name)[:20])
def test_no_name_is_a_formula(name):
    hostile = made((name, name, 10.0, 2.0, 1.0, -5.0))
    (row,) = rows_of(channel_report(hostile, ABOUT, "csv"))
    for cell in (row["channel"], row["campaign"]):
        assert not dangerous(cell)
        assert not set(cell) & set("\t\r\n\x00")
    assert row["collected"] == "-5"
    content = channel_report(hostile, ABOUT, "xlsx")
    cell = book(content)["Campaigns"]["B2"]
    assert cell.data_type == "s"
    assert cell.quotePrefix == dangerous(name)
    with ZipFile(io.BytesIO(content)) as parts:
        assert not any("hyperlink" in part or "externalLink" in part for part in parts.namelist())
        assert b"<hyperlink" not in parts.read("xl/worksheets/sheet3.xml")


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=40))
def test_a_guarded_name_is_inert_and_comes_back(name):
    cell = guarded(name)
    assert not dangerous(cell)
    shown = text(name)
    back = cell[1:] if cell != shown else cell
    assert back == shown
    # Whoever reads the file can tell: one apostrophe was added exactly where it had to be.
    assert (cell != shown) == starts_formula(shown.lstrip("'"))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=4))
def test_any_names_survive_both_files(names):
    many = made(*(("email", name, 1.0, 1.0, 1.0, 1.0) for name in names))
    read = rows_of(campaigns_csv(many.tables["campaigns"], "USD"))
    assert [row["campaign"] for row in read] == [guarded(name) for name in names]
    sheet = book(channel_report(many, ABOUT, "xlsx"))["Campaigns"]
    found = [sheet.cell(row, 2).value or "" for row in range(2, len(names) + 2)]
    assert found == [text(name) for name in names]
    assert all(sheet.cell(row, 2).data_type in "sn" for row in range(2, len(names) + 2))


@given(st.floats())
def test_a_number_reads_back_as_itself(value):
    cell = plain_number(value)
    if not math.isfinite(value):
        assert cell == ""
        return
    assert float(cell) == value
    assert re.fullmatch(r"-?\d+(\.\d+)?", cell)
    assert cell != "-0"
    assert number(value) == value


def test_what_is_no_number_is_empty():
    assert plain_number(None) == plain_number(float("nan")) == plain_number("12") == ""


def test_a_report_of_many_campaigns_keeps_its_chart_small():
    rows = [(f"channel_{i}", f"Campaign {i}", 900.0 - i, 2.0, 1.0, 3.0 * i) for i in range(300)]
    content = channel_report(made(*rows), ABOUT, "xlsx")
    assert book(content)["Campaigns"].max_row == 303
    with ZipFile(io.BytesIO(content)) as parts:
        assert f"$A$2:$A${MOST_BARS + 1}" in parts.read("xl/charts/chart1.xml").decode()
