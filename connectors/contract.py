"""The contract: the rows that connectors yield, and how each is keyed, marked and stored.

A row is a frozen dataclass. `source`, `account`, `run_id` and `loaded_at` are not on it: whoever
loads the row adds them, so a table's full key is `("source", "account", *spec.key)`.

Money is a `Decimal` in the row's `currency` and is stored as whole micros (`spend` becomes the
column `spend_micros`). Instants are aware and stored in UTC. Days are in the account's own time
zone, which is carried beside them. Ids are text. Several values in one text are joined by `|`.
"""

from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Identifier:
    """Marks a field that can point at a person or a record; it is hashed before it is stored.

    `kind` is email, phone, crm_id, patient_id, client_id (web), click_id, record, ad_click or
    given_name. A `record` (an appointment's or a payment's number) is hashed like the others but
    never joins people, nor does an `ad_click`: a click id as its platform tells of it, hashed as a
    click id. A `given_name` is not stored: it is hashed together with the row's e-mail and with its
    phone, so that it can be compared only between rows that share one of them.
    """

    kind: str


@dataclass(frozen=True, slots=True)
class Money:
    """Marks an amount in the row's `currency`."""


@dataclass(frozen=True, slots=True)
class Private:
    """Marks free text that may name someone: it never leaves the private store."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Marks a text that must be one of these values."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """How a kind of row is stored and merged.

    `load` is `window` (the source re-reads whole days, and what it says now replaces what it
    said) or `keyset` (of two rows with one key, the one with the later `newer` column wins, or
    the one that arrived later where there is no such column). `day` is the column that windows
    are cut on; keyset rows may have one too, for sources that tell whole days anew.
    """

    table: str
    key: tuple[str, ...]
    load: Literal["window", "keyset"] = "keyset"
    day: str | None = None
    newer: str | None = None


class Row:
    """Base of all contract rows; `spec` says how they are stored."""

    __slots__ = ()
    spec: ClassVar[Spec]


Email = Annotated[str | None, Identifier("email")]
Phone = Annotated[str | None, Identifier("phone")]
CrmId = Annotated[str | None, Identifier("crm_id")]
PatientId = Annotated[str | None, Identifier("patient_id")]
ClientId = Annotated[str | None, Identifier("client_id")]
ClickId = Annotated[str | None, Identifier("click_id")]
AdClickId = Annotated[str, Identifier("ad_click")]
GivenName = Annotated[str | None, Identifier("given_name")]
RecordId = Annotated[str, Identifier("record")]
RecordRef = Annotated[str | None, Identifier("record")]
Amount = Annotated[Decimal, Money()]
MaybeAmount = Annotated[Decimal | None, Money()]


@dataclass(frozen=True, slots=True)
class AdSpend(Row):
    """What one ad group of one campaign cost and got on one day."""

    spec = Spec("ad_spend", ("campaign_id", "ad_group_id", "day"), load="window", day="day")

    day: date
    timezone: str
    campaign_id: str
    campaign: str
    ad_group_id: str  # "" where the source has no such level
    ad_group: str
    network: str  # google, meta, microsoft, radio ...: becomes utm_source for the channel rules
    medium: str  # cpc, paid_social, display ...: becomes utm_medium for the channel rules
    currency: str
    spend: Amount
    impressions: int = 0
    clicks: int = 0
    claimed_conversions: float | None = None
    claimed_value: MaybeAmount = None
    service_line: str | None = None  # what it was spent for, where the source says so
    location: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimedConversions(Row):
    """What an ad platform claims for one day: never mixed with what we observe or credit.

    `action` and `window` are in the platform's words. Of one campaign's rows only those with
    different actions and windows may be added up, and only where the platform does not count one
    conversion under several. Web analytics that give key events to sources make such claims too.
    """

    spec = Spec(
        "claimed_conversions",
        (
            *("campaign_id", "ad_group_id", "day", "action", "attribution_window", "counted_by"),
            *("network", "medium", "campaign", "told_by"),
        ),
        load="window",
        day="day",
    )

    day: date
    timezone: str
    campaign_id: str
    campaign: str
    ad_group_id: str  # "" where the source has no such level
    network: str  # as in AdSpend
    medium: str
    action: str  # lead, offsite_conversion.fb_pixel_lead, "Booking form" ...
    attribution_window: str  # 7d_click, 1d_view, 30 days ...; "" where the platform does not say
    counted_by: Annotated[
        str, OneOf(("click", "view", "either"))
    ]  # which kind of contact it counts
    dated: Annotated[str, OneOf(("touch", "conversion"))]  # what its day is the day of
    conversions: float
    currency: str
    value: MaybeAmount = None
    share_after_7_days: float | None = None  # that came later after the touch, where told
    share_after_30_days: float | None = None
    told_by: str = ""  # who counts, where it is not the platform itself: ga4


@dataclass(frozen=True, slots=True)
class WebSessions(Row):
    """Visits to the web site on one day from one source, medium and campaign."""

    spec = Spec(
        "web_sessions",
        ("day", "utm_source", "utm_medium", "campaign_id", "utm_campaign", "landing_group"),
        load="window",
        day="day",
    )

    day: date
    timezone: str
    utm_source: str
    utm_medium: str
    campaign_id: str
    utm_campaign: str
    landing_group: str
    sessions: int
    engaged_sessions: int
    key_events: float
    sampled_share: float | None = None  # share of sessions that were read, 1 or None: all of them
    thresholded: bool = False  # rows may have been withheld for privacy
    other_row: bool = False  # the API folded rows into "(other)"


@dataclass(frozen=True, slots=True)
class TrackingCode(Row):
    """A phone number or a code that a campaign was given: who uses it came by the campaign.

    The number is the organisation's own and points at nobody, so it stays in clear. It is the
    campaign's from `valid_from` to `valid_until`, or until another campaign is given it.
    """

    spec = Spec(
        "tracking_code",
        ("kind", "code", "campaign_id", "valid_from"),
        load="window",
        day="valid_from",
    )

    kind: Annotated[str, OneOf(("number", "code"))]
    code: str  # a number as +15035550142, a code in lower case
    valid_from: date
    campaign_id: str  # as in AdSpend
    campaign: str
    network: str
    medium: str
    valid_until: date | None = None
    service_line: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class AdClick(Row):
    """Which campaign a click was of, as its platform tells by the click's id.

    It knows the day of a click but not its time, nor whose it was, so it is no touch: touches and
    calls that carry the id are told their campaign by it. `day` is the platform's own.
    """

    spec = Spec("ad_click", ("click_id",), load="window", day="day")

    click_id: AdClickId
    day: date
    campaign_id: str
    campaign: str
    ad_group_id: str  # "" where the campaign has none
    ad_group: str
    network: str  # as in AdSpend
    medium: str


TOUCH_KINDS = (
    "impression", "click", "session", "form", "call", "email_open", "email_click", "sms", "chat",
    "referral", "direct_mail", "event",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Touchpoint(Row):
    """One contact of one person with the organisation's marketing."""

    spec = Spec("touchpoint", ("touch_id",), day="source_day", newer="at")

    touch_id: RecordId
    at: datetime
    kind: Annotated[str, OneOf(TOUCH_KINDS)]
    email: Email = None
    phone: Phone = None
    crm_id: CrmId = None
    patient_id: PatientId = None
    client_id: ClientId = None
    click_id: ClickId = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    campaign_id: str | None = None
    service_line: str | None = None
    location: str | None = None
    currency: str | None = None
    cost: MaybeAmount = None
    source_day: date | None = None  # the source's own day, where it tells whole days anew


