"""How sure a table of de-identified people is, measured on the table itself.

k: people in the smallest class of equal quasi-identifiers. l: fewest values of a sensitive column
in a class (distinct l-diversity). t: greatest distance of a class's values from everybody's, half
the sum of absolute differences (t-closeness with equal distances, Li et al. 2007).

Risks after El Emam (Guide to the De-Identification of Personal Health Information, 2013): the
prosecutor knows that a person is in the table and finds them with 1 / size of their class; the
journalist does not know, and must choose among all patients that look alike; the marketer wants as
many as possible, and is right for classes / people of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from attribution.research.lattice import Whole, numbered

SIZES = ((11, 20), (21, 50), (51, 100), (101, 1000), (1001, None))


@dataclass(frozen=True, slots=True)
class Measures:
    """What was reached; `l`, `t` and `commonest` by sensitive column, `sizes` counts classes."""

    people: int
    classes: int
    k: int
    l: dict[str, int]  # noqa: E741
    t: dict[str, float]
    commonest: dict[str, float]  # the greatest share of one value in a class
    sizes: dict[str, int]
    unique: int  # people whose whole row, all columns together, nobody else has

    @property
    def prosecutor(self) -> float:
        """The chance to find somebody of the smallest class."""
        return 1 / self.k

    @property
    def marketer(self) -> float:
        """The share of people that would be found right, and the prosecutor's mean chance."""
        return self.classes / self.people


def measured(table: pa.Table, quasi: Sequence[str], sensitive: Sequence[str]) -> Measures:
    """Measure a table of one row a person; its columns are dictionary-encoded."""
    classes = _numbered(table, quasi)
    sizes = np.bincount(classes)
    l_, t, commonest = {}, {}, {}
    for name in sensitive:
        values, width = _codes(table, name)
        cells = np.bincount(classes * width + values, minlength=len(sizes) * width)
        cells = cells.reshape(len(sizes), width)
        shares = cells / sizes[:, None]
        l_[name] = int((cells > 0).sum(axis=1).min())
        t[name] = float(np.abs(shares - cells.sum(axis=0) / len(table)).sum(axis=1).max() / 2)
        commonest[name] = float(shares.max())
    everything = [name for name in table.column_names if name != "row_id"]
    alike = np.bincount(_numbered(table, everything))
    return Measures(
        people=len(table),
        classes=len(sizes),
        k=int(sizes.min()),
        l=l_,
        t=t,
        commonest=commonest,
        sizes={
            f"{low} or more" if high is None else f"{low}-{high}": int(
                ((sizes >= low) & (sizes <= (high or sizes.max()))).sum()
            )
            for low, high in SIZES
        },
        unique=int((alike == 1).sum()),
    )


def _codes(table: pa.Table, name: str) -> tuple[Whole, int]:
    column = table[name].combine_chunks()
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = column.indices.fill_null(len(column.dictionary)).to_numpy().astype(np.int64)
    return codes, len(column.dictionary) + 1


def _numbered(table: pa.Table, names: Sequence[str]) -> Whole:
    """The number of each row's class, from 0."""
    key = np.zeros(len(table), dtype=np.int64)
    for name in names:
        codes, width = _codes(table, name)
        key = key * width + codes
        if key.max(initial=0) > 2**40:  # room for the next column
            key = numbered(key)[0]
    return numbered(key)[0]
