"""Which engine holds the private store: the URL in `CARETRACE_WAREHOUSE`, or in the settings.

A URL may hold a password; nothing here says one, and errors name the part that is wrong.
"""

import os
from urllib.parse import quote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from attribution.errors import SettingsError
from attribution.paths import Home
from attribution.told_settings import lenient

VARIABLE = "CARETRACE_WAREHOUSE"
DEFAULT = "duckdb:///"
DUCKDB, POSTGRESQL, SPARK = "duckdb", "postgresql", "spark"
_DRIVERS = {"duckdb": DUCKDB, "postgresql+psycopg": POSTGRESQL, "sc": SPARK}
# What people write, and what is meant by it.
_NEARLY = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg2": "postgresql+psycopg",
    "postgresql+psycopg3": "postgresql+psycopg",
    "spark": "sc",
}


def kind_of(url: URL) -> str:
    """The engine that a URL names: DUCKDB, POSTGRESQL or SPARK."""
    return _DRIVERS[url.drivername]


def place(url: URL) -> str:
    """The engine and where it is, as it may be said: without user, password and token."""
    if kind_of(url) == DUCKDB:
        return "DuckDB, in the home folder"
    hosts = url.query.get("host") or "this computer"
    at = url.host or (hosts if isinstance(hosts, str) else " or ".join(hosts))
    port = f":{url.port}" if url.port else ""
    if kind_of(url) == SPARK:
        return f"Spark at {at}{port}"
    return f"PostgreSQL at {at}{port}, database {url.database or 'of that name'}"


def url_of(home: Home) -> URL:
    """Where the private store is; raises SettingsError where the URL cannot be read."""
    told = os.environ.get(VARIABLE, "").strip()
    return read(text_of(home), VARIABLE if told else f"warehouse in {home.config.name}")


def text_of(home: Home) -> str:
    """The URL as it is written; the default where nobody wrote one."""
    if text := os.environ.get(VARIABLE, "").strip():
        return text
    said = lenient(home).get("warehouse", DEFAULT)
    return said.strip() if isinstance(said, str) else DEFAULT


def read(text: str, where: str = VARIABLE) -> URL:
    """A warehouse's URL; raises SettingsError, which never quotes it, where it is none.

    `where` is what somebody wrote it in.
    """
    begins, _, rest = text.partition("://")
    if begins == "sc":
        # What follows the host is Spark's, and may hold an @ and signs that are written as %3B.
        host, slash, told = rest.partition("/")
        rest = f"{host}{slash}{quote(told, safe='')}"
        text = f"sc://{rest}"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError(f"{where} is no URL. {_EXAMPLE}") from None
    name = url.drivername
    if name in _NEARLY:
        raise SettingsError(
            f"{where} begins with {name}://, which does not say what speaks to the server; "
            f"write {_NEARLY[name]}:// instead."
        )
    if name not in _DRIVERS:
        raise SettingsError(f"{where} names the engine {name!r}, which is none. {_EXAMPLE}")
    # The first @ after a password ends it: what is left of it would be said as the host's name.
    if "@" in (url.host or "") or rest.partition(":")[2].partition("?")[0].count("@") > 1:
        raise SettingsError(
            f"{where} has one @ too many. Write one in a user, a password or a database as %40, "
            "and a % as %25."
        )
    if _DRIVERS[name] == DUCKDB and (url.database or url.host):
        raise SettingsError(
            f"{where} gives DuckDB a place of its own; write duckdb:/// alone, its files are in "
            "the home folder."
        )
    if _DRIVERS[name] == SPARK and not url.host:
        raise SettingsError(f"{where} names no host of Spark. {_EXAMPLE}")
    return url


_EXAMPLE = "Write duckdb:///, postgresql+psycopg://user@host:5432/database or sc://host:15002."