@dataclass(frozen=True, slots=True)
class Contact(Row):
    """A person as the CRM knows them; being created there makes them a lead."""

    spec = Spec("contact", ("contact_id",), newer="updated_at")

    contact_id: Annotated[str, Identifier("crm_id")]
    created_at: datetime
    updated_at: datetime
    email: Email = None
    phone: Phone = None
    patient_id: PatientId = None
    client_id: ClientId = None
    original_source: str | None = None  # as the CRM names it: PAID_SEARCH, ORGANIC_SEARCH ...
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    first_touch_at: datetime | None = None
    lifecycle_stage: str | None = None
    lifecycle_dates: str | None = None  # JSON: stage -> instant it was reached
    lead_at: datetime | None = None
    customer_at: datetime | None = None
    preferred_channel: str | None = None
    service_line: str | None = None
    location: str | None = None
    deleted: bool = False  # taken out of the CRM: no lead any more
    given_name: GivenName = None
    birth_year: int | None = None


@dataclass(frozen=True, slots=True)
class Deal(Row):
    """A piece of business in the CRM: a consult, a case, a package of treatment."""

    spec = Spec("deal", ("deal_id",), newer="updated_at")

    deal_id: RecordId
    created_at: datetime
    updated_at: datetime
    contact_id: CrmId = None
    pipeline: str | None = None
    stage: str | None = None
    stage_dates: str | None = None  # JSON: stage -> instant it was entered
    won: bool | None = None  # None while open
    closed_at: datetime | None = None
    currency: str | None = None
    amount: MaybeAmount = None
    service_line: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Person(Row):
    """A patient as the medical record knows them, without address or family name."""

    spec = Spec("person", ("patient_id",), newer="updated_at")

    patient_id: Annotated[str, Identifier("patient_id")]
    email: Email = None
    phone: Phone = None
    crm_id: CrmId = None
    birth_year: int | None = None
    sex: str | None = None
    zip3: str | None = None
    language: str | None = None
    deceased: bool = False
    updated_at: datetime | None = None
    given_name: GivenName = None


