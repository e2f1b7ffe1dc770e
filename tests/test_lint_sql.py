"""SQL that was found clean is linted again only when something that decides it has changed."""

from pathlib import Path

import pytest
from lint_sql import ROOT, lint, rules_of


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = [tmp_path / "marts" / name for name in ("a.sql", "b.sql")]
    made[0].parent.mkdir()
    for file in made:
        file.write_text(f"select '{file.stem}' as name\n")
    return made


def asked(files: list[Path], kept: Path, rules: str = "rules", answer: int = 0) -> list[str]:
    """The names of the files that a linter is asked about, which answers as it is told to."""
    seen: list[str] = []

    def linter(others: list[Path]) -> int:
        seen.extend(file.name for file in others)
        return answer

    assert lint(files, kept, rules, linter) == (answer if seen else 0)
    return seen


def test_what_is_clean_is_not_asked_about_again(files, tmp_path):
    kept = tmp_path / "kept"
    assert asked(files, kept) == ["a.sql", "b.sql"]
    assert asked(files, kept) == []
    files[1].write_text("select 'c' as name\n")
    assert asked(files, kept) == ["b.sql"]
    assert asked(files, kept, rules="others") == ["a.sql", "b.sql"]
    files[0].rename(files[0].with_name("d.sql"))
    assert asked([files[0].with_name("d.sql"), files[1]], kept) == ["d.sql"]


def test_what_is_not_clean_is_asked_about_until_it_is(files, tmp_path):
    kept = tmp_path / "kept"
    assert asked(files, kept, answer=1) == ["a.sql", "b.sql"]
    assert asked(files, kept, answer=1) == ["a.sql", "b.sql"]
    assert asked(files, kept) == ["a.sql", "b.sql"]
    assert asked(files, kept) == []


def test_settings_and_linter_are_among_the_rules(tmp_path):
    project = tmp_path / "pyproject.toml"
    told = (ROOT / "pyproject.toml").read_text("utf-8")
    project.write_text(told)
    before = rules_of(project)
    assert before == rules_of(ROOT / "pyproject.toml")
    project.write_text(told.replace('dialect = "duckdb"', 'dialect = "postgres"'))
    assert rules_of(project) != before
