"""The command `caretrace pull`: what another host has published, for pages on this one."""

import argparse
import signal
from typing import Any

from attribution import settings as configuration
from attribution.terminal import home_folder, say


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register it on a parser of commands."""
    pull = commands.add_parser(
        "pull", help="take what another host published on PostgreSQL, to serve pages of it here"
    )
    pull.add_argument(
        "--follow", action="store_true", help="go on, and take each generation that comes"
    )
    pull.add_argument(
        "--every",
        type=_seconds,
        default=60,
        metavar="SECONDS",
        help="with --follow: how often to ask (60)",
    )
    pull.add_argument("--print", choices=["systemd"], help="write a unit file that follows instead")
    pull.set_defaults(run=_pull)


def _seconds(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 1 on")
    return int(text)


def _pull(options: argparse.Namespace) -> int:
    home = home_folder()
    if options.print:
        from attribution.units import pull_unit

        say(pull_unit(home, options.every))
        return 0
    configuration.load(home)
    from attribution.pulling import follow, pull

    if options.follow:
        # Systemd and containers end what they started by SIGTERM, which the first process of a
        # container would not even hear.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            follow(home, options.every, say)
        except KeyboardInterrupt:
            say("Stopped; pages go on with what is here.")
    else:
        say(pull(home))
    return 0