@dataclass(frozen=True, slots=True)
class Link(Row):
    """Two identifiers that a source says are one person: a lead that was converted, two records
    that were merged, a web client that signed in.
    """

    spec = Spec("link", ("link_id",), day="source_day", newer="at")

    link_id: RecordId
    at: datetime
    kind: str  # converted, merged, signed_in, submitted ...
    patient_id: PatientId = None
    crm_id: CrmId = None
    other_crm_id: CrmId = None
    email: Email = None
    phone: Phone = None
    client_id: ClientId = None
    click_id: ClickId = None
    source_day: date | None = None  # as in Touchpoint
    other_patient_id: PatientId = None


APPOINTMENT_STATES = ("proposed", "booked", "arrived", "fulfilled", "cancelled", "noshow")


@dataclass(frozen=True, slots=True)
class Appointment(Row):
    """A visit that was booked, and what became of it."""

    spec = Spec("appointment", ("appointment_id",), newer="updated_at")

    appointment_id: RecordId
    patient_id: PatientId
    booked_at: datetime
    starts_at: datetime
    status: Annotated[str, OneOf(APPOINTMENT_STATES)]
    email: Email = None
    phone: Phone = None
    service_line: str | None = None
    location: str | None = None
    provider: str | None = None
    minutes_waited: float | None = None
    updated_at: datetime | None = None
    unknown_code: str | None = None  # system|code of what no rule of service lines knows


@dataclass(frozen=True, slots=True)
class Encounter(Row):
    """A visit that took place, with its diagnoses and procedures as groups."""

    spec = Spec("encounter", ("encounter_id",), newer="updated_at")

    encounter_id: RecordId
    patient_id: PatientId
    starts_at: datetime
    ends_at: datetime | None = None
    class_code: str | None = None  # FHIR v3-ActCode: AMB, EMER, IMP, VR ...
    appointment_id: RecordRef = None
    service_line: str | None = None
    location: str | None = None
    diagnosis_groups: str | None = None
    procedure_groups: str | None = None
    updated_at: datetime | None = None
    minutes_waited: float | None = None  # from arriving to being seen
    unknown_code: str | None = None  # system|code of what no rule of service lines knows


@dataclass(frozen=True, slots=True)
class CareCode(Row):
    """One diagnosis or procedure as a coarse group, where the record keeps it apart from its visit.

    It may arrive long before or after the visit. `same_as` is for a visit that names a diagnosis
    which does not name it: the row then has no group of its own.
    """

    spec = Spec("care_code", ("care_code_id",), newer="updated_at")

    care_code_id: RecordId
    kind: Annotated[str, OneOf(("diagnosis", "procedure"))]
    patient_id: PatientId = None
    encounter_id: RecordRef = None
    code_group: str | None = None
    service_line: str | None = None  # of visits that do not say theirs
    line_rank: int | None = None  # of several codes' service lines the one ranked lowest counts
    at: datetime | None = None
    same_as: RecordRef = None
    updated_at: datetime | None = None
    unknown_code: str | None = None  # system|code of what no rule of service lines knows


WITHDRAWN_FROM = ("appointment", "encounter", "care_code", "payment", "message", "preference")


