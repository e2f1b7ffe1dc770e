"""HubSpot: contacts and deals; calls, e-mails and meetings; marketing e-mails; opt-outs.

The search API is asked for what changed between two instants, in order of the record's id, each
page beginning after the last id of the one before. It never pages deeper than one page, so neither
its limit of 10,000 results nor a bulk edit that gives more than that one timestamp can stop it.
What search does not tell (history, the contact of a deal or a call) is read in batches.

HubSpot's answers name people, so they are not kept as fetched.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from connectors import hubspot_engagements as engagements
from connectors.contract import Call, Contact, Deal, Link, Preference, Row, Touchpoint
from connectors.crm_fields import Names, needed
from connectors.errors import SourceMisconfigured, SourceRefused
from connectors.flows import Flow, flow_rules
from connectors.hubspot_api import Api
from connectors.hubspot_failures import Failures, NotFound
from connectors.hubspot_mail import Mail, suppressed
from connectors.hubspot_rows import (
    CONTACT_PROPERTIES,
    DEAL_PROPERTIES,
    contact,
    deal,
    first_touch,
)
from connectors.hubspot_settings import OPTIONS, OPTOUTS, PARTS, problems
from connectors.hubspot_wishes import MERGED, MERGED_AT, merges, wishes
from connectors.message_rows import ROWS
from connectors.options import settings
from connectors.patience import Patience
from connectors.shapes import BadValue
from connectors.source import Context, Cursor, Item, Rejected, Slice, Source

# HubSpot restates nothing: what changes gets a new modification time. But its search index lags,
# so the last minutes are left for later and the first are read twice. Events come later still.
RESTATED_DAYS = 0
LAG = timedelta(minutes=5)
OVERLAP = timedelta(minutes=10)
EVENTS_OVERLAP = timedelta(days=1)

# A long first load is cut into slices that are committed one by one.
SLICE = timedelta(days=31)
EVENTS_SLICE = timedelta(days=7)

# The part, its row and its cursor.
ARCHIVED: tuple[tuple[str, type[Row], str], ...] = (
    ("contacts", Contact, "archived"), ("deals", Deal, "archived:deals"),
    ("calls", Call, "archived:calls"), ("emails", Touchpoint, "archived:emails"),
    ("meetings", Touchpoint, "archived:meetings"),
)  # fmt: skip
MODIFIED = {"contacts": "lastmodifieddate"}  # the others: hs_lastmodifieddate
LOADED: dict[str, tuple[type[Row], ...]] = {
    "contacts": (Contact, Touchpoint, Link, Preference), "deals": (Deal,), "calls": (Call,),
    "emails": (Touchpoint,), "meetings": (Touchpoint,), "email_events": ROWS,
}  # fmt: skip
ACTIVITIES: dict[str, tuple[tuple[str, ...], Callable[[Any, str | None], Row | None]]] = {
    "calls": (engagements.CALL_PROPERTIES, engagements.call),
    "emails": (engagements.EMAIL_PROPERTIES, engagements.email),
    "meetings": (engagements.MEETING_PROPERTIES, engagements.meeting),
}
PATIENCE = Patience()


def connect(context: Context) -> Source:
    """Open the portal with HubSpot's own client."""
    chosen = settings(context, OPTIONS)
    version = str(chosen["api_version"])
    if not re.fullmatch(r"20\d\d-\d\d", version):
        raise SourceMisconfigured(
            f"The api_version of source '{context.name}' is not a year and month as '2026-03'."
        )
    chosen["optouts"] = OPTOUTS if chosen["optouts"] is None else chosen["optouts"]
    if wrong := list(problems(chosen)):
        raise SourceMisconfigured(f"Source '{context.name}': {'; '.join(wrong)}.")
    flows = flow_rules(context.name, chosen["flows"], Flow("(none)"))
    try:
        from hubspot_sdk import HubSpot
    except ImportError:
        raise SourceMisconfigured(
            f"Source '{context.name}' needs HubSpot's library: pip install 'caretrace[hubspot]'."
        ) from None
    client = HubSpot(
        access_token=chosen["access_token"],
        # Given even when it is HubSpot's own, or the library would look into the environment.
        base_url=chosen["endpoint"] or "https://api.hubapi.com",
        timeout=PATIENCE.socket_seconds,
        max_retries=0,
    )
    parts = [*chosen["load"], *(["lists"] if chosen["suppression_lists"] else [])]
    failures = Failures(context.name, client.access_token, parts)
    api = Api(client, version, failures, PATIENCE)
    return Portal(context, api, chosen, Mail(api, flows))


