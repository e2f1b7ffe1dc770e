"""What comes in and what it costs: the numbers of Overview and Channels."""

from attribution.metrics.definition import Definition


def _kinds() -> tuple[Definition, ...]:
    return (
        Definition(
            "leads",
            "Leads",
            "First inquiries: a form, an answered first call or a new contact of the CRM.",
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
            "Spend ÷ leads, of the weeks in which both are known; undefined without either.",
            "money",
            "down",
        ),
        Definition(
            "cac",
            "CAC",
            "Cost of acquiring a new patient, media only.",
            "Spend ÷ new patients, of the weeks in which both are known; undefined without either.",
            "money",
            "down",
        ),
        Definition(
            "roas",
            "ROAS",
            "Return on ad spend: money collected for each unit of money spent.",
            "Collected ÷ spend, of the weeks in which both are known; undefined without spend.",
            "ratio",
        ),
        Definition(
            "roi",
            "Net return on spend",
            "What the money spent on media brought beyond itself, before the cost of care.",
            "(Collected − spend) ÷ spend, of the weeks in which both are known; undefined without "
            "spend.",
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


def _changes() -> tuple[Definition, ...]:
    """Parts of a change between two periods (attribution/models/change.py)."""
    shared = "Its mean effect over every order in which money, mix and rates could have changed."
    return (
        Definition(
            "change_restated",
            "Restated since",
            "What sources have added to or taken from the period before since the last refresh.",
            "The period before as known now − as it was published last.",
            "number",
            "neither",
        ),
        Definition(
            "change_spend",
            "Money spent",
            "What more or less money in all did, at the mix and the rates of the channels.",
            shared,
            "number",
            "neither",
        ),
        Definition(
            "change_mix",
            "Channel mix",
            "What moving money from some channels to others did.",
            shared,
            "number",
        ),
        Definition(
            "change_rate",
            "Conversion rates",
            "What it did that a unit of a channel's money brings more or less than before.",
            shared,
            "number",
        ),
        Definition(
            "change_unpaid",
            "Without spend",
            "What channels without spend in the period, and nobody knows which, brought more.",
            "Credited without spend in this period − in the one before.",
            "number",
        ),
    )


ACQUIRING: tuple[Definition, ...] = (
    *_kinds(),
    *_costs(),
    *_blended(),
    *_web(),
    *_changes(),
)