@dataclass(frozen=True, slots=True)
class Withdrawn(Row):
    """A record that does not count, or no longer: deleted, entered in error, called off, unpaid.

    The row that it was before stays in its raw table and is left out in staging, until the record
    comes again with a later `updated_at`; without one it stays left out.
    """

    spec = Spec("withdrawn", ("table_name", "record_id"), newer="withdrawn_at")

    table_name: Annotated[str, OneOf(WITHDRAWN_FROM)]
    record_id: RecordId
    withdrawn_at: datetime
    reason: str  # deleted, or the status in the source's words


@dataclass(frozen=True, slots=True)
class Payment(Row):
    """Money received (or, negative, given back). Never a card or bank number."""

    spec = Spec("payment", ("payment_id",), newer="updated_at")

    payment_id: RecordId
    posted_at: datetime
    currency: str
    amount: Amount
    patient_id: PatientId = None
    encounter_id: RecordRef = None
    appointment_id: RecordRef = None
    payer_class: str | None = None  # commercial, medicare, medicaid, self_pay ...
    balance: MaybeAmount = None
    due_on: date | None = None
    updated_at: datetime | None = None


# Spam is stored, so that a call that is marked later takes the place of what was loaded, but it
# counts nowhere.
CALL_OUTCOMES = ("answered", "voicemail", "missed", "abandoned", "spam")


@dataclass(frozen=True, slots=True)
class Call(Row):
    """A phone call to a (tracked) number."""

    spec = Spec("call", ("call_id",), newer="updated_at")

    call_id: RecordId
    started_at: datetime
    seconds: int
    answered: bool
    phone: Phone = None
    client_id: ClientId = None
    first_time_caller: bool | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    campaign_id: str | None = None
    tags: str | None = None
    currency: str | None = None
    value: MaybeAmount = None
    service_line: str | None = None
    location: str | None = None
    updated_at: datetime | None = None
    tracking_number: str | None = None  # the organisation's own number that was dialled, in clear
    outcome: Annotated[str | None, OneOf(CALL_OUTCOMES)] = None  # why it was not answered
    lead_status: str | None = None  # as the call tracker names it: good_lead, not_a_lead ...
    crm_id: CrmId = None
    click_id: ClickId = None  # of the ad that the number was dialled from


@dataclass(frozen=True, slots=True)
class Message(Row):
    """A message of an outreach flow to one person, and what became of it.

    A person who was held out has a row too, with `arm` holdout and nothing sent.
    """

    spec = Spec("message", ("message_id",), newer="updated_at")

    message_id: RecordId
    flow: str
    assigned_at: datetime
    channel: str  # email, sms, direct_mail, call
    arm: Annotated[str, OneOf(("treated", "holdout"))] = "treated"
    purpose: Annotated[str, OneOf(("treatment", "operations", "marketing"))] = "marketing"
    email: Email = None
    phone: Phone = None
    crm_id: CrmId = None
    patient_id: PatientId = None
    service_line: str | None = None
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    replied_at: datetime | None = None
    bounced_at: datetime | None = None
    unsubscribed_at: datetime | None = None
    currency: str | None = None
    cost: MaybeAmount = None
    updated_at: datetime | None = None


