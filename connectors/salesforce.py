"""Salesforce: leads, contacts, opportunities, campaign members and logged activities.

Each object is asked for what changed between two instants (`SystemModstamp`), deleted records
among it. Subjects, descriptions, names and addresses are not asked for.

Salesforce's answers name people, so they are not kept as fetched.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from typing import Any

from connectors.contract import TOUCH_KINDS, Row
from connectors.crm_fields import instant, names, rejected, text
from connectors.errors import SourceMisconfigured
from connectors.options import settings
from connectors.patience import Patience
from connectors.salesforce_failures import ObjectHidden, field_hidden
from connectors.salesforce_objects import ALWAYS, CONVERTED, HISTORY, KEYS, KINDS, ROLES, STATUSES
from connectors.salesforce_query import Asked, Queries, Record
from connectors.salesforce_rows import call, contact, deal, lead, meeting, member
from connectors.salesforce_session import Session
from connectors.shapes import BadValue
from connectors.source import ENDPOINT, Context, Cursor, Item, Option, Slice, Source

OPTIONS = (
    Option("consumer_key", "Consumer key of the connected app."),
    Option("username", "User that a signed log-in (JWT bearer) acts as.", False),
    Option("private_key_file", "Path of the private key, PEM.", False, path=True),
    Option("private_key", "The private key itself.", False, secret=True),
    Option("consumer_secret", "Consumer secret, for client credentials.", False, secret=True),
    Option("domain", "What is before .salesforce.com.", False, default="login"),
    Option("api_version", "Version of the API.", False, default="66.0"),
    Option("objects", "What to load.", False, default=(
        "leads", "contacts", "opportunities", "campaign_members", "calls",
    )),
    Option("leave_out", "Fields not to ask for, as Lead.DoNotCall.", False, default=()),
    Option("patient_id_field", "Field with the medical record number.", False),
    Option("service_line_field", "Field with the line.", False),
    Option("location_field", "Field with the location.", False),
    Option("preferred_channel_field", "Field with the wished channel.", False),
    Option("lifecycle_field", "Field of contacts with their stage.", False),
    Option("utm_source_field", "Field with utm_source.", False),
    Option("utm_medium_field", "Field with utm_medium.", False),
    Option("utm_campaign_field", "Field with utm_campaign.", False),
    Option("click_id_field", "Field with the click id (gclid).", False),
    Option("currency", "Of an organisation with one currency.", False, default="USD"),
    Option("campaign_kinds", "Own campaign types -> kinds of touch.", False, default={}),
    Option("undirected_calls", "Whether calls without a direction count.", False, default=False),
    Option("bulk_rows", "Records from which on a bulk job is used.", False, default=20_000),
    ENDPOINT,
)  # fmt: skip

# Salesforce restates nothing: what changes gets a new stamp. A transaction may end minutes after
# the stamp it gave, so the last minutes are left for later and some are read twice.
RESTATED_DAYS = 0
LAG = timedelta(minutes=5)
OVERLAP = timedelta(minutes=10)

# A long first load is cut into slices that are committed one by one.
SLICE = timedelta(days=31)
PATIENCE = Patience()


def connect(context: Context) -> Source:
    """Open the organisation with simple-salesforce."""
    chosen = settings(context, OPTIONS)
    _check(context.name, chosen)
    try:
        import simple_salesforce  # noqa: F401
    except ImportError:
        raise SourceMisconfigured(
            f"Source '{context.name}' needs Salesforce's library: "
            "pip install 'caretrace[salesforce]'."
        ) from None
    return Organisation(context, chosen, Session(context.name, chosen, PATIENCE))


def _check(source: str, chosen: Mapping[str, Any]) -> None:
    unknown = [name for name in chosen["objects"] if name not in KINDS]
    if unknown or not chosen["objects"]:
        raise SourceMisconfigured(
            f"Source '{source}' cannot load {unknown[0] if unknown else 'nothing'}; objects are "
            f"{', '.join(KINDS)}."
        )
    for type_, kind in dict(chosen["campaign_kinds"]).items():
        if kind not in TOUCH_KINDS:
            raise SourceMisconfigured(
                f"In source '{source}' the campaign type '{type_}' cannot be '{kind}'; kinds are "
                f"{', '.join(TOUCH_KINDS)}."
            )
    if not str(chosen["api_version"]).replace(".", "", 1).isdigit():
        raise SourceMisconfigured(
            f"The api_version of source '{source}' is not a number as '66.0'."
        )


class Organisation:
    """One Salesforce organisation."""

    def __init__(self, context: Context, chosen: Mapping[str, Any], session: Session) -> None:
        self._context = context
        self._chosen = chosen
        self._queries = Queries(session, int(chosen["bulk_rows"]))
        self._names = names(chosen)
        self._campaign_kinds = {
            str(type_).lower(): kind for type_, kind in dict(chosen["campaign_kinds"]).items()
        }
        self._visible = cache(self._queries.fields)

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """Each object's changes since its cursor."""
        self._check_names()
        until = self._context.now.replace(microsecond=0) - LAG
        for key in self._chosen["objects"]:
            since = datetime.combine(self._context.first_day, datetime.min.time(), UTC)
            if key in cursors:
                since = datetime.fromisoformat(cursors[key]) - OVERLAP
            while since < until:
                end = min(since + SLICE, until)
                yield Slice(
                    name=f"{key} changed {since:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
                    rows=KINDS[key].rows,
                    cursor_key=key,
                    read=partial(self._read, key, since, end),
                )
                since = end

    def probe(self) -> str:
        """How many records of each object there are, all of its fields being visible."""
        self._check_names()
        counts = []
        for key in self._chosen["objects"]:
            self._asked(key)
            only = KINDS[key].only
            counts.append(
                f"{key.replace('_', ' ')}: {self._queries.count(KINDS[key].name, only):,}"
            )
        said = f"Salesforce answers as {self._chosen['domain']}; {', '.join(counts)}."
        return f"{said} {self._tracking()}".strip()

    def _tracking(self) -> str:
        """What is known of when leads reached each status."""
        if "leads" not in self._chosen["objects"]:
            return ""
        if not self._keeps_statuses:
            why = "it keeps no history of leads, or shows none"
        elif not self._queries.count(STATUSES.name, STATUSES.only):
            why = "it has tracked no change of Lead Status"
        else:
            return "It tells when leads reached each status."
        return (
            f"When leads reached each status is not known: {why}. Track it in Setup, Object "
            "Manager, Lead, Fields, Set History Tracking."
        )

    @cached_property
    def _keeps_statuses(self) -> bool:
        """Whether the history of leads is there: only where some field of theirs is tracked."""
        try:
            return set(STATUSES.fields) <= self._visible(STATUSES.name)
        except ObjectHidden:
            return False

    def _check_names(self) -> None:
        """A misspelt field of one's own would stay empty; a hidden object speaks for itself."""
        found: set[str] = set()
        for kind in KINDS.values():
            if kind.own:
                try:
                    found |= self._visible(kind.name)
                except ObjectHidden:
                    return
        if missing := [name for name in self._names.asked() if name not in found]:
            raise SourceMisconfigured(
                f"Salesforce shows source '{self._context.name}' no field {', '.join(missing)}; "
                "correct the name in caretrace.toml, or give its user Read on the field."
            )

    def _asked(self, key: str) -> Asked:
        """An object with all its fields that we want, or a sentence about those we may not see."""
        kind = KINDS[key]
        visible = self._visible(kind.name)
        self._context.see(kind.name, visible)
        left_out = set(self._chosen["leave_out"])
        # A parent's field is called by its own object's name: Campaign.Type.
        wanted = [f for f in kind.fields if not {f, f"{kind.name}.{f}"} & left_out]
        wanted = [*ALWAYS, *wanted]
        if hidden := [name for name in wanted if not _sees(visible, name)]:
            raise field_hidden(self._context.name, [f"{kind.name}.{name}" for name in hidden])
        wanted += [
            name
            for name in kind.known
            if _sees(visible, name) and not {name, f"{kind.name}.{name}"} & left_out
        ]
        if kind.own:
            wanted += [name for name in self._names.asked() if name in visible]
        return Asked(kind.name, tuple(dict.fromkeys(wanted)), kind.only)

    def _read(self, key: str, since: datetime, until: datetime) -> Iterator[Item]:
        asked = self._asked(key)
        number = 0
        for page in self._pages(asked, since, until):
            becomes = self._becoming(key, page)
            for of in page:
                number += 1
                try:
                    yield from becomes(of)
                except BadValue as bad:
                    table = KINDS[key].rows[0].spec.table
                    own = f"{KEYS.get(asked.name, '')}{of['Id']}"
                    yield rejected(bad, f"Salesforce {asked.name}", number, table, own)
        yield Cursor(until.isoformat())

    def _pages(self, asked: Asked, since: datetime, until: datetime) -> Iterator[list[Record]]:
        """What changed; of opportunities also those that only got another contact."""
        if asked.name != "Opportunity":
            yield from self._queries.changed(asked, since, until)
            return
        read: set[str] = set()
        for page in self._queries.changed(asked, since, until):
            read |= {str(of["Id"]) for of in page}
            yield page
        for page in self._queries.changed(ROLES, since, until):
            others = sorted({str(role["OpportunityId"]) for role in page} - read)
            read |= set(others)
            if others:
                yield list(self._queries.related(asked, "Id", others))

    def _becoming(self, key: str, page: list[Record]) -> Callable[[Record], Iterable[Row]]:
        """How a record of this page becomes rows; what belongs to the page is read here."""
        ids = [str(of["Id"]) for of in page]
        if key == "leads":
            statuses = self._statuses(ids)
            return lambda of: lead(of, self._names, statuses.get(str(of["Id"]), ()))
        if key == "contacts":
            leads = self._leads_of(ids)
            return lambda of: contact(of, leads.get(str(of["Id"])), self._names)
        if key == "opportunities":
            history, roles = self._history(ids), self._roles(ids)
            return lambda of: [
                deal(
                    of,
                    history.get(str(of["Id"]), ()),
                    roles.get(str(of["Id"])),
                    str(self._chosen["currency"]),
                    self._names,
                )
            ]
        if key == "campaign_members":
            return lambda of: [member(of, self._campaign_kinds)]
        if key == "calls":
            return partial(call, undirected=bool(self._chosen["undirected_calls"]))
        return meeting

    def _leads_of(self, ids: list[str]) -> dict[str, datetime]:
        """When the lead was made that each contact was converted from; of several, the first."""
        if "leads" not in self._chosen["objects"]:
            return {}
        found: dict[str, datetime] = {}
        for of in self._queries.related(CONVERTED, "ConvertedContactId", ids):
            number, at = str(of["ConvertedContactId"]), instant(of, "CreatedDate")
            if at:
                found[number] = min(at, found.get(number, at))
        return found

    def _statuses(self, ids: list[str]) -> dict[str, list[Record]]:
        """How the status of each lead changed, as far as that is tracked."""
        found: dict[str, list[Record]] = {}
        if self._keeps_statuses:
            for of in self._queries.related(STATUSES, "LeadId", ids):
                if not _is_deleted(of):
                    found.setdefault(str(of["LeadId"]), []).append(of)
        return found

    def _history(self, ids: list[str]) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for of in self._queries.related(HISTORY, "OpportunityId", ids):
            found.setdefault(str(of["OpportunityId"]), []).append(of)
        return found

    def _roles(self, ids: list[str]) -> dict[str, str]:
        """The contact of each opportunity: the primary one, else the one named first."""
        ranked: dict[str, tuple[bool, str, str]] = {}
        for of in self._queries.related(ROLES, "OpportunityId", ids):
            number, who = str(of["OpportunityId"]), text(of, "ContactId")
            primary = str(of.get("IsPrimary")).lower() == "true"
            if who and not _is_deleted(of):
                rank = (not primary, str(of["CreatedDate"]), who)
                ranked[number] = min(rank, ranked.get(number, rank))
        return {number: who for number, (_later, _at, who) in ranked.items()}


def _is_deleted(of: Record) -> bool:
    return str(of.get("IsDeleted")).lower() == "true"


def _sees(visible: frozenset[str], name: str) -> bool:
    """Whether a field, or a parent's field, is there."""
    parent, dot, _field = name.partition(".")
    return f"{parent}." in visible if dot else name in visible
