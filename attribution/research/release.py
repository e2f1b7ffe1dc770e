"""From people by numbers to the table that may leave: the least generalisation, rows suppressed."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from attribution.errors import BadInput
from attribution.research import columns
from attribution.research.coding import Coded, counts, varied
from attribution.research.cohort import Flags
from attribution.research.columns import Profile
from attribution.research.lattice import Found, Whole, class_keys, numbered, search
from attribution.research.measures import Measures, measured
from attribution.research.rules import Rules


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who is in an export and how they are generalised; `kept` has a flag for everybody."""

    coded: Coded
    found: Found
    kept: Flags
    asked: int
    sensitive: tuple[str, ...]
    dropped: tuple[str, ...] = ()  # columns that nobody asked for
    varied: tuple[str, ...] = ()  # of care, that do not say the same of everybody, told or not

    @property
    def quasi(self) -> tuple[str, ...]:
        """The quasi-identifiers that are told."""
        return tuple(name for name in columns.QUASI if name not in self.dropped)

    @property
    def left_out(self) -> int:
        """How many of those asked for are not in it."""
        return self.asked - int(self.kept.sum())


@dataclass(frozen=True, slots=True)
class Release:
    """The table that may leave, what was chosen for it, and what was measured on it."""

    table: pa.Table
    chosen: Chosen
    reached: Measures
    journalist: float
    dates_hidden: int = 0


def choose(
    coded: Coded,
    inside: Flags,
    rules: Rules,
    keep: Sequence[str] = (),
    dropped: Sequence[str] = (),
    held: Flags | None = None,
    at_least: Mapping[str, int] | None = None,
    told: Collection[str] = (),
) -> Chosen:
    """The least generalisation of the people inside; those `held` count as left out.

    `keep` are quasi-identifiers that must not be generalised, `dropped` columns that are not told
    at all, `at_least` the finest levels that earlier exports leave, `told` what they tell of these
    people, which must be varied though it is dropped here. Raises BadInput with what to coarsen
    where the rules cannot be kept.
    """
    asked = int(inside.sum())
    if asked < rules.k:
        raise BadInput(
            f"The cohort has fewer than {rules.k} people, so no row of it may leave. Widen it."
        )
    _check(keep, dropped)
    among = inside if held is None else inside & ~held
    most = int(rules.max_suppressed * asked) - (asked - int(among.sum()))
    various = varied(coded, inside)
    sensitive = tuple(name for name in various if name not in dropped)
    proved = tuple(name for name in various if name in sensitive or name in told)
    if not sensitive:
        raise BadInput(
            "Everybody in the cohort has the same of all that a row would tell of their care, so "
            "it would be known of whoever is known to be in it. Widen the cohort."
        )
    tops = {h.name: len(h.levels) - 1 for h in coded.hierarchies if h.name in dropped}

    def sought(keep: Sequence[str], sensitive: Sequence[str]) -> Found | None:
        if most < 0 or not sensitive or not among.any():
            return None
        return search(
            counts(coded, among, sensitive),
            coded.hierarchies,
            k=rules.k,
            l=rules.l,
            most=most,
            limits=dict.fromkeys(keep, 0),
            floors=dict(at_least or {}) | tops,
        )

    found = sought(keep, proved)
    if found is None:
        kept = [name for name in keep if sought(_but(keep, name), proved)]
        less = [n for n in sensitive if n not in told and sought(keep, _but(proved, n))]
        raise BadInput(_refusal(rules, keep, kept, less))
    key = class_keys(coded.leaves, coded.hierarchies, found.levels)
    good = _good(key, coded, among, proved, rules)
    return Chosen(coded, found, among & good, asked, sensitive, tuple(dropped), various)


def released(chosen: Chosen, profile: Profile, rules: Rules) -> Release:
    """The table of a choice, its rows in the order of new random ids, measured as it stands."""
    coded, levels = chosen.coded, chosen.found.levels
    rows = np.flatnonzero(chosen.kept)
    # A secret's order: whoever knows the order of the source learns nothing.
    rows = rows[np.random.default_rng(secrets.randbits(256)).permutation(len(rows))]
    made: dict[str, pa.Array] = {"row_id": _row_ids(len(rows))}
    for hierarchy, level in zip(coded.hierarchies, levels, strict=True):
        if hierarchy.name in chosen.dropped:
            continue
        groups, names = hierarchy.groups(level), tuple(dict.fromkeys(hierarchy.labels[level]))
        made[hierarchy.name] = _words(groups[coded.codes[hierarchy.name][rows]], names)
    for name, names in coded.names.items():
        other = columns.BY_NAME[name].role == "other" and name not in chosen.dropped
        if name in chosen.sensitive or other:
            made[name] = _words(coded.codes[name][rows], names)
    hidden = 0
    if profile == "expert" and "first_visit_on" not in chosen.dropped:
        days, hidden = _days(chosen, rows, rules)
        made["first_visit_on"] = days
    columns.refuse_others(made, profile)
    table = pa.table({name: made[name] for name in columns.allowed(profile) if name in made})
    reached = measured(table, chosen.quasi, chosen.sensitive)
    if reached.k < rules.k or min(reached.l.values()) < rules.l:
        raise BadInput("The table does not reach what was sought; nothing was written. Report it.")
    return Release(table, chosen, reached, _journalist(chosen), hidden)


