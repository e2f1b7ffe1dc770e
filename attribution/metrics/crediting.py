"""Credit and how sure it is: the numbers of Channels and Attribution."""

from attribution.metrics.definition import Definition


def _credited() -> tuple[Definition, ...]:
    return (
        Definition(
            "attributed",
            "Known channel",
            "Share of the chosen conversions that the model credits to a known channel.",
            "(All − unattributed − unmapped − baseline) ÷ all; of Collected, the share of money.",
            "rate",
        ),
        Definition(
            "paid_collected",
            "Paid collected",
            "Money collected that the model credits to channels with spend.",
            "Sum over channels with spend in the period.",
            "money",
        ),
        Definition(
            "paid_roas",
            "Paid ROAS",
            "Return on the spend of channels with spend, under the chosen model.",
            "Paid collected ÷ spend, of the weeks in which both are known; undefined without "
            "spend.",
            "ratio",
        ),
    )


def _sure() -> tuple[Definition, ...]:
    return (
        Definition(
            "credit_low",
            "Credited, low",
            "Lower end of the 90% interval of what the model credits of the chosen conversion.",
            "From a hundred groups of people, each left out in turn, or under Incremental from "
            "draws of what it holds likely; lows do not add up.",
            "number",
        ),
        Definition(
            "credit_high",
            "Credited, high",
            "Upper end of the 90% interval of what the model credits of the chosen conversion.",
            "From a hundred groups of people, each left out in turn, or under Incremental from "
            "draws of what it holds likely; highs do not add up.",
            "number",
        ),
    )


def _why() -> tuple[Definition, ...]:
    return (
        Definition(
            "part_of",
            "Its journeys",
            "Converted journeys of the chosen kind with at least one touch of the channel.",
            "Counted in the quarters that the period touches.",
            "count",
            "neither",
        ),
        Definition(
            "alone_rate",
            "Alone",
            "Share of those journeys in which no other channel touched: every model that shares "
            "out journeys gives it all.",
            "Journeys of this channel only ÷ journeys it was part of.",
            "rate",
            "neither",
        ),
        Definition(
            "mean_share",
            "Average share",
            "What the model gives the channel of the journeys that it was part of.",
            "Its credit ÷ all conversions, or all money, of those journeys.",
            "rate",
            "neither",
        ),
        Definition(
            "shared_share",
            "Share beside others",
            "What the model gives the channel where other channels touched as well.",
            "Its credit ÷ all conversions, or all money, of journeys in which it was not alone.",
            "rate",
            "neither",
        ),
    )


CREDITING: tuple[Definition, ...] = (*_credited(), *_sure(), *_why())
