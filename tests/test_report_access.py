"""Reports for everybody who gets them: PDFs read aloud, names that do nothing, notes, previews."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from zipfile import ZipFile

import duckdb
import marts_fixture as made_up
import openpyxl
import pptx
import pypdf
import pytest
from pypdf.generic import ContentStream

from attribution import annotations
from attribution.cli import main
from attribution.errors import NotAllowed
from attribution.paths import Home
from attribution.reports import catalog
from attribution.reports.about import organisation
from attribution.reports.catalog import Rendered, pages
from attribution.reports.document import known
from attribution.reports.drawing import draw
from attribution.roles import Reader

LAST = made_up.LAST_WEEK
VIEWER, ANALYST = (Reader("Vi", frozenset({role})) for role in ("viewer", "analyst"))
# What platforms and people may call a channel: formulas, addresses, markup.
CHANNELS = {
    "display": "=cmd()",
    "video": "+1",
    "paid_social": "@x",
    "paid_search": "http://evil.example/a",
}
NOTE = "=1+1 A new clinic opened"
MADE = [
    *(("channels", fmt) for fmt in catalog.FORMATS),
    *(("board", fmt) for fmt in ("xlsx", "pptx", "csv")),
    ("service-lines", "xlsx"),
]
STANDARD = {  # types of PDF 1.7
    *("Document", "Part", "Sect", "Div", "NonStruct", "P", "H1", "H2", "H3", "Title", "Span"),
    *("Em", "Strong", "L", "LI", "Lbl", "LBody", "Table", "THead", "TBody", "TR", "TH", "TD"),
    *("Figure", "Caption"),
}
PAINTS = {b"Tj", b"TJ", b"'", b'"', b"f", b"F", b"f*", b"S", b"s", b"B", b"B*", b"b", b"b*", b"Do"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A generation whose channels have names that somebody thought about, and a note."""
    home = made_up.make_home(tmp_path_factory.mktemp("access") / "home")
    home.config.write_text(home.config.read_text() + 'title = "Harbor & Sons #1"\n')
    generation = home.generation(1)
    for name in ("marts.duckdb", "viewers.duckdb"):
        with duckdb.connect(str(generation / name)) as marts:
            for table in ("credit", "spend", "credit_groups", "incremental", "reactivation"):
                for old, new in CHANNELS.items():
                    marts.execute(f"update {table} set channel = ? where channel = ?", [new, old])
    annotations.write(home, ANALYST, LAST - timedelta(days=9), NOTE)
    annotations.write(home, ANALYST, date(2024, 1, 1), "Long before")
    return home


@pytest.fixture(scope="module")
def made(home: Home) -> dict[tuple[str, str], Rendered]:
    return {
        (name, fmt): catalog.render(home, 1, name, fmt, small_cells=True, reader=VIEWER)
        for name, fmt in MADE
    }


# --- names that do nothing -----------------------------------------------------------------------


def books(content: bytes) -> Iterator[tuple[str, bytes]]:
    """A workbook, and those within a deck."""
    with ZipFile(io.BytesIO(content)) as parts:
        within = [name for name in parts.namelist() if name.endswith(".xlsx")]
        for name in within:
            yield name, parts.read(name)
        if not within and "xl/workbook.xml" in parts.namelist():
            yield "itself", content


