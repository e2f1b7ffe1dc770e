"""What a page says of its installation: its title, and whether its patients are simulated.

Read without the rest of the configuration: the server has no business with sources and secrets.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from attribution.errors import SettingsError
from attribution.paths import Home
from attribution.told_settings import read_toml


@dataclass(frozen=True, slots=True)
class Face:
    """An installation as its readers see it."""

    title: str = ""
    demo: bool = False


def face(home: Home) -> Face:
    """The title and the demo mark of a home folder; plain where nothing is configured."""
    try:
        return _read(home.config, home.config.stat().st_mtime_ns)
    except (OSError, SettingsError):
        return Face()


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> Face:
    document = read_toml(path)
    return Face(str(document.get("title", "")), document.get("demo") is True)
