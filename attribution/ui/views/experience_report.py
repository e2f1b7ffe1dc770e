"""Everything that the page Experience shows as plain numbers: what its export writes."""

from collections.abc import Mapping, Sequence

import pandas as pd

from attribution.ui.view import Column, Metric, Table, records

# The tables of the report, and which of their columns name a row; all others are numbers.
_NAMED = {
    "months": ("month",),
    "service_line": ("service_line",),
    "location": ("location",),
    "waits": ("waited",),
    "curve": (),
    "drivers": ("driver", "level"),
    "sites": ("site", "location"),
}


def report(metrics: Sequence[Metric], tables: Mapping[str, Table]) -> Table:
    """A row for each number: part, item, number, value."""
    rows: list[tuple[str, str, str, float | None]] = [
        ("numbers", "", each.name, each.value) for each in metrics
    ]
    for part, named in _NAMED.items():
        if part not in tables:
            continue
        for place, row in enumerate(records(tables[part].frame)):
            item = ", ".join(_written(row[name]) for name in named) or f"{place + 1}"
            rows += [
                (part, item, name, None if pd.isna(value) else float(value))
                for name, value in row.items()
                if name not in named and name != "day"
            ]
    columns = (
        Column("part", "Part"),
        Column("item", "Item"),
        Column("number", "Number"),
        Column("value", "Value", "number"),
    )
    frame = pd.DataFrame(rows, columns=[c.name for c in columns])
    return Table("Experience report", columns, frame.astype({"value": "float64"}))


def _written(value: object) -> str:
    return value if isinstance(value, str) else f"{pd.Timestamp(str(value)):%Y-%m-%d}"