@pytest.mark.parametrize(("name", "fmt"), [each for each in MADE if each[1] in ("xlsx", "pptx")])
def test_no_channel_is_a_formula_or_a_link_in_any_workbook(made, name, fmt):
    content = made[name, fmt].content
    texts, formulas = set(), []
    for part, book in books(content):
        for sheet in openpyxl.load_workbook(io.BytesIO(book)):
            for row in sheet.iter_rows():
                for cell in row:
                    if cell.data_type == "f":
                        formulas.append(cell.value)
                    elif isinstance(cell.value, str):
                        texts.add(cell.value)
                        risky = cell.value.startswith(("=", "+", "-", "@"))
                        assert not risky or cell.quotePrefix, (part, cell.value)
                    assert cell.hyperlink is None
    # Ours alone: sums, ratios, and how far whiskers reach.
    ours = r"=(SUM|SUMIF|IF)\([A-Z0-9$:,/()\->\"AND]*\)|=[A-Z]+\d+-[A-Z]+\d+"
    assert all(re.fullmatch(ours, each) for each in formulas), formulas
    if name in ("channels", "board"):
        assert {"=cmd()", "+1", "@x"} <= texts
    with ZipFile(io.BytesIO(content)) as parts:
        for part in parts.namelist():
            assert not re.search(r"externalLink|vbaProject|oleObject|activeX", part), part
            said = parts.read(part)
            assert b"hlinkClick" not in said
            assert b'TargetMode="External"' not in said


@pytest.mark.parametrize("name", ["channels", "board"])
def test_no_channel_starts_a_formula_in_a_csv_file(made, name):
    rows = csv.reader(io.StringIO(made[name, "csv"].content.decode("utf-8-sig")))
    cells = [cell for row in rows for cell in row]
    assert not [c for c in cells if c.startswith(("=", "+", "@"))]
    assert any(cell.startswith("'=cmd()") for cell in cells)
    assert not [c for c in cells if c.startswith("-") and not re.fullmatch(r"-[\d.]+", c)]


def test_no_channel_does_anything_in_a_pdf_file(made):
    content = made["channels", "pdf"].content
    reader = pypdf.PdfReader(io.BytesIO(content))
    said = "".join(page.extract_text() for page in reader.pages)
    assert {"=cmd()", "@x"} <= set(said.split())
    assert "Harbor & Sons #1" in said
    for page in reader.pages:
        for note in page.get("/Annots", []):
            assert "/A" not in note.get_object(), "a link or an action"
    root = reader.trailer["/Root"]
    assert not {"/OpenAction", "/AA", "/AcroForm"} & set(root)
    assert not {"/JavaScript", "/EmbeddedFiles"} & set(root.get("/Names", {}))


# --- PDF/UA --------------------------------------------------------------------------------------


def nodes(node: Any) -> Iterator[Any]:
    """Every element of a structure tree, in reading order."""
    node = node.get_object()
    if isinstance(node, list):
        for child in node:
            yield from nodes(child)
    elif isinstance(node, dict):
        if "/S" in node:
            yield node
        if "/K" in node:
            yield from nodes(node["/K"])


def painted(page: Any) -> tuple[int, list[int]]:
    """How much of a page is painted outside of tags and artifacts; the tags in order."""
    open_, loose, order = 0, 0, []
    for operands, operator in ContentStream(page.get_contents(), page.pdf).operations:
        if operator in (b"BDC", b"BMC"):
            open_ += 1
            if operator == b"BDC" and isinstance(operands[1], dict) and "/MCID" in operands[1]:
                order.append(int(operands[1]["/MCID"]))
        elif operator == b"EMC":
            open_ -= 1
        elif operator in PAINTS and not open_:
            loose += 1
    return loose, order


