"""The documents tell the truth: what they name exists, and what they show can be typed."""

import argparse
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import jinja2
import pytest

from attribution import cli, definitions_command, outreach_ways, retention, source_settings
from attribution import settings as configuration
from attribution.metrics import KINDS
from attribution.models import MODELS
from attribution.models.attribute import PATH_MODELS
from attribution.models.path_rules import RULES
from attribution.outreach_settings import Outreach, outreach_settings
from attribution.paths import Home
from attribution.source_settings import connector, options_of
from attribution.sql_models import load_models
from connectors import SOURCES
from connectors.contract import BY_TABLE
from connectors.files import connect
from connectors.source import Context
from outreach import salesforce, templates

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])
EXITS = re.compile(r"^\| (\d+) \|", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]+)?\)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`([^`\n]+)`")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked() -> list[Path]:
    """The files of the project; where git tells of none, all but what is made or hidden."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True
    )
    names = [ROOT / name for name in listed.stdout.split("\0") if name] or [
        path
        for path in ROOT.rglob("*")
        if not re.search(r"/(\.|__pycache__|build|dist|venv)", f"/{path.relative_to(ROOT)}")
    ]
    found = [path for path in names if path.is_file()]
    assert len(found) > 500
    return found


def blocks(document: Path, language: str) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return [body for kind, body in FENCED.findall(text) if kind == language]


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_leads_somewhere(document):
    for target, _anchor in LINK.findall(document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path = (document.parent / target).resolve()
        assert path.exists(), f"{named(document)} links to {target}"


def test_every_path_in_the_map_exists():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \|$", readme, re.MULTILINE)
    paths = [path for row in rows for path in QUOTED.findall(row)]
    assert len(paths) > 10
    for path in paths:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_path_named_in_the_text_exists(document):
    """A quoted name that begins with one of our folders is a path of this repository."""
    known = r"(?:attribution|connectors|outreach|sql|pages|tests|benchmarks|docs)"
    for quoted in QUOTED.findall(document.read_text(encoding="utf-8")):
        ours = Path(quoted).suffix in ("", ".py", ".sql", ".md")
        if ours and re.fullmatch(rf"{known}(/[\w.-]+)*/?", quoted):
            path = ROOT / quoted
            assert path.exists() or path.with_suffix(".py").exists(), f"{named(document)}: {quoted}"


def commands() -> argparse._SubParsersAction:
    actions = cli._parser()._actions
    return next(each for each in actions if isinstance(each, argparse._SubParsersAction))


def shown_commands() -> list[tuple[str, str]]:
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        lines = [line for _kind, body in FENCED.findall(text) for line in body.splitlines()]
        for said in [*lines, *QUOTED.findall(text)]:
            match = re.search(r"(?:^|\s|/bin/)(caretrace (?:--debug )?[a-z].*)", said.split("#")[0])
            if match:
                found.append((named(document), match[1].strip()))
    return found


@pytest.mark.parametrize(("document", "command"), sorted(set(shown_commands())))
def test_every_command_shown_can_be_typed(document, command):
    words = shlex.split(command)[1:]
    if re.fullmatch(r"[a-z]+\|.*|<.*>", words[-1]):
        words = words[:-1]
    name = next(word for word in words if not word.startswith("-"))
    assert name in commands().choices, f"{document}: {command}"
    if name == "export" and len(words) == words.index(name) + 1:
        return  # the command is named, not shown
    cli._parser().parse_args(words)


def test_every_test_named_is_there():
    text = (ROOT / "docs" / "other-tools.md").read_text(encoding="utf-8")
    found = re.findall(r"`(test_\w+\.py)::(test_\w+)`", text)
    assert len(found) > 25
    for file, name in found:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), (file, name)


def test_every_command_is_in_the_documents():
    said = " ".join(command for _document, command in shown_commands())
    for name in commands().choices:
        assert f"caretrace {name}" in said, name


def test_topics_of_flows_are_told_in_the_order_in_which_they_are_looked_for():
    sql = (ROOT / "sql/staging/stg_message.sql").read_text(encoding="utf-8")
    looked_for = re.findall(r"lower\(messages\.flow\), '(\w+)", sql)
    told = (ROOT / "docs/engagement.md").read_text(encoding="utf-8")
    [words] = re.findall(r"one of these by its name:(.*?)in that order after", told, re.DOTALL)
    first, *others = looked_for
    assert first == "reactivation"
    assert [word for word in QUOTED.findall(words) if word in others] == others


def test_what_the_tests_need_besides_python_is_named():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [browser] = re.findall(r"command -v (\w+) >/dev/null \|\| \{ echo \"installing", makefile)
    needed = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Two commands")[2]
    assert f"`{browser}`" in needed.partition("```sh")[0]


def test_exit_codes_are_documented():
    start = (ROOT / "docs/start.md").read_text(encoding="utf-8")
    assert set(EXITS.findall(start)) == {"0", "1", "2", "75", "130"}


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_every_credit_model_is_described(model):
    models = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    assert f"(`{model.name}`)" in models
    assert model.title.split(" (")[0] in models


def test_the_rules_that_path_files_have_are_told():
    learned = (ROOT / "docs/models-learned.md").read_text(encoding="utf-8")
    [words] = re.findall(r"Rules on path files: (.*?)\. `milestone`", learned, re.DOTALL)
    assert QUOTED.findall(words) == list(RULES)
    assert set(MODELS) - set(PATH_MODELS) == {"milestone"}


def test_everything_that_can_be_purged_by_age_is_named():
    text = (ROOT / "docs/keys-and-deletion.md").read_text(encoding="utf-8")
    [words] = re.findall(r"What can be named: (.*?)\.\n", text, re.DOTALL)
    assert QUOTED.findall(words) == list(retention.KINDS)


