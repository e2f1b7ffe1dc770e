"""The commands of whoever runs an installation: hold, release, backup, restore."""

import argparse
from pathlib import Path
from typing import Any

from attribution import audit
from attribution import settings as configuration
from attribution.errors import BadInput
from attribution.terminal import say


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register them on a parser of commands."""
    hold = commands.add_parser("hold", help="send nothing from now on: no reports, no outreach")
    hold.add_argument("reason", help="why, for whoever finds sends held")
    hold.set_defaults(run=_hold)
    release = commands.add_parser("release", help="let sends go out again")
    release.set_defaults(run=_release)

    backup = commands.add_parser("backup", help="copy everything that cannot be made again")
    backup.add_argument("target", type=Path, help="a new folder, best on another disk")
    backup.add_argument(
        "--with-key",
        action="store_true",
        help="the outer key too: whoever has that backup can open it all",
    )
    backup.set_defaults(run=_backup)
    restore = commands.add_parser("restore", help="put a backup into an empty home folder")
    restore.add_argument("backup", type=Path, help="the folder that `caretrace backup` made")
    restore.add_argument("--check", action="store_true", help="only say whether it is whole")
    restore.add_argument(
        "--forgotten",
        type=Path,
        help="a later backup, home folder or vault: who was forgotten there is forgotten here too, "
        "and who refused there is left alone",
    )
    restore.set_defaults(run=_restore)


def _hold(options: argparse.Namespace) -> int:
    from attribution.holding import hold

    home = configuration.home()
    if not home.ledger.is_file():
        raise BadInput(f"{home.folder} has no ledger yet, so nothing is sent from it.")
    hold(home, audit.operator(), options.reason)
    say("Sends are held. `caretrace release` lets them go out again.")
    return 0


def _release(_options: argparse.Namespace) -> int:
    from attribution.holding import release

    released = release(configuration.home(), audit.operator())
    say("Sends go out again." if released else "No sends were held.")
    return 0


def _backup(options: argparse.Namespace) -> int:
    from attribution.backup import backup
    from attribution.warehouse_url import DUCKDB, kind_of, url_of

    made = backup(configuration.home(), options.target, with_key=options.with_key)
    say(f"{options.target} holds generation {made.generation}: {made.files:,} files, {made.words}.")
    say(
        "It holds the key: keep it as you keep patients' data, and encrypted."
        if options.with_key
        else "The key is not in it: keep the key apart, as nothing can be opened without it."
    )
    if kind_of(url_of(configuration.home())) != DUCKDB:
        say("The private store is on a server, and not in it: dump its database too.")
    return 0


def _restore(options: argparse.Namespace) -> int:
    from attribution.restoring import check, restore

    if options.check:
        made = check(options.backup)
        say(f"{options.backup} is whole: {made.files:,} files of {made.made_at}.")
        return 0
    home = configuration.home()
    for sentence in restore(options.backup, home, options.forgotten):
        say(sentence)
    return 0
