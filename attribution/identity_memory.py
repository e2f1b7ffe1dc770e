"""Joining in memory: the graph of identifiers as arrays, and the group of each in one more.

A second or two for a million identifiers, where they fit (docs/identity.md says how many do).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from attribution import identity_joining
from attribution.identity_joining import (
    CHAIN,
    CONTACT,
    EMAIL,
    EMAIL_NAME,
    LIMITED,
    NAMED,
    NAMES,
    PHONE,
    YEARS,
)
from attribution.settings import IdentitySettings

Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Keyed = tuple[Codes, Codes]  # records, and a key of each


@dataclass(frozen=True, slots=True)
class Graph:
    """Identifiers by code: how strong each is, whose numbers they are, and which share a row.

    `namespace` counts within a strength: the record system of a patient number, the CRM of a
    contact's. `born` is the birth year on a record, 0 where it has none. `a` is the stronger of two
    identifiers on one row, `b` the other.
    """

    strength: npt.NDArray[np.int8]
    namespace: npt.NDArray[np.int16]
    born: npt.NDArray[np.int16]
    a: Codes
    b: Codes

    def __len__(self) -> int:
        return len(self.strength)


@dataclass(frozen=True, slots=True)
class Joined:
    """The group of every identifier, -1 where it joins nobody, and why it does not."""

    group: Codes
    reason: npt.NDArray[np.int8]


def join(graph: Graph, settings: IdentitySettings) -> Joined:
    """Put identifiers into groups, each of which is one person."""
    if not settings.tell_apart:
        graph = replace(graph, born=np.zeros_like(graph.born))
    way = _InMemory(graph)
    identity_joining.join(way, settings)
    return Joined(way.group, way.reason)


@dataclass(slots=True)
class _Cap:
    """How many of something one person may have; `held` is how many each group has."""

    reason: int
    most: int
    held: npt.NDArray[np.int32]

    def breaks(self, groups: Codes, by: Codes, size: int) -> Bools:
        """Where putting groups together (those with the same `by`) would have too many."""
        held = self.held[groups]
        total = np.bincount(by, weights=held, minlength=size)
        holders = np.bincount(by, weights=held > 0, minlength=size)
        broken: Bools = (total > self.most) & (holders > 1)
        return broken


class _InMemory:
    """The steps of `identity_joining.join`, on arrays."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.group = np.arange(len(graph))
        self.reason = np.zeros(len(graph), dtype=np.int8)
        self._kind = graph.strength[graph.b]
        self._caps: list[_Cap] = []
        self._pairs = _of_one_year(graph, _e_mail_with_phone(graph, self._kind))

    def believe(self) -> None:
        stated = self._kind <= CONTACT
        a, b = self.graph.a[stated], self.graph.b[stated]
        ends, places = np.unique(np.concatenate([a, b]), return_inverse=True)
        labels = _components(len(ends), places[: len(a)], places[len(a) :])
        self.group[ends] = _first_of(labels, ends)[labels]

    def limit(self, strength: int, most: int) -> None:
        graph = self.graph
        mine = np.flatnonzero((graph.strength == strength) & (self.group >= 0))
        for namespace in np.unique(graph.namespace[mine]).tolist():
            held = np.zeros(len(graph), dtype=np.int32)
            held[self.group[mine[graph.namespace[mine] == namespace]]] = 1
            self._caps.append(_Cap(LIMITED[strength], most, held))

    def contacts_with(self, kind: int) -> Keyed:
        rows = (self._kind == kind) & (self.graph.strength[self.graph.a] == CONTACT)
        return self.graph.a[rows], self.graph.b[rows]

    def contacts_with_both(self) -> Keyed:
        twice = _of_one_name(self._pairs)
        record = twice["record"].to_numpy()
        contact = self.graph.strength[record] == CONTACT
        return record[contact], twice["pair"].to_numpy()[contact]

    def born_with(self, kind: int) -> Keyed:
        graph = self.graph
        rows = (self._kind == kind) & (graph.born[graph.a] > 0)
        return graph.a[rows], graph.b[rows] * YEARS + graph.born[graph.a[rows]]

    def records_with_both(self) -> Keyed:
        return self._pairs["record"].to_numpy(), self._pairs["pair"].to_numpy()

    def unite(self, keyed: Keyed, most: int | None = None) -> None:
        records, keys = keyed
        found = pd.DataFrame({"group": self.group[records], "key": keys}).drop_duplicates()
        alike = found.groupby("key")["key"].transform("size")
        # A key of one group joins nothing.
        found = found[(alike > 1) & (alike <= (most or len(found)))]
        self._unite(found["group"].to_numpy(), pd.factorize(found["key"])[0].astype(np.int64))

    def carry(self, kind: int) -> None:
        graph, group = self.graph, self.group
        rows = (self._kind == kind) & (group[graph.a] >= 0)
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
        differ = np.zeros(len(several), dtype=bool)
        for has in self._attributes(kind):
            told = rows & has[graph.a]
            ones = np.unique(graph.b[told] * len(graph) + group[graph.a[told]]) // len(graph)
            counted = np.bincount(np.searchsorted(identifiers, ones), minlength=len(identifiers))
            differ |= counted[several] > 1
        several = identifiers[several]
        reason = self._unite(groups[~alone], by, differ)
        self.reason[several] = reason
        # Any of its groups will do: they are one now.
        first = np.zeros(len(several), dtype=np.int64)
        first[by] = groups[~alone]
        self.group[several] = np.where(reason == 0, self.group[first], -1)

    def _attributes(self, kind: int) -> list[Bools]:
        """Who has a first name beside an identifier of this kind, and who has a birth year."""
        if kind not in NAMED:
            return []
        named = np.zeros(len(self.graph), dtype=bool)
        named[self.graph.a[self._kind == NAMED[kind]]] = True
        return [named, self.graph.born > 0]

    def _unite(self, groups: Codes, by: Codes, differ: Bools | None = None) -> npt.NDArray[np.int8]:
        """Join the groups that have the same `by`, except where a cap forbids it; returns why not.

        `differ` are those of `by` whose groups have different first names or birth years.
        """
        size = int(by.max()) + 1 if len(by) else 0
        reason = np.zeros(size, dtype=np.int8)
        if differ is not None:
            reason[differ] = NAMES
        for cap in self._caps:
            broken = cap.breaks(groups, by, size) & (reason == 0)
            reason[broken] = cap.reason
        keep = reason[by] == 0
        groups, by = groups[keep], by[keep]
        ends, places = np.unique(groups, return_inverse=True)
        labels = _components(len(ends) + size, places, len(ends) + by)
        chain = np.zeros(int(labels.max()) + 1 if len(labels) else 0, dtype=bool)
        for cap in self._caps:
            chain |= cap.breaks(ends, labels[: len(ends)], len(chain))
        reason[(reason == 0) & chain[labels[len(ends) :]]] = CHAIN
        whole = ~chain[labels[: len(ends)]]
        ends, labels = ends[whole], labels[: len(ends)][whole]
        if len(ends):
            first = _first_of(labels, ends)
            into = np.arange(len(self.group))
            into[ends] = first[labels]
            for cap in self._caps:
                total = np.bincount(labels, weights=cap.held[ends], minlength=len(first))
                cap.held[ends] = total[labels]
            inside = self.group >= 0
            self.group[inside] = into[self.group[inside]]
        return reason


