"""What became of each week's leads: what came so far, and what is still to be expected."""

from collections.abc import Callable

import pandas as pd

from attribution import queries
from attribution.cohort_queries import cohorts_by_week, thin_lines
from attribution.metrics import Format, definition, ratio
from attribution.models.maturity import MATURE
from attribution.queries import Marts, Scope
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table, measured, records
from attribution.ui.views.arriving import too_few

# A lead is followed to the chosen conversion; where that is the lead itself, to its booking.
_PAIRS = {
    "lead": ("lead", "booked"),
    "booked": ("lead", "booked"),
    "kept": ("lead", "kept"),
    "new_patient": ("lead", "new_patient"),
    "collected": ("kept", "collected"),
}
LEAST_REACH = 0.01  # of the expected number: a shorter interval would be a blot on the bar
_TO = {"booked": "booked visits", "kept": "kept visits", "new_patient": "new patients"}
_BECAME = {"booked": "booked", "kept": "kept a visit", "new_patient": "became new patients"}


def became(marts: Marts, scope: Scope) -> tuple[Figure, Table] | None:
    """The figure and its table; None where no week of the scope has anybody to follow."""
    kind_from, kind_to = _PAIRS[scope.kind]
    about = queries.about(marts)
    frame = cohorts_by_week(marts, scope, kind_from, kind_to)
    frame = frame.assign(immature=frame["maturity"] < MATURE)
    if frame.empty:
        return None
    if kind_to == "collected":
        return _money(frame, about.currency)
    return _shares(frame, kind_to)


def thin_note(marts: Marts, scope: Scope) -> tuple[str, ...]:
    """That weeks of chosen service lines are too small to follow, and what to do about it."""
    kind_from, _ = _PAIRS[scope.kind]
    thin = thin_lines(marts, scope, kind_from)
    if not thin:
        return ()
    entered = "leads" if kind_from == "lead" else "kept visits"
    return (
        (
            f"{too_few(thin, entered)} (fewer than 11 in most) to show what became of each week's. "
            "Choose all service lines to see them together."
        ),
    )


def _shares(frame: pd.DataFrame, kind_to: str) -> tuple[Figure, Table]:
    shown = frame.assign(
        **{name: frame[name] / frame["entered"] for name in ("arrived", "expected", "low", "high")}
    )
    done = _BECAME[kind_to]
    columns = (
        Column("week", "Leads of", "day", "Monday of the week of the lead."),
        measured("cohort_size", "Leads"),
        measured("cohort_rate"),
        measured("cohort_final"),
        *_ends("rate"),
        measured("maturity"),
        _immature(),
    )
    table = _table(f"What became of each week's leads: {_TO[kind_to]}", columns, shown)
    help_ = (
        f"Share of each week's leads that {done}. Solid has happened; hatched is still expected, "
        "from how long earlier leads of the service line took; the line holds the final share "
        "nine times of ten."
    )
    spec = _drawn(shown, {"tickformat": ".0%"}, "Leads", formats.rate)
    words = _share_in_words(frame, done)
    return Figure(table.title, spec, words, help_, "cohorts"), table


def _share_in_words(frame: pd.DataFrame, done: str) -> str:
    young, old = frame[frame["immature"]], frame[~frame["immature"]]
    settled, most = (
        ratio(float(old[name].sum()), float(old["entered"].sum()))
        for name in ("arrived", "expected")
    )
    said = []
    if settled is not None and most is not None:
        # Some of these are still to come too: only what is expected of both compares.
        said.append(
            f"Of leads that have had most of the time, {formats.rate(settled)} {done} so far, and "
            f"about {formats.rate(most)} are expected to."
        )
    if len(young):
        size = float(young["entered"].sum())
        so_far, final = (float(young[name].sum()) / size for name in ("arrived", "expected"))
        weeks = f"{len(young)} weeks" if len(young) > 1 else "week"
        said.append(
            f"Of those of the newest {weeks} {formats.rate(so_far)} have so far, and about "
            f"{formats.rate(final)} are expected to."
        )
    return " ".join(said)


