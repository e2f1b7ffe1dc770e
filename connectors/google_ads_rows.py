"""The rows that the answers of Google Ads become.

Answers come as plain protobuf messages; each `of_...` takes out of one what its question asked for.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from connectors.contract import AdClick, AdSpend, ClaimedConversions

# How the channel rules know a campaign type. A type that Google adds later keeps its own name and
# is shown as unmapped until there is a rule for it.
MEDIUMS = {
    "SEARCH": "cpc",
    "SMART": "cpc",
    "LOCAL_SERVICES": "cpc",
    "HOTEL": "cpc",
    "TRAVEL": "cpc",
    "SHOPPING": "shopping",
    "PERFORMANCE_MAX": "performance_max",
    "LOCAL": "performance_max",
    "DISPLAY": "display",
    "MULTI_CHANNEL": "app",
    "VIDEO": "video",
    "DEMAND_GEN": "demand_gen",
}
NETWORK = "google"
COUNTED_BY = {"INTERACTION": "click", "IMPRESSION": "view"}
# Google's numbers of its buckets: 2 is less than a day, 8 six to seven, 17 21 to 30 days; 0 and 1
# are unknown.
FIRST_BUCKET, LAST_OF_7_DAYS, LAST_OF_30_DAYS = 2, 8, 17
VIEW_THROUGH = "view_through_conversions"


class Account(NamedTuple):
    """A customer's own description."""

    number: str
    name: str
    currency: str
    timezone: str
    manager: bool


class Got(NamedTuple):
    """What a campaign or an ad group cost and got."""

    micros: int
    impressions: int
    clicks: int
    conversions: float
    value: float


class Spent(NamedTuple):
    """One row of spend; `group_id` is empty for a campaign."""

    day: str
    campaign_id: str
    campaign: str
    medium: str
    group_id: str
    group: str
    got: Got
    view_through: int


class Claim(NamedTuple):
    """One row of claimed conversions."""

    day: str
    campaign_id: str
    campaign: str
    medium: str
    action_id: str
    action: str
    counted_by: str
    conversions: float
    value: float


def of_account(row: Any) -> Account:
    """A customer's number, name, currency and time zone."""
    said = row.customer
    return Account(
        str(said.id), said.descriptive_name, said.currency_code, said.time_zone, said.manager
    )


def of_lookback(row: Any) -> tuple[str, int, int]:
    """A conversion action and the days in which a click or a view is credited."""
    said = row.conversion_action
    return (
        said.resource_name,
        said.click_through_lookback_window_days,
        said.view_through_lookback_window_days,
    )


class Lag(NamedTuple):
    """Conversions of one action on a campaign's day that came equally late."""

    day: str
    campaign_id: str
    action_id: str
    bucket: int
    conversions: float


def of_lag(row: Any) -> Lag:
    """Conversions of one action, by how long after the click they came."""
    said = row.segments
    return Lag(
        said.date,
        str(row.campaign.id),
        said.conversion_action,
        said.conversion_lag_bucket,
        row.metrics.conversions,
    )


def of_got(row: Any) -> Got:
    """The metrics of a row."""
    said = row.metrics
    return Got(
        said.cost_micros,
        said.impressions,
        said.clicks,
        said.conversions,
        said.conversions_value,
    )


def of_spent(row: Any) -> Spent:
    """A campaign's or an ad group's day."""
    group = row.ad_group
    return Spent(
        row.segments.date,
        str(row.campaign.id),
        row.campaign.name,
        _medium(row.campaign),
        str(group.id) if group.id else "",
        group.name,
        of_got(row),
        row.metrics.view_through_conversions,
    )


def of_claim(row: Any) -> Claim:
    """A campaign's day, for one conversion action."""
    said = row.segments
    return Claim(
        said.date,
        str(row.campaign.id),
        row.campaign.name,
        _medium(row.campaign),
        said.conversion_action,
        said.conversion_action_name,
        COUNTED_BY.get(_word(said, "conversion_attribution_event_type"), "either"),
        row.metrics.conversions,
        row.metrics.conversions_value,
    )


def of_click(row: Any) -> AdClick | None:
    """A click and what it was of; None of one that Google gives no id."""
    if not row.click_view.gclid:
        return None
    group = row.ad_group
    return AdClick(
        click_id=row.click_view.gclid,
        day=date.fromisoformat(row.segments.date),
        campaign_id=str(row.campaign.id),
        campaign=row.campaign.name,
        ad_group_id=str(group.id) if group.id else "",
        ad_group=group.name,
        network=NETWORK,
        medium=_medium(row.campaign),
    )


