"""The door: identifiers are normalised and hashed here, before anything is stored.

A hash is HMAC-SHA-256 (RFC 2104) under the installation's own key, of the kind, its namespace and
the normalised value, cut to 128 bits and written as 32 hexadecimal digits. Without the key nobody
can test whether a known e-mail is in the data; with it, the same person has the same hash in
every source.

A first name is never hashed alone: everybody would see which hash is the most frequent name. It is
hashed together with the e-mail of its row, and with its phone, and so says only whether two rows
with the same address have the same name.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from attribution.first_names import same_names
from attribution.keys import load_key
from attribution.normal import STRENGTH, email, given_name, phone, record_number
from attribution.placeholders import Patterns, placeholders
from connectors.columns import arrow_schema
from connectors.contract import Field, Row, contract_fields

__all__ = ["STRENGTH", "Door", "email", "linked", "load_key", "phone", "stored_fields"]
# Kinds that are hashed as another, so that they are found by it.
_HASHED_AS = {"ad_click": "click_id"}
# Whose rows are a forgotten person's: what joins people, and what was said of a click of theirs.
THEIRS = (*STRENGTH, *_HASHED_AS)
# What a first name is hashed together with, by the kind of the hash.
_BESIDE = {"email_name": "email", "phone_name": "phone"}


def stored_fields(row: type[Row]) -> tuple[Field, ...]:
    """The fields of a kind of row behind the door: hashes with a first name in place of it."""
    return _stored(contract_fields(row))


@cache
def _stored(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    stored = [f for f in fields if f.identifier != "given_name"]
    for named in fields:
        if named.identifier == "given_name":
            stored += [replace(named, name=kind, identifier=kind) for kind in _BESIDE]
    return tuple(stored)


@dataclass(frozen=True, slots=True)
class Door:
    """Replaces the identifiers of one source's rows by their hashes."""

    key: bytes = field(repr=False)
    region: str = "US"
    patient_namespace: str = "emr"
    crm_namespace: str = "crm"
    placeholders: Patterns = field(default_factory=placeholders)
    plus: bool = False  # whether a+b@x.org is a@x.org
    dots: bool = False  # whether dots in Gmail's names count for nothing
    first_names: bool = True  # whether first names are looked at
    same_names: Mapping[str, str] = field(default_factory=same_names)
    later: tuple[bytes, ...] = field(default=(), repr=False)  # keys that replaced `key`, in turn
    forgotten: pa.Array | None = field(default=None, repr=False)  # hashes whose rows are kept out

    def hash(self, kind: str, value: str) -> str | None:
        """The hash of one identifier; None where the value cannot identify anybody."""
        return self.hashes(kind, [value])[0]

    def pseudonymise(self, row: type[Row], table: pa.Table) -> pa.Table:
        """The same columns with identifiers hashed, and `identifier`, the strongest of them.

        Tables whose rows carry no person get no `identifier`.
        """
        strongest: dict[str, list[pa.ChunkedArray]] = defaultdict(list)
        names: pa.ChunkedArray | None = None
        given = table
        for spec in contract_fields(row):
            if spec.identifier is None:
                continue
            if spec.identifier == "given_name":
                names = table.column(spec.name)
                table = table.drop_columns([spec.name])
                continue
            hashed = self._hash_column(spec.identifier, table.column(spec.name))
            number = table.schema.get_field_index(spec.name)
            table = table.set_column(number, arrow_schema(row).field(spec.name), hashed)
            if spec.identifier in STRENGTH:
                strongest[spec.identifier].append(hashed)
        if names is not None:
            first = replace(self, later=())
            for kind, beside in _BESIDE.items():
                hashed = table[beside]
                if self.later:
                    hashed = first._hash_column(beside, given[beside])
                table = table.append_column(kind, self._beside(kind, hashed, names))
        if not strongest:
            return table
        ordered = [hashed for kind in STRENGTH for hashed in strongest.get(kind, [])]
        return table.append_column("identifier", pc.coalesce(*ordered))

    def _beside(self, kind: str, hashed: pa.ChunkedArray, names: pa.ChunkedArray) -> pa.Array:
        """The hash of each first name together with the hash beside it, where a row has both.

        `hashed` is under the first key: what is stored goes through later keys as a whole.
        """
        if not self.first_names or names.null_count == len(names):
            return pa.nulls(len(names), pa.string())
        normal = cache(self._normaliser("given_name"))
        mac = _hmac(self.key, f"{kind}\x1f")
        hashes = [
            mac(f"{other}\x1f{text}")[:16].hex()
            if other and name and (text := normal(name))
            else None
            for other, name in zip(hashed.to_pylist(), names.to_pylist(), strict=True)
        ]
        return pa.array(linked(self.later, hashes) if self.later else hashes, pa.string())

    def of_forgotten(self, row: type[Row], table: pa.Table) -> pa.ChunkedArray | None:
        """Which rows of a pseudonymised table carry an identifier of somebody who was forgotten.

        None where none does.
        """
        if self.forgotten is None or not len(self.forgotten):
            return None
        found = None
        for spec in contract_fields(row):
            if spec.identifier in THEIRS:
                known = pc.is_in(table.column(spec.name), value_set=self.forgotten)
                found = known if found is None else pc.or_(found, known)
        return found if found is not None and pc.any(found).as_py() else None

    def _hash_column(self, kind: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        if column.null_count == len(column):
            return column.cast(pa.string())
        # Most identifiers come many times: each distinct value is hashed once.
        encoded = pc.dictionary_encode(column.combine_chunks())
        hashes = pa.array(self.hashes(kind, encoded.dictionary.to_pylist()), pa.string())
        return pa.chunked_array([pc.take(hashes, encoded.indices)])

    def hashes(self, kind: str, values: Iterable[str]) -> list[str | None]:
        """The hash of each value of one kind, as `hash` gives it."""
        kind = _HASHED_AS.get(kind, kind)
        # A loop over local names: a refresh of twenty million touches comes by here as often.
        mac = _hmac(self.key, f"{kind}\x1f{self._namespace(kind)}\x1f")
        normal = self._normaliser(kind)
        hashes = [mac(text)[:16].hex() if text else None for text in map(normal, values)]
        return linked(self.later, hashes) if self.later else hashes

    def _normaliser(self, kind: str) -> Callable[[str], str | None]:
        normal: Callable[[str], str | None] = record_number
        if kind == "email":
            normal = partial(email, plus=self.plus, dots=self.dots)
        elif kind == "phone":
            normal = partial(phone, region=self.region)
        elif kind == "given_name":
            normal = partial(given_name, same=self.same_names)
        patterns = self.placeholders.get(kind)
        return partial(_unless, normal, patterns) if patterns else normal

    def _namespace(self, kind: str) -> str:
        if kind == "patient_id":
            return self.patient_namespace
        if kind == "crm_id":
            return self.crm_namespace
        # A record's number means something only inside its own system.
        return self.patient_namespace if kind == "record" else ""


def linked(keys: Iterable[bytes], hashes: Iterable[str | None]) -> list[str | None]:
    """Hashes as they are under keys that replaced the one they were made with, in turn.

    Whoever holds the replaced key alone can test no value against these.
    """
    found = list(hashes)
    for key in keys:
        mac = _hmac(key, "link\x1f")
        found = [mac(each)[:16].hex() if each else None for each in found]
    return found


def _unless(
    normal: Callable[[str], str | None], patterns: tuple[re.Pattern[str], ...], value: str
) -> str | None:
    """The normal form of a value, unless it stands for nobody."""
    text = normal(value)
    return None if text and any(pattern.search(text) for pattern in patterns) else text


def _hmac(key: bytes, prefix: str) -> Callable[[str], bytes]:
    """HMAC-SHA-256 of a prefix and a text (RFC 2104, section 2).

    `hmac` prepares the key for every text anew, which takes longer than the text: here the two
    inner states are prepared once and copied.
    """
    block = (key if len(key) <= 64 else sha256(key).digest()).ljust(64, b"\0")
    inner, outer = (sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))
    inner.update(prefix.encode())
    begin, end = inner.copy, outer.copy

    def mac(text: str) -> bytes:
        first, second = begin(), end()
        first.update(text.encode())
        second.update(first.digest())
        return second.digest()

    return mac
