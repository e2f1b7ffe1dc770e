"""What became of messages as tables, headline numbers and courses: of all flows or of some."""

from collections.abc import Sequence

import pandas as pd

from attribution.metrics import definition, ratio
from attribution.queries import WEEK, Scope
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Metric, Table, measured, records

TOLD = ("sent", "delivered", "responded")
MORE = ("opened", "machine_opened", "clicked", "replied", "opted_out")  # not where cells are folded
_NAMED = {
    "sent": "messages_sent", "delivered": "messages_delivered", "responded": "message_responses",
    "opened": "message_opens", "machine_opened": "machine_opens", "clicked": "message_clicks",
    "replied": "message_replies", "opted_out": "opt_outs",
}  # fmt: skip
WISHES = {
    "preferred": "The preferred channel", "other": "Another channel", "not told": "No wish known",
}  # fmt: skip
TITLES = {"flow": "Flow", "channel": "Channel", "channel_wish": "It is"}
MAX_ROWS = 12
# What nobody can know of a channel: a text message is not opened, a mail is not answered here.
_OPENED = "email"


def counts(frame: pd.DataFrame, grain: Sequence[str], *, folded: bool) -> pd.DataFrame:
    """Sums and rates of the messages of each group, most messages first."""
    shown = [*TOLD, *(() if folded else MORE)]
    summed = frame.groupby(list(grain), as_index=False)[shown].sum()
    return with_rates(summed, folded=folded)


def with_rates(summed: pd.DataFrame, *, folded: bool) -> pd.DataFrame:
    """With the rates of each row, missing where nothing was sent or arrived."""
    arrived = summed["delivered"].where(summed["delivered"] > 0)
    rates = {
        "delivery_rate": summed["delivered"] / summed["sent"].where(summed["sent"] > 0),
        "response_rate": summed["responded"] / arrived,
    }
    if not folded:
        rates["opt_out_rate"] = summed["opted_out"] / arrived
    return summed.assign(**rates)


_BESIDE = ("opened", "machine_opened", "clicked", "replied")  # on demand: all would not fit


def columns(*, folded: bool) -> tuple[Column, ...]:
    """The columns of every table of messages, after its names."""
    rates = ("delivery_rate", "response_rate", *(() if folded else ("opt_out_rate",)))
    named = [(name, _NAMED[name]) for name in (*TOLD, *(() if folded else MORE))]
    made = {name: measured(meaning) for name, meaning in named} | {n: measured(n) for n in rates}
    order = ["sent", "delivered", "delivery_rate", "responded", "response_rate"]
    order += [] if folded else ["opened", "machine_opened", "clicked", "replied"]
    order += [] if folded else ["opted_out", "opt_out_rate"]
    return tuple(
        Column(name, made[name].title, made[name].format, made[name].help, more=name in _BESIDE)
        for name in order
    )


def table(title: str, frame: pd.DataFrame, grain: Sequence[str], *, folded: bool) -> Table:
    """One row for each group, most messages first."""
    rows = counts(frame, grain, folded=folded)
    rows = rows.sort_values(["sent", *grain], ascending=[False, *(True for _ in grain)])
    named = tuple(Column(name, TITLES[name]) for name in grain)
    every = (*named, *columns(folded=folded))
    rows = in_words(rows)
    return Table(title, every, rows[[c.name for c in every]].reset_index(drop=True))


def weekly(frame: pd.DataFrame, scope: Scope, together: int, *, folded: bool) -> Table:
    """One row for each week, also where nothing was sent, or each four of those told; newest first.

    Where small cells are folded nothing told is not nothing sent, so it is missing.
    """
    shown = [*TOLD, *(() if folded else MORE)]
    every = [scope.since + number * WEEK for number in range(0, scope.weeks, together)]
    weeks = frame.assign(week=pd.to_datetime(frame["week"]).dt.date)
    summed = weeks.groupby("week")[shown].sum().reindex(every)
    summed = summed if folded else summed.fillna(0.0)
    rows = with_rates(summed.rename_axis("week").reset_index(), folded=folded)
    first = Column("week", "Week of", "day", "Monday of the week, or of the first of four weeks.")
    every_column = (first, *columns(folded=folded))
    rows = rows[[c.name for c in every_column]].sort_values("week", ascending=False)
    return Table("By week", every_column, rows.reset_index(drop=True))


def course(table: Table, title: str, shown: dict[str, str], figure_help: str) -> Figure:
    """The weeks of a table as lines; `shown` are columns and what they are called."""
    frame = table.frame.sort_values("week")
    weeks = [f"{week:%Y-%m-%d}" for week in frame["week"]]
    lines = {words: line(frame[name]) for name, words in shown.items() if name in frame}
    most = max(records(frame.dropna(subset=["sent"])), key=lambda row: row["sent"])
    return Figure(
        title,
        charts.weekly_lines(weeks, lines),
        f"{formats.count(frame['sent'].sum())} messages; most in the week of "
        f"{formats.day(most['week'])}: {formats.count(most['sent'])}.",
        figure_help,
        "weeks",
    )


def line(values: pd.Series) -> list[float | None]:
    """A column as the course of a figure."""
    return [None if pd.isna(value) else float(value) for value in values]


def response_bars(
    rows: pd.DataFrame, labels: Sequence[str], title: str, alt: str, table: str
) -> Figure:
    """The response rate of each row of a table of counts; no bar and a dash where none is known."""
    rates = rows["response_rate"].astype("float64")
    hovers = [
        f"<b>{name}</b><br>{formats.count(row['responded'])} of "
        f"{formats.count(row['delivered'])} delivered were answered"
        for name, row in zip(labels, records(rows), strict=True)
    ]
    return Figure(
        title,
        charts.bars(
            labels,
            rates.fillna(0).tolist(),
            [formats.rate(rate) for rate in rates],
            [charts.colour(1)] * len(rates),
            hovers,
        ),
        alt,
        definition("response_rate").help,
        table,
    )


def headline(frame: pd.DataFrame, *, folded: bool) -> dict[str, float | None]:
    """The headline numbers of some messages, by the name of their definition."""
    sums = {name: float(frame[name].sum()) for name in (*TOLD, *(() if folded else MORE))}
    mail = frame[frame["channel"] == _OPENED]
    values = {
        "messages_sent": sums["sent"],
        "delivery_rate": ratio(sums["delivered"], sums["sent"]),
        "response_rate": ratio(sums["responded"], sums["delivered"]),
    }
    if folded:
        return values
    return values | {
        "machine_open_rate": ratio(
            float(mail["machine_opened"].sum()), float(mail["delivered"].sum())
        ),
        "opt_out_rate": ratio(sums["opted_out"], sums["delivered"]),
    }


def metrics(
    now: pd.DataFrame, then: pd.DataFrame | None, *, folded: bool, only: Sequence[str] = ()
) -> tuple[Metric, ...]:
    """Headline numbers beside those of the period before, where there was any message."""
    earlier = None if then is None or then.empty else headline(then, folded=folded)
    return tuple(
        Metric(
            name,
            definition(name).title,
            value,
            None if earlier is None else earlier[name],
            definition(name).format,
            definition(name).help,
            definition(name).better,
        )
        for name, value in headline(now, folded=folded).items()
        if not only or name in only
    )


def in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """With wishes in words; flows keep the name that commands know them by."""
    told = {"flow": lambda name: name or "(no name)", "channel_wish": _wish}
    return rows.assign(**{name: rows[name].map(say) for name, say in told.items() if name in rows})


def _wish(name: str) -> str:
    return WISHES.get(name) or formats.title(name)
