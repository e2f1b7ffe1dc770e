"""Engagement: what became of the messages, whom they reach as they wish, and when they tire."""

from functools import lru_cache

import pandas as pd

from attribution import engagement_queries, queries
from attribution.metrics import definition
from attribution.models.clustered import Messages, share
from attribution.paths import Home
from attribution.queries import Marts, Scope
from attribution.small_cells import OTHER
from attribution.ui import charts, formats
from attribution.ui.scope import before
from attribution.ui.view import Column, Figure, Table, View, measured, records, table_of
from attribution.ui.views import message_counts as counted
from attribution.ui.views.message_report import report

QUESTION = "Do people answer what we write to them, and do we write too much?"
CONNECT = (
    "No message is known yet. Connect the system that sends them (a messaging service, the CRM or "
    "a file: docs/sources-messages.md), or let caretrace write to people (docs/outreach.md)."
)
TOLD_TO_NOBODY = (
    "No flow reached enough people in four weeks to be told of without small cells. Readers with "
    "the role analyst see all of it."
)
TOLD_OF_NONE = (
    "no flow reached enough people in four of these weeks to be told of without small cells. "
    "Choose a longer period; readers with the role analyst see all of it."
)
_SURE = "95% interval, which knows that messages of one person are alike."
_HAD = ("1", "2", "3", "4-5", "6+")
_SHOWN_WINDOW = 30
LEAST_PEOPLE = 30  # to be drawn, not only told
PARTS = ("wishes", "flows", "responses", "opt_outs")  # the figures that stand side by side


@lru_cache(maxsize=128)
def engagement(home: Home, generation: int, scope: Scope, *, protected: bool) -> View:
    """The page's view of one generation; built once for each scope."""
    return build(queries.marts(home, generation, protected=protected), scope)


def build(marts: Marts, scope: Scope) -> View:
    """The page's view: counts and rates by flow, channel and wish, courses, and fatigue."""
    about, folded = queries.about(marts), marts.protected
    sent = engagement_queries.messages(marts, scope)
    span = formats.weeks(scope.since, scope.until, scope.weeks)
    if sent.empty:
        return View(QUESTION, currency=about.currency, empty=_nothing(marts, span))
    earlier = before(scope, about)
    then = None if earlier is None else engagement_queries.messages(marts, earlier)
    tables = {
        "flows": counted.table("By flow", sent, ["flow", "channel"], folded=folded),
        "channels": counted.table("By channel", sent, ["channel"], folded=folded),
        "wishes": counted.table("By preference", sent, ["channel", "channel_wish"], folded=folded),
        "weeks": counted.weekly(sent, scope, about.weeks_together, folded=folded),
        "fatigue": _fatigue(engagement_queries.fatigue(marts), folded=folded),
    }
    return View(
        QUESTION,
        metrics=counted.metrics(sent, then, folded=folded),
        figures=_figures(tables, folded=folded),
        tables=tables | {"report": report(tables, sent, folded=folded)},
        notes=_notes(span, sent, folded=folded),
        currency=about.currency,
    )


def _figures(tables: dict[str, Table], *, folded: bool) -> dict[str, Figure]:
    shown = {"sent": "Sent", "responded": "Answered"}
    figures = {
        "weeks": counted.course(
            tables["weeks"], "Messages by week", shown, definition("messages_sent").help
        ),
        "wishes": _wishes(tables["wishes"].frame),
        "flows": _flows(tables["flows"].frame),
    }
    if set(tables["wishes"].frame["channel_wish"]) <= {formats.title(OTHER)}:
        del figures["wishes"]  # all told together, there is nothing to compare
    tired = tables["fatigue"].frame
    tired = tired[(tired["window_days"] == _SHOWN_WINDOW) & tired["had"].isin(_HAD)]
    if len(tired):
        figures["responses"] = _tiring(tired, "response", "Answered, by messages had in 30 days")
        if not folded:
            figures["opt_outs"] = _tiring(tired, "opt_out", "Opted out, by messages had in 30 days")
    return figures


