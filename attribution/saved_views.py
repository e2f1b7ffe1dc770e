"""Saved views: a page with its filters under a name, for oneself or for everybody.

A view is an address and nothing else: whoever opens one sees what their own role may see.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attribution import audit, refresh_queries
from attribution.annotations import names_somebody
from attribution.errors import BadInput, NotAllowed
from attribution.ledger import Ledger
from attribution.ledger_tables import SAVED_VIEW
from attribution.paths import Home
from attribution.roles import NOTE, SEE, Reader

LONGEST = 60
MOST = 100  # of one reader
NOT_SHARED = "Views are shared by readers who have the role analyst or admin."
Filters = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class SavedView:
    """A named page with filters, as codes of its address."""

    number: int
    name: str
    owner: str
    shared: bool
    page: str
    filters: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def query(self) -> dict[str, list[str]]:
        """The filters as an address says them."""
        return {key: list(values) for key, values in self.filters}


def save(
    home: Home, reader: Reader, name: str, page: str, filters: Filters, *, shared: bool
) -> None:
    """Keep a view; one of the same name and owner gives way. Raises NotAllowed and BadInput."""
    if not reader.may(NOTE if shared else SEE):
        raise NotAllowed(NOT_SHARED)
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST or not name.isprintable():
        raise BadInput(f"A view needs a name of 1 to {LONGEST} letters. Give it one.")
    if shared and names_somebody(name):
        raise BadInput(
            "The name of a shared view is read by everybody, and this one seems to hold an e-mail "
            "address or a long number. Leave out what could be somebody's."
        )
    own = [each for each in views(home, reader) if each.owner == reader.name]
    # One of the same name gives way, so it does not count.
    if sum(each.name != name for each in own) >= MOST:
        raise BadInput(f"You have {MOST} views. Delete one first.")
    said = json.dumps({key: list(values) for key, values in filters.items()}, sort_keys=True)
    if shared:
        audit.record(home, reader.name, audit.VIEW_SHARED, name, page=page, filters=said)
    elif any(each.name == name and each.shared for each in own):
        # What one keeps to oneself under that name takes from everybody what they had.
        audit.record(home, reader.name, audit.VIEW_DELETED, name, owner=reader.name)
    with Ledger(home) as ledger:
        for each in own:
            if each.name == name:
                ledger.remove(SAVED_VIEW, each.number)
        ledger.add(
            SAVED_VIEW,
            name=name,
            owner=reader.name,
            shared=int(shared),
            page=page,
            filters=said,
        )


def views(home: Home, reader: Reader) -> tuple[SavedView, ...]:
    """A reader's own views and those that are shared, by name; raises NotAllowed."""
    if not reader.may(SEE):
        raise NotAllowed("Views are for readers who have a role. Sign in first.")
    if not home.ledger.is_file():
        return ()
    rows = refresh_queries.ledger(home).rows(SAVED_VIEW)
    found = (
        SavedView(
            int(row["number"]),
            row["name"],
            row["owner"],
            bool(row["shared"]),
            row["page"],
            tuple((key, tuple(values)) for key, values in json.loads(row["filters"]).items()),
        )
        for row in rows
    )
    seen = (each for each in found if each.shared or each.owner == reader.name)
    return tuple(sorted(seen, key=lambda each: (each.name.casefold(), each.number)))


def may_delete(reader: Reader, view: SavedView) -> bool:
    """Whether it is the reader's own, or shared and theirs to keep in order."""
    return view.owner == reader.name or (view.shared and "admin" in reader.roles)


def delete(home: Home, reader: Reader, number: int) -> None:
    """Delete a view; raises NotAllowed, and BadInput where the reader sees none of the number."""
    view = next((each for each in views(home, reader) if each.number == number), None)
    if view is None:
        raise BadInput("This view is gone already. Load the page again.")
    if not may_delete(reader, view):
        raise NotAllowed("A shared view is deleted by its owner or an admin.")
    if view.shared:
        audit.record(home, reader.name, audit.VIEW_DELETED, view.name, owner=view.owner)
    with Ledger(home) as ledger:
        ledger.remove(SAVED_VIEW, number)
