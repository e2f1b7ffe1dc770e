"""Overview: are we winning patients at a price that pays, and what changed?"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import pandas as pd

from attribution import amount_queries, queries, refresh_queries, versions
from attribution.annotations import Annotation, within
from attribution.date_basis import moved
from attribution.forecast_queries import unusual_weeks
from attribution.metrics import KINDS, definition, ratio
from attribution.paths import Home
from attribution.queries import WEEK, About, Marts, Scope
from attribution.ui import charts, formats
from attribution.ui.scope import before
from attribution.ui.view import Column, Figure, Metric, Table, View, measured
from attribution.ui.views import arriving, changes, lines
from attribution.ui.views.forecast_words import unusual_notes
from attribution.ui.views.lines import COUNTS, SHOWN
from attribution.ui.views.notes import counted_by, money_left_out, other_dates

QUESTION = "Are we winning patients at a price that pays, and what changed?"
MAX_STEPS = 130  # points of a line: more would not be seen, and would travel
_TOGETHER = (
    "Some weeks are of fewer than eleven people, so numbers are told four weeks at a time. A dash "
    "is a number that no four weeks have enough people for."
)


@lru_cache(maxsize=128)
def overview(
    home: Home,
    generation: int,
    scope: Scope,
    *,
    protected: bool,
    happened: tuple[Annotation, ...] = (),
    by: str = changes.CHANNEL,
) -> View:
    """The page's view of one generation; built once for each scope and its notes."""
    told = refresh_queries.told_before(home, generation, protected=protected)
    if told is not None and not versions.fits(home, told.generation, protected=protected):
        told = None
    marts = queries.marts(home, generation, protected=protected)
    return build(marts, scope, told, happened, by)


def build(
    marts: Marts,
    scope: Scope,
    told: Marts | None = None,
    happened: tuple[Annotation, ...] = (),
    by: str = changes.CHANNEL,
) -> View:
    """The page's view: headline numbers against the period before, courses, service lines.

    `told` are the marts that were published before, for what has been restated since; what
    `happened` is marked; what changed is told `by` channel, service_line or location.
    """
    about = queries.about(marts)
    ends = arriving.unreported(marts, scope)
    now = _without_unreported(_weekly(marts, scope, about), ends)
    if marts.protected:
        now = _without_untold(now)
    if not now[list(SHOWN[:6])].to_numpy(dtype="float64", na_value=0).any():
        return View(QUESTION, currency=about.currency, empty=_nothing(scope))
    young = arriving.young_leads(marts, scope, "new_patient", "collected")
    odd = unusual_weeks(marts, scope)
    if moved(scope, protected=marts.protected):  # foretold is by the day things happen
        odd = odd.iloc[:0]
    earlier = before(scope, about)
    then = None
    if earlier is not None:
        # Compared are the same weeks of both periods.
        back = scope.since - earlier.since
        then = _without_unreported(
            _weekly(marts, earlier, about), {name: end - back for name, end in ends.items()}
        )
        if marts.protected:
            then = _without_untold(then)
    marks = within(happened, scope.since, scope.until + WEEK - timedelta(days=1))
    bridges, parts = changes.changes(marts, told, scope, earlier, ends, about, by)
    placed = marts.protected and bool(scope.service_lines or scope.locations)
    if in_blocks := placed or (marts.protected and _together(now)):
        # By service line or place, and where a week is of few people, they are told four at a time.
        now = _with_ratios(_by_four_weeks(now).rename_axis("week"))
        then = None if then is None else _with_ratios(_by_four_weeks(then))
    return View(
        QUESTION,
        metrics=tuple(_metric(name, now, then) for name in SHOWN),
        figures=_figures(now, about, young, odd, marks, in_blocks=in_blocks) | bridges,
        tables={
            "weekly": _weekly_table(now),
            "service_lines": lines.table(marts, scope, about, ends),
            **parts,
            **({"happened": _happened(marks)} if marks else {}),
        },
        remark=counted_by(marts, scope),
        notes=(
            *_notes(marts, scope, about, earlier),
            *other_dates(marts, scope),
            *((changes.PLACED,) if placed else (_TOGETHER,) if in_blocks else ()),
            *unusual_notes(odd, about.currency),
            *arriving.note(young, about.last_week),
            *arriving.thin_note(marts, scope, about.last_week, "new_patient", "collected"),
            *arriving.unreported_note(ends, scope, protected=marts.protected),
        ),
        currency=about.currency,
    )


