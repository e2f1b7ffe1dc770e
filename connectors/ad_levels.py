"""Spend of campaigns and of their ad groups, joined so that nothing is counted twice.

Ad platforms report both levels, and some campaigns (Performance Max and its like) have no ad groups
that report. What the ad groups of a campaign's day do not explain is kept on a row without one.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

from connectors.contract import AdSpend


def by_ad_group(campaigns: Iterable[AdSpend], groups: Iterable[AdSpend]) -> Iterator[AdSpend]:
    """Every ad group's day, and what is left of each campaign's day.

    That is all of a Performance Max campaign and nothing of most others, so a campaign's days add
    up to what the platform says of the campaign, whatever kinds of campaigns it has.
    """
    parts: dict[tuple[date, str], list[AdSpend]] = defaultdict(list)
    for row in groups:
        if row.ad_group_id:  # one without is among what is left below
            parts[row.day, row.campaign_id].append(row)
            yield row
    for row in campaigns:
        explained = parts[row.day, row.campaign_id]
        left = _left(row, explained)
        spent = left.spend or left.impressions or left.clicks
        # Fractions may leave a speck where the ad groups explain all.
        if spent or (not explained and (left.claimed_conversions or left.claimed_value)):
            yield left


def _left(whole: AdSpend, parts: list[AdSpend]) -> AdSpend:
    """A campaign's day without what its ad groups explain; never less than nothing."""
    conversions = (whole.claimed_conversions or 0.0) - sum(
        p.claimed_conversions or 0 for p in parts
    )
    value = (whole.claimed_value or 0) - sum(p.claimed_value or 0 for p in parts)
    return replace(
        whole,
        spend=max(Decimal(), whole.spend - sum(part.spend for part in parts)),
        impressions=max(0, whole.impressions - sum(part.impressions for part in parts)),
        clicks=max(0, whole.clicks - sum(part.clicks for part in parts)),
        # Fractions are added up in another order than the platform's.
        claimed_conversions=max(0.0, round(conversions, 6)),
        claimed_value=max(Decimal(), Decimal(value)),
    )
