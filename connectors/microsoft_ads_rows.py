"""The rows that Microsoft Advertising's reports become."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from connectors.contract import AdSpend, ClaimedConversions
from connectors.errors import SourceChanged

# How the channel rules know a campaign type, whose name comes with or without spaces. A type that
# Microsoft adds later keeps its own name and is shown as unmapped until there is a rule for it.
MEDIUMS = {
    "search": "cpc",
    "searchandcontent": "cpc",
    "search&content": "cpc",
    "dynamicsearchads": "cpc",
    "smart": "cpc",
    "hotel": "cpc",
    "shopping": "shopping",
    "performancemax": "performance_max",
    "audience": "audience",
    "display": "display",
    "video": "video",
    "ctv": "video",
    "app": "app",
    "appinstall": "app",
}
Said = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Account:
    """An account's own description."""

    number: str
    name: str
    currency: str
    timezone: str


def spend(said: Said, account: Account) -> AdSpend:
    """A campaign's or an ad group's day."""
    day, campaign_id, campaign, medium = _campaign(said)
    return AdSpend(
        day=day,
        timezone=account.timezone,
        campaign_id=campaign_id,
        campaign=campaign,
        ad_group_id=said.get("AdGroupId", ""),
        ad_group=said.get("AdGroupName", ""),
        network="microsoft",
        medium=medium,
        currency=account.currency,
        spend=amount(said, "Spend"),
        impressions=int(amount(said, "Impressions")),
        clicks=int(amount(said, "Clicks")),
        claimed_conversions=float(amount(said, "ConversionsQualified")),
        claimed_value=amount(said, "Revenue"),
    )


def claimed(rows: Iterable[Said], account: Account) -> Iterator[ClaimedConversions]:
    """What Microsoft claims for each goal, after clicks and after mere views."""
    for said in rows:
        columns = (
            ("click", "ConversionsQualified", "Revenue"),
            ("view", "ViewThroughConversionsQualified", "ViewThroughRevenue"),
        )
        for counted_by, conversions, value in columns:
            row = _claim(said, account, counted_by, amount(said, conversions), amount(said, value))
            if row.conversions or row.value:
                yield row


def total(rows: Iterable[Said], column: str) -> Decimal:
    """What a column of a report adds up to."""
    return sum((amount(said, column) for said in rows), Decimal())


def amount(said: Said, column: str) -> Decimal:
    """A number of a report; empty and "--" are nothing."""
    text = said[column].strip().replace(",", "")
    if text in ("", "--"):
        return Decimal()
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise SourceChanged(f"Microsoft Advertising gave a value of {column} that is no number.")
    return value


def _claim(
    said: Said, account: Account, counted_by: str, conversions: Decimal, value: Decimal
) -> ClaimedConversions:
    day, campaign_id, campaign, medium = _campaign(said)
    return ClaimedConversions(
        day=day,
        timezone=account.timezone,
        campaign_id=campaign_id,
        campaign=campaign,
        ad_group_id="",
        network="microsoft",
        medium=medium,
        action=said["Goal"],
        attribution_window="",  # each goal has its own, which no report tells
        counted_by=counted_by,
        dated="touch",
        conversions=float(conversions),
        currency=account.currency,
        value=value,
    )


def _campaign(said: Said) -> tuple[date, str, str, str]:
    kind = said["CampaignType"].replace(" ", "").lower()
    try:
        day = date.fromisoformat(said["TimePeriod"])
    except ValueError:
        raise SourceChanged(
            "Microsoft Advertising's report has a row without a day; update caretrace."
        ) from None
    return day, said["CampaignId"], said["CampaignName"], MEDIUMS.get(kind, kind)
