"""Who is joined: the graph of identifiers, taken apart where it would join two people.

Identifiers are taken from the one that says most to the one that says least. What a system itself
says (a patient number and a CRM number on one row, two records that it merged) is believed. After
that each e-mail, then phone, then browser, then click joins the groups that carry it, unless that
would make one person of more patients of one medical record, contacts of one CRM or e-mail
addresses than the settings allow: then it joins nobody. Where a chain of one kind would do so,
every link of that chain joins nobody. No step depends on the order of anything.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from attribution.privacy import STRENGTH
from attribution.settings import IdentitySettings

Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
PATIENT, CONTACT, EMAIL, PHONE = (
    STRENGTH.index(kind) for kind in ("patient_id", "crm_id", "email", "phone")
)
# Why an identifier joins nobody; the place in this list is the number in `Joined.reason`.
REASONS = ("", "patients", "contacts", "emails", "chain")


@dataclass(frozen=True, slots=True)
class Graph:
    """Identifiers by code: how strong each is, whose numbers they are, and which share a row.

    `namespace` counts within a strength: the record system of a patient number, the CRM of a
    contact's. `a` is the stronger of two identifiers on one row, `b` the other.
    """

    strength: npt.NDArray[np.int8]
    namespace: npt.NDArray[np.int16]
    a: Codes
    b: Codes

    def __len__(self) -> int:
        return len(self.strength)


@dataclass(frozen=True, slots=True)
class Joined:
    """The group of every identifier, -1 where it joins nobody, and why it does not."""

    group: Codes
    reason: npt.NDArray[np.int8]


@dataclass(slots=True)
class _Cap:
    """How many of something one person may have; `held` is how many each group has."""

    reason: str
    most: int
    held: npt.NDArray[np.int32]

    def breaks(self, groups: Codes, by: Codes, size: int) -> Bools:
        """Where putting groups together (those with the same `by`) would have too many."""
        held = self.held[groups]
        total = np.bincount(by, weights=held, minlength=size)
        holders = np.bincount(by, weights=held > 0, minlength=size)
        broken: Bools = (total > self.most) & (holders > 1)
        return broken


@dataclass(slots=True)
class _State:
    graph: Graph
    group: Codes
    reason: npt.NDArray[np.int8]
    caps: list[_Cap] = field(default_factory=list)


def join(graph: Graph, settings: IdentitySettings) -> Joined:
    """Put identifiers into groups, each of which is one person."""
    size = len(graph)
    state = _State(graph, np.arange(size), np.zeros(size, dtype=np.int8))
    strength = graph.strength[graph.b]
    _believe(state, strength <= CONTACT)
    _limit(state, PATIENT, "patients", settings.max_patients)
    _agree(state, strength, settings.max_duplicates)
    _limit(state, CONTACT, "contacts", settings.max_contacts)
    for level in range(EMAIL, len(STRENGTH)):
        if level == PHONE:
            _limit(state, EMAIL, "emails", settings.max_emails)
        _level(state, strength == level)
    return Joined(state.group, state.reason)


def _believe(state: _State, stated: Bools) -> None:
    """Join what systems say is one: these are never taken apart."""
    a, b = state.graph.a[stated], state.graph.b[stated]
    ends, places = np.unique(np.concatenate([a, b]), return_inverse=True)
    labels = _components(len(ends), places[: len(a)], places[len(a) :])
    state.group[ends] = _first_of(labels, ends)[labels]


def _limit(state: _State, strength: int, reason: str, most: int) -> None:
    """From here on one person may have at most so many of these, by namespace.

    What is one group by now counts once: it was joined by something that says more.
    """
    graph = state.graph
    mine = np.flatnonzero((graph.strength == strength) & (state.group >= 0))
    for namespace in np.unique(graph.namespace[mine]).tolist():
        held = np.zeros(len(graph), dtype=np.int32)
        held[state.group[mine[graph.namespace[mine] == namespace]]] = 1
        state.caps.append(_Cap(reason, most, held))


def _agree(state: _State, strength: npt.NDArray[np.int8], most: int) -> None:
    """Join contacts that share both an e-mail and a phone: the CRM holds somebody twice."""
    graph = state.graph
    of_contact = graph.strength[graph.a] == CONTACT
    mails, phones = (
        pd.DataFrame({"contact": graph.a[rows], name: graph.b[rows]})
        for name, rows in (
            ("email", of_contact & (strength == EMAIL)),
            ("phone", of_contact & (strength == PHONE)),
        )
    )
    mails = mails[mails["email"].duplicated(keep=False)]
    both = mails.merge(phones, on="contact")
    both["group"] = state.group[both["contact"].to_numpy()]
    both = both.drop_duplicates(["email", "phone", "group"])
    pair = both.groupby(["email", "phone"]).ngroup().to_numpy()
    alike = np.bincount(pair, minlength=1)[pair] if len(pair) else pair
    among = (alike > 1) & (alike <= most)
    _, by = np.unique(pair[among], return_inverse=True)
    _unite(state, both["group"].to_numpy()[among], by.astype(np.int64))


def _level(state: _State, rows: Bools) -> None:
    """Let every identifier of one kind join the groups that carry it, or nobody."""
    graph, group = state.graph, state.group
    rows = rows & (group[graph.a] >= 0)
    if not rows.any():
        return
    keys = np.unique(graph.b[rows] * len(graph) + group[graph.a[rows]])
    carried, groups = np.divmod(keys, len(graph))
    identifiers, by, counts = np.unique(carried, return_inverse=True, return_counts=True)
    alone = counts[by] == 1
    group[carried[alone]] = groups[alone]
    several = np.flatnonzero(counts > 1)
    place = np.full(len(identifiers), -1)
    place[several] = np.arange(len(several))
    by = place[by[~alone]]
    reason = _unite(state, groups[~alone], by)
    several = identifiers[several]
    state.reason[several] = reason
    # Any of its groups will do: they are one now.
    first = np.zeros(len(several), dtype=np.int64)
    first[by] = groups[~alone]
    state.group[several] = np.where(reason == 0, state.group[first], -1)


def _unite(state: _State, groups: Codes, by: Codes) -> npt.NDArray[np.int8]:
    """Join the groups that have the same `by`, except where a cap forbids it; returns why not."""
    size = int(by.max()) + 1 if len(by) else 0
    reason = np.zeros(size, dtype=np.int8)
    for cap in state.caps:
        broken = cap.breaks(groups, by, size) & (reason == 0)
        reason[broken] = REASONS.index(cap.reason)
    keep = reason[by] == 0
    groups, by = groups[keep], by[keep]
    ends, places = np.unique(groups, return_inverse=True)
    labels = _components(len(ends) + size, places, len(ends) + by)
    chain = np.zeros(int(labels.max()) + 1 if len(labels) else 0, dtype=bool)
    for cap in state.caps:
        chain |= cap.breaks(ends, labels[: len(ends)], len(chain))
    reason[(reason == 0) & chain[labels[len(ends) :]]] = REASONS.index("chain")
    whole = ~chain[labels[: len(ends)]]
    ends, labels = ends[whole], labels[: len(ends)][whole]
    if len(ends):
        first = _first_of(labels, ends)
        into = np.arange(len(state.group))
        into[ends] = first[labels]
        for cap in state.caps:
            total = np.bincount(labels, weights=cap.held[ends], minlength=len(first))
            cap.held[ends] = total[labels]
        inside = state.group >= 0
        state.group[inside] = into[state.group[inside]]
    return reason


def _components(size: int, a: Codes, b: Codes) -> Codes:
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(size, size))
    labels: Codes = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def _first_of(labels: Codes, ends: Codes) -> Codes:
    """The smallest of `ends` under each label."""
    first = np.full(int(labels.max()) + 1 if len(labels) else 0, np.iinfo(np.int64).max)
    np.minimum.at(first, labels, ends)
    return first
