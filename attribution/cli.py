"""The command line: `caretrace <command>`.

Exit codes: 0 done, 1 done in part, 2 refused (usage, configuration, bad input), 75 busy. Errors
are one sentence on standard error; `--debug` shows the traceback as well.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from attribution import (
    analyst,
    custody,
    definitions_command,
    lift_command,
    mix_command,
    operating,
)
from attribution import settings as configuration
from attribution.errors import BadInput, CaretraceError
from attribution.local_time import local
from attribution.paths import Home
from attribution.port import check_port
from attribution.research import command as research_command
from attribution.roles import ROLES
from attribution.schedule import command as schedule_command
from outreach import command as outreach

if TYPE_CHECKING:
    from attribution.backfill import Part

_REPORTS = ("channels", "service-lines", "reactivation", "board")  # of the catalogue
_MESSAGES = ("engagement", "education")  # reports of messages


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except CaretraceError as error:
        return _refuse(options, str(error), error.exit_code)
    except DBAPIError as error:
        reason = str(error.orig).splitlines()[0]
        sentence = (
            f"The warehouse failed, and what was published still stands: {reason} Try again; if "
            "it fails again, run `caretrace rollback` and then `caretrace refresh`."
        )
        return _refuse(options, sentence, 2)
    except BrokenPipeError:
        # Whoever read the output has seen enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return _refuse(options, f"The system said no: {error}.", 2)
    except KeyboardInterrupt:
        return _refuse(options, "Stopped; what was published before still stands.", 130)
    return code


def _refuse(options: argparse.Namespace, sentence: str, code: int) -> int:
    if options.debug:
        raise  # the error that is being handled
    print(f"caretrace: {sentence}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="caretrace",
        description="Which marketing really brings patients in, and what to do next.",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="command")

    demo = commands.add_parser("demo", help="simulate a health system, refresh, and serve it")
    demo.add_argument("--people", type=int, default=60_000, help="how many people (60000)")
    demo.add_argument("--seed", type=int, default=7, help="the same seed gives the same data (7)")
    demo.add_argument("--port", type=int, default=8501)
    demo.add_argument("--no-serve", action="store_true", help="stop after the refresh")
    demo.set_defaults(run=_demo)

    serve = commands.add_parser("serve", help="serve the dashboard on this computer")
    serve.add_argument("--port", type=int, default=8501)
    serve.add_argument(
        "--as",
        dest="role",
        choices=ROLES,
        help="with simulated people: read as somebody with this role alone",
    )
    serve.add_argument("--print", choices=["systemd"], help="write a unit file instead")
    serve.set_defaults(run=_serve)

    refresh = commands.add_parser("refresh", help="load every source and publish what they say")
    refresh.add_argument("--source", help="ask this source alone")
    refresh.add_argument("--since", type=_day, help="with --source: read days again from this one")
    refresh.add_argument("--until", type=_day, help="with --source: up to this one")
    refresh.set_defaults(run=_refresh)

    status = commands.add_parser(
        "status", help="what is published, and how sources and schedule fare"
    )
    status.add_argument("--json", action="store_true", help="for a program; times in UTC")
    status.set_defaults(run=_status)

    doctor = commands.add_parser("doctor", help="check settings and sources, and say what to fix")
    doctor.add_argument("--explain", action="store_true", help="list every setting of every source")
    doctor.set_defaults(run=_doctor)

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
    export.add_argument("--since", type=_day, help="first day, as 2026-01-05")
    export.add_argument("--until", type=_day, help="last day, as 2026-03-29")
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

    identity = commands.add_parser("identity", help="say what makes records one person")
    identity.add_argument("person", type=int, help="a person's number, as journeys have it")
    identity.add_argument("--people", action="store_true", help="yes, show a single person")
    identity.set_defaults(run=_identity)

    analyst.add_command(commands)
    mix_command.add_commands(commands)
    definitions_command.add_commands(commands)
    lift_command.add_commands(commands)
    outreach.add_command(commands)
    research_command.add_command(commands)
    custody.add_commands(commands)
    schedule_command.add_commands(commands)
    operating.add_commands(commands)

    log = commands.add_parser("audit", help="who saw people and who took reports away")
    log.add_argument("what", choices=["show", "verify"], metavar="{show,verify}")
    log.add_argument("--last", type=int, default=20, help="how many entries to show (20)")
    log.add_argument("--expect", help="a head of the log that was noted before: it must be in it")
    log.set_defaults(run=_audit)

    sessions = commands.add_parser("sessions", help="end the sessions of readers who signed in")
    sessions.add_argument("what", choices=["end"], metavar="end")
    who = sessions.add_mutually_exclusive_group(required=True)
    who.add_argument("--reader", help="the reader's name, as the audit log has it")
    who.add_argument("--all", action="store_true", help="those of everybody")
    sessions.set_defaults(run=_sessions)

    rollback = commands.add_parser("rollback", help="go back to the generation before this one")
    rollback.set_defaults(run=_rollback)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from attribution.demo import prepare
    from attribution.demo.geo_plan import register

    home = _home()
    if not options.no_serve:
        check_port(options.port)
    prepare(home, people=options.people, seed=options.seed, say=_say)
    code = _run_refresh(home, debug=options.debug)
    register(home)
    if options.no_serve:
        return code
    return _serve(options)


def _serve(options: argparse.Namespace) -> int:
    home = _home()
    if getattr(options, "print", None):
        from attribution.units import serve_unit

        _say(serve_unit(home, options.port))
        return 0
    check_port(options.port)
    from attribution.ui.server import serve

    serve(options.port, home, getattr(options, "role", None))
    return 0


def _refresh(options: argparse.Namespace) -> int:
    from attribution.backfill import part_of

    home, today = _home(), datetime.now(UTC).date()
    part = part_of(configuration.load(home), options.source, options.since, options.until, today)
    return _run_refresh(home, part, debug=options.debug)


def _run_refresh(home: Home, part: "Part | None" = None, *, debug: bool) -> int:
    from attribution.progress import shown
    from attribution.refresh import refresh

    settings = configuration.load(home)
    with shown(sys.stderr) as watch:
        outcome = refresh(settings, watch, debug=debug, part=part)
    for name, message in outcome.failed.items():
        print(f"caretrace: {name} was not loaded: {message}", file=sys.stderr)
    _say(f"Generation {outcome.generation} is published.")
    return 1 if outcome.failed else 0


def _status(options: argparse.Namespace) -> int:
    from attribution.status import status

    return status(_home(), as_json=options.json)


def _doctor(options: argparse.Namespace) -> int:
    from attribution import doctor

    if options.explain:
        _say(doctor.explain())
        return 0
    findings = doctor.examine(configuration.load(_home()))
    for finding in findings:
        _say(f"{'ok ' if finding.fine else 'FIX'} {finding.subject}: {finding.sentence}")
    return 0 if all(finding.fine for finding in findings) else 1


def _export(options: argparse.Namespace) -> int:
    _check_out(options)
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
        rows = export_journeys(_home(), options.out, **asked)
        print(
            f"caretrace: {options.out} holds journeys of single people, under numbers that stand "
            "for them: keep it as you keep patients' data.",
            file=sys.stderr,
        )
        _say(f"Wrote {options.out}, {rows:,} touches.")
        return 0
    small = options.small_cells
    if options.report in _REPORTS:
        # The others need more libraries than these have time to load.
        from attribution.reports.asking import export_report

        content = export_report(
            _home(),
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
        options.out.write_bytes(content)
        _say(f"Wrote {options.out}.")
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
        return export_messages(_home(), options.report, small_cells=small, **_weeks(options))
    if options.report == "cohorts":
        return export_cohorts(_home(), _in_common(options), small_cells=small)
    if options.report == "experience":
        return export_experience(_home(), small_cells=small, **_of_answers(options, asked))
    _check_whole(options)
    return export_forecast(_home(), small_cells=small)


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
    names = ("service_line", "location", "age_band", "zip3", "lapse", "months_silent", "response")
    return {name: getattr(options, name) for name in (*names, "condition")}


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
        raise BadInput(f"{out} is a folder. Name a file in it: --out {out / 'channels.csv'}.")
    elif not out.parent.is_dir():
        raise BadInput(f"There is no folder {out.parent} to write into. Make it, or change --out.")


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


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a day: write year, month and day as 2026-01-05"
        ) from None


def _identity(options: argparse.Namespace) -> int:
    from attribution import audit
    from attribution.explain import explain
    from attribution.people import Permit

    if not options.people:
        raise BadInput("This is about a single person. If you may see people, say so: --people.")
    for sentence in explain(_home(), Permit("the command line", audit.operator()), options.person):
        _say(sentence)
    return 0


def _audit(options: argparse.Namespace) -> int:
    from attribution import audit

    home = _home()
    if not home.ledger.is_file():
        raise BadInput(f"{home.folder} has no ledger yet. Run `caretrace refresh`.")
    if options.what == "show":
        entries = audit.entries(home, options.last).to_dict("records")
        if not entries:
            _say(
                "The audit log is empty: nobody signed in, exported, looked at people, or was sent "
                "anything yet."
            )
        for said in entries:
            who = f"{said['actor']}: {said['action']} of {said['subject']}"
            _say(f"{said['number']} {local(said['at'])} {who} {said['detail']}")
        return 0
    verdict = audit.verify(home, options.expect)
    for problem in verdict.problems:
        print(f"caretrace: {problem}", file=sys.stderr)
    state = "BROKEN" if verdict.problems else "whole and unchanged"
    _say(f"The audit log has {verdict.entries:,} entries and is {state}. Head: {verdict.head}")
    return 1 if verdict.problems else 0


def _sessions(options: argparse.Namespace) -> int:
    from attribution import audit
    from attribution.sessions import sessions

    home, name = _home(), None if options.all else options.reader
    audit.record(home, audit.operator(), audit.REVOKED, f"sessions of {name or 'everybody'}")
    ended = sessions(home).end_all(name)
    if name is not None and not ended:
        raise BadInput("Nobody of that name is signed in, so no session was ended.")
    _say(f"{ended:,} sessions are over.")
    return 0


def _rollback(_options: argparse.Namespace) -> int:
    from attribution.refresh import rollback

    number = rollback(_home())
    _say(f"Generation {number} is published again.")
    return 0


def _home() -> Home:
    home = configuration.home()
    if home.folder.exists() and not home.folder.is_dir():
        raise BadInput(f"{home.folder} is a file. Set CARETRACE_HOME to a folder.")
    return home


def _say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
