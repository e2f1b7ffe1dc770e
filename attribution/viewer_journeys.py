"""What viewers are told of how groups of patients came: channels, days and ways, cell by cell.

Whoever has known days or a known way has a known channel too. So those of whom it is not known are
told apart from all others, and a measure of a cell only where they are nobody or enough people more
than those without a known channel: else the page would tell of the few in between.
"""

from dataclasses import replace

import pandas as pd

from attribution.group_queries import OF_JOURNEYS
from attribution.small_cells import LEAST, OTHER, Cube, protected

JOURNEYS = Cube(
    "patient_journeys",
    keys=(*OF_JOURNEYS, "item"),
    counts=("people",),
    by=("condition", "measure"),
)
# Numbers say how many have no known channel, so these join no channel that few came by.
_ITEMS = replace(JOURNEYS, by=(*JOURNEYS.by, "is_known"))
_WHOLE = "(whole)"


def folded(
    known: pd.DataFrame, journeys: pd.DataFrame, before: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The rows of `journeys` that are told, folded within the cells of `known`, the numbers told.

    A measure of a cell that is not fine beside these is told of nobody; one that was told before
    stays. Where it cannot be folded within its cell it is left out too.
    """
    place = cell_of(journeys, "measure")
    fine = _fine(known, journeys)
    kept = place.isin(fine[fine].index)
    if before is not None:
        kept |= place.isin(cell_of(before, "measure"))
    rows = protected(
        _ITEMS,
        _whole_cells(journeys[kept]),
        None if before is None else _whole_cells(before),
    )
    inside = (rows[[*OF_JOURNEYS]] != OTHER).all(axis=1)
    named = rows[inside].replace(dict.fromkeys(OF_JOURNEYS, _WHOLE), OTHER)
    return named.drop(columns="is_known").reset_index(drop=True)


def fine_cells(known: pd.DataFrame, journeys: pd.DataFrame) -> pd.Index:
    """The cells of which every measure that is told is fine."""
    fine = _fine(known, journeys).groupby(level=[*OF_JOURNEYS]).all()
    return fine[fine].index


def cell_of(frame: pd.DataFrame, *more: str) -> pd.MultiIndex:
    """The cell of journeys that each row of numbers or journeys is in."""
    return pd.MultiIndex.from_frame(frame[[*OF_JOURNEYS, *more]].astype("object"))


def _fine(known: pd.DataFrame, journeys: pd.DataFrame) -> pd.Series:
    """By cell and measure, whether nobody or enough people are between any two numbers of it.

    Between those of the measure, what `known` says of the cell, and who has no known channel.
    """
    cell = list(OF_JOURNEYS)
    unknown = journeys["people"].where(journeys["item"] == "", 0)
    parts = journeys.assign(unknown=unknown).groupby([*cell, "measure"], as_index=False)
    told = known.groupby(cell, as_index=False)[["people", "touched", "arrived"]].sum()
    rows = parts[["people", "unknown"]].sum()
    rows = rows.merge(told.rename(columns={"people": "every"}), on=cell)
    none = rows["unknown"]
    not_arrived = (none - rows["every"] + rows["arrived"]).where(rows["measure"] == "days", 0)
    left = [
        *(none, rows["people"] - none, rows["people"] - rows["every"]),
        *(none - rows["every"] + rows["touched"], not_arrived),
    ]
    for channel in ("first_channel", "last_channel"):
        of = rows[rows["measure"] == channel].set_index(cell)["unknown"]
        left.append(none - of.reindex(cell_of(rows)).to_numpy())
    apart = pd.concat(left, axis=1).fillna(0).abs()  # of a channel that is not told, nothing
    fine = ((apart == 0) | (apart >= LEAST)).all(axis=1)
    return pd.Series(fine.to_numpy(dtype=bool), index=cell_of(rows, "measure"))


def _whole_cells(journeys: pd.DataFrame) -> pd.DataFrame:
    """Journeys whose cells stay as they are: only channels and ways within one are folded.

    What is called `OTHER` is folded on; a cell that is told has enough people not to be.
    """
    whole = journeys.replace(dict.fromkeys(OF_JOURNEYS, OTHER), _WHOLE)
    return whole.assign(is_known=whole["item"] != "").reset_index(drop=True)
