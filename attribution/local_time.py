"""Instants as a person at this computer reads them; what is stored stays in UTC."""

from datetime import datetime


def local(stored: object) -> str:
    """A stored instant on this computer's clock (`TZ`), to the second, with the zone's name.

    What is no instant is said as it is.
    """
    try:
        at = datetime.fromisoformat(str(stored))
    except ValueError:
        return str(stored)
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}" if at.tzinfo else str(stored)
