"""Lint the SQL that was not yet found clean as it stands: `python tests/lint_sql.py KEPT`.

What a file is found to be depends on its name, its content, the rules in `pyproject.toml` and the
linter alone. For each file that was clean there is a mark of all these in the folder `KEPT`, which
may be that of another checkout: the linter takes seconds for what no change has touched.
"""

import gc
import sys
import tomllib
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
Lint = Callable[[list[Path]], int]


def lint(files: list[Path], kept: Path, rules: str, linter: Lint) -> int:
    """What `linter` answers for the files without a mark, 0 if all are clean: they are marked."""
    kept.mkdir(parents=True, exist_ok=True)
    marks = {file: kept / _mark(file, rules) for file in files}
    others = [file for file, mark in marks.items() if not mark.exists()]
    answer = linter(others) if others else 0
    if answer == 0:
        for file in others:
            marks[file].touch()
    return answer


def _mark(file: Path, rules: str) -> str:
    name = "/".join(file.parts[-2:])
    return sha256(f"{rules}\n{name}\n".encode() + file.read_bytes()).hexdigest()


def rules_of(project: Path) -> str:
    """Whatever else decides what is clean: the settings, and which linter it is."""
    settings = tomllib.loads(project.read_text("utf-8"))["tool"]["sqlfluff"]
    return repr((version("sqlfluff"), version("sqlfluffrs"), settings))


def _sqlfluff(files: list[Path]) -> int:
    gc.disable()  # to search for garbage in its parse trees takes a seventh of the time
    from sqlfluff.cli.commands import cli

    try:
        cli(["lint", "--disable-progress-bar", *map(str, files)])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


if __name__ == "__main__":
    every = sorted(path.relative_to(ROOT) for path in (ROOT / "sql").rglob("*.sql"))
    sys.exit(lint(every, Path(sys.argv[1]), rules_of(ROOT / "pyproject.toml"), _sqlfluff))
