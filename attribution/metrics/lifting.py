"""Lift tests: what a channel brought where it was tested, and what a design can tell."""

from attribution.metrics.definition import Definition

LIFTING: tuple[Definition, ...] = (
    Definition(
        "lift_increment",
        "Brought",
        "Conversions that the channel brought in the weeks and places of the test that count.",
        "Off: what would have been − what was counted. On: the other way round. Below it 90%.",
        "number",
    ),
    Definition(
        "lift_share",
        "Share",
        "The part of conversions that the channel brings while it is on, where it was tested.",
        "Brought ÷ what is counted with the channel on. Below it 90%.",
        "rate",
    ),
    Definition(
        "lift_cost",
        "Cost of one more",
        "Money that one more conversion cost, by the test.",
        "Money not spent (or spent) in the weeks that count ÷ brought; none where the interval "
        "holds nought.",
        "money",
        "down",
    ),
    Definition(
        "lift_money",
        "Money of the test",
        "Money that the treated markets are not given (or are given) for the test.",
        "Weekly money of the last 13 weeks × weeks of the test, those of wash-out with them.",
        "money",
        "neither",
    ),
    Definition(
        "lift_chance",
        "By chance",
        "How likely a result as far from nought is where the channel does nothing.",
        "From the same test where nothing was done: earlier weeks, other markets.",
        "rate",
        "down",
    ),
    Definition(
        "lift_detectable",
        "Tells from",
        "The smallest effect that is told four times in five, as a part of what is counted.",
        "(t of 95% + t of 80%) × the spread of results where nothing was done.",
        "rate",
        "down",
    ),
    Definition(
        "lift_power",
        "Power",
        "How often the wanted effect would be told from nothing.",
        "The effect is added to each result where nothing was done; told beyond the 90% interval.",
        "rate",
    ),
    Definition(
        "lift_weeks",
        "Weeks needed",
        "The shortest test that tells the wanted effect four times in five.",
        "Of 2, 4, 6, 8, 10, 12, 16, 20 and 26 weeks that count; the wash-out comes on top.",
        "count",
        "down",
    ),
    Definition(
        "lift_counted_weekly",
        "Counted a week",
        "Conversions of the market in the mean week of the last 13.",
        "",
        "number",
    ),
    Definition(
        "lift_spent_weekly",
        "Channel's money",
        "The channel's money for this market alone in the mean week of the last 13.",
        "",
        "money",
        "neither",
    ),
)
