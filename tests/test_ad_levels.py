"""Campaigns and their ad groups: whatever there is of both, nothing is lost or counted twice."""

from datetime import date
from decimal import Decimal

import hypothesis.strategies as st
from hypothesis import given
from servers.google_ads import spend

from connectors.ad_levels import by_ad_group

DAY = date(2026, 11, 1)
METRICS = ("spend", "impressions", "clicks", "claimed_conversions", "claimed_value")


def part(group, amount):
    return spend(
        DAY,
        group=group,
        spend=Decimal(amount),
        impressions=amount,
        clicks=amount,
        claimed_conversions=float(amount),
        claimed_value=Decimal(amount),
    )


amounts = st.integers(0, 50)


@given(st.lists(amounts, max_size=4), amounts, st.booleans())
def test_a_campaign_s_day_adds_up_to_what_the_platform_says(groups, unexplained, told):
    whole = part("", sum(groups) + unexplained)
    parts = [part(f"{number}", amount) for number, amount in enumerate(groups)]
    # Some platforms tell what belongs to no ad group on a line of its own.
    more = [part("", unexplained)] if told else []
    found = list(by_ad_group([whole], [*parts, *more]))
    for metric in METRICS:
        assert sum(getattr(row, metric) for row in found) == getattr(whole, metric)
    keys = [row.ad_group_id for row in found]
    assert len(keys) == len(set(keys))
    assert ("" in keys) == bool(unexplained)