def test_who_is_sent_to_a_document_finds_there_what_it_is_about():
    [log_in] = re.findall(r"docs/[\w-]+\.md", salesforce._GRANT)
    assert "`private_key_file`" in (ROOT / log_in).read_text(encoding="utf-8")
    rules = r"channel rules in \[[\w.-]+\]\(([\w.-]+)#(\w+)\)"
    [(page, heading)] = re.findall(rules, definitions_command._HEAD)
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    [told] = re.findall(rf"^## {heading}$(.*?)^## ", text, re.MULTILINE | re.DOTALL | re.IGNORECASE)
    assert "`channel_rules.csv`" in told


def test_everything_that_sends_is_told_to_leave():
    text = (ROOT / "docs/privacy.md").read_text(encoding="utf-8")
    [leaves] = re.findall(r"^## What leaves$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    for way in outreach_ways.KINDS:
        assert {"smtp": "mail server"}.get(way, way) in leaves.lower(), way
    assert {"outreach.md", "schedule.md"} <= {target for target, _anchor in LINK.findall(leaves)}
    assert "Alerts" in leaves
    assert "sends nothing" not in text


def test_every_mart_and_kind_of_conversion_is_described():
    warehouse = (ROOT / "docs/warehouse.md").read_text(encoding="utf-8")
    apart = [model.name for model in load_models() if model.layer == "people"]
    marts = [path.stem for path in ROOT.glob("sql/marts/*.sql")]
    for name in ["credit", "positions", "companions", *marts, *apart, *KINDS]:
        assert f"`{name}`" in warehouse, name


@pytest.mark.parametrize("kind", sorted(SOURCES))
def test_every_setting_of_every_source_is_described(kind):
    pages = [*sorted(ROOT.glob("docs/sources*.md")), ROOT / "docs/start.md"]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    for option in options_of(kind):
        ways = (f"`{option.name}`", f"\n{option.name} = ", f".{option.name}]", f".{option.name}]]")
        assert any(way in text for way in ways), option.name
    assert f'kind = "{kind}"' in text


def walk_through(monkeypatch) -> str:
    """The settings that docs/start.md shows, whose secrets are in the environment."""
    whole = next(
        block for block in blocks(ROOT / "docs/start.md", "toml") if "[sources.web]" in block
    )
    for name, table in tomllib.loads(whole)["sources"].items():
        for option in options_of(table["kind"]):
            if option.secret and option.required:
                secret = source_settings.secret_variable(name, option.name)
                monkeypatch.setenv(secret, "not-a-token")
    return whole


def test_the_walk_through_has_every_kind_of_source(home: Home, monkeypatch):
    """Its settings load as they stand, and the mappings of its files are right."""
    home.config.write_text(walk_through(monkeypatch), encoding="utf-8")
    loaded = configuration.load(home)
    assert {source.kind for source in loaded.sources} == set(SOURCES)
    drop = next(source for source in loaded.sources if source.kind == "files")
    opened = connect(
        Context(drop.name, drop.account, drop.options, now=None, first_day=loaded.first_day)
    )
    assert [mapping.row.spec.table for mapping in opened.mappings] == ["ad_spend", "appointment"]
    assert all(mapping.row.spec.table in BY_TABLE for mapping in opened.mappings)


@pytest.mark.parametrize("pages", [("outreach",), ("delivery", "schedule")], ids="+".join)
def test_samples_of_outreach_go_with_the_walk_through(home: Home, monkeypatch, pages):
    """Whoever adds them to what docs/start.md shows has settings that hold."""
    whole = walk_through(monkeypatch)
    samples = [block for page in pages for block in blocks(ROOT / f"docs/{page}.md", "toml")]
    home.config.write_text("\n".join([whole, *samples]), encoding="utf-8")
    configuration.load(home)
    assert outreach_settings(home) != Outreach()


def test_what_templates_may_say_is_described():
    text = (ROOT / "docs/outreach.md").read_text(encoding="utf-8")
    told = text.partition("### What templates may say\n")[2].partition("\n`version` is")[0]
    assert set(QUOTED.findall(told)) >= set(templates.SAID)
    ours = set(templates._environment().filters) - set(jinja2.Environment().filters)
    assert all(f"|{name} }}}}" in told for name in ours), ours
    start = blocks(ROOT / "docs/outreach.md", "toml")[0]
    assert all(f"\n{name} = " in start for name in templates.OF_ALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_toml_example_is_toml(document):
    for block in blocks(document, "toml"):
        tomllib.loads(block)


def test_secrets_are_listed_as_the_connectors_have_them():
    start = (ROOT / "docs/start.md").read_text(encoding="utf-8")
    for kind in SOURCES:
        row = re.search(rf"^\| `{kind}` \|(.*)\|$", start, re.MULTILINE)
        for option in connector(kind).OPTIONS:
            if option.secret:
                assert row, kind
                assert f"`{option.name}`" in row[1], option.name


def test_no_tracked_file_knows_this_computer():
    """No path of a machine and no address of a package index in any text that is published."""
    places = "|".join(re.escape(str(place)) for place in (ROOT, ROOT.parent / "shared"))
    machine = re.compile(rf"(?<![\w.~-])(?:{places})/")
    index = re.compile(
        r"--(extra-)?index-url\s+\S|https?://[\w.-]*(pypi|artifactory|nexus)[\w.-]*/"
    )
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        assert not machine.search(text), f"{named(path)} names a path of this computer"
        assert not index.search(text), f"{named(path)} names a package index"
