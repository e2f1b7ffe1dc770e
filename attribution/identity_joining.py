"""Who is joined: the rounds in which identifiers are put together, whichever way that is done.

Identifiers are taken from the one that says most to the one that says least. What a system itself
says (a patient number and a CRM number on one row, two records that it merged) is believed. After
that an e-mail or a phone with a first name, then with a birth year, then both together, and then
each e-mail, phone, browser and click joins the groups that carry it, unless that would make one
person of more patients of one medical record, contacts of one CRM or e-mail addresses than the
settings allow, or an e-mail or a phone alone would make one of people with different first names or
birth years: then it joins nobody. Where a chain of one kind would do so, every link of that chain
joins nobody. No step depends on the order of anything.

There are two ways: in memory (`identity_memory`), which takes a moment where the graph fits, and on
the engine (`identity_engine`), which no memory bounds. Both put the same identifiers into the same
groups, and refuse the same for the same reasons.
"""

from typing import Protocol, TypeVar

from attribution.privacy import STRENGTH
from attribution.settings import IdentitySettings

PATIENT, CONTACT, EMAIL_NAME, PHONE_NAME, EMAIL, PHONE = (
    STRENGTH.index(kind)
    for kind in ("patient_id", "crm_id", "email_name", "phone_name", "email", "phone")
)
# Which kind of identifier says whether those who share one of this kind have one first name.
NAMED = {EMAIL: EMAIL_NAME, PHONE: PHONE_NAME}
YEARS = 10_000  # more than any birth year
# Why an identifier joins nobody; it is known by its place in this list. Of several limits the one
# that stands first here is told.
REASONS = ("", "patients", "contacts", "emails", "chain", "names")
CHAIN, NAMES = REASONS.index("chain"), REASONS.index("names")
LIMITED = {PATIENT: 1, CONTACT: 2, EMAIL: 3}  # the reason of a limit, by what it counts

Keyed = TypeVar("Keyed")


class Way(Protocol[Keyed]):
    """One way to join. `Keyed` are records, each with a key that it may have in common with others.

    Groups that have a key in common become one, unless a limit forbids it for the key, or for the
    chain of keys that it is in.
    """

    def believe(self) -> None:
        """Join what systems say is one: these are never taken apart."""

    def limit(self, strength: int, most: int) -> None:
        """From here on one person may have at most so many of these, by namespace.

        What is one group by now counts once: it was joined by something that says more.
        """

    def contacts_with(self, kind: int) -> Keyed:
        """Contacts, by their identifiers of one kind."""

    def contacts_with_both(self) -> Keyed:
        """Contacts by e-mail and phone, not of different birth years.

        Where records with the same two have different first names, by first name as well: a record
        without one is left out, for nobody knows whose it is.
        """

    def born_with(self, kind: int) -> Keyed:
        """Records by an identifier of one kind and birth year."""

    def records_with_both(self) -> Keyed:
        """Patients and contacts by e-mail and phone, not of different birth years."""

    def unite(self, keyed: Keyed, most: int | None = None) -> None:
        """Join groups that have a key in common; only keys of at most so many groups."""

    def carry(self, kind: int) -> None:
        """Let every identifier of one kind join the groups that carry it, or nobody.

        An e-mail or a phone joins nobody where two groups have first names beside it, or birth
        years: those with the same one are one group by then, so these are different ones.
        """


def join(way: Way[Keyed], settings: IdentitySettings) -> None:
    """Put identifiers into groups, each of which is one person."""
    way.believe()
    way.limit(PATIENT, settings.max_patients)
    for kind in (EMAIL_NAME, PHONE_NAME):
        way.unite(way.contacts_with(kind), settings.max_duplicates)
    way.unite(way.contacts_with_both(), settings.max_duplicates)
    way.limit(CONTACT, settings.max_contacts)
    for level in range(EMAIL_NAME, len(STRENGTH)):
        if level == EMAIL:
            for kind in (EMAIL, PHONE):
                way.unite(way.born_with(kind))
            way.unite(way.records_with_both())
        if level == PHONE:
            way.limit(EMAIL, settings.max_emails)
        way.carry(level)