def _flows(rows: pd.DataFrame) -> Figure:
    drawn = rows.head(counted.MAX_ROWS)
    labels = [
        formats.short_label(f"{formats.title(row['flow'])} · {formats.title(row['channel'])}")
        for row in records(drawn)
    ]
    known = drawn.dropna(subset=["response_rate"]).nlargest(1, "response_rate")
    said = [
        f"{formats.title(best['flow'])} is answered most: {formats.rate(best['response_rate'])}."
        for best in records(known)
    ]
    return counted.response_bars(
        drawn,
        labels,
        "Answered, by flow",
        " ".join(("The flows with most messages.", *(said or ["None of these arrived."]))),
        "flows",
    )


def _wishes(rows: pd.DataFrame) -> Figure:
    order = list(counted.WISHES.values())
    place = rows["channel_wish"].map({name: at for at, name in enumerate(order)})
    drawn = rows.assign(place=place).sort_values(["channel", "place"]).head(counted.MAX_ROWS)
    labels = [
        formats.short_label(f"{formats.title(row['channel'])}: {row['channel_wish'].lower()}")
        for row in records(drawn)
    ]
    known = records(drawn.dropna(subset=["response_rate"]))
    rates = {(row["channel"], row["channel_wish"]): row["response_rate"] for row in known}
    preferred, other, *_ = order
    # By channel: of texts few are answered, whoever prefers what.
    said = [
        f"{formats.title(channel)} is answered in {formats.rate(rate)} where it is preferred, in "
        f"{formats.rate(rates[channel, other])} where another channel is"
        for (channel, wish), rate in rates.items()
        if wish == preferred and (channel, other) in rates
    ]
    return counted.response_bars(
        drawn,
        labels,
        "Answered, by preference",
        f"{'; '.join(said)}." if said else "Too little is known of what people prefer to compare.",
        "wishes",
    )


def _fatigue(rows: pd.DataFrame, *, folded: bool) -> Table:
    """Response and opt-out rates by messages had, each with its interval."""
    made = []
    for row in records(rows):
        answered = share(_of(row, "responded"))
        left = None if folded else share(_of(row, "opted_out"))
        made.append(
            {
                "window_days": int(row["window_days"]),
                "channel": _said(row["channel"]),
                "had": _said(row["had"]),
                "messages": row["messages"],
                "people": row["people"],
                **_named("response", answered),
                **({} if folded else _named("opt_out", left)),
            }
        )
    rates = ("response",) if folded else ("response", "opt_out")
    columns = (
        Column("window_days", "Days", "count", "The days in which messages were counted."),
        Column("channel", "Channel", "text", "Of the message that was answered or not."),
        measured("messages_had"),
        measured("messages_delivered"),
        measured("message_people"),
        *(each for rate in rates for each in _ends(rate)),
    )
    names = ("window_days", "channel", "had", "messages", "people")
    columns = tuple(
        Column(name, c.title, c.format, c.help, c.more)
        for name, c in zip((*names, *(c.name for c in columns[len(names) :])), columns, strict=True)
    )
    frame = pd.DataFrame(made, columns=[c.name for c in columns])
    order = frame["had"].map({name: at for at, name in enumerate(_HAD)})
    frame = frame.assign(order=order).sort_values(["window_days", "channel", "order"])
    return table_of(
        "By messages had",
        columns,
        frame.reset_index(drop=True),
        "Of all data but the last 14 days, whatever the period. Who gets many messages differs "
        "from who gets few, so this shows a pattern, not what one message more would do.",
        "Too few people to tell.",
    )


def _said(value: str) -> str:
    return formats.title(value) if value == OTHER else value


def _of(row: dict[str, float], what: str) -> Messages:
    return Messages(
        int(row["people"]), int(row["messages"]), int(row[what]), int(row["messages_squared"]),
        int(row[f"{what}_squared"]), int(row[f"messages_{what}"]),
    )  # fmt: skip


