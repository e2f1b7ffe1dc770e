"""The published marts, open for the questions of pages and reports, and what a question is about.

The questions stand beside it by what they ask of, in `*_queries.py`: one function, one frame.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import pandas as pd
import sqlalchemy as sa

from attribution import date_basis
from attribution.paths import Home
from attribution.small_cells import OTHER
from attribution.warehouse import open_marts

WEEK = timedelta(weeks=1)
NO_WEEK = "2020-01-06"  # of a generation without any dated row


@dataclass(frozen=True, slots=True)
class Scope:
    """What a question is about: weeks (Mondays, both included) and the chosen dimensions."""

    since: date
    until: date
    kind: str = "booked"
    model: str = "position"
    service_lines: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    basis: str = date_basis.OWN  # by which day conversions fall into the weeks

    @property
    def weeks(self) -> int:
        return (self.until - self.since) // WEEK + 1

    @property
    def last_day(self) -> date:
        """The Sunday of the last week: months and quarters that begin in that week are touched."""
        return self.until + WEEK - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class About:
    """What the published generation says of itself."""

    currency: str
    first_week: date
    last_week: date
    people: int
    timezone: str = "UTC"
    weeks_together: int = 1  # so many weeks, from `first_week` on, are one cell
    cells: int = 0  # of fewer or more people, before any was folded
    folded: int = 0  # of these, told together with others
    # Where no block of weeks is over yet, so that nothing is told of weeks: when the first one is.
    told_after: date | None = None


def declared(name: str, *columns: str) -> sa.TableClause:
    """A mart by its name and those of its columns that are asked for."""
    return sa.table(name, *(sa.column(column) for column in columns))


ABOUT = declared("about", "key", "value")
CREDIT = declared(
    "credit",
    *("model", "kind", "channel", "campaign", "service_line", "location", "week", "currency"),
    *("conversions", "value_micros"),
)
CONVERSIONS = declared(
    "conversions",
    *("kind", "service_line", "location", "week", "currency"),
    *("conversions", "people", "value_micros"),
)
# In protected marts only: by week there is neither service line nor place.
CONVERSIONS_WEEKLY = declared(
    "conversions_weekly", "kind", "week", "currency", "conversions", "value_micros"
)
SPEND = declared(
    "spend",
    *("channel", "campaign", "service_line", "location", "week", "currency"),
    *("spend_micros", "impressions", "clicks"),
)
SESSIONS = declared(
    "sessions",
    *("channel", "campaign", "week", "sessions", "sampled", "thresholded", "other_row"),
)
REACTIVATION = declared(
    "reactivation",
    *("cohort_month", "campaign", "channel", "months_silent", "service_line", "location", "arm"),
    *("silent", "contacted", "engaged", "booked", "kept", "retained", "currency", "value_micros"),
)


class Marts:
    """The marts of one published generation, open for questions."""

    def __init__(self, home: Home, generation: int, *, protected: bool) -> None:
        self.generation = generation
        self.protected = protected  # whether small cells are folded into others
        self._engine = open_marts(home, generation, protected=protected)

    def ask(self, statement: sa.Executable) -> pd.DataFrame:
        """The answer to one statement."""
        with self._engine.connect() as connection:
            result = connection.execute(statement)
            names, rows = list(result.keys()), result.fetchall()
        if not rows:
            return pd.DataFrame(columns=names)
        # By column: row by row costs several times as much.
        return pd.DataFrame(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


@lru_cache(maxsize=8)
def marts(home: Home, generation: int, *, protected: bool) -> Marts:
    """The marts of a generation; opened once, as many as are kept on disk.

    `protected` for readers who must not see small cells (attribution.roles).
    """
    return Marts(home, generation, protected=protected)


def about(at: Marts) -> About:
    """The generation's own facts: currency, weeks covered, people.

    The weeks begin where spend is first known: a medical record reaches back for years in which
    every patient would seem to have come for nothing.
    """
    facts: dict[str, str] = dict(
        at.ask(sa.select(ABOUT.c.key, ABOUT.c.value)).itertuples(index=False)
    )
    first = max(date.fromisoformat(facts.get("first_week", NO_WEEK)), _spend_since(at))
    last = date.fromisoformat(facts.get("last_week", NO_WEEK))
    together = int(facts.get("weeks_together", 1))
    if together > 1:
        # What is told begins with a block; the last one ends with `last`.
        whole = max(((last - first) // WEEK + 1) // together, 1)
        first = last - (whole * together - 1) * WEEK
    return About(
        facts["currency"],
        min(first, last),
        last,
        int(facts.get("people", 0)),
        facts.get("timezone", "UTC"),
        together,
        int(facts.get("cells", 0)),
        int(facts.get("folded", 0)),
        date.fromisoformat(facts["told_after"]) if "told_after" in facts else None,
    )


def _spend_since(at: Marts) -> date:
    first = at.ask(sa.select(sa.func.min(SPEND.c.week).label("week")))["week"].iloc[0]
    return date.min if pd.isna(first) else pd.Timestamp(first).date()


def reported_until(newest: pd.Timestamp, known: About, *, together: int = 1) -> pd.Timestamp:
    """The last week that a source with rows to the week `newest` has told to its end.

    Where others go on, its own last week is hardly ever a whole one, nor is the last block where
    so many weeks are told `together`. `int_reported.sql` says the same.
    """
    block = pd.Timedelta(weeks=together)
    return newest if newest > pd.Timestamp(known.last_week) - block else newest - block


def service_lines(at: Marts) -> tuple[str, ...]:
    """The service lines that any conversion, spend or silent patient belongs to."""
    return _values(at, "service_line")


def locations(at: Marts) -> tuple[str, ...]:
    """The locations that any conversion, spend or silent patient belongs to."""
    return _values(at, "location")


def _values(at: Marts, column: str) -> tuple[str, ...]:
    named = (CONVERSIONS,) if at.protected else (CONVERSIONS, SPEND, REACTIVATION)
    every = sa.union(*(sa.select(mart.c[column]) for mart in named))
    # What is folded cannot be chosen: it is not all that has no name.
    known = {str(value) for value in at.ask(every)[column] if value is not None}
    return tuple(sorted(known - {OTHER}))
