"""After an upgrade, pages and exports say that a refresh is due rather than fail."""

import duckdb
import marts_fixture as made_up
import pytest
from shell_fixture import app

from attribution import versions
from attribution.errors import StorageError
from attribution.paths import PAGES, Home
from attribution.reports.asking import export_report
from attribution.sql_models import load_models
from attribution.ui import warming


@pytest.fixture
def upgraded(tmp_path) -> Home:
    """A home whose generation lacks a mart that came later."""
    home = made_up.make_home(tmp_path / "home")
    with duckdb.connect(str(home.generation(1) / "marts.duckdb")) as connection:
        connection.execute("drop table cohorts")
    return home


def test_every_mart_is_asked_for():
    marts = {model.name for model in load_models() if model.layer == "marts"}
    assert versions._marts() == marts


def test_a_generation_of_this_version_fits(tmp_path):
    assert versions.fits(made_up.make_home(tmp_path / "home"), 1)


def test_a_generation_without_a_model_does_not_fit(tmp_path):
    home = made_up.make_home(tmp_path / "home")
    with duckdb.connect(str(home.generation(1) / "marts.duckdb")) as connection:
        connection.execute("alter table credit_groups drop column markov_conversions")
    assert not versions.fits(home, 1)


def test_an_export_says_what_to_do(upgraded):
    with pytest.raises(StorageError, match="Run `caretrace refresh`"):
        export_report(upgraded, "channels", "csv")


@pytest.mark.parametrize(("page", "waits"), [("overview", True), ("data_health", False)])
def test_a_page_says_that_a_refresh_is_due(upgraded, monkeypatch, page, waits):
    monkeypatch.setenv("CARETRACE_HOME", str(upgraded.folder))
    at = app()
    at.run()
    if page == "data_health":
        at.switch_page(str(PAGES / "operations/data_health.py")).run()
    assert not at.exception
    assert [box.value for box in at.info if box.value == versions.SENTENCE] == (
        [versions.SENTENCE] if waits else []
    )


def test_the_server_warms_without_it(upgraded):
    warming.warm(upgraded)
    assert not versions.fits(upgraded, 1)
