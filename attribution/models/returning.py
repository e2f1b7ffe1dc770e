"""Returning: the chance that a silent patient books again unasked, from those who were silent.

SQL counts stretches of silence by their length, the visits before them, age and service line
(`int_return_cells`). Each step of 15 days of silence is then a trial that ends it or does not, and
the chance of ending it is a logistic regression on what is known: discrete-time survival (Cox 1972,
section 6; Allison 1982), so stretches that are still open count for as long as they were seen. The
chance to return within six months is one less the product of staying away. A return in the 90 days
after a message counts as the part of one that the people held out say would have come anyway
(`unasked`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse

from attribution.models.logistic import PRIOR_SPREAD, fit
from attribution.models.paths import Codes, Floats

STEPS = 2  # a month of 30 days: what falls due in the midst of one is over by its end
SILENT_FROM = 6 * STEPS  # steps without a visit from which somebody is silent
HORIZON = 6 * STEPS  # steps in which a return counts
LAST_STEP = 120 * STEPS  # longer silence is like this one
WRITTEN_TO = ("treated", "untested")  # the latter before anybody was held out to compare with
FACTS = ("visits", "age_band", "service_line")
CELL = ["in_step", *FACTS]
DECILES = 10
_KNOTS = STEPS * np.array([6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 15.0, 18.0, 24.0, 36.0, 60.0, 120.0])
_RECALL = 14 * STEPS  # steps up to which planned visits fall due
_RECALLED = ("visits", "service_line")  # which have a chance of their own in each of those steps
# How far facts move the log odds of a step, beforehand; and how far in the steps of recall, when
# planned visits fall due. With wider ones every small difference between lines and ages of the past
# is thought to last: fewer of the likeliest tenths return than was expected of them, and more of
# the least likely.
_FACT_SPREAD, _RECALL_SPREAD = 0.1, 0.4
_DOUBT = 5.0  # held-out returns' worth of the belief that messages bring nobody
_OTHER_WEIGHT = 20.0  # returns' worth of the mean of all lines that is mixed into each line
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Trials:
    """Steps of silence: a row for each step and set of facts, with how many ended in it."""

    cells: pd.DataFrame  # step, visits, age_band, service_line
    returned: Floats
    stayed: Floats


def trials(stretches: pd.DataFrame) -> Trials:
    """Stretches of silence as steps at risk.

    Whoever is lost in a step was at risk for half of it, and so was whoever came into sight in
    one: a record that begins, or a message that leaves, does so anywhere in a step.
    """
    first = stretches["in_step"].clip(lower=SILENT_FROM).to_numpy(np.int64)
    last = stretches["out_step"].to_numpy(np.int64)
    seen = last >= first
    kept, first, last = stretches[seen], first[seen], last[seen]
    late = kept["in_step"].to_numpy(np.int64) >= SILENT_FROM
    people = kept["people"].to_numpy(np.float64)
    ended = kept["returned"].to_numpy(np.bool_)
    codes, groups = pd.factorize(pd.MultiIndex.from_frame(kept[list(FACTS)]))
    shape = (len(groups), LAST_STEP + 2)
    change, returned, unseen = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(change, (codes, first), people)
    np.add.at(change, (codes, last + 1), -people)
    np.add.at(returned, (codes[ended], last[ended]), people[ended])
    np.add.at(unseen, (codes[~ended], last[~ended]), people[~ended] / 2)
    np.add.at(unseen, (codes[late], first[late]), people[late] / 2)
    at_risk = np.maximum(np.cumsum(change, axis=1) - unseen, returned)
    rows, steps = np.nonzero(at_risk > 0)
    cells = pd.DataFrame(list(groups), columns=list(FACTS)).iloc[rows].reset_index(drop=True)
    cells.insert(0, "step", steps)
    won = returned[rows, steps]
    return Trials(cells, won, np.maximum(at_risk[rows, steps] - won, 0.0))


def unasked_share(stretches: pd.DataFrame) -> float:
    """Which part of the returns in the 90 days after a message would have come without it.

    The chance to return of those held out over that of those written to, both drawn by lot from the
    same people. It leans towards the whole, by a few returns' worth: where nobody was held out,
    nothing shows that messages bring anybody. Between 0 and 1.
    """
    of = {arm: trials(stretches[stretches["arm"] == arm]) for arm in ("treated", "holdout")}
    came = {arm: float(found.returned.sum()) for arm, found in of.items()}
    seen = {arm: came[arm] + float(found.stayed.sum()) for arm, found in of.items()}
    if not came["treated"]:
        return 1.0
    as_written_to = seen["holdout"] * came["treated"] / seen["treated"]
    return min((came["holdout"] + _DOUBT) / (as_written_to + _DOUBT), 1.0)


def unasked(stretches: pd.DataFrame, share: float) -> pd.DataFrame:
    """The same stretches, of whose returns after a message only a share came unasked.

    Of the others nobody knows when they would have come: they are lost from sight there. Leaving
    everybody out whom a flow wrote to would leave those who had a visit planned, as flows choose
    people who have none.
    """
    asked = (stretches["returned"] & stretches["arm"].isin(WRITTEN_TO)).to_numpy(np.bool_)
    part = np.where(asked, share, 1.0)
    kept = stretches.assign(
        people=stretches["people"] * part, value_micros=stretches["value_micros"] * part
    )
    brought = stretches[asked]
    lost = brought.assign(people=brought["people"] * (1 - share), returned=False, value_micros=0.0)
    return pd.concat([kept, lost], ignore_index=True)


@dataclass(frozen=True)
class Hazard:
    """The chance to end a silence in a step, as a function of its length and the facts."""

    effects: Floats
    columns: dict[tuple[str, ...], int]

    def in_step(self, steps: Floats, facts: pd.DataFrame) -> Floats:
        """The chance of each row of `facts` to return in its step of silence."""
        odds = _design(steps, facts, self.columns) @ self.effects
        chance: Floats = 1 / (1 + np.exp(-odds))
        return chance

    def within(self, steps: Floats, facts: pd.DataFrame, horizon: int = HORIZON) -> Floats:
        """The chance of each row to return within `horizon` steps from `steps` of silence on.

        Whoever is in a step of silence is somewhere in it: half of it is still ahead.
        """
        away = np.ones(len(facts))
        for ahead in range(horizon + 1):
            part = 0.5 if ahead in {0, horizon} else 1.0
            away = away * (1 - self.in_step(steps + ahead, facts)) ** part
        returned: Floats = 1 - away
        return returned


def learned(stretches: pd.DataFrame) -> Hazard | None:
    """What stretches say of returning; None where nobody was ever seen to be silent."""
    found = trials(stretches)
    if not len(found.cells):
        return None
    columns = _columns(found.cells)
    design = _design(found.cells["step"].to_numpy(np.float64), found.cells, columns)
    # One more step, of nobody in particular, that may have ended or not: it keeps the chance
    # finite where everybody returned, or nobody.
    anybody = scipy.sparse.csr_array(([1.0], ([0], [len(columns)])), shape=(1, len(columns) + 1))
    design = scipy.sparse.csr_array(scipy.sparse.vstack([design, anybody]))
    won, stayed = np.append(found.returned, 0.5), np.append(found.stayed, 0.5)
    return Hazard(fit(design, won, stayed, _spreads(columns)).effects, columns)


def _columns(cells: pd.DataFrame) -> dict[tuple[str, ...], int]:
    """A column for each effect; the intercept comes last."""
    names: list[tuple[str, ...]] = [("silence", str(knot)) for knot in range(len(_KNOTS))]
    for fact in FACTS:
        names += [(fact, value) for value in sorted(set(cells[fact]))]
    for fact in _RECALLED:
        for value in sorted(set(cells[fact])):
            names += [(fact, value, str(step)) for step in range(SILENT_FROM, _RECALL)]
    return {name: place for place, name in enumerate(names)}


def _spreads(columns: dict[tuple[str, ...], int]) -> Floats:
    """The prior spread of each column's effect; the intercept, which comes last, has none."""
    spreads = np.full(len(columns) + 1, PRIOR_SPREAD)
    for (kind, *rest), place in columns.items():
        if kind != "silence":
            spreads[place] = _RECALL_SPREAD if len(rest) > 1 else _FACT_SPREAD
    return spreads


