"""What an export says of itself: the codebook, the disclosure report, the manifest.

All of it leaves with the data, so nothing here counts from 1 to k - 1 people, names a place smaller
than a state, or says who somebody is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from attribution.research import columns
from attribution.research.columns import Profile
from attribution.research.identifiers import identifiers
from attribution.research.release import Release
from attribution.research.rules import Rules


def small(count: int, k: int) -> str:
    """A number of people as it may be told."""
    return f"1 to {k - 1}" if 0 < count < k else f"{count:,}"


def codebook(table: pa.Table, release: Release) -> list[dict[str, str]]:
    """One row for each column of the table, as it is."""
    hierarchies = release.chosen.coded.hierarchies
    levels = {
        hierarchy.name: hierarchy.levels[level]
        for hierarchy, level in zip(hierarchies, release.chosen.found.levels, strict=True)
    }
    rows = []
    for name in table.column_names:
        column = columns.BY_NAME[name]
        rows.append(
            {
                "column": name,
                "role": column.role,
                "meaning": column.meaning,
                "values": _values(table, name),
                "source": column.source,
                "transformation": column.transformation,
                "level": levels.get(name, ""),
            }
        )
    return rows


def disclosure(release: Release, rules: Rules, profile: Profile, held: int) -> dict[str, Any]:
    """How sure the table is, and how that was reached."""
    chosen, reached = release.chosen, release.reached
    told = {
        "profile": profile,
        "basis": "45 CFR 164.514(b)(2), and k-anonymity on top of it"
        if profile == "safe-harbor"
        else "45 CFR 164.514(b)(1), and k-anonymity on top of it",
        "people": reached.people,
        "classes": reached.classes,
        "required": {"k": rules.k, "l": rules.l, "max_suppressed": rules.max_suppressed},
        "reached": {"k": reached.k, "l": reached.l, "t": _rounded(reached.t)},
        "commonest_value_of_a_class": _rounded(reached.commonest),
        "class_sizes": reached.sizes,
        "generalisation": [
            {
                "column": hierarchy.name,
                "level": hierarchy.levels[level],
                "of": list(hierarchy.levels),
                "told": hierarchy.name not in chosen.dropped,
            }
            for hierarchy, level in zip(chosen.coded.hierarchies, chosen.found.levels, strict=True)
        ],
        "information_loss": round(chosen.found.loss, 4),
        "suppressed": {
            "in classes too small or of one kind": small(chosen.left_out - held, rules.k),
            "so that an earlier export does not give them away": small(held, rules.k),
        },
        "risk": {
            "prosecutor, highest": round(reached.prosecutor, 4),
            "prosecutor, mean": round(reached.marketer, 4),
            "journalist, highest": round(release.journalist, 4),
            "marketer": round(reached.marketer, 4),
        },
        "rows_that_nobody_else_has_in_all_columns": small(reached.unique, rules.k),
        "left_out_because_the_same_for_everybody": [
            name
            for name in columns.SENSITIVE
            if name not in chosen.sensitive and name not in chosen.dropped
        ],
        "identifiers": identifiers(profile),
    }
    if profile == "expert" and rules.determination is not None:
        found = rules.determination
        told["determination"] = {
            "by": found.by,
            "on": str(found.on),
            "expires": str(found.expires),
            "dates_move_at_most_days": found.weeks * 7,
        }
        told["days_left_empty"] = small(release.dates_hidden, rules.k)
    return told


def _values(table: pa.Table, name: str) -> str:
    """The values that occur, without how often."""
    column = table[name].combine_chunks()
    if not pa.types.is_dictionary(column.type):
        return "a day, or empty" if name == "first_visit_on" else "16 hexadecimal digits"
    return "; ".join(sorted(column.dictionary.to_pylist()))


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def checked_values(table: pa.Table, known: Mapping[str, Sequence[str]]) -> list[str]:
    """The columns that hold a value which the codebook or the hierarchies do not have."""
    return [
        name
        for name, values in known.items()
        if name in table.column_names
        and not set(table[name].combine_chunks().dictionary.to_pylist()) <= set(values)
    ]
