"""Cohorts for research and one person: the numbers of Research and Patient journey."""

from attribution.metrics.definition import Definition, Format


def _research() -> tuple[Definition, ...]:
    return (
        Definition(
            "cohort_people",
            "People",
            "People who kept a visit and fit the cohort.",
            "Each counted once, by their main service line and place.",
            "count",
            "neither",
        ),
        Definition(
            "cases",
            "With the condition",
            "People of the cohort whose main diagnosis group is one of those chosen.",
            "Of most of their visits.",
            "count",
            "neither",
        ),
        Definition(
            "prevalence",
            "Prevalence",
            "Share of the cohort that has the condition.",
            "People with the condition ÷ people; the 95% interval is Wilson's.",
            "rate",
            "neither",
        ),
        Definition(
            "visits_a_period",
            "Visits",
            "Mean number of kept visits in a period of the band.",
            "The 95% interval draws whole runs of neighbouring periods, which are alike.",
            "number",
            "neither",
        ),
        Definition(
            "rank_correlation",
            "Correlation",
            "Spearman's: 1 where more visits always go with more pollen or worse air, −1 where "
            "fewer do, 0 where neither.",
            "Of ranks; it says nothing of causes, and both may follow the season.",
            "number",
            "neither",
        ),
        Definition(
            "adjusted_p",
            "Adjusted p",
            "How often so strong a correlation would be told by chance among all in this table.",
            "By Benjamini and Hochberg: below 0.05, at most one in twenty of those told is chance.",
            "number",
            "down",
        ),
    )


def _person() -> tuple[Definition, ...]:
    told: tuple[tuple[str, str, str, Format], ...] = (
        (
            "person_state",
            "State",
            (
                "Patient: kept a visit in the last six months or has one booked. Lapsed: the last "
                "kept visit is longer ago. Booked: has a first visit ahead. Lead: asked, and has "
                "not booked. Known: none of these."
            ),
            "text",
        ),
        (
            "open_balance",
            "Open balance",
            (
                "What the billing office last said is still owed, added up over its systems. "
                "Unknown where it tells no balances."
            ),
            "money",
        ),
        (
            "first_seen",
            "First seen",
            "The day of the first thing of any kind that is known of the person.",
            "day",
        ),
        (
            "last_seen",
            "Last seen",
            "The day of the last thing of any kind that has happened; visits ahead do not count.",
            "day",
        ),
        (
            "kept_visits",
            "Kept visits",
            "Visits at which the person was seen; hospital and emergency stays do not count.",
            "count",
        ),
    )
    return tuple(
        Definition(name, title, sentence, "", format_, "neither")
        for name, title, sentence, format_ in told
    )


PEOPLE: tuple[Definition, ...] = (*_research(), *_person())
