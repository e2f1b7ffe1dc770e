"""`caretrace definitions`: what every number means, as a table for other programs or for docs."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attribution import definitions
from attribution import settings as configuration
from attribution.metrics import METRICS
from attribution.metrics.pages import PAGES, title_of
from attribution.paths import Home
from attribution.terminal import prove_out, write_out

if TYPE_CHECKING:
    from attribution.metrics import Definition

FORMATS = ("csv", "json", "md")
_HEAD = """# Definitions

Every number that a page, an export or a report shows: what it says, how it is worked out, which
day puts something into it, what it is told for. This file is written from `attribution/metrics/`
by `make definitions`, and a test fails while the two differ. The page *Definitions* says the same,
with who answers for each number here, and searches it; `caretrace definitions` writes it as CSV or
JSON. Who answers is a setting:

```toml
[definitions]
owner = "Marketing analytics"

[definitions.owners]
collected = "Finance"
```

A sentence or formula that changes raises the version of its number and says what is different.
What models do is in [models.md](models.md), small cells in [small-cells.md](small-cells.md), lapse
rules in [cohorts.md](cohorts.md), channel rules in [warehouse.md](warehouse.md#channels), and by
which day a conversion is counted in [date-basis.md](date-basis.md).
"""


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register the command on a parser of commands."""
    parser = commands.add_parser("definitions", help="what every number on a page means")
    parser.add_argument("--format", choices=FORMATS, default="csv", help="how to write it (csv)")
    parser.add_argument("--out", type=Path, help="the file to write (default: standard output)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    prove_out(options.out)
    text = written(configuration.home(), options.format)
    if options.out is None:
        sys.stdout.write(text)
    else:
        write_out(options.out, text.encode("utf-8"))
    return 0


def written(home: Home, fmt: str) -> str:
    """The registry as text in one of `FORMATS`; `md` is the docs page, of no installation."""
    if fmt == "md":
        return _HEAD + "".join(_section(page) for page in PAGES)
    frame = definitions.registry(home)
    if fmt == "json":
        said: str = frame.to_json(orient="records", force_ascii=False, indent=2)
        return f"{said}\n"
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _section(page: str) -> str:
    # A number stands once, under the first page that shows it.
    own = [each for each in METRICS.values() if each.pages[:1] == (page,)]
    lines = [_line(each) for each in own]
    if not lines:
        return ""
    head = (
        "| number | meaning | unit | counted by | told for | version |\n|---|---|---|---|---|--:|\n"
    )
    return f"\n## {title_of(page)}\n\n{head}" + "".join(lines)


def _line(each: "Definition") -> str:
    good = {"up": "", "down": ", less is good", "neither": ""}[each.better]
    also = ", ".join(map(title_of, each.pages[1:]))
    cells = (
        f"**{each.title}** `{each.name}`",
        each.help + (f" Also on {also}." if also else ""),
        f"{definitions.UNITS[each.format]}{good}",
        each.date_basis,
        each.grain,
        " ".join((str(each.version), *each.changes)),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
