"""The command `caretrace migrate`: from one engine to another."""

import argparse
from typing import Any

from attribution import settings as configuration
from attribution.terminal import say


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register it on a parser of commands."""
    migrate = commands.add_parser(
        "migrate", help="carry the private store to another engine, and prove that all arrived"
    )
    migrate.add_argument(
        "--to",
        required=True,
        metavar="URL",
        help="duckdb:/// or postgresql+psycopg://user@host:5432/database; a password is read from "
        "PGPASSWORD or ~/.pgpass",
    )
    migrate.set_defaults(run=_migrate)


def _migrate(options: argparse.Namespace) -> int:
    from attribution.migrating import migrate

    home = configuration.home()
    configuration.load(home)
    migrate(home, options.to, say)
    return 0
