"""The questions to Google Ads, in its query language (GAQL).

None of them filters on a status: campaigns and ad groups that were removed keep their spend.
"""

from datetime import date

from connectors.source import Window

ACCOUNT = (
    "SELECT customer.id, customer.descriptive_name, customer.currency_code, customer.time_zone, "
    "customer.manager FROM customer LIMIT 1"
)
LOOKBACKS = (
    "SELECT conversion_action.resource_name, "
    "conversion_action.click_through_lookback_window_days, "
    "conversion_action.view_through_lookback_window_days FROM conversion_action"
)
_DAY = (
    "campaign.id", "campaign.name", "campaign.advertising_channel_type", "segments.date",
)  # fmt: skip
_CLAIMED = ("metrics.conversions", "metrics.conversions_value")
_GOT = ("metrics.cost_micros", "metrics.impressions", "metrics.clicks", *_CLAIMED)


def spend_by_campaign(window: Window) -> str:
    """What every campaign got, also those without ad groups."""
    return _question((*_DAY, *_GOT, "metrics.view_through_conversions"), "campaign", window)


def spend_by_ad_group(window: Window) -> str:
    """What every ad group got; of Performance Max and its like there is none."""
    return _question((*_DAY, "ad_group.id", "ad_group.name", *_GOT), "ad_group", window)


def claims(window: Window) -> str:
    """What Google claims for each conversion action; without cost, which it would repeat."""
    action = (
        "segments.conversion_action",
        "segments.conversion_action_name",
        "segments.conversion_attribution_event_type",
    )
    return _question((*_DAY, *action, *_CLAIMED), "campaign", window)


def lags(window: Window) -> str:
    """How long after the click the conversions of each action came."""
    lag = ("segments.conversion_action", "segments.conversion_lag_bucket", "metrics.conversions")
    return _question(("campaign.id", "segments.date", *lag), "campaign", window)


def sums(window: Window) -> str:
    """What the whole account got, by Google's own sum."""
    return _question(_GOT, "customer", window)


def clicks(day: date) -> str:
    """The clicks of one day, which is as many as Google tells of at once, with their campaign."""
    fields = (*_DAY, "click_view.gclid", "ad_group.id", "ad_group.name")
    return f"SELECT {', '.join(fields)} FROM click_view WHERE segments.date = '{day}'"  # noqa: S608


def _question(fields: tuple[str, ...], resource: str, window: Window) -> str:
    days = f"segments.date BETWEEN '{window.since}' AND '{window.until}'"
    return " ".join(("SELECT", ", ".join(fields), "FROM", resource, "WHERE", days))