def _design(
    steps: Floats, facts: pd.DataFrame, columns: dict[tuple[str, ...], int]
) -> scipy.sparse.csr_array:
    """Silence as a line with bends at the knots; each fact as an effect of its own.

    Planned visits fall due after each service line's own time, and to fewer of those who came
    once, so in the first steps these have an effect in each.
    """
    size = len(facts)
    every = np.arange(size)
    middle = np.clip(steps, _KNOTS[0], _KNOTS[-1])
    left = np.clip(np.searchsorted(_KNOTS, middle, side="right") - 1, 0, len(_KNOTS) - 2)
    share = (middle - _KNOTS[left]) / (_KNOTS[left + 1] - _KNOTS[left])
    parts = [(every, left, 1 - share), (every, left + 1, share)]
    ones = np.ones(size)
    parts += [(every, _places(columns, fact, facts[fact]), ones) for fact in FACTS]
    step = pd.Series(steps.astype(np.int64), facts.index).astype(str)
    parts += [(every, _places(columns, fact, facts[fact], step), ones) for fact in _RECALLED]
    parts.append((every, np.full(size, len(columns)), ones))
    rows, ats, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    known = ats >= 0  # a fact never seen before says nothing
    return scipy.sparse.csr_array(
        (values[known], (rows[known], ats[known])), shape=(size, len(columns) + 1)
    )


