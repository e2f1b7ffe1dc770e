"""Everything that a page of messages shows as one table for a file: the rows of all its tables."""

import pandas as pd

from attribution.ui.view import Column, Table
from attribution.ui.views import message_counts as counted

_NAMES = ("flow", "channel", "channel_wish", "week", "window_days", "had")
_TITLES = ("Flow", "Channel", "It is", "Week", "Days", "Messages had")


def report(
    tables: dict[str, Table], cells: pd.DataFrame, *, folded: bool, more: tuple[str, ...] = ()
) -> Table:
    """The rows of all tables below one another, then every cell of which the counts are made.

    `part` says which table a row is of; a column that a part does not have is empty. `more` are
    names of columns of other tables.
    """
    shown = [*counted.TOLD, *(() if folded else counted.MORE)]
    parts = [_part(name, each.frame) for name, each in tables.items() if not each.frame.empty]
    every_cell = counted.in_words(cells[[*_NAMES[:4], "people", *shown]])
    parts.append(_part("cells", every_cell))
    numbers = [c.name for c in counted.columns(folded=folded)]
    every = list(dict.fromkeys(f"{name}" for part in parts for name in part))
    order = ["part", *(n for n in _NAMES if n in every), *more]
    order += [n for n in numbers if n in every and n not in order]
    order += [n for n in every if n not in order]
    frame = pd.concat([part.reindex(columns=order).astype(object) for part in parts])
    named = dict(zip(_NAMES, _TITLES, strict=True)) | {"part": "Part"}
    columns = tuple(
        Column(name, named.get(name, name), "text" if name in (*named, *more) else "number")
        for name in order
    )
    texts = [name for name in order if name in (*named, *more)]
    frame[texts] = frame[texts].map(lambda value: "" if pd.isna(value) else str(value))
    return Table("Everything on this page", columns, frame.reset_index(drop=True))


def _part(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(part=name)
