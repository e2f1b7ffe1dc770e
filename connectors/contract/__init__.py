"""The contract: the rows that connectors yield, and how each is keyed, marked and stored.

A row is a frozen dataclass. `source`, `account`, `run_id` and `loaded_at` are not on it: whoever
loads the row adds them, so a table's full key is `("source", "account", *spec.key)`.

Money is a `Decimal` in the row's `currency` and is stored as whole micros (`spend` becomes the
column `spend_micros`). Instants are aware and stored in UTC. Days are in the account's own time
zone, which is carried beside them. Ids are text. Several values in one text are joined by `|`.
"""

from connectors.contract.advertising import (
    AdClick,
    AdSpend,
    ClaimedConversions,
    TrackingCode,
    WebSessions,
)
from connectors.contract.care import (
    APPOINTMENT_STATES,
    WITHDRAWN_FROM,
    Appointment,
    CareCode,
    Encounter,
    Link,
    Payment,
    Person,
    Withdrawn,
)
from connectors.contract.field import Field, Kind, contract_fields
from connectors.contract.leads import TOUCH_KINDS, Contact, Deal, Touchpoint
from connectors.contract.marks import (
    AdClickId,
    Amount,
    ClickId,
    ClientId,
    CrmId,
    Email,
    GivenName,
    Identifier,
    MaybeAmount,
    Money,
    OneOf,
    PatientId,
    Phone,
    Private,
    RecordId,
    RecordRef,
    Row,
    Spec,
)
from connectors.contract.surroundings import Environment, Feedback, Reputation
from connectors.contract.talking import (
    CALL_OUTCOMES,
    MESSAGE_EVENTS,
    PURPOSES,
    Call,
    Message,
    MessageEvent,
    Preference,
)

__all__ = [
    "APPOINTMENT_STATES",
    "BY_TABLE",
    "CALL_OUTCOMES",
    "MESSAGE_EVENTS",
    "MICROS",
    "PURPOSES",
    "ROWS",
    "TOUCH_KINDS",
    "WITHDRAWN_FROM",
    "AdClick",
    "AdClickId",
    "AdSpend",
    "Amount",
    "Appointment",
    "Call",
    "CareCode",
    "ClaimedConversions",
    "ClickId",
    "ClientId",
    "Contact",
    "CrmId",
    "Deal",
    "Email",
    "Encounter",
    "Environment",
    "Feedback",
    "Field",
    "GivenName",
    "Identifier",
    "Kind",
    "Link",
    "MaybeAmount",
    "Message",
    "MessageEvent",
    "Money",
    "OneOf",
    "PatientId",
    "Payment",
    "Person",
    "Phone",
    "Preference",
    "Private",
    "RecordId",
    "RecordRef",
    "Reputation",
    "Row",
    "Spec",
    "Touchpoint",
    "TrackingCode",
    "WebSessions",
    "Withdrawn",
    "contract_fields",
]

MICROS = 1_000_000
ROWS: tuple[type[Row], ...] = (
    AdSpend, ClaimedConversions, WebSessions, TrackingCode, AdClick, Touchpoint, Contact, Deal,
    Person, Link, Appointment, Encounter, CareCode, Withdrawn, Payment, Call, Message, MessageEvent,
    Preference, Feedback, Reputation, Environment,
)  # fmt: skip
BY_TABLE = {row.spec.table: row for row in ROWS}
