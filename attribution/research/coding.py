"""People as numbers: each value of each column becomes the number of a band or a group.

From here on nothing is left that the codebook does not name: exact ages, days, amounts and texts
stay behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from attribution.research import columns, hierarchies, zip3
from attribution.research.cohort import Flags
from attribution.research.lattice import WORD, Counts, Hierarchy, Whole, class_keys, numbered
from attribution.research.rare import OTHER, folded

MICROS = 1_000_000
_MONEY = np.array([1, 100, 500, 2000, 10_000]) * MICROS  # where each band begins but the first
_TIMES = np.array([1, 2, 5])
_VISITS = np.array([2, 3, 5, 10])
_LEADS = np.array([8, 31, 91])
_LIFE = 89  # years: an earlier first visit would tell that somebody is older


@dataclass(frozen=True, slots=True)
class Coded:
    """Everybody by numbers: `codes[name]` are places in `names[name]`, one for each person.

    Quasi-identifiers have a hierarchy instead of names, and a column of `leaves` each. `tags` stand
    for the people, `days` are shifted first visits (days since 1970) where dates are shifted, and
    `shift` the days shifted by.
    """

    hierarchies: tuple[Hierarchy, ...]
    leaves: Whole
    codes: Mapping[str, Whole]
    names: Mapping[str, tuple[str, ...]]
    tags: Whole
    days: Whole | None = None
    shift: Whole | None = None


def coded(table: pa.Table, inside: Flags, *, k: int, l: int) -> Coded:  # noqa: E741
    """Number everybody; values that are rare among those `inside` are folded for all."""
    shift = _whole(table["shift_weeks"]) * 7 if "shift_weeks" in table.column_names else None
    days = _whole(table["first_visit"].cast(pa.int32()))
    seen = days if shift is None else days + shift
    year = 1970 + seen.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64)
    texts = {name: _folded(table[name], inside, k) for name in columns.FOLDED}
    paid = np.searchsorted(_MONEY, _whole(table["paid_micros"]), side="right")
    codes = {name: code for name, (code, _names) in texts.items()} | {"paid": paid}
    names = {name: known for name, (_code, known) in texts.items()}
    names["paid"] = columns.MONEY_BANDS
    codes["service_line"], names["service_line"] = _varied(codes, names, inside, k, l)
    codes["zip3"], areas = _areas(table["zip3"])
    codes["age"] = _ages(table["age"])
    codes["sex"] = _sexes(table["sex"])
    codes["visits"] = np.searchsorted(_VISITS, _whole(table["visits"]), side="right")
    codes["first_visit_year"], years = _years(year, _whole(table["age_in"]))
    found = {
        h.name: h
        for h in (
            hierarchies.ages(),
            hierarchies.sexes(),
            areas,
            years,
            hierarchies.visits(),
            hierarchies.lines(names["service_line"]),
        )
    }
    codes |= _others(table)
    names |= {c.name: c.values for c in columns.COLUMNS if c.role == "other" and c.values}
    return Coded(
        tuple(found[name] for name in columns.QUASI),
        np.stack([codes[name] for name in columns.QUASI], axis=1),
        codes,
        {name: names[name] for name in names if name not in found},
        _whole(table["tag"]),
        None if shift is None else seen,
        shift,
    )


def varied(coded: Coded, inside: Flags) -> tuple[str, ...]:
    """The sensitive columns that do not say the same of everybody inside."""
    return tuple(
        name for name in columns.SENSITIVE if len(np.unique(coded.codes[name][inside])) > 1
    )


def counts(coded: Coded, inside: Flags, sensitive: Sequence[str]) -> Counts:
    """The people inside, counted by their finest values."""
    leaves = coded.leaves[inside]
    finest = class_keys(leaves, coded.hierarchies, [0] * len(coded.hierarchies))
    places, first = numbered(finest)
    seen = []
    for name in sensitive:
        width = len(coded.names[name])
        pairs = pd.unique(places * width + coded.codes[name][inside])
        bits = np.zeros((len(first), width // WORD + 1), dtype=np.int64)
        value = pairs % width
        np.bitwise_or.at(bits, (pairs // width, value // WORD), np.int64(1) << (value % WORD))
        seen.append(bits)
    return Counts(leaves[first], np.bincount(places), tuple(seen))


def _whole(column: pa.ChunkedArray, missing: int = 0) -> Whole:
    whole: Whole = pc.fill_null(column.cast(pa.int64()), missing).to_numpy()
    return whole


def _ages(column: pa.ChunkedArray) -> Whole:
    age = _whole(column, -1)
    known = (age >= 0) & (age <= 130)
    return np.where(known, np.minimum(age // 5, 18) + 1, 0)


def _sexes(column: pa.ChunkedArray) -> Whole:
    place = {"female": 1, "f": 1, "male": 2, "m": 2}
    return _mapped(column, {value: place.get(value, 0) for value in _distinct(column)})


def _areas(column: pa.ChunkedArray) -> tuple[Whole, Hierarchy]:
    told = {value: zip3.shown(value) for value in _distinct(column)}
    prefixes = sorted(set(told.values()) - {zip3.HIDDEN})
    place = {zip3.HIDDEN: 0} | {prefix: number for number, prefix in enumerate(prefixes, 1)}
    codes = _mapped(column, {value: place[shown] for value, shown in told.items()})
    return codes, hierarchies.areas(prefixes)


def _years(year: Whole, ends: Whole) -> tuple[Whole, Hierarchy]:
    told = np.where(year > ends - _LIFE, year, 0)
    first = int(year[told > 0].min(initial=int(ends.max(initial=1970))))
    last = int(year.max(initial=first))
    return np.where(told > 0, year - first + 1, 0), hierarchies.years(first, last)


def _others(table: pa.Table) -> dict[str, Whole]:
    sent = sum(_whole(table[name]) for name in ("emails", "texts", "other_messages"))
    answered = np.where(_whole(table["responses"]) > 0, 2, 1)
    lead = _whole(table["lead_days"], -1)
    return {
        **{
            name: np.searchsorted(_TIMES, _whole(table[name]), side="right")
            for name in ("emails", "texts", "other_messages")
        },
        "answered": np.where(np.asarray(sent) > 0, answered, 0),
        "lead_to_visit": np.where(lead < 0, 0, np.searchsorted(_LEADS, lead, side="right") + 1),
        "high_pollen": _share(table, "high_pollen_visits", "pollen_visits"),
        "poor_air": _share(table, "poor_air_visits", "air_visits"),
    }


def _share(table: pa.Table, part: str, whole: str) -> Whole:
    """Places among the bands of shares: not measured, none, up to half, more."""
    some, of = _whole(table[part]), _whole(table[whole])
    bands: Whole = np.where(of == 0, 0, 1 + (some > 0) + (2 * some > of))
    return bands


def _folded(column: pa.ChunkedArray, inside: Flags, k: int) -> tuple[Whole, tuple[str, ...]]:
    """Codes and names of a column of text; who is outside may have what nobody inside has."""
    encoded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    place = encoded.indices.to_numpy()
    values = [value or "" for value in encoded.dictionary.to_pylist()]
    sizes = np.bincount(place[inside], minlength=len(values))
    people = {value: int(size) for value, size in zip(values, sizes, strict=True) if size}
    called = folded(people, k)
    names = tuple(sorted({*called.values(), OTHER}))
    number = {name: spot for spot, name in enumerate(names)}
    mapping = np.array([number[called.get(v, OTHER)] for v in values], dtype=np.int64)
    return mapping[place], names


def _varied(
    codes: Mapping[str, Whole],
    names: Mapping[str, tuple[str, ...]],
    inside: Flags,
    k: int,
    l: int,  # noqa: E741
) -> tuple[Whole, tuple[str, ...]]:
    """Service lines that are of few people, or say what somebody has, become Other."""
    line, known = codes["service_line"].copy(), names["service_line"]
    other = known.index(OTHER)
    telling = [n for n in columns.SENSITIVE if len(np.unique(codes[n][inside])) > 1]

    def told(number: int) -> bool:
        own = inside & (line == number)
        few = [len(np.unique(codes[name][own])) < l for name in telling]
        return bool(own.any()) and (int(own.sum()) < k or any(few))

    for number in range(len(known)):
        if number != other and told(number):
            line[line == number] = other
    while told(other):
        sizes = np.bincount(line[inside], minlength=len(known))
        sizes[other] = 0
        if not sizes.any():
            break
        line[line == np.where(sizes > 0, sizes, sizes.max() + 1).argmin()] = other
    return line, known


def _distinct(column: pa.ChunkedArray) -> list[str]:
    return [value or "" for value in pc.unique(column).to_pylist()]


def _mapped(column: pa.ChunkedArray, codes: Mapping[str, int]) -> Whole:
    encoded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    values = [codes[value or ""] for value in encoded.dictionary.to_pylist()]
    mapped: Whole = np.array(values, dtype=np.int64)[encoded.indices.to_numpy()]
    return mapped
