"""The registry as readers see it: every number, model and rule, with its owner and version.

Page, command line and docs all read it here. Who answers for a number is the installation's to
say, in `[definitions]` of the configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from attribution import seeds
from attribution.errors import BadInput, SettingsError
from attribution.metrics import METRICS, Definition
from attribution.metrics.pages import PAGES, title_of
from attribution.models import MODELS
from attribution.paths import Home
from attribution.told_settings import read_toml

DEFAULT_OWNER = "Marketing analytics"
WAYS = {"up": "more", "down": "less", "neither": "neither"}
UNITS = {
    "count": "count",
    "money": "money",
    "rate": "share",
    "points": "percentage points",
    "ratio": "times",
    "number": "number",
    "coefficient": "number",
    "text": "text",
    "day": "day",
    "instant": "moment",
    "flag": "yes or no",
}
COLUMNS = (
    *("name", "title", "sentence", "formula", "unit", "better", "grain", "date_basis", "owner"),
    *("version", "changes", "pages"),
)
# Rule tables that change what numbers mean, and what each is.
RULES = {
    "channel_rules": "How traffic becomes a channel: the first rule that matches, by priority.",
    "lapse_rules": "After how many days a patient is due, lapsed and lost.",
}


@dataclass(frozen=True, slots=True)
class Owners:
    """Who answers for numbers: for all of them, and for single ones instead."""

    owner: str = DEFAULT_OWNER
    owners: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, name: str) -> str:
        """Who answers for one number."""
        return self.owners.get(name, self.owner)


def owners_of(table: Mapping[str, Any]) -> Owners:
    """What `[definitions]` says; raises ValueError with the first thing that cannot be."""
    for name in sorted(table.keys() - {"owner", "owners"}):
        raise ValueError(f"{name} is not a setting; choose from owner, owners")
    owner, own = table.get("owner", DEFAULT_OWNER), table.get("owners", {})
    if not isinstance(own, Mapping):
        raise ValueError("owners must be a table such as [definitions.owners]")
    for name in own:
        if name not in METRICS:
            raise ValueError(
                f"owners: {name} is no number; `caretrace definitions` lists the names"
            )
    for said in (owner, *own.values()):
        if not isinstance(said, str) or not 0 < len(said.strip()) <= 80:
            raise ValueError("an owner must be a text of 1 to 80 letters")
    return Owners(owner, MappingProxyType(dict(own)))


def owners(home: Home) -> Owners:
    """Who answers for the numbers of an installation; the usual one where nothing sound is said."""
    try:
        return _read(home.config, home.config.stat().st_mtime_ns)
    except (OSError, SettingsError, ValueError):
        return Owners()


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> Owners:
    table = read_toml(path).get("definitions", {})
    return owners_of(table if isinstance(table, dict) else {})


def registry(home: Home) -> pd.DataFrame:
    """Every number in the order of its pages. Columns: `COLUMNS`; pages as titles."""
    known = owners(home)
    order = {page: place for place, page in enumerate(PAGES)}
    every = sorted(
        METRICS.values(), key=lambda each: order.get("".join(each.pages[:1]), len(order))
    )
    return pd.DataFrame([_row(each, known) for each in every], columns=list(COLUMNS))


def _row(each: Definition, known: Owners) -> dict[str, object]:
    return {
        "name": each.name,
        "title": each.title,
        "sentence": each.sentence,
        "formula": each.formula,
        "unit": UNITS[each.format],
        "better": WAYS[each.better],
        "grain": each.grain,
        "date_basis": each.date_basis,
        "owner": known.of(each.name),
        "version": each.version,
        "changes": " ".join(each.changes),
        "pages": ", ".join(map(title_of, each.pages)),
    }


def found(home: Home, page: str, words: str) -> tuple[Definition, ...]:
    """The numbers of a page, or of all pages those in which every one of `words` stands."""
    if not words.strip():
        return tuple(each for each in METRICS.values() if page in each.pages)
    known, wanted = owners(home), words.casefold().split()
    return tuple(each for each in METRICS.values() if _has(_row(each, known), wanted))


def _has(row: Mapping[str, object], wanted: list[str]) -> bool:
    said = " ".join(str(value) for value in row.values()).casefold()
    return all(word in said for word in wanted)


def models() -> pd.DataFrame:
    """Every credit model. Columns: title, sentence, parameters."""
    rows = [
        (each.title, each.help, ", ".join(each.parameters) or "none") for each in MODELS.values()
    ]
    return pd.DataFrame(rows, columns=["title", "sentence", "parameters"])


def rules(home: Home, name: str) -> pd.DataFrame:
    """A rule table as it is in force here: the installation's own, or the one that ships.

    Raises BadInput where its file cannot be used.
    """
    if name not in RULES:
        raise BadInput(f"There are no rules {name!r}. Choose from: {', '.join(RULES)}.")
    return seeds.read(name, home.folder / f"{name}.csv")


def is_own(home: Home, name: str) -> bool:
    """Whether an installation has its own file of rules."""
    return (home.folder / f"{name}.csv").is_file()


def viewer_rules() -> pd.DataFrame:
    """Which tables are told with small cells folded, and how. Columns: mart, cells, counted."""
    from attribution.viewer_marts import CUBES  # it reads all of the models; settings come here

    rows = [
        (cube.name, ", ".join((*cube.by, *cube.keys)), ", ".join(cube.counts)) for cube in CUBES
    ]
    return pd.DataFrame(rows, columns=["mart", "cells", "counted"])
