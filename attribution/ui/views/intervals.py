"""Between what and what credit lies, in words, in figures and as a table."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from attribution.metrics import KINDS, Format, definition
from attribution.models import MODELS
from attribution.queries import Scope
from attribution.ui import formats
from attribution.ui.view import Column, Table, records, table_of

FEW = "Fewer than about thirty people stand behind the number: read its interval as a guess."

Ends = Mapping[tuple[str, str], Mapping[str, Any]]


def by_pair(found: pd.DataFrame) -> Ends:
    """The rows of `credit_with_intervals` whose interval is known, by model and channel."""
    known = found[found["low"].notna()]
    return {(row["model"], row["channel"]): row for row in records(known)}


def in_words(ends: Ends, model: str, channel: str, kind: str, currency: str) -> str:
    """The interval of one amount, to go on a sentence with; empty where it is not known."""
    row = ends.get((model, channel))
    if row is None:
        return ""
    low, high = (
        formats.money(row[end], currency) if kind == "collected" else formats.number(row[end])
        for end in ("low", "high")
    )
    few = " (few people: a guess)" if row["few"] else ""
    return f"; {low} to {high} at 90%{few}"


def of_shares(
    drawn: pd.DataFrame, ends: Ends, model: str
) -> tuple[str, list[float], list[float]] | None:
    """Name, lows and highs of the chosen model's shares for a figure; None where not known.

    `drawn` has a row for each channel, with the whole in `total`.
    """
    rows = [ends.get((model, channel)) for channel in drawn["channel"]]
    if not any(rows):
        return None
    total = float(drawn["total"].iloc[0])
    lows, highs = (
        [float(row[end]) / total if row else 0.0 for row in rows] for end in ("low", "high")
    )
    return f"90% interval of {MODELS[model].title}", lows, highs


def table(found: pd.DataFrame, scope: Scope) -> Table:
    """A row for each model and channel, the chosen model first, then most credit first."""
    place = {name: number for number, name in enumerate(MODELS, start=1)} | {scope.model: 0}
    known = found[found["model"].isin(place) & found["low"].notna()]
    frame = known.assign(place=known["model"].map(place)).sort_values(
        ["place", "amount", "channel"], ascending=[True, False, True], ignore_index=True
    )
    titles = {name: model.title for name, model in MODELS.items()}
    # Names by number: a row for each model and channel would say each of them a dozen times.
    frame = frame.assign(
        model=frame["model"].map(titles).astype("category"),
        channel=frame["channel"].astype("category"),
    )
    written: Format = "money" if scope.kind == "collected" else "number"
    meaning = definition(KINDS[scope.kind])
    columns = (
        Column("channel", "Channel"),
        Column("amount", meaning.title, written, f"Credited by the model. {meaning.sentence}"),
        Column("low", "Low", written, "Lower end of the 90% interval."),
        Column("high", "High", written, "Upper end of the 90% interval."),
        Column("few", "Few people", "flag", FEW),
        # On a phone the numbers come first: the rows begin with the chosen model.
        Column("model", "Credit model"),
    )
    note = "" if len(frame) else "Intervals come with the next `caretrace refresh`."
    return table_of(
        "How sure each model's credit is",
        columns,
        frame,
        note,
    )
