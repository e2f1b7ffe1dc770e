"""The command `caretrace research`: a de-identified export to a folder or a zip file."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attribution import settings
from attribution.errors import BadInput
from attribution.research.columns import PROFILES, QUASI
from attribution.terminal import say
from attribution.warehouse import current_generation

if TYPE_CHECKING:
    from attribution.research.cohort import Cohort
    from attribution.research.export import Export


def add_command(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command to the parser."""
    research = commands.add_parser("research", help="export de-identified data for research")
    research.add_argument("what", choices=["export"], metavar="export")
    research.add_argument("--people", action="store_true", help="say that you may see people")
    research.add_argument("--reason", default="", help="what the data are for; it is logged")
    research.add_argument("--out", type=Path, required=True, help="a new folder, or a file *.zip")
    research.add_argument("--profile", choices=PROFILES, default="safe-harbor")
    research.add_argument("--service-line", action="append", default=[])
    research.add_argument("--condition", action="append", default=[], help="diagnosis group")
    research.add_argument("--location", action="append", default=[], help="main place of care")
    research.add_argument("--sex", action="append", default=[])
    research.add_argument("--ages", help="as 40-64, or 65- for all from 65 on")
    research.add_argument("--years", help="of the first visit, as 2024-2026")
    research.add_argument(
        "--keep", action="append", default=[], choices=QUASI, help="do not generalise this column"
    )
    research.add_argument(
        "--without", action="append", default=[], metavar="COLUMN", help="leave this column out"
    )
    research.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Imported late: no other command needs it.
    from attribution import audit, versions
    from attribution.people import Permit
    from attribution.research import files
    from attribution.research.export import Request, export_research

    out: Path = options.out
    _check(options)
    home = settings.home()
    generation = current_generation(home)
    if generation is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh`.")
    versions.require(home, generation)
    request = Request(
        options.reason,
        options.profile,
        _cohort(options),
        tuple(options.keep),
        tuple(options.without),
    )

    def hand_over(made: "Export") -> None:
        write = files.write_zip if out.suffix == ".zip" else files.write_folder
        write(made.files, out)

    permit = Permit("the command line, for research", audit.operator())
    told = export_research(home, generation, permit, request, hand_over).disclosure
    say(
        f"Wrote {out}: {told['people']:,} people, k {told['reached']['k']}, l "
        f"{min(told['reached']['l'].values())}. Read {files.REPORT} before it leaves.",
    )
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse what cannot be before anything is read."""
    out: Path = options.out
    if not options.people:
        raise BadInput(
            "This reads single people, though what it writes is de-identified. If you may see "
            "people, say so: --people."
        )
    if out.exists():
        raise BadInput(f"{out} is there already. Name a new folder or zip file.")
    if not out.parent.is_dir():
        raise BadInput(f"There is no folder {out.parent} to write into. Make it, or change --out.")


def _cohort(options: argparse.Namespace) -> "Cohort":
    from attribution.research.cohort import Cohort

    ages, years = _span("--ages", options.ages), _span("--years", options.years)
    return Cohort(
        service_lines=tuple(options.service_line),
        conditions=tuple(options.condition),
        locations=tuple(options.location),
        sexes=tuple(options.sex),
        age_from=ages[0],
        age_to=ages[1],
        first_year=years[0],
        last_year=years[1],
    )


def _span(what: str, text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    match = re.fullmatch(r"(\d{1,4})?-(\d{1,4})?", text.strip())
    if match is None or not any(match.groups()):
        raise BadInput(f"{what} {text!r} is no span: write it as 40-64, 65- or -17.")
    low, high = (None if number is None else int(number) for number in match.groups())
    return low, high
