"""Tables of the configuration as they were written, and what is wrong with them."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from attribution.errors import SettingsError
from attribution.paths import Home

T = TypeVar("T")
_MEANT: dict[type, str] = {
    str: "a text in quotes",
    int: "a whole number",
    bool: "true or false",
    date: "a date such as 2024-01-01, without quotes",
    dict: "a table",
    list: "a list in brackets",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A table of the configuration, and what is wrong with it."""

    table: Mapping[str, Any]
    problems: list[str]
    where: str = ""

    def only(self, known: set[str]) -> None:
        """Note every setting that nobody knows."""
        self.problems.extend(unknown(self.table, known, self.where))

    def get(self, name: str, kind: type[T], default: T) -> T:
        """A setting of the kind that is meant, or its default and a problem."""
        value = self.table.get(name, default)
        # `type`, not `isinstance`: true is an int in Python, and a date-time is a date.
        if type(value) is kind:
            return value
        self.problems.append(f"{self.where}{name} must be {_MEANT[kind]}")
        return default


def unknown(
    table: Mapping[str, Any], known: Iterable[str], where: str = "", *, of: str = ""
) -> list[str]:
    """What is wrong with the settings of a table that are not of those known.

    `of` says of what they are none, where that is told.
    """
    known = set(known)
    return [
        f"{where}{name} is not a setting{of}{nearest(name, known)}"
        for name in sorted(table.keys() - known)
    ]


def nearest(name: str, known: Iterable[str]) -> str:
    """The name that was probably meant, to be put after a problem; nothing where none is near."""
    near = difflib.get_close_matches(name, sorted(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def documents(home: Home) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration, and the secrets beside it; SettingsError where one cannot be read."""
    return read_toml(home.config), read_toml(home.secrets) if home.secrets.is_file() else {}


def lenient(home: Home) -> dict[str, Any]:
    """The configuration for who wants one thing of it; nothing where it cannot be read.

    What is wrong with it is said where all of it is read.
    """
    try:
        return read_toml(home.config)
    except SettingsError:
        return {}


def read_toml(path: Path) -> dict[str, Any]:
    """What a file says; raises SettingsError where it is no TOML or cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
