"""The command line: `caretrace <command>`.

Exit codes: 0 done, 1 done in part, 2 refused (usage, configuration, bad input), 75 busy. Errors
are one sentence on standard error; `--debug` shows the traceback as well.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from attribution import (
    analyst,
    audit_command,
    custody,
    definitions_command,
    export_command,
    init_command,
    lift_command,
    migrate_command,
    mix_command,
    operating,
    pull_command,
    refresh_words,
    text_in_frames,
)
from attribution import settings as configuration
from attribution.errors import CaretraceError
from attribution.paths import Home
from attribution.port import check_port
from attribution.research import command as research_command
from attribution.roles import ROLES
from attribution.schedule import command as schedule_command
from attribution.terminal import day, home_folder, note, say, say_anything
from outreach import command as outreach

if TYPE_CHECKING:
    from attribution.backfill import Part


_STOPPED = "Stopped; what was published before still stands."
_IN_A_QUERY = "Query interrupted"  # what DuckDB makes of Ctrl-C while it works


def _failed(reason: str) -> str:
    """What to do where a database failed: of a full disk nothing else helps than space."""
    said = f"The warehouse failed, and what was published still stands: {reason}."
    if "full" in reason or "No space left" in reason:
        return f"{said} Free space, then run it again; `caretrace doctor` says how much it takes."
    return (
        f"{said} Try again; if it fails again, run `caretrace rollback` and then "
        "`caretrace refresh`."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    text_in_frames.as_objects()
    say_anything()
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except CaretraceError as error:
        return _refuse(options, str(error), error.exit_code)
    except DBAPIError as error:
        return _refuse(options, _failed(str(error.orig).splitlines()[0].rstrip(".")), 2)
    except BrokenPipeError:
        # Whoever read the output has seen enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return _refuse(options, f"The system said no: {error}.", 2)
    except KeyboardInterrupt:
        return _refuse(options, _STOPPED, 130)
    except RuntimeError as error:
        if str(error) != _IN_A_QUERY:
            raise
        return _refuse(options, _STOPPED, 130)
    return code


def _refuse(options: argparse.Namespace, sentence: str, code: int) -> int:
    if options.debug:
        raise  # the error that is being handled
    note(sentence)
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

    init_command.add_commands(commands)

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
    refresh.add_argument("--since", type=day, help="with --source: read days again from this one")
    refresh.add_argument("--until", type=day, help="with --source: up to this one")
    refresh.set_defaults(run=_refresh)

    status = commands.add_parser(
        "status", help="what is published, and how sources and schedule fare"
    )
    status.add_argument("--json", action="store_true", help="for a program; times in UTC")
    status.set_defaults(run=_status)

    doctor = commands.add_parser("doctor", help="check settings and sources, and say what to fix")
    doctor.add_argument("--explain", action="store_true", help="list every setting of every source")
    doctor.set_defaults(run=_doctor)

    export_command.add_command(commands)
    analyst.add_command(commands)
    mix_command.add_commands(commands)
    definitions_command.add_commands(commands)
    lift_command.add_commands(commands)
    outreach.add_command(commands)
    research_command.add_command(commands)
    custody.add_commands(commands)
    schedule_command.add_commands(commands)
    operating.add_commands(commands)
    migrate_command.add_commands(commands)
    pull_command.add_commands(commands)
    audit_command.add_commands(commands)

    rollback = commands.add_parser("rollback", help="go back to the generation before this one")
    rollback.set_defaults(run=_rollback)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from attribution.demo import prepare
    from attribution.demo.geo_plan import register

    home = home_folder()
    if not options.no_serve:
        check_port(options.port)
    prepare(home, people=options.people, seed=options.seed, say=say)
    code = _run_refresh(home, debug=options.debug)
    register(home)
    if options.no_serve:
        return code
    return _serve(options)


def _serve(options: argparse.Namespace) -> int:
    home = home_folder()
    if getattr(options, "print", None):
        from attribution.units import serve_unit

        say(serve_unit(home, options.port))
        return 0
    check_port(options.port)
    from attribution.ui.server import serve

    serve(options.port, home, getattr(options, "role", None))
    return 0


def _refresh(options: argparse.Namespace) -> int:
    from attribution.backfill import part_of

    home, today = home_folder(), datetime.now(UTC).date()
    part = part_of(configuration.load(home), options.source, options.since, options.until, today)
    return _run_refresh(home, part, debug=options.debug)


def _run_refresh(home: Home, part: "Part | None" = None, *, debug: bool) -> int:
    from attribution.progress import shown
    from attribution.refresh import refresh

    settings = configuration.load(home)
    with shown(sys.stderr) as watch:
        outcome = refresh(settings, watch, debug=debug, part=part)
    for sentence in refresh_words.sentences(outcome):
        note(sentence)
    say(f"Generation {outcome.generation} is published.")
    return 1 if outcome.failed else 0


def _status(options: argparse.Namespace) -> int:
    from attribution.status import status

    return status(home_folder(), as_json=options.json)


def _doctor(options: argparse.Namespace) -> int:
    from attribution import doctor

    if options.explain:
        say(doctor.explain())
        return 0
    findings = doctor.examine(configuration.load(home_folder()))
    for finding in findings:
        say(f"{'ok ' if finding.fine else 'FIX'} {finding.subject}: {finding.sentence}")
    return 0 if all(finding.fine for finding in findings) else 1


def _rollback(_options: argparse.Namespace) -> int:
    from attribution.holding import WENT_BACK, sends_held
    from attribution.refresh import rollback

    home = home_folder()
    number = rollback(home)
    say(f"Generation {number} is published again.")
    if WENT_BACK in (sends_held(home) or ""):
        say(
            "Sends are held: refusals that came since may be missing in it. Say `caretrace "
            "release` after the next `caretrace refresh`."
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
