"""What a loopback Google Ads account holds, and how it answers a question about it.

As the real one it knows no ad groups of Performance Max and leaves out rows whose metrics are all
zero. Rows are `AdSpend` and `ClaimedConversions`, as the connector is to make them again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

from connectors.contract import AdClick, AdSpend, ClaimedConversions

VERSION = "v26"
TYPES = {
    "cpc": "SEARCH", "display": "DISPLAY", "video": "VIDEO", "demand_gen": "DEMAND_GEN",
    "shopping": "SHOPPING", "performance_max": "PERFORMANCE_MAX", "app": "MULTI_CHANNEL",
}  # fmt: skip
EVENTS = {"click": "INTERACTION", "view": "IMPRESSION", "either": "UNSPECIFIED"}


def module(name: str) -> Any:
    """A generated module of the version that the servers speak."""
    return import_module(f"google.ads.googleads.{VERSION}.{name}")


@dataclass(slots=True)
class Customer:
    """An account; rows with an empty `ad_group_id` are of campaigns that have no ad groups."""

    number: str = "1234567890"
    rows: list[AdSpend] = field(default_factory=list)
    claims: list[ClaimedConversions] = field(default_factory=list)
    clicks: list[AdClick] = field(default_factory=list)
    name: str = "North Clinic"
    currency: str = "USD"
    time_zone: str = "America/New_York"
    manager: bool = False
    lookback_days: int = 30
    lags: dict[str, float] = field(default_factory=dict)  # bucket -> share of each claim
    new_type: bool = False  # campaigns are of a type that this version does not know


def selected(
    customer: Customer, fields: list[str], resource: str, since: date, until: date
) -> Iterator[Any]:
    """The rows of a resource on some days, with the fields that were asked for."""
    types = module("services.types.google_ads_service")
    by_action = "segments.conversion_action" in fields
    for found in _found(customer, resource, since, until, by_action):
        if "segments.conversion_lag_bucket" in fields and customer.lags:
            yield from _by_lag(types.GoogleAdsRow, found, customer.lags)
            continue
        metrics = [name for name in fields if name.startswith("metrics.")]
        if metrics and "segments.date" in fields and not any(found.get(m) for m in metrics):
            continue
        row = types.GoogleAdsRow()
        for name in fields:
            part, _, leaf = name.partition(".")
            if name in found:
                setattr(getattr(row, part), leaf, found[name])
        if customer.new_type:
            types.GoogleAdsRow.pb(row).campaign.advertising_channel_type = 99
        yield row


def _by_lag(row: Any, found: dict[str, Any], lags: dict[str, float]) -> Iterator[Any]:
    """A claim in parts, each of which came equally late."""
    for bucket, share in lags.items():
        part = row()
        part.campaign.id = found["campaign.id"]
        part.segments.date = found["segments.date"]
        part.segments.conversion_action = found["segments.conversion_action"]
        part.segments.conversion_lag_bucket = bucket
        part.metrics.conversions = share * found["metrics.conversions"]
        yield part


def _found(
    customer: Customer, resource: str, since: date, until: date, by_action: bool
) -> Iterable[dict[str, Any]]:
    spent = [row for row in customer.rows if since <= row.day <= until]
    claimed = [row for row in customer.claims if since <= row.day <= until]
    if resource == "conversion_action":
        for action in sorted({claim.action for claim in customer.claims}):
            yield {
                "conversion_action.resource_name": _action(customer, action),
                "conversion_action.click_through_lookback_window_days": customer.lookback_days,
                "conversion_action.view_through_lookback_window_days": 1,
            }
    elif resource == "customer":
        yield {
            "customer.id": int(customer.number),
            "customer.descriptive_name": customer.name,
            "customer.currency_code": customer.currency,
            "customer.time_zone": customer.time_zone,
            "customer.manager": customer.manager,
            **_sums(spent),
        }
    elif resource == "click_view":
        for clicked in customer.clicks:
            if clicked.day == since:
                number = int(clicked.ad_group_id or 0)
                group = {"ad_group.id": number, "ad_group.name": clicked.ad_group}
                yield {**_campaign(clicked), **group, "click_view.gclid": clicked.click_id}
    elif resource == "ad_group":
        for row in spent:
            if row.ad_group_id:
                group = {"ad_group.id": int(row.ad_group_id), "ad_group.name": row.ad_group}
                yield {**_campaign(row), **group, **_sums([row])}
    elif by_action:
        for claim in claimed:
            if claim.action != "view_through_conversions":
                yield {
                    **_campaign(claim),
                    "segments.conversion_action": _action(customer, claim.action),
                    "segments.conversion_action_name": claim.action,
                    "segments.conversion_attribution_event_type": EVENTS[claim.counted_by],
                    "metrics.conversions": claim.conversions,
                    "metrics.conversions_value": float(claim.value or 0),
                }
    else:
        yield from _campaigns(spent, claimed)


def _campaigns(spent: list[AdSpend], claimed: list[ClaimedConversions]) -> Iterator[dict[str, Any]]:
    days: dict[tuple[date, str], list[AdSpend]] = {}
    for row in spent:
        days.setdefault((row.day, row.campaign_id), []).append(row)
    views = {
        (claim.day, claim.campaign_id): claim
        for claim in claimed
        if claim.action == "view_through_conversions"
    }
    for key in sorted({*days, *views}):
        view = views.get(key)
        first = days[key][0] if key in days else view
        seen = round(view.conversions) if view else 0
        got = _sums(days.get(key, []))
        yield {**_campaign(first), **got, "metrics.view_through_conversions": seen}


def _campaign(row: Any) -> dict[str, Any]:
    return {
        "campaign.id": int(row.campaign_id),
        "campaign.name": row.campaign,
        "campaign.advertising_channel_type": TYPES[row.medium],
        "segments.date": row.day.isoformat(),
    }


def _sums(rows: list[AdSpend]) -> dict[str, Any]:
    return {
        "metrics.cost_micros": int(sum(row.spend for row in rows) * 1_000_000),
        "metrics.impressions": sum(row.impressions for row in rows),
        "metrics.clicks": sum(row.clicks for row in rows),
        "metrics.conversions": sum(row.claimed_conversions or 0.0 for row in rows),
        "metrics.conversions_value": float(sum(row.claimed_value or 0 for row in rows)),
    }


def _action(customer: Customer, name: str) -> str:
    return f"customers/{customer.number}/conversionActions/{name.encode().hex()}"


def sample(today: date, days: int = 10, number: str = "1234567890") -> Customer:
    """Ten days of a search campaign with two ad groups and of a Performance Max campaign."""
    rows, claims = [], []
    for back in range(days, 0, -1):
        day = today - timedelta(days=back)
        for campaign, group, medium in (
            ("11", "111", "cpc"),
            ("11", "112", "cpc"),
            ("12", "", "performance_max"),
        ):
            rows.append(spend(day, campaign, group, medium, clicks=back))
        claims.append(claim(day, "11", "Booking form", 4.5))
        claims.append(claim(day, "12", "view_through_conversions", 2, counted_by="view"))
    return Customer(number, rows, claims)


def spend(
    day: date, campaign: str = "11", group: str = "111", medium: str = "cpc", **more: Any
) -> AdSpend:
    """One ad group's day."""
    fields: dict[str, Any] = {
        "day": day,
        "timezone": "America/New_York",
        "campaign_id": campaign,
        "campaign": f"Campaign {campaign}",
        "ad_group_id": group,
        "ad_group": f"Group {group}" if group else "",
        "network": "google",
        "medium": medium,
        "currency": "USD",
        "spend": Decimal("12.345678"),
        "impressions": 1000,
        "clicks": 9,
        "claimed_conversions": 1.5,
        "claimed_value": Decimal("150.25"),
    }
    return AdSpend(**{**fields, **more})


def click(day: date, gclid: str, campaign: str = "11", **more: Any) -> AdClick:
    """A click of one day."""
    fields: dict[str, Any] = {
        "campaign_id": campaign,
        "campaign": f"Campaign {campaign}",
        "ad_group_id": f"{campaign}1",
        "ad_group": f"Group {campaign}1",
        "network": "google",
        "medium": "cpc",
    }
    return AdClick(click_id=gclid, day=day, **{**fields, **more})


def claim(
    day: date, campaign: str, action: str, conversions: float, **more: Any
) -> ClaimedConversions:
    """What is claimed for one action on one campaign's day."""
    view = action == "view_through_conversions"
    fields: dict[str, Any] = {
        "day": day,
        "timezone": "America/New_York",
        "campaign_id": campaign,
        "campaign": f"Campaign {campaign}",
        "ad_group_id": "",
        "network": "google",
        "medium": "performance_max" if campaign == "12" else "cpc",
        "action": action,
        "attribution_window": "" if view else "30d_click",
        "counted_by": "click",
        "dated": "touch",
        "conversions": float(conversions),
        "currency": "USD",
        "value": None if view else Decimal("450.75"),
    }
    return ClaimedConversions(**{**fields, **more})
