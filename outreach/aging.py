"""Aging: what is kept beside the warehouse goes with the rows that it came from."""

from sqlalchemy import Connection

from attribution.contacts import EMAIL, KEPT, PHONE, RECORD, Contacts
from attribution.paths import Home
from attribution.raw import fetch, lent
from connectors.contract import Contact


def drop_addresses(connection: Connection, home: Home) -> int:
    """Take out what is kept of contacts of which a source has no row left; how much that was.

    A contact that is told again brings its addresses with it.
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
        records = zip(*(gone.column(n).to_pylist() for n in ("owner", "source")), strict=True)
        return contacts.drop(records, of)
