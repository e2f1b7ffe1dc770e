"""Who each record of a simulated health system truly is; no part of the pipeline reads it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

# Where a record's number holds its person's, by kind of row; see `names.record_ids`.
_HELD = {
    "touchpoint": r"^(?:f|[ts]\d+-)(\d+)-",
    "deal": r"^D(\d+)-",
    "appointment": r"^A(\d+)-",
    "encounter": r"^E(\d+)-",
    "payment": r"^PAY(\d+)-",
    "call": r"^CA[LM](\d+)-",
    "message": r"^M\d+-(\d+)$",
    "message_event": r"^O\d+-(\d+)$",
    "preference": r"-(\d+)$",
    "feedback": r"^N(\d+)-",
}
_KEYS = {name: f"{name}_id" for name in _HELD} | {
    "touchpoint": "touch_id",
    "message_event": "event_id",
}


def truly(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """By kind of row: `record` (its number in clear) and `owner` (the person it is of)."""
    found = {}
    for name, pattern in _HELD.items():
        numbers = tables[name][_KEYS[name]].astype(str)
        held = numbers.str.extract(pattern, expand=False)
        # Reviews are nobody's: each is of an owner of its own.
        alone = pd.Series(-1 - np.arange(len(held)), index=held.index)
        owner = held.astype("float64").fillna(alone).astype(np.int64)
        found[name] = pd.DataFrame({"record": numbers, "owner": owner})
    contacts, patients = tables["contact"]["contact_id"], tables["person"]["patient_id"]
    found["contact"] = pd.DataFrame(
        {"record": contacts, "owner": (contacts.astype(np.int64) - 100_000) // 7}
    )
    found["person"] = pd.DataFrame({"record": patients, "owner": patients.astype(np.int64) - 1})
    return found
