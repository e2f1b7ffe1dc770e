"""Letters: one planned message, written and addressed, on its way from the outbox to a way out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from attribution.contacts import RECORD, Address, Contacts
from attribution.errors import BadInput
from attribution.outreach_settings import Outreach
from outreach.flow import Flow
from outreach.planning import KIND_OF
from outreach.templates import written


@dataclass(frozen=True, slots=True)
class Letter:
    """What is said to whom; the address and the text are in clear and stay in memory."""

    key: str
    channel: str
    identifier: str
    person_id: int
    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    record: str = field(default="", repr=False)  # the person's number in their own system


def letters(
    flow: Flow, rows: Sequence[Mapping[str, Any]], settings: Outreach, contacts: Contacts
) -> tuple[list[Letter], list[tuple[str, str, str]]]:
    """The letters of some rows of the outbox, and the rows that none can be made of, with why."""
    known = revealed(rows, contacts)
    made: list[Letter] = []
    failed: list[tuple[str, str, str]] = []
    for row in rows:
        to, record = known[row["key"]]
        source = settings.record_source(flow.name, row["channel"])
        # A number of another system would be somebody else's there.
        if not to or (source and (not record or row["source"] != source)):
            failed.append((row["key"], "refused", "no_address"))
            continue
        try:
            said = {"timezone": row["zone"].split("|")[0]} | orjson.loads(row["fields"] or "{}")
            subject, text = written(flow, row["channel"], said, settings, row["key"])
        except BadInput:
            failed.append((row["key"], "refused", "template"))
            continue
        made.append(
            Letter(
                row["key"], row["channel"], row["identifier"], row["person_id"], to, subject,
                text, record,
            )
        )  # fmt: skip
    return made, failed


def revealed(rows: Sequence[Mapping[str, Any]], contacts: Contacts) -> dict[str, tuple[str, str]]:
    """The address and the record's number of each row; "" where there is none any more."""
    asked = {
        row["key"]: (
            Address(row["owner"], KIND_OF[row["channel"]], row["source"]),
            Address(row["owner"], RECORD, row["source"]),
        )
        for row in rows
    }
    known = contacts.reveal({address for pair in asked.values() for address in pair})
    return {key: (known.get(to, ""), known.get(of, "")) for key, (to, of) in asked.items()}
