"""How sources were loaded: which days are there and settled, what changed, what went missing."""

from datetime import date, timedelta

import pandas as pd

from attribution.load_queries import Loading
from attribution.restating import GRID_DAYS
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table, table_of

_METRICS = {
    "rows": "Rows", "spend_micros": "Spend", "impressions": "Impressions", "clicks": "Clicks",
    "conversions": "Claimed conversions", "value_micros": "Claimed value", "sessions": "Sessions",
    "engaged_sessions": "Engaged sessions", "key_events": "Key events",
    "kept": "Kept visits", "lost": "Cancelled or missed", "amount_micros": "Payments",
    "answered": "Answered calls", "delivered": "Delivered messages",
}  # fmt: skip
_MICROS = 1_000_000
_CHANGES = {
    "new": "New, loaded", "missing": "Missing, was loaded",
    "appeared": "New at the source", "vanished": "Gone at the source",
}  # fmt: skip
OPEN = "~"  # the mark of a day that may still change


def sources(known: Loading) -> Table:
    """How fresh each source is, and what it loaded beside the time before."""
    columns = (
        Column("source", "Source"),
        Column("state", "State", "text", "Failed: its earlier data stand and are shown."),
        Column("last_success_at", "Last success", "instant"),
        Column(
            "settled",
            "Settled through",
            "day",
            "Days up to this one are final. Later ones are read again at each refresh, as the "
            "source may still change them. Empty: the source tells of changes, not of days.",
        ),
        Column("rows_loaded", "Rows", "count", "Rows loaded when it was last asked."),
        Column("rows_before", "Time before", "count", "Rows loaded the time before that."),
        Column("rows_rejected", "Rejected", "count", "Rows kept out when it was last asked."),
        Column("message", "What is wrong"),
    )
    frame = known.sources.drop(columns="rows_loaded").merge(known.rows, on="source", how="left")
    frame = frame.assign(
        last_success_at=pd.to_datetime(frame["last_success_at"], utc=True),
        settled=pd.to_datetime(frame["source"].map(known.settled)),
        **{c: frame[c].astype("float64") for c in ("rows_loaded", "rows_before", "rows_rejected")},
    )
    # What somebody has to look at comes first.
    frame = frame.sort_values(
        ["state", "source"], key=lambda c: c != "failed" if c.name == "state" else c
    ).reset_index(drop=True)
    return table_of("Sources", columns, frame)


def problems(known: Loading) -> tuple[str, ...]:
    """What is wrong with each source that failed, in whole sentences."""
    failed = known.sources[known.sources["state"] == "failed"]
    return tuple(
        f"{row['source']}: {row['message']} What it had loaded before stands."
        for row in failed.to_dict("records")
    )


def grid(known: Loading, today: date, *, counts: bool) -> Figure | None:
    """Which of the last days there are rows of, by source; None where there are none at all.

    A cell is darker the more rows it has beside the source's usual day. `counts` says whether
    numbers of rows may be told.
    """
    if known.days.empty:
        return None
    every = [today - timedelta(days=n) for n in reversed(range(GRID_DAYS))]
    stored = {(r["source"], r["day"]): r["rows_stored"] for r in known.days.to_dict("records")}
    names = sorted(set(known.days["source"]))
    usual = known.days.groupby("source")["rows_stored"].median()
    shades, marks, hovers = [], [], []
    for name in names:
        settled = known.settled.get(name)
        rows = [stored.get((name, day)) for day in every]
        shades.append([_shade(n, float(usual[name])) for n in rows])
        may_change = [settled is not None and day > settled for day in every]
        marks.append(
            [OPEN if n and still else "" for n, still in zip(rows, may_change, strict=True)]
        )
        hovers.append(
            [
                _hover(name, day, n, still, counts=counts)
                for day, n, still in zip(every, rows, may_change, strict=True)
            ]
        )
    spec = charts.day_grid(
        [formats.label(name) for name in names], [day.isoformat() for day in every],
        shades, marks, hovers,
    )  # fmt: skip
    return Figure(
        "Rows by source and day",
        spec,
        _takeaway(known, names, today),
        f"Darker: as many rows as usual, or more. Lighter: fewer. Empty: none. {OPEN}: the source "
        "may still change the day, so it is read again at each refresh.",
    )