class Portal:
    """One HubSpot account."""

    def __init__(self, context: Context, api: Api, chosen: Mapping[str, Any], mail: Mail) -> None:
        self._context = context
        self._api = api
        self._load = tuple(part for part in PARTS if part in chosen["load"])
        self._lists = tuple(str(number) for number in chosen["suppression_lists"])
        self._optouts: Mapping[str, str] = chosen["optouts"]
        self._mail = mail
        self._names = Names(
            patient_id=chosen["patient_id_property"],
            service_line=chosen["service_line_property"],
            location=chosen["location_property"],
            preferred_channel=chosen["preferred_channel_property"],
        )

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """Each part's changes since its cursor, then what was archived and who is on the lists."""
        self._check_names()
        until = self._context.now - LAG
        for part in self._load:
            events = part == "email_events"
            since = datetime.combine(self._context.first_day, datetime.min.time(), UTC)
            if part in cursors:
                overlap = EVENTS_OVERLAP if events else OVERLAP
                since = datetime.fromisoformat(cursors[part]) - overlap
            while since < until:
                end = min(since + (EVENTS_SLICE if events else SLICE), until)
                yield Slice(
                    name=f"{part} changed {since:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
                    rows=LOADED[part],
                    cursor_key=part,
                    read=partial(self._read, part, since, end),
                )
                since = end
        for part, row, key in ARCHIVED:
            if part not in self._load:
                continue
            since = datetime.combine(self._context.first_day, datetime.min.time(), UTC)
            if key in cursors:
                since = datetime.fromisoformat(cursors[key]) - OVERLAP
            yield Slice(
                name=f"{part} archived",
                rows=(row,),
                cursor_key=key,
                read=partial(self._archived, part, since, until),
            )
        for number in self._lists:
            yield Slice(
                name=f"list {number}",
                rows=(Preference,),
                cursor_key=f"list:{number}",
                read=partial(self._members, number, until),
            )

    def probe(self) -> str:
        """How much there is of what is loaded, and what else the token would see."""
        self._check_names()
        found = [self._sight(part) for part in (*self._load, *(["lists"] * bool(self._lists)))]
        more = [part for part in PARTS if part not in self._load and self._may_see(part)]
        words = f"HubSpot account {self._api.details.get('portalId')} answers; {', '.join(found)}"
        return f"{words}; load may also name {', '.join(more)}." if more else f"{words}."

    def _sight(self, part: str) -> str:
        """What one part holds; raises SourceRefused where the token may not see it."""
        if part == "lists":
            for number in self._lists:
                next(self._api.members(number, 1))
            return "lists: they answer"
        if part == "email_events":
            next(self._api.events(self._context.now - LAG, self._context.now, 1))
            return "email_events: they answer"
        return f"{part}: {self._api.count(part):,}"

    def _may_see(self, part: str) -> bool:
        try:
            self._sight(part)
        except (SourceRefused, NotFound):
            return False
        return True

    def _check_names(self) -> None:
        """HubSpot ignores unknown properties in a search, so a misspelt one would stay empty."""
        own = [name for name in self._optouts if name not in OPTOUTS]
        for name in (*self._names.asked(), *own):
            try:
                self._api.property_of_contacts(name)
            except NotFound:
                missing = name
            else:
                continue
            raise SourceMisconfigured(
                f"HubSpot has no contact property '{missing}', which source "
                f"'{self._context.name}' asks for; correct its internal name in caretrace.toml."
            )

    def _read(self, part: str, since: datetime, until: datetime) -> Iterator[Item]:
        for number, (said, make) in enumerate(self._records(part, since, until), start=1):
            yield from self._row_or_reject(part, number, partial(make, said), said)
        yield Cursor(until.isoformat())

    def _archived(self, part: str, since: datetime, until: datetime) -> Iterator[Item]:
        """What somebody put away: contacts are no leads any more, deals no business, the rest no
        touches.
        """
        place = 0
        for page in self._api.archived(part, self._properties(part)):
            for said in page:
                place += 1
                make = partial(self._gone, part, said, since, until)
                yield from self._row_or_reject(part, place, make, said)
        yield Cursor(until.isoformat())

    def _gone(
        self, part: str, said: dict[str, Any], since: datetime, until: datetime
    ) -> Sequence[Item]:
        at = needed(said, "archivedAt")
        if not since <= at <= until:
            return []
        if part == "deals":
            made = needed(said["properties"], "createdate")
            return [Deal(str(said["id"]), created_at=made, updated_at=at, stage="deleted")]
        if part in ACTIVITIES:
            return [engagements.gone(part, said, at)]
        row = contact(said, (), self._names)
        return [replace(row, updated_at=max(at, row.updated_at), deleted=True)]

    def _members(self, number: str, until: datetime) -> Iterator[Item]:
        place = 0
        for page in self._api.members(number):
            for said in page:
                place += 1
                make = partial(_one, suppressed, number, said)
                yield from self._row_or_reject("lists", place, make, None)
        yield Cursor(until.isoformat())

    def _row_or_reject(
        self, part: str, number: int, make: Callable[[], Sequence[Item]], said: Any
    ) -> Iterator[Item]:
        """All the rows of one record, or none and why."""
        try:
            yield from make()
        except BadValue as bad:
            table = "preference" if part == "lists" else LOADED[part][0].spec.table
            own = (
                f"{engagements.KEYS.get(part, '')}{said.get('id')}"
                if isinstance(said, dict)
                else None
            )
            yield Rejected(f"HubSpot {part}", number, bad.column, bad.shape, bad.reason, table, own)

    def _records(
        self, part: str, since: datetime, until: datetime
    ) -> Iterator[tuple[Any, Callable[[Any], Sequence[Item]]]]:
        """Each record of a part, with what makes rows of it."""
        if part == "email_events":
            for page in self._api.events(since, until):
                for said in page:
                    yield said, lambda said: list(self._mail.rows(said))
            return
        modified = MODIFIED.get(part, "hs_lastmodifieddate")
        for page in self._api.changed(part, modified, self._properties(part), since, until):
            live = [said for said in page if not said.get("archived")]
            for said, make in zip(live, self._makers(part, live), strict=True):
                yield said, make

    def _properties(self, part: str) -> tuple[str, ...]:
        if part in ACTIVITIES:
            return ACTIVITIES[part][0]
        if part == "deals":
            return (*DEAL_PROPERTIES, *self._names.asked())
        return (*CONTACT_PROPERTIES, MERGED, MERGED_AT, *self._optouts, *self._names.asked())

    def _makers(
        self, part: str, page: list[dict[str, Any]]
    ) -> Iterator[Callable[[Any], Sequence[Item]]]:
        """What makes rows of each record of a page, with what only batches tell of it."""
        if not page:
            return
        ids = [str(said["id"]) for said in page]
        if part == "contacts":
            history = self._api.history(part, ids, ("lifecyclestage", *self._optouts))
            for number in ids:
                yield partial(self._contact, history.get(number, {}))
            return
        contacts = self._api.contacts_of(part, ids)
        if part == "deals":
            stages = self._api.history(part, ids, ("dealstage",))
            for number in ids:
                past = stages.get(number, {}).get("dealstage") or ()
                yield partial(self._deal, past, contacts.get(number))
            return
        for number in ids:
            yield partial(_activity, ACTIVITIES[part][1], contacts.get(number))

    def _contact(self, history: Any, said: dict[str, Any]) -> Sequence[Item]:
        row = contact(said, history.get("lifecyclestage") or (), self._names)
        touch = first_touch(said, row)
        return [
            row,
            *([touch] if touch else []),
            *merges(said, row),
            *wishes(said, history, row, self._optouts),
        ]

    def _deal(self, past: Any, contact_id: str | None, said: dict[str, Any]) -> Sequence[Item]:
        currency = str(self._api.details.get("companyCurrency") or "USD")
        return [deal(said, past, contact_id, currency, self._names)]


def _activity(make: Any, contact_id: str | None, said: dict[str, Any]) -> Sequence[Item]:
    row = make(said, contact_id)
    return [] if row is None else [row]


def _one(make: Any, *given: Any) -> Sequence[Item]:
    return [make(*given)]