def claimed(
    found: Iterable[Claim],
    campaigns: Iterable[Spent],
    lookbacks: Mapping[str, tuple[int, int]],
    lags: Iterable[Lag],
    account: Account,
) -> Iterator[ClaimedConversions]:
    """Claims by conversion action, and view-through conversions, which Google gives as a sum only.

    Actions of one name (of an account and of its manager) become one row.
    """
    rows: dict[tuple[str, ...], list[float]] = {}
    actions: dict[str, str] = {}
    for claim in found:
        actions[claim.action_id] = claim.action
        if not claim.conversions and not claim.value:
            continue
        window = _window(claim, lookbacks.get(claim.action_id))
        key: tuple[str, ...] = (*claim[:4], claim.action, window, claim.counted_by)
        sums = rows.setdefault(key, [0.0, 0.0])
        sums[0] += claim.conversions
        sums[1] += claim.value
    late = _late(lags, actions)
    for key, (conversions, value) in rows.items():
        after_7, after_30 = late.get((key[0], key[1], key[4]), (None, None))
        row = _claimed(key, account, conversions, money(value))
        yield replace(row, share_after_7_days=after_7, share_after_30_days=after_30)
    for spent in campaigns:
        if spent.view_through:
            yield _claimed(
                (*spent[:4], VIEW_THROUGH, "", "view"), account, float(spent.view_through), None
            )


def _late(
    lags: Iterable[Lag], actions: Mapping[str, str]
) -> dict[tuple[str, str, str], tuple[float, float]]:
    """By day, campaign and action: the shares that came after 7 and after 30 days."""
    sums: dict[tuple[str, str, str], list[float]] = {}
    for lag in lags:
        if lag.bucket < FIRST_BUCKET or lag.conversions <= 0:
            continue
        key = (lag.day, lag.campaign_id, actions.get(lag.action_id, ""))
        found = sums.setdefault(key, [0.0, 0.0, 0.0])
        found[0] += lag.conversions
        found[1] += lag.conversions if lag.bucket > LAST_OF_7_DAYS else 0.0
        found[2] += lag.conversions if lag.bucket > LAST_OF_30_DAYS else 0.0
    return {
        key: (round(after_7 / whole, 6), round(after_30 / whole, 6))
        for key, (whole, after_7, after_30) in sums.items()
    }


def money(value: float) -> Decimal:
    """An amount that Google gives as a binary fraction, to the micro."""
    return Decimal(f"{value:.6f}")


def ad_spend(spent: Spent, account: Account) -> AdSpend:
    """A campaign's or an ad group's day as a row."""
    return AdSpend(
        day=date.fromisoformat(spent.day),
        timezone=account.timezone,
        campaign_id=spent.campaign_id,
        campaign=spent.campaign,
        ad_group_id=spent.group_id,
        ad_group=spent.group,
        network=NETWORK,
        medium=spent.medium,
        currency=account.currency,
        spend=Decimal(spent.got.micros).scaleb(-6),
        impressions=spent.got.impressions,
        clicks=spent.got.clicks,
        claimed_conversions=spent.got.conversions,
        claimed_value=money(spent.got.value),
    )


def _claimed(
    key: tuple[str, ...], account: Account, conversions: float, value: Decimal | None
) -> ClaimedConversions:
    day, campaign_id, campaign, medium, action, window, counted_by = key
    return ClaimedConversions(
        day=date.fromisoformat(day),
        timezone=account.timezone,
        campaign_id=campaign_id,
        campaign=campaign,
        ad_group_id="",
        network=NETWORK,
        medium=medium,
        action=action,
        attribution_window=window,
        counted_by=counted_by,
        dated="touch",
        conversions=conversions,
        currency=account.currency,
        value=value,
    )


def _window(claim: Claim, days: tuple[int, int] | None) -> str:
    """The lookback that the action had when we asked, in the manner of `30d_click`."""
    if days is None:
        return ""
    click, view = days
    return f"{view}d_view" if claim.counted_by == "view" else f"{click}d_click"


def _medium(campaign: Any) -> str:
    word = _word(campaign, "advertising_channel_type")
    return MEDIUMS.get(word, word.lower())


def _word(message: Any, field: str) -> str:
    """The name of an enumerated value; one that this version does not know is UNKNOWN."""
    values = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    number = getattr(message, field)
    return str(values[number].name) if number in values else "UNKNOWN"