def test_a_pdf_has_the_structure_that_readers_aloud_go_by(made):
    told = made["channels", "pdf"]
    reader = pypdf.PdfReader(io.BytesIO(told.content))
    root = reader.trailer["/Root"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.metadata.title.startswith("Channel report, ")
    assert root["/Lang"] == "en"
    assert all(page["/Tabs"] == "/S" for page in reader.pages)
    every = list(nodes(root["/StructTreeRoot"]))
    kinds = [node["/S"] for node in every]
    roles = root["/StructTreeRoot"].get("/RoleMap", {})
    assert {str(roles.get(kind, kind)).lstrip("/") for kind in kinds} <= STANDARD
    levels = [int(kind[2:]) for kind in kinds if re.fullmatch("/H[1-6]", kind)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(str(node["/Alt"]).strip(" .") for node in every if node["/S"] == "/Figure")
    drawn = [s for s in told.document.sections if draw(s, "USD")[0]]
    assert kinds.count("/Figure") >= 1 + len(drawn)
    heads = [node for node in every if node["/S"] == "/TH"]
    assert len(heads) == 3 + sum(len(known(s).columns) for s in told.document.sections)
    for node in heads:
        scopes = node["/A"] if isinstance(node["/A"], list) else [node["/A"]]
        assert "/Column" in [each.get_object().get("/Scope") for each in scopes]


def test_a_pdf_has_nothing_outside_of_its_tags_and_bookmarks_for_its_parts(made):
    told = made["channels", "pdf"]
    reader = pypdf.PdfReader(io.BytesIO(told.content))
    for page in reader.pages:
        loose, order = painted(page)
        assert loose == 0
        assert order == sorted(order), "read in the order in which it stands"
    named = [each.title for each in flat(reader.outline)]
    parts = [section.table.title for section in told.document.sections]
    assert named == ["Channel report", *parts, "What the numbers mean", "How to read this report"]


def flat(outline: list[Any]) -> Iterator[Any]:
    for each in outline:
        if isinstance(each, list):
            yield from flat(each)
        else:
            yield each


# --- notes, and a look before it is sent ---------------------------------------------------------


def test_notes_of_the_period_stand_in_reports_for_those_who_may_read_them(home, made):
    document = made["board", "xlsx"].document
    section = document.sections[-1]
    assert section.table.frame[["mark", "note"]].to_numpy().tolist() == [["1", NOTE]]
    weekly = next(s for s in document.sections if s.name == "Week by week")
    assert weekly.chart.marks == (LAST - timedelta(days=9),)
    assert "stroke-dasharray" in draw(weekly, "USD")[0]
    assert made["board", "xlsx"].manifest["notes"] == 1
    assert "What happened" in {s.name for s in made["channels", "pdf"].document.sections}
    slides = pptx.Presentation(io.BytesIO(made["board", "pptx"].content)).slides
    cells = [c.text for s in slides for f in s.shapes if f.has_table for c in f.table.iter_cells()]
    assert NOTE in cells
    without = catalog.render(home, 1, "board", "csv").document
    assert "What happened" not in {each.name for each in without.sections}
    with pytest.raises(NotAllowed):
        catalog.render(home, 1, "board", "csv", reader=Reader("Nobody", frozenset()))


def test_a_preview_has_the_pages_of_the_file(made):
    told = made["channels", "pdf"]
    pictures = pages(told)
    assert len(pictures) == len(pypdf.PdfReader(io.BytesIO(told.content)).pages)
    assert all(each.startswith(b"\x89PNG") for each in pictures)
    assert pages(made["channels", "csv"]) == ()


@pytest.mark.parametrize(("name", "fmt"), [("board", "pptx"), ("service-lines", "xlsx")])
def test_command_line_and_schedule_make_the_same_file(home, made, name, fmt, monkeypatch, tmp_path):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    out = tmp_path / f"report.{fmt}"
    assert main(["export", name, "--format", fmt, "--small-cells", "--out", str(out)]) == 0
    assert out.read_bytes() == made[name, fmt].content


def test_a_report_does_not_fail_over_the_settings(tmp_path):
    home = Home(tmp_path)
    assert organisation(home) == ""
    for said, told in (
        ("title = [broken", ""),
        ("title = 7", ""),
        ("title = 'Harbor\tof  Hope'", "Harbor of Hope"),
    ):
        home.config.write_text(said)
        assert organisation(home) == told


@pytest.mark.parametrize("report", ["channels", "journeys", "experience", "forecast", "education"])
@pytest.mark.parametrize("option", ["zip3", "age-band", "lapse", "months-silent", "condition"])
def test_no_other_report_is_narrowed_by_what_patients_have_in_common(report, option, capfd):
    assert main(["export", report, f"--{option}", "600"]) == 2
    assert f"Leave --{option} out" in capfd.readouterr().err
