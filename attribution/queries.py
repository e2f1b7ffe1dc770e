"""Every question that a page or a report asks of the published marts: one function, one frame.

Money leaves storage here: integer micros become amounts of the installation's currency.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import pandas as pd
import sqlalchemy as sa

from attribution import date_basis
from attribution.ledger import Ledger
from attribution.models.journey_credit import shared
from attribution.paths import Home
from attribution.small_cells import OTHER
from attribution.warehouse import holds_viewers, open_marts

MICROS = 1_000_000
WEEK = timedelta(weeks=1)
WEEKLY_FACTS = ("ad_spend", "web_sessions", "appointment", "payment")
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


def _mart(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(column) for column in columns))


ABOUT = _mart("about", "key", "value")
CREDIT = _mart(
    "credit",
    *("model", "kind", "channel", "campaign", "service_line", "location", "week", "currency"),
    *("conversions", "value_micros"),
)
CONVERSIONS = _mart(
    "conversions",
    *("kind", "service_line", "location", "week", "currency"),
    *("conversions", "people", "value_micros"),
)
# In protected marts only: by week there is neither service line nor place.
CONVERSIONS_WEEKLY = _mart(
    "conversions_weekly", "kind", "week", "currency", "conversions", "value_micros"
)
SPEND = _mart(
    "spend",
    *("channel", "campaign", "service_line", "location", "week", "currency"),
    *("spend_micros", "impressions", "clicks"),
)
SESSIONS = _mart(
    "sessions",
    *("channel", "campaign", "week", "sessions", "sampled", "thresholded", "other_row"),
)
REACTIVATION = _mart(
    "reactivation",
    *("cohort_month", "campaign", "channel", "months_silent", "service_line", "location", "arm"),
    *("silent", "contacted", "engaged", "booked", "kept", "retained", "currency", "value_micros"),
)
STEPS = ("step_1", "step_2", "step_3", "step_4")
PATHS = _mart(
    "paths",
    *("kind", "service_line", "quarter", "outcome", *STEPS, "journeys", "touches", "median_days"),
)
PERCENTILES = ("p10", "p25", "p50", "p75", "p90")
PATH_LAGS = _mart(
    "path_lags",
    *("kind", "service_line", "quarter", "measure", "journeys", "short_journeys", *PERCENTILES),
)
_SHARED = shared()
_GIVEN = tuple(f"{name}_{what}" for name in _SHARED for what in ("conversions", "value"))
_JOURNEYS = ("kind", "service_line", "location", "quarter", "currency", "journeys", "touches")
POSITIONS = _mart(
    "positions", *_JOURNEYS, "channel", "place", "conversions", "value_micros", *_GIVEN
)
COMPANIONS = _mart(
    "companions", *_JOURNEYS, "channel", "companion", "conversions", "value_micros", *_GIVEN
)
UNMAPPED = _mart(
    "unmapped",
    *("origin", "utm_source", "utm_medium", "utm_campaign"),
    *("rows_seen", "spend_micros", "first_day", "last_day"),
)
REJECTED = _mart(
    "rejected", "source", "file", "table_name", "row_number", "column_name", "shape", "reason"
)
UNKNOWN_CODES = _mart("unknown_codes", "source", "said_of", "system", "code", "visits", "people")
COVERAGE = _mart(
    "coverage", "source", "account", "table_name", "first_day", "last_day", "rows_loaded"
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
    )


def _spend_since(at: Marts) -> date:
    first = at.ask(sa.select(sa.func.min(SPEND.c.week).label("week")))["week"].iloc[0]
    return date.min if pd.isna(first) else pd.Timestamp(first).date()


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


def spend_by_week(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Spend of each week. Columns: week, spend."""
    return _money(at.ask(_spend(scope, currency, SPEND.c.week)), "spend")


