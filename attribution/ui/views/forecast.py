"""Forecast: will we reach what we aim for in the coming weeks?"""

from datetime import date
from functools import lru_cache

import pandas as pd

from attribution import queries
from attribution.forecast_queries import (
    Asked,
    forecast_errors,
    forecast_members,
    forecast_weeks,
)
from attribution.metrics import KINDS, Format, definition, ratio
from attribution.models.forecast_bands import BOUNDS, LEVELS
from attribution.models.forecast_series import ALL, MONEY, REST, SHORTEST, SPEND, TOTAL
from attribution.models.forecast_table import BEHIND
from attribution.paths import Home
from attribution.queries import Marts
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, View, measured
from attribution.ui.views.forecast_words import MODELS, how_sure, sums, why

QUESTION = "Will we reach what we aim for in the coming weeks?"
PROTECTED = (
    "Forecasts are made from every week, service line and place, small ones too, so they are for "
    "readers with the role analyst. Overview has what viewers may see."
)
NO_WEEK = (
    "All weeks that are foretold are over, as this number is reported so late. Raise `horizon` in "
    "[forecast]."
)
SHOWN = 52  # weeks of the past in the figure
MONTH = 4
_RANGES = {
    "low_80": "likely_low",
    "high_80": "likely_high",
    "low_95": "wide_low",
    "high_95": "wide_high",
}
_REPORT = (
    *("metric", "dimension", "member", "week", "model"),
    *("is_ahead", "is_over", "actual", "expected"),
)


@lru_cache(maxsize=128)
def forecast(home: Home, generation: int, asked: Asked, *, protected: bool) -> View:
    """The page's view of one series of one generation."""
    return build(queries.marts(home, generation, protected=protected), asked)


def build(marts: Marts, asked: Asked) -> View:
    """The page's view: what is expected, in which bands, by which model, and how it fared."""
    facts = queries.about(marts)
    currency = facts.currency
    weeks = forecast_weeks(marts, asked)
    if weeks.empty:
        return View(QUESTION, currency=currency, empty=_nothing(marts, asked))
    ahead = weeks[weeks["is_ahead"]].reset_index(drop=True)
    past = weeks[~weeks["is_ahead"]].reset_index(drop=True)
    over = _over(ahead, facts.last_week)
    coming = ahead[~over].reset_index(drop=True)
    errors = forecast_errors(marts, asked)
    has_parts = len(forecast_members(marts).get(asked.metric, {})) > 1
    return View(
        QUESTION,
        metrics=_metrics(asked, past, coming, errors, late=bool(over.any())),
        figures={"fan": _fan(asked, past, ahead, errors, currency)},
        tables={
            "next": _next(asked, coming),
            "models": _models(errors),
            "weeks": _course(asked, past, ahead),
        },
        remark=why(errors, spends=asked.metric == SPEND),
        notes=_notes(asked, past, ahead, over, has_parts=has_parts),
        currency=currency,
    )


def report(marts: Marts) -> View:
    """Every series as one table, for files."""
    facts = queries.about(marts)
    currency = facts.currency
    weeks = forecast_weeks(marts)
    if weeks.empty:
        return View(QUESTION, currency=currency, empty=_nothing(marts, Asked()))
    errors = forecast_errors(marts)
    errors = errors[errors["is_chosen"].astype(bool)]
    keys = ["metric", "dimension", "member"]
    frame = weeks.merge(errors[[*keys, "wape"]], on=keys, how="left")
    frame["is_over"] = _over(frame, facts.last_week).map({True: "yes", False: "no"})
    frame["is_ahead"] = frame["is_ahead"].map({True: "yes", False: "no"})
    frame["is_anomaly"] = frame["is_anomaly"].map({True: "yes", False: "no"})
    frame["week"] = frame["week"].map(lambda day: f"{pd.Timestamp(day):%Y-%m-%d}")
    numbers = ("actual", "expected", *BOUNDS, "target", "wape")
    names = (*_REPORT, *BOUNDS, "target", "is_anomaly", "wape")
    columns = tuple(Column(n, n, "number" if n in numbers else "text") for n in names)
    table = Table("Forecast", columns, frame[list(names)])
    return View(QUESTION, tables={"report": table}, currency=currency)


