"""The marketing mix and the budget: curves, plans, and returns side by side."""

from attribution.metrics.definition import Definition

_WEEK = "At steady spend, by the mix model's response curves."

MIXING: tuple[Definition, ...] = (
    Definition(
        "plan_gain",
        "Gain a week",
        "What the plan brings above today's in a week, on average over all draws of the curves.",
        "Mean of (brought under the plan − brought today); nine draws of ten lie in the interval.",
        "number",
    ),
    Definition(
        "plan_sure",
        "How sure",
        "The share of draws of the response curves in which the plan brings more than today's.",
        "Draws with a gain above 0 ÷ all draws.",
        "rate",
    ),
    Definition(
        "plan_total",
        "Spend a week",
        "Money that the plan spends in a week, all channels with a curve.",
        "Today's is the mean week of the last 13.",
        "money",
        "neither",
    ),
    Definition(
        "plan_moved",
        "Money moved",
        "The part of today's money that the plan gives to another channel.",
        "Half the sum of all changes ÷ today's spend.",
        "rate",
        "neither",
    ),
    Definition("spend_now", "Today", "Mean weekly spend of the last 13 weeks.", "", "money"),
    Definition(
        "spend_least",
        "Least",
        "The least a week that the plan may give the channel.",
        "Unless it is set, the least mean week of any four; 0 where an experiment was heard.",
        "money",
    ),
    Definition(
        "spend_most",
        "Most",
        "The most a week that the plan may give the channel.",
        "Unless it is set, the most that the mean week of any four was ever given.",
        "money",
    ),
    Definition(
        "spend_suggested", "Suggested", "What the plan gives the channel in a week.", "", "money"
    ),
    Definition("spend_change", "Change", "Suggested spend less today's.", "", "money", "neither"),
    Definition(
        "brings_now", "Brings today", "What the channel brings in a week today.", _WEEK, "number"
    ),
    Definition(
        "brings_then", "Brings then", "What it brings in a week under the plan.", _WEEK, "number"
    ),
    Definition(
        "one_more_now",
        "One more costs, today",
        "Money for one more of what the plan counts, at today's spend.",
        "1 ÷ the mean slope of the channel's curve.",
        "money",
        "down",
    ),
    Definition(
        "one_more",
        "One more costs, then",
        "Money for one more of what the plan counts, at the suggested spend.",
        "1 ÷ the mean slope of the channel's curve. Equal where no bound holds.",
        "money",
        "down",
    ),
    Definition(
        "credited_roi",
        "Credited",
        "Net return on spend by the chosen credit model, in the chosen weeks.",
        "(Money credited − spend) ÷ spend, of the weeks in which both are known.",
        "rate",
    ),
    Definition(
        "incremental_roi",
        "Incremental",
        "Net return on spend by places and weeks: money that would not have come without it.",
        "(Money brought − spend) ÷ spend, of the chosen weeks in which both are known.",
        "rate",
    ),
    Definition(
        "mix_roi",
        "Mix model",
        "Net return on spend by the mix model, from whole weeks alone.",
        "(Money brought − spend) ÷ spend, in the last 52 weeks.",
        "rate",
    ),
    Definition("mix_roi_low", "Mix model, low", "Lower end of its 90% interval.", "", "rate"),
    Definition("mix_roi_high", "Mix model, high", "Upper end of its 90% interval.", "", "rate"),
)
