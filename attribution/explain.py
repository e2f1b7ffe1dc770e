"""Why records are one person, in sentences: what joins them, since when, and what merged or split.

For whoever may see people. Sources, kinds of identifiers and days are said, never an identifier.
"""

import sqlalchemy as sa

from attribution import audit
from attribution.errors import BadInput
from attribution.identity_changes import SPOKEN
from attribution.paths import Home
from attribution.people import Permit, people
from attribution.warehouse import current_generation

_LINKS = sa.table(
    "links",
    *(sa.column(name) for name in ("person_id", "kind", "source_a", "source_b")),
    *(sa.column(name) for name in ("first_day", "records")),
)
_CHANGES = sa.table(
    "person_history",
    *(sa.column(name) for name in ("number", "kind", "from_person", "to_person")),
    *(sa.column(name) for name in ("found_on", "cause")),
)


def explain(home: Home, permit: Permit, person: int) -> list[str]:
    """What holds a person together, strongest and oldest first, and what changed about them."""
    generation = current_generation(home)
    if generation is None:
        raise BadInput(f"{home.folder} has nothing published yet. Run `caretrace refresh`.")
    at = people(home, generation, permit)
    audit.record(
        home,
        permit.reader or audit.operator(),
        audit.PEOPLE_SEEN,
        "what joins a person",
        person=person,
        generation=generation,
    )
    links = at.ask(sa.select(*_LINKS.c).where(_LINKS.c.person_id == person))
    links["strength"] = links["kind"].map(list(SPOKEN).index)
    links = links.sort_values(["strength", "first_day", "source_a", "source_b"])
    changes = at.ask(
        sa.select(*_CHANGES.c)
        .where(sa.or_(_CHANGES.c.from_person == person, _CHANGES.c.to_person == person))
        .order_by(_CHANGES.c.number)
    )
    said = [
        _link(SPOKEN[kind], a, b, day, records)
        for kind, a, b, day, records in zip(
            *(links[name] for name in ("kind", "source_a", "source_b", "first_day", "records")),
            strict=True,
        )
    ]
    said += [
        _change(person, kind, before, after, day, cause)
        for kind, before, after, day, cause in zip(
            *(changes[name] for name in ("kind", "from_person", "to_person", "found_on", "cause")),
            strict=True,
        )
    ]
    return said or [f"Nothing joins records to person {person}: one record at most has the number."]


def _link(kind: str, a: str, b: str, day: object, records: int) -> str:
    where = f"in {a} and {b}" if a != b else f"on {'several' if records > 1 else 'two'} of {a}"
    where += " records" * (a == b)
    since = f", {day:%-d %B %Y}" if hasattr(day, "strftime") and day == day else ""
    return f"The same {kind} {where}{since}."


def _change(person: int, kind: str, before: int, after: int, day: object, cause: object) -> str:
    why = f" ({cause})" if isinstance(cause, str) and cause else ""
    when = day if isinstance(day, str) else "An earlier day"
    if kind == "merge":
        if after == person:
            return f"{when}: person {before} turned out to be this one{why}."
        return f"{when}: turned out to be person {after}, and is counted there{why}."
    if after == person:
        return f"{when}: was split off from person {before}{why}."
    return f"{when}: person {after} was split off{why}."
