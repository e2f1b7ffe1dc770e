"""The numbers that only reports hold: of service lines as a whole, and of what was restated."""

from attribution.metrics.definition import Definition, Format

_RESTATED: tuple[tuple[str, str, str, Format], ...] = (
    ("spend", "Spend", "Spend", "money"),
    ("leads", "Leads", "Credited leads", "number"),
    ("booked", "Booked visits", "Credited bookings", "number"),
    ("new_patients", "New patients", "Credited new patients", "number"),
    ("collected", "Collected", "Credited money", "money"),
)


def _restated(name: str, title: str, what: str, format_: Format) -> Definition:
    return Definition(
        f"{name}_restated",
        f"{title}, restated",
        f"{what} of weeks that the last report told of, beyond what that one told.",
        "Now − then, over the weeks that both cover.",
        format_,
        "neither",
    )


REPORTING = (
    Definition(
        "line_cpl",
        "Cost per lead",
        "Spend of the service line for each of its leads, whatever brought them.",
        "Spend ÷ leads; undefined without leads or spend.",
        "money",
        "down",
    ),
    Definition(
        "line_roi",
        "Net return, blended",
        "What the service line earned beyond its spend, for each unit of spend.",
        "(Collected − spend) ÷ spend; undefined without spend.",
        "rate",
    ),
    Definition(
        "leads_that_booked",
        "Leads that booked",
        "Share of the leads of the period that have booked so far.",
        "Leads that booked ÷ leads; of weeks with at least eleven leads.",
        "rate",
    ),
    Definition(
        "leads_that_came",
        "Leads that came",
        "Share of the leads of the period that are new patients so far.",
        "Leads that became new patients ÷ leads; of weeks with at least eleven leads.",
        "rate",
    ),
    Definition(
        "kept_of_booked",
        "Kept of booked",
        "Kept visits of the period for each booking of the period.",
        "Kept visits ÷ booked visits; visits are kept weeks after they are booked.",
        "rate",
    ),
    Definition(
        "line_show_rate",
        "Show rate",
        "Share of the appointments of the period that were kept, of those kept or missed.",
        "Kept ÷ (kept + missed without notice); cancelled ones are left out.",
        "rate",
    ),
    Definition(
        "booked_ahead",
        "Days booked ahead",
        "Average days from the booking to the visit, of visits kept in the period.",
        "Of appointments whose booking is known.",
        "number",
        "down",
    ),
    Definition(
        "share_of_line",
        "Share of the line",
        "The channel's part of what is credited in the service line.",
        "Credited to the channel ÷ credited in the service line.",
        "rate",
        "neither",
    ),
    Definition(
        "weeks_restated",
        "Weeks restated",
        "Weeks of which the last report said another number than this one.",
        "Only weeks that the last report covered count.",
        "count",
        "neither",
    ),
    *(_restated(*each) for each in _RESTATED),
)
