"""Made-up health of the data: what was loaded, kept out, not known and not told apart."""

from datetime import date, timedelta

import pandas as pd

from attribution.ledger import Ledger
from attribution.paths import Home


def tables(weeks: list[date], hostile: str) -> dict[str, pd.DataFrame]:
    """The marts about the data themselves; `hostile` is what somebody wrote into a source."""
    return {
        "unmapped": _unmapped(weeks, hostile),
        "rejected": _rejected(),
        "coverage": _coverage(weeks),
        "unknown_codes": _unknown_codes(),
        "matches": _matches(),
        "shared_identifiers": _shared_identifiers(),
        "person_changes": _person_changes(),
    }


def _unmapped(weeks: list[date], hostile: str) -> pd.DataFrame:
    day = weeks[3]
    rows = [
        ("web_sessions", "tiktok", "cpc", "spring launch", 412, 0, day, weeks[-1]),
        ("ad_spend", hostile, "paid", "", 61, 8_300_000_000, day, weeks[-1]),
    ]
    columns = ["origin", "utm_source", "utm_medium", "utm_campaign", "rows_seen", "spend_micros"]
    return pd.DataFrame(rows, columns=[*columns, "first_day", "last_day"])


def _rejected() -> pd.DataFrame:
    rows = [
        ("crm", "contacts.csv", "contact", 17, "created_at", "##-##-#", "not a date"),
        ("crm", "contacts.csv", "contact", 90, "email", "aaaa", "not an e-mail address"),
    ]
    columns = ["source", "file", "table_name", "row_number", "column_name", "shape", "reason"]
    return pd.DataFrame(rows, columns=columns)


def _unknown_codes() -> pd.DataFrame:
    local = "urn:oid:1.2.840.113619"
    rows = [
        ("emr", "booking", local, "NEWPT", 812, 640),
        ("emr", "diagnosis", "http://hl7.org/fhir/sid/icd-10-cm", "M25*", 90, 71),
        ("emr", "visit", local, "(rare)", None, None),
    ]
    columns = ["source", "said_of", "system", "code", "visits", "people"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"visits": "Int64", "people": "Int64"})


def _coverage(weeks: list[date]) -> pd.DataFrame:
    rows = [
        ("emr", "main", "appointment", weeks[0], weeks[-1] + timedelta(days=6), 181_402),
        ("google", "123", "web_sessions", weeks[0], weeks[-1] + timedelta(days=5), 8_120),
        ("meta", "act_1", "ad_spend", weeks[0], weeks[-1] + timedelta(days=6), 4_410),
    ]
    columns = ["source", "account", "table_name", "first_day", "last_day", "rows_loaded"]
    return pd.DataFrame(rows, columns=columns)


def _matches() -> pd.DataFrame:
    own = {"crm": 9_000, "emr": 21_000, "meta": 8}
    both = {("crm", "emr"): 4_500, ("crm", "meta"): 0, ("emr", "meta"): 0}
    rows = [
        (one, other, own[one] if one == other else both[min(one, other), max(one, other)])
        for one in own
        for other in own
    ]
    frame = pd.DataFrame(rows, columns=["source", "other", "people"])
    few = frame["people"].between(1, 10)
    return frame.assign(people=frame["people"].astype("Int64").mask(few))


def _shared_identifiers() -> pd.DataFrame:
    rows = [("crm", "phone", "patients", 120), ("emr", "phone", "patients", 130)]
    rows += [("crm", "email", "contacts", None)]
    frame = pd.DataFrame(rows, columns=["source", "kind", "reason", "identifiers"])
    return frame.astype({"identifiers": "Int64"})


def _person_changes() -> pd.DataFrame:
    rows = [("merge", "the same phone number", 41, 3), ("split", "a shared phone number", 5, 0)]
    return pd.DataFrame(rows, columns=["kind", "cause", "changes", "latest"])


def write_ledger(home: Home, generation: int) -> None:
    """A refresh in which one source could not be read."""
    with Ledger(home) as ledger:
        run = ledger.start(["extract emr", "extract meta", "identity", "marts", "publish"])
        for name, rows in (("extract emr", 181_402), ("identity", 60_000), ("marts", 44_010)):
            with ledger.step(run, name) as note:
                note.rows = rows
        with ledger.step(run, "extract meta") as note:
            note.failed = True
            note.message = "Meta Ads refused the token. Make a new one and set its variable."
        with ledger.step(run, "publish"):
            pass
        ledger.source_done("emr", "files", "main", 181_402, None)
        ledger.source_done("google", "ga4", "123", 8_120, None)
        ledger.source_done("meta", "meta_ads", "act_1", 4_410, None)
        ledger.source_done("meta", "meta_ads", "act_1", 0, "Meta Ads refused the token.")
        ledger.published(generation, run, {"credit": "0" * 64}, "refresh")
        ledger.finish(run, "partial", generation, "meta could not be read.")
