"""What the journeys of a group of patients came to, as the numbers that a page shows."""

from collections.abc import Mapping
from math import sqrt

from attribution.metrics import ratio
from attribution.ui import formats

FEWEST_ANSWERS = 11
NORMAL_95 = 1.959964
NUMBERS = (
    *("group_people", "group_visits", "show_rate", "group_collected"),
    *("reactivated", "nps", "touch_known", "group_touches", "days_to_visit"),
)


def numbers(sums: Mapping[str, float], people: float) -> dict[str, float | None]:
    """What a group's journeys came to, by the names of the registry; None where undefined.

    `sums` as `group_queries.sums` answers; `people` are those of the group.
    """
    known, touched = sums["people"], sums["touched"]
    recommend = ratio(sums["promoters"] - sums["detractors"], sums["answers"])
    few = recommend is None or sums["answers"] < FEWEST_ANSWERS
    return {
        "group_people": people,
        "group_visits": ratio(sums["visits"], known),
        "show_rate": ratio(sums["shown"], sums["shown"] + sums["missed"]),
        "group_collected": ratio(sums["value_micros"], known),
        "reactivated": ratio(sums["came_back"], sums["was_silent"]),
        "nps": None if few or recommend is None else 100 * recommend,
        "touch_known": ratio(touched, known),
        "group_touches": ratio(sums["touches"], touched),
        "days_to_visit": ratio(sums["days_to_visit"], sums["arrived"]),
    }


def nps_said(sums: Mapping[str, float]) -> str:
    """How many answers an NPS is from, and between what it would lie with others like them."""
    answers = sums["answers"]
    if answers < FEWEST_ANSWERS:
        return "fewer than 11 answers"
    up, down = sums["promoters"] / answers, sums["detractors"] / answers
    reach = 100 * NORMAL_95 * sqrt(max(up + down - (up - down) ** 2, 0.0) / answers)
    return f"{formats.count(answers)} answers, ±{reach:.0f}"
