"""The reports of the catalogue: every format holds what the views say, and tells what is new."""

import csv
import io
import json
import math
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from zipfile import ZipFile

import duckdb
import numpy as np
import openpyxl
import pandas as pd
import pptx
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports_fixture import ABOUT, LAST, SCOPE, two_generations
from sheet_formulas import evaluated
from test_palette import contrast

from attribution import audit
from attribution.cli import main
from attribution.errors import BadInput
from attribution.metrics import METRICS
from attribution.paths import Home
from attribution.reports import catalog, printed, slides
from attribution.reports.assembling import Asked
from attribution.reports.cells import guarded, text
from attribution.reports.channels import document_csv
from attribution.reports.contents import DOCUMENTS
from attribution.reports.document import Chart, Document, Section, chart_title, known
from attribution.reports.drawing import draw, sparkline
from attribution.reports.lettering import SAID
from attribution.reports.ratios import RATIOS
from attribution.reports.workbook import workbook
from attribution.ui.view import Column, Metric, Table, measured
from attribution.ui.views import board
from attribution.ui.views.service_lines import service_lines

HOSTILE = '=cmd|1 #read("/etc/passwd") $x$ *b* [l] </text><script>alert(1)</script> @x \\ "'
REPORTS = tuple(catalog.REPORTS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return two_generations(tmp_path_factory.mktemp("files") / "home")


@pytest.fixture(scope="module")
def documents(home: Home) -> dict[str, Document]:
    return {
        name: make(Asked(home, 2, SCOPE, ABOUT, protected=False, since_generation=1))
        for name, make in DOCUMENTS.items()
    }


def rows_of(section: Section) -> list[dict[str, Any]]:
    return section.table.frame.to_dict("records")


def squeezed(said: str) -> str:
    """Without spaces, where lines may break, and ligatures, which extraction gives back as such."""
    for one, two in (("ﬁ", "fi"), ("ﬂ", "fl"), ("ﬀ", "ff"), ("ﬃ", "ffi"), ("ﬄ", "ffl")):
        said = said.replace(one, two)
    return "".join(said.split())


def pdf_text(content: bytes) -> str:
    return squeezed(
        " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)
    )


# --- every cell ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPORTS)
def test_csv_holds_every_number(documents, name):
    document = documents[name]
    read = list(csv.DictReader(io.StringIO(document_csv(document).decode("utf-8-sig"))))
    if document.csv is not None:
        shown = document.csv.frame.to_dict("records")
        assert len(read) == len(shown)
        for row, values in zip(read, shown, strict=True):
            for key, value in values.items():
                assert row[key] == (value if isinstance(value, str) else plain(value))
        return
    found = [row["value"] for row in read]
    told = [plain(each.value) for each in document.headline]
    for section in document.sections:
        numbers = [c.name for c in section.table.columns if c.format not in ("text", "day")]
        told += [plain(row[key]) for row in rows_of(section) for key in numbers]
    assert found == told
    assert len(told) > 50


def plain(value: Any) -> str:
    number = None if value is None else float(value)
    if number is None or math.isnan(number):
        return ""
    return str(int(number)) if number == int(number) else repr(number)


@pytest.mark.parametrize("name", REPORTS)
def test_workbook_holds_every_cell_and_its_formulas_come_to_them(documents, name):
    document = documents[name]
    content = workbook(document)
    values = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
    live = openpyxl.load_workbook(io.BytesIO(content))
    assert values.sheetnames == [
        "Summary",
        *(section.name for section in document.sections),
        "Definitions",
        "About",
    ]
    counted = 0
    for section in document.sections:
        sheet, formulas = values[section.name], live[section.name]
        for at, column in enumerate(section.table.columns, start=1):
            assert sheet.cell(1, at).value == column.title
            for row, shown in enumerate(rows_of(section), start=2):
                cell = sheet.cell(row, at).value
                if column.format == "day":
                    assert cell.date() == pd.Timestamp(shown[column.name]).date()
                elif isinstance(shown[column.name], str):
                    assert cell == text(shown[column.name])
                elif pd.isna(shown[column.name]):
                    assert cell is None
                else:
                    assert cell == pytest.approx(shown[column.name], rel=1e-12, abs=1e-12)
                if column.name in RATIOS and cell is not None:
                    assert formulas.cell(row, at).data_type == "f", (section.name, column.name)
        counted += recalculated(formulas, sheet)
    summary = values["Summary"]
    told = [cell for row in summary.iter_rows(values_only=True) for cell in row if cell]
    numbers = [cell for cell in told if isinstance(cell, int | float)]
    for each in document.headline:
        assert each.value is None or pytest.approx(each.value) in numbers
    assert set(document.news) | set(document.sentences) <= set(told)
    recalculated(live["Summary"], summary)
    assert counted > 5
    charts = sum(len(live[section.name]._charts) for section in document.sections)
    assert charts == sum(bool(s.chart) and s.chart.kind != "heat" for s in document.sections)


def recalculated(formulas: Any, kept: Any) -> int:
    """How many formulas a sheet has; each comes to the value kept beside it."""
    counted = 0
    for row in formulas.iter_rows():
        for cell in row:
            if cell.data_type == "f":
                counted += 1
                expected, found = kept[cell.coordinate].value, evaluated(cell.value, kept)
                assert (found is None) == (expected is None), cell.coordinate
                assert found is None or found == pytest.approx(expected), cell.coordinate
    return counted


@pytest.mark.parametrize("name", REPORTS)
def test_pdf_holds_every_cell_and_is_accessible(documents, name):
    document = documents[name]
    content = printed.pdf(document)
    found = pdf_text(content)
    for section in document.sections:
        for row in rows_of(section)[: section.printed]:
            cells = [
                printed.written(row[c.name], c.format, document.currency)
                for c in known(section).columns
            ]
            assert squeezed("".join(cells)) in found, cells
    for said in (*document.news, *document.sentences, *document.notes):
        assert squeezed(said) in found or ABOUT["model_help"] in said
    for meaning in document.definitions():
        assert squeezed(meaning.title + meaning.sentence) in found
    reader = pypdf.PdfReader(io.BytesIO(content))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"].startswith("en")
    assert b"pdfuaid:part" in root["/Metadata"].get_object().get_data()
    assert reader.metadata.creation_date is None
    drawn = [s for s in document.sections if draw(s, document.currency)[0]]
    alternatives = set(figures(root["/StructTreeRoot"]))
    for section in drawn:
        assert f"{chart_title(section)}. {section.chart.words}" in alternatives


def figures(node: Any) -> Iterator[str]:
    """The alternative texts of the figures below a node of the structure tree."""
    node = node.get_object()
    if isinstance(node, list):
        for child in node:
            yield from figures(child)
    elif isinstance(node, dict):
        if node.get("/S") == "/Figure":
            yield str(node.get("/Alt"))
        if "/K" in node:
            yield from figures(node["/K"])


@pytest.mark.parametrize("name", REPORTS)
def test_slides_hold_every_cell(documents, name):
    document = documents[name]
    deck = pptx.Presentation(io.BytesIO(slides.pptx(document)))
    tables, charts = [], []
    for slide in deck.slides:
        for shape in slide.shapes:
            if shape.has_table:
                rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
                tables.append((slide.shapes.title.text, rows))
            if shape.has_chart:
                charts.append((slide.shapes.title.text, shape.chart))
    for section in document.sections:
        columns = known(section).columns
        rows = [row for title, part in tables for row in part[1:] if owned(title, part, section)]
        assert rows == [
            [printed.written(row[c.name], c.format, document.currency) for c in columns]
            for row in rows_of(section)[: section.printed]
        ]
    for title, made in charts:
        (section,) = (s for s in document.sections if s.chart and chart_title(s) == title)
        frame = section.table.frame
        for name_, series in zip(section.chart.values, made.plots[0].series, strict=False):
            plotted = [v for v in series.values if v is not None]
            assert plotted
            assert all(any(v == each for each in frame[name_]) for v in plotted)


@pytest.mark.parametrize(("news", "on"), [(("None.",), 0), (("It is new. " * 30,) * 3, 1)])
def test_much_that_is_new_lies_under_no_number_of_a_deck(documents, news, on):
    sections = documents["board"].sections[:0]
    document = replace(documents["board"], sections=sections, banner="Late. " * 60, news=news)
    first = list(pptx.Presentation(io.BytesIO(slides.pptx(document))).slides)[:2]
    boxes = [s for s in first[on].shapes if s.has_text_frame and s.text_frame.text]
    (spend,) = (s for s in boxes if s.text_frame.text == "Spend")
    above = [
        s for s in boxes if s.top < spend.top and s.text_frame.text[:3] in ("It ", "Non", "Lat")
    ]
    assert all(s.top + s.height <= spend.top for s in above)
    assert bool(above) == (on == 0)


def owned(title: str, part: list[list[str]], section: Section) -> bool:
    return title.removesuffix(", continued") == section.table.title and part[0] == [
        column.title for column in known(section).columns
    ]


# --- the catalogue -------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", catalog.FORMATS)
def test_the_same_generation_is_the_same_file(home, fmt):
    name = "board"
    first, second = (catalog.render(home, 2, name, fmt, since_generation=1) for _ in range(2))
    assert first == second
    assert first.content
    told = json.loads(json.dumps(first.manifest))
    assert (told["report"], told["generation"], told["since_generation"]) == (name, 2, 1)
    assert told["sha256"] == first.sha256
    assert told["filters"]["until"] == str(LAST + timedelta(weeks=1))
    assert re.fullmatch(rf"board-[\d-]+-generation-2\.{fmt}", first.file_name)


def test_a_banner_stands_in_every_format_that_is_read(home):
    banner = "Sent at the deadline though meta_ads is late."
    made = {
        fmt: catalog.render(home, 2, "board", fmt, banner=banner).content
        for fmt in ("xlsx", "pdf", "pptx")
    }
    assert squeezed(banner) in pdf_text(made["pdf"])
    summary = openpyxl.load_workbook(io.BytesIO(made["xlsx"]))["Summary"]
    assert banner in {cell for row in summary.iter_rows(values_only=True) for cell in row}
    first = pptx.Presentation(io.BytesIO(made["pptx"])).slides[0]
    assert any(banner in s.text_frame.text for s in first.shapes if s.has_text_frame)


def test_a_report_says_by_which_day_it_counts_in_every_format(home):
    scope = replace(SCOPE, basis="touch")
    made = {
        fmt: catalog.rendered(home, 2, "channels", fmt, scope, small_cells=True)
        for fmt in catalog.FORMATS
    }
    assert {each.manifest["filters"]["basis"] for each in made.values()} == {"touch"}
    words, remark = "The day of the touch", "the newest weeks are still filling"
    first, *_ = pypdf.PdfReader(io.BytesIO(made["pdf"].content)).pages
    assert squeezed(f"Counted by {words}") in squeezed(first.extract_text())
    assert squeezed(remark) in pdf_text(made["pdf"].content)
    book = openpyxl.load_workbook(io.BytesIO(made["xlsx"].content))
    summary, about = (
        [str(cell) for row in book[name].iter_rows(values_only=True) for cell in row if cell]
        for name in ("Summary", "About")
    )
    assert any(f"Counted by: {words}" in cell for cell in summary)
    assert about[about.index("Counted by") + 1] == words
    assert any(remark in cell for cell in about)
    slide = pptx.Presentation(io.BytesIO(made["pptx"].content)).slides[0]
    shown = [shape.text_frame.text for shape in slide.shapes if shape.has_text_frame]
    assert any(f"Counted by: {words}" in each for each in shown)
    rows = list(csv.DictReader(io.StringIO(made["csv"].content.decode("utf-8-sig"))))
    assert {row["counted_by"] for row in rows} == {words}


def test_a_report_by_the_usual_day_says_it_in_its_manifest_alone(home):
    made = catalog.rendered(home, 2, "channels", "csv", SCOPE, small_cells=True)
    assert made.manifest["filters"]["basis"] == "own"
    assert b"counted_by" not in made.content
    assert ["Counted by"] not in [fact[:1] for fact in printed.printed(made.document)["facts"]]


def test_what_there_is_not_is_refused(home):
    with pytest.raises(BadInput, match=r"no report 'gossip'\. Choose from: channels"):
        catalog.render(home, 2, "gossip", "csv")
    with pytest.raises(BadInput, match="not written as 'docx'"):
        catalog.render(home, 2, "board", "docx")
    with pytest.raises(BadInput, match="Without small cells"):
        catalog.render(home, 2, "board", "csv", said={"service": ["cardiology"]})


@pytest.mark.parametrize(
    ("module", "made", "extra"),
    [
        ("typst", printed, ("pdf", "caretrace[pdf]")),
        ("pptx", slides, ("pptx", "caretrace[slides]")),
    ],
)
def test_a_missing_library_is_named_with_what_to_install(
    documents, monkeypatch, module, made, extra
):
    monkeypatch.setitem(sys.modules, module, None)
    loaded, write = getattr(made, f"_{module}"), getattr(made, extra[0])
    loaded.cache_clear()
    with pytest.raises(BadInput, match=re.escape(extra[1])):
        write(documents["board"])
    loaded.cache_clear()


def test_the_command_line_writes_it_and_it_is_written_down(home, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("CARETRACE_HOME", str(home.folder))
    out = tmp_path / "board.pdf"
    assert main(["export", "board", "--format", "pdf", "--out", str(out)]) == 0
    assert out.read_bytes() == catalog.render(home, 1, "board", "pdf").content
    entry = audit.entries(home, 1).to_dict("records")[0]
    assert entry["subject"] == "board summary"
    assert '"format": "pdf"' in entry["detail"] or "pdf" in entry["detail"]
    assert main(["export", "board", "--kind", "kept"]) == 2
    assert "Leave --kind out" in capfd.readouterr().err
    assert main(["export", "forecast", "--since-generation", "1"]) == 2


# --- names from outside --------------------------------------------------------------------------


def hostile(name: str = HOSTILE) -> Document:
    columns = (Column("campaign", "Campaign"), measured("spend"), measured("collected"))
    frame = pd.DataFrame({"campaign": [name], "spend": [12.0], "collected": [30.0]})
    chart = Chart("bars", "Bars", "campaign", ("spend", "collected"), HOSTILE)
    section = Section("Rows", Table(HOSTILE, columns, frame, note=HOSTILE), chart, "All rows")
    return Document(
        "channels", "Report", "Which?", ABOUT, (section,), notes=(HOSTILE,), news=(HOSTILE,)
    )


def test_no_name_is_markup_formula_or_link():
    document = hostile()
    content = printed.pdf(document)
    found = pdf_text(content)
    assert found.count(squeezed(HOSTILE)) >= 4
    assert b"/URI" not in content
    svg, _ = draw(document.sections[0], "USD")
    assert "<script" not in svg
    ET.fromstring(svg)
    sheet = openpyxl.load_workbook(io.BytesIO(workbook(document)))["Rows"]
    assert sheet["A2"].data_type == "s"
    assert sheet["A2"].quotePrefix
    (row, *_) = csv.DictReader(io.StringIO(document_csv(document).decode("utf-8-sig")))
    assert row["item"] == guarded(HOSTILE)
    deck = pptx.Presentation(io.BytesIO(slides.pptx(document)))
    texts = [
        c.text for s in deck.slides for f in s.shapes if f.has_table for c in f.table.iter_cells()
    ]
    assert HOSTILE in texts


def test_a_letter_that_no_font_has_stands_as_a_square_in_print_and_is_told_of():
    document = hostile("🎉 Spring ไ 心臓 für שלום 1️⃣ key a\u064b")
    found = pdf_text(printed.pdf(document))
    assert squeezed("□ Spring □ □□ für") in found
    assert squeezed("1 key a") in found
    assert squeezed(SAID) in found
    assert squeezed(SAID) not in pdf_text(printed.pdf(hostile("für שלום")))
    assert printed.pictures(document)


def test_a_long_name_takes_lines_in_print_and_not_the_room_of_numbers():
    name = "2026_Q4_Brand_Search_US_EN_" * 7
    numbers = ("spend", "leads", "cpl", "booked", "kept", "cac", "collected")
    columns = (Column("campaign", "Campaign"), *map(measured, numbers))
    frame = pd.DataFrame([(name, *range(5001, 5008))], columns=["campaign", *numbers])
    section = Section("Rows", Table("Rows", columns, frame))
    document = Document("channels", "Report", "Which?", ABOUT, (section,))
    page = pypdf.PdfReader(io.BytesIO(printed.pdf(document))).pages[0]
    found: dict[str, float] = {}
    page.extract_text(
        visitor_text=lambda said, at, *_: found.setdefault(said.strip(), float(at[4]))
    )
    places = [x for said, x in found.items() if re.fullmatch(r"\$?5,00\d", said)]
    assert len(places) == len(numbers)
    assert min(np.diff(sorted(places))) > 36
    assert name in pdf_text(printed.pdf(document))


def test_long_names_take_more_slides_and_no_room_below_one():
    name = "2026_Q4_Brand_Search_US_EN_" * 7
    numbers = ("spend", "leads", "cpl", "booked", "kept", "new_patients", "cac", "collected")
    columns = (Column("campaign", "Campaign"), *map(measured, (*numbers, "roas", "roi")))
    frame = pd.DataFrame([(f"{i} {name}", *range(10)) for i in range(18)])
    frame.columns = [column.name for column in columns]
    section = Section("Rows", Table("Rows", columns, frame))
    document = Document("channels", "Report", "Which?", ABOUT, (section,))
    deck = pptx.Presentation(io.BytesIO(slides.pptx(document)))
    made = [
        f for s in deck.slides for f in s.shapes if f.has_table and "Rows" in s.shapes.title.text
    ]
    assert len(made) > 1
    assert all(f.top + sum(row.height for row in f.table.rows) < 7.05 * 914_400 for f in made)
    names = [row.cells[0].text for f in made for row in list(f.table.rows)[1:]]
    assert names == frame["campaign"].tolist()


# --- charts --------------------------------------------------------------------------------------

VALUE = st.one_of(st.none(), st.floats(min_value=-1e9, max_value=1e9, allow_nan=False))
KINDS = st.sampled_from(["bars", "lines", "dots", "intervals", "heat"])


@settings(deadline=None, max_examples=60)
@given(
    KINDS, st.lists(st.tuples(st.text(max_size=50), VALUE, VALUE, VALUE), min_size=1, max_size=8)
)
def test_every_chart_of_any_numbers_is_well_formed_and_inside_its_frame(kind, rows):
    columns = (
        Column("name", "Name"),
        *(Column(name, name.title(), "money") for name in ("one", "low", "high")),
    )
    frame = pd.DataFrame(rows, columns=["name", "one", "low", "high"])
    frame = frame.astype(dict.fromkeys(("one", "low", "high"), "float64"))
    if kind == "lines":
        frame["name"] = [date(2026, 1, 5) + timedelta(weeks=i) for i in range(len(frame))]
    chart = Chart(kind, "Chart", "name", ("one", "low", "high"), "", across="name")
    svg, ratio = draw(Section("S", Table("T", columns, frame), chart), "USD")
    if not svg:
        return
    root = ET.fromstring(svg)
    assert ratio == pytest.approx(float(root.get("height")) / float(root.get("width")), rel=0.01)
    for element in root.iter():
        for key in ("x", "y", "cx", "cy", "width", "height"):
            if element.get(key) is not None and element is not root:
                assert -5 <= float(element.get(key)) <= 2000


def test_numbers_of_a_heat_map_can_be_read_on_every_shade():
    frame = pd.DataFrame({"name": ["a"] * 11, "to": list("bcdefghijkl"), "one": np.arange(11) / 10})
    columns = (Column("name", "Name"), Column("to", "To"), Column("one", "One", "rate"))
    chart = Chart("heat", "Chart", "name", ("one",), "", across="to")
    svg, _ = draw(Section("S", Table("T", columns, frame), chart), "USD")
    marks = list(ET.fromstring(svg))
    cells = [
        (one.get("fill"), other.get("fill"))
        for one, other in pairwise(marks)
        if one.tag.endswith("rect") and other.tag.endswith("text")
    ]
    assert len(cells) == 11
    assert min(contrast(*each) for each in cells) >= 4.5


@pytest.mark.parametrize(("most", "steps"), [(3.0, "0123"), (12.0, ["0", "5", "10", "15"])])
def test_no_axis_of_patients_goes_in_parts_of_one(most, steps):
    days = [LAST - timedelta(weeks=1), LAST]
    frame = pd.DataFrame({"week": days, "leads": [most, 1.0]})
    table = Table("T", (Column("week", "Week of", "day"), measured("leads")), frame)
    section = Section("Rows", table, Chart("lines", "Chart", "week", ("leads",), ""))
    svg, _ = draw(section, "USD")
    said = [element.text for element in ET.fromstring(svg).iter() if element.tag.endswith("text")]
    assert [each for each in said if each.isdigit()] == list(steps)
    document = Document("x", "X", "Which?", ABOUT, (section,))
    step = f'majorUnit val="{int(steps[1])}'.encode()
    for content in (workbook(document), slides.pptx(document)):
        with ZipFile(io.BytesIO(content)) as parts:
            (name,) = (each for each in parts.namelist() if re.search(r"/chart\d+\.xml$", each))
            assert step in parts.read(name)


def test_nought_has_no_sign_on_an_axis():
    frame = pd.DataFrame({"name": ["a"], "one": [0.06], "low": [0.01], "high": [0.1]})
    columns = (Column("name", "Name"), *(Column(n, n, "points") for n in ("one", "low", "high")))
    chart = Chart("intervals", "Chart", "name", ("one", "low", "high"), "")
    svg, _ = draw(Section("S", Table("T", columns, frame), chart), "USD")
    said = [element.text for element in ET.fromstring(svg).iter() if element.tag.endswith("text")]
    assert "0.0 pts" in said
    assert "+0.0 pts" not in said


def test_a_sparkline_needs_two_points():
    assert sparkline([None, 1.0]) == ""
    assert "<polyline" in sparkline([1.0, None, 3.0])


# --- the views of reports ------------------------------------------------------------------------


def test_service_lines_agree_with_sums_of_their_own(home, documents, tmp_path):
    frame = documents["service-lines"].csv.frame.set_index("service_line")
    own = tmp_path / "marts.duckdb"  # the other is open with other settings
    shutil.copyfile(home.generation(2) / "marts.duckdb", own)
    with duckdb.connect(str(own)) as marts:
        spent = dict(
            marts.execute(
                "select service_line, sum(spend_micros) / 1e6 from spend where currency = 'USD'"
                f" and week between '{SCOPE.since}' and '{SCOPE.until}' group by 1"
            ).fetchall()
        )
        came = {
            (line, kind): (count, money)
            for line, kind, count, money in marts.execute(
                "select service_line, kind, sum(conversions), sum(value_micros) / 1e6"
                f" from conversions where week between '{SCOPE.since}' and '{SCOPE.until}'"
                " group by 1, 2"
            ).fetchall()
        }
    for line in ("cardiology", "dermatology", "orthopedics"):
        row = frame.loc[line.capitalize()]
        spend, money = spent[line], came[line, "collected"][1]
        assert row["line_cpl"] == pytest.approx(spend / came[line, "lead"][0])
        assert row["line_roi"] == pytest.approx((money - spend) / spend)
        assert row["kept_of_booked"] == pytest.approx(
            came[line, "kept"][0] / came[line, "booked"][0]
        )
        assert row["blended_cac"] == pytest.approx(spend / came[line, "new_patient"][0])
    with duckdb.connect(str(own)) as marts:
        went = {
            line: (kept / (kept + missed), days / ahead)
            for line, kept, missed, ahead, days in marts.execute(
                "select service_line, sum(kept), sum(missed), sum(ahead), sum(days_ahead)"
                f" from appointments where week between '{SCOPE.since}' and '{SCOPE.until}'"
                " group by 1"
            ).fetchall()
        }
    rates = next(s for s in documents["service-lines"].sections if s.name == "Funnel").table.frame
    for row in rates.to_dict("records"):
        told = (row["line_show_rate"], row["booked_ahead"])
        assert told == pytest.approx(went[row["service_line"].lower()]), row["service_line"]
    assert len(rates) == 4
    # What belongs to no line has most money here, and is no line.
    assert frame["collected"].idxmax() == "Unassigned"
    best = frame["collected"].drop("Unassigned").idxmax()
    words = documents["service-lines"].sections[0].chart.words
    assert words.startswith(f"{best} collected most: $")


def test_money_of_other_currencies_is_in_no_share_of_a_line(home, tmp_path):
    abroad = Home(tmp_path / "home")
    shutil.copytree(home.folder, abroad.folder)
    with duckdb.connect(str(abroad.generation(1) / "marts.duckdb")) as marts:
        marts.execute(
            "insert into credit select * replace ('EUR' as currency,"
            " value_micros * 1000 as value_micros) from credit"
            " where kind = 'collected' and channel = 'direct'"
        )
    scope = replace(SCOPE, kind="collected")
    here, there = (
        service_lines(each, 1, scope, protected=False).tables["channels"].frame
        for each in (home, abroad)
    )
    assert len(here) > 10
    pd.testing.assert_frame_equal(here, there)


def test_the_board_is_told_three_sentences_from_its_numbers(documents):
    document = documents["board"]
    known = {each.name: each for each in document.headline}
    assert len(document.sentences) == 3
    patients = known["new_patients"]
    share = patients.value / patients.before - 1
    word = "about as before" if abs(share) < 0.02 else f"{abs(share):.1%}"
    assert word in document.sentences[0]
    paying = next(s for s in document.sections if s.name == "Where money works").table.frame
    assert paying.loc[paying["roas"].idxmax(), "channel"] in document.sentences[2]


def test_a_change_is_told_in_words():
    metric = Metric("spend", "Spend", 110.0, 100.0, "money", "")
    assert board.changed(metric) == "10.0% more than in the period before"
    assert board.changed(replace(metric, name="new_patients", value=50.0)) == (
        "50.0% fewer than in the period before"
    )
    assert board.changed(replace(metric, value=101.0)) == "about as before"
    assert board.changed(replace(metric, before=0.0)) == "after none before"
    # More was paid back than collected: what came after is no share of it.
    paid_back = replace(metric, name="collected", before=-100.0)
    assert board.changed(paid_back) == "after less than none before"
    assert printed.card(paid_back, "USD")["change"] == ""


def test_every_number_of_a_report_is_defined_in_it(documents):
    for document in documents.values():
        defined = {each.title for each in document.definitions()}
        said = {title for title, _ in document.undefined()}
        for section in document.sections:
            for column in section.table.columns:
                if column.format not in ("text", "day"):
                    known = column.name in METRICS or column.title in said
                    assert known, (document.name, section.name, column.title)
        assert defined
