"""The registry of numbers: whole, pinned to versions, the same in docs, page and command."""

import csv
import io
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from pinned_definitions import pinned

from attribution import definitions, settings
from attribution.cli import main
from attribution.definitions_command import written
from attribution.errors import SettingsError
from attribution.metrics import _EVERY, KINDS, METRICS
from attribution.metrics.facts import CHANGES, FACTS
from attribution.metrics.pages import PAGES
from attribution.paths import ROOT, Home
from attribution.ui.views.definitions import definitions_view

MAKE = "Run `make definitions`."


def test_every_number_is_defined_once_and_wholly():
    twice = [name for name, times in Counter(each.name for each in _EVERY).items() if times > 1]
    assert not twice, f"One name, two meanings: {twice}"
    assert FACTS.keys() == METRICS.keys(), "attribution/metrics/facts.py must know every number"
    assert METRICS.keys() >= CHANGES.keys()
    for each in METRICS.values():
        assert each.pages, each.name
        assert PAGES.keys() >= set(each.pages), each.name
        assert each.grain, each.name
        assert each.date_basis, each.name
        assert each.sentence.endswith("."), each.name


def test_no_sentence_or_formula_changes_in_silence():
    """A changed wording needs a note in `CHANGES`, which raises the version; pins are kept."""
    known = pinned()
    for each in METRICS.values():
        pin = known.get((each.name, each.version))
        assert pin is not None, f"{each.name} {each.version} is new. {MAKE}"
        assert pin == each.fingerprint, (
            f"{each.name} reads otherwise than in version {each.version}. Write what changed into "
            f"CHANGES in attribution/metrics/facts.py. {MAKE}"
        )
    one = METRICS["cac"]
    assert replace(one, formula="Spend ÷ leads.").fingerprint != one.fingerprint
    assert replace(one, changes=(*one.changes, "Leads count.")).version == one.version + 1


def test_a_page_that_is_named_reads_the_number():
    """Each page that a number claims has the number's name in what it draws."""
    folder = ROOT / "attribution" / "ui"
    drawn = {path.stem: path.read_text("utf-8") for path in (folder / "views").glob("*.py")}
    made = {path.stem: path.read_text("utf-8") for path in folder.glob("*.py")}
    made |= {p.stem: p.read_text("utf-8") for p in (ROOT / "attribution").glob("*_queries.py")}
    for page in PAGES:
        files = [*(ROOT / "pages").glob(f"*/{page.replace('-', '_')}.py")]
        files += (ROOT / "attribution/reports").glob("*.py") if page == "reports" else []
        texts = [path.read_text("utf-8") for path in files]
        assert texts, page
        left = set(texts)
        while left:
            names = set(re.findall(r"\w+", " ".join(left)))
            left = {t for n, t in {**made, **drawn}.items() if n in names} - set(texts)
            texts += left
        said = " ".join(texts)
        for each in METRICS.values():
            if page in each.pages:
                # Some names are put together: of a word and a prefix or an end.
                words = [each.name, each.name.partition("_")[2], each.name.rpartition("_")[2]]
                words += ["KINDS"] if each.name in KINDS.values() else []
                found = any(re.search(rf"\b{word}\b", said) for word in words if word)
                assert found, f"{each.name} is not on {page}"


def test_docs_say_what_the_registry_says(tmp_path):
    docs = (ROOT / "docs" / "definitions.md").read_text("utf-8")
    assert docs == written(Home(tmp_path), "md"), f"docs/definitions.md is out of date. {MAKE}"


def test_the_command_the_page_and_the_search_say_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CARETRACE_HOME", str(tmp_path))
    (tmp_path / "caretrace.toml").write_text(
        '[definitions]\nowner = "Growth"\n[definitions.owners]\ncollected = "Finance"\n'
    )
    assert main(["definitions"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert main(["definitions", "--format", "json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == [
        row["name"] for row in rows
    ]
    owners = {row["name"]: row["owner"] for row in rows}
    assert (owners["collected"], owners["cac"]) == ("Finance", "Growth")
    home = Home(tmp_path)
    shown = definitions_view(home).tables["metrics"].frame
    assert shown["sentence"].tolist() == [row["sentence"] for row in rows]
    assert {each.name for each in definitions.found(home, "", "finance posting")} == {"collected"}
    assert METRICS["cac"] in definitions.found(home, "channels", "")
    assert not definitions.found(home, "channels", "no such words")


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("owner = 7", "an owner must be a text"),
        ('team = "x"', "team is not a setting"),
        ('[definitions.owners]\nprofit = "x"', "profit is no number"),
    ],
)
def test_settings_say_who_answers(tmp_path, said, wrong):
    (tmp_path / "caretrace.toml").write_text(f"[definitions]\n{said}\n")
    with pytest.raises(SettingsError, match=wrong):
        settings.load(Home(tmp_path))
    assert definitions.owners(Home(tmp_path)) == definitions.Owners()


def test_rules_are_those_in_force(tmp_path):
    home = Home(tmp_path)
    shipped = definitions_view(home).tables["lapse_rules"]
    assert "version" in shipped.frame
    assert "As they ship" in shipped.note
    own = (ROOT / "sql/seeds/lapse_rules.csv").read_text("utf-8").replace("2026-11", "2027-01")
    Path(tmp_path / "lapse_rules.csv").write_text(own)
    table = definitions_view(home).tables["lapse_rules"]
    assert set(table.frame["version"]) == {"2027-01"}
    assert "Of this installation" in table.note
    Path(tmp_path / "lapse_rules.csv").write_text("service_line\nhip\n")
    assert "lacks the column" in definitions_view(home).tables["lapse_rules"].empty
