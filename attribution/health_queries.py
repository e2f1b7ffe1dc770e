"""Questions about the data itself: what is unmapped, rejected, unknown, sampled, and up to when."""

from datetime import date

import pandas as pd
import sqlalchemy as sa

from attribution.narrowing import in_money, total
from attribution.queries import SESSIONS, Marts, declared

WEEKLY_FACTS = ("ad_spend", "web_sessions", "appointment", "payment")
UNMAPPED = declared(
    "unmapped",
    *("origin", "utm_source", "utm_medium", "utm_campaign"),
    *("rows_seen", "spend_micros", "first_day", "last_day"),
)
REJECTED = declared(
    "rejected", "source", "file", "table_name", "row_number", "column_name", "shape", "reason"
)
UNKNOWN_CODES = declared("unknown_codes", "source", "said_of", "system", "code", "visits", "people")
COVERAGE = declared(
    "coverage", "source", "account", "table_name", "first_day", "last_day", "rows_loaded"
)


def session_quality(at: Marts) -> pd.DataFrame:
    """Weeks in which web analytics sampled, withheld or folded rows.

    Columns: week, sessions, sampled, thresholded, other_row; newest week first.
    """
    flags = (SESSIONS.c.sampled, SESSIONS.c.thresholded, SESSIONS.c.other_row)
    statement = (
        sa.select(
            SESSIONS.c.week,
            total(SESSIONS.c.sessions),
            *(sa.func.max(sa.cast(flag, sa.Integer)).label(flag.name) for flag in flags),
        )
        .group_by(SESSIONS.c.week)
        .having(sa.or_(*(sa.func.max(sa.cast(flag, sa.Integer)) == 1 for flag in flags)))
        .order_by(SESSIONS.c.week.desc())
    )
    frame = at.ask(statement)
    names = [flag.name for flag in flags]
    frame[names] = frame[names].astype(bool)
    return frame


def unmapped(at: Marts) -> pd.DataFrame:
    """Traffic and spend that no channel rule matches, most rows first."""
    mart = UNMAPPED
    statement = sa.select(
        *(mart.c.origin, mart.c.utm_source, mart.c.utm_medium, mart.c.utm_campaign),
        *(mart.c.rows_seen, mart.c.spend_micros.label("spend"), mart.c.first_day, mart.c.last_day),
    ).order_by(mart.c.spend_micros.desc().nulls_last(), mart.c.rows_seen.desc(), mart.c.utm_source)
    return in_money(at.ask(statement.limit(500)), "spend")


def rejected(at: Marts, limit: int | None = 500) -> pd.DataFrame:
    """Rows that broke the contract, the first five hundred of them."""
    order = (REJECTED.c.source, REJECTED.c.file, REJECTED.c.row_number, REJECTED.c.column_name)
    return at.ask(sa.select(*REJECTED.c).order_by(*order).limit(limit))


def rejected_count(at: Marts) -> int:
    """How many rows broke the contract."""
    statement = sa.select(sa.func.count().label("rows_rejected")).select_from(REJECTED)
    return int(at.ask(statement)["rows_rejected"].iloc[0])


def unknown_codes(at: Marts) -> pd.DataFrame:
    """Codes of visits without a service line that no rule knows, of most people first.

    Visits and people are empty where they are fewer than eleven people. The first two hundred.
    """
    mart = UNKNOWN_CODES
    order = (mart.c.people.desc().nulls_last(), *(mart.c[n] for n in ("source", "said_of", "code")))
    return at.ask(sa.select(*mart.c).order_by(*order, mart.c.system).limit(200))


def coverage(at: Marts) -> pd.DataFrame:
    """From which day to which day each source's tables reach."""
    order = (COVERAGE.c.source, COVERAGE.c.account, COVERAGE.c.table_name)
    return at.ask(sa.select(*COVERAGE.c).order_by(*order))


def data_end(at: Marts, today: date) -> date | None:
    """The last day, at most today, that all facts which come every week reach.

    Appointments are made ahead, and one feed may stop while others go on, so the fact that ends
    first decides.
    """
    frame = coverage(at)
    frame = frame[frame["table_name"].isin(WEEKLY_FACTS)].dropna(subset=["last_day"])
    ends = [pd.Timestamp(day).date() for day in frame.groupby("table_name")["last_day"].max()]
    return min((*ends, today)) if ends else None
