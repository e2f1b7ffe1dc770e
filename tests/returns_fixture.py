"""Made-up marts of who is silent today, for tests of pages."""

import pandas as pd

SILENCES = ("6-12", "12-18", "18-24", "24-36", "36+")


def reach_next(service_lines: tuple[str, ...], locations: tuple[str, ...]) -> pd.DataFrame:
    rows = [
        (silence, line, place, "USD", 100 + 10 * at, 40 + at, 30, 12.5 - at, 250_000_000)
        for at, silence in enumerate(SILENCES)
        for line in service_lines
        for place in locations
    ]
    columns = (
        *("months_silent", "service_line", "location", "currency", "people", "email_people"),
        *("sms_people", "returns", "value_micros"),
    )
    return pd.DataFrame(rows, columns=columns)


def return_calibration() -> pd.DataFrame:
    rows = [(at, 300, 0.03 * at, 0.031 * at, 0.025 * at, 0.037 * at) for at in range(1, 11)]
    return pd.DataFrame(rows, columns=("decile", "people", "predicted", "observed", "low", "high"))


def reach_costs() -> pd.DataFrame:
    rows = [
        ("outreach_email", "Annual check-up", "USD", 900, 1800, 18_000_000),
        ("outreach_sms", "Knee follow-up", "USD", 400, 400, 20_000_000),
    ]
    columns = ("channel", "campaign", "currency", "people", "messages", "spend_micros")
    return pd.DataFrame(rows, columns=columns)
