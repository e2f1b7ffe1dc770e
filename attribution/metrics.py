"""Every number that caretrace shows, defined once: pages, exports and docs read it from here."""

from dataclasses import dataclass
from typing import Literal

Format = Literal[
    "text", "count", "money", "rate", "points", "ratio", "number", "day", "instant", "flag"
]
Better = Literal["up", "down", "neither"]


@dataclass(frozen=True, slots=True)
class Definition:
    """What a number means: one sentence, the formula, how it is written, which way is good."""

    name: str
    title: str
    sentence: str
    formula: str
    format: Format
    better: Better = "up"

    @property
    def help(self) -> str:
        """The definition as a tooltip."""
        return f"{self.sentence} {self.formula}" if self.formula else self.sentence


def _kinds() -> tuple[Definition, ...]:
    return (
        Definition(
            "leads",
            "Leads",
            "First inquiries: a form, an answered call, a chat or a referral order.",
            "Counted in the week of the inquiry.",
            "count",
        ),
        Definition(
            "booked",
            "Booked visits",
            "Appointments that were made, whether or not they were kept later.",
            "Counted in the week of booking.",
            "count",
        ),
        Definition(
            "kept",
            "Kept visits",
            "Appointments at which the patient was seen.",
            "Counted in the week of the visit.",
            "count",
        ),
        Definition(
            "new_patients",
            "New patients",
            "People seen for the first time, or for the first time in three years.",
            "Counted in the week of the first kept visit.",
            "count",
        ),
        Definition(
            "collected",
            "Collected",
            "Money received from patients and payers, not what was charged.",
            "Counted in the week of posting.",
            "money",
        ),
    )


def _costs() -> tuple[Definition, ...]:
    return (
        Definition(
            "spend",
            "Spend",
            "What was paid for media, as each ad platform or invoice states it.",
            "Sum over the days of the period.",
            "money",
            "neither",
        ),
        Definition(
            "cpl",
            "CPL",
            "Cost per lead: what one lead cost in media.",
            "Spend ÷ leads; undefined without leads or spend.",
            "money",
            "down",
        ),
        Definition(
            "cac",
            "CAC",
            "Cost of acquiring a new patient, media only.",
            "Spend ÷ new patients; undefined without new patients or spend.",
            "money",
            "down",
        ),
        Definition(
            "roas",
            "ROAS",
            "Return on ad spend: money collected for each unit of money spent.",
            "Collected ÷ spend; undefined without spend.",
            "ratio",
        ),
        Definition(
            "roi",
            "Net return on spend",
            "What the money spent on media brought beyond itself, before the cost of care.",
            "(Collected − spend) ÷ spend; undefined without spend.",
            "rate",
        ),
    )


def _blended() -> tuple[Definition, ...]:
    return (
        Definition(
            "blended_cac",
            "Blended CAC",
            "All media spend for each new patient, whatever brought the patient.",
            "All spend ÷ all new patients; CAC on Channels counts credited patients only.",
            "money",
            "down",
        ),
        Definition(
            "blended_roas",
            "Blended ROAS",
            "All money collected for each unit of media spend, whatever brought the patients.",
            "All collected ÷ all spend; ROAS on Channels counts credited money only.",
            "ratio",
        ),
    )


def _web() -> tuple[Definition, ...]:
    return (
        Definition(
            "sessions",
            "Sessions",
            "Visits to the website as the web analytics source counts them.",
            "Known by channel and campaign only, so service line and location do not narrow it.",
            "count",
            "neither",
        ),
        Definition(
            "conversions",
            "Credited",
            "Conversions of the chosen kind credited to the channel by the chosen model.",
            "Models share each conversion among the touches before it; Incremental shares all "
            "conversions among channels and Baseline. Either adds up to what happened.",
            "number",
        ),
    )


