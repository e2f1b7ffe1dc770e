"""What a field of a row may be marked as, and how a kind of row is stored and merged."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, ClassVar, Literal


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
    the one that arrived later where there is no such column or it is empty). `newer` is when the
    source changed the record, never when what it tells of happened: a correction may say that it
    happened earlier. `permits` names the columns that say whether a row permits something, and
    since when: where it is not known which of two was changed last, a refusal gives way to nothing
    that was said earlier. `day` is the column that windows are cut on; keyset rows may have one
    too, for sources that tell whole days anew.
    """

    table: str
    key: tuple[str, ...]
    load: Literal["window", "keyset"] = "keyset"
    day: str | None = None
    newer: str | None = None
    permits: tuple[str, str] | None = None


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
