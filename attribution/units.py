"""Units for systemd: the server as a service that may do little more than serve.

How far it is confined, the unit of the schedule (attribution/schedule/units.py) is too.
"""

import sys
from pathlib import Path

from attribution.errors import BadInput
from attribution.paths import Home

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
# /etc/systemd/system/caretrace.service: made by `caretrace serve --print systemd`.
[Unit]
Description=caretrace: marketing attribution for health systems
After=network-online.target
Wants=network-online.target

[Service]
# The owner of the home folder; give it no login shell and nothing else to do.
User={user}
Environment=CARETRACE_HOME={home}
Environment=CARETRACE_LOG=json
# A key of the environment belongs in a credential, not here: see docs/operations.md.
ExecStart={python} -m attribution.cli serve --port {port}
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
    folder = home.folder.absolute()
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder} to serve. Run `caretrace refresh` first.")
    for path in (str(folder), sys.executable):
        if any(sign in path for sign in " \t\n\"'%\\$"):
            raise BadInput(f"{path} has a sign that systemd reads otherwise. Choose another path.")
    return _UNIT.format(
        user=folder.owner(),
        home=folder,
        python=sys.executable,
        confined=CONFINED,
        port=port,
        # What is under a home directory can only be seen where those are not hidden.
        protect_home="read-only" if _under_homes(folder, Path(sys.executable)) else "yes",
    ).rstrip("\n")


def _under_homes(*paths: Path) -> bool:
    homes = (Path("/home"), Path("/root"), Path("/run/user"))
    return any(path.is_relative_to(home) for path in paths for home in homes)
