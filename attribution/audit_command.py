"""`caretrace identity`, `audit` and `sessions`: single people, who saw them, and who may go on."""

import argparse
from typing import Any

from attribution.errors import BadInput
from attribution.local_time import local
from attribution.terminal import home_folder, note, say


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register the commands on a parser of commands."""
    identity = commands.add_parser("identity", help="say what makes records one person")
    identity.add_argument("person", type=int, help="a person's number, as journeys have it")
    identity.add_argument("--people", action="store_true", help="yes, show a single person")
    identity.set_defaults(run=_identity)

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


def _identity(options: argparse.Namespace) -> int:
    from attribution import audit
    from attribution.explain import explain
    from attribution.people import Permit

    if not options.people:
        raise BadInput("This is about a single person. If you may see people, say so: --people.")
    for sentence in explain(
        home_folder(), Permit("the command line", audit.operator()), options.person
    ):
        say(sentence)
    return 0


def _audit(options: argparse.Namespace) -> int:
    from attribution import audit

    home = home_folder()
    if not home.ledger.is_file():
        raise BadInput(f"{home.folder} has no ledger yet. Run `caretrace refresh`.")
    if options.what == "show":
        entries = audit.entries(home, options.last).to_dict("records")
        if not entries:
            say(
                "The audit log is empty: nobody signed in, exported, looked at people, or was sent "
                "anything yet."
            )
        for said in entries:
            who = f"{said['actor']}: {said['action']} of {said['subject']}"
            say(f"{said['number']} {local(said['at'])} {who} {said['detail']}")
        return 0
    verdict = audit.verify(home, options.expect)
    for problem in verdict.problems:
        note(problem)
    state = "BROKEN" if verdict.problems else "whole and unchanged"
    say(f"The audit log has {verdict.entries:,} entries and is {state}. Head: {verdict.head}")
    return 1 if verdict.problems else 0


def _sessions(options: argparse.Namespace) -> int:
    from attribution import audit
    from attribution.sessions import sessions

    home, name = home_folder(), None if options.all else options.reader
    audit.record(home, audit.operator(), audit.REVOKED, f"sessions of {name or 'everybody'}")
    ended = sessions(home).end_all(name)
    if name is not None and not ended:
        raise BadInput("Nobody of that name is signed in, so no session was ended.")
    say("1 session is over." if ended == 1 else f"{ended:,} sessions are over.")
    return 0
