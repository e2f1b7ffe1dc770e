"""The research export, from a cohort and a reason to files that are written down in the log."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from attribution import audit
from attribution.errors import BadInput, StorageError
from attribution.paths import Home
from attribution.people import Permit
from attribution.research import columns, files, registry, report
from attribution.research.coding import coded
from attribution.research.cohort import Cohort, as_written, members
from attribution.research.columns import Profile
from attribution.research.differences import choose_beside, levels_of
from attribution.research.lattice import Whole, class_keys, numbered
from attribution.research.reading import read
from attribution.research.registry import Drawn, Earlier
from attribution.research.release import Chosen, Release, released
from attribution.research.rules import Determination, Rules, research_rules

EMPTY = (
    "Nobody is kept for research: no visit was loaded, or keep_timeline = false stands under "
    "[people] in the settings."
)
SHORTEST_REASON = 10  # characters: a word alone says nothing to who audits it


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: who it is about, why, and what must or need not be told."""

    reason: str
    profile: Profile = "safe-harbor"
    cohort: Cohort = field(default_factory=Cohort)
    keep: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Export:
    """A finished export: its id, its files by name, and what it says of itself."""

    export: str
    files: dict[str, bytes]
    disclosure: dict[str, Any]


def export_research(
    home: Home,
    generation: int,
    permit: Permit,
    request: Request,
    hand_over: Callable[[Export], None] = lambda _export: None,
) -> Export:
    """Make a de-identified export of one generation.

    `hand_over` puts the files where they belong; they are in the audit log before, and what cannot
    be written down does not leave. Raises BadInput or NotAllowed, with what to change, where the
    rules cannot be kept.
    """
    reason = " ".join(request.reason.split())
    if len(reason) < SHORTEST_REASON:
        raise BadInput("Say what the data are for, in a sentence: it goes into the audit log.")
    rules = research_rules(home)
    # In UTC, as the log has its days.
    today = datetime.now(UTC).date()
    determination = rules.determined(today) if request.profile == "expert" else None
    with registry.one_at_a_time(home):
        made = _noted(
            home, generation, permit, replace(request, reason=reason), rules, determination
        )
    hand_over(made)
    return made


def _noted(
    home: Home,
    generation: int,
    permit: Permit,
    request: Request,
    rules: Rules,
    determination: Determination | None,
) -> Export:
    """The export, once it is in the registry and the log."""
    before = registry.earlier(home)
    drawn = None if determination is None else _drawn(before, determination)
    table = read(home, generation, permit, drawn)
    if not len(table):
        raise BadInput(EMPTY)
    request = replace(request, cohort=as_written(table, request.cohort, rules.k))
    inside = members(table, request.cohort)
    numbers = coded(table, inside, k=rules.k, l=rules.l)
    chosen, held = choose_beside(numbers, inside, rules, before, request.keep, request.dropped)
    release = released(chosen, request.profile, rules)
    made = _made(release, rules, request, generation, permit, held)
    noted = registry.note_members(home, made.export, *_classes(chosen))
    try:
        audit.record(
            home,
            permit.reader or audit.operator(),
            audit.RESEARCH_EXPORTED,
            f"research data, profile {request.profile}",
            export=made.export,
            reason=request.reason,
            generation=generation,
            cohort=request.cohort.said(),
            levels=levels_of(chosen),
            sensitive=list(chosen.sensitive),
            people=release.reached.people,
            sha256=files.hashes(made.files),
            members_sha256=noted,
            key=registry.key_mark(home),
            **({"drawn": asdict(drawn)} if drawn else {}),
        )
    except StorageError:
        registry.forget_members(home, made.export)
        raise
    return made


def _drawn(before: Sequence[Earlier], determination: Determination) -> Drawn:
    """How dates are shifted: once for each person, whichever determination it is under.

    Two shifts of one day, each drawn for itself, leave fewer days that it can be: none but one,
    where they are farthest apart.
    """
    for export in before:
        if (drawn := export.drawn) is None:
            if export.by_expert and str(determination.on) > export.day:
                raise BadInput(
                    f"The dates of the export {export.export} of {export.day} were shifted under "
                    "an earlier determination, and a second shift of the same days would narrow "
                    "down the true ones. Put that determination's by, on and max_shift_days back, "
                    "or use the profile safe-harbor."
                )
            continue
        if drawn.weeks != determination.weeks:
            days = drawn.weeks * 7
            raise BadInput(
                f"The dates of the export {export.export} of {export.day} were shifted by at most "
                f"{days} days, and a second shift of the same days would narrow down the true "
                f"ones. Have a determination with max_shift_days = {days}, or use the profile "
                "safe-harbor."
            )
        return drawn
    purpose = f"dates by {determination.by} on {determination.on}"
    return Drawn(purpose, determination.weeks)


def _made(
    release: Release,
    rules: Rules,
    request: Request,
    generation: int,
    permit: Permit,
    held: int,
) -> Export:
    _check_values(release)
    told = report.disclosure(release, rules, request.profile, held)
    book = report.codebook(release.table, release)
    content = files.contents(release.table, book, told)
    export = secrets.token_hex(8)
    manifest = {
        "export": export,
        "made_by": permit.reader or audit.operator(),
        "reason": request.reason,
        "profile": request.profile,
        "caretrace": version("caretrace"),
        "generation": generation,
        "cohort": request.cohort.told(),
        "columns_left_out": list(request.dropped),
        "columns_kept_fine": list(request.keep),
        "rules": {"k": rules.k, "l": rules.l, "max_suppressed": rules.max_suppressed},
        "zip3": "restricted prefixes of the 2000 and the 2010 census together",
        "people": release.reached.people,
        "sha256": files.hashes(content),
    }
    content[files.MANIFEST] = files.as_json(manifest)
    return Export(export, content, told)


def _check_values(release: Release) -> None:
    """Refuse a table with a word that neither the codebook nor a hierarchy has."""
    coded_ = release.chosen.coded
    known: dict[str, Sequence[str]] = {
        **coded_.names,
        **{
            h.name: h.labels[level]
            for h, level in zip(coded_.hierarchies, release.chosen.found.levels, strict=True)
        },
    }
    wrong = report.checked_values(release.table, known)
    unread = [
        name
        for name in release.table.column_names
        if name not in known and columns.BY_NAME[name].role not in ("row", "date")
    ]
    if wrong or unread:
        raise BadInput(
            f"{', '.join([*wrong, *unread])} would hold what the codebook does not name. Nothing "
            "was written."
        )


def _classes(chosen: Chosen) -> tuple[Whole, Whole, list[list[str]]]:
    """Who is in the export, by tag, and in which class."""
    coded_, levels = chosen.coded, chosen.found.levels
    leaves = coded_.leaves[chosen.kept]
    places, first = numbered(class_keys(leaves, coded_.hierarchies, levels))
    told = [
        [hierarchy.labels[level][leaf] for leaf in leaves[first, place]]
        for place, (hierarchy, level) in enumerate(zip(coded_.hierarchies, levels, strict=True))
    ]
    return coded_.tags[chosen.kept], places, [list(row) for row in zip(*told, strict=True)]
