"""`caretrace export`: a report, as a file."""

import argparse
import sys
from datetime import date
from pathlib import Path
from typing import Any

from attribution.errors import BadInput
from attribution.terminal import day, home_folder, note, prove_out, say, write_out

_REPORTS = ("channels", "service-lines", "reactivation", "board")  # of the catalogue
_MESSAGES = ("engagement", "education")  # reports of messages
_OF_PATIENTS = ("age_band", "zip3", "lapse", "months_silent", "response", "condition")


def add_command(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register the command on a parser of commands."""
    export = commands.add_parser("export", help="write a report to a file")
    export.add_argument(
        "report", choices=[*_REPORTS, "journeys", "cohorts", "experience", "forecast", *_MESSAGES]
    )
    export.add_argument(
        "--format",
        choices=["csv", "xlsx", "pdf", "pptx"],
        default="csv",
        help=f"{', '.join(_REPORTS)}: any; all others: csv",
    )
    export.add_argument("--out", type=Path, help="the file to write (default: standard output)")
    export.add_argument("--model", default=None, help="credit model (position)")
    export.add_argument(
        "--kind", default=None, help="conversion kind (channels: booked; journeys: all kinds)"
    )
    export.add_argument("--since", type=day, help="first day, as 2026-01-05")
    export.add_argument("--until", type=day, help="last day, as 2026-03-29")
    export.add_argument("--service-line", action="append", default=[])
    export.add_argument("--location", action="append", default=[])
    for option, help_ in (
        ("age-band", "years of age, as 60-74"),
        ("zip3", "first three digits of the postal code"),
        ("lapse", "active, due, overdue, lapsed, lost, 'open loop', 'no recall' or excluded"),
        ("months-silent", "since the latest visit, as 12-18"),
        ("response", "to outreach: 'none sent', sent, opened, clicked or booked"),
        ("condition", "a group of diagnoses; one at a time"),
    ):
        export.add_argument(f"--{option}", action="append", default=[], help=f"cohorts: {help_}")
    export.add_argument(
        "--people", action="store_true", help="journeys: say that you may see single people"
    )
    export.add_argument(
        "--since-generation",
        type=int,
        help="of the last report: what is new and restated since (default: the one before)",
    )
    export.add_argument(
        "--small-cells",
        action="store_true",
        help="all but journeys: with counts of fewer than 11 people; the file stays inside, and "
        "the audit log says that you asked for it",
    )
    export.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    _check_out(options)
    _check_patients(options)
    asked = {
        "model": options.model,
        "kind": options.kind,
        "since": options.since,
        "until": options.until,
        "service_lines": tuple(options.service_line),
        "locations": tuple(options.location),
    }
    if options.report == "journeys":
        from attribution.reports.export import export_journeys

        _check_people(options)
        rows = export_journeys(home_folder(), options.out, **asked)
        note(
            f"{options.out} holds journeys of single people, under numbers that stand "
            "for them: keep it as you keep patients' data."
        )
        say(f"Wrote {options.out}, {rows:,} touches.")
        return 0
    small = options.small_cells
    if options.report in _REPORTS:
        # The others need more libraries than these have time to load.
        from attribution.reports.asking import export_report

        content = export_report(
            home_folder(),
            options.report,
            options.format,
            small_cells=small,
            since_generation=options.since_generation,
            **asked,
        )
    else:
        content = _export_other(options, asked)
    if options.out is None:
        sys.stdout.buffer.write(content)
    else:
        write_out(options.out, content)
        say(f"Wrote {options.out}.")
    return 0


def _export_other(options: argparse.Namespace, asked: dict[str, Any]) -> bytes:
    """A report that is in no catalogue: CSV of what one page shows."""
    from attribution.reports.export import (
        export_cohorts,
        export_experience,
        export_forecast,
        export_messages,
    )

    if options.since_generation is not None:
        raise BadInput("This report is compared with no earlier one. Leave --since-generation out.")
    small = options.small_cells
    if options.report in _MESSAGES:
        return export_messages(home_folder(), options.report, small_cells=small, **_weeks(options))
    if options.report == "cohorts":
        return export_cohorts(home_folder(), _in_common(options), small_cells=small)
    if options.report == "experience":
        return export_experience(home_folder(), small_cells=small, **_of_answers(options, asked))
    _check_whole(options)
    return export_forecast(home_folder(), small_cells=small)


def _weeks(options: argparse.Namespace) -> dict[str, date | None]:
    """The days that a report of messages is about; it has no other filter."""
    names = ("model", "kind", "service_line", "location")
    if given := [name.replace("_", "-") for name in names if getattr(options, name)]:
        raise BadInput(f"This report is of messages by week. Leave --{given[0]} out.")
    if options.format != "csv":
        raise BadInput("The reports of messages are written as CSV. Leave --format out.")
    return {"since": options.since, "until": options.until}


def _of_answers(options: argparse.Namespace, asked: dict[str, Any]) -> dict[str, Any]:
    """What the experience report can be narrowed by."""
    given = [name for name in ("model", "kind") if getattr(options, name)]
    if given:
        raise BadInput(f"Answers and reviews are not credited. Leave --{given[0]} out.")
    if options.format != "csv":
        raise BadInput("The experience report is written as CSV. Leave --format out.")
    return {name: value for name, value in asked.items() if name not in ("model", "kind")}


def _in_common(options: argparse.Namespace) -> dict[str, list[str]]:
    """What the patients of a cohort have in common, by dimension."""
    given = [name for name in ("model", "kind", "since", "until") if getattr(options, name)]
    if given:
        raise BadInput(f"A cohort is of patients, of all data. Leave --{given[0]} out.")
    if options.format != "csv":
        raise BadInput("The cohort report is written as CSV. Leave --format out.")
    names = ("service_line", "location", *_OF_PATIENTS)
    return {name: getattr(options, name) for name in names}


def _check_whole(options: argparse.Namespace) -> None:
    """The forecast report is of every series: whoever asks for some must not get all unsaid."""
    names = ("model", "kind", "since", "until", "service_line", "location")
    given = [name for name in names if getattr(options, name)]
    if given:
        told = given[0].replace("_", "-")
        raise BadInput(
            f"The forecast report is of everything that is forecast. Leave --{told} out."
        )
    if options.format != "csv":
        raise BadInput("The forecast report is written as CSV. Leave --format out.")


def _check_patients(options: argparse.Namespace) -> None:
    """What patients have in common narrows the cohort report: no other must be taken for less."""
    if options.report == "cohorts":
        return
    if given := [name.replace("_", "-") for name in _OF_PATIENTS if getattr(options, name)]:
        raise BadInput(f"Only the cohort report is of some patients. Leave --{given[0]} out.")


def _check_out(options: argparse.Namespace) -> None:
    """Refuse a place that cannot take the report before it is made."""
    out: Path | None = options.out
    if out is None:
        if options.format != "csv" and sys.stdout.isatty():
            raise BadInput(
                f"A terminal cannot show this file. Name a place for it: --out {options.report}."
                f"{options.format}."
            )
    elif out.is_dir():
        name = out / f"{options.report}.{options.format}"
        raise BadInput(f"{out} is a folder. Name a file in it: --out {name}.")
    elif not out.parent.is_dir():
        raise BadInput(f"There is no folder {out.parent} to write into. Make it, or change --out.")
    else:
        prove_out(out)


def _check_people(options: argparse.Namespace) -> None:
    """Journeys of people go to a file, as CSV, and only where somebody said that they may."""
    if not options.people:
        raise BadInput(
            "This report has a row for each touch of single people, under numbers that stand for "
            "them. If you may see people, say so: --people."
        )
    if options.out is None:
        raise BadInput(
            "Name a file for the journeys, which only you will be able to read: --out journeys.csv."
        )
    if options.out.exists() and not options.out.is_file():
        raise BadInput(f"{options.out} is no file. Name one that only you will be able to read.")
    if options.format != "csv":
        raise BadInput("Journeys are written as CSV, for programs. Leave --format out.")