@dataclass(frozen=True, slots=True)
class _Course:
    title: str
    names: tuple[str, ...]
    help: str
    kind: str  # what leads of the newest weeks still owe
    owed: str  # in words


def _weekly(marts: Marts, scope: Scope, about: About) -> pd.DataFrame:
    """One row for each week of the scope, also where nothing happened."""
    spend = amount_queries.spend_by_week(marts, scope, about.currency).set_index("week")["spend"]
    seen = amount_queries.conversions_by_week(marts, scope, about.currency)
    every = [scope.since + number * WEEK for number in range(scope.weeks)]
    # Money is spent in weeks too in which nothing happened.
    frame = lines.wide(seen, "week").reindex(index=every, columns=[*COUNTS, "collected"])
    frame.insert(0, "spend", spend)
    return _with_ratios(frame.fillna(0).rename_axis("week"))


def _without_unreported(frame: pd.DataFrame, ends: dict[str, date]) -> pd.DataFrame:
    """What a source has not reported yet is not nought, and must not look like a collapse."""
    weeks = pd.Series(frame.index, index=frame.index)
    return _with_ratios(
        frame.assign(**{name: frame[name].where(weeks <= end) for name, end in ends.items()})
    )


def _without_untold(frame: pd.DataFrame) -> pd.DataFrame:
    """Where small cells are folded, a number without any row is of few people, not of nobody."""
    told = (frame[[*COUNTS, "collected"]].fillna(0) > 0).any()
    return _with_ratios(
        frame.assign(**{str(name): float("nan") for name, any_told in told.items() if not any_told})
    )


def _together(frame: pd.DataFrame) -> bool:
    """Whether a week is told with those beside it: it looks like nought, and its block is not."""
    counts = frame[[*COUNTS, "collected"]]
    return bool(((counts == 0) & (counts.sum() > 0)).to_numpy().any())


def _with_ratios(frame: pd.DataFrame) -> pd.DataFrame:
    spent = frame["spend"].where(frame["spend"] > 0)
    return frame.assign(
        blended_cac=spent / frame["new_patients"].where(frame["new_patients"] > 0),
        blended_roas=frame["collected"] / spent,
    )


def _metric(name: str, now: pd.DataFrame, then: pd.DataFrame | None) -> Metric:
    meaning = definition(name)
    recent = now[name].iloc[-MAX_STEPS:]
    course = tuple(_known(recent))
    return Metric(
        name,
        meaning.title,
        _overall(name, now),
        None if then is None else _overall(name, then),
        meaning.format,
        meaning.help,
        meaning.better,
        course,
    )


def _overall(name: str, frame: pd.DataFrame) -> float | None:
    """A number over all weeks: ratios are of the sums, not means of the weeks' ratios."""
    if name == "blended_cac":
        known = frame[["spend", "new_patients"]].dropna()
        if not known["spend"].sum():
            return None
        return ratio(float(known["spend"].sum()), float(known["new_patients"].sum()))
    if name == "blended_roas":
        known = frame[["collected", "spend"]].dropna()
        return ratio(float(known["collected"].sum()), float(known["spend"].sum()))
    return None if frame[name].isna().all() else float(frame[name].sum())


def _figures(
    now: pd.DataFrame,
    about: About,
    young: dict[str, pd.DataFrame],
    odd: pd.DataFrame,
    marks: tuple[Annotation, ...],
    *,
    in_blocks: bool,
) -> dict[str, Figure]:
    steps, by = now, "four weeks" if in_blocks else "week"
    if len(now) > MAX_STEPS and not in_blocks:
        steps, by = _by_four_weeks(now), "four weeks"
    ringed = {} if by == "four weeks" else _ringed(odd)
    sign = formats.symbol(about.currency)
    courses = {
        "demand": _Course(
            f"Patients by {by}",
            COUNTS,
            "Leads, visits and new patients.",
            "new_patient",
            "leads still becoming patients",
        ),
        "money": _Course(
            f"Money by {by}",
            ("collected", "spend"),
            "Collected against media spend.",
            "collected",
            "leads still bringing money",
        ),
    }
    return {
        name: _figure(
            course,
            steps,
            sign if name == "money" else "",
            arriving.since(young, course.kind),
            ringed,
            marks,
        )
        for name, course in courses.items()
    }


