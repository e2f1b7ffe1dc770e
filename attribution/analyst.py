"""`caretrace attribute PATHS.csv`: every credit model over an analyst's own paths."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pandas as pd

from attribution.errors import BadInput
from attribution.terminal import note

if TYPE_CHECKING:
    from attribution.models.path_files import Progress


def add_command(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register the command on a parser of commands."""
    parser = commands.add_parser(
        "attribute", help="share conversions among channels, for a file of paths"
    )
    parser.add_argument(
        "paths", type=Path, help="CSV with columns path, conversions, and maybe value and nulls"
    )
    parser.add_argument(
        "--model", nargs="+", default=["all"], metavar="MODEL", help="one, several or all (all)"
    )
    parser.add_argument("--order", default="1", help="order of Markov: 1, 2, 3, 4 or auto (1)")
    parser.add_argument("--separator", default=" > ", help="what stands between channels (' > ')")
    parser.add_argument("--format", choices=["csv", "json"], default="csv")
    parser.add_argument("--out", type=Path, help="the file to write (default: standard output)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Attribute a file and write the answer; notes go to standard error."""
    from attribution.models.attribute import attribute_file

    if options.out is not None and not options.out.absolute().parent.is_dir():
        raise BadInput(f"There is no folder {options.out.parent} to write {options.out.name} into.")
    models = [name for part in options.model for name in part.split(",") if name]
    order = int(options.order) if options.order.isdecimal() else options.order
    with _shown() as progress:
        result = attribute_file(options.paths, models, order, progress, separator=options.separator)
    for said in result.attrs["notes"]:
        note(f"{said}.")
    content = written(result, options.format)
    if options.out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        options.out.write_bytes(content)
        print(f"Wrote {options.out}.", file=sys.stderr)  # noqa: T201
    return 0


def written(result: pd.DataFrame, form: str) -> bytes:
    """The answer as CSV or as a JSON list of rows; what a model has not is empty or null."""
    if form == "csv":
        return result.to_csv(index=False, lineterminator="\n").encode()
    rows = result.astype(object).where(result.notna(), None).to_dict("records")
    return orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


@contextmanager
def _shown() -> Iterator["Progress"]:
    """A bar for each stage on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    console = Console(stderr=True)
    with Bars(console=console, disable=not console.is_terminal) as bars:
        stages: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int) -> None:
            name = "Reading paths" if stage == "read" else "Models"
            if name not in stages:
                stages[name] = bars.add_task(name, total=total)
            bars.update(stages[name], completed=done, total=total)

        yield progress
