"""What goes with a higher or a lower NPS: a linear model whose small groups are drawn to the mean.

Each answer is 100, 0 or -100, so effects are in points of NPS. Waits, new patients and missed
visits have an effect of their own; service lines, places and doctors are random effects, whose
spreads are learned by expectation maximisation (Laird and Ware 1982) under a weak prior that they
are of some points: a doctor with a dozen answers is told near the mean, one with hundreds where
the answers put them. All is found from sums of products, so a million answers cost no more than
their cells. Effects are associations, all else in the model alike, and no causes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.linalg

Floats = npt.NDArray[np.float64]
COLUMNS = ("part", "part_value", "driver", "level", "people", "effect", "low", "high")
GROUPS = ("service_line", "location", "provider")
FEWEST = 200  # answers below which nothing is told of a part
LEAST = 11  # answers of a level that is told by name
MOST_LEVELS = 150  # of a driver, those with most answers
OTHERS = "(other)"
STEP = 10.0  # minutes of waiting that an effect is of
_TYPICAL, _PRIOR = 4.0, 3.0  # spread of groups in points, and how many groups it is worth
_ROUNDS, _SETTLED = 60, 2e-3
_WIDE = 1e-8  # precision of what nothing is known of beforehand
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class _Column:
    """One effect: what it is of, and whether it is one of a group."""

    driver: str
    level: str
    people: int


def experience_drivers(cells: pd.DataFrame) -> pd.DataFrame:
    """Effects of everybody's answers, and of those within each service line and each location.

    `cells` has service_line, location, provider, minutes, patient, has_missed, people, promoters,
    detractors; the answer the columns of `COLUMNS`, effects in points of NPS.
    """
    order = ["service_line", "location", "provider", "minutes", "patient", "has_missed"]
    cells = cells.sort_values(order, ignore_index=True)
    parts = [("", "", cells)]
    for part in ("service_line", "location"):
        parts += [(part, str(value), rows) for value, rows in cells.groupby(part, sort=True)]
    rows = [
        (part, value, *row)
        for part, value, found in parts
        if found["people"].sum() >= FEWEST
        for row in _effects(found, but=part)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    floats = dict.fromkeys(("effect", "low", "high"), "float64")
    texts = dict.fromkeys(("part", "part_value", "driver", "level"), "str")
    return frame.astype({"people": "int64"} | floats | texts)


def _effects(cells: pd.DataFrame, but: str) -> list[tuple[str, str, int, float, float, float]]:
    design, columns, group = _design(cells, [name for name in GROUPS if name != but])
    people = cells["people"].to_numpy(np.float64)
    told = 100 * (cells["promoters"] - cells["detractors"]).to_numpy(np.float64)
    squares = 1e4 * float((cells["promoters"] + cells["detractors"]).sum())
    products = design.T @ (people[:, None] * design)
    effects, deviations = _solved(products, design.T @ told, squares, float(people.sum()), group)
    return [
        (
            column.driver,
            column.level,
            column.people,
            round(float(effect), 4),
            round(float(effect - _Z * deviation), 4),
            round(float(effect + _Z * deviation), 4),
        )
        for column, effect, deviation in zip(columns, effects[1:], deviations[1:], strict=True)
        if column.level != OTHERS
    ]


def _design(
    cells: pd.DataFrame, groups: list[str]
) -> tuple[Floats, list[_Column], npt.NDArray[np.int64]]:
    """One, then a column for each effect; `group` says which spread a column has, -1 for none."""
    people = cells["people"]
    parts: list[Floats] = [np.ones(len(cells)), cells["minutes"].to_numpy(np.float64) / STEP]
    columns = [_Column("wait", "", int(people.sum()))]
    group = [-1, -1]
    for driver, level in (("patient", "new"), ("has_missed", "yes")):
        chosen = (cells[driver] == level).to_numpy(np.bool_)
        some = int(people[chosen].sum())
        if LEAST <= some <= people.sum() - LEAST:
            parts.append(chosen.astype(np.float64))
            columns.append(_Column(driver, level, some))
            group.append(-1)
    for number, driver in enumerate(groups):
        sizes = people.groupby(cells[driver]).sum().sort_index().sort_values(
            ascending=False, kind="stable"
        )  # fmt: skip
        named = [level for level in sizes.index[:MOST_LEVELS] if level and sizes[level] >= LEAST]
        if len(named) < 2:
            continue
        level_of = cells[driver].where(cells[driver].isin(named), OTHERS)
        for level in sorted({*named, *level_of}):
            chosen = (level_of == level).to_numpy(np.bool_)
            parts.append(chosen.astype(np.float64))
            columns.append(_Column(driver, str(level), int(people[chosen].sum())))
            group.append(number)
    return np.column_stack(parts), columns, np.array(group)


def _solved(
    products: Floats, told: Floats, squares: float, people: float, group: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Each effect and its deviation, with the spreads of the groups that fit the answers best."""
    numbers = sorted(set(group[group >= 0].tolist()))
    spread = dict.fromkeys(numbers, _TYPICAL**2)
    noise = max(squares / people - (told[0] / people) ** 2, 1.0)
    one, effects, covariance = np.eye(len(told)), told * 0.0, products * 0.0
    for _ in range(_ROUNDS):
        precision = np.array([_WIDE if g < 0 else 1 / spread[g] for g in group.tolist()])
        factor = scipy.linalg.cho_factor(products / noise + np.diag(precision))
        covariance = scipy.linalg.cho_solve(factor, one)
        effects = covariance @ told / noise
        before = [noise, *spread.values()]
        for number in numbers:
            mine = group == number
            squared = float((effects[mine] ** 2).sum() + np.trace(covariance[np.ix_(mine, mine)]))
            spread[number] = (squared + _PRIOR * _TYPICAL**2) / (int(mine.sum()) + _PRIOR)
        left = squares - 2 * effects @ told + effects @ products @ effects
        noise = max((left + float((products * covariance).sum())) / people, 1.0)
        now = [noise, *spread.values()]
        if max(abs(a / b - 1) for a, b in zip(now, before, strict=True)) < _SETTLED:
            break
    return effects, np.sqrt(np.diag(covariance))
