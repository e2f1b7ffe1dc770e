"""Experience: would patients recommend us, where and after which waits, and what do reviews say."""

from functools import lru_cache

import pandas as pd

from attribution import experience_queries as asked_of
from attribution import queries
from attribution.metrics import definition, ratio
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.small_cells import OTHER
from attribution.ui import charts, formats
from attribution.ui.charts import Spec
from attribution.ui.view import Column, Figure, Metric, Table, View, measured, records
from attribution.ui.views.experience_drivers import drivers_figure, drivers_table
from attribution.ui.views.experience_report import report
from attribution.ui.views.experience_reviews import rating, sites_figure, sites_table
from attribution.ui.views.experience_waits import curve_table, waits_figure, waits_table
from attribution.ui.views.extremes import extremes, left_out

QUESTION = "Would patients recommend us, and what goes with it?"
PROTECTED = (
    "How long people waited, and what goes with their answers, is for readers who have the role "
    "analyst: most of those groups are of few people."
)
_ENDS = "One end of the 95% interval."
_CLASSES = (
    ("promoters", "Promoters", "9 or 10 of 10."),
    ("passives", "Passives", "7 or 8 of 10."),
    ("detractors", "Detractors", "0 to 6 of 10."),
)
_GROUPS = {"service_line": "Service line", "location": "Location"}
_TOO_FEW = "too few to tell"
_NOT_KNOWN = "asked: not known"  # nobody was, or by what is not loaded
MAX_ROWS = 14
_MOST_TICKS = 5


@lru_cache(maxsize=128)
def experience(home: Home, generation: int, scope: Scope, *, protected: bool) -> View:
    """The page's view of one generation; built once for each scope."""
    return build(queries.marts(home, generation, protected=protected), scope)


def build(marts: Marts, scope: Scope) -> View:
    """NPS over time and by group, waits against it, its drivers, and reviews by site."""
    currency = queries.about(marts).currency
    shown = f"Answers and reviews of {formats.months(scope.since, scope.last_day)}"
    whole = asked_of.answers(marts, scope)
    stars, sites = asked_of.reviews(marts, scope), asked_of.ratings(marts, scope)
    answered = int(whole["people"].sum())
    if not answered and stars.empty and sites.empty:
        return View(QUESTION, currency=currency, empty=_nothing(marts, shown))
    tables: dict[str, Table] = {}
    figures: dict[str, Figure] = {}
    waited = asked_of.waits(marts, scope)
    if answered:
        months = asked_of.answers(marts, scope, "month")
        tables["months"] = _table("Month by month", months, Column("month", "Month", "day"))
        figures["months"] = _course(months)
        for name, title in _GROUPS.items():
            groups = asked_of.answers(marts, scope, name).sort_values("nps", ascending=False)
            if set(groups[name]) == {OTHER}:  # all are told together: there is nothing to compare
                continue
            groups[name] = groups[name].map(formats.title)
            tables[name] = _table(f"By {title.lower()}", groups, Column(name, title))
            figures[name] = _groups(tables[name], name)
    if not waited.empty:
        line = asked_of.wait_curve(waited)
        tables["waits"], tables["curve"] = waits_table(waited), curve_table(line)
        figures["waits"] = waits_figure(waited, line)
    drivers = asked_of.drivers(marts, scope)
    if not drivers.empty:
        tables["drivers"] = drivers_table(drivers)
        figures["drivers"] = drivers_figure(drivers, *asked_of.within(scope))
    if not stars.empty or not sites.empty:
        tables["sites"] = sites_table(stars, sites)
        if not stars.empty:
            figures["sites"] = sites_figure(tables["sites"].frame)
    people, responded = asked_of.asked(marts, scope)
    metrics = _metrics(whole, people, responded, stars, protected=marts.protected)
    tables["report"] = report(metrics, tables)
    return View(
        QUESTION,
        metrics=metrics,
        figures=figures,
        tables=tables,
        notes=(f"{shown}, in whole months.", *_notes(marts, scope, answered, waited, people)),
        currency=currency,
    )


def _nothing(marts: Marts, shown: str) -> str:
    told = " that may be told: fewer than eleven people are never told apart" * marts.protected
    return (
        f"{shown}: there are none{told}. Choose a longer period or fewer filters, or connect a "
        "source of surveys or reviews, as docs/sources-feedback.md says."
    )


def _table(title: str, frame: pd.DataFrame, first: Column) -> Table:
    columns = (
        first,
        measured("experience_answers"),
        measured("experience_nps"),
        Column("low", "Low", "number", _ENDS),
        Column("high", "High", "number", _ENDS),
        *(Column(name, heading, "count", said) for name, heading, said in _CLASSES),
    )
    rows = frame.rename(columns={"people": "experience_answers", "nps": "experience_nps"})
    return Table(title, columns, rows[[c.name for c in columns]].reset_index(drop=True))


def score(value: float | None) -> str:
    """An NPS or a difference of two as pages write it: +34."""
    if value is None or pd.isna(value):
        return formats.UNDEFINED
    return formats.signed(formats.count(value))


def between(low: float, high: float) -> str:
    """The interval of an NPS in words."""
    return f"{score(low)} to {score(high)}"