def _over(frame: pd.DataFrame, last_week: date) -> "pd.Series[bool]":
    """Which weeks are over, though a late source may not have told of them yet."""
    return pd.to_datetime(frame["week"]) <= pd.Timestamp(last_week)


def titled(asked: Asked) -> str:
    """A series in words: Booked visits, Dental."""
    number = definition(KINDS.get(asked.metric, asked.metric)).title
    if asked.dimension == TOTAL:
        return number
    member = "all others" if asked.member == REST else formats.title(asked.member)
    return f"{number}, {member}"


def _metrics(
    asked: Asked, past: pd.DataFrame, coming: pd.DataFrame, errors: pd.DataFrame, *, late: bool
) -> tuple[Metric, ...]:
    as_ = _format(asked)
    meaning = definition("expected")
    cards = []
    before = "newest {} weeks reported" if late else "{} weeks before"
    for weeks in sorted({min(MONTH, len(coming)), len(coming)} - {0}):
        came = past["actual"].iloc[-weeks:]
        cards.append(
            Metric(
                f"next_{weeks}",
                f"Next {weeks} weeks" if weeks > 1 else "Next week",
                float(coming["expected"].iloc[:weeks].sum()),
                float(came.sum()) if len(came) == weeks else None,
                as_,
                f"{meaning.help} Compared with the {before.format(weeks)}.",
                "neither" if asked.metric == "spend" else "up",
            )
        )
    if coming["target"].notna().any():
        reach = ratio(float(coming["expected"].sum()), float(coming["target"].sum()))
        cards.append(_card("on_target", reach))
    chosen = errors.loc[errors["is_chosen"].astype(bool), "wape"]
    error = float(chosen.iloc[0]) if len(chosen) else None
    cards.append(_card("wape", error))
    return tuple(cards)


def _card(name: str, value: float | None) -> Metric:
    meaning = definition(name)
    how = f"{meaning.help}"
    return Metric(name, meaning.title, value, None, meaning.format, how, meaning.better)


def _fan(
    asked: Asked,
    past: pd.DataFrame,
    ahead: pd.DataFrame,
    errors: pd.DataFrame,
    currency: str,
) -> Figure:
    shown = past.iloc[-SHOWN:]
    sign = formats.symbol(currency) if asked.metric in MONEY else ""
    target = ahead["target"].iloc[0]
    unusual = _days(shown[shown["is_anomaly"].astype(bool)])
    spec = charts.fan(
        _days(shown),
        shown["actual"].tolist(),
        _days(ahead),
        ahead["expected"].tolist(),
        {n: (ahead[f"low_{n}"].tolist(), ahead[f"high_{n}"].tolist()) for n in LEVELS},
        None if pd.isna(target) else float(target),
        unusual,
        sign,
    )
    last = ahead.iloc[-1]
    as_ = _format(asked)
    words = (
        f"Expected in the week of {formats.day(last['week'])}: "
        f"{formats.written(float(last['expected']), as_, currency)}, and four times in five from "
        f"{formats.written(float(last['low_80']), as_, currency)} to "
        f"{formats.written(float(last['high_80']), as_, currency)}. {how_sure(errors)}"
    )
    title = f"{formats.label(titled(asked))} by week"
    return Figure(title, spec, words, definition("expected").help, "weeks")


def _next(asked: Asked, coming: pd.DataFrame) -> Table:
    as_ = _format(asked)
    frame = coming.rename(columns=_RANGES)
    aim = ["target"] if coming["target"].notna().any() else []
    shown = ["expected", *aim, *_RANGES.values()]
    columns = [Column("week", "Week of", "day", "Monday of the week.")]
    for name in shown:
        meaning = definition(name)
        columns.append(Column(name, meaning.title, as_, meaning.help))
    return Table("The next weeks", tuple(columns), frame[["week", *shown]], empty=NO_WEEK)


