"""How the quasi-identifiers of research data are generalised, level by level.

Spans begin at fixed years and ages, whatever the cohort: two exports of different levels then have
a common coarser one, at which they can be compared.
"""

from collections.abc import Sequence

from attribution.research import zip3
from attribution.research.lattice import Hierarchy

ANY = "*"
# Ages and sexes matter to most questions, and areas and years of a first visit to few.
_WEIGHTS = {"age": 3.0, "sex": 2.0}
UNKNOWN = "unknown"
OLDEST = "90+"
EARLIER = "earlier"  # a first visit so long ago that it would tell an age above 89
VISIT_BANDS = ("1", "2", "3-4", "5-9", "10+")
_AGE_STEPS = (5, 10, 20)
_YEAR_STEPS = (1, 2, 4)
_LAST_BAND = 89


def ages() -> Hierarchy:
    """Leaves: 0 unknown, 1 to 18 five years each from 0 to 89, 19 everyone above."""
    starts = range(0, _LAST_BAND + 1, 5)
    levels = [
        (UNKNOWN, *(_ages(start, step) for start in starts), _ages(90, step)) for step in _AGE_STEPS
    ]
    names = (*(f"{step} years" for step in _AGE_STEPS), ANY)
    return Hierarchy("age", names, (*levels, (ANY,) * len(levels[0])), _WEIGHTS["age"])


def _ages(age: int, step: int) -> str:
    """The band of an age; the last one is open, and never reaches above 90 only in part."""
    if age >= 90 and 90 % step == 0:
        return OLDEST
    start = age // step * step
    return f"{start}+" if start + step > 90 else f"{start}-{start + step - 1}"


def sexes() -> Hierarchy:
    """Leaves: other or unknown, female, male."""
    names = ("other or unknown", "female", "male")
    return Hierarchy("sex", ("as recorded", ANY), (names, (ANY,) * 3), _WEIGHTS["sex"])


def areas(prefixes: Sequence[str]) -> Hierarchy:
    """Leaves: 000, then these prefixes of ZIP codes, all of which may be shown."""
    leaves = (zip3.HIDDEN, *prefixes)
    states = (zip3.NOWHERE, *map(zip3.state, prefixes))
    return Hierarchy("zip3", ("ZIP3", "state", ANY), (leaves, states, (ANY,) * len(leaves)))


def years(first: int, last: int) -> Hierarchy:
    """Leaves: 0 earlier, then each year from `first` to `last`."""
    every = range(first, last + 1)
    levels = [(EARLIER, *(_years(year, step) for year in every)) for step in _YEAR_STEPS]
    names = ("1 year", *(f"{step} years" for step in _YEAR_STEPS[1:]), ANY)
    return Hierarchy("first_visit_year", names, (*levels, (ANY,) * (len(every) + 1)))


def _years(year: int, step: int) -> str:
    start = year // step * step
    return str(year) if step == 1 else f"{start}-{start + step - 1}"


def visits() -> Hierarchy:
    """Leaves: the bands of how often somebody came."""
    wide = ("1", "2-4", "2-4", "5+", "5+")
    return Hierarchy("visits", ("5 bands", "3 bands", ANY), (VISIT_BANDS, wide, (ANY,) * 5))


def lines(names: Sequence[str]) -> Hierarchy:
    """Leaves: these service lines. They are never generalised: a condition would tell them."""
    return Hierarchy("service_line", ("as recorded",), (tuple(names),))
