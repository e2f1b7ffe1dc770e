"""Settings that every FHIR source has: who a patient is, what a code stands for, what is money."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.errors import SourceMisconfigured
from connectors.fhir_groups import DIAGNOSES, PAYERS, PROCEDURES, SHIPPED_LINES, Groups, read_lines
from connectors.fhir_payments import PAYMENTS
from connectors.fhir_resources import KINDS
from connectors.fhir_rules import Rules
from connectors.source import Context, Option
from connectors.zones import zones

READING = (
    Option("patient_identifier_system", "System of the identifier that patients are known by; "
           "without it, the resource's id.", required=False),
    Option("service_lines", "Table of code or text pattern to service line, before all others.",
           required=False),
    Option("service_lines_file", "CSV of codes, words and departments with their service lines, "
           "before the built-in.", required=False, path=True),
    Option("payments_from", "Resources that money is read from.", required=False,
           default=("ExplanationOfBenefit", "Invoice")),
    Option("currency", "Currency of amounts that name none.", required=False),
    Option("timezone", "Time zone of days without a time.", required=False, default="UTC"),
)  # fmt: skip
_PAYMENTS = next(option.default for option in READING if option.name == "payments_from")
_VERSION = 4  # raised when the same resources make other rows


@dataclass(frozen=True, slots=True)
class Reading:
    """How one source reads resources; `key` changes when the same ones would make other rows."""

    system: str | None
    kinds: tuple[str, ...]
    rules: Rules
    key: str


def read_settings(context: Context, problems: Iterable[str] = ()) -> Reading:
    """The settings; raises SourceMisconfigured with everything that is wrong with them."""
    given, found = context.options, list(problems)
    asked = given.get("payments_from")
    payments = tuple(_PAYMENTS if asked is None else asked)  # an empty list is none of them
    zone = str(given.get("timezone") or "UTC")
    found += [f"payments_from: {kind} is none of {', '.join(PAYMENTS)}"
              for kind in payments if kind not in PAYMENTS]  # fmt: skip
    if zone not in zones():
        found.append(f"timezone {zone!r} is no name such as America/New_York")
    lines = Groups(())
    own = given.get("service_lines_file")
    table = Path(str(own)).expanduser() if own else None
    try:
        more = (*(read_lines(table) if table else ()), *read_lines(SHIPPED_LINES))
        lines = Groups.of(dict(given.get("service_lines") or {}), more=more)
    except (re.error, TypeError, ValueError) as error:
        found.append(f"service_lines: {error}")
    except SourceMisconfigured as error:
        found.append(str(error).rstrip("."))
    if found:
        raise SourceMisconfigured(f"Source '{context.name}': {'; '.join(found)}.")
    rules = Rules(
        zone=ZoneInfo(zone),
        currency=given.get("currency"),
        service_lines=lines,
        diagnoses=Groups.of(DIAGNOSES),
        procedures=Groups.of(PROCEDURES),
        payers=Groups.of(PAYERS),
        now=context.now,
        see=context.see,
    )
    kinds = tuple(kind for kind in KINDS if kind not in PAYMENTS or kind in payments)
    stated = {option.name: given.get(option.name) for option in READING}
    stated["service_lines_file"] = [path.read_text("utf-8-sig")
                                    for path in (table, SHIPPED_LINES) if path]  # fmt: skip
    text = f"{_VERSION} {json.dumps(stated, default=str)}"
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Reading(given.get("patient_identifier_system"), kinds, rules, key)
