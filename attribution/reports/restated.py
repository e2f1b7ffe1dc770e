"""What is new and what was restated since the last report, by channel and week, and by how much.

What a report told of each channel and week is kept beside the generations, which outlives them:
a report that goes out weekly may be four refreshes old, and then its generation is gone. Told and
kept is what the report is about: its service lines and locations, by the day that it counts by.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256

import orjson
import pandas as pd

from attribution import queries, warehouse
from attribution.at_rest import write_whole
from attribution.date_basis import OWN
from attribution.metrics import ratio
from attribution.paths import Home
from attribution.queries import WEEK, Marts, Scope
from attribution.report_queries import AMOUNTS, by_channel_and_week
from attribution.ui import formats
from attribution.ui.view import Column, Table, measured

KEPT = 32
TOLD = ("spend", "leads", "booked", "new_patients", "collected")
LEAST = {"spend": 0.005, "collected": 0.005}  # below half a cent nothing was restated
_LEAST_CREDIT = 1e-6
_NAME = re.compile(r"(\d+)-(\w+)-(folded|whole)(?:-[0-9a-f]{16})?\.json")


@dataclass(frozen=True, slots=True)
class Reported:
    """What a generation says of each channel and week: channel, week and AMOUNTS."""

    generation: int
    last_week: pd.Timestamp
    frame: pd.DataFrame


@dataclass(frozen=True, slots=True)
class News:
    """What changed since the last report, in sentences and by channel."""

    sentences: tuple[str, ...]
    table: Table | None = None


def news(home: Home, marts: Marts, scope: Scope, since_generation: int | None) -> News:
    """What is new and restated since a generation in the scope; says so where it is not known."""
    now = reported(marts, scope)
    if home.writable:
        with suppress(OSError):  # a full disk must not stop a report; the next one tells less
            _keep(home, now, scope, protected=marts.protected)
    if since_generation is None:
        return News(("This report is compared with no earlier one.",))
    if since_generation == marts.generation:
        return News((f"The last report was of the same data, generation {since_generation}.",))
    before = _before(home, since_generation, scope, protected=marts.protected)
    if before is None:
        gone = (
            f"The last report was of generation {since_generation}, which is no longer kept, so "
            "what was restated since cannot be told."
        )
        return News((gone,))
    before, now = (_in_period(each, scope) for each in (before, now))
    return compared(before, now, queries.about(marts).currency, protected=marts.protected)


def reported(marts: Marts, scope: Scope) -> Reported:
    """What a generation says of each channel and week, of all weeks: the next period is another."""
    about = queries.about(marts)
    frame = by_channel_and_week(marts, scope, about.currency)
    last = pd.Timestamp(about.last_week)
    return Reported(marts.generation, last, frame[frame["week"] <= last])


def _in_period(told: Reported, scope: Scope) -> Reported:
    """What was told of the weeks of the scope; the last of them is the week before where none."""
    first, until = pd.Timestamp(scope.since), pd.Timestamp(scope.until)
    last = max(min(told.last_week, until), first - WEEK)
    return replace(told, last_week=last, frame=told.frame[told.frame["week"].between(first, last)])


def compared(before: Reported, now: Reported, currency: str, *, protected: bool) -> News:
    """Weeks that only `now` covers are new; in the others every difference was restated.

    Where small cells are folded, what was told of people stands as it was told, so only spend is
    compared: a block of weeks that is told anew is not the one that was told before.
    """
    names = ("spend",) if protected else TOLD
    both = before.frame.merge(
        now.frame, on=["channel", "week"], how="outer", suffixes=("_then", "_now"), sort=True
    ).fillna({f"{name}_{when}": 0.0 for name in AMOUNTS for when in ("then", "now")})
    changes = both[["channel", "week"]].copy()
    for name in names:
        change = both[f"{name}_now"] - both[f"{name}_then"]
        changes[name] = change.where(change.abs() >= LEAST.get(name, _LEAST_CREDIT), 0.0)
    fresh = now.frame[now.frame["week"] > before.last_week]
    old = changes[changes["week"] <= before.last_week]
    old = old[(old[list(names)] != 0).any(axis=1)]
    told = before.frame[before.frame["week"] <= before.last_week]
    sentences = (
        _fresh(fresh, before, now, names, currency),
        _restated(old, told, names, currency),
        *((_STANDS,) if protected else ()),
    )
    return News(sentences, _table(old, names))


def _fresh(
    fresh: pd.DataFrame,
    before: Reported,
    now: Reported,
    names: Iterable[str],
    currency: str,
) -> str:
    weeks = int((now.last_week - before.last_week).days // 7)
    since = f"Since the last report (generation {before.generation})"
    if weeks < 1:
        return f"{since} no week was added."
    span = f"{weeks} week{'s' if weeks > 1 else ''} to {formats.day(now.last_week + _SIX_DAYS)}"
    sums = [_said(name, float(fresh[name].sum()), currency) for name in names]
    return f"{since} {span} {'are' if weeks > 1 else 'is'} new: {formats.several(sums)}."


def _restated(old: pd.DataFrame, told: pd.DataFrame, names: Iterable[str], currency: str) -> str:
    if old.empty:
        return "Nothing that it told was restated."
    sums = [
        f"{_said(name, change, currency, signed=True)} ({_share(change, float(told[name].sum()))})"
        for name in names
        if (change := float(old[name].sum())) or old[name].any()
    ]
    weeks = old["week"].nunique()
    first, last = (formats.day(old["week"].agg(end)) for end in ("min", "max"))
    span = f"the week of {first}" if weeks == 1 else f"{weeks} weeks, from {first} to {last}"
    return f"Of {span} it told other numbers than are known now: {formats.several(sums)}."


def _table(old: pd.DataFrame, names: tuple[str, ...]) -> Table | None:
    if old.empty:
        return None
    grouped = old.groupby("channel")
    frame = grouped[list(names)].sum().rename(columns={n: f"{n}_restated" for n in names})
    frame.insert(0, "weeks_restated", grouped["week"].nunique())
    frame = frame.reset_index()
    size = frame.drop(columns=["channel", "weeks_restated"]).abs().sum(axis=1)
    frame = frame.assign(size=size).sort_values(["size", "channel"], ascending=[False, True])
    columns = (
        Column("channel", "Channel"),
        *map(measured, ("weeks_restated", *(f"{name}_restated" for name in names))),
    )
    shown = frame[[column.name for column in columns]].reset_index(drop=True)
    return Table("Restated since the last report", columns, shown)


_STANDS = "What was told of people without small cells stands as it was told."
_SIX_DAYS = pd.Timedelta(days=6)
_WORDS = {
    "leads": "leads",
    "booked": "booked visits",
    "new_patients": "new patients",
}


def _said(name: str, amount: float, currency: str, *, signed: bool = False) -> str:
    if name in ("spend", "collected"):
        written, what = formats.money(amount, currency), name
    else:
        told = round(amount, 1) if abs(amount) < 100 else amount  # rounded once
        written, what = formats.number(told), _WORDS[name]
    return f"{formats.signed(written) if signed else written} {what}"


def _share(change: float, whole: float) -> str:
    share = ratio(change, whole)
    if share is None:
        return "none before"
    return formats.rate(abs(share)) if abs(share) >= 0.0005 else "less than 0.1%"


def _before(home: Home, generation: int, scope: Scope, *, protected: bool) -> Reported | None:
    """What the last report told: from what was kept of it, or else from its generation."""
    path = home.reported / _name(generation, scope, protected=protected)
    if path.is_file():
        kept = orjson.loads(path.read_bytes())
        frame = pd.DataFrame(kept["rows"], columns=["channel", "week", *AMOUNTS])
        frame["week"] = pd.to_datetime(frame["week"])
        numbers = dict.fromkeys(AMOUNTS, "float64")
        return Reported(generation, pd.Timestamp(kept["last_week"]), frame.astype(numbers))
    if generation not in warehouse.kept(home):
        return None
    if protected and not warehouse.holds_viewers(home, generation):
        return None
    return reported(queries.marts(home, generation, protected=protected), scope)


def _keep(home: Home, now: Reported, scope: Scope, *, protected: bool) -> None:
    path = home.reported / _name(now.generation, scope, protected=protected)
    if path.is_file():
        return
    home.reported.mkdir(mode=0o700, exist_ok=True)
    rows = now.frame.assign(week=now.frame["week"].dt.strftime("%Y-%m-%d")).to_numpy().tolist()
    write_whole(path, orjson.dumps({"last_week": f"{now.last_week:%Y-%m-%d}", "rows": rows}))
    kept = [(int(m[1]), each) for each in home.reported.iterdir() if (m := _NAME.match(each.name))]
    numbers = sorted({number for number, _ in kept})[:-KEPT]
    for number, each in kept:
        if number in numbers:
            each.unlink(missing_ok=True)


def _name(generation: int, scope: Scope, *, protected: bool) -> str:
    name = f"{generation}-{scope.model}-{'folded' if protected else 'whole'}"
    if scope.service_lines or scope.locations or scope.basis != OWN:
        chosen = orjson.dumps([scope.service_lines, scope.locations, scope.basis])
        name += f"-{sha256(chosen).hexdigest()[:16]}"
    return f"{name}.json"