def drift(known: Loading) -> Table:
    """Fields that came or went at the sources."""
    columns = (
        Column("source", "Source"),
        Column("place", "Table"),
        Column("field", "Field"),
        Column("change", "Change"),
        Column(
            "since", "When", "instant",
            "New: when it was first there. Missing: when it last was.",
        ),
    )  # fmt: skip
    frame = known.drift.assign(
        since=pd.to_datetime(known.drift["since"], utc=True),
        change=known.drift["change"].map(_CHANGES),
    )
    note = (
        "What is loaded goes by its name here, what a source has by its name there. New fields "
        "are used from now on; what is new at the source is not loaded before its mapping, or a "
        "later version, names it. A missing one had values before and has none since: look at "
        "the source whether it was renamed, or is granted no more."
    )
    return table_of(
        "Fields that came or went", columns, frame, note, "Every source fills the fields it did."
    )


def restated(known: Loading, *, counts: bool) -> Table:
    """Days that sources changed after they were first loaded; without `counts` those of ads."""
    columns = (
        Column("source", "Source"),
        Column("day", "Day", "day"),
        Column("metric", "Number"),
        Column("before", "Before", "number"),
        Column("after", "After", "number"),
        Column("change", "Change", "rate", "Of what was said before."),
        Column("found_at", "Found", "instant", "The refresh that found it."),
    )
    found = known.restated
    if not counts:
        # Sessions and claims of a day can be those of a few people; what ads cost never is.
        found = found[found["table_name"] == "ad_spend"]
    money = found["metric"].str.endswith("_micros")
    before, after = (
        found[name].where(~money, found[name] / _MICROS) for name in ("before", "after")
    )
    frame = found.assign(
        day=pd.to_datetime(found["day"]),
        metric=found["metric"].map(_METRICS).fillna(found["metric"]),
        before=before.astype("float64"),
        after=after.astype("float64"),
        change=((after - before) / before.where(before != 0)).astype("float64"),
        found_at=pd.to_datetime(found["found_at"], utc=True),
    ).sort_values(["found_at", "day", "source"], ascending=[False, False, True])
    note = (
        "Sources correct days for weeks: clicks, visits that were kept after all, refunds. Pages "
        "show what was said last. Amounts are in the account's own currency; days of visits, "
        "payments, calls and messages are in UTC. The newest 500 are shown."
    )
    return table_of(
        "Restated days", columns, frame, note, "No day was changed after it was loaded."
    )


def _shade(rows: int | None, usual: float) -> float | None:
    return None if not rows else round(0.25 + 0.75 * min(1.0, rows / usual), 3)


def _hover(name: str, day: date, rows: int | None, still: bool, *, counts: bool) -> str:
    told = "no rows" if not rows else f"{rows:,} rows" if counts else "rows"
    more = ", may still change" if still else ""
    return f"{formats.label(name)}, {formats.day(day)}: {told}{more}"


def _takeaway(known: Loading, names: list[str], today: date) -> str:
    last = known.days[known.days["day"] <= today].groupby("source")["day"].max()
    if last.empty:
        return "No source has rows of these days."
    oldest, newest = last.min(), last.max()
    if oldest == newest:
        return f"All {len(names)} sources reach {formats.day(newest)}."
    behind = sorted(last[last == oldest].index)
    return (
        f"The newest rows are of {formats.day(newest)}; {formats.several(behind[:3])} "
        f"{'ends' if len(behind) == 1 else 'end'} on {formats.day(oldest)}."
    )