def spend_by_service_line(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Spend of each service line. Columns: service_line, spend."""
    return _money(at.ask(_spend(scope, currency, SPEND.c.service_line)), "spend")


def spend_by_campaign(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Spend of each campaign. Columns: channel, campaign, spend, impressions, clicks."""
    grain = (SPEND.c.channel, SPEND.c.campaign)
    seen = (_total(SPEND.c.impressions), _total(SPEND.c.clicks))
    return _money(at.ask(_spend(scope, currency, *grain, also=seen)), "spend")


def spend_elsewhere(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Spend in other currencies, which no total includes. Columns: currency, spend."""
    statement = (
        sa.select(SPEND.c.currency, _total(SPEND.c.spend_micros, "spend"))
        .where(*_within(SPEND, scope), SPEND.c.currency != currency)
        .group_by(SPEND.c.currency)
        .having(sa.func.sum(SPEND.c.spend_micros) > 0)
        .order_by(SPEND.c.currency)
    )
    return _money(at.ask(statement), "spend")


def conversions_by_week(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """What was observed in each week. Columns: week, kind, conversions, value.

    Of protected marts only all service lines and places together are known by week; what is
    narrowed stands in the first week of its block.
    """
    whole = at.protected and not (scope.service_lines or scope.locations)
    mart = CONVERSIONS_WEEKLY if whole else _conversions(at, scope)
    return _money(at.ask(_observed(scope, currency, mart.c.week, mart)), "value")


def conversions_by_service_line(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """What was observed in each service line. Columns: service_line, kind, conversions, value."""
    mart = _conversions(at, scope)
    return _money(at.ask(_observed(scope, currency, mart.c.service_line, mart)), "value")


def credit_by_campaign(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """What the scope's model credits. Columns: channel, campaign, kind, conversions, value."""
    mart = _credit(at, scope)
    grain = (mart.c.channel, mart.c.campaign, mart.c.kind)
    statement = (
        sa.select(
            *grain,
            sa.func.sum(mart.c.conversions).label("conversions"),
            _in_currency(mart, currency, "value"),
        )
        .where(mart.c.model == scope.model, *_within(mart, scope))
        .group_by(*grain)
        .order_by(*grain)
    )
    return _money(at.ask(statement), "value")


Span = tuple[date, date]  # weeks, both included


def credit_in_spans(
    at: Marts, scope: Scope, currency: str, spans: Sequence[Span], by: str = "channel"
) -> dict[tuple[str, str], tuple[float, ...]]:
    """What the scope's model credits in each span, by kind and channel; money where it is money.

    Or `by` service_line or location. All in one look: the spans may overlap, and the scope's own
    weeks do not count.
    """
    mart = _credit(at, scope)
    amount = sa.case(
        (mart.c.kind != "collected", mart.c.conversions),
        (mart.c.currency == currency, sa.cast(mart.c.value_micros, sa.Double) / MICROS),
        else_=0.0,
    )
    grain = (mart.c.kind, mart.c[by])
    chosen = [mart.c.model == scope.model, *_dimensions(mart, scope)]
    return _in_spans(at, mart, amount, grain, chosen, spans)


def spend_in_spans(
    at: Marts, scope: Scope, currency: str, spans: Sequence[Span], by: str = "channel"
) -> dict[tuple[str, str], tuple[float, ...]]:
    """The same of spend, under the kind `spend`."""
    amount = sa.cast(SPEND.c.spend_micros, sa.Double) / MICROS
    grain: tuple[sa.ColumnElement[Any], ...] = (
        sa.literal_column("'spend'").label("kind"),
        SPEND.c[by],
    )
    chosen = [SPEND.c.currency == currency, *_dimensions(SPEND, scope)]
    return _in_spans(at, SPEND, amount, grain, chosen, spans)


def _in_spans(
    at: Marts,
    mart: sa.FromClause,
    amount: sa.ColumnElement[Any],
    grain: Sequence[sa.ColumnElement[Any]],
    chosen: Sequence[sa.ColumnElement[bool]],
    spans: Sequence[Span],
) -> dict[tuple[str, str], tuple[float, ...]]:
    totals = [
        sa.func.sum(sa.case((mart.c.week.between(*span), amount), else_=0.0)).label(f"in_{place}")
        for place, span in enumerate(spans)
    ]
    ends = mart.c.week.between(min(s for s, _ in spans), max(u for _, u in spans))
    statement = sa.select(*grain, *totals).where(ends, *chosen).group_by(*grain)
    rows = at.ask(statement).itertuples(index=False)
    return {(str(row[0]), str(row[1])): tuple(map(float, row[2:])) for row in rows}


def credit_by_model(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Credit for the scope's kind by model. Columns: model, channel, conversions, value.

    What the incremental model credits is dated by the day it happened, whatever the scope asks.
    """
    dated = date_basis.moved(scope, protected=at.protected)
    parts = [_credit_by_model(at, scope, currency, CREDIT, *(["incremental"] if dated else []))]
    if not dated:
        return parts[0]
    parts += _dated_by_model(at, scope, currency)
    order = ["model", "channel"]
    return pd.concat([part for part in parts if len(part)]).sort_values(order, ignore_index=True)


def _dated_by_model(at: Marts, scope: Scope, currency: str) -> Iterator[pd.DataFrame]:
    """The same by another day, a frame for each model: all of them in one look at the mart."""
    mart: Any = date_basis.CREDIT_DATES
    of_money = mart.c.currency == currency
    amounts = [
        each
        for name in _SHARED
        for each in (
            sa.func.sum(mart.c[f"{name}_conversions"]).label(f"{name}_conversions"),
            sa.cast(
                sa.func.coalesce(
                    sa.func.sum(sa.case((of_money, mart.c[f"{name}_value"]), else_=0)), 0
                ),
                sa.BigInteger,
            ).label(f"{name}_value"),
        )
    ]
    found = at.ask(
        sa.select(mart.c.channel, *amounts)
        .where(mart.c.basis == scope.basis, mart.c.kind == scope.kind, *_within(mart, scope))
        .group_by(mart.c.channel)
    )
    for name in _SHARED:
        own = {
            "model": name,
            "channel": found["channel"],
            "conversions": found[f"{name}_conversions"],
            "value": found[f"{name}_value"],
        }
        yield _money(pd.DataFrame(own), "value")


def _credit_by_model(
    at: Marts, scope: Scope, currency: str, mart: sa.FromClause, *models: str
) -> pd.DataFrame:
    grain = (mart.c.model, mart.c.channel)
    statement = (
        sa.select(
            *grain,
            sa.func.sum(mart.c.conversions).label("conversions"),
            _in_currency(mart, currency, "value"),
        )
        .where(mart.c.kind == scope.kind, *_within(mart, scope))
        .where(*([mart.c.model.in_(models)] if models else []))
        .group_by(*grain)
        .order_by(*grain)
    )
    return _money(at.ask(statement), "value")


def without_date(at: Marts, scope: Scope) -> pd.DataFrame:
    """How much of each kind has no such date as the scope counts by, or one yet to come.

    Columns: kind, whole and undated (within the scope, where what has no date stands where it
    happened), later (after the last week of the data). Conversions; money is counted by its
    payments. No rows where the day it happened counts.
    """
    if not date_basis.moved(scope, protected=at.protected):
        return pd.DataFrame(columns=["kind", "whole", "undated", "later"])
    mart = date_basis.CREDIT_DATES
    amount = mart.c[f"{date_basis.model_of(scope)}_conversions"]

    def total(name: str, *when: sa.ColumnElement[bool]) -> sa.Label[Any]:
        return sa.func.sum(sa.case((sa.and_(*when), amount), else_=0.0)).label(name)

    statement = (
        sa.select(
            mart.c.kind,
            total("whole", _weeks(mart, scope)),
            total("undated", _weeks(mart, scope), sa.not_(mart.c.is_dated)),
            total("later", mart.c.week > about(at).last_week),
        )
        .where(mart.c.basis == scope.basis, *_dimensions(mart, scope))
        .group_by(mart.c.kind)
        .order_by(mart.c.kind)
    )
    return at.ask(statement)


def sessions_by_campaign(at: Marts, scope: Scope) -> pd.DataFrame:
    """Web sessions of each campaign. Columns: channel, campaign, sessions."""
    grain = (SESSIONS.c.channel, SESSIONS.c.campaign)
    statement = (
        sa.select(*grain, _total(SESSIONS.c.sessions))
        .where(SESSIONS.c.week.between(scope.since, scope.until))
        .group_by(*grain)
        .order_by(*grain)
    )
    return at.ask(statement)


def credited_channels(at: Marts) -> frozenset[str]:
    """The channels that any model ever credits for a touch, in all weeks.

    The incremental model also credits channels that leave none.
    """
    touched = sa.select(CREDIT.c.channel).where(CREDIT.c.model != "incremental").distinct()
    return frozenset(at.ask(touched)["channel"])


def visited_channels(at: Marts) -> frozenset[str]:
    """The channels that ever brought a web session."""
    return frozenset(at.ask(sa.select(SESSIONS.c.channel).distinct())["channel"])


def session_quality(at: Marts) -> pd.DataFrame:
    """Weeks in which web analytics sampled, withheld or folded rows.

    Columns: week, sessions, sampled, thresholded, other_row; newest week first.
    """
    flags = (SESSIONS.c.sampled, SESSIONS.c.thresholded, SESSIONS.c.other_row)
    statement = (
        sa.select(
            SESSIONS.c.week,
            _total(SESSIONS.c.sessions),
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


def reactivation(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Silent patients and what became of them, in cohorts assigned within the scope's weeks.

    Columns: cohort_month, campaign, channel, months_silent, arm, silent, contacted, engaged,
    booked, kept, retained, value.
    """
    mart = REACTIVATION
    grain = (mart.c.cohort_month, mart.c.campaign, mart.c.channel, mart.c.months_silent, mart.c.arm)
    stages = (mart.c.silent, mart.c.contacted, mart.c.engaged, mart.c.booked, mart.c.kept)
    statement = (
        sa.select(
            *grain,
            *(_total(stage) for stage in stages),
            # Missing where small cells are folded: few are retained at a time.
            sa.cast(sa.func.sum(mart.c.retained), sa.Double).label("retained"),
            _in_currency(mart, currency, "value"),
        )
        .where(
            mart.c.cohort_month.between(scope.since.replace(day=1), scope.until),
            *_dimensions(mart, scope),
        )
        .group_by(*grain)
        .order_by(*grain)
    )
    return _money(at.ask(statement), "value")


def paths(at: Marts, scope: Scope) -> pd.DataFrame:
    """Journeys by path in the quarters that the scope touches.

    Columns: step_1, step_2, step_3, step_4, outcome, journeys, touches, median_days; a row for
    each quarter and service line.
    """
    names = (*STEPS, "outcome", "journeys", "touches", "median_days")
    statement = sa.select(*(PATHS.c[name] for name in names)).where(*_quarters(PATHS, scope))
    order = (PATHS.c.quarter, PATHS.c.service_line, PATHS.c.outcome, *(PATHS.c[s] for s in STEPS))
    return at.ask(statement.order_by(*order))


def path_lags(at: Marts, scope: Scope) -> pd.DataFrame:
    """Percentiles of converted journeys, a row for each service line, quarter and measure."""
    mart = PATH_LAGS
    statement = sa.select(*mart.c).where(*_quarters(mart, scope))
    return at.ask(statement.order_by(mart.c.service_line, mart.c.quarter, mart.c.measure))


def positions(at: Marts, scope: Scope, channel: str, currency: str) -> pd.DataFrame:
    """A channel's journeys by where in them it stood, in the quarters that the scope touches.

    Columns: place, journeys, whole (the conversions, or the money, of those journeys) and for
    each model what the channel is given of the whole.
    """
    return _given(at, POSITIONS, scope, currency, (POSITIONS.c.place,), _of(POSITIONS, channel))


def companions(at: Marts, scope: Scope, channel: str, currency: str) -> pd.DataFrame:
    """As `positions`, by the channels that share journeys with the channel, and the other way.

    Columns: channel, companion, journeys, whole and the models; `channel` is the one credited.
    """
    pair = (COMPANIONS.c.channel, COMPANIONS.c.companion)
    either = sa.or_(_of(COMPANIONS, channel), COMPANIONS.c.companion == channel)
    return _given(at, COMPANIONS, scope, currency, pair, either)


def _of(mart: sa.TableClause, channel: str) -> sa.ColumnElement[bool]:
    return mart.c.channel == channel


def _given(
    at: Marts,
    mart: sa.TableClause,
    scope: Scope,
    currency: str,
    grain: Sequence[sa.ColumnClause[Any]],
    chosen: sa.ColumnElement[bool],
) -> pd.DataFrame:
    money = scope.kind == "collected"
    whole, what = ("value_micros", "value") if money else ("conversions", "conversions")
    # Counts add up over currencies, money does not.
    same = [mart.c.currency == currency] if money else []
    unit = MICROS if money else 1
    amounts = {"whole": whole, **{name: f"{name}_{what}" for name in _SHARED}}
    statement = (
        sa.select(
            *grain,
            _total(mart.c.journeys),
            *(
                sa.cast(sa.func.sum(mart.c[column]), sa.Double).label(name)
                for name, column in amounts.items()
            ),
        )
        .where(chosen, *_quarters(mart, scope), *_dimensions(mart, scope), *same)
        .group_by(*grain)
        .order_by(*grain)
    )
    frame = at.ask(statement)
    frame[list(amounts)] = frame[list(amounts)].astype("float64") / unit
    return frame


def unmapped(at: Marts) -> pd.DataFrame:
    """Traffic and spend that no channel rule matches, most rows first."""
    mart = UNMAPPED
    statement = sa.select(
        *(mart.c.origin, mart.c.utm_source, mart.c.utm_medium, mart.c.utm_campaign),
        *(mart.c.rows_seen, mart.c.spend_micros.label("spend"), mart.c.first_day, mart.c.last_day),
    ).order_by(mart.c.spend_micros.desc().nulls_last(), mart.c.rows_seen.desc(), mart.c.utm_source)
    return _money(at.ask(statement.limit(500)), "spend")


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


def runs(home: Home, limit: int = 20) -> pd.DataFrame:
    """The last refreshes, newest first; empty before the first one."""
    return ledger(home).runs(limit) if home.ledger.is_file() else pd.DataFrame()


def steps(home: Home, run_id: str) -> pd.DataFrame:
    """The steps of one refresh in order."""
    return ledger(home).steps(run_id) if home.ledger.is_file() else pd.DataFrame()


def sources(home: Home) -> pd.DataFrame:
    """How each source fared when it was last asked; empty before the first refresh."""
    return ledger(home).sources() if home.ledger.is_file() else pd.DataFrame()


def published_at(home: Home, generation: int) -> pd.Timestamp | None:
    """When a refresh first published a generation; None where the ledger does not know.

    A rollback publishes it again and makes nothing in it newer.
    """
    frame = _publications(home)
    made = frame[(frame["generation"] == generation) & (frame["reason"] == "refresh")]
    return None if made.empty else pd.Timestamp(made["published_at"].iloc[-1])


def rolled_back(home: Home, generation: int) -> bool:
    """Whether a generation is shown because somebody went back to it."""
    frame = _publications(home).head(1)
    return bool(((frame["generation"] == generation) & (frame["reason"] == "rollback")).any())


def told_before(home: Home, generation: int, *, protected: bool) -> Marts | None:
    """The marts published before a generation, where they are still kept."""
    frame = _publications(home)
    older = [int(each) for each in frame["generation"] if int(each) < generation]
    for each in sorted(set(older), reverse=True):
        if (home.generation(each) / "marts.duckdb").is_file() and (
            not protected or holds_viewers(home, each)
        ):
            return marts(home, each, protected=protected)
    return None


def _publications(home: Home) -> pd.DataFrame:
    if not home.ledger.is_file():
        return pd.DataFrame(columns=["generation", "reason", "published_at"])
    return ledger(home).publications(1000)


@lru_cache(maxsize=4)
def ledger(home: Home) -> Ledger:
    """The ledger of a home, opened once."""
    return Ledger(home)


def _spend(
    scope: Scope,
    currency: str,
    *grain: sa.ColumnClause[Any],
    also: Sequence[sa.Label[Any]] = (),
) -> sa.Select[Any]:
    return (
        sa.select(*grain, _total(SPEND.c.spend_micros, "spend"), *also)
        .where(*_within(SPEND, scope), SPEND.c.currency == currency)
        .group_by(*grain)
        .order_by(*grain)
    )


def _credit(at: Marts, scope: Scope) -> sa.FromClause:
    """Where the scope's model finds its credit, by the day that the scope counts by."""
    if scope.model in _SHARED and date_basis.moved(scope, protected=at.protected):
        return date_basis.credited(scope, scope.model)
    return CREDIT


def _conversions(at: Marts, scope: Scope) -> sa.FromClause:
    if date_basis.moved(scope, protected=at.protected):
        return date_basis.credited(scope, date_basis.model_of(scope))
    return CONVERSIONS


def _observed(
    scope: Scope, currency: str, by: sa.ColumnElement[Any], mart: sa.FromClause
) -> sa.Select[Any]:
    grain = (by, mart.c.kind)
    within = [_weeks(mart, scope)] if mart is CONVERSIONS_WEEKLY else _within(mart, scope)
    # Shares of conversions are no whole numbers in a week.
    number = (
        _total(mart.c.conversions)
        if mart in (CONVERSIONS, CONVERSIONS_WEEKLY)
        else sa.func.sum(mart.c.conversions).label("conversions")
    )
    return (
        sa.select(*grain, number, _in_currency(mart, currency, "value"))
        .where(*within)
        .group_by(*grain)
        .order_by(*grain)
    )


def _weeks(mart: sa.FromClause, scope: Scope) -> sa.ColumnElement[bool]:
    return mart.c.week.between(scope.since, scope.until)


def _within(mart: sa.FromClause, scope: Scope) -> list[sa.ColumnElement[bool]]:
    return [_weeks(mart, scope), *_dimensions(mart, scope)]


def first_of_quarter(day: date) -> date:
    """The day on which the quarter of a day begins."""
    return day.replace(month=day.month - (day.month - 1) % 3, day=1)


def _quarters(mart: sa.TableClause, scope: Scope) -> list[sa.ColumnElement[bool]]:
    chosen: list[sa.ColumnElement[bool]] = [
        mart.c.kind == scope.kind,
        mart.c.quarter.between(first_of_quarter(scope.since), scope.until),
    ]
    if scope.service_lines:
        chosen.append(mart.c.service_line.in_(scope.service_lines))
    return chosen


def _dimensions(mart: sa.FromClause, scope: Scope) -> list[sa.ColumnElement[bool]]:
    chosen = ((mart.c.service_line, scope.service_lines), (mart.c.location, scope.locations))
    return [column.in_(values) for column, values in chosen if values]


def _total(column: sa.ColumnClause[Any], name: str = "") -> sa.Label[Any]:
    # Sums of 64-bit integers are wider than pandas knows.
    total = sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger)
    return total.label(name or column.name)


def _in_currency(mart: sa.FromClause, currency: str, name: str) -> sa.Label[Any]:
    # Counts add up over currencies, money does not.
    value = sa.case((mart.c.currency == currency, mart.c.value_micros), else_=0)
    return sa.cast(sa.func.coalesce(sa.func.sum(value), 0), sa.BigInteger).label(name)


def _money(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    for column in columns:
        frame[column] = frame[column].astype("float64") / MICROS
    return frame
