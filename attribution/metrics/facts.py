"""What every number is told for, which day it counts by, where it is shown, what changed of it.

Beside the sentences, because they are the same for many numbers of a page. A new number belongs
into a group here; a changed sentence or formula into `CHANGES`, with what is different.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """Of a group of numbers: the pages that show them, the grain and the date basis."""

    pages: tuple[str, ...]
    grain: str
    date_basis: str


_BOTH_KNOWN = (
    "Where one of its numbers is late it counts the weeks in which both are known; it was of all "
    "weeks."
)

# What was different, in words, each time a sentence or a formula was changed; oldest first.
CHANGES: dict[str, tuple[str, ...]] = {
    "leads": ("Says which inquiries are counted: no chats or referrals. The number is as before.",),
    "messages_delivered": (
        "Of flows whose carrier never tells, what was sent and did not bounce counts as delivered.",
        "So too of a flow's other channel, and of the time before its carrier first tells.",
    ),
    "engaged": ("No longer says that calls are counted, which they never were.",),
    "attributed": ("Of Collected it was the share of payments; it is the share of money.",),
    "return_chance": (
        "It said two years, but one is learned from. Nothing is learned from those who have died.",
    ),
    "return_value": ("No longer counts returns whose 180 days are not over, which lowered it.",),
    "reach": (
        "Counts who allowed every channel at once, and no longer who refused since they allowed.",
        "Whoever answered STOP or unsubscribed counts no longer: only preferences were asked.",
        "Who told us to stop counts no longer; a STOP is for what `stop_means` says.",
    ),
    "way_consented": (
        "Who answered STOP, unsubscribed or told us to stop has not: only preferences were asked.",
    ),
    "reach_cost": (
        "Counts all that was sent to somebody silent, and no money that went to others.",
    ),
    "expected": (
        (
            "No longer says that parts and total agree, which they do only where that is set, nor "
            "that the smallest error decides: smoothing stays unless another is clearly better."
        ),
    ),
    **dict.fromkeys(
        ("cpl", "cac", "roas", "roi", "paid_roas", "credited_roi", "incremental_roi"),
        (_BOTH_KNOWN,),
    ),
    "flow_people": (
        "Who was assigned before the first holdout, or before visits are known, counts no longer.",
    ),
    "flow_lift": ("People of before the flow's first holdout are no longer compared.",),
    "lift": (
        (
            "Campaigns and months in which nobody was held out are no longer compared, and each of "
            "the others is with its own holdout."
        ),
    ),
    "lift_cost": (
        "Money of the wash-out counts no longer: what came in it is not counted either.",
    ),
    "lift_money": (
        (
            "It said 8 weeks before, less what was spent in the test, and is of the last 13. Of "
            "markets that begin later it counts so many weeks fewer; it counted all."
        ),
    ),
    "brought": ("Cohorts of before the campaign first held somebody out are no longer compared.",),
}

_OVERVIEW = ("overview", "channels")
_WIDE = ("overview", "channels", "attribution", "forecast")
_PLACED = "service line, location, week"
_CHANNEL = "channel, campaign, service line, location, week"
_UNLESS = ", unless another is chosen"
_CHOSEN = f"day it happened{_UNLESS}"
_PERSON = "each patient's own days; the page says which"
_COHORT = "week in which a lead, booking or visit began a cohort"
_SILENCE = "month in which the silence was found"
_MESSAGE = "day on which the message was sent"
_CLAIM = "day of the ad as the platform puts it, against the day of the conversion"
_FLOW = "day on which the flow first meant the person"
_TODAY = "mean week of the last 13 weeks"
_AHEAD = "the coming weeks, Monday first"
_PERIOD = "day of the answer or review"
_CONDITION = "period of the visit"


def _of(pages: tuple[str, ...], grain: str, date_basis: str, names: str) -> dict[str, Facts]:
    return dict.fromkeys(names.split(), Facts(pages, grain, date_basis))


FACTS: Mapping[str, Facts] = {
    **_of(_WIDE, _PLACED, f"day of the inquiry{_UNLESS}", "leads"),
    **_of(_WIDE, _PLACED, f"day of booking{_UNLESS}", "booked"),
    **_of(_WIDE, _PLACED, f"day of the visit{_UNLESS}", "kept"),
    **_of(_WIDE, _PLACED, f"day of the visit{_UNLESS}", "new_patients"),
    **_of(_WIDE, _PLACED, f"day of posting{_UNLESS}", "collected"),
    **_of(_OVERVIEW, _CHANNEL, "day of the spend", "spend"),
    **_of(("channels",), _CHANNEL, f"spend by its day; credit by {_CHOSEN}", "cpl cac roas roi"),
    **_of(
        ("overview",),
        _PLACED,
        f"spend by its day; the rest by {_CHOSEN}",
        "blended_cac blended_roas",
    ),
    **_of(
        ("overview",),
        "two periods of equal length",
        f"spend by its day; credit by {_CHOSEN}",
        "change_restated change_spend change_mix change_rate change_unpaid",
    ),
    **_of(("channels",), "channel, campaign, week", "day of the web visit", "sessions"),
    **_of(("channels", "attribution"), _CHANNEL, _CHOSEN, "conversions"),
    **_of(("channels",), "all channels of the page", _CHOSEN, "attributed"),
    **_of(("channels",), "channels with spend", _CHOSEN, "paid_collected paid_roas"),
    **_of(
        ("channels", "attribution"),
        "model, channel",
        "the day it happened",
        "credit_low credit_high",
    ),
    **_of(
        ("attribution",),
        "channel, quarter",
        "quarter in which the conversion happened",
        "part_of alone_rate mean_share shared_share",
    ),
    **_of(
        ("journeys",),
        "path, service line, quarter",
        "quarter in which the journey ended",
        "journeys journey_touches journey_days one_touch converted path_rate",
    ),
    **_of(
        ("reactivation",),
        "month, campaign, channel, months of silence, arm",
        _SILENCE,
        "silent contacted engaged reactivated_booked reactivated_kept retained kept_rate lift",
    ),
    **_of(
        ("reactivation",),
        "months of silence, service line, location",
        "today",
        "return_chance return_value reach extra_kept reach_cost reach_gain",
    ),
    **_of(
        ("reactivation",),
        "campaign, channel, lapse state",
        _SILENCE,
        "way_silent way_recall way_consented way_contacted way_delivered way_responded way_booked"
        " way_kept way_retained brought",
    ),
    **_of(
        ("journeys",),
        "service line, week",
        _COHORT,
        "cohort_size cohort_rate cohort_final visit_money visit_money_final maturity",
    ),
    **_of(
        ("cohorts",),
        "group of patients",
        _PERSON,
        "group_people group_visits show_rate group_collected reactivated nps touch_known"
        " group_touches days_to_visit group_share",
    ),
    **_of(
        ("experience",),
        "service line, location, month",
        _PERIOD,
        "experience_nps experience_answers survey_response_rate review_rating site_rating",
    ),
    **_of(("experience",), "band of waiting", "day of the visit", "minutes_waited"),
    **_of(("experience",), "driver", _PERIOD, "driver_effect"),
    **_of(("data-health",), "source, other source", "all that is loaded", "match_rate"),
    **_of(("data-health",), "installation", "day of the visit", "touch_coverage"),
    **_of(
        ("reconcile",),
        "platform, channel, campaign, week",
        _CLAIM,
        "claimed claim_attributed claim_ratio last_touch any_touch claim_difference repeated viewed"
        " again untracked late unclaimed date_basis window_gap other_platforms other_channels"
        " by_effect unexplained",
    ),
    **_of(
        ("reconcile",),
        "source, channel, week",
        "day of the event as analytics tell it",
        "key_events key_event_difference",
    ),
    **_of(("research",), "condition, service line", _CONDITION, "cohort_people cases prevalence"),
    **_of(("research",), "condition, pollen or air", _CONDITION, "rank_correlation adjusted_p"),
    **_of(("research",), "condition, period", _CONDITION, "visits_a_period"),
    **_of(
        ("patient-journey",),
        "one patient",
        "the patient's own days",
        "person_state open_balance first_seen last_seen kept_visits",
    ),
    **_of(
        ("engagement", "education"),
        "flow, channel, week",
        _MESSAGE,
        "messages_sent messages_delivered delivery_rate message_responses response_rate"
        " message_opens machine_opens machine_open_rate message_clicks message_replies opt_outs"
        " opt_out_rate message_people",
    ),
    **_of(("engagement",), "channel, messages had in so many days", _MESSAGE, "messages_had"),
    **_of(
        ("education",),
        "flow, arm",
        _FLOW,
        "flow_people flow_reached flow_responded flow_booked flow_returned flow_lift flow_waiting",
    ),
    **_of(
        ("forecast",),
        "number, channel or service line or location, week",
        _AHEAD,
        "expected likely_low likely_high wide_low wide_high target on_target wape",
    ),
    **_of(("budget",), "plan", _TODAY, "plan_gain plan_sure plan_total plan_moved"),
    **_of(
        ("budget",),
        "channel of a plan",
        _TODAY,
        "spend_now spend_least spend_most spend_suggested spend_change brings_now brings_then"
        " one_more_now one_more",
    ),
    **_of(("channels",), "channel", _CHOSEN, "credited_roi"),
    **_of(("channels",), "channel", "the day it happened", "incremental_roi"),
    **_of(("channels",), "channel", "week of the spend", "mix_roi mix_roi_low mix_roi_high"),
    **_of(
        ("lift",),
        "lift test",
        "days of the test",
        "lift_increment lift_share lift_cost lift_money lift_chance lift_detectable lift_power"
        " lift_weeks lift_counted_weekly lift_spent_weekly",
    ),
    **_of(
        ("reports",),
        "channel, week",
        "weeks that both this report and the last one tell of",
        "spend_restated leads_restated booked_restated new_patients_restated collected_restated"
        " weeks_restated",
    ),
    **_of(
        ("reports",),
        "service line",
        "the day it happened",
        "line_cpl line_roi leads_that_booked leads_that_came kept_of_booked share_of_line",
    ),
    **_of(("reports",), "service line", "day of the appointment", "line_show_rate booked_ahead"),
    **_of(
        ("reports",),
        "installation",
        "day on which the report is due",
        "reports_planned reports_sent reports_held reports_failed",
    ),
}