def _course(months: pd.DataFrame) -> Figure:
    rows = records(months)
    hovers = [
        f"<b>{pd.Timestamp(row['month']):%B %Y}</b><br>NPS {score(row['nps'])} "
        f"({between(row['low'], row['high'])})<br>{formats.count(row['people'])} answers"
        for row in rows
    ]
    first, last = rows[0], rows[-1]
    apart = last["low"] > first["high"] or last["high"] < first["low"]
    words = "their intervals do not overlap" if apart else "their intervals overlap"
    return Figure(
        "NPS month by month",
        charts.course(
            [f"{pd.Timestamp(row['month']):%Y-%m-%d}" for row in rows],
            (
                months["nps"].round(3).tolist(),
                months["low"].round(3).tolist(),
                months["high"].round(3).tolist(),
            ),
            hovers,
            axis=_months_axis(months["month"]),
        ),
        f"{score(first['nps'])} in {pd.Timestamp(first['month']):%B %Y}, {score(last['nps'])} in "
        f"{pd.Timestamp(last['month']):%B %Y}; {words}."
        if len(rows) > 1
        else f"{score(first['nps'])} in {pd.Timestamp(first['month']):%B %Y}.",
        f"{definition('experience_nps').help} The last month may not be over.",
        "months",
    )


def _months_axis(months: pd.Series) -> Spec:
    """An axis with every month, or every so many of them: left alone, it may name one twice."""
    days = [pd.Timestamp(month) for month in months]
    step = -(-len(days) // _MOST_TICKS)
    shown = days[::-1][::step][::-1]
    beside = (days[-1] - days[0]) * 0.07  # room for the names of the first and the last
    span = [f"{days[0] - beside:%Y-%m-%d}", f"{days[-1] + beside:%Y-%m-%d}"]
    return {
        "type": "date",
        "tickvals": [f"{day:%Y-%m-%d}" for day in shown],
        "ticktext": [f"{day:%b %Y}" for day in shown],
        "tickangle": 0,
        **({"range": span} if len(days) > 1 else {}),
    }


def _groups(table: Table, name: str) -> Figure:
    known = table.frame.dropna(subset=["experience_nps"])  # a cell told may hold nobody by now
    drawn = extremes(known, MAX_ROWS)
    rows = records(drawn)
    hovers = [
        f"<b>{formats.label(row[name])}</b><br>NPS {score(row['experience_nps'])} "
        f"({between(row['low'], row['high'])})<br>"
        f"{formats.count(row['experience_answers'])} answers"
        for row in rows
    ]
    best, worst = rows[0], rows[-1]
    said = f"{best[name]}: {score(best['experience_nps'])}."
    if len(rows) > 1:
        said = (
            f"From {score(worst['experience_nps'])} ({worst[name]}, "
            f"{formats.count(worst['experience_answers'])} answers) to "
            f"{score(best['experience_nps'])} ({best[name]}, "
            f"{formats.count(best['experience_answers'])})."
        )
    return Figure(
        f"NPS by {_GROUPS[name].lower()}",
        charts.intervals(
            [formats.short_label(row[name]) for row in rows],
            (drawn["experience_nps"] / 100).tolist(),
            (drawn["low"] / 100).tolist(),
            (drawn["high"] / 100).tolist(),
            hovers,
        ),
        said + left_out(known, drawn),
        definition("experience_nps").help,
        name,
    )


def _metrics(
    whole: pd.DataFrame, people: int, responded: int, stars: pd.DataFrame, *, protected: bool
) -> tuple[Metric, ...]:
    # Where small cells are folded, what has no row is not known to be nought.
    none, nobody = (_TOO_FEW, _TOO_FEW) if protected else ("no answers", _NOT_KNOWN)
    row = records(whole)[0]
    answered = int(row["people"])
    mean, reviews = rating(stars)
    said = {
        "experience_nps": (
            None if not answered else float(row["nps"]),
            f"95%: {between(row['low'], row['high'])}" if answered else none,
        ),
        "experience_answers": (float(answered) if answered or not protected else None, ""),
        "survey_response_rate": (
            ratio(responded, people),
            f"{formats.count(people)} asked" if people else nobody,
        ),
        "review_rating": (mean, f"{formats.count(reviews)} reviews"),
    }
    return tuple(
        Metric(name, each.title, value, None, each.format, each.help, each.better, interval=sure)
        for name, (value, sure) in said.items()
        for each in (definition(name),)
    )


def _notes(
    marts: Marts, scope: Scope, answered: int, waited: pd.DataFrame, people: int
) -> tuple[str, ...]:
    notes = []
    if not people:
        notes.append(
            "How many were asked is known of messages of flows that ask, by their name: nps, "
            "survey, feedback or check in. "
            + (
                "None of these months has enough of them to be told."
                if marts.protected
                else "There are none in these months, so no response rate."
            )
        )
    if marts.protected:
        return (*notes, PROTECTED)
    both = int(waited["people"].sum())
    if answered:
        notes.append(
            f"Wait and answer are both known of {formats.count(both)} of {formats.count(answered)} "
            "answers. Who answers a survey is not everybody who came."
        )
    if asked_of.within(scope) == ("", "") and (scope.service_lines or scope.locations):
        notes.append(
            "What goes with NPS is told of everybody, or within one service line or one location."
        )
    return tuple(notes)