def _check(keep: Sequence[str], dropped: Sequence[str]) -> None:
    # A condition tells the service line, so leaving the line out would protect nobody.
    droppable = [c.name for c in columns.COLUMNS if c.name not in ("row_id", "service_line")]
    for asked, known, what in (
        (keep, columns.QUASI, "kept as it is"),
        (dropped, droppable, "left out"),
    ):
        unknown = sorted(set(asked) - set(known))
        if unknown:
            raise BadInput(
                f"{', '.join(unknown)} cannot be {what}. Choose from: {', '.join(known)}."
            )
    both = sorted(set(keep) & set(dropped))
    if both:
        raise BadInput(f"{', '.join(both)} is to be kept and left out at once. Choose one.")


def _good(key: Whole, coded: Coded, among: Flags, sensitive: Sequence[str], rules: Rules) -> Flags:
    """Who is in a class that is large and varied enough."""
    number = np.full(len(key), -1, dtype=np.int64)
    number[among] = numbered(key[among])[0]
    own = number[among]
    fine = np.bincount(own) >= rules.k
    for name in sensitive:
        width = len(coded.names[name])
        cells = np.bincount(own * width + coded.codes[name][among], minlength=len(fine) * width)
        fine &= (cells.reshape(len(fine), width) > 0).sum(axis=1) >= rules.l
    good: Flags = (number >= 0) & fine[number]
    return good


def _journalist(chosen: Chosen) -> float:
    """The highest chance for who does not know whether somebody is in it: among everybody."""
    coded = chosen.coded
    key = class_keys(coded.leaves, coded.hierarchies, chosen.found.levels)
    number = numbered(key)[0]
    sizes = np.bincount(number)
    return float(1 / sizes[number[chosen.kept]].min())


def _days(chosen: Chosen, rows: Whole, rules: Rules) -> tuple[pa.Array, int]:
    """Shifted days; empty for whom fewer than k people could be meant.

    Whoever knows the true day of somebody's first visit looks among those who are like them in all
    but the year, on the same day of the week, whose shifted day is no farther from it than days
    move.
    """
    coded = chosen.coded
    assert coded.days is not None  # noqa: S101 - the profile reads them
    assert coded.shift is not None  # noqa: S101
    assert rules.determination is not None  # noqa: S101
    levels = [
        len(h.levels) - 1 if h.name == "first_visit_year" else level
        for h, level in zip(coded.hierarchies, chosen.found.levels, strict=True)
    ]
    key = class_keys(coded.leaves[rows], coded.hierarchies, levels) * 7 + coded.days[rows] % 7
    farthest = rules.determination.weeks * 7
    shown, true = coded.days[rows], coded.days[rows] - coded.shift[rows]
    number = numbered(key)[0]
    # One line for all classes: days of different ones are farther apart than any two dates.
    span = 10 * int(np.abs(shown).max() + farthest + 1)
    line = np.sort(number * span + shown)
    low = np.searchsorted(line, number * span + true - farthest, side="left")
    high = np.searchsorted(line, number * span + true + farthest, side="right")
    few = high - low < rules.k
    days = pa.array(shown.astype(np.int32), pa.int32(), mask=few).cast(pa.date32())
    return days, int(few.sum())


def _words(codes: Whole, names: Sequence[str]) -> pa.Array:
    """Words, numbered: only those that occur."""
    present = np.unique(codes)
    place = np.zeros(len(names), dtype=np.int32)
    place[present] = np.arange(len(present))
    known = pa.array([names[number] for number in present], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(place[codes]), known)


def _row_ids(number: int) -> pa.Array:
    """Random numbers of 64 bits as text, in their order."""
    drawn = np.sort(np.frombuffer(secrets.token_bytes(8 * number), dtype=">u8"))
    digits = drawn.astype(">u8").tobytes().hex().encode()
    return pa.array(np.frombuffer(digits, dtype="S16").astype(str), pa.string())


def _but(names: Sequence[str], one: str) -> list[str]:
    return [name for name in names if name != one]


def _refusal(rules: Rules, keep: Sequence[str], kept: Sequence[str], told: Sequence[str]) -> str:
    """What cannot be had, and what would have to give way."""
    ways = [f"let {name} be generalised" for name in kept]
    ways += [f"leave {name} out" for name in told]
    if not ways and keep:
        ways = [f"let {', '.join(keep)} be generalised"]
    way = " or ".join([*ways, "widen the cohort"])
    return (
        f"No generalisation leaves {rules.k} people alike, and {rules.l} values of each sensitive "
        f"column among them, without leaving out more than {rules.max_suppressed:.0%} of the "
        f"cohort. {way[0].upper()}{way[1:]}."
    )
