"""Who went silent and who came back: the numbers of Reactivation and Cohorts."""

from attribution.metrics.definition import Definition


def _funnel() -> tuple[Definition, ...]:
    return (
        Definition(
            "silent",
            "Silent",
            "Patients without a kept visit for 180 days, whatever their care calls for.",
            "People, counted once for each campaign.",
            "count",
            "neither",
        ),
        Definition(
            "contacted",
            "Contacted",
            "Silent patients to whom a message of the campaign was sent.",
            "The holdout is never contacted.",
            "count",
            "neither",
        ),
        Definition(
            "engaged",
            "Engaged",
            "Contacted patients who opened, clicked, replied or booked.",
            "",
            "count",
        ),
        Definition(
            "reactivated_booked",
            "Booked",
            "Patients of the campaign who booked a visit within 90 days after assignment.",
            "",
            "count",
        ),
        Definition(
            "reactivated_kept",
            "Kept",
            "Patients who kept a visit within 90 days after assignment.",
            "",
            "count",
        ),
        Definition(
            "retained",
            "Retained",
            "Patients who kept a second visit within 180 days after the first.",
            "",
            "count",
        ),
        Definition(
            "kept_rate",
            "Kept rate",
            "Share of people with a kept visit within 90 days after assignment.",
            "Kept ÷ people in the group.",
            "rate",
        ),
        Definition(
            "lift",
            "Lift",
            "What the campaign added: kept rate of those treated less that of the holdout.",
            "Difference of two shares in percentage points, with a 95% interval: people of each "
            "campaign and month beside those held out of the same.",
            "points",
        ),
        Definition(
            "return_chance",
            "Chance to return",
            "How likely a silent patient books again unasked, a visit that is then kept.",
            "Within six months; learned from one year of silences, to 60 days before the last day.",
            "rate",
        ),
        Definition(
            "return_value",
            "Worth of a return",
            "What a patient of this service line who returns brings on average.",
            "Collected within 180 days of the booking, of returns booked 180 days ago or more.",
            "money",
        ),
        Definition(
            "reach",
            "People to reach",
            "Silent patients who allowed marketing, in groups worth a message.",
            "By their last word on e-mail, on texts, or on all channels, to us too; a STOP is one.",
            "count",
            "neither",
        ),
        Definition(
            "extra_kept",
            "Extra kept visits",
            "Kept visits that would not have come without the message.",
            "People times the lift against holdouts of their months of silence, within 90 days.",
            "count",
        ),
        Definition(
            "reach_cost",
            "Cost of reaching them",
            "People times what reaching a silent person by that channel has cost so far.",
            "",
            "money",
            "neither",
        ),
        Definition(
            "reach_gain",
            "Gain",
            "What the extra kept visits are worth, less the cost of the messages.",
            "Extra kept visits times the worth of a return, less cost.",
            "money",
        ),
    )


def _cohorts() -> tuple[Definition, ...]:
    return (
        Definition(
            "cohort_size",
            "In the week",
            "How many leads, or kept visits, the week brought: those whose course is followed.",
            "Only of people who can be identified.",
            "count",
            "neither",
        ),
        Definition(
            "cohort_rate",
            "So far",
            "Share of the week's leads that have gone on to the chosen conversion so far.",
            "Gone on within the lookback ÷ leads of the week.",
            "rate",
        ),
        Definition(
            "cohort_final",
            "Expected",
            "Share of the week's leads that will have gone on once all have had the time.",
            "(So far + those still expected from the lags of earlier weeks) ÷ leads of the week.",
            "rate",
        ),
        Definition(
            "visit_money",
            "So far",
            "Money that has been collected for the week's kept visits so far.",
            "Counted in the week of the visit, not of the posting.",
            "money",
        ),
        Definition(
            "visit_money_final",
            "Expected",
            "Money that the week's kept visits will have brought a year after.",
            "So far + what is still expected from the lags of earlier weeks.",
            "money",
        ),
        Definition(
            "maturity",
            "Maturity",
            "Share of the final number that has usually arrived by a week of this age.",
            "Below 90% the week is immature: what it shows so far is not its result.",
            "rate",
            "neither",
        ),
    )


def _groups() -> tuple[Definition, ...]:
    return (
        Definition(
            "group_people",
            "Patients",
            "People who ever kept a visit and have all the chosen things in common.",
            "Each once: service line, location and lapse are those of the latest kept visit.",
            "count",
            "neither",
        ),
        Definition(
            "group_visits",
            "Visits each",
            "Kept visits for each patient of the group, of any service line, in all data.",
            "Kept visits ÷ patients.",
            "number",
        ),
        Definition(
            "show_rate",
            "Show rate",
            "Share of appointments that were kept, of those kept or missed.",
            "Kept ÷ (kept + missed without notice); cancelled ones are left out.",
            "rate",
        ),
        Definition(
            "group_collected",
            "Collected each",
            "Money collected for each patient of the group, in all data and the report's currency.",
            "Collected ÷ patients.",
            "money",
        ),
        Definition(
            "reactivated",
            "Reactivated",
            "Share of patients silent for 180 days or more, ever, who came back at least once.",
            "Kept a visit after such a silence ÷ had one; asked or unasked.",
            "rate",
        ),
        Definition(
            "nps",
            "NPS",
            "Net promoter score: share of patients who answer 9 or 10 less the share of 0 to 6.",
            "Of each patient's latest answer, in points; not shown for fewer than 11 answers.",
            "number",
        ),
        Definition(
            "touch_known",
            "Touch known",
            "Share of patients of whom any touch is known.",
            "Patients with a touch ÷ patients.",
            "rate",
            "neither",
        ),
        Definition(
            "group_touches",
            "Touches each",
            "Known touches for each patient who has any.",
            "Touches ÷ patients with a touch.",
            "number",
            "neither",
        ),
        Definition(
            "days_to_visit",
            "Days to visit",
            "Average days from the first known touch to the first kept visit.",
            "Of patients whose first touch came before their first visit.",
            "number",
            "down",
        ),
        Definition(
            "group_share",
            "Share",
            "Share of the group's patients; those of whom it is not known are in no share.",
            "Patients of the row ÷ patients of the group of whom it is known.",
            "rate",
            "neither",
        ),
    )


RETAINING: tuple[Definition, ...] = (*_funnel(), *_cohorts(), *_groups())
