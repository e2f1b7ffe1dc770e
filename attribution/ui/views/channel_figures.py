"""The figures of the page Channels: spend against return, and credit by channel."""

import pandas as pd

from attribution.metrics import KINDS, definition, ratio
from attribution.models import MODELS
from attribution.queries import Scope
from attribution.ui import charts, formats
from attribution.ui.view import Figure, records

LEAST_SIZE = 0.2  # of the largest dot: where nothing is known of how many

LEAST_SHARE = 0.01  # of all spend, to be called the best or the worst

MAX_BUBBLES = 24

MAX_BARS = 16

DRAWN = " Drawn are "  # what follows is of the figure, and of no other that says the same words

FEW = 10  # below which shares of conversions are told apart by their decimals


def return_figure(whole: pd.DataFrame, currency: str, unsure: frozenset[str]) -> Figure:
    """Spend against money collected, a dot for each channel.

    Of the channels in `unsure` too little is known to tell in words whether they pay.
    """
    amounts = whole.assign(spend=whole["collected_spend"], collected=whole["rated_collected"])
    paying = amounts[(amounts["spend"] > 0) & (amounts["collected"] > 0)]
    drawn = paying.head(MAX_BUBBLES)
    least = LEAST_SHARE * float(amounts["spend"].sum())
    biggest = float(drawn["conversions"].max()) if len(drawn) else 0
    points = [
        {
            "name": formats.title(row["channel"]),
            "spend": row["spend"],
            "value": row["collected"],
            "size": row["conversions"] / biggest
            if biggest and row["conversions"] >= 0
            else LEAST_SIZE,
            "colour": charts.channel_colour(row["channel"]),
            "hover": (
                f"<b>{formats.label(formats.title(row['channel']))}</b><br>"
                f"Spend {formats.money(row['spend'], currency)}<br>"
                f"Collected {formats.money(row['collected'], currency)}<br>"
                f"ROAS {formats.ratio(row['roas'])}"
            ),
        }
        for row in records(drawn)
    ]
    unpaid = amounts[(amounts["spend"] > 0) & (amounts["collected"] <= 0)]
    return Figure(
        "Spend against return",
        charts.spend_against_return(points, formats.symbol(currency), len(whole)),
        return_in_words(paying, list(unpaid["channel"]), least, unsure) + _drawn(drawn, paying),
        "Money collected that the model credits to each channel, against what the channel cost. "
        "Above the dotted line a channel earns more than it costs. Both axes are logarithmic; "
        "the larger the dot, the more conversions of the chosen kind.",
        "channels",
    )


def _drawn(drawn: pd.DataFrame, paying: pd.DataFrame) -> str:
    """What the words speak of and the figure has no room for."""
    if len(drawn) == len(paying):
        return ""
    return f"{DRAWN}{len(drawn)} of {len(paying)}; the table has all."


def return_in_words(
    known: pd.DataFrame, unpaid: list[str], least: float, unsure: frozenset[str] = frozenset()
) -> str:
    """The takeaway; a channel with hardly any spend is neither best nor worst.

    Those of which too little is known are not told of.
    """
    nothing = ""
    unpaid = [name for name in unpaid if name not in unsure]
    if unpaid:
        nothing = f" No money is credited to {formats.several(map(formats.title, unpaid))}."
    if known.empty:
        return f"No channel has both spend and money collected in this period.{nothing}"
    known = known[~known["channel"].isin(unsure)]
    if known.empty:
        return f"Of no channel with spend is enough known to tell what it returns.{nothing}"
    ranked = records(known[known["spend"] >= least].sort_values("roas", ascending=False))
    paying = int((known["roas"] >= 1).sum())
    which = "channels with spend and evidence" if unsure else "channels with spend"
    said = f"{paying} of {len(known) + len(unpaid)} {which} earn at least what they cost."
    if not ranked:
        return f"{said}{nothing}"
    (best, most), (worst, fewest) = (
        (formats.title(each["channel"]), formats.ratio(each["roas"]))
        for each in (ranked[0], ranked[-1])
    )
    if len(ranked) == 1:
        return f"{said} {best} returns {most}.{nothing}"
    share = f"{LEAST_SHARE:.0%}"
    any_of_it = " of those with any" if unpaid else ""
    return (
        f"{said} Of those with at least {share} of spend, {best} returns most ({most}), "
        f"{worst} least ({fewest}){any_of_it}.{nothing}"
    )


def credited_figure(whole: pd.DataFrame, scope: Scope, currency: str) -> Figure:
    """What the scope's model credits of the chosen kind, a bar for each channel."""
    meaning = definition(KINDS[scope.kind])
    money = scope.kind == "collected"
    amount = "collected" if money else "conversions"
    order = ["known", amount]
    drawn = whole[whole[amount] > 0].sort_values(order, ascending=False).head(MAX_BARS)
    total = float(whole[amount].sum())
    values = [float(value) for value in drawn[amount]]
    few = bool(values) and max(values) < FEW

    def written(value: float) -> str:
        if money:
            return formats.money(value, currency=currency)
        return formats.number(value) if few or 0 < value < 0.5 else formats.count(value)

    texts = [written(value) for value in values]
    names = [formats.title(name) for name in drawn["channel"]]
    shares = [formats.rate(ratio(value, total)) for value in values]
    spans = [
        "" if pd.isna(low) else f"<br>{written(low)} to {written(high)} at 90%"
        for low, high in zip(drawn["credit_low"], drawn["credit_high"], strict=True)
    ]
    said = [f"{meaning.title} credited by {MODELS[scope.model].title}."]
    if len(drawn) and drawn["known"].iloc[0]:
        said.append(f"{names[0]} leads with {texts[0]}, {shares[0]} of all.")
    elif not total:
        said.append("None in these weeks.")
    unknown = whole[~whole["known"]]
    anyway = float(unknown.loc[unknown["channel"] == "baseline", amount].sum())
    lost = float(unknown[amount].sum()) - anyway
    if lost > 0:
        said.append(f"{formats.rate(ratio(lost, total))} has no known channel.")
    if anyway > 0:
        said.append(f"{formats.rate(ratio(anyway, total))} would have come anyway.")
    return Figure(
        f"{meaning.title} by channel",
        charts.bars(
            [formats.short_label(name) for name in names],
            values,
            texts,
            [charts.channel_colour(name) for name in drawn["channel"]],
            [
                f"<b>{formats.label(name)}</b><br>{text}, {share} of all{span}"
                for name, text, share, span in zip(names, texts, shares, spans, strict=True)
            ],
        ),
        " ".join(said),
        f"{definition('conversions').help} {meaning.sentence}",
        "channels",
    )
