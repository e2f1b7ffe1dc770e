"""From what an address or a command line says to a valid scope: nothing in it is trusted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from attribution.date_basis import BASES, OWN
from attribution.errors import BadInput
from attribution.metrics import KINDS
from attribution.models import MODELS
from attribution.queries import WEEK, About, Scope
from attribution.ui import formats

PERIODS = {
    "4w": "Last 4 weeks",
    "13w": "Last 13 weeks",
    "26w": "Last 26 weeks",
    "52w": "Last 52 weeks",
    "all": "All weeks",
    "custom": "Custom weeks",
}
DEFAULT_PERIOD = "13w"
DEFAULT_KIND = "booked"
DEFAULT_MODEL = "position"


def scope_of(
    about: About,
    said: Mapping[str, object],
    *,
    service_lines: Iterable[str],
    locations: Iterable[str],
) -> Scope:
    """The scope that `said` asks for; whatever is not known falls back to its default.

    Keys: period, from, to, kind, model, service, location, basis.
    """
    since, until = _whole(about, *_weeks(about, said))
    return Scope(
        since=since,
        until=until,
        kind=_known(said.get("kind"), KINDS, DEFAULT_KIND),
        model=_known(said.get("model"), MODELS, DEFAULT_MODEL),
        service_lines=_subset(said.get("service"), service_lines),
        locations=_subset(said.get("location"), locations),
        basis=_known(said.get("basis"), BASES, OWN),
    )


def protected_scope(scope: Scope, about: About) -> Scope:
    """The scope as marts with folded cells can answer it; `about` is theirs.

    Whole blocks of weeks, each conversion in that in which it happened. Credit knows neither
    service lines nor places there.
    """
    since, until = (
        max(about.first_week, min(day, about.last_week)) for day in (scope.since, scope.until)
    )
    since, until = _whole(about, since, until)
    return replace(scope, since=since, until=until, service_lines=(), locations=(), basis=OWN)


def untold(about: About) -> str:
    """Why nothing is told of weeks yet; empty where something is."""
    if about.told_after is None:
        return ""
    return (
        f"Without small cells weeks are told {about.weeks_together} together. The first are over"
        f" after {formats.day(about.told_after)}: the refresh that follows shows them. Readers who"
        " have the role analyst see all weeks now."
    )


def told(about: About) -> About:
    """What marts say of themselves; raises BadInput where they tell nothing of weeks yet."""
    if said := untold(about):
        raise BadInput(said)
    return about


def before(scope: Scope, about: About) -> Scope | None:
    """The equally long period just before; None where the data do not reach that far back."""
    since = scope.since - scope.weeks * WEEK
    if since < about.first_week:
        return None
    return replace(scope, since=since, until=scope.since - WEEK)


def _whole(about: About, since: date, until: date) -> tuple[date, date]:
    """The weeks as whole blocks of those that are told together, counted from the last week.

    The number of blocks is that of the weeks asked for, rounded down, but at least one.
    """
    block = about.weeks_together
    if block == 1:
        return since, until
    behind = (about.last_week - until) // WEEK // block * block
    until = about.last_week - behind * WEEK
    blocks = max(((until - since) // WEEK + 1) // block, 1)
    return max(until - (blocks * block - 1) * WEEK, about.first_week), until


def _weeks(about: About, said: Mapping[str, object]) -> tuple[date, date]:
    period = _known(said.get("period"), PERIODS, DEFAULT_PERIOD)
    if period == "all":
        return about.first_week, about.last_week
    if period == "custom":
        since = _week(said.get("from"), about.first_week, about)
        until = _week(said.get("to"), about.last_week, about)
        return min(since, until), max(since, until)
    weeks = int(period.removesuffix("w"))
    return max(about.first_week, about.last_week - (weeks - 1) * WEEK), about.last_week


def _week(value: object, otherwise: date, about: About) -> date:
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            return otherwise
    if not isinstance(value, date):
        return otherwise
    monday = value - timedelta(days=value.weekday()) if value.toordinal() > 7 else value
    return max(about.first_week, min(monday, about.last_week))


def _known(value: object, known: Iterable[str], otherwise: str) -> str:
    return value if isinstance(value, str) and value in set(known) else otherwise


def _subset(values: object, known: Iterable[str]) -> tuple[str, ...]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        return ()
    asked = {value for value in values if isinstance(value, str)}
    return tuple(sorted(asked & set(known)))