def _credited() -> tuple[Definition, ...]:
    return (
        Definition(
            "attributed",
            "Known channel",
            "Share of the chosen conversions that the model credits to a known channel.",
            "(All − unattributed − unmapped − baseline) ÷ all.",
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
            "Paid collected ÷ spend; undefined without spend.",
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
            "Contacted patients who opened, clicked, replied, called or booked.",
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
            "Difference of two shares in percentage points, with a 95% interval.",
            "points",
        ),
        Definition(
            "return_chance",
            "Chance to return",
            "How likely a silent patient books again unasked, a visit that is then kept.",
            "Within six months; learned from the silences of the last two years.",
            "rate",
        ),
        Definition(
            "return_value",
            "Worth of a return",
            "What a patient of this service line who returns brings on average.",
            "Collected within 180 days of the booking.",
            "money",
        ),
        Definition(
            "reach",
            "People to reach",
            "Silent patients who allowed marketing, in groups worth a message.",
            "",
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
            "People times what a message by that channel has cost so far.",
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


def _journeys() -> tuple[Definition, ...]:
    return (
        Definition(
            "journeys",
            "Journeys",
            "Journeys with a known touch that ended in these quarters: converted, or given up.",
            "A journey is given up when the lookback has passed since its last touch.",
            "count",
            "neither",
        ),
        Definition(
            "journey_touches",
            "Median touches",
            "Half of the converted journeys had at most so many touches.",
            "Of several quarters or service lines: the mean of their medians by journeys.",
            "number",
            "neither",
        ),
        Definition(
            "journey_days",
            "Median days",
            "Half of the converted journeys took at most so many days from first touch to the end.",
            "Of several quarters or service lines: the mean of their medians by journeys.",
            "number",
            "down",
        ),
        Definition(
            "one_touch",
            "One touch",
            "Share of the converted journeys that had a single touch.",
            "Journeys of one touch ÷ converted journeys.",
            "rate",
            "neither",
        ),
        Definition(
            "converted",
            "Converted",
            "Journeys that ended in a conversion of the chosen kind.",
            "Only those with a known touch before it.",
            "count",
        ),
        Definition(
            "path_rate",
            "Conversion rate",
            "Share of the path's journeys that ended in a conversion.",
            "Converted ÷ all journeys, those given up included.",
            "rate",
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


def _joined() -> tuple[Definition, ...]:
    return (
        Definition(
            "match_rate",
            "Match rate",
            "Share of the people whom one source knows that another source knows too.",
            "People in both ÷ people in the first; a browser that nobody named is a person too.",
            "rate",
        ),
        Definition(
            "touch_coverage",
            "Touch known",
            "Share of new patients of the last twelve weeks before whose visit a touch is known.",
            "New patients with at least one touch in the lookback ÷ all new patients.",
            "rate",
        ),
    )


def _claims() -> tuple[Definition, ...]:
    return (
        Definition(
            "claimed",
            "Claimed",
            "Conversions that ad platforms count as theirs, in their own reports.",
            "Counted in the week in which the platform puts them.",
            "count",
            "neither",
        ),
        Definition(
            "claim_attributed",
            "Attributed",
            "What the chosen model credits to the platform's touches, of the same conversions.",
            "Counted in the week of the conversion.",
            "number",
        ),
        Definition(
            "claim_ratio",
            "Over-claim",
            "How many conversions platforms claim for each that the model credits to them.",
            "Claimed ÷ attributed; undefined without credit.",
            "ratio",
            "down",
        ),
        Definition(
            "last_touch",
            "Last touch",
            "Observed conversions whose last known touch was the platform's.",
            "",
            "count",
        ),
        Definition(
            "any_touch",
            "Any touch",
            "Observed conversions with a touch of the platform anywhere in their journey.",
            "One conversion may count for several platforms.",
            "count",
        ),
        Definition(
            "claim_difference",
            "Difference",
            "What platforms claim beyond what the model credits them with.",
            "Claimed − attributed; the causes and the unexplained add up to it.",
            "number",
            "down",
        ),
        *_causes(),
    )


def _causes() -> tuple[Definition, ...]:
    """Why claims and credit differ; each is how much it makes claims larger than credit."""
    told = (
        (
            "repeated",
            "Told twice",
            "Claims of an action that counts the conversions of another action once more.",
            "As claim_rules.csv says which action repeats which.",
        ),
        (
            "viewed",
            "View-through",
            "Claims for people who saw an ad and did not click: no touch of ours.",
            "What the platform counts by view, without what is told twice.",
        ),
        (
            "again",
            "Asked again",
            "Forms and calls after a click that are no new lead: of known callers, or soon again.",
            "Inquiries within the lead gap and calls that are not the first; of leads only.",
        ),
        (
            "untracked",
            "Lost tracking",
            "Clicks that the platform saw and we did not: no cookie, another device, a plain call.",
            "An estimate: seen clicks × leads without a known touch ÷ leads with one.",
        ),
        (
            "late",
            "Not reported yet",
            "Conversions after a click that fall on days the platform has not reported yet.",
            "Days after the last one of its spend or claims; it lowers claims.",
        ),
        (
            "unclaimed",
            "Never claimed",
            "Conversions after a click of a campaign for which the platform claims none at all.",
            "Its conversion tracking may be off, or blocked; it lowers claims.",
        ),
        (
            "date_basis",
            "Day of the ad",
            "The platform counts on the day of the ad, we on the day of the conversion.",
            "Clicked conversions by its day − by ours; over all weeks it is nought.",
        ),
        (
            "window_gap",
            "Window",
            "Clicks inside its window and outside our lookback, less credit for clicks it forgot.",
            "Its window is in its claims, our lookback in the credit settings.",
        ),
        (
            "other_platforms",
            "Other platforms",
            "Parts of conversions that the model gives to another platform that claims them whole.",
            "Sum of that platform's shares in clicked conversions.",
        ),
        (
            "other_channels",
            "Other channels",
            "Parts that the model gives to channels that claim nothing, such as e-mail or search.",
            "For one campaign also what goes to the platform's other campaigns.",
        ),
        (
            "by_effect",
            "Credited by effect",
            "The incremental model credits what would not have come, not who was clicked.",
            "Clicked conversions − what the model credits; nought under all other models.",
        ),
        (
            "unexplained",
            "Unexplained",
            "What is left: modelled conversions, people whom nothing joins to their click.",
            "Claimed − attributed − all causes.",
        ),
    )
    return tuple(Definition(*each, "number", "neither") for each in told)


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


METRICS: dict[str, Definition] = {
    each.name: each
    for each in (
        *_kinds(),
        *_costs(),
        *_blended(),
        *_web(),
        *_credited(),
        *_sure(),
        *_funnel(),
        *_journeys(),
        *_cohorts(),
        *_why(),
        *_joined(),
        *_claims(),
        *_person(),
    )
}

# The conversion kinds of the credit and conversions marts, and the number that each one feeds.
KINDS: dict[str, str] = {
    "lead": "leads",
    "booked": "booked",
    "kept": "kept",
    "new_patient": "new_patients",
    "collected": "collected",
}


def definition(name: str) -> Definition:
    """The definition of a number."""
    return METRICS[name]


def ratio(over: float | None, under: float | None) -> float | None:
    """One number over another; None where it has no meaning."""
    if over is None or not under:
        return None
    return over / under
