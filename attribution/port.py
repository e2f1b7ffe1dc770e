"""The port of the dashboard: whether it can be had, before anything is started for it."""

import socket

from attribution.errors import BadInput

ADDRESS = "127.0.0.1"
_INSTEAD = "Choose another: `--port 9000`, or `make demo PORT=9000`."


def check_port(port: int) -> None:
    """Raise BadInput where the server could not listen on this port of this computer."""
    if not 1 <= port <= 65_535:
        raise BadInput(f"Port {port} does not exist; ports go from 1 to 65535. {_INSTEAD}")
    with socket.socket() as tried:
        # As the server will: the last connections of one that just ended do not count.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((ADDRESS, port))
        except PermissionError:
            raise BadInput(f"You may not listen on port {port}. {_INSTEAD}") from None
        except OSError:
            raise BadInput(f"Port {port} is taken by another program. {_INSTEAD}") from None