def _by_four_weeks(now: pd.DataFrame) -> pd.DataFrame:
    """Sums of four weeks each, counted from the newest; what is left over at the start is cut."""
    kept = now.iloc[len(now) % 4 :]
    step = [week for week in kept.index[::4] for _ in range(4)]
    return kept[["spend", *COUNTS, "collected"]].groupby(step).sum(min_count=4)


def _ringed(odd: pd.DataFrame) -> dict[str, list[str]]:
    """Weeks that were not as foretold, by the title of their number."""
    titles = {kind: definition(KINDS.get(kind, kind)).title for kind in map(str, odd["metric"])}
    named = odd["metric"].map(titles)
    weeks = odd["week"].map(lambda day: f"{pd.Timestamp(day):%Y-%m-%d}")
    return {str(title): list(own) for title, own in weeks.groupby(named)}


def _figure(
    course: _Course,
    now: pd.DataFrame,
    sign: str,
    young: date | None,
    ringed: dict[str, list[str]],
    marks: tuple[Annotation, ...],
) -> Figure:
    weeks = [f"{week}" for week in now.index]
    courses = {definition(name).title: _known(now[name]) for name in course.names}
    parts = [
        f"{title} {' → '.join(f'{sign}{each:,.0f}' for each in ends[:: max(len(ends) - 1, 1)])}"
        for title, values in courses.items()
        if (ends := [value for value in values if value is not None])
    ]
    words = f"{', '.join(parts) or 'Nothing is reported'}."
    if len(weeks) > 1:
        words = f"First to last of {len(weeks)} points: {words}"
    shaded = None
    if young is not None and len(weeks) > 1:
        # Of steps of several weeks, the one that the first such week is in.
        first = max((week for week in weeks if week <= f"{young}"), default=weeks[0])
        shaded = (first, course.owed)
        words += f" Shaded from {formats.day(first)} on: {course.owed}."
    if marks:
        named = "; ".join(f"{at} {each.text}" for at, each in enumerate(marks, start=1))
        words += f" Marked: {named}."
    return Figure(
        course.title,
        charts.weekly_lines(weeks, courses, sign, shaded, ringed, _marked(marks)),
        words,
        course.help,
        "weekly",
    )


def _marked(marks: tuple[Annotation, ...]) -> list[tuple[str, str]]:
    return [
        (f"{each.day}", f"{formats.day(each.day)}<br>{formats.short_label(each.text, 40)}")
        for each in marks
    ]


def _happened(marks: tuple[Annotation, ...]) -> Table:
    """What happened in the period, as it is numbered in the figures."""
    rows = [(at, each.day, each.text, each.actor) for at, each in enumerate(marks, start=1)]
    columns = (
        Column("number", "Mark", "count"),
        Column("day", "Day", "day"),
        Column("message", "What happened"),
        Column("actor", "Noted by"),
    )
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return Table("What happened in this period", columns, frame)


def _known(course: pd.Series) -> list[float | None]:
    return [None if pd.isna(value) else float(value) for value in course]


def _weekly_table(now: pd.DataFrame) -> Table:
    columns = (Column("week", "Week of", "day", "Monday of the week."), *map(measured, SHOWN))
    frame = now.reset_index()[["week", *SHOWN]].sort_values("week", ascending=False)
    return Table("Week by week", columns, frame.reset_index(drop=True))


def _notes(marts: Marts, scope: Scope, about: About, earlier: Scope | None) -> tuple[str, ...]:
    compared = (
        "There is no equally long period before to compare with."
        if earlier is None
        else f"Compared with {formats.weeks(earlier.since, earlier.until, earlier.weeks)}."
    )
    return (
        f"{compared} Whole weeks only: the running week is left out.",
        (
            "Blended CAC and ROAS set all media spend against all patients and all money "
            "collected, whatever brought them; Channels sets it against credit."
        ),
        *money_left_out(marts, scope, about),
    )


def _nothing(scope: Scope) -> str:
    span = formats.weeks(scope.since, scope.until, scope.weeks)
    return f"Nothing matches these filters in {span}. Choose a longer period or fewer filters."
