"""Zendesk Sell (once Base): leads, contacts, deals and calls that came in, for those who leave it.

Where the plan has the Sync API, Sell keeps a queue of what a device has not seen yet; what was
committed is acknowledged once it is published, so after a failure it comes again and nothing is
lost. Else resources are listed, what changed last first.

The device's number is made with the first load and kept as the cursor: whoever begins with an
empty warehouse is a new device, and is sent everything.

Sell's answers name people, so they are not kept as fetched.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial

from connectors.contract import Call, Contact, Deal, Link, Row
from connectors.crm_fields import Names, instant, names, rejected
from connectors.errors import SourceError, SourceMisconfigured, SourceUnreachable
from connectors.options import settings
from connectors.patience import Patience
from connectors.shapes import BadValue
from connectors.source import ENDPOINT, Context, Cursor, Item, Option, Slice, Source
from connectors.zendesk_sell_api import Record, Sell, Told
from connectors.zendesk_sell_rows import Words, call, contact, conversion, deal, gone, lead

OPTIONS = (
    Option("access_token", "Access token with Read and Sync.", secret=True),
    Option("sync", "Whether to use the Sync API where the plan has it.", False, default=True),
    Option("device_uuid", "Another number for the Sync API: it sends everything again.", False),
    Option("patient_id_field", "Custom field with the medical record number.", False),
    Option("service_line_field", "Custom field with the line.", False),
    Option("location_field", "Custom field with the location.", False),
    Option("preferred_channel_field", "Custom field with the wished channel.", False),
    Option("utm_source_field", "Custom field of leads with utm_source.", False),
    Option("utm_medium_field", "Custom field of leads with utm_medium.", False),
    Option("utm_campaign_field", "Custom field of leads with utm_campaign.", False),
    ENDPOINT,
)

LAST_DAY = "31 August 2027"
# Sell restates nothing; what changes gets a new `updated_at`.
RESTATED_DAYS = 0
LAG = timedelta(minutes=5)
OVERLAP = timedelta(minutes=10)
# What is taken out of the queue before it is committed.
AT_ONCE = 20_000
# Pages of the queue that hold nothing; its end is told otherwise.
MOST_EMPTY = 20
PATIENCE = Patience()

TABLES: dict[str, type[Row]] = {
    "lead": Contact,
    "contact": Contact,
    "deal": Deal,
    "call": Call,
    "lead_conversion": Link,
}
# What a record's number follows in the key of its row.
KEYS = {"lead": "lead-", "call": "sell-", "lead_conversion": "sell-conversion-"}
# In the order in which they are listed. Sell sorts the first three by their change.
LISTED = {
    "leads": "lead", "contacts": "contact", "deals": "deal", "calls": "call",
    "lead_conversions": "lead_conversion",
}  # fmt: skip
SORTED = frozenset({"leads", "contacts", "deals"})


def connect(context: Context) -> Source:
    """Open the account; its API is asked without a library (the one there is has ended)."""
    chosen = settings(context, OPTIONS)
    device = chosen["device_uuid"]
    if device is not None:
        try:
            uuid.UUID(str(device))
        except ValueError:
            raise SourceMisconfigured(
                f"The device_uuid of source '{context.name}' is no UUID; make one with `uuidgen`."
            ) from None
    token = str(chosen["access_token"]).strip()
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise SourceMisconfigured(
            f"The access_token of source '{context.name}' holds spaces or letters that no token "
            "has; copy it again."
        )
    api = Sell(context.name, token, chosen["endpoint"], PATIENCE)
    return Account(context, api, names(chosen), device, sync=bool(chosen["sync"]))


class Account:
    """One Sell account."""

    def __init__(
        self, context: Context, api: Sell, own: Names, device: str | None, *, sync: bool
    ) -> None:
        self._context = context
        self._api = api
        self._names = own
        self._device = device
        self._sync = sync
        self._session = ""  # of the Sync API, while its queue holds something
        self._kept = False

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """The queue in parts, or each resource; conversions are listed either way."""
        device = self._device or cursors.get("sync") or str(uuid.uuid4())
        session = self._api.start(device) if self._sync else None
        if session is None:
            for resource in LISTED:
                yield self._listing(resource, cursors.get(resource))
            return
        yield self._listing("lead_conversions", cursors.get("lead_conversions"))
        self._session, number = session, 0
        while self._session:
            number += 1
            self._kept = False
            keys: list[str] = []  # to acknowledge what was taken out of the queue by
            yield Slice(
                name=f"queue, part {number}",
                rows=(Contact, Deal, Call, Link),
                cursor_key="sync",
                read=partial(self._read_queue, device, keys),
                after_commit=self._keep,
                after_publish=partial(self._acknowledge, device, keys),
            )
            if not self._kept:
                return  # what follows would come out of the queue and not be kept either

    def probe(self) -> str:
        """Whose account it is, and by which way it is read."""
        account = self._api.account()
        words = self._words
        return (
            f"Zendesk Sell account {account.get('id')} answers; pipelines: "
            f"{len(words.pipelines):,}, stages: {len(words.stages):,}, lead sources: "
            f"{len(words.lead_sources):,}. Zendesk ends Sell and deletes its data on {LAST_DAY}."
        )

    @cached_property
    def _words(self) -> Words:
        def by_number(resource: str) -> dict[str, Record]:
            return {str(of["id"]): of for of in self._api.listed(resource)}

        return Words(
            lead_sources={n: str(of["name"]) for n, of in by_number("lead_sources").items()},
            stages=by_number("stages"),
            pipelines={n: str(of["name"]) for n, of in by_number("pipelines").items()},
        )

    def _read_queue(self, device: str, keys: list[str]) -> Iterator[Item]:
        if keys:
            # Read again: what was taken out of that session's queue comes only in another.
            self._session = self._api.start(device) or ""
        keys.clear()
        taken = empty = 0
        while self._session and taken < AT_ONCE:
            told = self._api.next_told(device, self._session)
            if told is None:
                self._session = ""
            empty = 0 if told else empty + 1
            if empty > MOST_EMPTY:
                raise SourceUnreachable(
                    "Zendesk Sell's queue neither ends nor gives anything; refresh again later."
                )
            for one in told or ():
                taken += 1
                yield from self._item(one.kind, self._whole(one), taken, deleted=one.deleted)
                if one.key:
                    keys.append(one.key)
        yield Cursor(device)

    def _whole(self, one: Told) -> Record | None:
        """What was told, or, of what Sell failed to put into the queue, what it is now."""
        if one.key or one.kind not in LISTED.values():
            return one.record
        return self._api.one(one.kind, str(one.record["id"]))

    def _keep(self) -> None:
        self._kept = True

    def _acknowledge(self, device: str, keys: list[str]) -> None:
        # It is published; unacknowledged it comes again, which changes nothing.
        with suppress(SourceError):
            self._api.acknowledge(device, keys)

    def _listing(self, resource: str, cursor: str | None) -> Slice:
        since = datetime.combine(self._context.first_day, datetime.min.time(), UTC)
        if cursor is not None:
            since = datetime.fromisoformat(cursor) - OVERLAP
        return Slice(
            name=f"{resource} changed since {since:%Y-%m-%d %H:%M}",
            rows=(TABLES[LISTED[resource]],),
            cursor_key=resource,
            read=partial(self._read_listing, resource, since),
        )

    def _read_listing(self, resource: str, since: datetime) -> Iterator[Item]:
        """What changed last comes first: a record that changes meanwhile goes there, and is told by
        the next load.
        """
        order = {"sort_by": "updated_at:desc"} if resource in SORTED else {}
        newest_first = resource in SORTED or resource == "lead_conversions"
        kind = LISTED[resource]
        for number, of in enumerate(self._api.listed(resource, **order), start=1):
            changed = _changed(of)
            if changed is not None and changed < since:
                if newest_first:
                    break
                continue
            yield from self._item(kind, of, number)
        yield Cursor((self._context.now - LAG).isoformat())

    def _item(
        self, kind: str, of: Record | None, number: int, *, deleted: bool = False
    ) -> Iterator[Item]:
        if of is None or kind not in TABLES:
            return
        if not deleted:
            self._context.see(kind, of.keys())
        try:
            row = self._gone(kind, str(of["id"])) if deleted else self._row(kind, of)
        except BadValue as bad:
            own = f"{KEYS.get(kind, '')}{of.get('id')}"
            yield rejected(bad, f"Zendesk Sell {kind}s", number, TABLES[kind].spec.table, own)
            return
        if row is not None:
            yield row

    def _row(self, kind: str, of: Record) -> Row | None:
        match kind:
            case "lead":
                return lead(of, self._names, self._words)
            case "contact":
                return contact(of, self._names)
            case "deal":
                return deal(of, self._names, self._words)
            case "call":
                return call(of)
            case _:
                return conversion(of)

    def _gone(self, kind: str, number: str) -> Row | None:
        """A lead that was converted is taken away too, but its person did ask: it stays."""
        if kind == "lead" and any(self._api.listed("lead_conversions", lead_id=number)):
            return None
        return gone(kind, number, self._context.now)


def _changed(of: Record) -> datetime | None:
    try:
        return instant(of, "updated_at") or instant(of, "created_at")
    except BadValue:
        return None  # it is read, and kept out with a reason
