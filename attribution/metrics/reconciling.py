"""What platforms claim, and how records join: the numbers of Reconcile and Data health."""

from attribution.metrics.definition import Definition


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


RECONCILING: tuple[Definition, ...] = (*_joined(), *_claims())
