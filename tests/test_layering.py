"""Who may import whom, as the design says, read from the files themselves."""

import ast
from functools import cache
from pathlib import Path

import pytest

from attribution.paths import ROOT

FORBIDDEN = {
    "app.py": {"connectors", "sqlalchemy", "plotly", "duckdb"},
    "pages": {"connectors", "sqlalchemy", "plotly", "duckdb", "pandas", "pages"},
    "attribution/models": {"connectors", "sqlalchemy", "streamlit", "plotly", "duckdb"},
    "attribution/reports": {"connectors", "sqlalchemy", "streamlit", "plotly", "duckdb"},
    "attribution/schedule": {"connectors", "streamlit", "plotly", "duckdb"},
    "attribution/ui": {"connectors", "sqlalchemy", "duckdb"},
    "attribution/ui/views": {"streamlit", "plotly"},
    "attribution/*queries.py": {"connectors", "streamlit", "plotly", "duckdb"},
    "attribution/narrowing.py": {"connectors", "streamlit", "plotly", "duckdb"},
    "attribution/planning.py": {"connectors", "streamlit", "plotly", "duckdb", "sqlalchemy"},
    "attribution/people.py": {"connectors", "streamlit", "plotly", "duckdb"},
    "attribution/research": {"connectors", "streamlit", "plotly", "duckdb", "sqlalchemy"},
    "attribution/patient.py": {"connectors", "streamlit", "plotly", "duckdb"},
    "attribution/patient_search.py": {"connectors", "streamlit", "sqlalchemy", "duckdb"},
    "attribution/metrics": {"connectors", "streamlit", "plotly", "duckdb", "sqlalchemy"},
    "connectors": {"attribution", "outreach", "sqlalchemy", "streamlit", "pandas", "duckdb"},
}
# Only these may import the library at all.
ALLOWED = {
    "streamlit": ("app.py", "pages", "attribution/ui"),
    "plotly": ("attribution/ui/charts/", "attribution/ui/warming.py"),
}
SOURCES = ("app.py", "pages", "attribution", "connectors", "outreach")


def files(place: str) -> list[Path]:
    path = ROOT / place
    found = sorted(path.rglob("*.py")) if path.is_dir() else sorted(ROOT.glob(place))
    assert found, f"there is no {place}"
    return found


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("place", FORBIDDEN)
def test_layers_import_downwards(place):
    for path in files(place):
        wrong = imported(path) & FORBIDDEN[place]
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


@pytest.mark.parametrize("package", ALLOWED)
def test_only_its_layer_imports(package):
    for place in SOURCES:
        for path in files(place):
            name = path.relative_to(ROOT).as_posix()
            if package in imported(path):
                assert name.startswith(ALLOWED[package]), f"{name} imports {package}"


def reading(module: str) -> set[str]:
    """The files of the product that import a module of ours, in whichever way."""
    found = set()
    for path in (path for place in SOURCES for path in files(place)):
        for node in ast.walk(parsed(path)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            if module in names:
                found.add(path.relative_to(ROOT).as_posix())
    return found


def test_only_those_who_show_a_permit_read_people():
    """Whoever else imports the questions about people has not been looked at."""
    assert reading("attribution.people") == {
        "attribution/audit_command.py",
        "attribution/explain.py",
        "attribution/patient.py",
        "attribution/patient_search.py",
        "attribution/reports/export.py",
        "attribution/research/command.py",
        "attribution/research/export.py",
        "attribution/research/reading.py",
        "attribution/research_queries.py",
        "attribution/ui/access.py",
        "attribution/ui/patient_form.py",
        "attribution/ui/views/examples.py",
        "attribution/ui/views/research.py",
    }


def test_pages_neither_compute_nor_query():
    for path in files("pages"):
        tree = parsed(path)
        for node in ast.walk(tree):
            assert not isinstance(node, ast.BinOp | ast.Lambda | ast.FunctionDef), path


def test_no_markup_is_let_through():
    """HTML in Markdown, raw HTML and pickles: no place in the code may ask for them."""
    for place in SOURCES:
        for path in files(place):
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.keyword):
                    assert node.arg not in ("unsafe_allow_html", "allow_pickle"), path
                if isinstance(node, ast.Attribute):
                    spoken = f"{getattr(node.value, 'id', '')}.{node.attr}"
                    assert spoken not in ("st.html", "st.iframe"), path


def test_sql_and_pages_are_not_packages():
    assert not list((ROOT / "pages").rglob("__init__.py"))
    assert not list((ROOT / "sql").rglob("__init__.py"))
