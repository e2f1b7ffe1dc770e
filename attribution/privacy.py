"""The door: identifiers are normalised and hashed here, before anything is stored.

A hash is HMAC-SHA-256 (RFC 2104) under the installation's own key, of the kind, its namespace and
the normalised value, cut to 128 bits and written as 32 hexadecimal digits. Without the key nobody
can test whether a known e-mail is in the data; with it, the same person has the same hash in
every source.
"""

import hmac
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from attribution.keys import load_key
from attribution.normal import STRENGTH, email, phone, record_number
from attribution.placeholders import Patterns, placeholders
from connectors.columns import arrow_schema
from connectors.contract import Row, contract_fields

__all__ = ["STRENGTH", "Door", "email", "linked", "load_key", "phone"]


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
        for spec in contract_fields(row):
            if spec.identifier is None:
                continue
            hashed = self._hash_column(spec.identifier, table.column(spec.name))
            number = table.schema.get_field_index(spec.name)
            table = table.set_column(number, arrow_schema(row).field(spec.name), hashed)
            if spec.identifier in STRENGTH:
                strongest[spec.identifier].append(hashed)
        if not strongest:
            return table
        ordered = [hashed for kind in STRENGTH for hashed in strongest.get(kind, [])]
        return table.append_column("identifier", pc.coalesce(*ordered))

    def of_forgotten(self, row: type[Row], table: pa.Table) -> pa.ChunkedArray | None:
        """Which rows of a pseudonymised table carry an identifier of somebody who was forgotten.

        None where none does.
        """
        if self.forgotten is None or not len(self.forgotten):
            return None
        found = None
        for spec in contract_fields(row):
            if spec.identifier in STRENGTH:
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
        # A loop over local names: a refresh of twenty million touches comes by here as often.
        key, digest, normal = self.key, hmac.digest, self._normaliser(kind)
        prefix = f"{kind}\x1f{self._namespace(kind)}\x1f"
        hashes = [
            digest(key, (prefix + text).encode(), "sha256")[:16].hex() if text else None
            for text in map(normal, values)
        ]
        return linked(self.later, hashes) if self.later else hashes

    def _normaliser(self, kind: str) -> Callable[[str], str | None]:
        normal: Callable[[str], str | None] = record_number
        if kind == "email":
            normal = partial(email, plus=self.plus, dots=self.dots)
        elif kind == "phone":
            normal = partial(phone, region=self.region)
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
    found, digest = list(hashes), hmac.digest
    for key in keys:
        found = [
            digest(key, b"link\x1f" + each.encode(), "sha256")[:16].hex() if each else None
            for each in found
        ]
    return found


def _unless(
    normal: Callable[[str], str | None], patterns: tuple[re.Pattern[str], ...], value: str
) -> str | None:
    """The normal form of a value, unless it stands for nobody."""
    text = normal(value)
    return None if text and any(pattern.search(text) for pattern in patterns) else text
