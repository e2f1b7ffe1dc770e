"""What PostgreSQL could not do, as a sentence to whoever runs caretrace; never with a password."""

import re
from typing import Any

from sqlalchemy import URL

from attribution import warehouse_url
from attribution.errors import SettingsError, StorageError

READ_ONLY = (
    "can only be read: it is a standby, or default_transaction_read_only is on. Name the server "
    "that it follows, or switch that off for this user."
)
_STANDS = "What was published still stands."
# By the class of SQLSTATE, or by the whole of it (PostgreSQL's appendix A).
_SENTENCES = {
    "53100": "{place} has no space left on its disk. Free some, and run this again.",
    "53200": "{place} has no memory left. Give it more, and run this again.",
    "53300": "{place} takes no more connections. Raise max_connections, or try again later.",
    "53400": "{place} refuses to go beyond a limit that was set for it. Raise temp_file_limit or "
    "what else is limited, and run this again.",
    "42501": "{place} does not let {user} do this. Make {user} the owner of the database, or give "
    "it the right CREATE on it, and try again.",
    "25006": f"{{place}} {READ_ONLY}",
    "57014": "{place} was told to cancel what was asked of it. Try again.",
    "55P03": "Somebody reads the published tables on {place} all the time, so they could not be "
    "replaced. End that, and try again.",
    "57P03": "{place} is starting or stopping. Try again in a moment.",
    "57P": "The connection to {place} was ended by the server. Try again.",
    "08": "The connection to {place} was lost. Try again.",
}

# What the driver says of a connection that was refused has no SQLSTATE.
_REFUSED = {"too many": "53300", "remaining connection slots": "53300", "is starting": "57P03"}
# As the driver says it, of a connection that was there.
_LOST = re.compile(r"connection is (lost|closed)|server closed the connection|connection has been")


def raise_in_words(error: BaseException, url: URL) -> None:
    """Raise StorageError where an error is of the server, its rights or its disk; else return."""
    sentence = in_words(error, url)
    if sentence:
        raise StorageError(f"{sentence} {_STANDS}") from error


def in_words(error: BaseException, url: URL) -> str:
    """A sentence for what is not a fault of the program; "" for all else."""
    import psycopg

    if not isinstance(error, psycopg.Error):
        return ""
    state = error.sqlstate or ""
    for length in (5, 3, 2):
        if state[:length] in _SENTENCES and state:
            return _SENTENCES[state[:length]].format(place=place(url), user=_user(url))
    if not state and _LOST.search(str(error)):
        return _SENTENCES["08"].format(place=place(url))
    if not state and isinstance(error, psycopg.OperationalError):
        for words, alike in _REFUSED.items():
            if words in str(error):
                return _SENTENCES[alike].format(place=place(url), user=_user(url))
        # Its own words name a host, a user and a database, and no password.
        return (
            f"{place(url)} cannot be reached as {_user(url)}: {_reason(error, url)}. Correct "
            "CARETRACE_WAREHOUSE, or start the server, and try again."
        )
    if not state and "invalid connection option" in str(error):
        return (
            "CARETRACE_WAREHOUSE has an option after its question mark that PostgreSQL's client "
            f"does not know: {_reason(error, url)}. Take it away, and try again."
        )
    return ""


def place(url: URL) -> str:
    """A server and its database as they may be said."""
    return f"{warehouse_url.place(url)},"


def driver_missing() -> SettingsError:
    """What to install."""
    return SettingsError(
        "CARETRACE_WAREHOUSE names PostgreSQL, which needs a library: "
        "pip install 'caretrace[postgres]'."
    )


def _user(url: URL) -> str:
    return url.username or "you"


def _reason(error: Any, url: URL) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()] or ["no answer"]
    said = lines[0].split("FATAL:")[-1].split(" failed: ")[-1].strip().rstrip(".?")
    return said.replace(url.password, "***") if isinstance(url.password, str) else said
