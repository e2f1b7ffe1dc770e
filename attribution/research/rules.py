"""The rules of an installation's research exports: `[research]` in its settings.

[research]
k = 11                 # people that look alike, at least
l = 2                  # values of each sensitive column among them, at least
max_suppressed = 0.05  # share of people that may be left out

[research.determination]
by = "Name of the expert"
on = 2026-03-01
expires = 2028-03-01
max_shift_days = 182
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from attribution.errors import NotAllowed, SettingsError
from attribution.paths import Home
from attribution.told_settings import read_toml, unknown

K, L, MAX_SUPPRESSED = 11, 2, 0.05
SHIFTS = (28, 366)  # days: fewer hide nothing, more move a visit into another year of its life
_KNOWN = ("k", "l", "max_suppressed", "determination")
_OF_DETERMINATION = ("by", "on", "expires", "max_shift_days")


@dataclass(frozen=True, slots=True)
class Determination:
    """An expert's determination after 45 CFR 164.514(b)(1), as the settings name it."""

    by: str
    on: date
    expires: date
    max_shift_days: int

    @property
    def weeks(self) -> int:
        """How many weeks a person's dates move at most, one way or the other."""
        return self.max_shift_days // 7


@dataclass(frozen=True, slots=True)
class Rules:
    """What an export must reach. Settings can only make these stricter."""

    k: int = K
    l: int = L  # noqa: E741 - as the literature calls it
    max_suppressed: float = MAX_SUPPRESSED
    determination: Determination | None = None

    def determined(self, today: date) -> Determination:
        """The determination, if it is in force; raises NotAllowed."""
        found = self.determination
        if found is None:
            raise NotAllowed(
                "Shifted dates need an expert's determination: name it as [research.determination] "
                "in the settings (docs/research.md says how), or use the profile safe-harbor."
            )
        if not found.on <= today <= found.expires:
            raise NotAllowed(
                f"The determination by {found.by} holds from {found.on} to {found.expires}, and "
                "today is outside of that. Have it renewed, or use the profile safe-harbor."
            )
        return found


def research_rules(home: Home) -> Rules:
    """The rules of an installation; raises SettingsError with everything that is wrong."""
    if not home.config.is_file():
        return Rules()
    table = read_toml(home.config).get("research", {})
    if not isinstance(table, dict):
        raise SettingsError(f"{home.config}: research must be a table.")
    problems: list[str] = []
    rules = _rules(table, problems)
    if problems:
        lines = "\n".join(f"  - [research] {problem}" for problem in problems)
        raise SettingsError(f"{home.config} needs attention:\n{lines}")
    return rules


def _rules(table: Mapping[str, Any], problems: list[str]) -> Rules:
    problems += unknown(table, _KNOWN)
    k, l, most = (  # noqa: E741
        table.get(name, usual)
        for name, usual in (("k", K), ("l", L), ("max_suppressed", MAX_SUPPRESSED))
    )
    if type(k) is not int or k < K:
        problems.append(f"k must be a whole number, {K} or more")
    if type(l) is not int or l < L:
        problems.append(f"l must be a whole number, {L} or more")
    if type(most) not in (int, float) or not 0 <= most <= MAX_SUPPRESSED:
        problems.append(f"max_suppressed must be a share from 0 to {MAX_SUPPRESSED}")
    named = table.get("determination")
    found = None if named is None else _determination(named, problems)
    return Rules() if problems else Rules(k, l, float(most), found)


def _determination(table: Any, problems: list[str]) -> Determination | None:
    if not isinstance(table, dict):
        problems.append("determination must be a table")
        return None
    problems += unknown(table, _OF_DETERMINATION, "determination.")
    before = len(problems)
    by, days = table.get("by"), table.get("max_shift_days")
    if not isinstance(by, str) or not by.strip():
        problems.append("determination.by must name the expert")
    dates = {name: table.get(name) for name in ("on", "expires")}
    problems.extend(
        f"determination.{name} must be a date such as 2026-03-01, without quotes"
        for name, value in dates.items()
        if type(value) is not date
    )
    if type(days) is not int or not SHIFTS[0] <= days <= SHIFTS[1]:
        problems.append(
            f"determination.max_shift_days must be from {SHIFTS[0]} to {SHIFTS[1]} days"
        )
    if len(problems) > before:
        return None
    return Determination(str(by).strip(), dates["on"], dates["expires"], int(days or 0))  # type: ignore[arg-type]
