"""Aging: what is kept beside the warehouse goes with the rows that it came from."""

from sqlalchemy import Connection

from attribution.contacts import EMAIL, KEPT, PHONE, RECORD, Contacts
from attribution.outreach_ways import HANDED_ON
from attribution.paths import Home
from attribution.raw import fetch, lent
from connectors.contract import Contact
from outreach.outbox import Outbox
from outreach.taking_back import TAKEN


def drop_addresses(connection: Connection, home: Home) -> int:
    """Take out what is kept of contacts of which a source has no row left; how much that was.

    A contact that is told again brings its addresses with it. Whoever is still in a CRM by our
    hand, or may be, stays until they are called back: without their record nobody could do that.
    """
    if not home.contacts.is_file():
        return 0
    number, of = KEPT[Contact]
    with Contacts(home) as contacts:
        with lent(connection, contacts.places([RECORD, EMAIL, PHONE])) as name:
            gone = fetch(
                connection,
                f"select distinct places.owner, places.source from {name} as places "
                f"where places.\"of\" = '{of}' and not exists (select 1 from raw_contact where "
                f"raw_contact.{number} = places.owner and raw_contact.source = places.source)",
            )
        kept = _handed_on(home)
        pairs = zip(*(gone.column(n).to_pylist() for n in ("owner", "source")), strict=True)
        return contacts.drop((pair for pair in pairs if pair[0] not in kept), of)


def _handed_on(home: Home) -> set[str]:
    """Owners of messages that may have to be taken back, or whose fate nobody knows."""
    if not home.outreach.is_file():
        return set()
    with Outbox(home) as outbox:
        rows = outbox.rows(
            "select distinct owner from message where state in ('sending', 'in_doubt') "
            f"or (state = 'sent' and way in ({', '.join('?' * len(HANDED_ON))}) "
            f"and reason not like '{TAKEN}%')",
            HANDED_ON,
        )
    return {row["owner"] for row in rows}
