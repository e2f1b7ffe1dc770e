"""The commands of whoever keeps the data: keys, forget, purge."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attribution import settings as configuration
from attribution.errors import BadInput
from attribution.terminal import say

if TYPE_CHECKING:
    from attribution.refresh_steps import Watcher

# What a person reads for the places that are no tables.
_PLACES = {
    "vault": "identifiers in the vault",
    "payloads": "payloads",
    "ledger": "rows of the ledger",
    "runs": "runs in the ledger",
    "comments": "comments of feedback",
    "generations": "earlier generations",
}


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to the command line."""
    keys = commands.add_parser("keys", help="how things stand with keys; change them")
    keys.add_argument("what", choices=["show", "rotate"], metavar="{show,rotate}")
    keys.add_argument(
        "--rehash",
        action="store_true",
        help="rotate: hash every identifier anew too, where somebody may hold the hashing key",
    )
    keys.set_defaults(run=_keys)

    forget = commands.add_parser(
        "forget", help="delete a person everywhere; who it is, is read from standard input"
    )
    forget.add_argument("--confirm", action="store_true", help="do it, not only say what would go")
    forget.add_argument(
        "--here-only",
        action="store_true",
        help="also where a CRM that outreach told of them cannot be asked to let go of them",
    )
    forget.add_argument(
        "--reason",
        choices=["request", "consent", "error", "law"],
        default="request",
        help="why, for the audit log (request)",
    )
    forget.set_defaults(run=_forget)

    purge = commands.add_parser("purge", help="delete what is past its time ([retention])")
    purge.add_argument("--dry-run", action="store_true", help="only say what would go")
    purge.set_defaults(run=_purge)


def _keys(options: argparse.Namespace) -> int:
    from attribution.rotation import rotate, state

    home = configuration.home()
    if not home.keyring.is_file():
        raise BadInput(f"{home.folder} has no keyring yet. Run `caretrace refresh`.")
    if options.what == "rotate":
        with _watched() as watch:
            rotate(configuration.load(home), watch, say, rehash=options.rehash)
    found = state(home)
    say(f"Hashing keys in turn: {found.hashing_keys}. Payload key: {found.payload_key}.")
    say(f"Payloads: {found.payloads:,}, of which {found.stale:,} are to be sealed anew.")
    if found.unfinished:
        say("A change of keys was stopped. Run `caretrace keys rotate`; it goes on.")
    return 1 if found.unfinished else 0


def _forget(options: argparse.Namespace) -> int:
    from attribution.forgetting import forget, unfinished
    from attribution.whom_to_forget import HOW, asked, find

    home = configuration.home()
    settings = configuration.load(home)
    if sys.stdin.isatty():
        print(f"{HOW} End with Ctrl-D.", file=sys.stderr)
    lines = asked(sys.stdin)
    found = (
        forget(settings, lines, options.reason, here_only=options.here_only)
        if options.confirm
        else find(settings, lines)
    )
    if found.already:
        waits = " Something of them is left: --confirm goes on." if unfinished(home) else ""
        say(f"Forgotten before: {found.already} of the lines.{waits}")
    if found.people:
        numbers = ", ".join(str(number) for number in found.people)
        say(f"{'Forgotten' if options.confirm else 'Would be forgotten'}: person {numbers}.")
        for place, number in found.counts.items():
            say(f"  {_PLACES.get(place, place)}: {number:,}")
    if options.confirm and (found.people or unfinished(home)):
        return _built_anew("Nothing of them is left, and earlier generations are gone.")
    if found.people:
        say(
            "Earlier generations would go too; counts on pages are built anew without them. Say "
            "--confirm to do it."
        )
    return 0


def _purge(options: argparse.Namespace) -> int:
    from attribution import audit
    from attribution.deletions import earlier, past, purge_earlier

    home = configuration.home()
    settings = configuration.load(home)
    if not settings.retention:
        raise BadInput(f"{home.config} keeps everything for good: add [retention] to change that.")
    found, before = past(settings), earlier(home)
    for kind, number in (found | ({"generations": before} if before else {})).items():
        say(f"  {_PLACES.get(kind, kind)}: {number:,}")
    if options.dry_run:
        say("Nothing was changed." if found or before else "Nothing is past its time.")
        return 0
    if found or before:
        audit.record(home, audit.operator(), audit.PURGED, "what is past its time", **found)
    code = _built_anew("It is gone.") if found else 0
    if gone := purge_earlier(home):
        say(f"Earlier generations are gone: {gone:,}.")
    elif not found:
        say("Nothing is past its time.")
    return code


def _built_anew(sentence: str) -> int:
    from attribution.refresh import refresh

    with _watched() as watch:
        outcome = refresh(configuration.load(configuration.home()), watch, load=False)
    say(f"{sentence} Generation {outcome.generation} is published.")
    return 0


@contextmanager
def _watched() -> "Iterator[Watcher]":
    from attribution.progress import shown

    with shown(sys.stderr) as watch:
        yield watch