MESSAGE_EVENTS = (
    "sent", "delivered", "deferred", "opened", "clicked", "replied", "bounced", "dropped",
    "unsubscribed", "complained",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MessageEvent(Row):
    """One thing that happened to one message to one person.

    Events come late, twice and in any order; a message is what they add up to. Where a `Message`
    has the same id and channel they are told of it, else they are a message of their own.
    """

    spec = Spec("message_event", ("event_id",))

    event_id: RecordId
    message_id: RecordId
    at: datetime
    event: Annotated[str, OneOf(MESSAGE_EVENTS)]
    channel: str  # as in Message
    flow: str
    purpose: Annotated[str, OneOf(("treatment", "operations", "marketing"))] = "marketing"
    mailing: bool = True  # sent to many: to be sent is no touch, and a click has a touchpoint
    machine: bool = False  # opened or clicked by a mail proxy or a link scanner, not by the person
    email: Email = None
    phone: Phone = None
    crm_id: CrmId = None
    patient_id: PatientId = None
    reason: str | None = None  # why it bounced or was dropped: a status code, never a sentence
    currency: str | None = None
    cost: MaybeAmount = None


@dataclass(frozen=True, slots=True)
class Preference(Row):
    """Whether a person may be reached by a channel for a purpose, and how they said so."""

    spec = Spec("preference", ("preference_id",), newer="since")

    preference_id: RecordId
    channel: str
    purpose: Annotated[str, OneOf(("treatment", "operations", "marketing"))]
    allowed: bool
    since: datetime
    how: str | None = None
    email: Email = None
    phone: Phone = None
    crm_id: CrmId = None
    patient_id: PatientId = None


@dataclass(frozen=True, slots=True)
class Feedback(Row):
    """One answer of one person: a score, a review; its text stays in the private store.

    A survey of several questions is several rows with one `response_id`.
    """

    spec = Spec("feedback", ("feedback_id",), newer="at")

    feedback_id: RecordId
    at: datetime
    kind: Annotated[str, OneOf(("nps", "review", "survey"))]
    score: float
    scale_max: float
    email: Email = None
    phone: Phone = None
    patient_id: PatientId = None
    service_line: str | None = None
    location: str | None = None
    provider: str | None = None
    comment: Annotated[str | None, Private()] = None
    response_id: RecordRef = None  # the sheet or visit to the form that the answer is on
    survey: str | None = None  # CG-CAHPS 3.1, HCAHPS, google ...
    question: str | None = None  # the survey's own name of it: Q11, recommend ...
    mode: str | None = None  # mail, phone, web ...


@dataclass(frozen=True, slots=True)
class Reputation(Row):
    """What a review platform said of one place on one day: its rating and how many reviews."""

    spec = Spec("reputation", ("platform", "place", "day"), load="window", day="day")

    day: date
    timezone: str
    platform: str  # google, yelp ...
    place: str  # the platform's own id
    rating: float | None  # None where nobody has rated it yet
    scale_max: float
    reviews: int
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Environment(Row):
    """Pollen and air quality at one place on one day."""

    spec = Spec("environment", ("place", "day"), load="window", day="day")

    day: date
    place: str
    pollen_tree: float | None = None
    pollen_grass: float | None = None
    pollen_weed: float | None = None
    air_quality_index: float | None = None
    forecast_days: int | None = None  # how many days ahead the pollen was foretold; 0: on the day


ROWS: tuple[type[Row], ...] = (
    AdSpend, ClaimedConversions, WebSessions, TrackingCode, AdClick, Touchpoint, Contact, Deal,
    Person, Link, Appointment, Encounter, CareCode, Withdrawn, Payment, Call, Message, MessageEvent,
    Preference, Feedback, Reputation, Environment,
)  # fmt: skip
BY_TABLE = {row.spec.table: row for row in ROWS}

Kind = Literal["text", "integer", "number", "flag", "day", "instant", "money"]
_KINDS: dict[type, Kind] = {
    str: "text", int: "integer", float: "number", bool: "flag", date: "day", datetime: "instant",
    Decimal: "money",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a contract row: how it is read, checked and stored."""

    name: str
    kind: Kind
    required: bool  # may not be empty
    default: object  # what an absent column means; None where `required`
    identifier: str | None
    private: bool
    one_of: tuple[str, ...] | None

    @property
    def column(self) -> str:
        """The name of the stored column."""
        return f"{self.name}_micros" if self.kind == "money" else self.name


def contract_fields(row: type[Row]) -> tuple[Field, ...]:
    """The fields of a kind of row, in the order they are stored."""
    return _fields_of(row.spec.table)


@cache
def _fields_of(table: str) -> tuple[Field, ...]:
    row = BY_TABLE[table]
    hints = get_type_hints(row, include_extras=True)
    return tuple(_field(f.name, hints[f.name], f.default) for f in fields(row))  # type: ignore[arg-type]


def _field(name: str, hint: Any, default: object) -> Field:
    marks: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        marks = tuple(rest)
    optional = False
    if get_origin(hint) in (Union, UnionType):
        arms = [arm for arm in get_args(hint) if arm is not type(None)]
        optional = len(arms) < len(get_args(hint))
        hint = arms[0]
    marked = {type(mark): mark for mark in marks}
    return Field(
        name=name,
        kind=_KINDS[hint],
        required=not optional,
        default=default if isinstance(default, str | int | float | bool) else None,
        identifier=marked[Identifier].kind if Identifier in marked else None,
        private=Private in marked,
        one_of=marked[OneOf].values if OneOf in marked else None,
    )
