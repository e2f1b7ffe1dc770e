"""Exports of the command line beside the catalogue: the same views and defaults as the pages."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from hashlib import file_digest
from itertools import chain
from pathlib import Path

from attribution import audit, group_queries, people, queries
from attribution.errors import BadInput
from attribution.group_queries import group_of
from attribution.metrics import KINDS
from attribution.models.journey_credit import shared
from attribution.paths import Home
from attribution.people import Asked, Permit
from attribution.queries import Scope
from attribution.reports.about import SMALL_CELLS
from attribution.reports.asking import audit_export, monday, period, published, some
from attribution.reports.experience import NAME as EXPERIENCE_REPORT
from attribution.reports.experience import experience_report
from attribution.reports.forecast import NAME as FORECAST_REPORT
from attribution.reports.forecast import forecast_report
from attribution.reports.journeys import write_journeys
from attribution.reports.messages import NAMES, VIEWS, message_report
from attribution.reports.patient_groups import NAME as COHORT_REPORT
from attribution.reports.patient_groups import checked, cohort_report, filters_of
from attribution.ui.scope import scope_of, told
from attribution.ui.views.experience import experience
from attribution.ui.views.patient_groups import patient_groups

# Whoever runs the command can read the files that it reads.
_OPERATOR = Permit("asked for on the command line of the computer that holds the data")


def export_cohorts(
    home: Home, said: Mapping[str, Sequence[str]], *, small_cells: bool = False
) -> bytes:
    """The report of the patients who have all of `said` in common, beside everyone else.

    `said` has values by dimension, and at most one condition. Small cells are folded unless
    `small_cells` says that the report stays inside. Raises BadInput where a value is asked for that
    no patient has, or that is told only together with others.
    """
    generation = published(home, protected=not small_cells)
    known = group_queries.known_values(queries.marts(home, generation, protected=not small_cells))
    asked = checked(said, known)
    group = group_of(asked | {"condition": _only(asked["condition"])}, known)
    view = patient_groups(home, generation, group, None, protected=not small_cells)
    content, about = cohort_report(view, SMALL_CELLS[small_cells]), filters_of(group, None)
    return _noted(home, generation, about, COHORT_REPORT, content, small_cells=small_cells)


def export_messages(
    home: Home,
    report: str,
    *,
    since: date | None = None,
    until: date | None = None,
    small_cells: bool = False,
) -> bytes:
    """The report of the page Engagement or Education, as CSV, of whole weeks.

    Small cells are folded, and weeks told in blocks, unless `small_cells` says that the report
    stays inside. Raises BadInput where the data do not reach the days, or there is nothing.
    """
    generation = published(home, protected=not small_cells)
    about = told(queries.about(queries.marts(home, generation, protected=not small_cells)))
    scope = scope_of(about, period(about, since, until), service_lines=(), locations=())
    view = VIEWS[report](home, generation, scope, protected=not small_cells)
    content = message_report(view, SMALL_CELLS[small_cells])
    return _noted(home, generation, scope, NAMES[report], content, small_cells=small_cells)


def export_experience(
    home: Home,
    *,
    since: date | None = None,
    until: date | None = None,
    service_lines: Sequence[str] = (),
    locations: Sequence[str] = (),
    small_cells: bool = False,
) -> bytes:
    """The experience report of the months that hold `since` to `until`, as the page shows it.

    Small cells are folded, and waits and drivers left out, unless `small_cells` says that the
    report stays inside. Raises BadInput where something is asked for that the data do not have.
    """
    generation = published(home, protected=not small_cells)
    marts = queries.marts(home, generation, protected=not small_cells)
    about = told(queries.about(marts))
    known = (queries.service_lines(marts), queries.locations(marts))
    said = {
        **period(about, since, until),
        "service": some("service line", service_lines, known[0]),
        "location": some("location", locations, known[1]),
    }
    scope = scope_of(about, said, service_lines=known[0], locations=known[1])
    view = experience(home, generation, scope, protected=not small_cells)
    content = experience_report(view, SMALL_CELLS[small_cells])
    return _noted(home, generation, scope, EXPERIENCE_REPORT, content, small_cells=small_cells)


def export_forecast(home: Home, *, small_cells: bool = False) -> bytes:
    """Every forecast of the published generation; raises BadInput without `small_cells`."""
    generation = published(home)
    if not small_cells:
        raise BadInput(
            "Some forecasts are of few people. Add --small-cells for a report that stays inside "
            "the organisation."
        )
    content = forecast_report(home, generation, SMALL_CELLS[True])
    return _noted(home, generation, {}, FORECAST_REPORT, content, small_cells=True)


def _noted(
    home: Home,
    generation: int,
    about: Scope | Mapping[str, object],
    report: str,
    content: bytes,
    *,
    small_cells: bool,
) -> bytes:
    """A CSV, once it is written down who takes it away."""
    audit_export(
        home,
        audit.operator(),
        generation,
        about,
        "csv",
        content,
        report,
        small_cells=small_cells,
    )
    return content


def _only(conditions: Sequence[str]) -> str:
    if len(conditions) > 1:
        raise BadInput(
            "A patient may have several conditions, so a cohort is of one at a time. Give "
            "--condition once."
        )
    return next(iter(conditions), "")


def export_journeys(
    home: Home,
    out: Path,
    *,
    model: str | None = None,
    kind: str | None = None,
    since: date | None = None,
    until: date | None = None,
    service_lines: Sequence[str] = (),
    locations: Sequence[str] = (),
) -> int:
    """Write what each touch of each conversion is given; returns how many touches there were.

    Of every kind and model unless one is named. Whole weeks, as in the channel report.
    """
    generation = published(home)
    marts = queries.marts(home, generation, protected=False)
    if since and until and since > until:
        raise BadInput(f"The period ends ({until}) before it begins ({since}). Swap the two days.")
    asked = Asked(
        kind=None if kind is None else some("kind", (kind,), KINDS)[0],
        since=since and monday(since),
        until=until and monday(until),
        service_lines=some("service line", service_lines, queries.service_lines(marts)),
        locations=some("location", locations, queries.locations(marts)),
    )
    models = shared() if model is None else some("model", (model,), shared())
    parts = people.credited_touches(people.people(home, generation, _OPERATOR), asked, models)
    first = next(parts, None)
    if first is None:
        raise BadInput(
            "There is nothing to export: no conversion with a known touch is among what was asked "
            "for, or `keep_journeys = false` in the settings keeps none."
        )

    def audited(written: Path, rows: int) -> None:
        with written.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        audit.record(
            home,
            audit.operator(),
            audit.PEOPLE_EXPORTED,
            "journeys",
            generation=generation,
            filters=asdict(asked) | {"models": models},
            rows=rows,
            sha256=digest,
        )

    return write_journeys(chain([first], parts), out, audited)
