"""Who is joined: the graph of identifiers, taken apart where it would join two people.

Identifiers are taken from the one that says most to the one that says least. What a system itself
says (a patient number and a CRM number on one row, two records that it merged) is believed. After
that an e-mail or a phone with a first name, then with a birth year, then both together, and then
each e-mail, phone, browser and click joins the groups that carry it, unless that would make one
person of more patients of one medical record, contacts of one CRM or e-mail addresses than the
settings allow, or an e-mail or a phone alone would make one of people with different first names or
birth years: then it joins nobody. Where a chain of one kind would do so, every link of that chain
joins nobody. No step depends on the order of anything.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from attribution.privacy import STRENGTH
from attribution.settings import IdentitySettings

Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
PATIENT, CONTACT, EMAIL_NAME, PHONE_NAME, EMAIL, PHONE = (
    STRENGTH.index(kind)
    for kind in ("patient_id", "crm_id", "email_name", "phone_name", "email", "phone")
)
# Which kind of identifier says whether those who share one of this kind have one first name.
_NAMED = {EMAIL: EMAIL_NAME, PHONE: PHONE_NAME}
_YEARS = 10_000  # more than any birth year
# Why an identifier joins nobody; the place in this list is the number in `Joined.reason`.
REASONS = ("", "patients", "contacts", "emails", "chain", "names")


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
    if not settings.tell_apart:
        graph = replace(graph, born=np.zeros_like(graph.born))
    _believe(state, strength <= CONTACT)
    _limit(state, PATIENT, "patients", settings.max_patients)
    for kind in (EMAIL_NAME, PHONE_NAME):
        rows = (strength == kind) & (graph.strength[graph.a] == CONTACT)
        _agree(state, graph.a[rows], graph.b[rows], settings.max_duplicates)
    pairs = _e_mail_with_phone(graph, strength)
    twice = _of_one_name(_of_one_year(graph, pairs))
    twice = twice[graph.strength[twice["record"].to_numpy()] == CONTACT]
    _agree(state, twice["record"].to_numpy(), twice["pair"].to_numpy(), settings.max_duplicates)
    _limit(state, CONTACT, "contacts", settings.max_contacts)
    for level in range(EMAIL_NAME, len(STRENGTH)):
        if level == EMAIL:
            for kind in (EMAIL, PHONE):
                rows = (strength == kind) & (graph.born[graph.a] > 0)
                keys = graph.b[rows] * _YEARS + graph.born[graph.a[rows]]
                _unite(state, *_once(state, graph.a[rows], keys))
            pairs = _of_one_year(graph, pairs)
            _unite(state, *_once(state, pairs["record"].to_numpy(), pairs["pair"].to_numpy()))
        if level == PHONE:
            _limit(state, EMAIL, "emails", settings.max_emails)
        _level(state, strength == level, _attributes(graph, strength, level))
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


def _agree(state: _State, records: Codes, keys: Codes, most: int) -> None:
    """Join contacts that have a key in common, up to so many: the CRM holds somebody twice."""
    groups, by = _once(state, records, keys)
    alike = np.bincount(by)[by]
    among = (alike > 1) & (alike <= most)
    _unite(state, groups[among], pd.factorize(by[among])[0].astype(np.int64))


def _once(state: _State, records: Codes, keys: Codes) -> tuple[Codes, Codes]:
    """The groups of these records, each once under each of their keys, which count from 0.

    A key of one group joins nothing and is left out.
    """
    found = pd.DataFrame({"group": state.group[records], "key": keys}).drop_duplicates()
    found = found[found["key"].duplicated(keep=False)]
    return found["group"].to_numpy(), pd.factorize(found["key"])[0].astype(np.int64)


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


def _attributes(graph: Graph, strength: npt.NDArray[np.int8], level: int) -> list[Bools]:
    """Who has a first name beside an identifier of this kind, and who has a birth year.

    Those with the same one are one group by the time that the kind itself joins, so two groups that
    have one have different ones.
    """
    if level not in _NAMED:
        return []
    named = np.zeros(len(graph), dtype=bool)
    named[graph.a[strength == _NAMED[level]]] = True
    return [named, graph.born > 0]


def _level(state: _State, rows: Bools, attributes: list[Bools]) -> None:
    """Let every identifier of one kind join the groups that carry it, or nobody.

    It joins nobody where two groups have one of the `attributes`.
    """
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
    differ = np.zeros(len(several), dtype=bool)
    for has in attributes:
        told = rows & has[graph.a]
        ones = np.unique(graph.b[told] * len(graph) + group[graph.a[told]]) // len(graph)
        counted = np.bincount(np.searchsorted(identifiers, ones), minlength=len(identifiers))
        differ |= counted[several] > 1
    several = identifiers[several]
    reason = _unite(state, groups[~alone], by, differ)
    state.reason[several] = reason
    # Any of its groups will do: they are one now.
    first = np.zeros(len(several), dtype=np.int64)
    first[by] = groups[~alone]
    state.group[several] = np.where(reason == 0, state.group[first], -1)


def _unite(
    state: _State, groups: Codes, by: Codes, differ: Bools | None = None
) -> npt.NDArray[np.int8]:
    """Join the groups that have the same `by`, except where a cap forbids it; returns why not.

    `differ` are those of `by` whose groups have different first names or birth years.
    """
    size = int(by.max()) + 1 if len(by) else 0
    reason = np.zeros(size, dtype=np.int8)
    if differ is not None:
        reason[differ] = REASONS.index("names")
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
