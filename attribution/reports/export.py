"""Reports for the command line: the same views as the pages, with the same defaults."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from hashlib import file_digest, sha256
from itertools import chain
from pathlib import Path

from attribution import audit, group_queries, people, queries, versions
from attribution.errors import BadInput
from attribution.group_queries import group_of
from attribution.metrics import KINDS
from attribution.models import MODELS
from attribution.models.journey_credit import shared
from attribution.paths import Home
from attribution.people import Asked, Permit
from attribution.queries import About, Scope
from attribution.reports import catalog
from attribution.reports.about import SMALL_CELLS
from attribution.reports.experience import NAME as EXPERIENCE_REPORT
from attribution.reports.experience import experience_report
from attribution.reports.forecast import NAME as FORECAST_REPORT
from attribution.reports.forecast import forecast_report
from attribution.reports.journeys import write_journeys
from attribution.reports.messages import NAMES, VIEWS, message_report
from attribution.reports.patient_groups import NAME as COHORT_REPORT
from attribution.reports.patient_groups import cohort_report, filters_of
from attribution.ui.scope import scope_of
from attribution.ui.views.experience import experience
from attribution.ui.views.group_words import TITLES
from attribution.ui.views.patient_groups import patient_groups
from attribution.warehouse import current_generation

# Whoever runs the command can read the files that it reads.
_OPERATOR = Permit("asked for on the command line of the computer that holds the data")


def export_report(
    home: Home,
    report: str,
    fmt: str,
    *,
    model: str | None = None,
    kind: str | None = None,
    since: date | None = None,
    until: date | None = None,
    service_lines: Sequence[str] = (),
    locations: Sequence[str] = (),
    small_cells: bool = False,
    since_generation: int | None = None,
) -> bytes:
    """A report of the catalogue, of the published generation.

    Whole weeks: those that hold `since` and `until`. Small cells are folded, and weeks told in
    blocks, unless `small_cells` says that the report stays inside. What is new and restated is told
    against `since_generation`, or else the generation before. Raises BadInput where something is
    asked for that the data do not have: a page falls back to its default, a script must not.
    """
    which = catalog.known(report, fmt)
    generation = _published(home, protected=not small_cells)
    marts = queries.marts(home, generation, protected=not small_cells)
    about, known = queries.about(marts), (queries.service_lines(marts), queries.locations(marts))
    if kind is not None and "kind" not in which.filters:
        raise BadInput(f"The {which.title.lower()} is of every kind. Leave --kind out.")
    said = {
        **_one("model", model, MODELS),
        **_one("kind", kind, KINDS),
        **_period(about, since, until),
        "service": _some("service line", service_lines, known[0]),
        "location": _some("location", locations, known[1]),
    }
    if not small_cells and (service_lines or locations):
        raise BadInput(
            "Without small cells, credit is of all service lines and locations together. Leave "
            "them out, or add --small-cells for a report that stays inside the organisation."
        )
    if since_generation is None:
        since_generation = catalog.earlier(home, generation)
    made = catalog.render(
        home,
        generation,
        report,
        fmt,
        said=said,
        small_cells=small_cells,
        since_generation=since_generation,
    )
    audit_export(
        home,
        audit.operator(),
        generation,
        dict(made.manifest["filters"]),  # type: ignore[call-overload]
        fmt,
        made.content,
        which.title.lower(),
        small_cells=small_cells,
    )
    return made.content


def audit_export(
    home: Home,
    actor: str,
    generation: int,
    scope: Scope | Mapping[str, object],
    fmt: str,
    content: bytes,
    report: str = "channel report",
    *,
    small_cells: bool = False,
) -> None:
    """Write down who takes a report away, and which file it is; `scope` is what it is about."""
    audit.record(
        home,
        actor,
        audit.EXPORTED,
        report,
        format=fmt,
        generation=generation,
        filters=asdict(scope) if isinstance(scope, Scope) else dict(scope),
        small_cells=small_cells,
        sha256=sha256(content).hexdigest(),
    )


def export_cohorts(
    home: Home, said: Mapping[str, Sequence[str]], *, small_cells: bool = False
) -> bytes:
    """The report of the patients who have all of `said` in common, beside everyone else.

    `said` has values by dimension, and at most one condition. Small cells are folded unless
    `small_cells` says that the report stays inside. Raises BadInput where a value is asked for that
    no patient has, or that is told only together with others.
    """
    generation = _published(home, protected=not small_cells)
    known = group_queries.known_values(queries.marts(home, generation, protected=not small_cells))
    asked = {
        name: _some(TITLES[name].lower(), values, known[name]) for name, values in said.items()
    }
    group = group_of(asked | {"condition": _only(asked["condition"])}, known)
    view = patient_groups(home, generation, group, None, protected=not small_cells)
    content, about = cohort_report(view, SMALL_CELLS[small_cells]), filters_of(group, None)
    audit_export(
        home,
        audit.operator(),
        generation,
        about,
        "csv",
        content,
        COHORT_REPORT,
        small_cells=small_cells,
    )
    return content


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
    generation = _published(home, protected=not small_cells)
    about = queries.about(queries.marts(home, generation, protected=not small_cells))
    scope = scope_of(about, _period(about, since, until), service_lines=(), locations=())
    view = VIEWS[report](home, generation, scope, protected=not small_cells)
    content = message_report(view, SMALL_CELLS[small_cells])
    audit_export(
        home,
        audit.operator(),
        generation,
        scope,
        "csv",
        content,
        NAMES[report],
        small_cells=small_cells,
    )
    return content


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
    generation = _published(home, protected=not small_cells)
    marts = queries.marts(home, generation, protected=not small_cells)
    about, known = queries.about(marts), (queries.service_lines(marts), queries.locations(marts))
    said = {
        **_period(about, since, until),
        "service": _some("service line", service_lines, known[0]),
        "location": _some("location", locations, known[1]),
    }
    scope = scope_of(about, said, service_lines=known[0], locations=known[1])
    view = experience(home, generation, scope, protected=not small_cells)
    content = experience_report(view, SMALL_CELLS[small_cells])
    audit_export(
        home,
        audit.operator(),
        generation,
        scope,
        "csv",
        content,
        EXPERIENCE_REPORT,
        small_cells=small_cells,
    )
    return content


def export_forecast(home: Home, *, small_cells: bool = False) -> bytes:
    """Every forecast of the published generation; raises BadInput without `small_cells`."""
    generation = _published(home)
    if not small_cells:
        raise BadInput(
            "Some forecasts are of few people. Add --small-cells for a report that stays inside "
            "the organisation."
        )
    content = forecast_report(home, generation, SMALL_CELLS[True])
    audit_export(
        home,
        audit.operator(),
        generation,
        {},
        "csv",
        content,
        FORECAST_REPORT,
        small_cells=True,
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
    generation = _published(home)
    marts = queries.marts(home, generation, protected=False)
    if since and until and since > until:
        raise BadInput(f"The period ends ({until}) before it begins ({since}). Swap the two days.")
    asked = Asked(
        kind=None if kind is None else _some("kind", (kind,), KINDS)[0],
        since=since and _monday(since),
        until=until and _monday(until),
        service_lines=_some("service line", service_lines, queries.service_lines(marts)),
        locations=_some("location", locations, queries.locations(marts)),
    )
    models = shared() if model is None else _some("model", (model,), shared())
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


def _published(home: Home, *, protected: bool = False) -> int:
    generation = current_generation(home)
    if generation is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh`.")
    versions.require(home, generation, protected=protected)
    return generation


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _one(what: str, value: str | None, known: Iterable[str]) -> dict[str, object]:
    return {} if value is None else {what: _some(what, (value,), known)[0]}


def _some(what: str, values: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    every = tuple(known)
    return tuple(_as_written(what, value, every) for value in values)


def _as_written(what: str, value: str, known: Sequence[str]) -> str:
    """The known value that is meant, in whichever case it was typed."""
    alike = [each for each in known if each.casefold() == value.casefold()]
    if value in alike or len(alike) == 1:
        return value if value in alike else alike[0]
    if not known:
        raise BadInput(
            f"No {what} has enough people to be told of without small cells. Leave it out, or add "
            "--small-cells for a report that stays inside the organisation."
        )
    raise BadInput(f"There is no {what} {value!r}. Choose from: {', '.join(known)}.")


def _period(about: About, since: date | None, until: date | None) -> dict[str, object]:
    if since is None and until is None:
        return {}
    first, last = about.first_week, about.last_week + timedelta(days=6)
    begin, end = since or first, until or last
    if begin > last or end < first:
        raise BadInput(f"The data reach from {first} to {last}; choose days among them.")
    if begin > end:
        raise BadInput(f"The period ends ({end}) before it begins ({begin}). Swap the two days.")
    return {"period": "custom", "from": begin, "to": end}
