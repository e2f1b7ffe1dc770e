"""Lift tests on markets, simulated with a known effect: errors, intervals, and false alarms.

    .venv/bin/python -m benchmarks.lift 200
    .venv/bin/python -m benchmarks.lift 200 "half later" registered

The second asks only for the shapes and the ways whose names hold these words.

Markets differ in size, season and drift; a channel that brings 15% of conversions goes off in some
of them for eight weeks that count, in all at once or in half of them four weeks later. Each way to
tell what it brought is asked for its increment and its 90% interval; a false alarm is an interval
without nought where the channel does nothing. `registered` is what the product does: the way that
erred least on the weeks before. Beside it stand what is often done (before against after, two-way
fixed effects) and, where it is installed, the library diff-diff (MIT) with intervals of its own.
"""

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from math import exp, sqrt

import numpy as np
import pandas as pd
from scipy import stats

from attribution.models import lift_design
from attribution.models.incremental_design import Floats
from attribution.models.lift_beside import cuped
from attribution.models.lift_effect import METHODS, Method, course_of
from attribution.models.lift_panel import Layout, Panel
from attribution.models.lift_placebo import placebos
from benchmarks.lift_worlds import Dark, dark

Told = tuple[float, float, float] | None  # brought, and the ends of a 90% interval
Way = Callable[[Dark, int], Told]
SHAPES = {
    "20 markets, 8 treated": (20, 8, 0, 60.0),
    "12 markets, 5 treated": (12, 5, 0, 60.0),
    "12 markets, 5 treated, half later": (12, 5, 4, 60.0),
    "6 markets, 2 treated, small": (6, 2, 0, 25.0),
}
_NORMAL = float(stats.norm.ppf(0.95))


def told_by(method: Method, made: Dark, seed: int) -> Told:
    errors = placebos(made.counts, made.layout, method, seed)
    if errors is None:
        return None
    course = course_of(made.counts, made.layout, method)
    found, reach = course.expected - course.counted, errors.reach() * errors.spread
    return found, found - reach * course.expected, found + reach * course.expected


def registered(made: Dark, seed: int) -> Told:
    """The way that is chosen from the weeks before the test, as the page does."""
    markets = tuple((str(market), "") for market in range(len(made.counts)))
    weeks = np.arange(made.counts.shape[1]).astype("datetime64[W]").astype("datetime64[D]")
    before = Panel(markets, weeks, made.counts).before(made.layout.start)
    found = lift_design.tried(before, made.layout, seed)
    return None if found is None else told_by(found.method, made, seed)


def difference_in_means(made: Dark, _seed: int) -> Told:
    found = cuped(made.counts, made.layout)
    return None if found is None else (-found[0], -found[2], -found[1])


def before_after(made: Dark, _seed: int) -> Told:
    """The treated markets against themselves, eight weeks before."""
    change, variance = 0.0, 0.0
    for cohort in made.layout.cohorts:
        own = made.counts[list(cohort.markets)].sum(axis=0)
        before, after = own[cohort.start - 8 : cohort.start], own[cohort.start + 1 :]
        change += len(after) * float(before.mean() - after.mean())
        scatter = before.var(ddof=1) / len(before) + after.var(ddof=1) / len(after)
        variance += float(len(after) ** 2 * scatter)
    return change, change - _NORMAL * sqrt(variance), change + _NORMAL * sqrt(variance)


def two_way(made: Dark, _seed: int) -> Told:
    """Two-way fixed effects on log counts, clustered by market: one effect for all cohorts."""
    layout, counts = made.layout, made.counts[:, -60:]
    first = made.counts.shape[1] - 60
    on = np.zeros_like(counts)
    for cohort in layout.cohorts:
        on[list(cohort.markets), cohort.start - first :] = 1.0
    y, d = (_centred(each) for each in (np.log(np.maximum(counts, 0.5)), on))
    effect = float((y * d).sum() / (d * d).sum())
    scores = ((y - effect * d) * d).sum(axis=1)
    markets = len(counts)
    error = sqrt(float((scores**2).sum()) * markets / (markets - 1)) / float((d * d).sum())
    reach = float(stats.t.ppf(0.95, markets - 1)) * error
    counted = _counted(made.counts, layout)
    a, b, c = (counted * (exp(-each) - 1) for each in (effect, effect + reach, effect - reach))
    return a, b, c


