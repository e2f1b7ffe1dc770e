"""What systemd and cron are to be told, for those who have one of them."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from attribution.paths import Home
from attribution.units import CONFINED, SECRETS

SYSTEMS = ("systemd", "cron")


def unit(home: Home, folders: Iterable[Path]) -> str:
    """The unit of the schedule, as a file for /etc/systemd/system.

    `folders` are those that reports are put into.
    """
    # Without the minus sign a folder that is away would keep the schedule from starting.
    named = (str(home.folder), *(f"-{folder}" for folder in folders))
    paths = " ".join(f'"{_escaped(path)}"' for path in named)
    return f"""\
# /etc/systemd/system/caretrace-schedule.service
# sudo systemctl daemon-reload && sudo systemctl enable --now caretrace-schedule
[Unit]
Description=caretrace: weekly refresh and reports
Documentation=https://www.freedesktop.org/software/systemd/man/systemd.service.html
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
User={home.folder.owner() if home.folder.exists() else "caretrace"}
Environment="CARETRACE_HOME={_escaped(str(home.folder))}"
{SECRETS}
ExecStart={_escaped(_program())} schedule
Restart=on-failure
RestartSec=60
# A refresh that runs is told to end, and has a minute for it.
KillMode=mixed
TimeoutStopSec=90
UMask=0077
# It may write these folders, and read the rest: sources may drop their files anywhere.
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={paths}
{CONFINED}
# A report's file is given to the group of its folder, by a user who is in that group.
SystemCallFilter=@chown

[Install]
WantedBy=multi-user.target
"""


def crontab(home: Home) -> str:
    """The lines of a crontab that look every ten minutes whether something is due."""
    program, folder = shlex.quote(_program()), shlex.quote(str(home.folder))
    # A percent sign ends a command in a crontab.
    command = f"CARETRACE_HOME={folder} {program} schedule --once".replace("%", r"\%")
    return f"""\
# crontab -e, as the owner of the home folder. What is due is caught up once, however often this
# looks; a second one that comes while a refresh runs ends at once.
*/10 * * * * {command}
"""


def _program() -> str:
    """Where the command is that runs now."""
    beside = Path(sys.executable).with_name("caretrace")
    return str(beside) if beside.exists() else "caretrace"


def _escaped(text: str) -> str:
    """A path within a unit, where a percent sign means something else."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
