"""Ledgers of practice management: which lines are money received, and with which sign.

A ledger mixes charges, payments, adjustments and refunds. Only what came in, or went back, is
money of ours; a charge is what was asked for, and an adjustment or write-off is what will never be
paid. A kind of line that the mapping does not name is refused line by line rather than guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.blocks import among, kept, said
from connectors.dialect import Fault
from connectors.readers import Block

# Who pays, by words in the payer's name; a mapping's own patterns come before these.
PAYERS = {
    r"medicare|\bmcr\b": "medicare",
    r"medicaid|medi-?cal\b|\bmcd\b|\bchip\b": "medicaid",
    r"tricare|champus|champva|veteran|military": "military",
    r"work(er|men)'?s'? ?comp|\bwc\b": "workers_comp",
    r"self[ _-]?pay|^self$|\bpatient|guarantor|\bcash\b|uninsured": "self_pay",
    r"commercial|aetna|anthem|bcbs|blue (cross|shield)|cigna": "commercial",
    r"humana|kaiser|united ?health|\buhc\b": "commercial",
    r"\bva\b": "military",  # but "Anthem VA" is an insurer's in Virginia
}

_LISTS = ("received", "returned", "ignored")
_SETTINGS = (*_LISTS, "type", "voided", "receipts_are")
_NOT_VOIDED = ("0", "n", "no", "f", "false")


@dataclass(frozen=True, slots=True)
class Ledger:
    """How one ledger tells its lines apart."""

    type: str | None  # header of the column that says what a line is
    received: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    voided: str | None = None  # header of a flag, or of a date of voiding
    receipts: int = 1  # what a receipt's amount is multiplied by

    def headers(self) -> dict[str, str]:
        """The columns that it reads besides those of fields, and what each is for."""
        found = {self.type: "the ledger's type", self.voided: "the ledger's voided"}
        return {header: purpose for header, purpose in found.items() if header}

    def money(self, block: Block, amount: str) -> tuple[Block, list[Fault]]:
        """The lines that may be money, and those among them of an unknown type."""
        if self.type is None:
            # Charges and payments have columns of their own; a line without a payment is none.
            return kept(block, np.asarray(pc.is_valid(said(block, amount)))), []
        block = kept(block, ~among(said(block, self.type), self.ignored))
        known = among(said(block, self.type), (*self.received, *self.returned))
        return block, [Fault(~known, "is no type of line that the mapping's ledger names")]

    def signed(self, block: Block, amount: pa.Array) -> pa.Array:
        """Amounts as money: what came in above zero, what went back below, what is void zero."""
        returned = np.zeros(len(amount), dtype=bool)
        if self.type is not None:
            returned = among(said(block, self.type), self.returned)
        factor = pa.array(_factors(block, self))
        signed = pc.multiply(amount, factor)
        return pc.if_else(pa.array(returned), pc.negate(pc.abs(signed)), signed)


def _factors(block: Block, ledger: Ledger) -> npt.NDArray[np.int64]:
    factors = np.full(len(block.numbers), ledger.receipts, dtype=np.int64)
    if ledger.voided is not None:
        flag = said(block, ledger.voided)
        factors[np.asarray(pc.is_valid(flag)) & ~among(flag, _NOT_VOIDED)] = 0
    return factors


def ledger_of(table: Mapping[str, Any], row: str) -> tuple[Ledger | None, list[str]]:
    """The `ledger` table of a mapping, or what is wrong with it."""
    given = table.get("ledger")
    if given is None:
        return None, []
    if not isinstance(given, dict):
        return None, ["ledger must be a table"]
    problems = [f"ledger: {name} is not a setting of it" for name in given if name not in _SETTINGS]
    if row != "payment":
        problems.append("ledger is for payment rows only")
    lists = {name: _words(given.get(name, []), name, problems) for name in _LISTS}
    if given.get("receipts_are", "positive") not in ("positive", "negative"):
        problems.append('ledger: receipts_are must be "positive" or "negative"')
    if "type" in given and not lists["received"]:
        problems.append("ledger: received must list the types of line that are money received")
    if "type" not in given and any(lists.values()):
        problems.append("ledger: type must name the column that says what a line is")
    words = [word.strip().lower() for name in _LISTS for word in lists[name]]
    problems += [
        f"ledger: {word!r} is listed twice" for word in sorted({*words}) if words.count(word) > 1
    ]
    if problems:
        return None, problems
    return (
        Ledger(
            type=given.get("type"),
            voided=given.get("voided"),
            receipts=-1 if given.get("receipts_are") == "negative" else 1,
            **lists,
        ),
        [],
    )


def _words(given: object, name: str, problems: list[str]) -> tuple[str, ...]:
    if isinstance(given, list) and all(isinstance(word, str) for word in given):
        return tuple(given)
    problems.append(f"ledger: {name} must be a list of texts")
    return ()
