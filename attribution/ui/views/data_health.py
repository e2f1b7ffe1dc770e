"""Data health: is what the pages show fresh, complete and understood?"""

from functools import lru_cache

import pandas as pd

from attribution import health_queries, queries
from attribution.paths import Home
from attribution.queries import Marts
from attribution.ui.view import Column, Table, View, table_of
from attribution.ui.views import joining

QUESTION = "Is what these pages show fresh, complete and understood?"


@lru_cache(maxsize=4)
def data_health(home: Home, generation: int, *, protected: bool) -> View:
    """What the published generation says of its own quality."""
    return build(queries.marts(home, generation, protected=protected))


def build(marts: Marts) -> View:
    """Tables: coverage, rejected, unmapped, sessions; each says what to do about it.

    And how well people are joined, with a number and a figure.
    """
    rejected, unmapped = health_queries.rejected(marts), health_queries.unmapped(marts)
    quality = health_queries.session_quality(marts)
    return View(
        QUESTION,
        metrics=joining.metrics(marts),
        figures=joining.figures(marts),
        tables={
            **joining.tables(marts),
            "coverage": _coverage(health_queries.coverage(marts)),
            "rejected": _rejected(rejected, health_queries.rejected_count(marts)),
            "unmapped": _unmapped(unmapped),
            "sessions": _sessions(quality),
            "unknown_codes": _unknown_codes(health_queries.unknown_codes(marts), marts.protected),
        },
        currency=queries.about(marts).currency,
    )


def runs_table(frame: pd.DataFrame) -> Table:
    """The last refreshes."""
    columns = (
        Column("state", "State"),
        Column("started_at", "Started", "instant"),
        Column("minutes", "Minutes", "number", "From start to end."),
        Column("generation", "Generation", "count", "What it published, if it did."),
        Column("message", "Message"),
    )
    taken = pd.to_datetime(frame["ended_at"], utc=True) - pd.to_datetime(
        frame["started_at"], utc=True
    )
    shown = frame.assign(
        minutes=taken.dt.total_seconds() / 60,
        started_at=pd.to_datetime(frame["started_at"], utc=True),
        generation=frame["generation"].astype("float64"),
    )
    return table_of("Refreshes", columns, shown)


def steps_table(frame: pd.DataFrame) -> Table:
    """The steps of one refresh."""
    columns = (
        Column("name", "Step"),
        Column("state", "State"),
        Column("rows_done", "Rows", "count"),
        Column("seconds", "Seconds", "number"),
        Column("message", "Message"),
    )
    begun = pd.to_datetime(frame["started_at"], utc=True)
    ended = pd.to_datetime(frame["ended_at"], utc=True)
    return table_of("Steps", columns, frame.assign(seconds=(ended - begun).dt.total_seconds()))


def progress(steps: pd.DataFrame) -> tuple[float, str]:
    """How far a running refresh has come, 0 to 1, and in words."""
    done = int(steps["state"].isin(["done", "failed", "skipped"]).sum())
    running = steps.loc[steps["state"] == "running", "name"]
    now = f": {running.iloc[0]}" if len(running) else ""
    return done / max(len(steps), 1), f"Step {min(done + 1, len(steps))} of {len(steps)}{now}"


def _coverage(frame: pd.DataFrame) -> Table:
    columns = (
        Column("source", "Source"),
        Column("account", "Account"),
        Column("table_name", "Table"),
        Column("first_day", "From", "day"),
        Column("last_day", "To", "day"),
        Column("rows_loaded", "Rows", "count"),
    )
    return table_of("Coverage", columns, frame)


def _rejected(frame: pd.DataFrame, every: int) -> Table:
    columns = (
        Column("source", "Source"),
        Column("file", "File"),
        Column("row_number", "Row", "count"),
        Column("column_name", "Column"),
        Column("reason", "Reason"),
        Column("shape", "Shape", "text", "What kind of value it was: never the value itself."),
        Column("table_name", "Table"),
    )
    more = f" The first {len(frame)} are shown." if every > len(frame) else ""
    note = (
        f"{every:,} {'row' if every == 1 else 'rows'} broke the contract and were left out.{more} "
        "Correct them at the source, then run `caretrace refresh`."
    )
    return table_of("Rejected rows", columns, frame, note, "Nothing to do: no row was left out.")


def _unmapped(frame: pd.DataFrame) -> Table:
    columns = (
        Column("origin", "Found in"),
        Column("utm_source", "Source"),
        Column("utm_medium", "Medium"),
        Column("utm_campaign", "Campaign"),
        Column("rows_seen", "Rows", "count"),
        Column("spend", "Spend", "money"),
        Column("first_day", "First seen", "day"),
        Column("last_day", "Last seen", "day"),
    )
    note = (
        "No rule says which channel this is, so it is shown as Unmapped. Add a line to "
        "`channel_rules.csv` in the home folder, then run `caretrace refresh`."
    )
    empty = "Nothing to do: the rules know every source, medium and campaign."
    return table_of("Unmapped channels", columns, frame, note, empty)


_SAID_OF = {"booking": "Booking", "visit": "Visit", "diagnosis": "Diagnosis"}


def _unknown_codes(frame: pd.DataFrame, protected: bool) -> Table:
    columns = (
        Column("source", "Source"),
        Column("said_of", "Said of", "text", "What the record gives the code for."),
        Column("system", "System"),
        Column("code", "Code"),
        Column("visits", "Visits", "count", "Visits without a service line that have the code."),
        Column("people", "People", "count", "Empty where they are fewer than eleven."),
    )
    shown = frame.assign(said_of=frame["said_of"].map(_SAID_OF))
    shown[["visits", "people"]] = shown[["visits", "people"]].astype("float64")
    note = (
        "Visits with these codes have no service line. Add lines to the file that "
        "`service_lines_file` names in `caretrace.toml`, then run `caretrace refresh`. Codes of "
        "fewer than eleven people are told together as (rare)."
    )
    empty = (
        "Which codes no rule knows is for readers who have the role analyst."
        if protected
        else "Nothing to do: the rules know the service line of every coded visit."
    )
    return table_of("Codes without a service line", columns, shown, note, empty)


def _sessions(frame: pd.DataFrame) -> Table:
    columns = (
        Column("week", "Week of", "day"),
        Column("sessions", "Sessions", "count"),
        Column("sampled", "Sampled", "flag", "Estimated from a part of the visits."),
        Column("thresholded", "Withheld", "flag", "Small rows were left out for privacy."),
        Column("other_row", "Folded", "flag", "Rare values were folded into (other)."),
    )
    note = (
        "In these weeks the web analytics source estimated or withheld sessions. Visits, money "
        "and credit come from other sources and are not affected."
    )
    empty = "No sessions were estimated or withheld."
    return table_of("Web analytics quality", columns, frame, note, empty)