def _named(rate: str, found: tuple[float, float, float] | None) -> dict[str, float | None]:
    return dict(
        zip((f"{rate}_rate", f"{rate}_low", f"{rate}_high"), found or (None,) * 3, strict=True)
    )


def _ends(rate: str) -> tuple[Column, ...]:
    meaning = definition(f"{rate}_rate")
    return (
        measured(meaning.name),
        Column(
            f"{rate}_low", f"{meaning.title}, low", "rate", f"Lower end of the {_SURE}", more=True
        ),
        Column(
            f"{rate}_high", f"{meaning.title}, high", "rate", f"Upper end of the {_SURE}", more=True
        ),
    )


def _tiring(rows: pd.DataFrame, rate: str, title: str) -> Figure:
    drawn = rows.dropna(subset=[f"{rate}_rate"]).head(counted.MAX_ROWS)
    # The interval of a few people would be as wide as the figure; the table has them.
    many = drawn[drawn["people"] >= LEAST_PEOPLE]
    drawn = drawn if many.empty else many
    labels = [f"{formats.title(r['channel'])}, {r['had']}" for r in records(drawn)]
    middles, lows, highs = (
        [float(value) for value in drawn[f"{rate}_{end}"]] for end in ("rate", "low", "high")
    )
    between = [
        f"{formats.rate(low)} to {formats.rate(high)}"
        for low, high in zip(lows, highs, strict=True)
    ]
    hovers = [
        f"{formats.rate(middle)} ({reach})<br>{formats.count(row['messages'])} messages to "
        f"{formats.count(row['people'])} people"
        for middle, reach, row in zip(middles, between, records(drawn), strict=True)
    ]
    said = [
        _first_to_last(formats.title(str(channel)), part["had"], part[f"{rate}_rate"])
        for channel, part in drawn.groupby("channel")
    ]
    return Figure(
        title,
        charts.estimates(
            labels,
            middles,
            (lows, highs),
            [formats.rate(middle) for middle in middles],
            [charts.colour(1 if rate == "response" else 2)] * len(drawn),
            hovers,
            "95% interval",
        ),
        f"By how many messages the person had had, this one included: {'; '.join(said)}.",
        f"{definition(f'{rate}_rate').help} {_SURE}",
        "fatigue",
    )


def _first_to_last(channel: str, had: "pd.Series[str]", rates: "pd.Series[float]") -> str:
    """The rates at the fewest and at the most messages; of one alone there is no course."""
    ends = [f"{formats.rate(rates.iloc[at])} ({had.iloc[at]})" for at in (0, -1)]
    return f"{channel} {ends[0]}" if len(had) == 1 else f"{channel} from {ends[0]} to {ends[1]}"


def _nothing(marts: Marts, span: str) -> str:
    if engagement_queries.any_messages(marts):
        if marts.protected:
            return f"{span}: {TOLD_OF_NONE}"
        return f"No message was sent in {span}. Choose a longer period."
    return TOLD_TO_NOBODY if marts.protected else CONNECT


def _notes(span: str, sent: pd.DataFrame, *, folded: bool) -> tuple[str, ...]:
    if folded:
        few = (
            f"{span}. Flows that reached few people in four weeks are left out, and a person "
            "counts once for each flow, channel and four weeks."
        )
        elsewhere = (
            "Messages that bring back silent patients are told on the page Reactivation, those "
            "that ask for answers on the page Experience. Opens, clicks, replies and opt-outs "
            "are of few people at a time: readers with the role analyst see them. By messages "
            "had in 30 days, each person counts once: with the message at which they had most."
        )
        return few, elsewhere
    programs = (
        f"Of {formats.count(sent['machine_opened'].sum())} messages only a program's opening is "
        "known: mail privacy hides whether a person looked. They count as delivered, not as "
        "answered."
    )
    return (
        f"{span}, by the week in which a message left. The newest may still be answered.",
        programs,
        "Wishes are those of the CRM today. Who prefers a channel may be keener anyway.",
    )