def _course(asked: Asked, past: pd.DataFrame, ahead: pd.DataFrame) -> Table:
    """What the figure draws, the newest week first."""
    as_ = _format(asked)
    frame = pd.concat([past.iloc[-SHOWN:], ahead]).rename(columns=_RANGES)
    names = ("expected", "likely_low", "likely_high")
    columns = (
        Column("week", "Week of", "day", "Monday of the week."),
        Column("actual", "Came", as_, "What was counted in the week."),
        *(Column(n, definition(n).title, as_, definition(n).help) for n in names),
    )
    frame = frame.sort_values("week", ascending=False)[["week", "actual", *names]]
    return Table("Week by week", columns, frame.reset_index(drop=True))


def _models(errors: pd.DataFrame) -> Table:
    known = errors["wape"].notna()
    frame = pd.DataFrame(
        {
            "forecast_model": errors["model"].map(lambda name: MODELS.get(name, name)),
            "wape": errors["wape"],
            "is_chosen": errors["is_chosen"].astype(bool),
            "reason": [
                "" if fine else _remark(str(note))
                for fine, note in zip(known, errors["note"].fillna(""), strict=True)
            ],
        }
    ).sort_values(["wape", "forecast_model"], na_position="last")
    columns: tuple[Column, ...] = (
        Column("forecast_model", "Model", help="With a plus sign, the mean of both."),
        measured("wape"),
        Column("is_chosen", "Chosen", "flag", "The model that the figure shows."),
        Column("reason", "Remark"),
    )
    if known.all():
        frame, columns = frame.drop(columns="reason"), columns[:-1]
    tested = int(errors["weeks_tested"].max())
    return Table("How the models fared", columns, frame, f"Over {tested} weeks foretold in tests.")


def _remark(note: str) -> str:
    if note == BEHIND:
        return "Behind in the two newest tests, so not tested further."
    return f"Could not be fitted: {note}."


def _notes(
    asked: Asked,
    past: pd.DataFrame,
    ahead: pd.DataFrame,
    over: "pd.Series[bool]",
    *,
    has_parts: bool,
) -> tuple[str, ...]:
    agree = bool(ahead["adds_up"].iloc[0])
    notes = [sums(asked, adds_up=agree, has_parts=has_parts)]
    if over.any():
        first, last = (formats.day(day) for day in ahead.loc[over, "week"].iloc[[0, -1]])
        since = f"week of {first} is" if first == last else f"weeks of {first} to {last} are"
        notes.append(
            f"The {since} over, but not reported in full or not settled. What is expected of them "
            "is drawn, and is in no sum of coming weeks."
        )
    odd = past[past["is_anomaly"].astype(bool)]
    if len(odd):
        days = formats.several(formats.day(day) for day in odd["week"])
        notes.append(
            f"Ringed: the week of {days} came outside the range that the weeks before had for it. "
            "One week in twenty does so by chance."
        )
    notes.append(
        "Public holidays, promotions, capacity and planned budgets in your settings are known. "
        "Weeks count what happened in them, so the newest week is final once it is reported."
    )
    if asked.dimension == "channel" and asked.metric != "spend":
        notes.append(
            "By channel, conversions are those that the position-based credit model gives it."
        )
    return tuple(notes)


def _nothing(marts: Marts, asked: Asked) -> str:
    if marts.protected:
        return PROTECTED
    if asked.member not in (ALL, REST):
        return "This series is not forecast. Choose another one."
    return (
        f"Nothing is forecast yet: it takes {SHORTEST} reported weeks of a number, and a refresh "
        "with forecasts switched on."
    )


def _format(asked: Asked) -> Format:
    return "money" if asked.metric in MONEY else "count"


def _days(frame: pd.DataFrame) -> list[str]:
    return [f"{pd.Timestamp(day):%Y-%m-%d}" for day in frame["week"]]
