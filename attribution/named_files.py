"""Files that settings name in the home folder: what is read there, and what holds a key or a token.

The settings are read as they are written, so that a mistake elsewhere in them keeps no backup from
being made. Whatever holds a key or a token is an option `*_file` of its own, and what a source
reads lies in its `folder`: no other text of a source's settings is a path.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attribution.errors import SettingsError
from attribution.paths import Home
from attribution.told_settings import read_toml

# Tables and certificates, which are no secret. Any other file is taken for one.
_PLAIN = frozenset({"service_lines_file", "ca_file"})
_FOLDER = "folder"
_LOG = "log"  # of `[outreach.smtp]`: a folder of somebody else's, which names people


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """What settings name below a home folder.

    `read` are the topmost names of what sources read: theirs, and in the clear. `keys` are files
    that hold a key or a token, as paths below the folder; they need not be there.
    """

    read: frozenset[str]
    keys: frozenset[Path]


def named_files(home: Home) -> NamedFiles:
    """The files that a home folder's settings name in it.

    Raises SettingsError where nobody can tell: what is not known could be anything.
    """
    try:
        said = read_toml(home.config)
    except SettingsError as error:
        raise SettingsError(
            f"{home.config} cannot be read, so it is not known which files are the sources' own "
            "or hold keys, and must not be copied. Correct it, then make the backup."
        ) from error
    sources, ways = [*_texts(said.get("sources"))], [*_texts(said.get("outreach"))]
    keys = [
        value for name, value in (*sources, *ways) if name.endswith("_file") and name not in _PLAIN
    ]
    read = [value for name, value in sources if name == _FOLDER]
    read += [value for name, value in ways if name == _LOG]
    return NamedFiles(
        frozenset(path.parts[0] for path in _inside(home, read) if path.parts),
        frozenset(path for path in _inside(home, keys) if path.parts),
    )


def _texts(tables: Any) -> Iterator[tuple[str, str]]:
    """Every setting that is a text, of every table in a table."""
    each = tables.values() if isinstance(tables, dict) else ()
    for table in (one for one in each if isinstance(one, dict)):
        yield from ((name, value) for name, value in table.items() if isinstance(value, str))


def _inside(home: Home, named: list[str]) -> Iterator[Path]:
    """Those of some paths that lie below the home folder, as they are called from there."""
    folder = home.folder.resolve()
    for text in named:
        try:
            path = (folder / Path(text).expanduser()).resolve()
        except (OSError, RuntimeError, ValueError):  # no path that could be here
            continue
        if path.is_relative_to(folder):
            yield path.relative_to(folder)