def _e_mail_with_phone(graph: Graph, strength: npt.NDArray[np.int8]) -> pd.DataFrame:
    """Every patient's or contact's e-mail with its phone, where another has the same e-mail.

    Columns: `record`, `pair` (a number for each two) and `name`, the e-mail with the record's first
    name, or -1.
    """
    of_record = graph.strength[graph.a] <= CONTACT
    mails, phones, names = (
        pd.DataFrame({"record": graph.a[rows], name: graph.b[rows]})
        for name, rows in (
            (name, of_record & (strength == kind))
            for name, kind in (("email", EMAIL), ("phone", PHONE), ("name", EMAIL_NAME))
        )
    )
    mails = mails[mails["email"].duplicated(keep=False)]
    both = mails.merge(phones, on="record").merge(names, on="record", how="left")
    both["pair"] = both.groupby(["email", "phone"]).ngroup()
    return both.fillna({"name": -1})[["record", "pair", "name"]]


def _of_one_name(pairs: pd.DataFrame) -> pd.DataFrame:
    """Those pairs numbered apart whose records have different first names.

    Of such, a record without a name has none: nobody knows whose it is.
    """
    names = pairs["name"].where(pairs["name"] >= 0).groupby(pairs["pair"]).transform("nunique")
    told = pairs.assign(name=pairs["name"].where(names > 1, -1))[
        (names <= 1) | (pairs["name"] >= 0)
    ]
    return told.assign(pair=told.groupby(["pair", "name"]).ngroup())


def _of_one_year(graph: Graph, pairs: pd.DataFrame) -> pd.DataFrame:
    """Those pairs whose records do not have different birth years."""
    born = pd.Series(graph.born[pairs["record"].to_numpy()], index=pairs.index)
    return pairs[born.where(born > 0).groupby(pairs["pair"]).transform("nunique") <= 1]


def _components(size: int, a: Codes, b: Codes) -> Codes:
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(size, size))
    labels: Codes = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def _first_of(labels: Codes, ends: Codes) -> Codes:
    """The smallest of `ends` under each label."""
    first = np.full(int(labels.max()) + 1 if len(labels) else 0, np.iinfo(np.int64).max)
    np.minimum.at(first, labels, ends)
    return first