def _places(columns: dict[tuple[str, ...], int], fact: str, *values: pd.Series) -> Codes:
    """The column of each row's effect, or -1 where there is none."""
    keys = zip(*values, strict=True)
    return np.array([columns.get((fact, *key), -1) for key in keys], dtype=np.int64)


def return_chances(cells: pd.DataFrame) -> pd.DataFrame:
    """Per basis and cell of silent people: the chance to return, and what a return brings.

    `cells` has the columns of `int_return_cells`; the answer those of `int_return_chances`.
    """
    found = [
        _chances(cells, "before", "after"),
        _chances(cells, "all", "today"),
    ]
    return pd.concat(found, ignore_index=True)


def _chances(cells: pd.DataFrame, learned_from: str, asked: str) -> pd.DataFrame:
    past = cells[cells["basis"] == learned_from]
    past = unasked(past, unasked_share(past))
    silent = cells[(cells["basis"] == asked) & (cells["in_step"] >= SILENT_FROM)]
    rows = silent[CELL].drop_duplicates().sort_values(CELL).reset_index(drop=True)
    hazard = learned(past) if past["returned"].any() else None
    if hazard is None:
        rows["chance"], rows["value_micros"] = np.nan, pd.array([pd.NA] * len(rows), "Int64")
    else:
        chance = hazard.within(rows["in_step"].to_numpy(np.float64), rows)
        rows["chance"] = np.round(chance, 6)
        rows["value_micros"] = rows["service_line"].map(_values(past)).round().astype("Int64")
    rows.insert(0, "basis", asked)
    return rows


def _values(stretches: pd.DataFrame) -> pd.Series:
    """What a return brings, by service line; of lines with few returns nearly the mean of all.

    Missing where no return is so old that all of it has come.
    """
    ripe = stretches[stretches["returned"] & stretches["is_ripe"]]
    totals = ripe.groupby("service_line")[["people", "value_micros"]].sum().astype("float64")
    whole = float(totals["people"].sum())
    mean = float(totals["value_micros"].sum()) / whole if whole else np.nan
    value = (totals["value_micros"] + _OTHER_WEIGHT * mean) / (totals["people"] + _OTHER_WEIGHT)
    others = sorted(set(stretches["service_line"]) - set(value.index))
    every: pd.Series = pd.concat([value, pd.Series(mean, index=others)])
    return every


def return_calibration(chances: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Per tenth of the people who were silent then: expected and observed share of returns.

    Observed is one less the Kaplan-Meier estimate of staying away, since a message that brings
    somebody ends the look at them; its interval is Greenwood's, on the log-log scale, which stays
    between nought and one.
    """
    share = unasked_share(cells[cells["basis"] == "all"])
    after = unasked(cells[cells["basis"] == "after"], share)
    after = after[after["in_step"] >= SILENT_FROM]
    known = chances.dropna(subset=["chance"])
    groups = after.groupby(CELL, as_index=False)["people"].sum().merge(known, on=CELL)
    groups = groups.sort_values(["chance", *CELL])
    middle = groups["people"].cumsum() - groups["people"] / 2
    share = middle / max(groups["people"].sum(), 1)
    groups["decile"] = np.minimum((share * DECILES).astype(np.int64), DECILES - 1) + 1
    after = after.merge(groups[[*CELL, "decile"]], on=CELL)
    rows = []
    for decile, group in groups.groupby("decile"):
        people = round(float(group["people"].sum()))
        observed, low, high = _returned(after[after["decile"] == decile])
        predicted = float((group["chance"] * group["people"]).sum()) / people
        rows.append((decile, people, round(predicted, 6), observed, low, high))
    frame = pd.DataFrame(rows, columns=["decile", "people", "predicted", "observed", "low", "high"])
    floats = dict.fromkeys(("predicted", "observed", "low", "high"), "float64")
    return frame.astype({"decile": "int64", "people": "int64", **floats})


def _returned(looked_at: pd.DataFrame) -> tuple[float, float, float]:
    """The share that returned within the horizon, with its 95% interval."""
    people = float(looked_at["people"].sum())
    stayed, variance = 1.0, 0.0
    for step in range(HORIZON):
        here = looked_at[looked_at["out_step"] == step]
        ended = float(here.loc[here["returned"], "people"].sum())
        lost = float(here["people"].sum()) - ended
        at_risk = people - lost / 2
        if at_risk > ended:
            stayed *= 1 - ended / at_risk
            variance += ended / (at_risk * (at_risk - ended))
        elif ended:
            stayed, variance = 0.0, 0.0
            break
        people -= ended + lost
    if not 0 < stayed < 1:
        return round(1 - stayed, 6), 0.0, 1.0
    spread = _Z * np.sqrt(variance) / abs(np.log(stayed))
    ends = 1 - stayed ** np.exp(np.array([-spread, spread]))
    return round(1 - stayed, 6), round(float(ends[0]), 6), round(float(ends[1]), 6)
