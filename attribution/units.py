"""Units for systemd: serving and pulling as services that may do little more than that.

How far they are confined, the unit of the schedule (attribution/schedule/units.py) is too.
"""

import sys
from pathlib import Path

from attribution.errors import BadInput
from attribution.paths import Home

# Where a service finds its secrets.
SECRETS = """\
# The outer key may come as a credential, for root's eyes only (docs/operations.md):
# LoadCredential=CARETRACE_KEY:/etc/caretrace/key
# What else is secret stands in this file, one NAME=value a line, for root too; it may be missing.
EnvironmentFile=-/etc/caretrace/secrets.env"""
# What neither serving nor refreshing needs. A call that is kept out is refused, and kills nothing.
CONFINED = """\
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute: libraries that call back through libffi need such memory."""
_UNIT = """\
# /etc/systemd/system/{name}.service: made by `caretrace {verb} --print systemd`.
[Unit]
Description=caretrace: {does}
After=network-online.target
Wants=network-online.target

[Service]
# The owner of the home folder; give it no login shell and nothing else to do.
User={user}
Environment=CARETRACE_HOME={home}
Environment=CARETRACE_LOG=json
{secrets}
ExecStart={python} -m attribution.cli {command}
WorkingDirectory={home}
Restart=on-failure
RestartSec=5
UMask=0077
MemoryMax=4G
# The process may write its home folder, and read the rest that it needs.
ProtectSystem=strict
ProtectHome={protect_home}
ReadWritePaths={home}
{confined}

[Install]
WantedBy=multi-user.target
"""


def serve_unit(home: Home, port: int) -> str:
    """The unit that serves one home folder; its owner is the user it runs as.

    Raises BadInput where the folder is not there yet, or its path would be read otherwise there.
    """
    does = "marketing attribution for health systems"
    return _unit(home, "caretrace", does, f"serve --port {port}")


def pull_unit(home: Home, every: int) -> str:
    """The unit that takes what another host publishes, for pages that are served from one home.

    `every` is how many seconds pass from one question to the next. Raises BadInput as above.
    """
    does = "takes what another host publishes"
    return _unit(home, "caretrace-pull", does, f"pull --follow --every {every}")


def _unit(home: Home, name: str, does: str, command: str) -> str:
    folder = home.folder.absolute()
    if not folder.is_dir():
        raise BadInput(
            f"There is no folder {folder} to run in. Make it with its caretrace.toml first: "
            "`caretrace init` writes one."
        )
    for path in (str(folder), sys.executable):
        if any(sign in path for sign in " \t\n\"'%\\$"):
            raise BadInput(f"{path} has a sign that systemd reads otherwise. Choose another path.")
    return _UNIT.format(
        user=folder.owner(),
        home=folder,
        python=sys.executable,
        name=name,
        verb=command.split()[0],
        does=does,
        command=command,
        secrets=SECRETS,
        confined=CONFINED,
        # What is under a home directory can only be seen where those are not hidden.
        protect_home="read-only" if _under_homes(folder, Path(sys.executable)) else "yes",
    ).rstrip("\n")


def _under_homes(*paths: Path) -> bool:
    homes = (Path("/home"), Path("/root"), Path("/run/user"))
    return any(path.is_relative_to(home) for path in paths for home in homes)