def _money(frame: pd.DataFrame, currency: str) -> tuple[Figure, Table]:
    columns = (
        Column("week", "Visits of", "day", "Monday of the week of the visit."),
        measured("cohort_size", "Kept visits"),
        measured("visit_money"),
        measured("visit_money_final"),
        *_ends("money"),
        measured("maturity"),
        _immature(),
    )
    table = _table("What each week's kept visits brought", columns, frame)
    sign = formats.symbol(currency)
    spec = _drawn(
        frame,
        {"tickprefix": sign, "tickformat": "~s"},
        "Kept visits",
        lambda value: formats.money(value, currency),
    )
    help_ = (
        "Money collected for the visits of each week. Solid has been posted; hatched is still "
        "expected, from how long patients and payers took for earlier visits of the service line; "
        "the line holds the final amount nine times of ten."
    )
    return Figure(table.title, spec, _money_in_words(frame, currency), help_, "cohorts"), table


def _money_in_words(frame: pd.DataFrame, currency: str) -> str:
    young = frame[frame["immature"]]
    if young.empty:
        total = formats.money(float(frame["arrived"].sum()), currency)
        return f"Visits of these weeks have brought {total}; nearly all of it is in."
    so_far, final = (
        formats.money(float(young[name].sum()), currency) for name in ("arrived", "expected")
    )
    weeks = f"{len(young)} weeks" if len(young) > 1 else "week"
    return (
        f"Visits of the newest {weeks} have brought {so_far} so far, and about {final} is "
        "expected of them."
    )


def _drawn(
    shown: pd.DataFrame, axis: charts.Spec, entered: str, written: Callable[[float], str]
) -> charts.Spec:
    rows = records(shown)
    hovers = []
    for row in rows:
        lines = [
            f"<b>Week of {formats.day(row['week'])}</b>",
            f"{entered}: {formats.count(row['entered'])}",
            f"So far: {written(row['arrived'])}",
        ]
        if row["expected"] > row["arrived"]:
            reach = f"{written(row['low'])} to {written(row['high'])}"
            lines.append(f"Expected: {written(row['expected'])} (90%: {reach})")
        if row["immature"]:
            lines.append(f"Still arriving: {formats.rate(row['maturity'])} mature")
        hovers.append("<br>".join(lines))
    young = shown.loc[shown["immature"], "week"]
    below, above = _reach(shown)
    return charts.cohort_bars(
        [str(week) for week in shown["week"]],
        shown["arrived"].tolist(),
        (shown["expected"] - shown["arrived"]).tolist(),
        below,
        above,
        hovers,
        axis=axis,
        immature=None if young.empty else str(young.iloc[0]),
    )


def _reach(shown: pd.DataFrame) -> tuple[list[float | None], list[float | None]]:
    """How far below and above the expected number its interval goes, where that can be seen."""
    below, above = shown["expected"] - shown["low"], shown["high"] - shown["expected"]
    seen = (below + above) > LEAST_REACH * shown["expected"]

    def drawn(end: pd.Series) -> list[float | None]:
        return [float(part) if shows else None for part, shows in zip(end, seen, strict=True)]

    return drawn(below), drawn(above)


def _ends(format_: Format) -> tuple[Column, ...]:
    words = "the 90% interval of the expected number."
    return (
        Column("low", "Low", format_, f"Lower end of {words}"),
        Column("high", "High", format_, f"Upper end of {words}"),
    )


def _immature() -> Column:
    return Column("immature", "Immature", "flag", definition("maturity").formula)


def _table(title: str, columns: tuple[Column, ...], frame: pd.DataFrame) -> Table:
    own = dict(zip([column.name for column in columns], _FRAME, strict=True))
    newest = frame.sort_values("week", ascending=False, ignore_index=True)
    return Table(title, columns, newest.rename(columns={v: k for k, v in own.items()})[list(own)])


_FRAME = ("week", "entered", "arrived", "expected", "low", "high", "maturity", "immature")
