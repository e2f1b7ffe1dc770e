"""A report of the catalogue from the command line: what is asked for is checked, and written down.

Apart from the other exports: these must be made within a second or two, so nothing else is loaded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from hashlib import sha256

from attribution import audit, queries, versions
from attribution.errors import BadInput
from attribution.metrics import KINDS
from attribution.models import MODELS
from attribution.paths import Home
from attribution.queries import About, Scope
from attribution.reports import catalog
from attribution.roles import ROLES, Reader
from attribution.warehouse import current_generation


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
    generation = published(home, protected=not small_cells)
    marts = queries.marts(home, generation, protected=not small_cells)
    about, known = queries.about(marts), (queries.service_lines(marts), queries.locations(marts))
    if kind is not None and "kind" not in which.filters:
        raise BadInput(f"The {which.title.lower()} is of every kind. Leave --kind out.")
    said = {
        **one("model", model, MODELS),
        **one("kind", kind, KINDS),
        **period(about, since, until),
        "service": some("service line", service_lines, known[0]),
        "location": some("location", locations, known[1]),
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
        reader=Reader(audit.operator(), frozenset(ROLES)),
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


def published(home: Home, *, protected: bool = False) -> int:
    """The published generation; raises BadInput where there is none that fits this version."""
    generation = current_generation(home)
    if generation is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh`.")
    versions.require(home, generation, protected=protected)
    return generation


def monday(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def one(what: str, value: str | None, known: Iterable[str]) -> dict[str, object]:
    """What is said of a filter that takes one value; nothing where none is asked for."""
    return {} if value is None else {what: some(what, (value,), known)[0]}


def some(what: str, values: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """The known values that are meant; raises BadInput where one is not known."""
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


def period(about: About, since: date | None, until: date | None) -> dict[str, object]:
    """What is said of the weeks from `since` to `until`; raises BadInput where there are none."""
    if since is None and until is None:
        return {}
    first, last = about.first_week, about.last_week + timedelta(days=6)
    begin, end = since or first, until or last
    if begin > last or end < first:
        raise BadInput(f"The data reach from {first} to {last}; choose days among them.")
    if begin > end:
        raise BadInput(f"The period ends ({end}) before it begins ({begin}). Swap the two days.")
    return {"period": "custom", "from": begin, "to": end}
