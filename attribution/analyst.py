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
from attribution.reports.cells import guarded
from attribution.terminal import note, prove_out, write_out

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
    parser.add_argument(
        "--separator",
        default=" > ",
        help="what stands between channels (' > '); none: each path is one channel",
    )
    parser.add_argument(
        "--position-ends",
        type=float,
        default=0.4,
        metavar="SHARE",
        help="what position gives the first touch and the last one, each (0.4)",
    )
    parser.add_argument(
        "--half-life",
        type=float,
        default=2.0,
        metavar="STEPS",
        help="steps further back that halve a touch's weight in time_decay (2)",
    )
    parser.add_argument("--format", choices=["csv", "json"], default="csv")
    parser.add_argument("--out", type=Path, help="the file to write (default: standard output)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Attribute a file and write the answer; notes go to standard error."""
    from attribution.models.attribute import attribute_file
    from attribution.models.path_rules import RuleSettings

    if options.out is not None:
        _check_target(options.out, options.paths)
    models = [name for part in options.model for name in part.split(",") if name]
    order = int(options.order) if options.order.isdecimal() else options.order
    settings = RuleSettings(options.position_ends, options.half_life)
    with _shown() as progress:
        result = attribute_file(
            options.paths, models, order, progress, separator=options.separator, settings=settings
        )
    for said in result.attrs["notes"]:
        note(f"{said}.")
    content = written(result, options.format)
    if options.out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_out(options.out, content)
        print(f"Wrote {options.out}.", file=sys.stderr)  # noqa: T201
    return 0


def _check_target(out: Path, source: Path) -> None:
    """Refuse before anything is worked out what could not be written, or would cost the source."""
    prove_out(out)
    if out.exists() and source.exists() and out.samefile(source):
        raise BadInput(f"{out} is the file of paths itself; name another one for the answer.")


def written(result: pd.DataFrame, form: str) -> bytes:
    """The answer as CSV or as a JSON list of rows; what a model has not is empty or null.

    A channel is called as its paths call it, so in CSV it must not be taken for a formula.
    """
    if form == "csv":
        told = result.assign(channel=[guarded(each) for each in result["channel"]])
        return told.to_csv(index=False, lineterminator="\n").encode()
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
