"""Which people an export or a figure is about."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from attribution.errors import BadInput

Flags = NDArray[np.bool_]
OLDEST_TOLD = 89


@dataclass(frozen=True, slots=True)
class Cohort:
    """Everybody who fits all that is said; what is not said fits everybody.

    Ages are those reached in the year in which the data end; years are those of the first visit.
    """

    service_lines: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    age_from: int | None = None
    age_to: int | None = None
    first_year: int | None = None
    last_year: int | None = None

    def check(self) -> None:
        """Raise BadInput where it asks for what may not be asked."""
        ages = [age for age in (self.age_from, self.age_to) if age is not None]
        if any(age > OLDEST_TOLD + 1 for age in ages) or self.age_to == OLDEST_TOLD + 1:
            raise BadInput(
                f"Ages above {OLDEST_TOLD} are told together: say {OLDEST_TOLD + 1} as the "
                f"youngest or {OLDEST_TOLD} as the oldest."
            )
        for low, high in ((self.age_from, self.age_to), (self.first_year, self.last_year)):
            if low is not None and high is not None and low > high:
                raise BadInput(f"{low} to {high} holds nobody. Swap the two.")

    def said(self) -> dict[str, object]:
        """What is asked for, for the audit log: only what narrows."""
        return {name: value for name, value in asdict(self).items() if value not in ((), None)}

    def told(self) -> dict[str, object]:
        """The same for whoever receives the data: places are smaller than a state, so unnamed."""
        said = self.said()
        if self.locations:
            said["locations"] = "some places of care, which may not be named"
        return said


def as_written(table: pa.Table, cohort: Cohort, least: int) -> Cohort:
    """The cohort in the words of the data, in whichever case they were typed, with `_` or spaces.

    Raises BadInput where nobody has one. Then those are listed that `least` people have or more: a
    rarer one would tell that somebody has it.
    """

    def meant(name: str, values: Sequence[str]) -> tuple[str, ...]:
        return tuple(chain(*(_meant(table, name, value, least) for value in values)))

    return replace(
        cohort,
        service_lines=meant("service_line", cohort.service_lines),
        conditions=meant("condition", cohort.conditions),
        locations=meant("location", cohort.locations),
        sexes=meant("sex", cohort.sexes),
    )


def _meant(table: pa.Table, name: str, value: str, least: int) -> list[str]:
    counted = pc.value_counts(table[name]).to_pylist()
    known = {each["values"]: each["counts"] for each in counted if each["values"] is not None}
    if value in known:
        return [value]
    if alike := sorted(each for each in known if _folded(each) == _folded(value)):
        return alike
    common = ", ".join(sorted(each for each, people in known.items() if each and people >= least))
    choose = f"Choose from: {common}." if common else f"Nothing of the kind has {least} people."
    raise BadInput(f"Nobody has the {name.replace('_', ' ')} {value!r}. {choose}")


def _folded(word: str) -> str:
    return " ".join(word.replace("_", " ").casefold().split())


def members(table: pa.Table, cohort: Cohort) -> Flags:
    """Which rows of `research_people` are in the cohort."""
    cohort.check()
    inside = np.ones(len(table), dtype=bool)
    for name, values in (
        ("service_line", cohort.service_lines),
        ("condition", cohort.conditions),
        ("location", cohort.locations),
        ("sex", cohort.sexes),
    ):
        if values:
            inside &= _among(table[name], values)
    years = pc.year(table["first_visit"])
    for column, low, high in (
        (table["age"], cohort.age_from, cohort.age_to),
        (years, cohort.first_year, cohort.last_year),
    ):
        if low is not None:
            inside &= _flags(pc.greater_equal(column, low))
        if high is not None:
            inside &= _flags(pc.less_equal(column, high))
    return inside


def _among(column: pa.ChunkedArray, values: Sequence[str]) -> Flags:
    return _flags(pc.is_in(column, value_set=pa.array(list(values), pa.string())))


def _flags(found: pa.ChunkedArray) -> Flags:
    flags: Flags = pc.fill_null(found, False).to_numpy(zero_copy_only=False).astype(bool)
    return flags
