"""Who may do what: four roles, and the groups of an identity provider that give them.

A role says what a reader is for, not how high they stand: whoever does two jobs has two roles.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ROLES = {
    "viewer": "sees aggregates; small cells are hidden",
    "analyst": "sees aggregates, small cells too",
    "care": "sees single people; every look is written down",
    "admin": "takes reports away, sees how the data are, runs the installation",
}
# What may be done, and the roles that may do it.
SEE = "see"  # pages of aggregates
EXPORT = "export"
PEOPLE = "people"
OPERATE = "operate"
RUN = "run"  # start refreshes, hold sends, go back a generation
APPROVE = "approve"  # that a flow writes to people
NOTE = "note"  # write what everybody reads beside the numbers: notes, shared views
SMALL_CELLS = "small cells"  # counts of fewer than eleven people
AS_ROLE = "CARETRACE_AS"  # one role, to see a demonstration as those who have it do
RESEARCH = "research"  # read people, and take de-identified data away: it takes both roles
_MAY = {
    SEE: frozenset(ROLES),
    EXPORT: frozenset({"admin"}),
    PEOPLE: frozenset({"care"}),
    OPERATE: frozenset({"admin", "analyst"}),
    RUN: frozenset({"admin"}),
    APPROVE: frozenset({"admin"}),
    NOTE: frozenset({"analyst", "admin"}),
    SMALL_CELLS: frozenset({"analyst"}),
}
_BOTH = {RESEARCH: (PEOPLE, EXPORT)}


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, as pages and the audit log name them."""

    name: str
    roles: frozenset[str]

    def may(self, what: str) -> bool:
        """Whether their roles allow it."""
        return all(not self.roles.isdisjoint(_MAY[part]) for part in _BOTH.get(what, (what,)))


def needed(what: str) -> str:
    """The roles that allow it, as a sentence names them: `the role admin or analyst`."""
    parts = [" or ".join(sorted(_MAY[part])) for part in _BOTH.get(what, (what,))]
    return f"both roles, {' and '.join(parts)}" if len(parts) > 1 else f"the role {parts[0]}"


def roles_of(groups: Iterable[str], given: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """The roles that these groups give; `given` has the groups of each role."""
    own = frozenset(groups)
    return frozenset(role for role, wanted in given.items() if own.intersection(wanted))
