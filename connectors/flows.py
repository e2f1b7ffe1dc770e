"""Flows: what a vendor calls a campaign, list or sender, and what that is to us.

`match` is the vendor's name (a tag, a category, a service, a sender), with wildcards; `flow` is
ours. What is no `mailing` was sent to one person for a reason of theirs: being sent is a touch.
"""

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from connectors.contract import PURPOSES
from connectors.errors import SourceMisconfigured
from connectors.source import Option

FLOWS = Option("flows", "One table for each kind of message: match, flow, purpose, mailing.", False)
_MOST_KNOWN = 10_000
_KNOWN = {"match", "flow", "purpose", "mailing"}


@dataclass(frozen=True, slots=True)
class Flow:
    """What one message belongs to."""

    flow: str
    purpose: str = "marketing"
    mailing: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """Messages whose vendor's name fits `match`, as glob patterns do."""

    match: str
    flow: str | None
    purpose: str
    mailing: bool


@dataclass(frozen=True, slots=True)
class Flows:
    """The rules of one source, in their order; the first that fits counts."""

    rules: tuple[Rule, ...]
    otherwise: Flow
    # Millions of messages have a few names; patterns are looked at once for each.
    _known: dict[tuple[str | None, ...], Flow] = field(
        default_factory=dict, compare=False, repr=False
    )

    def of(self, names: Iterable[str | None]) -> Flow:
        """The flow of a message that the vendor gives these names, the closest first."""
        told = tuple(names)
        if told not in self._known:
            if len(self._known) == _MOST_KNOWN:
                self._known.clear()
            self._known[told] = self._of(told)
        return self._known[told]

    def _of(self, names: Iterable[str | None]) -> Flow:
        said = [name.strip() for name in names if name and name.strip()]
        for rule in self.rules:
            for name in said or [""]:
                if fnmatch.fnmatchcase(name.lower(), rule.match.lower()):
                    return Flow(rule.flow or name or "(none)", rule.purpose, rule.mailing)
        name = said[0] if said else self.otherwise.flow
        return Flow(name, self.otherwise.purpose, self.otherwise.mailing)

    def knows(self, name: str) -> bool:
        """Whether some rule speaks of this name."""
        return any(fnmatch.fnmatchcase(name.lower(), rule.match.lower()) for rule in self.rules)


def flow_rules(source: str, given: Any, otherwise: Flow | None = None) -> Flows:
    """The rules as `caretrace.toml` has them; raises with all that is wrong with them."""
    tables = [] if given is None else given
    problems: list[str] = []
    rules: list[Rule] = []
    if not isinstance(tables, list | tuple):
        tables, problems = [], [f"flows is no list of [[sources.{source}.flows]] tables"]
    for number, table in enumerate(tables, start=1):
        found = list(_problems(table))
        problems += [f"flows[{number}]: {problem}" for problem in found]
        if not found:
            rules.append(
                Rule(
                    table["match"],
                    table.get("flow"),
                    table.get("purpose", "marketing"),
                    table.get("mailing", True),
                )
            )
    if problems:
        raise SourceMisconfigured(f"Source '{source}': {'; '.join(problems)}.")
    return Flows(tuple(rules), otherwise or Flow("(none)"))


def _problems(table: Any) -> Iterable[str]:
    if not isinstance(table, dict):
        yield "is no table"
        return
    if not isinstance(table.get("match"), str) or not table["match"]:
        yield "match is missing"
    if not isinstance(table.get("flow", ""), str):
        yield "flow is no text"
    if table.get("purpose", "marketing") not in PURPOSES:
        yield f"purpose is none of {', '.join(PURPOSES)}"
    if not isinstance(table.get("mailing", True), bool):
        yield "mailing is neither true nor false"
    if unknown := sorted(set(table) - _KNOWN):
        yield f"{', '.join(unknown)} is no setting of a flow"
