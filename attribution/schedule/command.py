"""`caretrace schedule` and `caretrace report`: the week that runs itself, and what it sends."""

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attribution import audit
from attribution import settings as configuration
from attribution.errors import BadInput, SettingsError
from attribution.local_time import local
from attribution.paths import Home
from attribution.roles import ROLES, Reader
from attribution.schedule import units
from attribution.terminal import prove_out, say, write_out

_DOES = {
    "list": "what is planned, and what became of it last",
    "preview": "write the file that would be sent now",
    "send": "send it now; data that are late are marked on it",
    "hold": "hold it until `caretrace report resume`",
    "resume": "let it go again",
    "history": "what was sent, held, skipped or failed, and why",
}


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register both commands on a parser of commands."""
    schedule = commands.add_parser(
        "schedule", help="refresh every week and send reports, until it is stopped"
    )
    how = schedule.add_mutually_exclusive_group()
    how.add_argument(
        "--once", action="store_true", help="do what is due now and end; for your own scheduler"
    )
    how.add_argument(
        "--print", dest="system", choices=units.SYSTEMS, help="what systemd or cron is to be told"
    )
    schedule.set_defaults(run=_schedule)

    report = commands.add_parser("report", help="reports that are sent by themselves")
    does = report.add_subparsers(required=True, metavar="what")
    for name, help_ in _DOES.items():
        one = does.add_parser(name, help=help_)
        if name not in ("list", "history"):
            one.add_argument("name", help="the report's name, as in [reports.<name>]")
        if name == "preview":
            one.add_argument("--out", type=Path, help="the file to write (default: its own name)")
        one.set_defaults(run=_report, what=name)


def _schedule(options: argparse.Namespace) -> int:
    home = configuration.home()
    if options.system:
        systemd = options.system == "systemd"
        sys.stdout.write(units.unit(home, _folders(home)) if systemd else units.crontab(home))
        return 0
    from attribution.schedule import running

    try:
        configuration.load(home)  # every mistake is said now, and not on Monday
    except SettingsError as error:
        running.mistaken(home, error)  # nobody reads what cron is told
        raise
    if options.once:
        return 0 if running.once(home, say) else 1
    running.forever(home, say)
    return 0


def _folders(home: Home) -> list[Path]:
    """The folders that reports are put into, as far as they are outside of the home folder."""
    from attribution.schedule.known import plans_of
    from attribution.schedule.plans import folder_of, planned

    plans = plans_of(home, planned(home)) if home.config.is_file() else ()
    found = dict.fromkeys(folder_of(home, plan).resolve() for plan in plans if plan.folder)
    return [path for path in found if not path.is_relative_to(home.folder)]


def _report(options: argparse.Namespace) -> int:
    from attribution.schedule.managing import Manager

    home = configuration.home()
    if not home.config.is_file():
        raise BadInput(f"There is no {home.config.name} in {home.folder}, so nothing is planned.")
    manager = Manager(home, Reader(audit.operator(), frozenset(ROLES)), lambda: datetime.now(UTC))
    if options.what == "list":
        return _list(manager, home)
    if options.what == "history":
        for row in manager.history().iloc[::-1].to_dict("records"):
            say(f"{local(row['due_at'])} {_became(row)}")
        return 0
    if options.what == "preview":
        made = manager.preview(options.name)
        out = options.out or Path(made.file_name)
        prove_out(out)
        write_out(out, made.content)
        say(f"Wrote {out.absolute()}. Nothing was sent.")
        return 0
    if options.what == "send":
        sent = manager.send_now(options.name)
        every = manager.history()
        say(_became(every[every["key"] == sent.key].iloc[0].to_dict()))
        return 0 if sent.state == "sent" else 1
    (manager.hold if options.what == "hold" else manager.resume)(options.name)
    say(f"{options.name} is held." if options.what == "hold" else f"{options.name} goes again.")
    return 0


def _became(row: Mapping[Any, Any]) -> str:
    """What became of a send; where it waits, for what."""
    to = f" To {row['places']}." if row["places"] else ""
    return f"{row['name']}: {row['state']}. {row['reason']}".rstrip() + to


def _list(manager: Any, home: Home) -> int:
    from attribution.schedule.plans import planned

    zone = planned(home).week.zone
    every = manager.known()
    for name, (plan, _since, held_by) in every.items():
        due = plan.slots(zone).next(datetime.now(UTC)).astimezone(zone)
        to = ", ".join([*plan.recipients, *([plan.folder] if plan.folder else [])])
        held = f" Held by {held_by}." if held_by else ""
        say(f"{name}: {plan.title}, next {due:%a %Y-%m-%d %H:%M %Z}, to {to}.{held}")
    if not every:
        say(f"Nothing is planned. Add a [reports.<name>] table to {home.config}.")
    return 0