def _centred(rows: Floats) -> Floats:
    middle: Floats = rows - rows.mean(axis=0) - rows.mean(axis=1, keepdims=True) + rows.mean()
    return middle


def _counted(counts: Floats, layout: Layout) -> float:
    return sum(
        float(counts[list(cohort.markets), cohort.start + layout.washout :].sum())
        for cohort in layout.cohorts
    )


def library(name: str) -> Way:
    """diff-diff on each market's course over its mean before, with its own standard error."""

    def asked(made: Dark, seed: int) -> Told:
        import diff_diff

        layout = made.layout
        begins = {market: c.start for c in layout.cohorts for market in c.markets}
        span = np.arange(made.counts.shape[1] - 60, made.counts.shape[1])
        size = made.counts[:, span[0] : layout.start].mean(axis=1)
        rows = pd.DataFrame(
            [
                (market, int(week), made.counts[market, week] / size[market],
                 int(market in begins), begins.get(market, 0))
                for market in range(len(made.counts)) for week in span
                # The wash-out does not count.
                if week < layout.start or week >= begins.get(market, layout.start) + 1
            ],
            columns=["market", "week", "y", "treated", "first"],
        )  # fmt: skip
        weeks = sum(layout.end - start - 1 for start in begins.values())
        whole = float(np.mean([size[market] for market in begins])) * weeks
        if name == "synthetic difference in differences":
            if len(layout.cohorts) > 1:
                return None
            post = list(range(layout.start + 1, layout.end))
            rows = rows[rows["week"] != layout.start]
            found = diff_diff.SyntheticDiD(seed=seed).fit(
                rows, "y", "treated", "market", "week", post_periods=post
            )
            effect, error = found.att, found.se
        else:
            rows = rows.assign(first=np.where(rows["first"] > 0, rows["first"] + 1, 0))
            found = diff_diff.CallawaySantAnna().fit(rows, "y", "market", "week", "first")
            effect, error = found.overall_att, found.overall_se
        reach = _NORMAL * error
        return -whole * effect, -whole * (effect + reach), -whole * (effect - reach)

    return asked


def ways() -> Iterator[tuple[str, Way]]:
    yield "registered", registered
    for method in (METHODS[2], METHODS[-1]):
        yield method.name, lambda made, seed, method=method: told_by(method, made, seed)
    yield "difference in means, CUPED", difference_in_means
    yield "before against after", before_after
    yield "two-way fixed effects", two_way
    if find_spec("diff_diff"):
        for name in ("synthetic difference in differences", "Callaway and Sant'Anna"):
            yield f"diff-diff, {name}", library(name)


def main(worlds: int, words: str, called: str) -> None:
    warnings.simplefilter("ignore")
    for title, (markets, treated, later, size) in SHAPES.items():
        if words not in title:
            continue
        print(f"\n{title}; {worlds} tests with 15%, and {worlds} without an effect")
        print(f"{'way':42s} {'error':>6} {'bias':>6} {'holds':>6} {'alarms':>7} {'CPU s':>7}")
        made = {
            effect: [
                dark(seed, markets, treated, effect=effect, later=later, size=size)
                for seed in range(worlds)
            ]
            for effect in (0.15, 0.0)
        }
        for name, way in ways():
            if called not in name:
                continue
            began = time.process_time()
            found = [(one, way(one, seed)) for seed, one in enumerate(made[0.15])]
            spent = (time.process_time() - began) / worlds
            nothing = [way(one, seed) for seed, one in enumerate(made[0.0])]
            rows = [(one.truth, *told) for one, told in found if told is not None]
            if rows:
                truth, middle, low, high = np.array(rows).T
                alarms = np.mean([not t[1] <= 0 <= t[2] for t in nothing if t is not None])
                print(
                    f"{name:42s} {sqrt(((middle / truth - 1) ** 2).mean()):6.2f} "
                    f"{(middle / truth - 1).mean():+6.2f} "
                    f"{((low <= truth) & (truth <= high)).mean():6.0%} {alarms:7.0%} {spent:7.3f}"
                )
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    many, shape, way, *_ = [*sys.argv[1:], *("200", "", "")[len(sys.argv) - 1 :]]
    main(int(many), shape, way)
