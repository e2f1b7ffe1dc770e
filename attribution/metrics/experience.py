"""Would patients recommend us, and what do review sites say: the numbers of Experience."""

from attribution.metrics.definition import Definition

EXPERIENCE: tuple[Definition, ...] = (
    Definition(
        "experience_nps",
        "NPS",
        "Share who would recommend us with 9 or 10 of 10, less the share with 0 to 6, in points.",
        "Of each person's last answer of a month; with a 95% score interval (Tango 1998).",
        "number",
    ),
    Definition(
        "experience_answers",
        "Answers",
        "People who answered whether they would recommend us.",
        "Counted once a month, with their last answer of it.",
        "count",
    ),
    Definition(
        "survey_response_rate",
        "Response rate",
        "Share of those asked by a message who answered a survey within 30 days.",
        "People who answered ÷ people asked, 30 days ago or more; of all service lines and places.",
        "rate",
    ),
    Definition(
        "review_rating",
        "Review rating",
        "Mean of the stars, one to five, that reviews gave in these months.",
        "Of reviews whose site lets them be kept.",
        "coefficient",
    ),
    Definition(
        "site_rating",
        "Rating shown",
        "What the site itself shows for the place by now, of five, over all its reviews.",
        "",
        "coefficient",
    ),
    Definition(
        "minutes_waited",
        "Minutes waited",
        "From arriving to being called, at the visit that an answer is about.",
        "The latest kept visit in the 30 days before the answer.",
        "number",
        "down",
    ),
    Definition(
        "driver_effect",
        "Difference in NPS",
        "How many points of NPS go with it, all else in the model alike.",
        "An association, no cause. Small groups are drawn towards the mean of all.",
        "number",
        "neither",
    ),
)
