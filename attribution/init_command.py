"""The command `caretrace init`: a first caretrace.toml, to be filled in."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

from attribution.at_rest import owner_only
from attribution.errors import BadInput
from attribution.terminal import home_folder, say

_BACK = timedelta(days=731)  # two years, as where nothing is said


def add_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Register it on a parser of commands."""
    init = commands.add_parser("init", help="write a first caretrace.toml for a real installation")
    init.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="a source by its kind, or as name=kind: ga4 crm=hubspot drop=files; without one the "
        "kinds are listed",
    )
    init.add_argument("--title", default="caretrace", help="whose reports they are")
    init.add_argument("--currency", default="USD", help="of reports, ISO 4217 (USD)")
    init.add_argument("--region", default="US", help="of phone numbers without a country (US)")
    init.set_defaults(run=_init)


def _init(options: argparse.Namespace) -> int:
    from attribution import starter

    home = home_folder()
    sources = starter.named(options.sources)
    text = starter.configuration(
        sources,
        title=options.title,
        currency=options.currency,
        region=options.region,
        first_day=datetime.now(UTC).date() - _BACK,
    )
    with owner_only():
        home.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with home.config.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise BadInput(
                f"{home.config} is there already, and was not touched. Add a [sources.<name>] "
                "table to it, or set CARETRACE_HOME to another folder."
            ) from None
        except OSError:
            home.config.unlink(missing_ok=True)  # the part of it would never be touched again
            raise
    say(f"{home.config} is written.")
    say(f"1. Fill in what is marked {starter.REQUIRED} in it.")
    if secrets := starter.variables(sources):
        say(f"2. Set the secrets, in the environment or in {home.secrets}: {', '.join(secrets)}.")
    for setting, apart in starter.namespaces(sources).items():
        say(
            f"{', '.join(apart)} number people of their own, so each has another {setting}. Give "
            "them the same where they tell of one system."
        )
    say("Then `caretrace doctor` says what is still missing, and `caretrace refresh` loads.")
    return 0
